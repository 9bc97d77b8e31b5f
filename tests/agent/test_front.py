"""The listener, spoken to over real sockets, with a fake inspector and a fake page."""

import asyncio
import hashlib
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bewust import front as front_module
from bewust.catalogue import parse
from bewust.front import HEAD_LIMIT, VISIT_BYTES, Front
from bewust.matching import compile_services
from bewust.model import Depth

CATALOGUE = """
[[service]]
id = "search"
name = "Search"
vendor = "V"
context = "search"
embedded = true
evidence = "test"
reviewed = 2026-11-23
  [[service.signature]]
  id = "answer"
  level = "use"
  hosts = ["deep.example"]
  path = "/answer"
  [[service.signature]]
  id = "opened"
  level = "visit"
  hosts = ["deep.example"]
[[service]]
id = "chat"
name = "Chat"
vendor = "V"
context = "chat"
evidence = "test"
reviewed = 2026-11-23
  [[service.signature]]
  id = "name"
  level = "visit"
  hosts = ["chat.example"]
"""
MATCHER = compile_services(parse(CATALOGUE, "test.toml"), lambda s: Depth.RESPONSE if s.embedded else Depth.NAME)
HELLO = b"\x16\x03\x01 the browser's first words"
RESET = struct.pack("ii", 1, 0)

type Reader = asyncio.StreamReader
type Writer = asyncio.StreamWriter
type Serve = Callable[[Reader, Writer], Awaitable[None]]


class FakeApp:
    """Remembers the visits it was told; `demoted` are not handed over."""

    def __init__(self) -> None:
        self.visits: list[tuple[str, int]] = []
        self.demoted: set[str] = set()

    def visited(self, host: str, peer: int) -> None:
        self.visits.append((host, peer))

    def handed(self, host: str) -> bool:
        return host not in self.demoted


