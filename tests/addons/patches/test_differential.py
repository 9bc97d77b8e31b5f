"""The layers with our replacements and as mitmproxy has them: the same goes out, or the difference is meant."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hyperframe.frame import GoAwayFrame, PingFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame
from mitmproxy.connection import Connection, ConnectionState

from addons.patches.playing import (
    ALL,
    HOST,
    SETTINGS,
    Script,
    Streaming,
    World,
    body,
    frames_of,
    head,
    installed,
    played,
    told,
)

EXAMPLES = int(os.environ.get("DIFFERENTIAL_EXAMPLES", "100"))  # make test-all has more
SETTINGS_OF_RUN = settings(
    max_examples=EXAMPLES, derandomize="DIFFERENTIAL_EXAMPLES" not in os.environ, deadline=None, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip

ASK = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", HOST.encode()), (b":path", b"/complete/x")]
POST = [(b":method", b"POST"), *ASK[1:]]
OK = (b":status", b"200")

type Step = tuple[Any, ...]


class Http2Script:
    """Steps of a browser and a site over HTTP/2. What makes no sense where it comes is left out."""

    def __init__(self, steps: list[Step]) -> None:
        self._steps = steps

    def __call__(self, world: World) -> None:
        self._world = world
        self._next = 1
        self._open: list[int] = []  # streams on which the browser can still say something
        self._streams: list[int] = []
        self._answers: dict[tuple[Connection, int], str] = {}
        for name, later, *values in self._steps:
            self._later = later
            getattr(self, f"_{name}")(*values)
        world.run()

    def _browser(self, data: bytes) -> None:
        if self._world.client.state & ConnectionState.CAN_READ:
            self._world.say(self._world.client, data, later=self._later)

    def _site(self, data: bytes, which: int = -1) -> None:
        alive = [each for each in self._world.servers if each.state & ConnectionState.CAN_READ]
        if alive:
            self._world.say(alive[which % len(alive)], data, later=self._later)

    def _ask(self, end: bool) -> None:
        stream, self._next = self._next, self._next + 2
        self._streams.append(stream)
        if not end:
            self._open.append(stream)
        self._browser(head(stream, *(ASK if end else POST), end=end))

    def _upload(self, which: int, size: int, end: bool) -> None:
        if self._open:
            stream = self._open[which % len(self._open)]
            if end:
                self._open.remove(stream)
            self._browser(body(stream, bytes(size), end=end))

    def _upload_trailers(self, which: int) -> None:
        if self._open:
            self._browser(head(self._open.pop(which % len(self._open)), (b"x-sum", b"1"), end=True))

    def _cancel(self, which: int) -> None:
        if self._streams:
            stream = self._streams.pop(which % len(self._streams))
            if stream in self._open:
                self._open.remove(stream)
            self._browser(RstStreamFrame(stream, error_code=8).serialize())

    def _asked(self, *states: str) -> list[tuple[Connection, int]]:
        """Requests that came to the site, in one of these states of their answers."""
        for server in self._world.servers:
            for said in frames_of(bytes(self._world.peers[server].heard)):
                if said[0] == "head":
                    self._answers.setdefault((server, said[1]), "none")
                elif said[0] == "reset":
                    self._answers[server, said[1]] = "ended"
        return [
            key for key, state in self._answers.items() if state in states and key[0].state & ConnectionState.CAN_READ
        ]

    def _answer(self, which: int, end: bool, *extra: tuple[bytes, bytes]) -> None:
        if asked := self._asked("none"):
            server, stream = key = asked[which % len(asked)]
            self._answers[key] = "ended" if end else "begun"
            self._world.say(server, head(stream, OK, *extra, end=end), later=self._later)

    def _data(self, which: int, size: int, end: bool) -> None:
        if asked := self._asked("begun"):
            server, stream = key = asked[which % len(asked)]
            if end:
                self._answers[key] = "ended"
            self._world.say(server, body(stream, bytes(size), end=end), later=self._later)

    def _trailers(self, which: int) -> None:
        if asked := self._asked("begun"):
            server, stream = key = asked[which % len(asked)]
            self._answers[key] = "ended"
            self._world.say(server, head(stream, (b"x-sum", b"2"), end=True), later=self._later)

    def _settings(self, of_site: bool, streams: int, window: int) -> None:
        data = SettingsFrame(0, settings={3: streams, 4: window} if of_site else {4: window}).serialize()
        (self._site if of_site else self._browser)(data)

    def _window(self, of_site: bool, which: int, size: int) -> None:
        stream = self._streams[which % len(self._streams)] if which and self._streams else 0
        if of_site:
            asked = self._asked("none", "begun")
            stream = asked[which % len(asked)][1] if which and asked else 0
        (self._site if of_site else self._browser)(WindowUpdateFrame(stream, window_increment=size).serialize())

    def _ping(self, of_site: bool) -> None:
        (self._site if of_site else self._browser)(PingFrame(0, b"12345678").serialize())

    def _close(self, of_site: bool, half: bool) -> None:
        alive = [each for each in self._world.servers if each.state & ConnectionState.CAN_READ]
        for each in alive[-1:] if of_site else [self._world.client]:
            self._world.run()
            (self._world.half_close if half else self._world.close)(each)

    def _wake(self) -> None:
        self._world.wake()


which = st.integers(0, 5)
later = st.sampled_from([False, False, False, True])
sizes = st.sampled_from([0, 1, 5, 1000, 20_000])


def step(name: str, *values: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    return st.tuples(st.just(name), later, *values)


HTTP2_STEPS = st.one_of(
    step("ask", st.booleans()), step("ask", st.just(True)), step("answer", which, st.booleans()),
    step("answer", which, st.just(False)), step("data", which, sizes, st.booleans()), step("trailers", which),
    step("upload", which, sizes, st.booleans()), step("upload_trailers", which), step("cancel", which),
    step("settings", st.booleans(), st.sampled_from([1, 2, 100]), st.sampled_from([10, 65_535, 1 << 20])),
    step("window", st.booleans(), which, st.sampled_from([1, 100, 1 << 20])), step("ping", st.booleans()),
    step("close", st.just(True), st.booleans()), step("close", st.booleans(), st.booleans()), step("wake"),
)  # fmt: skip

OPENS = st.lists(st.sampled_from([None, None, "no route"]), max_size=3)
PIECES = st.sampled_from([0, 0, 0, 1, 7, 100])

GET1 = b"GET /complete/x HTTP/1.1\r\nHost: www.google.nl\r\n\r\n"
REQUESTS = [
    GET1,
    GET1.replace(b"GET", b"HEAD"),
    GET1.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
    GET1.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\nhello"),
    GET1.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    GET1.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx"),
    GET1.replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n"),
]
OK1 = b"HTTP/1.1 200 OK\r\n"
ANSWERS = [
    OK1 + b"Content-Length: 5\r\n\r\nhello",
    OK1 + b"Content-Length: 0\r\n\r\n",
    OK1 + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    OK1 + b"Transfer-Encoding: gzip, chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n",
    OK1 + b"\r\nuntil it closes",
    OK1 + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\nold",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n",
    b"HTTP/1.1 204 \r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\nmore",
    b"no answer at all\r\n\r\n",
]


class Http1Script:
    """Steps over HTTP/1: each side says whole messages or a part of one, in two pieces, or ends."""

    def __init__(self, steps: list[Step]) -> None:
        self._steps = steps

    def __call__(self, world: World) -> None:
        for name, late, *values in self._steps:
            of_site, *rest = values
            alive = [each for each in world.servers if each.state & ConnectionState.CAN_READ]
            ends = alive[-1:] if of_site else [world.client]
            for end in ends:
                if not end.state & ConnectionState.CAN_READ:
                    continue
                if name == "close":
                    world.run()
                    (world.half_close if rest[0] else world.close)(end)
                else:
                    text = (ANSWERS if of_site else REQUESTS)[rest[0] % len(ANSWERS if of_site else REQUESTS)]
                    first = text[: rest[1]]
                    world.say(end, first, later=late)
                    if rest[2]:
                        world.say(end, text[len(first) :], later=late)
        world.run()


HTTP1_STEPS = st.one_of(
    step("say", st.booleans(), st.integers(0, 10), st.sampled_from([0, 1, 3, 12, 40, 200]), st.just(True)),
    step("say", st.booleans(), st.integers(0, 10), st.sampled_from([0, 1, 3, 12, 40, 200]), st.booleans()),
    step("close", st.booleans(), st.booleans()),
)


def both(make: Callable[[], Script], alpn: bytes, opens: list[str | None], piece: int) -> tuple[Any, Any]:
    """Play a script to both; theirs may fail where ours must not, and what differs then is what we mend."""

    def script(world: World) -> None:
        world.piece = piece
        make()(world)

    try:
        theirs = told(played(script, alpn, opens=opens))
    except Exception:  # noqa: BLE001 - anything, of mitmproxy's
        assume(False)
    return told(played(script, alpn, *ALL, opens=opens)), theirs


@given(st.lists(HTTP2_STEPS, min_size=2, max_size=25), OPENS, PIECES)
@SETTINGS_OF_RUN
def test_http2_says_the_same(steps: list[Step], opens: list[str | None], piece: int) -> None:
    ours, theirs = both(lambda: Http2Script(steps), b"h2", opens, piece)
    assert ours == theirs


@given(st.lists(HTTP1_STEPS, min_size=2, max_size=15), OPENS, PIECES)
@SETTINGS_OF_RUN
def test_http1_says_the_same(steps: list[Step], opens: list[str | None], piece: int) -> None:
    ours, theirs = both(lambda: Http1Script(steps), b"http/1.1", opens, piece)
    assert ours == theirs


_ = (GoAwayFrame, pytest, installed, Streaming, SETTINGS)
