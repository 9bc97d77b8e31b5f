"""Who refuses to be inspected is let through undecrypted, and is inspected again later."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from bewust.browsers.launch import trust
from bewust.daemon.state import Settings
from e2e.agents import RunningAgent, wait_for
from e2e.chromium import Chromium
from e2e.curl import curl
from e2e.firefox import Firefox
from e2e.world import World

FOR = 3  # seconds: what `demoted_for` is here
OPENSSL = b"\x13\x02"  # the first cipher suite that OpenSSL offers, and so our inspector; a browser begins with another
ALERTS = {"handshake_failure": bytes.fromhex("15030300020228"), "protocol_version": bytes.fromhex("15030300020246")}
HOSTS = {
    "www.google.de": "reset", "www.google.fr": "closes", "www.google.be": "handshake_failure",
    "www.bing.com": "protocol_version", "kagi.com": "another root", "duckduckgo.com": "challenge",
    "www.ecosia.org": "silent",
}  # fmt: skip


class Origin:
    """A site that refuses in its own `manner` whoever speaks TLS as our inspector does, and answers all others."""

    def __init__(self, host: str, root: trustme.CA, manner: str) -> None:
        self.manner = manner
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        root.issue_cert(host).configure_cert(self._context)
        self._strange = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert(host).configure_cert(self._strange)
        self._port = 0
        self.open()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, args=[self._listener], daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._one, args=listener.accept()[:1], daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            hello = connection.recv(1 << 16, socket.MSG_PEEK)
            ours = hello[46 + hello[43] :].startswith(OPENSSL)
            if ours and self._refused(connection):
                return
            context = self._strange if ours and self.manner == "another root" else self._context
            with context.wrap_socket(connection, server_side=True) as tls:
                tls.recv(1 << 16)
                head = "403 Forbidden\r\nCf-Mitigated: challenge" if ours and self.manner == "challenge" else "200 OK"
                tls.sendall(f"HTTP/1.1 {head}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".encode())

    def _refused(self, connection: socket.socket) -> bool:
        if self.manner in ("another root", "challenge", "none"):
            return False
        connection.recv(1 << 16)
        connection.sendall(ALERTS.get(self.manner, b""))
        if self.manner == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if self.manner == "silent":
            connection.recv(1)  # until who asked has had enough
        return True


class Stage:
    """One agent for all of this file; a host for each manner of refusing."""

    def __init__(self, folder: Path, world: World) -> None:
        self.world, self.folder = world, folder
        root = trustme.CA()
        self.origins = {manner: Origin(host, root, manner) for host, manner in HOSTS.items()}
        self.trust = folder / "trust.pem"
        self.trust.write_bytes(world.root_pem.read_bytes() + root.cert_pem.bytes())
        config = folder / "config"
        config.mkdir()
        (config / "policy.toml").write_text(f'demoted_for = "{FOR}s"\n')
        resolver = world.resolver | {host: self.origins[manner].address for host, manner in HOSTS.items()}
        self.agent = RunningAgent(Settings(folder / "state", config, port=0, resolver=resolver, trust=self.trust))

    def curl(self, host: str, roots: Path, *options: str, seconds: float = 5) -> str:
        return curl(self.agent.port, f"https://{host}/healthz", roots, *options, seconds=seconds)

    def browse(self, host: str, roots: Path, seconds: float = 5) -> str:
        """Ask as a program that a site tells from OpenSSL."""
        return self.curl(host, roots, "--tls13-ciphers", "TLS_CHACHA20_POLY1305_SHA256", seconds=seconds)

    def undecrypted(self, host: str) -> bool:
        return self.browse(host, self.trust) == "200"

    def decrypted(self, host: str) -> bool:
        return self.browse(host, self.agent.root_pem) == "200"

    def shown(self, host: str) -> str:
        return str(self.agent.status()["demoted"].get(host, ""))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with World() as world:
        made = Stage(tmp_path_factory.mktemp("fallbacks"), world)
        with made.agent:
            yield made
        for origin in made.origins.values():
            with contextlib.suppress(OSError):
                origin.close()


def test_sites_that_refuse_are_spliced_at_once_demoted_and_tried_again_later(stage: Stage) -> None:
    hosts = ["www.google.de", "www.google.fr", "www.google.be", "www.bing.com", "kagi.com"]
    for host in hosts:
        before = stage.agent.status()["refusals"]
        assert stage.undecrypted(host), f"{host}: the very first connection"
        assert stage.undecrypted(host), host
        reason = "the site's certificate cannot be verified" if host == "kagi.com" else "the site refuses our TLS"
        assert stage.shown(host) == reason
        assert stage.agent.status()["refusals"] == before + 1
        stage.origins[HOSTS[host]].manner = "none"
        assert not stage.decrypted(host), f"{host}: known by name for a while"
    for host in hosts:
        wait_for(lambda host=host: stage.decrypted(host), stage.agent.alive, f"{host}: never tried again", FOR + 3)  # type: ignore[misc]
        assert stage.shown(host) == ""


def test_a_site_that_challenges_us_is_left_alone_from_the_next_connection_on(stage: Stage) -> None:
    assert stage.browse("duckduckgo.com", stage.agent.root_pem) == "403"
    assert stage.shown("duckduckgo.com") == "the site challenges us"
    assert stage.undecrypted("duckduckgo.com")


def test_a_network_that_is_gone_demotes_nobody(stage: Stage) -> None:
    host, origin = "www.ecosia.org", stage.origins["silent"]
    assert stage.browse(host, stage.trust, seconds=1) == "000", "packets that nobody answers"
    origin.close()
    assert [stage.browse(host, stage.trust, seconds=1) for _ in range(3)] == ["000"] * 3, "no way to it"
    origin.manner = "none"
    origin.open()
    assert stage.shown(host) == ""
    assert stage.decrypted(host)


def test_a_program_without_our_root_fails_once_and_no_other_program_with_it(stage: Stage) -> None:
    host, world = "www.google.nl", stage.world.root_pem
    assert stage.curl(host, world) == "000"
    assert stage.curl(host, world) == "200"
    assert stage.shown(host) == "a program does not accept our certificate, and it alone is let through"
    assert host in stage.agent.status()["decrypted"]
    assert stage.decrypted(host), "by a program that is not it"
    assert stage.curl("translate.googleapis.com", world) == "000"
    assert stage.curl("edge.microsoft.com", world) == "200", "the third host: let through without another failure"
    wait_for(lambda: not stage.agent.status()["demoted"], stage.agent.alive, "demoted for ever", FOR + 3)
    assert stage.curl(host, stage.agent.root_pem) == "200", "inspected again, now that it trusts us"


def test_a_program_that_hangs_up_on_our_certificate_is_let_through(stage: Stage) -> None:
    context = ssl.create_default_context(cafile=str(stage.world.root_pem))
    context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256")  # a program of its own
    for _ in range(2):
        with tunnel(stage.agent.port, "www.google.com") as connection:
            coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = context.wrap_bio(coming, going, server_hostname="www.google.com")
            with contextlib.suppress(ssl.SSLWantReadError):
                client.do_handshake()
            connection.sendall(going.read())
            assert connection.recv(1 << 16), "our certificate"
    wait_for(lambda: bool(stage.shown("www.google.com")), stage.agent.alive, "not demoted", 3)
    with tunnel(stage.agent.port, "www.google.com") as connection:
        context.wrap_socket(connection, server_hostname="www.google.com").close()


@contextlib.contextmanager
def tunnel(port: int, host: str) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(f"CONNECT {host}:443 HTTP/1.1\r\n\r\n".encode())
        assert connection.recv(1 << 10).startswith(b"HTTP/1.1 200")
        yield connection


@pytest.mark.parametrize("name", ["chromium", "firefox"])
def test_a_browser_without_our_root_gets_its_page_at_the_second_try(stage: Stage, name: str, tmp_path: Path) -> None:
    database = tmp_path / ".pki" / "nssdb" if name == "chromium" else tmp_path
    trust(database, stage.world.root_pem)
    pac = stage.agent.pac_url
    prefs: dict[str, bool | int | str] = {"network.proxy.type": 2, "network.proxy.autoconfig_url": pac}
    with Chromium(tmp_path, pac) if name == "chromium" else Firefox(tmp_path, prefs) as browser:
        with pytest.raises(Exception, match=r"UNKNOWN_ISSUER|AUTHORITY_INVALID"):
            browser.goto("https://www.google.nl/search?q=weather")
        wait_for(lambda: _shows(browser, "weather"), stage.agent.alive, "no page at all", 5)
        assert stage.curl("www.google.nl", stage.agent.root_pem) == "200", "inspected for who trusts us"


def _shows(browser: Chromium | Firefox, query: str) -> bool:
    """Whether a search shows its page; a page about an error may still be on its way instead."""
    with contextlib.suppress(Exception):
        browser.goto(f"https://www.google.nl/search?q={query}")
        return browser.title() == query
    return False
