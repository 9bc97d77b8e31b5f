"""The world keeps its promises: to a plain client, and to a browser without any agent."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.request import urlopen

import httpx
import pytest
from playwright.sync_api import Error
from websockets.sync.client import connect

from e2e.chromium import EXECUTABLE, QUIET, Chromium
from e2e.world import World

SEARCH = "https://www.google.com/search"


class ToWorld(httpx.HTTPTransport):
    """Connects to the world whatever the name, and keeps the name in SNI and Host."""

    def __init__(self, world: World) -> None:
        super().__init__(verify=ssl.create_default_context(cafile=world.root_pem), http2=True)
        self._port = world.port

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["sni_hostname"] = request.url.host
        request.url = request.url.copy_with(host="127.0.0.1", port=self._port)
        return super().handle_request(request)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as world:
        yield world


@pytest.fixture(scope="module")
def client(world: World) -> Iterator[httpx.Client]:
    with httpx.Client(transport=ToWorld(world)) as client:
        yield client


def test_every_host_answers_over_http2(world: World, client: httpx.Client) -> None:
    for host in world.hosts:
        answer = client.get(f"https://{host}/healthz")
        assert (answer.text, answer.http_version) == ("ok", "HTTP/2")
        assert world.hits[-1] == (host, "/healthz")
    assert set(world.resolver) == set(world.hosts)


@pytest.mark.parametrize("encoding", ["br", "gzip", "zstd", "deflate"])
def test_an_inline_answer_is_whole_in_every_encoding(client: httpx.Client, encoding: str) -> None:
    with client.stream("GET", SEARCH, params={"q": "inline", "enc": encoding}) as answer:
        assert answer.headers["content-encoding"] == encoding
        chunks = list(answer.iter_bytes())
    text = b"".join(chunks).decode()
    assert len(chunks) > 5
    assert 'id="folsrch' in text and 'class="a1 mZJni b2"' in text and "<!--Sv6Kpe[[" in text
    assert text.endswith("</html>")


@pytest.mark.parametrize("query", ["weather", "lazy"])
def test_a_page_without_an_answer_has_its_names_only_where_they_mean_nothing(client: httpx.Client, query: str) -> None:
    text = client.get(SEARCH, params={"q": query}).text
    assert "udm=50" in text and "AI Mode" in text and "mZJni" in text and "not available" in text
    assert 'id="folsrch' not in text and 'class="a1 mZJni' not in text and "<!--" not in text
    assert ("data-async-type" in text) == (query == "lazy")


def test_the_other_endpoints_answer_in_their_documented_shape(client: httpx.Client) -> None:
    edge = client.post("https://edge.microsoft.com/translate/translatetext?from=&to=nl", json=["a"])
    assert edge.json() == [{"translations": [{"text": "~a"}]}]
    assert "answer" in client.get("https://duckduckgo.com/assist.js?q=x").text
    assert "b_cs_canvas" in client.get("https://www.bing.com/copilotsearch?q=x").text
    assert "b_hide" in client.get("https://www.bing.com/search?q=x").text
    assert "sl" in client.get("https://translate.googleapis.com/translate_a/l?client=chrome").json()
    assert client.post("https://translate.googleapis.com/translate_a/t", data={"q": "a"}).is_success
    assert len(client.get("https://chatgpt.com/").content) > 20 * 1024
    assert len(client.get("https://www.example.org/big?kb=300").content) == 300 * 1024
    large = client.post("https://chatgpt.com/unknown", content=bytes(200_000))
    assert (large.status_code, large.text) == (404, "nothing")
    assert client.post("https://www.example.org/echo", content=bytes(200_000)).text == "200000"


def test_an_answer_arrives_event_by_event(client: httpx.Client) -> None:
    arrivals: list[tuple[float, float]] = []
    url = "https://duckduckgo.com/duckchat/v1/chat?delay=0.2&n=3"
    with client.stream("POST", url, json={"messages": []}) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                arrivals.append((json.loads(line[6:])["sent"], time.time()))
    assert arrivals[0][1] < arrivals[-1][0], "the first must arrive before the last is sent"


@pytest.mark.parametrize("host", ["chatgpt.com", "duckduckgo.com"])
def test_a_websocket_says_everything_back(world: World, host: str) -> None:
    trust = ssl.create_default_context(cafile=world.root_pem)
    tcp = socket.create_connection(("127.0.0.1", world.port))
    with connect(f"wss://{host}/ws", sock=tcp, ssl=trust, proxy=None) as websocket:
        websocket.send("hello")
        assert websocket.recv() == "hello"


def test_the_world_ends_at_once_while_someone_still_listens() -> None:
    with World() as world:
        trust = ssl.create_default_context(cafile=world.root_pem)
        tcp = socket.create_connection(("127.0.0.1", world.port))
        listening = ExitStack()
        listening.enter_context(connect("wss://chatgpt.com/ws", sock=tcp, ssl=trust, proxy=None))
        started = time.monotonic()
    assert time.monotonic() - started < 2
    listening.close()


# --- In a browser -----------------------------------------------------------------------------


needs_chromium = pytest.mark.skipif(
    not (Path(EXECUTABLE).exists() and shutil.which("certutil")), reason="no chromium or certutil"
)


@pytest.fixture(scope="module")
def home(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder whose NSS database trusts the world."""
    home = tmp_path_factory.mktemp("home")
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    name = f"sql:{database}"
    subprocess.run(["certutil", "-d", name, "-N", "--empty-password"], check=True)
    add = ["certutil", "-d", name, "-A", "-t", "C,,", "-n", "world", "-i", str(world.root_pem)]
    subprocess.run(add, check=True)
    return home


