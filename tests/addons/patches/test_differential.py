"""The layers with our replacements and as mitmproxy has them: the same goes out, or the difference is meant."""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hyperframe.frame import GoAwayFrame, PingFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from mitmproxy.connection import Connection, ConnectionState

from support.layer_scripts import (
    ALL,
    ASK,
    OK,
    POST,
    PREFACE,
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

MORE = os.environ.get("DIFFERENTIAL_EXAMPLES", "")  # of each test, other ones each time
EXAMPLES = settings(
    max_examples=int(MORE or 100), derandomize=not MORE, deadline=None, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


type Step = tuple[Any, ...]


class Http2Script:
    """Steps of a browser and a site over HTTP/2. What makes no sense where it comes is left out."""

    def __init__(self, steps: list[Step], after_each: Callable[[World], None] = lambda _: None) -> None:
        self._steps = steps
        self._after_each = after_each

    def __call__(self, world: World) -> None:
        self._world = world
        self._next = 1
        self._open: list[int] = []  # streams on which the browser can still say something
        self._streams: list[int] = []
        self._answers: dict[tuple[Connection, int], str] = {}
        self._paths: dict[tuple[Connection, int], int] = {}
        for name, later, *values in self._steps:
            self._later = later
            getattr(self, f"_{name}")(*values)
            self._after_each(world)
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
        path = (b":path", b"/complete/%d" % stream)
        self._browser(head(stream, *(ASK if end else POST)[:-1], path, end=end))

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
        """Requests that came to the site, in one of these states of their answers, in the browser's order."""
        for server in self._world.servers:
            if self._world.peers[server].alpn != b"h2":
                continue
            for said in frames_of(bytes(self._world.peers[server].heard)):
                if said[0] == "head" and (path := dict(said[2]).get(b":path")):
                    self._answers.setdefault((server, said[1]), "none")
                    self._paths[server, said[1]] = int(path.rpartition(b"/")[2])
                elif said[0] == "reset":
                    self._answers[server, said[1]] = "ended"
        found = [key for key, state in self._answers.items() if state in states]
        found.sort(key=self._paths.__getitem__)
        return [key for key in found if key[0].state & ConnectionState.CAN_READ]

    def _answer(self, which: int, end: bool, *extra: tuple[bytes, bytes]) -> None:
        if asked := self._asked("none"):
            server, stream = key = asked[which % len(asked)]
            self._answers[key] = "ended" if end else "begun"
            self._world.say(server, head(stream, OK, *extra, end=end), later=self._later)

    def _answer_http1(self, which: int) -> None:
        """What a site says that speaks HTTP/1 on a later connection."""
        for server in self._world.servers[-1:]:
            peer = self._world.peers[server]
            if peer.alpn != b"h2" and b"\r\n\r\n" in peer.heard and server.state & ConnectionState.CAN_READ:
                self._world.say(server, ANSWERS[which % len(ANSWERS)], later=self._later)

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
    step("answer_http1", st.integers(0, 10)),
)  # fmt: skip

# Without what may come before the answer of a hook and be as right in either order.
HTTP2_CALM = st.one_of(
    step("ask", st.booleans()), step("answer", which, st.booleans()), step("data", which, sizes, st.booleans()),
    step("trailers", which), step("upload", which, sizes, st.booleans()), step("upload_trailers", which),
)  # fmt: skip
ALPNS = st.lists(st.sampled_from([b"h2", b"h2", b"http/1.1"]), max_size=3)
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


def both(make: Callable[[], Script], alpn: bytes, piece: int = 0, **world: Any) -> tuple[Any, Any]:
    """Play a script to both; theirs may fail where ours must not, and what differs then is what we mend."""

    def script(world: World) -> None:
        world.piece = piece
        make()(world)

    try:
        theirs = told(played(script, alpn, **world))
    except Exception:  # noqa: BLE001 - anything, of mitmproxy's
        assume(False)
    return told(played(script, alpn, *ALL, **world)), theirs


@given(st.lists(HTTP2_STEPS, min_size=2, max_size=25), OPENS, ALPNS, PIECES)
@EXAMPLES
def test_http2_says_the_same(steps: list[Step], opens: list[str | None], alpns: list[bytes], piece: int) -> None:
    ours, theirs = both(lambda: Http2Script(steps), b"h2", piece, opens=opens, alpns=alpns)
    assert ours == theirs


@given(st.lists(HTTP1_STEPS, min_size=2, max_size=15), OPENS, PIECES)
@EXAMPLES
def test_http1_says_the_same(steps: list[Step], opens: list[str | None], piece: int) -> None:
    ours, theirs = both(lambda: Http1Script(steps), b"http/1.1", piece, opens=opens)
    assert ours == theirs


@given(st.lists(HTTP2_CALM, min_size=2, max_size=15), st.lists(st.integers(0, 5), min_size=1))
@EXAMPLES
def test_hooks_that_are_answered_late_and_in_any_order_change_nothing(steps: list[Step], order: list[int]) -> None:
    """Of mitmproxy's hooks; ours are answered where they stand. Each stream says the same in the end."""
    with installed(addons=[Streaming(b"h2")]):
        ours = World(b"h2")
        ours.say(ours.client, PREFACE + SETTINGS)
        Http2Script(steps)(ours)
    theirs = World(b"h2")
    theirs.say(theirs.client, PREFACE + SETTINGS)
    theirs.answer_hooks = False

    def settle(world: World) -> None:
        for index in order * 100:
            if not world.hooks:
                return
            world.answer(index)

    Http2Script(steps, after_each=settle)(theirs)
    settle(theirs)
    assert [by_request(said) for said, _ in told(ours)] == [by_request(said) for said, _ in told(theirs)]


def by_request(said: list[tuple[Any, ...]]) -> dict[Any, list[tuple[Any, ...]]]:
    """Order what was said by request: between them it is free, and so are the numbers of streams to a site."""
    streams: dict[int, list[tuple[Any, ...]]] = {}
    for kind, stream, *rest in said:
        of_stream = streams.setdefault(stream, [])
        if kind == "body" and of_stream and of_stream[-1][0] == "body":
            of_stream[-1] = (kind, of_stream[-1][1] + rest[0], rest[1])
        else:
            of_stream.append((kind, *rest))
    return {dict(parts[0][1]).get(b":path", stream): parts for stream, parts in streams.items()}


class Meant(NamedTuple):
    """A difference that is meant: what a site says with us is as what it says without, to mitmproxy."""

    reason: str
    said: bytes
    instead: bytes
    passed: bytes = b""  # what the browser gets more than that


CHUNKS = OK1 + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
LENGTH = OK1 + b"Content-Length: 5\r\n\r\nhello"
MEANT_HTTP1 = [
    Meant("browsers skip blank lines before a head", b"\r\n\r\n\n" + LENGTH, LENGTH),
    Meant("an answer before the answer is passed on", HINTS + HINTS + LENGTH, LENGTH, HINTS + HINTS),
    Meant("trailers are passed on", CHUNKS + b"X-Sum: 1\r\n\r\n", CHUNKS + b"\r\n", b"X-Sum: 1\r\n"),
    Meant("no header line, no header", LENGTH.replace(b"\r\n\r", b"\r\nwithout a colon\r\n\r"), LENGTH),
    Meant("names that are no token are dropped", LENGTH.replace(b"\r\n\r", b"\r\nX Y(: 1\r\n\r"), LENGTH),
    Meant("a blank before the colon is none", LENGTH.replace(b"h: 5", b"h : 5"), LENGTH),
    Meant("a length twice is a length", LENGTH.replace(b": 5", b": 5\r\nContent-Length: 5"), LENGTH),
    Meant("a length twice in one line is, too", LENGTH.replace(b": 5", b": 5, 5"), LENGTH),
    Meant("a length with a zero before it is", LENGTH.replace(b": 5", b": 005"), LENGTH),
    Meant("chunks are stronger than a length", CHUNKS.replace(b"\r\nT", b"\r\nContent-Length: 4\r\nT") + b"\r\n",
          CHUNKS + b"\r\n"),
    Meant("an unknown coding is none", LENGTH.replace(b"\r\n\r", b"\r\nTransfer-Encoding: zip\r\n\r"), LENGTH),
    Meant("304 has no chunks", b"HTTP/1.1 304 N\r\nTransfer-Encoding: chunked\r\n\r\n", b"HTTP/1.1 304 N\r\n\r\n"),
    Meant("a line that goes on is one line", LENGTH.replace(b"\r\n\r", b"\r\nX-A: 1\r\n  2\r\n\r"),
          LENGTH.replace(b"\r\n\r", b"\r\nX-A: 1 2\r\n\r")),
    Meant("a status line in any letters", b"http/1.1 200  ok\r\n" + LENGTH.partition(b"\n")[2],
          b"HTTP/1.1 200 ok\r\n" + LENGTH.partition(b"\n")[2]),
]  # fmt: skip


@pytest.mark.parametrize("meant", MEANT_HTTP1, ids=lambda meant: meant.reason)
@pytest.mark.parametrize("piece", [0, 1])
def test_http1_differs_where_it_is_meant(meant: Meant, piece: int) -> None:
    def script(said: bytes) -> Script:
        def play(world: World) -> None:
            world.piece = piece
            world.say(world.client, GET1)
            world.say(world.servers[0], said)
            world.say(world.client, GET1)  # the connection goes on
            world.say(world.servers[0], LENGTH)

        return play

    (ours, *ours_of_site), (theirs, *theirs_of_site) = (
        told(played(script(meant.said), b"http/1.1", *ALL)),
        told(played(script(meant.instead), b"http/1.1")),
    )
    assert ours_of_site == theirs_of_site
    assert ours[1] == theirs[1]
    if meant.passed:
        assert ours[0].count(meant.passed) == 1
    assert headers_sorted(ours[0].replace(meant.passed, b"") if meant.passed else ours[0]) == headers_sorted(theirs[0])
    assert ours[0] != b""


def headers_sorted(raw: bytes) -> bytes:
    """With the lines of the first head in order: a length that is written anew stands at the end."""
    first, _, rest = raw.partition(b"\r\n\r\n")
    return b"\r\n".join(sorted(first.split(b"\r\n"))) + rest


MEANT_HTTP2: dict[str, tuple[list[bytes], list[bytes]]] = {
    "an answer before the answer is passed on": (
        [head(1, (b":status", b"103"), (b"link", b"x")), head(1, OK), body(1, b"hello", end=True)],
        [head(1, OK), body(1, b"hello", end=True)],
    ),
    "an answer before the answer without a status is not": (
        [head(1, (b":status", b"1xx")), head(1, OK), body(1, b"hello", end=True)],
        [head(1, OK), body(1, b"hello", end=True)],
    ),
    "a value that ends in a blank is passed without it": (
        [head(1, OK, (b"x-a", b"1 ")), body(1, b"hello", end=True)],
        [head(1, OK, (b"x-a", b"1")), body(1, b"hello", end=True)],
    ),
    "what is of a connection is dropped": (
        [head(1, OK, (b"connection", b"close"), (b"transfer-encoding", b"chunked")), body(1, b"hello", end=True)],
        [head(1, OK), body(1, b"hello", end=True)],
    ),
    "a length twice is a length": (
        [head(1, OK, *[(b"content-length", b"5")] * 2), body(1, b"hello", end=True)],
        [head(1, OK, (b"content-length", b"5")), body(1, b"hello", end=True)],
    ),
    "a length that is none is dropped": (
        [head(1, OK, (b"content-length", b"x")), body(1, b"hello", end=True)],
        [head(1, OK), body(1, b"hello", end=True)],
    ),
    "the site takes its leave, and finishes": (
        [
            head(1, OK),
            GoAwayFrame(0, 2**31 - 1).serialize(),
            GoAwayFrame(0, 1).serialize(),
            body(1, b"hello", end=True),
        ],
        [head(1, OK), body(1, b"hello", end=True)],
    ),
}


@pytest.mark.parametrize("name", MEANT_HTTP2)
@pytest.mark.parametrize("piece", [0, 1])
def test_http2_differs_where_it_is_meant(name: str, piece: int) -> None:
    def script(parts: list[bytes]) -> Script:
        def play(world: World) -> None:
            world.piece = piece
            world.say(world.client, head(1, *ASK, end=True))
            for part in (SETTINGS, *parts):
                world.say(world.servers[0], part)
            world.say(world.client, head(3, *ASK, end=True))
            server = world.servers[-1]
            world.say(server, head(1 if len(world.servers) > 1 else 3, OK, end=True))

        return play

    said, instead = MEANT_HTTP2[name]
    ours, theirs = (told(played(script(said), b"h2", *ALL))[0], told(played(script(instead), b"h2"))[0])
    informational = [each for each in ours[0] if each[0] == "head" and each[2][0][1].startswith(b"1")]
    assert bool(informational) == ("103" in str(said))
    assert ([each for each in ours[0] if each not in informational], ours[1]) == theirs
    assert theirs[0][-1][:2] == ("head", 3)


SITE_BYTES = st.lists(
    st.one_of(
        st.binary(max_size=60),
        st.sampled_from([*ANSWERS, HINTS, b"HTTP/1.1 1", b"\r\n", b"\n", OK1 + b": x\r\n\r\n", b"0\r\n\r\n"]),
        st.builds(
            lambda kind, flags, stream, data: len(data).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + data,
            st.integers(0, 12), st.integers(0, 255), st.integers(0, 8),
            st.one_of(st.binary(max_size=20), st.sampled_from([bytes(4), bytes(8), b"\x88", b"\x88\x61\x02a "])),
        ),
    ),
    max_size=8,
)  # fmt: skip


@pytest.mark.parametrize("alpn", [b"h2", b"http/1.1"])
@given(said=SITE_BYTES, piece=PIECES)
@EXAMPLES
def test_whatever_a_site_says_nothing_of_ours_fails(alpn: bytes, said: list[bytes], piece: int) -> None:
    def script(world: World) -> None:
        world.piece = piece
        world.say(world.client, head(1, *ASK, end=True) + head(3, *POST) if alpn == b"h2" else GET1)
        for part in said:
            for server in world.servers[-1:]:
                if server.state & ConnectionState.CAN_READ:
                    world.say(server, part)
        world.wake()
        world.close(world.client)

    try:
        played(script, alpn, *ALL)
    except AssertionError as error:  # mitmproxy's own, which are not there with -O
        last = error.__traceback__
        while last and last.tb_next:
            last = last.tb_next
        assert last and "bewust_addons" not in last.tb_frame.f_code.co_filename


# What a request must not hide in itself. Answers are read leniently, requests as mitmproxy reads them.

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: www.google.nl\r\n\r\n"
FRAMINGS = [
    b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked\r\nContent-Length: 5",
    b"Content-Length: 5\r\nContent-Length: 6", b"Content-Length: 5\r\nContent-Length: 5", b"Content-Length: 5, 5",
    b"Content-Length : 5", b"Content-Length: +5", b"Content-Length: 05", b"Content-Length: -5", b"Content-Length: 0x5",
    b"Content-Length: 5 5", b"Content-Length:\x0b5", b"Content-Length\x00: 5", b"Transfer-Encoding : chunked",
    b"Transfer-Encoding: xchunked", b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: identity, chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"Transfer-Encoding:\x0bchunked",
    b"Transfer-Encoding: \x00chunked", b"Transfer-Encoding: chunked\x00", b"Transfer-Encoding: \"chunked\"",
    b"Transfer-Encoding: chunked;q=1", b"Transfer-Encoding: identity", b"Transfer-Encoding: gzip",
    b"X: y\r\n Transfer-Encoding: chunked", b"X: y\rTransfer-Encoding: chunked", b"X\r: y", b" Content-Length: 5",
    b"no colon", b": no name", b"two words: 5", b"X(: 5", b"Content_Length: 5", b"\xe9: 5",
]  # fmt: skip


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("rest", [b"0\r\n\r\n" + SMUGGLED, b"5\r\nhello\r\n0\r\n\r\n" + SMUGGLED, SMUGGLED])
def test_requests_are_read_as_strictly_as_ever(framing: bytes, rest: bytes) -> None:
    request = b"POST / HTTP/1.1\r\nHost: www.google.nl\r\n" + framing + b"\r\n\r\n" + rest

    def script(world: World) -> None:
        world.say(world.client, request)
        world.say(world.servers[0], ANSWERS[0])

    def outcome(*patches: Any) -> Any:
        try:
            return told(played(script, b"http/1.1", *patches))
        except AssertionError:  # mitmproxy's own, where a second request comes ahead of the first answer
            return "two requests"

    assert outcome(*ALL) == outcome()


HTTP2_REQUESTS: list[tuple[list[tuple[bytes, bytes]], bytes]] = [
    ([*POST, (b"transfer-encoding", b"chunked")], b"0\r\n\r\n" + SMUGGLED),
    ([*POST, (b"content-length", b"1")], SMUGGLED),
    ([*POST, (b"content-length", b"1"), (b"content-length", b"2")], b"a"),
    ([*POST, (b"content-length", b"x")], b"a"),
    ([*POST, (b"x", b"y\r\ntransfer-encoding: chunked")], b"a"),
    ([*POST, (b"x\r\ny", b"z")], b"a"),
    ([*POST, (b"x: y", b"z")], b"a"),
    ([*POST, (b"X", b"y")], b"a"),
    ([*POST, (b"x", b"y ")], b"a"),
    ([*POST, (b"x", b"y\0")], b"a"),
    ([*POST, (b"connection", b"close")], b"a"),
    ([*POST, (b"te", b"gzip")], b"a"),
    ([*POST, (b":path", b"/two")], b"a"),
    ([*POST[:-1], (b":path", b"/ HTTP/1.1\r\nx: y")], b"a"),
    ([*POST[:-1], (b":path", b"")], b"a"),
    ([(b":method", b"GET / HTTP/1.1\r\nx"), *POST[1:]], b"a"),
    ([*POST, (b"host", b"other.example")], b"a"),
    ([(b"x", b"y"), *POST], b"a"),
]


@pytest.mark.parametrize(("fields", "data"), HTTP2_REQUESTS)
@pytest.mark.parametrize("to", [b"h2", b"http/1.1"])
def test_requests_over_http2_are_too(fields: list[tuple[bytes, bytes]], data: bytes, to: bytes) -> None:
    def script(world: World) -> None:
        world.close(world.servers[0])
        world.say(world.client, head(1, *fields))
        world.say(world.client, body(1, data, end=True))

    ours, theirs = (told(played(script, b"h2", *patches, alpns=[to])) for patches in (ALL, ()))
    assert ours == theirs
