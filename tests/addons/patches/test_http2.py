"""What a site says over HTTP/2, directly and decrypted: the same; and a slow reader fills no memory."""

import gc
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import GoAwayFrame, HeadersFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame
from mitmproxy.proxy.layers.http._http2 import Http2Client

from addons.inspecting import Site, both, connected
from addons.inspectors import inspector
from addons.patches.playing import ALL, PREFACE, SETTINGS, Streaming, World, body, frames_of, head, installed

type Fields = list[tuple[str, str]]
type Talk = h2.connection.H2Connection

MIB = 1 << 20
ASK = [(":method", "GET"), (":scheme", "https"), (":authority", "www.google.nl"), (":path", "/complete/x")]
LARGE = [("x-large", "y" * 20_000)] * 9  # 180 KB: more than h2's own 64, less than browsers' 256
OK = [(":status", "200")]
ASK_RAW = [(name.encode(), value.encode()) for name, value in ASK]
POST_RAW = [(b":method", b"POST"), *ASK_RAW[1:]]
OK_RAW = (b":status", b"200")


class Talking:
    """One end of an HTTP/2 connection over a blocking socket."""

    def __init__(self, connection: ssl.SSLSocket, *, client: bool) -> None:
        self.socket = connection
        self.talk = h2.connection.H2Connection(h2.config.H2Configuration(client_side=client, header_encoding="utf-8"))
        self.talk.DEFAULT_MAX_HEADER_LIST_SIZE = self.talk.decoder.max_header_list_size = 1 << 20
        self.talk.initiate_connection()
        self.flush()

    def flush(self) -> None:
        self.socket.sendall(self.talk.data_to_send())

    def events(self) -> list[h2.events.Event]:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError
        found = self.talk.receive_data(data)
        self.flush()
        return found


def answering(answer: Callable[[Talk, int], None]) -> Callable[[ssl.SSLSocket], None]:
    """Serve each request, once it is complete, with `answer`."""

    def serve(connection: ssl.SSLSocket) -> None:
        end = Talking(connection, client=False)
        while True:
            for event in end.events():
                if isinstance(event, h2.events.DataReceived):
                    end.talk.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if isinstance(event, h2.events.StreamEnded):
                    answer(end.talk, event.stream_id)
            end.flush()

    return serve


def plain(talk: Talk, stream: int) -> None:
    talk.send_headers(stream, [*OK, ("content-length", "5")])
    talk.send_data(stream, b"hello", end_stream=True)


def with_trailers(talk: Talk, stream: int) -> None:
    talk.send_headers(stream, OK)
    talk.send_data(stream, b"hello")
    talk.send_headers(stream, [("x-sum", "1")], end_stream=True)


def after_hints(talk: Talk, stream: int) -> None:
    talk.send_headers(stream, [(":status", "103"), ("link", "</a.css>; rel=preload")])
    plain(talk, stream)


def bare(*fields: tuple[str, str]) -> Callable[[Talk, int], None]:
    return lambda talk, stream: talk.send_headers(stream, list(fields), end_stream=True)


def absurd(talk: Talk, stream: int) -> None:
    talk.send_headers(stream, [*OK, *LARGE])
    talk.send_data(stream, b"hello", end_stream=True)


def padded(talk: Talk, stream: int) -> None:
    talk.send_headers(stream, OK)
    talk.send_data(stream, b"hello", end_stream=True, pad_length=40)


ANSWERS: dict[str, Callable[[Talk, int], None]] = {
    "plain": plain,
    "with trailers": with_trailers,
    "after early hints": after_hints,
    "204": bare((":status", "204")),
    "304 with a length": bare((":status", "304"), ("content-length", "500")),
    "with an absurd head": absurd,
    "with padding": padded,
}


