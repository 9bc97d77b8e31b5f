"""Fuzz targets: what comes over a connection: browsers, sites, sessions, the inspector. Nothing may raise."""

import asyncio
import contextlib
import logging
import socket
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, cast

import brotli
import msgspec
import zstandard

from bewust.catalogue.entries import parse_marker
from bewust.daemon.app import Agent
from bewust.daemon.state import Settings
from bewust.detection.decompression import CORRUPT, PIECE, decoders
from bewust.detection.html import HtmlMatcher
from bewust.detection.scanning import Scanner
from bewust.model import Content, Detection, Level, SavedUserState
from bewust.page.application import Page
from bewust.proxy.connection import ClientConnection
from bewust.proxy.inspector import LINE_LIMIT as PIPE_LINE
from bewust.proxy.inspector import Inspector
from bewust.proxy.messages import Alive, Detected, Start
from bewust.proxy.outbound import ServerConnection
from bewust.proxy.relay import Buffer, ConnectClient
from bewust.sessions.client import LINE_LIMIT, Hello, Snoozed
from bewust.sessions.server import Logins, RemoteDesktop
from fuzz.target import Target
from support.agents import RULES, Desktop
from support.pages import Fake
from support.proxies import BY_NAME, DECRYPTED, MATCHER, Listener, connect

UNFOLDED = 8 << 20  # bytes of a decoded body after which a target looks no further


class Transport(asyncio.Transport):
    """A connection to nobody; `said` is what was written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 4711), "sockname": ("127.0.0.1", 8787), "socket": SOCKET})
        self.said = b""
        self.over = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.said += bytes(data)

    def is_closing(self) -> bool:
        return self.over

    def close(self) -> None:
        self.over = True

    abort = write_eof = close

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None: ...
    def get_write_buffer_size(self) -> int:
        return 0


SOCKET = socket.socket()  # of no connection, for options alone


class Streams(Target):
    """A target with an event loop on which a mistake in a callback is a mistake too."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.wrong: list[object] = []
        self.loop.set_exception_handler(lambda loop, about: self.wrong.append(about.get("exception") or about))

    def settle(self) -> None:
        """Run what was begun to its end, then raise what went wrong in it."""

        async def turn() -> None:
            for _ in range(3):
                await asyncio.sleep(0)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.wait_for(asyncio.gather(*others), 5)

        self.loop.run_until_complete(turn())
        if self.wrong:
            raise AssertionError(self.wrong.pop())


class Heads(Streams):
    """A browser's first bytes and another proxy's answer to CONNECT, in two pieces."""

    buffer, matcher, inspector_port, listener, crowded = Buffer(), MATCHER, None, Listener(), False

    def __init__(self) -> None:
        super().__init__()
        self.links: set[ClientConnection] = set()
        self.waiting: set[ClientConnection] = set()
        self.pages: set[asyncio.Transport] = set()

    def page(self) -> asyncio.Protocol:
        return asyncio.Protocol()

    async def admits(self, link: ClientConnection, pages: int = 0) -> bool:
        return True

    async def dial(self, link: ClientConnection) -> ServerConnection:
        assert 0 < link.port < 65536 and link.host
        raise OSError

    def seeds(self) -> Iterator[bytes]:
        yield from (connect(BY_NAME), connect(DECRYPTED), connect("[::1]:443"), b"GET /proxy.pac HTTP/1.1\r\n\r\n")
        yield b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\nearly"

    def test(self, data: bytes) -> None:
        cut = data[0] if data else 0
        link = ClientConnection(cast(Any, self))
        link.connection_made(transport := Transport())
        for piece in (data[:cut], data[cut:]):
            if transport.over or link.route == "page":
                break
            link.received(memoryview(piece))
            self.settle()
        link.connection_lost(None)
        self.loop.run_until_complete(self._asked(data, cut))
        assert not self.links
        self.pages.clear()

    async def _asked(self, data: bytes, cut: int) -> None:
        asked = ConnectClient(self.buffer)
        asked.connection_made(Transport())
        for piece in (data[:cut], data[cut:]):
            asked.received(memoryview(piece))