@needs_chromium
def test_chromium_sees_the_pages_as_promised(world: World, home: Path) -> None:
    with Chromium(home, resolver_rules=world.resolver_rules()) as chromium:
        assert chromium.goto(f"{SEARCH}?q=inline") == 200
        assert "the tide turns" in chromium.text()
        chromium.goto(f"{SEARCH}?q=weather")
        assert "the tide turns" not in chromium.text() and "not available" not in chromium.text()
        chromium.goto(f"{SEARCH}?q=lazy")
        chromium.wait_title("lazy done")
        assert "the tide turns" in chromium.text()
        chromium.goto(f"{SEARCH}?q=tide&udm=50")
        chromium.wait_title("mode done")
        already = world.hits.count(("translate-pa.googleapis.com", "/v1/translateHtml"))
        chromium.goto("https://www.example.org/translate")
        chromium.wait_title("translated")
        after = world.hits.count(("translate-pa.googleapis.com", "/v1/translateHtml"))
        assert after - already >= 10, "ten texts; preflights come on top"
        chromium.goto("https://duckduckgo.com/")
        script = """() => new Promise((done, failed) => {
          const socket = new WebSocket("wss://duckduckgo.com/ws")
          socket.onopen = () => socket.send("hello")
          socket.onmessage = message => done(message.data)
          socket.onerror = failed })"""
        assert chromium.evaluate(script) == "hello"


@needs_chromium
def test_chromium_leaves_the_machine_for_no_name_and_trusts_no_stranger(
    world: World, home: Path, tmp_path: Path
) -> None:
    with Chromium(home) as chromium, pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
        chromium.goto("https://www.example.org/")
    stranger = Chromium(tmp_path, resolver_rules=world.resolver_rules())
    with stranger as chromium, pytest.raises(Error, match="ERR_CERT_AUTHORITY_INVALID"):
        chromium.goto("https://www.example.org/")


@needs_chromium
def test_attaching_leaves_the_browser_of_another_running(world: World, home: Path) -> None:
    profile = home / "profile"
    rules = f"--host-resolver-rules={world.resolver_rules()}"
    command = [EXECUTABLE, *QUIET, "--headless", "--remote-debugging-port=0", "--no-proxy-server"]
    command += [rules, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(command, env={**os.environ, "HOME": str(home)}, stderr=subprocess.DEVNULL)
    try:
        port = debugging_port(profile)
        with Chromium.attach(port) as chromium:
            assert chromium.goto("https://www.example.org/") == 200
            assert chromium.title() == "Welcome"
        with urlopen(f"http://127.0.0.1:{port}/json/version") as answer:
            assert answer.status == 200
    finally:
        process.terminate()
        process.wait(10)


def debugging_port(profile: Path) -> int:
    """The port that a browser chose, once it has written it down."""
    written = profile / "DevToolsActivePort"
    deadline = time.monotonic() + 15
    while not written.exists() or not written.read_text():
        assert time.monotonic() < deadline, "the browser did not start"
        time.sleep(0.05)
    return int(written.read_text().split()[0])