def heard(connection: ssl.SSLSocket, ask: Fields, body: bytes = b"") -> list[Any]:
    """Ask once, and return what came, pieces of a body as one."""
    end = Talking(connection, client=True)
    end.talk.send_headers(1, ask, end_stream=not body)
    if body:
        end.talk.send_data(1, body, end_stream=True)
    end.flush()
    found: list[Any] = []
    data = b""
    while True:
        for event in end.events():
            match event:
                case h2.events.DataReceived():
                    data += event.data
                    end.talk.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                case (
                    h2.events.ResponseReceived()
                    | h2.events.InformationalResponseReceived()
                    | h2.events.TrailersReceived()
                ):
                    found.append((type(event).__name__, [*event.headers]))
                case h2.events.StreamEnded():
                    return [*found, data]
                case h2.events.StreamReset() | h2.events.ConnectionTerminated():
                    return [*found, type(event).__name__]
        end.flush()


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_comes_as_the_site_gave_it(tmp_path: Path, name: str) -> None:
    with Site(answering(ANSWERS[name]), "h2") as site:
        direct, decrypted = [heard(connection, ASK) for connection in both(site, tmp_path, "h2")]
    assert direct == decrypted


def test_an_answer_to_head_has_no_body(tmp_path: Path) -> None:
    head = [(":method", "HEAD"), *ASK[1:]]
    with Site(answering(bare(*OK, ("content-length", "500"))), "h2") as site:
        direct, decrypted = [heard(connection, head) for connection in both(site, tmp_path, "h2")]
    assert direct == decrypted


def test_a_body_and_an_absurd_head_reach_the_site(tmp_path: Path) -> None:
    post = [(":method", "POST"), *ASK[1:], *LARGE]
    with Site(answering(plain), "h2") as site:
        direct, decrypted = [heard(connection, post, b"words") for connection in both(site, tmp_path, "h2")]
    assert direct == decrypted
    assert direct[-1] == b"hello"