class Errors(logging.Handler):
    """What the page's server did not expect."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0] if record.exc_info else None
        if kind is None or not kind.__module__.startswith("h11"):  # the request broke its own connection
            self.said.append(self.format(record))


class Pages(Streams):
    """Requests to the employee's page, as HTTP/1.1."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory(prefix="fuzz-")
        self.agent = Fake(Path(self._folder.name))
        self.agent.port = 8787
        self._page = Page(self.agent)
        self._errors = Errors()
        logging.getLogger("uvicorn").addHandler(self._errors)

    def seeds(self) -> Iterator[bytes]:
        for path in ("/", "/nl/kept", "/en/why", "/proxy.pac", "/static/copy.js", "/status.json"):
            yield f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        yield (
            b"POST /nl/snooze HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://127.0.0.1:8787\r\nContent-Length: 24\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n\r\nspan=hour&token=aaaaaaaa"
        )
        yield (
            b"POST /nl/kept/delete HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\na=%C3\r\n0\r\n\r\n"
        )

    def test(self, data: bytes) -> None:
        if not data:
            return  # asyncio tells of no bytes by another call
        protocol = self._page.protocol()
        protocol.connection_made(transport := Transport())
        protocol.data_received(data)
        self.loop.run_until_complete(asyncio.sleep(0))
        protocol.connection_lost(None)
        self.settle()
        assert not self._errors.said, self._errors.said.pop()
        assert b"500 Internal" not in transport.said and b"Traceback" not in transport.said
        assert not self.agent.asked, "something was done without the person's token"


class Sessions(Streams):
    """What a login's process says to the service."""

    def seeds(self) -> Iterator[bytes]:
        hello = msgspec.json.encode(Hello(SavedUserState())) + b"\n"
        yield hello + msgspec.json.encode(Snoozed("today")) + b"\n"
        yield hello + b'{"type":"moment","id":1,"busy":"locked"}\n{"type":"shown","id":2,"problem":"x"}\n'
        yield b'{"type":"hello","memory":{"explained":["chat"],"until":"2026-12-01","snoozed":{"chat":"2026-12-01"}}}\n'

    def test(self, data: bytes) -> None:
        async def talk() -> None:
            reader = asyncio.StreamReader(limit=LINE_LIMIT)
            reader.feed_data(data)
            reader.feed_eof()
            logins = Logins(came=lambda *_: None, left=lambda *_: None, snooze=lambda *_: None)
            with contextlib.suppress(OSError, ValueError, TimeoutError):  # what ends that session, and nothing else
                await logins._talk(RemoteDesktop(1000, cast(Any, None)), reader)
            assert logins.count == 0

        self.loop.run_until_complete(talk())


