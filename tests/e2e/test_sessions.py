"""A managed machine: one service, two people. Each gets their own reminders and page, and survives the service."""

import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from bewust.daemon.state import Settings
from e2e.agents import RunningAgent, wait_for
from e2e.conftest import settings
from e2e.desktop import NEEDED, Desktop
from e2e.world import World
from support.other_accounts import ANNE, needs_root, play, said

missing = [program for program in NEEDED if not shutil.which(program)]
pytestmark = [needs_root, pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")]

# What Anne does: she says she is there, that her desktop is free, and writes down what she is sent.
SESSION = r"""
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b'{"type":"hello"}\n')
print("in", flush=True)
for line in s.makefile("rb"):
    print(line.decode().strip(), flush=True)
    kind = line.split(b'"')[3].decode()
    if kind == "remember":
        continue
    number = int(line.split(b'"id":')[1].split(b",")[0].strip(b"}\n"))
    if kind == "ask":
        s.sendall(b'{"type":"moment","id":%d}\n' % number)
    elif kind == "show":
        s.sendall(b'{"type":"shown","id":%d}\n' % number)
        break
"""
VISIT = r"""
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
s = socket.socket()
s.connect(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"CONNECT chatgpt.com:443 HTTP/1.1\r\nHost: chatgpt.com:443\r\n\r\n")
assert b"200" in s.recv(4096)
tls = context.wrap_socket(s, server_hostname="chatgpt.com")
tls.sendall(b"GET / HTTP/1.1\r\nHost: chatgpt.com\r\nConnection: keep-alive\r\n\r\n")
while tls.recv(65536):
    pass
"""
PAGE = r"""
s = socket.socket()
s.connect(("127.0.0.1", int(sys.argv[1])))
s.sendall(f"GET {sys.argv[2]} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
while data := s.recv(65536):
    sys.stdout.buffer.write(data)
"""


@contextmanager
def session(managed: Settings, desktop: Desktop, state: Path) -> Iterator["subprocess.Popen[str]"]:
    """The real `bewust session` of the person who runs the tests."""
    command = [sys.executable, "-m", "bewust.cli.main", "--state", state, "session", "--socket", managed.socket]
    with subprocess.Popen(list(map(str, command)), env=desktop.env, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(10)
            assert process.stderr is not None
            assert all(line.startswith("bewust: ") for line in process.stderr), "a traceback"


def ours(agent: RunningAgent, path: str) -> str:
    answer = httpx.get(f"http://127.0.0.1:{agent.port}{path}", trust_env=False)
    assert answer.status_code == 200
    return answer.text


def search(agent: RunningAgent) -> None:
    trust = ssl.create_default_context(cafile=str(agent.root_pem))
    proxy = f"http://127.0.0.1:{agent.port}"
    with httpx.Client(proxy=proxy, verify=trust, trust_env=False) as browser:
        assert browser.get("https://www.google.nl/search?q=inline").status_code == 200
        agent.wait_counts({("google-ai-overview", "use"): 1})
        wait_for(lambda: bool(agent.said), agent.alive, "nothing was decided")


@pytest.fixture
def managed(tmp_path: Path) -> Iterator[tuple[World, Settings]]:
    run = tmp_path / "run"
    run.mkdir()
    for folder in (run, tmp_path, *list(tmp_path.parents)[:3]):
        folder.chmod(0o755)  # Anne has to reach the socket
    with World() as world:
        yield world, msgspec.structs.replace(settings(world, tmp_path), socket=run / "session.sock")


def test_each_of_two_people_gets_their_own_reminders_and_page(managed: tuple[World, Settings], tmp_path: Path) -> None:
    _, with_socket = managed
    assert with_socket.socket is not None
    with (
        Desktop() as desktop,
        RunningAgent(with_socket, desktop.env) as agent,
        session(with_socket, desktop, tmp_path / "mine"),
        play(ANNE, SESSION, with_socket.socket) as anne,
    ):
        assert anne.stdout is not None and anne.stdout.readline() == "in\n"
        wait_for(lambda: agent.status()["sessions"] == 2, agent.alive, "our session did not connect")
        search(agent)
        wait_for(lambda: agent.status()["toasts_shown"] == 1, agent.alive, "no toast was shown")
        assert desktop.displayed() == 1

        with play(ANNE, VISIT, agent.port) as visiting:
            agent.wait_counts({("chatgpt", "visit"): 1, ("chatgpt", "reminded"): 1}, 15)
            visiting.kill()
            visiting.communicate()
        sent = [json.loads(line) for line in said(anne).splitlines()]
        (shown,) = [message["toast"] for message in sent if message["type"] == "show"]
        assert shown["title"] == "ChatGPT: AI-chat"
        assert "Google" not in json.dumps(sent), "nothing of what somebody else did"
        assert [title for title, _ in desktop.history()] == ["AI-antwoord in Google Zoeken"]

        why = ours(agent, "/nl/why")
        assert "Google Zoeken" in why and "ChatGPT" not in why
        theirs = said(play(ANNE, PAGE, agent.port, "/nl/why"))
        assert "ChatGPT" in theirs and "Google Zoeken" not in theirs
        for kept in (ours(agent, "/nl/kept"), said(play(ANNE, PAGE, agent.port, "/nl/kept"))):
            assert "google-ai-overview" not in kept, "counters of a machine that two people use are nobody's"


def test_a_session_finds_a_service_again_that_was_killed(managed: tuple[World, Settings], tmp_path: Path) -> None:
    _, with_socket = managed
    with Desktop() as desktop:
        with RunningAgent(with_socket, desktop.env) as agent:
            port = agent.port
            with session(with_socket, desktop, tmp_path / "mine") as one:
                wait_for(lambda: agent.status()["sessions"] == 1, agent.alive, "our session did not connect")
                os.kill(agent.process.pid, signal.SIGKILL)
                agent.process.wait(10)
                again = msgspec.structs.replace(with_socket, port=port)
                with RunningAgent(again, desktop.env) as second:
                    wait_for(lambda: second.status()["sessions"] == 1, second.alive, "it did not come back")
                    assert one.poll() is None
                    search(second)
                    wait_for(lambda: second.status()["toasts_shown"] == 1, second.alive, "no toast was shown")
        assert len(desktop.history()) == 1
        assert (tmp_path / "mine" / "login.json").read_text() == '{"explained":["search"],"until":null,"snoozed":{}}'
