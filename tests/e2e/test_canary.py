"""Unique strings in at every place a person could leave a trace; none of them in any file or log."""

import base64
import hashlib
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from e2e.agents import RunningAgent
from e2e.conftest import settings
from e2e.world import World

CANARIES = {
    name: f"canary{name}zq7x"
    for name in ("path", "query", "prompt", "cookie", "label", "user", "referer", "agent", "subdomain")
}


def _forms(text: str) -> Iterator[bytes]:
    """The text as a careless store could hold it."""
    plain = text.encode()
    yield from (
        plain,
        plain.upper(),
        plain[::-1],
        plain.hex().encode(),
        text.encode("utf-16-le"),
        text.encode("utf-16-be"),
    )
    yield base64.b64encode(plain).rstrip(b"=")[:-1]
    for algorithm in (hashlib.md5, hashlib.sha1, hashlib.sha256):
        yield algorithm(plain).digest()
        yield algorithm(plain).hexdigest().encode()


def _curl(agent: RunningAgent, url: str, *more: str) -> None:
    subprocess.run(
        ["curl", "--disable", "-sS", "-m", "10", "-o", os.devnull, "-x", f"http://127.0.0.1:{agent.port}", "-k"]
        + ["-A", CANARIES["agent"], "-b", f"id={CANARIES['cookie']}", "-e", f"https://{CANARIES['referer']}.example/"]
        + [*more, url],
        check=True,
    )


def _fail(agent: RunningAgent) -> None:
    """What does not work, which is what programs like to log."""
    label, path, subdomain = CANARIES["label"], CANARIES["path"], CANARIES["subdomain"]
    heads = (
        f"CONNECT gone-{label}.invalid:443 HTTP/1.1", f"CONNECT www.google.nl:9/{path} HTTP/1.1",
        f"CONNECT {subdomain}.translate.goog.:443 HTTP/1.1\r\n\r\nno TLS {path}", f"GET /{path} HTTP/1.1\r\n:{path}",
        f"POST /nl/snooze HTTP/1.1\r\nHost: {label}.example\r\nReferer: https://{label}.example/{path}", f"x{path}",
    )  # fmt: skip
    for head in heads:
        with socket.create_connection(("127.0.0.1", agent.port), timeout=5) as connection:
            connection.sendall(f"{head}\r\n\r\n".encode())
            connection.settimeout(2)
            with suppress(OSError):
                connection.recv(4096)


def test_no_trace_of_a_person_is_in_any_file_or_output(world: World, tmp_path: Path) -> None:
    strange = f"{CANARIES['label']}.example"
    world.resolver[strange] = world.resolver[f"{CANARIES['subdomain']}.translate.goog"] = f"127.0.0.1:{world.port}"
    log = tmp_path / "output.log"
    env = {"USER": CANARIES["user"], "LOGNAME": CANARIES["user"], "USERNAME": CANARIES["user"]}
    errors = tmp_path / "errors.log"  # a journal's part
    with errors.open("wb") as told, RunningAgent(settings(world, tmp_path), env, errors=told) as agent:
        query, path = CANARIES["query"], CANARIES["path"]
        _curl(agent, f"https://www.google.nl/search?q=inline+{query}", "--compressed")
        _curl(agent, f"https://www.google.nl/{path}?q={query}")
        _curl(agent, f"https://duckduckgo.com/duckchat/v1/chat?delay=0&n=1&x={query}", "-d", CANARIES["prompt"])
        _curl(
            agent,
            f"https://translate-pa.googleapis.com/v1/translateHtml?x={query}",
            "-d",
            f'[[["{CANARIES["prompt"]}"],"en","nl"],"te"]',
        )
        _curl(agent, f"https://{CANARIES['subdomain']}.translate.goog/{path}?_x_tr_tl=nl&_x_tr_sl=en")
        _curl(agent, f"https://chatgpt.com/{path}?q={query}")
        _curl(agent, f"https://{strange}/{path}?q={query}")
        _fail(agent)
        wanted = [("google-ai-overview", "use"), ("duck-ai", "use"), ("chrome-translate", "use")]
        agent.wait_counts({**dict.fromkeys(wanted, 1), ("google-site-translate", "use"): 1})
        log.write_text(repr(agent.said) + repr(agent.status()))
        agent.stop()
    written = [file for file in (tmp_path / "state").rglob("*") if file.is_file()] + [log]
    assert {"counters.db", "mitmproxy-ca.pem"} <= {file.name for file in written}
    assert errors.read_bytes() == b""
    for file in written:
        content = file.read_bytes()
        found = [name for name, text in CANARIES.items() if any(form in content for form in _forms(text))]
        assert not found, f"{file.name} holds {found}"


def test_the_search_finds_what_a_careless_store_would_hold(tmp_path: Path) -> None:
    """The test above can fail: each form planted in a file is found in it."""
    for form in _forms("canaryplantedzq7x"):
        assert any(other in b"before" + form + b"after" for other in _forms("canaryplantedzq7x"))