class Pipe(Streams):
    """What an inspector that was taken over by a site could say: at most it is not heard."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory(prefix="fuzz-")
        self.agent = Agent(Settings(Path(self._folder.name) / "state"), RULES, desktop=Desktop())
        self.ports: list[int] = []

    def seeds(self) -> Iterator[bytes]:
        found = Detection("google-ai-overview", Level.USE, "inline", "google.toml", 1)
        yield msgspec.json.encode(Detected(1, found)) + b"\n" + msgspec.json.encode(Alive(1)) + b"\n"
        yield b'{"type":"seen","peer":1,"service":"google-ai-overview"}\n{"type":"failed","where":"a","error":"B"}\n'
        yield b'{"type":"demoted","host":"www.google.nl","reason":"the site refuses our TLS"}\n'

    def test(self, data: bytes) -> None:
        async def listen() -> None:
            inspector = Inspector(
                Start(""), up=self.ports.append, down=lambda: None, message=self.agent.on_inspector_message
            )
            reader = asyncio.StreamReader(limit=PIPE_LINE)
            reader.feed_data(data)
            reader.feed_eof()
            child = type("Child", (), {"stdout": reader})
            with contextlib.suppress(ValueError):  # a line too long: supervision ends such a child
                await inspector._listen(cast(Any, child))

        self.loop.run_until_complete(listen())
        self.settle()
        ours = [name for name in self.agent.failures if name.partition(":")[0] in ("message", "owner", "reminder")]
        assert not ours, ours
        assert len(self.agent.failures) <= 50 and len(self.agent.demoted) <= 1000
        assert all(0 < port < 65536 for port in self.ports), "a port that is none"
        self.ports.clear()


class Bodies(Target):
    """Content codings, alone and over each other: bounded pieces, and only their own errors."""

    CODINGS: ClassVar[Sequence[str]] = (
        "gzip",
        "deflate",
        "br",
        "zstd",
        "gzip, br",
        "zstd, gzip",
        "deflate, deflate",
        "br, zstd",
    )

    def seeds(self) -> Iterator[bytes]:
        text = b"<p class=mZJni>" * 50
        packed = {
            "gzip": zlib.compress(text, wbits=31), "deflate": zlib.compress(text), "br": brotli.compress(text),
            "zstd": zstandard.compress(text),
        }  # fmt: skip
        for number, coding in enumerate(self.CODINGS):
            yield bytes([number, 7]) + packed.get(coding, packed["gzip"])
        yield bytes([3, 0]) + zstandard.compress(bytes(1 << 22)) * 2
        yield bytes([4, 0]) + brotli.compress(zlib.compress(bytes(1 << 22), wbits=31))

    def test(self, data: bytes) -> None:
        coding, cut, data = self.CODINGS[(data[0] if data else 0) % len(self.CODINGS)], data[1:2], data[2:]
        if "," not in coding:
            self._alone(coding, data)
        marker = parse_marker("class~=mZJni")
        scanner = Scanner([Content(((marker,),), 1 << 20, ("text/html",))], coding)
        at = cut[0] if cut else 0
        for piece in (data[:at], data[at:]):
            scanner.feed(piece)
        scanner.end()
        assert scanner.done

    def _alone(self, coding: str, data: bytes) -> None:
        (decoder,) = decoders(coding)
        whole = 0
        try:
            for piece in decoder.pieces(data):
                assert len(piece) <= 128 * PIECE, f"{len(piece)} bytes at once"
                whole += len(piece)
                if whole > UNFOLDED:
                    return
        except CORRUPT:
            pass


class Html(Target):
    """The markup reader: whatever the cut, the same is found, and what it keeps stays small."""

    def __init__(self) -> None:
        texts = ("class~=mZJni", "id^=folsrch", "comment^=Sv6Kpe[", "class~=a & data-x^=")
        self._sets = {(0, n): [parse_marker(text)] for n, text in enumerate(texts)}

    def seeds(self) -> Iterator[bytes]:
        yield b"<!doctype html><p class='a mZJni'><!--Sv6Kpe[1]--><script>var a='<!--<script>';</script></p>"
        yield b"<div id=folsrch_1 class=a data-x><textarea></p></textarea><!><!--> <a b='>"
        yield b"<style>.mZJni{}</style><title>x</title></ x><?php ?><x/y=z>"

    def test(self, data: bytes) -> None:
        whole = self._found(data, len(data) or 1)
        for size in (1, 7):
            assert self._found(data, size) == whole, f"cut by {size}: another verdict"

    def _found(self, data: bytes, size: int) -> set[tuple[int, int]]:
        markup, found = HtmlMatcher(self._sets), set[tuple[int, int]]()
        for start in range(0, len(data), size):
            found |= markup.feed(data[start : start + size], last=False)
        return found | markup.feed(b"", last=True)


class Cost(Target):
    """What a body costs by the byte, whatever is in it: a piece is repeated, as an attacker would, and cut anyhow.

    The first two bytes choose what is looked for and how the body is cut. Raises where a MiB takes longer than
    SLOWEST, or where twice as much takes much more than twice as long.
    """

    SLOWEST = 3.0  # seconds of processor time a MiB; 0.02 to 0.2 without instruments
    SIZE = 128 << 10
    LOOKED_FOR: ClassVar[Sequence[Sequence[str]]] = (
        ("field=messages", "field=action:next"), ("key=prompt",), ("event=delta",),
        ("class~=mZJni", "id^=folsrch", "comment^=Sv6Kpe["), ("data-x^=", "class~=a & data-y^="),
    )  # fmt: skip
    CUTS = (1400, 16 << 10, 1 << 20)

    def __init__(self) -> None:
        self.worst = 0.0

    def seeds(self) -> Iterator[bytes]:
        pieces = (
            b"[", b"{", b'"', b"\\", b"[]", b'[{"', b'{"a":', b'"messages"   :', b"&", b"messages=&", b"\nevent: ",
            b"<", b"</", b"<a ", b'<a x="', b"<a b c=d ", b"<!--", b"<!-- - ", b"-", b"<script>", b"<s\n",
            b"<textarea>", b"<script><!--<script>", b'<a class="mZJni2" ', b"<p class=mZJnix>", b"Sv6Kpe[",
        )  # fmt: skip
        for kind in range(len(self.LOOKED_FOR)):
            yield from (bytes([kind, number % 3]) + piece for number, piece in enumerate(pieces))

    def test(self, data: bytes) -> None:
        kind, cut, piece = data[:1] or b"\0", data[1:2] or b"\0", data[2:] or b"\0"
        markers = tuple(map(parse_marker, self.LOOKED_FOR[kind[0] % len(self.LOOKED_FOR)]))
        content = Content((markers,), 16 << 20, ())
        once, twice = (
            self._seconds(content, piece, self.CUTS[cut[0] % 3], size) for size in (self.SIZE, 2 * self.SIZE)
        )
        a_mib = twice / (2 * self.SIZE) * (1 << 20)
        self.worst = max(self.worst, a_mib)
        assert a_mib < self.SLOWEST, f"{a_mib:.2f} s a MiB"
        assert twice < max(4 * once, 0.2), f"twice as much takes {twice / once:.1f} times as long"

    def _seconds(self, content: Content, piece: bytes, cut: int, size: int) -> float:
        body = (piece * (size // len(piece) + 1))[:size]
        scanner, start = Scanner([content]), time.process_time()
        for at in range(0, size, cut):
            scanner.feed(body[at : at + cut])
        scanner.end()
        return time.process_time() - start


TARGETS: dict[str, type[Target]] = {
    "heads": Heads, "page": Pages, "sessions": Sessions, "pipe": Pipe, "bodies": Bodies, "markup": Html, "cost": Cost,
}  # fmt: skip
