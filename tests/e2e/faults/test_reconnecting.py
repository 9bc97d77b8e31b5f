"""A browser keeps a connection for hours: whatever ends or breaks it, the next page comes, as it would without us."""

import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from bewust.browsers.launch import trust
from bewust.daemon.state import Settings
from e2e.agents import RunningAgent, wait_for
from e2e.chromium import Chromium
from e2e.conftest import Browser
from e2e.firefox import Firefox
from support.memory import Talk, answering

OPENSSL = b"\x13\x02"  # the first cipher suite that OpenSSL offers, and so our inspector; a browser begins with another
PAGE = b"<title>there</title><link rel=icon href=data:,>there"
RAISING = Path(__file__).with_name("raising.py")
NODE = """
const http2 = require("http2"), fs = require("fs");
const pem = fs.readFileSync(process.argv[2]);
const server = http2.createSecureServer({key: pem, cert: pem});
server.on("stream", stream => {
  stream.respond({":status": 200, "content-type": "text/html"});
  stream.end("<title>there</title><link rel=icon href=data:,>there");
  stream.session.close();
});
server.on("sessionError", () => {});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
"""


def page(talk: Talk, stream: int) -> None:
    talk.send_headers(stream, [(":status", "200"), ("content-type", "text/html"), ("cache-control", "no-store")])
    talk.send_data(stream, PAGE, end_stream=True)


def malformed(talk: Talk, stream: int) -> None:
    """A head in which no browser finds a status."""
    talk.config.validate_outbound_headers = False
    talk.send_headers(stream, [(":status", "2x0"), ("content-type", "text/html")])
    talk.send_data(stream, PAGE, end_stream=True)


class Origin:
    """A site that answers over HTTP/2; `ours` is how it answers who speaks TLS as our inspector does."""

    def __init__(self, host: str, root: trustme.CA, ours: Callable[[Talk, int], None] = page) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.set_alpn_protocols(["h2"])
        root.issue_cert(host).configure_cert(self._context)
        self._ours = ours
        self._port = 0
        self._open: list[socket.socket] = []
        self.listen()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def hang_up(self) -> None:
        """End all connections, without a word."""
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def leave(self) -> None:
        """Be away."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = listener.accept()[0]
                self._open.append(connection)
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, ConnectionError):
            hello = connection.recv(1 << 16, socket.MSG_PEEK)
            ours = hello[46 + hello[43] :].startswith(OPENSSL)
            self._open.remove(connection)
            with self._context.wrap_socket(connection, server_side=True) as secure:
                self._open.append(secure)
                answering(self._ours if ours else page)(secure)


class Stage:
    """One agent for all of this file; a host for each way in which a connection ends."""

    def __init__(self, folder: Path) -> None:
        self._root = trustme.CA()
        self.trust = folder / "trust.pem"
        self._root.cert_pem.write_to_path(self.trust)
        self.idle, self.away, self.malformed, self.raises = (
            Origin("www.google.nl", self._root), Origin("www.google.de", self._root),
            Origin("www.google.fr", self._root, malformed), Origin("www.google.be", self._root),
        )  # fmt: skip
        self.node = self._start_node(folder) if shutil.which("node") else None
        resolver = {
            "www.google.nl": self.idle.address, "www.google.de": self.away.address,
            "www.google.fr": self.malformed.address, "www.google.be": self.raises.address,
        } | ({"www.google.com": f"127.0.0.1:{self._port_of_node}"} if self.node else {})  # fmt: skip
        settings = Settings(folder / "state", port=0, resolver=resolver, trust=self.trust)
        self.agent = RunningAgent(settings, {"INSPECTOR": str(RAISING)})

    def _start_node(self, folder: Path) -> "subprocess.Popen[str]":
        pem, script = folder / "node.pem", folder / "site.js"
        self._root.issue_cert("www.google.com").private_key_and_cert_chain_pem.write_to_path(pem)
        script.write_text(NODE)
        node = subprocess.Popen(["node", str(script), str(pem)], stdout=subprocess.PIPE, text=True)
        assert node.stdout is not None
        self._port_of_node = int(node.stdout.readline())
        return node

    def should_inspect(self) -> int:
        return int(self.agent.status()["connections"].get("handed", 0))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("reconnecting"))
    try:
        with made.agent:
            yield made
    finally:
        if made.node is not None:
            made.node.terminate()
            made.node.wait(10)
            assert made.node.stdout is not None
            made.node.stdout.close()


@pytest.fixture(scope="module", params=["chromium", "firefox"])
def browser(
    request: pytest.FixtureRequest, stage: Stage, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    home = tmp_path_factory.mktemp(request.param)
    database = home / ".pki" / "nssdb" if request.param == "chromium" else home
    for root in (stage.agent.root_pem, stage.trust):
        copy = home / f"{root.parent.name}.pem"
        copy.write_bytes(root.read_bytes())
        trust(database, copy)
    pac = stage.agent.pac_url
    prefs: dict[str, bool | int | str] = {"network.proxy.type": 2, "network.proxy.autoconfig_url": pac}
    with Chromium(home, pac) if request.param == "chromium" else Firefox(home, prefs) as opened:
        yield opened


def shown(browser: Browser, url: str) -> str:
    """What a person sees; "" where it is the browser's own error."""
    try:
        browser.goto(url)
    except Exception:  # noqa: BLE001 - each browser has its own
        return ""
    return browser.text().strip()