class FakePage(asyncio.Protocol):
    """Says back what it heard, as far as it came in one piece."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(b"page:" + data)


@asynccontextmanager
async def listening(serve: Serve, receive_buffer: int = 0) -> AsyncIterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    if receive_buffer:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    server = await asyncio.start_server(serve, sock=listener)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


class Site:
    """An origin: keeps what each connection said, answers `answer`, stays open until it ends."""

    def __init__(self, answer: bytes = b"the site") -> None:
        self.answer = answer
        self.heard: list[bytearray] = []
        self.resets = 0
        self.writers: list[Writer] = []

    async def __call__(self, reader: Reader, writer: Writer) -> None:
        said = bytearray()
        self.heard.append(said)
        self.writers.append(writer)
        writer.write(self.answer)
        try:
            while data := await reader.read(1 << 16):
                said += data
        except ConnectionError:
            self.resets += 1
        finally:
            writer.close()


class Scene:
    """A front, an origin behind every name of the catalogue, and the app it tells."""

    def __init__(self, front: Front, app: FakeApp, port: int) -> None:
        self.front, self.app, self.port = front, app, port

    async def open(self) -> tuple[Reader, Writer]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def connect(self, host: str = "deep.example:443") -> tuple[Reader, Writer]:
        """CONNECT, and await the 200."""
        reader, writer = await self.open()
        writer.write(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert answer == front_module.CONNECTED
        return reader, writer

    async def say(self, data: bytes) -> bytes:
        """What the front answers to these bytes before it closes."""
        reader, writer = await self.open()
        writer.write(data)
        with suppress(ConnectionError):
            answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return answer

    def way(self) -> str:
        (link,) = self.front.links
        return link.way


@asynccontextmanager
async def scene(serve: Serve, receive_buffer: int = 0) -> AsyncIterator[Scene]:
    async with listening(serve, receive_buffer) as origin:
        names = ("deep.example", "chat.example", "other.example")
        app = FakeApp()
        front = Front(MATCHER, app, FakePage, dict.fromkeys(names, f"127.0.0.1:{origin}"))
        try:
            yield Scene(front, app, await front.open(0))
        finally:
            await front.close()


async def until(what: Callable[[], bool], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.005)


async def gone(reader: Reader) -> bytes:
    """What still comes before the other side closes or resets."""
    with suppress(ConnectionError):
        return await asyncio.wait_for(reader.read(), 5)
    return b""


# Heads.


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"CONNECT chat.example HTTP/1.1\r\n\r\n", b"400"),
        (b"CONNECT chat.example: HTTP/1.1\r\n\r\n", b"400"),
        (b"CONNECT chat.example:0 HTTP/1.1\r\n\r\n", b"400"),
        (b"CONNECT chat.example:65536 HTTP/1.1\r\n\r\n", b"400"),
        ("CONNECT chat.example:4\u00b2 HTTP/1.1\r\n\r\n".encode("latin-1"), b"400"),
        (b"CONNECT chat.example:" + b"1" * 5000 + b" HTTP/1.1\r\n\r\n", b"400"),
        (b"CONNECT :443 HTTP/1.1\r\n\r\n", b"400"),
        (b"CONNECT a\x00b.example:443 HTTP/1.1\r\n\r\n", b"400"),
        (b"CONNECT a\r\nb.example:443 HTTP/1.1\r\n\r\n", b"400"),
        (b"CONNECT [::1 HTTP/1.1\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x00\xff\r\n\r\n", b"400"),
        (b"\r\n\r\n", b"400"),
        (b"GET / \r\n\r\n", b"400"),
        (b"GET http://chat.example/ HTTP/1.1\r\nHost: chat.example\r\n\r\n", b"405"),
        (b"POST http://chat.example/ HTTP/1.1\r\nHost: chat.example\r\n\r\n", b"405"),
        (b"OPTIONS * HTTP/1.1\r\n\r\n", b"405"),
        (b"CONNECT nowhere.invalid:443 HTTP/1.1\r\n\r\n", b"502"),
        (b"CONNECT " + b"a" * 70 + b".example:443 HTTP/1.1\r\n\r\n", b"400"),
    ],
)
def test_a_head_that_leads_nowhere_gets_its_status(head: bytes, status: bytes) -> None:
    async def main() -> None:
        async with scene(Site()) as here:
            answer = await here.say(head)
            assert answer.split(b" ")[1] == status
            assert answer.endswith(b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    asyncio.run(main())


def test_a_head_that_is_too_large_gets_431_whether_it_ends_or_not() -> None:
    async def main() -> None:
        async with scene(Site()) as here:
            filler = b"CONNECT chat.example:443 HTTP/1.1\r\nX: " + b"x" * HEAD_LIMIT
            assert (await here.say(filler)).startswith(b"HTTP/1.1 431 ")
            assert (await here.say(filler + b"\r\n\r\n")).startswith(b"HTTP/1.1 431 ")
            just = b"CONNECT chat.example:443 HTTP/1.1\r\nX: "
            assert (await here.say(just + b"x" * (HEAD_LIMIT - len(just)) + b"\r\n\r\n"))[9:12] == b"200"

    async def served(reader: Reader, writer: Writer) -> None:
        writer.close()

    def run() -> None:
        asyncio.run(main())

    Site.__call__, kept = (lambda self, r, w: served(r, w)), Site.__call__  # type: ignore[method-assign,assignment]
    try:
        run()
    finally:
        Site.__call__ = kept  # type: ignore[method-assign]


def test_a_head_may_come_one_byte_at_a_time() -> None:
    async def main() -> None:
        site = Site(b"")
        async with scene(site) as here:
            reader, writer = await here.open()
            raw: socket.socket = writer.get_extra_info("socket")
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in b"CONNECT Chat.Example.:443 HTTP/1.1\r\nHost: x\r\n\r\n":
                writer.write(bytes([byte]))
                await asyncio.sleep(0)
            assert await reader.readuntil(b"\r\n\r\n") == front_module.CONNECTED
            assert next(iter(here.front.links)).host == "chat.example"
            writer.close()

    asyncio.run(main())


def test_who_sends_no_head_is_dropped_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_module, "HEAD_SECONDS", 0.1)

    async def main() -> None:
        async with scene(Site()) as here:
            reader, writer = await here.open()
            writer.write(b"CONNECT ")
            assert await gone(reader) == b""
            await until(lambda: not here.front.links)
            reader, writer = await here.connect("chat.example:443")
            await asyncio.sleep(0.2)
            assert here.way() == "spliced", "the time is for the head alone"
            writer.close()

    asyncio.run(main())


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=60).map(lambda name: b"CONNECT " + name + b":443 HTTP/1.1\r\n\r\n"),
        st.binary(max_size=60).map(lambda port: b"CONNECT chat.example:" + port + b" HTTP/1.1\r\n\r\n"),
        st.text(max_size=30).map(lambda name: f"CONNECT {name}:443 HTTP/1.1\r\n\r\n".encode()),
        st.binary(max_size=60).map(lambda path: b"GET /" + path + b" HTTP/1.1\r\n\r\n"),
    )
)
def test_no_bytes_whatsoever_break_the_front(data: bytes) -> None:
    async def main() -> None:
        broken: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: broken.append(context))

        async def refuse(link: object) -> None:
            raise OSError("no name is looked up here")

        async with scene(Site()) as here:
            dial, here.front.dial = here.front.dial, refuse  # type: ignore[method-assign,assignment]
            _, writer = await here.open()
            writer.write(data)
            writer.write_eof()
            await asyncio.sleep(0.002)
            here.front.dial = dial  # type: ignore[method-assign]
            reader, again = await here.connect("chat.example:443")
            assert await reader.readexactly(8) == b"the site"
            again.close()
            writer.close()
        assert not broken

    asyncio.run(main())


def test_an_origin_form_request_gets_the_page_with_every_byte_of_it() -> None:
    async def main() -> None:
        async with scene(Site()) as here:
            reader, writer = await here.open()
            request = b"GET /proxy.pac HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nand more"
            writer.write(request[:9])
            await asyncio.sleep(0.01)
            writer.write(request[9:])
            assert await reader.readexactly(5 + len(request)) == b"page:" + request
            writer.write(b"GET /second HTTP/1.1\r\n\r\n")
            assert await reader.readexactly(29) == b"page:GET /second HTTP/1.1\r\n\r\n"
            began = asyncio.get_running_loop().time()
            await here.front.close()
            assert asyncio.get_running_loop().time() - began < 1, "an open page holds up the stop"
            assert await gone(reader) == b""
            writer.close()

    asyncio.run(main())


# Splicing.


@pytest.mark.parametrize("host", ["chat.example:443", "other.example:443", "deep.example:8443", "deep.example:443"])
def test_bytes_pass_unchanged_through_a_splice(host: str) -> None:
    dice = random.Random(3)
    up, down = dice.randbytes(2_500_000), dice.randbytes(3_000_001)

    async def main() -> None:
        site = Site(down)
        async with scene(site) as here:
            reader, writer = await here.connect(host)
            writer.write(up)
            got = hashlib.sha256()
            writer.write_eof()
            while data := await reader.read(dice.randint(1, 100_000)):
                got.update(data)
            assert got.digest() == hashlib.sha256(down).digest()
            assert [bytes(said) for said in site.heard] == [up]
            await until(lambda: not here.front.links)
            writer.close()

    asyncio.run(main())


def test_what_comes_with_the_connect_head_reaches_the_site() -> None:
    async def main() -> None:
        site = Site()
        async with scene(site) as here:
            reader, writer = await here.open()
            writer.write(b"CONNECT chat.example:443 HTTP/1.1\r\n\r\n" + HELLO)
            assert await reader.readexactly(len(front_module.CONNECTED)) == front_module.CONNECTED
            await until(lambda: bool(site.heard) and site.heard[0] == HELLO)
            writer.write(b" and on")
            await until(lambda: site.heard[0] == HELLO + b" and on")
            writer.close()

    asyncio.run(main())


def test_a_browser_that_does_not_read_bounds_what_the_front_holds() -> None:
    async def main() -> None:
        site = Site(bytes(64 << 20))
        async with scene(site) as here:
            loop = asyncio.get_running_loop()
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            await loop.sock_connect(client, ("127.0.0.1", here.port))
            await loop.sock_sendall(client, b"CONNECT chat.example:443 HTTP/1.1\r\n\r\n")
            await until(lambda: bool(site.writers) and here.way() == "spliced")
            await asyncio.sleep(0.3)
            (link,) = here.front.links
            assert link.transport is not None and link.other is not None and link.other.transport is not None
            assert 0 < link.transport.get_write_buffer_size() <= 512 << 10
            assert not link.other.transport.is_reading()
            assert site.writers[0].transport.get_write_buffer_size() > 32 << 20, "it stayed with the site"
            site.writers[0].transport.abort()
            client.close()

    asyncio.run(main())


def test_a_reset_passes_both_ways_through_a_splice() -> None:
    async def main() -> None:
        site = Site()
        async with scene(site) as here:
            reader, writer = await here.connect("chat.example:443")
            await reader.readexactly(8)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()
            await until(lambda: site.resets == 1)
            reader, writer = await here.connect("chat.example:443")
            await reader.readexactly(8)
            site.writers[1].get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            site.writers[1].transport.abort()
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(reader.read(), 5)
            writer.close()
            await until(lambda: not here.front.links)

    asyncio.run(main())


@pytest.mark.parametrize("name", ["127.0.0.1", "127.8.8.8", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"])
def test_services_of_this_machine_are_not_reached_through_the_front(name: str) -> None:
    async def main() -> None:
        site = Site()
        async with listening(site) as port, scene(Site()) as here:
            assert (await here.say(f"CONNECT {name}:{port} HTTP/1.1\r\n\r\n".encode()))[:13] == b"HTTP/1.1 403 "
            own = await here.say(f"CONNECT {name}:{here.port} HTTP/1.1\r\n\r\n".encode())
            assert own[:13] == b"HTTP/1.1 403 "
            assert not any(site.heard)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("fe80::1%eth0", True), ("169.254.1.1", True),
        ("::", True), ("::ffff:169.254.169.254", True), ("10.0.0.1", False), ("93.184.215.14", False),
    ],
)  # fmt: skip
def test_an_address_of_this_machine_is_known_in_every_form(address: str, here: bool) -> None:
    assert front_module._is_here(address) is here


# Handing over.


class FakeInspector:
    """Answers CONNECT with `status`, then does as `then` says; keeps all that it heard."""

    def __init__(self, then: Serve | None = None, status: bytes = b"200 OK") -> None:
        self.then, self.status = then, status
        self.heads: list[bytes] = []
        self.peers: list[int] = []
        self.heard: list[bytes] = []

    async def __call__(self, reader: Reader, writer: Writer) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            self.peers.append(writer.get_extra_info("peername")[1])
            writer.write(b"HTTP/1.1 " + self.status + b"\r\n\r\n")
            if self.then is not None:
                await self.then(reader, writer)
            while data := await reader.read(1 << 16):
                self.heard.append(data)
                writer.write(b"inspected " + data)
        writer.close()


async def dies_at_once(reader: Reader, writer: Writer) -> None:
    await reader.read(1)
    writer.transport.abort()


async def dies_after_a_byte(reader: Reader, writer: Writer) -> None:
    await reader.read(1)
    writer.write(b"\x16")
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.transport.abort()


async def never_speaks(reader: Reader, writer: Writer) -> None:
    with suppress(ConnectionError):
        await reader.read()


def test_a_deep_host_is_handed_over_and_the_browser_answered_once() -> None:
    async def main() -> None:
        site, inspector = Site(), FakeInspector()
        async with scene(site) as here, listening(inspector) as port:
            here.front.inspector_up(port)
            reader, writer = await here.open()
            writer.write(b"CONNECT deep.example:443 HTTP/1.1\r\nProxy-Connection: x\r\n\r\n" + HELLO)
            expected = front_module.CONNECTED + b"inspected " + HELLO
            assert await reader.readexactly(len(expected)) == expected
            assert inspector.heads == [b"CONNECT deep.example:443 HTTP/1.1\r\nHost: deep.example:443\r\n\r\n"]
            assert here.front.ways() == {"handed": 1}
            assert [link.peer for link in here.front.links] == inspector.peers
            writer.write_eof()
            assert await reader.read() == b""
            assert not site.heard
            await until(lambda: not here.front.links)
            writer.close()

    asyncio.run(main())


@pytest.mark.parametrize("host", ["chat.example:443", "other.example:443", "deep.example:8443"])
def test_what_is_known_by_name_alone_never_sees_the_inspector(host: str) -> None:
    async def main() -> None:
        inspector = FakeInspector()
        async with scene(Site()) as here, listening(inspector) as port:
            here.front.inspector_up(port)
            reader, writer = await here.connect(host)
            assert await reader.readexactly(8) == b"the site"
            assert here.way() == "spliced"
            assert not inspector.heads
            writer.close()

    asyncio.run(main())


def test_a_demoted_host_is_spliced_by_name_and_survives_the_inspectors_return() -> None:
    async def main() -> None:
        inspector = FakeInspector()
        async with scene(Site()) as here, listening(inspector) as port:
            here.front.inspector_up(port)
            here.app.demoted.add("deep.example")
            reader, writer = await here.connect()
            assert await reader.readexactly(8) == b"the site"
            assert here.way() == "spliced"
            here.front.inspector_down()
            here.front.inspector_up(port)
            await asyncio.sleep(0.02)
            assert here.way() == "spliced"
            assert not inspector.heads
            writer.close()

    asyncio.run(main())


def test_a_closed_inspector_port_fails_open() -> None:
    async def main() -> None:
        async with scene(Site()) as here:
            with socket.create_server(("127.0.0.1", 0)) as unused:
                port = unused.getsockname()[1]
            here.front.inspector_up(port)
            reader, writer = await here.connect()
            assert await reader.readexactly(8) == b"the site"
            assert here.way() == "failed-open"
            writer.close()

    asyncio.run(main())


@pytest.mark.parametrize("status", [b"502 Bad Gateway", b"400 Bad Request", b""])
def test_an_inspector_that_declines_is_passed_by(status: bytes) -> None:
    async def main() -> None:
        site, inspector = Site(), FakeInspector(status=status)
        async with scene(site) as here, listening(inspector) as port:
            here.front.inspector_up(port)
            reader, writer = await here.open()
            writer.write(b"CONNECT deep.example:443 HTTP/1.1\r\n\r\n" + HELLO)
            expected = front_module.CONNECTED + b"the site"
            assert await reader.readexactly(len(expected)) == expected
            await until(lambda: site.heard == [HELLO])
            assert not inspector.heard
            writer.close()

    asyncio.run(main())


def test_a_frozen_inspector_is_passed_by_once_it_is_known_to_be_down() -> None:
    async def main() -> None:
        accepted = asyncio.Event()

        async def frozen(reader: Reader, writer: Writer) -> None:
            accepted.set()
            await never_speaks(reader, writer)
            writer.close()

        async with scene(Site()) as here, listening(frozen) as port:
            here.front.inspector_up(port)
            reader, writer = await here.open()
            writer.write(b"CONNECT deep.example:443 HTTP/1.1\r\n\r\n")
            await accepted.wait()
            await asyncio.sleep(0.02)
            here.front.inspector_down()
            expected = front_module.CONNECTED + b"the site"
            assert await asyncio.wait_for(reader.readexactly(len(expected)), 2) == expected
            assert here.front.ways() == {"failed-open": 1}
            writer.close()

    asyncio.run(main())


@pytest.mark.parametrize("early", [b"", HELLO[:7], HELLO])
def test_an_inspector_that_dies_before_its_first_byte_leaves_no_trace(early: bytes) -> None:
    async def main() -> None:
        site, inspector = Site(), FakeInspector(dies_at_once)
        async with scene(site) as here, listening(inspector) as port:
            here.front.inspector_up(port)
            reader, writer = await here.open()
            writer.write(b"CONNECT deep.example:443 HTTP/1.1\r\n\r\n" + early)
            assert await reader.readuntil(b"\r\n\r\n") == front_module.CONNECTED
            writer.write(HELLO[len(early) :])
            assert await reader.readexactly(8) == b"the site"
            writer.write(b" more")
            await until(lambda: site.heard == [HELLO + b" more"])
            writer.write_eof()
            assert await reader.read() == b""
            assert site.heard == [HELLO + b" more"]
            writer.close()

    asyncio.run(main())


def test_a_frozen_inspector_that_had_answered_is_replaced_by_the_site_with_all_that_was_said() -> None:
    async def main() -> None:
        site, inspector = Site(), FakeInspector(never_speaks)
        async with scene(site) as here, listening(inspector) as port:
            here.front.inspector_up(port)
            reader, writer = await here.connect()
            for byte in HELLO:
                writer.write(bytes([byte]))
                await asyncio.sleep(0)
            await asyncio.sleep(0.02)
            here.front.inspector_down()
            assert await reader.readexactly(8) == b"the site"
            await until(lambda: site.heard == [HELLO])
            assert here.way() == "failed-open"
            writer.close()

    asyncio.run(main())


def test_after_its_first_byte_an_inspectors_death_ends_both_sides() -> None:
    async def main() -> None:
        site, inspector = Site(), FakeInspector(dies_after_a_byte)
        async with scene(site) as here, listening(inspector) as port:
            here.front.inspector_up(port)
            reader, writer = await here.connect()
            writer.write(HELLO)
            assert await gone(reader) in (b"\x16", b"")
            await until(lambda: not here.front.links)
            assert not site.heard, "half a handshake must not be followed by another"
            writer.close()

    asyncio.run(main())


def test_when_the_inspector_is_down_what_it_had_begun_is_aborted() -> None:
    async def main() -> None:
        ended = asyncio.Event()

        async def speaks(reader: Reader, writer: Writer) -> None:
            writer.write(b"\x16")
            with suppress(ConnectionError):
                await reader.read()
            ended.set()

        async with scene(Site()) as here, listening(FakeInspector(speaks)) as port:
            here.front.inspector_up(port)
            reader, writer = await here.connect()
            assert await reader.readexactly(1) == b"\x16"
            here.front.inspector_down()
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(reader.read(), 2)
            await asyncio.wait_for(ended.wait(), 2)
            writer.close()

    asyncio.run(main())


def test_more_than_is_kept_for_a_replay_is_not_replayed_in_part() -> None:
    async def main() -> None:
        site, inspector = Site(), FakeInspector(never_speaks)
        async with scene(site) as here, listening(inspector) as port:
            here.front.inspector_up(port)
            reader, writer = await here.connect()
            writer.write(bytes(front_module.REPLAY_LIMIT + 1))
            await asyncio.sleep(0.05)
            here.front.inspector_down()
            assert await gone(reader) == b""
            assert not site.heard
            writer.close()

    asyncio.run(main())


def test_a_browser_that_leaves_before_the_first_byte_is_not_spliced_to_the_site() -> None:
    async def main() -> None:
        site, inspector = Site(), FakeInspector()
        async with scene(site) as here, listening(inspector) as port:
            here.front.inspector_up(port)
            _, writer = await here.connect()
            writer.transport.abort()
            await until(lambda: not here.front.links)
            await asyncio.sleep(0.1)
            assert not site.heard

    asyncio.run(main())


def test_when_the_inspector_is_back_only_what_failed_open_is_aborted() -> None:
    async def main() -> None:
        async with scene(Site()) as here, listening(FakeInspector()) as port:
            deep, w1 = await here.connect()
            chat, w2 = await here.connect("chat.example:443")
            other, w3 = await here.connect("deep.example:8443")
            for reader in (deep, chat, other):
                assert await reader.readexactly(8) == b"the site"
            assert here.front.ways() == {"failed-open": 1, "spliced": 2}
            here.front.inspector_up(port)
            assert await gone(deep) == b""
            await until(lambda: here.front.ways() == {"spliced": 2})
            again, w4 = await here.connect()
            w4.write(HELLO)
            assert await again.readexactly(10) == b"inspected "
            for writer in (w1, w2, w3, w4):
                writer.close()

    asyncio.run(main())


def test_who_waits_for_a_site_when_the_inspector_is_back_is_handed_over_unanswered() -> None:
    """Chromium stays away for minutes from a proxy that closes an unanswered CONNECT."""

    async def main() -> None:
        async with scene(Site()) as here, listening(FakeInspector()) as port:
            dial, reached = here.front.dial, asyncio.Event()

            async def slow(link: front_module.Link) -> object:
                reached.set()
                await asyncio.sleep(60)
                return await dial(link)

            here.front.dial = slow  # type: ignore[method-assign,assignment]
            reader, writer = await here.open()
            writer.write(b"CONNECT deep.example:443 HTTP/1.1\r\n\r\n" + HELLO)
            await reached.wait()
            here.front.inspector_up(port)
            expected = front_module.CONNECTED + b"inspected " + HELLO
            assert await asyncio.wait_for(reader.readexactly(len(expected)), 2) == expected
            assert here.way() == "handed"
            writer.close()

    asyncio.run(main())


# Visits.


def test_a_visit_is_told_after_8_kib_back_and_again_each_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_module, "TOUCH_SECONDS", 0.2)

    async def main() -> None:
        site = Site(bytes(VISIT_BYTES - 1))
        async with scene(site) as here:
            reader, writer = await here.connect("chat.example:443")
            await reader.readexactly(VISIT_BYTES - 1)
            writer.write(bytes(50_000))
            await until(lambda: len(site.heard[0]) == 50_000)
            assert here.app.visits == [], "what goes up is no sign of use"
            site.writers[0].write(b"x")
            await reader.readexactly(1)
            peer = site.writers[0].get_extra_info("peername")[1]
            assert here.app.visits == [("chat.example", peer)]
            site.writers[0].write(bytes(100_000))
            await reader.readexactly(100_000)
            assert len(here.app.visits) == 1
            await asyncio.sleep(0.25)
            assert len(here.app.visits) == 1, "time alone is no visit"
            site.writers[0].write(b"x")
            await reader.readexactly(1)
            assert len(here.app.visits) == 2
            writer.close()

    asyncio.run(main())


def test_a_minute_is_what_keeps_an_activity_alive() -> None:
    assert (VISIT_BYTES, front_module.TOUCH_SECONDS) == (8192, 60.0)


def test_visits_are_told_for_what_is_handed_but_not_for_what_failed_open_or_has_no_signature() -> None:
    async def main() -> None:
        big = bytes(VISIT_BYTES)

        async def speaks(reader: Reader, writer: Writer) -> None:
            writer.write(big)
            await never_speaks(reader, writer)

        async with scene(Site(big)) as here, listening(FakeInspector(speaks)) as port:
            for host in ("deep.example:443", "other.example:443", "chat.example:8443"):
                reader, writer = await here.connect(host)
                await reader.readexactly(VISIT_BYTES)
                writer.close()
            await until(lambda: not here.front.links)
            assert here.app.visits == []
            here.front.inspector_up(port)
            reader, writer = await here.connect()
            await reader.readexactly(VISIT_BYTES)
            assert [host for host, _ in here.app.visits] == ["deep.example"]
            writer.close()

    asyncio.run(main())


def test_a_port_that_is_taken_is_an_oserror() -> None:
    async def main() -> None:
        async with scene(Site()) as here:
            with pytest.raises(OSError, match="address already in use"):
                await Front(MATCHER, FakeApp(), FakePage).open(here.port)

    asyncio.run(main())
