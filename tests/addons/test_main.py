"""The real inspector process: Start on its input, then a real TLS connection through it."""

import asyncio
import http.client
import ssl
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec
import pytest

from bewust.authority import authority
from bewust.catalogue import editions, loading
from bewust.config import policy
from bewust.proxy.messages import Alive, Ping, Seen, Start
from bewust.proxy.relay import SECRET_HEADER, bearer
from bewust_addons import main
from e2e.world import World
from support.bundles import SHIPPED, signed
from support.connection_samples import YES, asked, kept
from support.hooks import Site, connected
from support.inspectors import SECRET, door, inspector, told


@pytest.mark.parametrize("http2", [False, True], ids=["h1", "h2"])
def test_a_page_comes_through_decrypted_and_is_told(tmp_path: Path, http2: bool) -> None:
    with World() as world, inspector(world, tmp_path) as (process, port):
        context = ssl.create_default_context(cafile=str(tmp_path / "root.pem"))
        context.set_alpn_protocols(["h2", "http/1.1"] if http2 else ["http/1.1"])
        with httpx.Client(proxy=door(port), verify=context, http2=http2, timeout=10) as client:
            page = client.get("https://www.google.nl/search?q=inline&enc=gzip")
        assert page.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
        assert "the tide turns twice a day" in page.text
        seen, detected = told(process), told(process)
        assert (seen["type"], seen["service"]) == ("seen", "google-ai-overview")
        assert detected["detection"]["signature"] == "inline"
        assert detected["detection"]["file"] == "google.toml"
        assert detected["detection"]["line"] > 0


def test_an_imported_catalogue_is_read_instead_of_the_shipped_one(tmp_path: Path) -> None:
    moved = {name: text.replace("google-ai-overview", "moved") for name, text in SHIPPED.items()}
    imported = editions.store_bundle(tmp_path, signed(moved), editions.Pointer())
    with World() as world, inspector(world, tmp_path / "authority", imported) as (process, port):
        context = ssl.create_default_context(cafile=str(tmp_path / "authority" / "root.pem"))
        with httpx.Client(proxy=door(port), verify=context, timeout=10) as client:
            client.get("https://www.google.nl/search?q=inline")
        assert (told(process)["service"], told(process)["detection"]["service"]) == ("moved", "moved")


def test_a_bundle_that_is_not_what_its_name_says_starts_no_inspector(tmp_path: Path) -> None:
    imported = editions.store_bundle(tmp_path, signed(), editions.Pointer())
    imported.write_bytes(signed(version="other"))
    start = msgspec.json.encode(Start(authority=str(tmp_path), imported=str(imported)))
    ended = subprocess.run(
        [sys.executable, "-m", "bewust_addons.main"], input=start + b"\n", capture_output=True, timeout=60, check=False
    )
    assert (ended.returncode != 0, ended.stdout) == (True, b"")
    assert b"is not what its name says" in ended.stderr


def test_the_policy_that_it_is_given_counts_whatever_the_folder_says_by_now(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    (config / "policy.toml").write_text("broken since")
    by_name = policy.Policy(service={one.id: policy.Decision(depth="name") for one in loading.load()})
    assert len(policy.packed(by_name)) > 1 << 16, "more than a pipe is read at once"
    with World() as world, inspector(world, tmp_path / "authority", config=config, decided=by_name) as (_, port):
        context = ssl.create_default_context(cafile=str(tmp_path / "authority" / "root.pem"))
        with httpx.Client(proxy=door(port), verify=context, timeout=10) as client, pytest.raises(httpx.ConnectError):
            client.get("https://www.google.nl/search?q=inline")  # nobody decrypts it: the certificate is the site's own


def test_each_ping_is_answered_with_the_port(tmp_path: Path) -> None:
    with World() as world, inspector(world, tmp_path) as (process, port):
        assert process.stdin
        for _ in range(3):
            process.stdin.write(msgspec.json.encode(Ping()) + b"\n")
            process.stdin.flush()
            assert told(process) == {"type": "alive", "port": port}


def test_a_name_off_the_list_passes_with_the_sites_own_certificate(tmp_path: Path) -> None:
    with World() as world, inspector(world, tmp_path) as (_, port):
        context = ssl.create_default_context(cafile=str(world.root_pem))
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=10)
        connection.set_tunnel("chatgpt.com", 443, headers={SECRET_HEADER: bearer(SECRET)})
        connection.request("GET", "/healthz")
        assert connection.getresponse().read() == b"ok"
        connection.close()


def test_it_ends_when_its_input_does(tmp_path: Path) -> None:
    with World() as world, inspector(world, tmp_path) as (process, _):
        assert process.stdin
        process.stdin.close()
        assert process.wait(5) == 0


def test_only_what_the_job_needs_is_loaded(tmp_path: Path) -> None:
    """No dumper, no log to the terminal, no store of flows: those would print or keep URLs."""
    authority.issue(tmp_path, ["www.google.nl"], datetime.now(UTC))
    code = (
        "import sys\n"
        "from bewust.config import policy\nfrom bewust.catalogue.matching import Matcher\nfrom "
        "bewust.proxy.messages import Start\n"
        "from bewust_addons import main as run\n"
        "lines = type('L', (), {'send': print})()\n"
        "setup = run.build(Start(authority=sys.argv[1]), Matcher({}, {}, ()), policy.load(), lines)\n"
        "print([type(addon).__name__ for addon in setup.hooks.addons])\n"
        "print(sorted(name for name in sys.modules if name.startswith('mitmproxy.addons.')))\n"
        "print([name for name in ('mitmproxy.master', 'mitmproxy.command', 'flask', 'ldap3') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "['NextLayer', 'TlsGate', 'Recognition']",
        "['mitmproxy.addons.next_layer', 'mitmproxy.addons.tlsconfig']",
        "[]",
    ]


def test_what_only_counts_is_written_together_and_the_rest_at_once() -> None:
    class Transport:
        def __init__(self) -> None:
            self.written: list[bytes] = []

        def write(self, data: bytes) -> None:
            self.written.append(data)

        def get_write_buffer_size(self) -> int:
            return 0

    async def tell() -> list[bytes]:
        transport = Transport()
        lines = main.MessageWriter(transport)
        lines.send(Seen(1, "a"))
        lines.send(Seen(2, "b"))
        assert transport.written == []
        async with asyncio.timeout(60):
            while not transport.written:
                await asyncio.sleep(main.TOGETHER_SECONDS)
            lines.send(Seen(3, "c"))
            lines.send(Alive(4))
            while len(transport.written) < 2:
                await asyncio.sleep(main.TOGETHER_SECONDS)
        return transport.written

    assert [written.count(b"\n") for written in asyncio.run(tell())] == [2, 2]


def test_no_secret_of_a_connection_is_written_though_the_environment_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A browser's choice is not ours: what is written there decrypts a recording of the network."""
    with Site(kept, "http/1.1") as site, monkeypatch.context() as environment:
        for name in ("SSLKEYLOGFILE", "MITMPROXY_SSLKEYLOGFILE"):
            environment.setenv(name, str(tmp_path / name))
        with inspector(site, tmp_path / "state") as (_, port):
            environment.undo()  # or Python writes this end's
            with connected(tmp_path / "state" / "root.pem", 0, "http/1.1", proxy=port) as connection:
                assert asked(connection) == YES
    assert not [path.name for path in tmp_path.iterdir() if "SSLKEYLOGFILE" in path.name]