def test_a_page_comes_each_time_after_the_site_ended_its_idle_connection(stage: Stage, browser: Browser) -> None:
    """Before: 200, and then 502 for that host until the browser was restarted."""
    for number in range(5):
        assert shown(browser, f"https://www.google.nl/?{number}") == "there", number
        stage.idle.hang_up()
        wait_for(
            lambda: not stage.should_inspect(), stage.agent.alive, "the browser's connection outlived the site's", 10
        )


@pytest.mark.skipif(shutil.which("node") is None, reason="no node")
def test_a_page_comes_each_time_from_a_site_that_sends_goaway(stage: Stage, browser: Browser) -> None:
    for number in range(5):
        assert shown(browser, f"https://www.google.com/?{number}") == "there", number


def test_a_site_that_was_away_is_back_as_soon_as_it_is(stage: Stage, browser: Browser) -> None:
    """Before: that browser got 502 for good, on a page of mitmproxy with the site's address."""
    assert shown(browser, "https://www.google.de/?a") == "there"
    stage.away.leave()
    assert shown(browser, "https://www.google.de/?b") == "", "the browser's own error"
    stage.away.listen()
    wait_for(lambda: shown(browser, "https://www.google.de/?c") == "there", stage.agent.alive, "away for good", 15)


def test_answers_that_cannot_be_passed_are_asked_for_again_past_us(stage: Stage, browser: Browser) -> None:
    assert shown(browser, "https://www.google.fr/?a") == "there", "the browser asks again by itself"
    assert stage.agent.status()["demoted"]["www.google.fr"] == "an answer of the site cannot be passed on"
    assert shown(browser, "https://www.google.fr/?b") == "there"


def test_a_layer_that_raises_costs_that_browser_a_few_tries(stage: Stage, browser: Browser) -> None:
    """Counted by the agent: a browser that still draws its own error page also breaks off the next visit, unasked."""

    def comes() -> bool:
        seen = shown(browser, "https://www.google.be/raise")
        assert seen in ("", "there"), "no page but the site's"
        return seen == "there"

    wait_for(comes, stage.agent.alive, "the host was never passed through", 60)
    assert sum(stage.agent.status()["failures"].values()) <= 6, "three in a row, and those under way meanwhile"
    status = stage.agent.status()
    assert status["demoted"]["www.google.be"] == "the site's answers do not reach the browser"
    assert status["inspector_starts"] == 1
    told = json.dumps(status["failures"])
    assert "RuntimeError (" in told and "canary" not in told
