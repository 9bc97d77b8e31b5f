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
from hyperframe.frame import GoAwayFrame, RstStreamFrame, SettingsFrame
from mitmproxy.proxy.layers.http._http2 import Http2Client

from support.hooks import Site, both, connected
from support.inspectors import inspector
from support.layer_scripts import POST, World, answer, answered, ask, body, frames_of, head, http2_world, resets
from support.memory import ASK, MIB, OK, Talk, Talking, answering, plain, resident

type Fields = list[tuple[str, str]]

LARGE = [("x-large", "y" * 20_000)] * 9  # 180 KB: more than h2's own 64, less than browsers' 256


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


@pytest.fixture
def world() -> Iterator[World]:
    with http2_world() as made:
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
    world.say(world.client, head(1, *POST) + body(1, b"a"))
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
    world.say(world.client, head(1, *POST) + body(1, b"a"))
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