class Fountain:
    """A site that sends as much as it may on the first stream, and answers the others."""

    def __init__(self) -> None:
        self.sent = 0

    def serve(self, connection: ssl.SSLSocket) -> None:
        end = Talking(connection, client=False)
        connection.settimeout(0.05)
        begun = False
        while True:
            try:
                found = end.events()
            except TimeoutError:
                found = []
            for event in found:
                if isinstance(event, h2.events.StreamEnded) and event.stream_id > 1:
                    plain(end.talk, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    end.talk.send_headers(1, OK)
                    begun = True
            while begun and (room := min(end.talk.local_flow_control_window(1), end.talk.max_outbound_frame_size)):
                end.talk.send_data(1, bytes(room))
                self.sent += room
                connection.settimeout(10)
                end.flush()
                connection.settimeout(0.05)
            end.flush()


def resident(pid: int) -> float:
    """MiB of memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / MIB


def test_a_slow_reader_is_not_read_ahead_for_and_holds_up_nobody_else(tmp_path: Path) -> None:
    fountain = Fountain()
    with (
        Site(fountain.serve, "h2") as site,
        inspector(site, tmp_path) as (process, port),
        connected(tmp_path / "root.pem", 0, "h2", proxy=port) as connection,
    ):
        end = Talking(connection, client=True)
        end.talk.send_headers(1, ASK, end_stream=True)
        end.flush()
        time.sleep(2)
        assert 64 << 10 < fountain.sent < 12 * MIB, "as far as the windows reach, and no further"
        if Path("/proc").is_dir():
            assert resident(process.pid) < 120
        end.talk.send_headers(3, ASK, end_stream=True)
        end.flush()
        done = threading.Event()
        data = 0
        while not done.is_set():
            for event in end.events():
                if isinstance(event, h2.events.StreamEnded) and event.stream_id == 3:
                    done.set()
                elif isinstance(event, h2.events.DataReceived) and event.stream_id == 3:
                    data += len(event.data)
                    end.talk.acknowledge_received_data(event.flow_controlled_length, 3)
                elif isinstance(event, h2.events.DataReceived):  # the connection's window alone
                    end.talk.increment_flow_control_window(event.flow_controlled_length)
            end.flush()
        assert data == 5
        before = fountain.sent
        read = 0
        end.talk.increment_flow_control_window(64 * MIB)
        end.talk.increment_flow_control_window(64 * MIB, 1)
        end.flush()
        while read < 32 * MIB:  # and now it reads
            read += sum(len(e.data) for e in end.events() if isinstance(e, h2.events.DataReceived))
        assert fountain.sent > before + 16 * MIB


# In memory, so that what comes when is known.


def ask(world: World, *streams: int) -> None:
    for stream in streams:
        world.say(world.client, head(stream, *ASK_RAW, end=True))


def answer(world: World, stream: int, which: int = 0) -> None:
    world.say(world.servers[which], head(stream, OK_RAW) + body(stream, b"hello", end=True))


def resets(world: World) -> dict[int, int]:
    """The streams that the browser saw end with an error."""
    return {each[1]: each[2] for each in frames_of(bytes(world.peers[world.client].heard)) if each[0] == "reset"}


def answered(world: World) -> list[int]:
    """The streams that the browser saw end well."""
    heard = frames_of(bytes(world.peers[world.client].heard))
    return [each[1] for each in heard if each[0] in ("head", "body") and each[3]]


@pytest.fixture
def world() -> Iterator[World]:
    with installed(*ALL, addons=[Streaming(b"h2")]):
        made = World(b"h2")
        made.say(made.client, PREFACE + SETTINGS)
        made.say(made.servers[0], SETTINGS)
        yield made


def test_what_a_site_will_not_look_at_is_refused_so_that_the_browser_asks_again(world: World) -> None:
    ask(world, 1, 3, 5)
    world.say(world.servers[0], GoAwayFrame(0, 3).serialize())
    assert resets(world) == {5: ErrorCodes.REFUSED_STREAM}
    ask(world, 7)
    assert len(world.servers) == 2, "a new connection for what is new"
    for stream in (3, 1):
        answer(world, stream)
    answer(world, 1, which=1)
    assert answered(world) == [3, 1, 7]
    assert world.peers[world.servers[0]].ends == ["closed"], "when the last has ended"
    assert world.peers[world.servers[1]].ends == world.peers[world.client].ends == []


def test_a_site_that_takes_its_leave_while_nothing_is_under_way_is_left(world: World) -> None:
    ask(world, 1)
    answer(world, 1)
    world.say(world.servers[0], GoAwayFrame(0, 1).serialize())
    assert world.peers[world.servers[0]].ends == ["closed"]
    ask(world, 3)
    answer(world, 1, which=1)
    assert answered(world) == [1, 3]


def test_uploads_go_on_after_a_leave(world: World) -> None:
    world.say(world.client, head(1, *POST_RAW) + body(1, b"a"))
    world.say(world.servers[0], GoAwayFrame(0, 2**31 - 1).serialize())
    world.say(world.client, body(1, b"b", end=True))
    answer(world, 1)
    assert answered(world) == [1]
    assert ("body", 1, b"ab", True) in frames_of(bytes(world.peers[world.servers[0]].heard))


@pytest.mark.parametrize("code", [ErrorCodes.REFUSED_STREAM, ErrorCodes.CANCEL, ErrorCodes.HTTP_1_1_REQUIRED, 4711])
def test_a_reset_of_the_site_is_the_browsers_to_see(world: World, code: int) -> None:
    ask(world, 1, 3)
    world.say(world.servers[0], RstStreamFrame(1, error_code=code).serialize())
    answer(world, 3)
    assert (resets(world), answered(world)) == ({1: code}, [3])


def test_a_whole_answer_before_the_end_of_the_request_is_whole(world: World) -> None:
    world.say(world.client, head(1, *POST_RAW) + body(1, b"a"))
    answer(world, 1)
    world.say(world.servers[0], RstStreamFrame(1, error_code=ErrorCodes.NO_ERROR).serialize())
    world.say(world.client, body(1, b"b", end=True))
    assert (resets(world), answered(world)) == ({}, [1])


def test_one_stream_at_a_time_is_enough(world: World) -> None:
    world.say(world.servers[0], SettingsFrame(0, settings={3: 1}).serialize())
    ask(world, 1, 3, 5, 7)
    for stream in (1, 3):
        answer(world, stream)
    world.say(world.client, RstStreamFrame(7, error_code=ErrorCodes.CANCEL).serialize())
    world.say(world.servers[0], GoAwayFrame(0, 5).serialize())
    answer(world, 5)
    assert answered(world) == [1, 3, 5]
    assert ErrorCodes.REFUSED_STREAM not in resets(world).values(), "7 was cancelled"


def test_what_waits_for_room_is_refused_when_the_site_takes_its_leave(world: World) -> None:
    world.say(world.servers[0], SettingsFrame(0, settings={3: 1}).serialize())
    ask(world, 1, 3)
    world.say(world.servers[0], GoAwayFrame(0, 1).serialize())
    answer(world, 1)
    assert (resets(world), answered(world)) == ({3: ErrorCodes.REFUSED_STREAM}, [1])


def test_a_connection_whose_stream_numbers_are_used_up_is_left(world: World) -> None:
    ask(world, 1)
    (client,) = (
        layer for layer in gc.get_objects() if isinstance(layer, Http2Client) and layer.conn is world.servers[0]
    )
    client.h2_conn.highest_outbound_stream_id = 2**31 - 1
    ask(world, 3)
    assert resets(world) == {3: ErrorCodes.REFUSED_STREAM}
    ask(world, 5)
    answer(world, 1, which=1)
    answer(world, 1)
    assert answered(world) == [5, 1]


MALFORMED = {
    "no status": [head(1, (b"x-a", b"1"))],
    "a status that is no number": [head(1, (b":status", b"2x0"))],
    "two": [head(1, OK_RAW, OK_RAW)],
    "a line break": [head(1, OK_RAW, (b"x-a", b"1\r\nx-b: 2"))],
    "lengths that differ": [head(1, OK_RAW, (b"content-length", b"1"), (b"content-length", b"2"))],
    "a pseudo-header of a request": [head(1, OK_RAW, (b":path", b"/"))],
    "a pseudo-header after others": [head(1, (b"x-a", b"1"), OK_RAW)],
    "a body without a head": [body(1, b"hello", end=True)],
    "a body without a head, and the head": [body(1, b"hello") + head(1, OK_RAW, end=True)],
    "trailers that are none": [head(1, OK_RAW), head(1, OK_RAW, end=True)],
    "trailers that do not end it": [head(1, OK_RAW), head(1, (b"x-sum", b"1"))],
    "early hints that end it": [head(1, (b":status", b"103"), end=True)],
}


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("together", [False, True])
def test_a_malformed_answer_ends_one_stream(world: World, name: str, together: bool) -> None:
    ask(world, 1, 3)
    parts = [*MALFORMED[name], body(1, b"late"), head(3, OK_RAW), head(1, (b"x-late", b"1"), end=True)]
    for part in [b"".join(parts)] if together else parts:
        world.say(world.servers[0], part)
    world.say(world.servers[0], body(3, b"hello", end=True))
    assert (resets(world), answered(world)) == ({1: ErrorCodes.PROTOCOL_ERROR}, [3])
    assert len(world.servers) == 1
    ask(world, 5)
    answer(world, 5)
    assert answered(world) == [3, 5], "the connection goes on"


def test_a_length_that_is_not_the_bodys_is_the_browsers_to_judge(world: World) -> None:
    ask(world, 1)
    world.say(world.servers[0], head(1, OK_RAW, (b"content-length", b"9")) + body(1, b"hello", end=True))
    assert frames_of(bytes(world.peers[world.client].heard)) == [
        ("head", 1, (OK_RAW, (b"content-length", b"9")), False), ("body", 1, b"hello", True),
    ]  # fmt: skip


def test_a_broken_table_of_heads_ends_the_connection_and_the_next_is_new(world: World) -> None:
    ask(world, 1)
    world.say(world.servers[0], HeadersFrame(1, b"\xff\xff\xff\xff", flags=["END_HEADERS"]).serialize())
    assert world.peers[world.servers[0]].ends == ["closed"]
    ask(world, 3)
    answer(world, 1, which=1)
    assert 3 in answered(world)


def test_a_window_below_nothing_is_no_room(world: World) -> None:
    world.say(world.client, head(1, *POST_RAW) + body(1, bytes(10_000)))
    world.say(world.servers[0], SettingsFrame(0, settings={4: 5}).serialize())
    world.say(world.client, body(1, b"more") + body(1, b"", end=True))
    world.say(world.servers[0], WindowUpdateFrame(1, window_increment=20_000).serialize())
    answer(world, 1)
    assert answered(world) == [1]
    assert frames_of(bytes(world.peers[world.servers[0]].heard))[-1] == ("body", 1, bytes(10_000) + b"more", True)
