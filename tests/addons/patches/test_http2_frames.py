"""What is wrong with one stream of a site, and what is wrong with its connection."""

from collections.abc import Iterator

import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import HeadersFrame, SettingsFrame, WindowUpdateFrame

from support.layer_scripts import OK, POST, World, answer, answered, ask, body, frames_of, head, http2_world, resets


@pytest.fixture
def world() -> Iterator[World]:
    with http2_world() as made:
        yield made


MALFORMED = {
    "no status": [head(1, (b"x-a", b"1"))],
    "a status that is no number": [head(1, (b":status", b"2x0"))],
    "two": [head(1, OK, OK)],
    "a line break": [head(1, OK, (b"x-a", b"1\r\nx-b: 2"))],
    "lengths that differ": [head(1, OK, (b"content-length", b"1"), (b"content-length", b"2"))],
    "a pseudo-header of a request": [head(1, OK, (b":path", b"/"))],
    "a pseudo-header after others": [head(1, (b"x-a", b"1"), OK)],
    "a body without a head": [body(1, b"hello", end=True)],
    "a body without a head, and the head": [body(1, b"hello") + head(1, OK, end=True)],
    "trailers that are none": [head(1, OK), head(1, OK, end=True)],
    "trailers that do not end it": [head(1, OK), head(1, (b"x-sum", b"1"))],
    "early hints that end it": [head(1, (b":status", b"103"), end=True)],
}


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("together", [False, True])
def test_a_malformed_answer_ends_one_stream(world: World, name: str, together: bool) -> None:
    ask(world, 1, 3)
    parts = [*MALFORMED[name], body(1, b"late"), head(3, OK), head(1, (b"x-late", b"1"), end=True)]
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
    world.say(world.servers[0], head(1, OK, (b"content-length", b"9")) + body(1, b"hello", end=True))
    assert frames_of(bytes(world.peers[world.client].heard)) == [
        ("head", 1, (OK, (b"content-length", b"9")), False), ("body", 1, b"hello", True),
    ]  # fmt: skip


def test_a_broken_table_of_heads_ends_the_connection_and_the_next_is_new(world: World) -> None:
    ask(world, 1)
    world.say(world.servers[0], HeadersFrame(1, b"\xff\xff\xff\xff", flags=["END_HEADERS"]).serialize())
    assert world.peers[world.servers[0]].ends == ["closed"]
    ask(world, 3)
    answer(world, 1, which=1)
    assert 3 in answered(world)


def test_a_window_below_nothing_is_no_room(world: World) -> None:
    world.say(world.client, head(1, *POST) + body(1, bytes(10_000)))
    world.say(world.servers[0], SettingsFrame(0, settings={4: 5}).serialize())
    world.say(world.client, body(1, b"more") + body(1, b"", end=True))
    world.say(world.servers[0], WindowUpdateFrame(1, window_increment=20_000).serialize())
    answer(world, 1)
    assert answered(world) == [1]
    assert frames_of(bytes(world.peers[world.servers[0]].heard))[-1] == ("body", 1, bytes(10_000) + b"more", True)
