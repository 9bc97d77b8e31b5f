"""What crosses the pipe of the inspector: one line, nothing about a person, and a port that can be dialled."""

import msgspec
import pytest

from bewust.model import Detection, Level
from bewust.proxy.messages import Alive, Demoted, Detected, Failed, Message, Seen

FOUND = Detection("chatgpt", Level.VISIT, "name", "openai.toml", 13)


@pytest.mark.parametrize(
    "message",
    [
        Detected(50123, FOUND),
        Seen(1, "x"),
        Demoted("a.example", "pinned"),
        Failed("reading", "KeyError", "traffic:12, _http1:345"),
        Alive(8080),
    ],
    ids=lambda message: type(message).__name__,
)
def test_messages_cross_the_pipe_unchanged_and_on_one_line(message: Message) -> None:
    line = msgspec.json.encode(message)
    assert b"\n" not in line
    assert msgspec.json.decode(line, type=Message) == message


@pytest.mark.parametrize("port", [0, -1, 65536, 1 << 70])
def test_a_port_that_is_none_does_not_get_through_the_pipe(port: int) -> None:
    """Dialling it raises what nobody there expects; found by fuzzing."""
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(f'{{"type":"alive","port":{port}}}', type=Message)


def test_no_message_has_room_for_a_url_a_path_or_a_title() -> None:
    fields = {field for kind in (Detected, Seen, Demoted, Failed, Alive, Detection) for field in kind.__struct_fields__}
    assert fields == {
        "peer", "detection", "service", "host", "reason", "where", "error", "port",
        "one_program", "seconds", "place", "level", "signature", "file", "line", "internal",
    }  # fmt: skip


@pytest.mark.parametrize(
    "place", ["/search?q=x", "a:1, b:2, c:3", "https://a.example/x:1", "a.example:1", "x:one", "a b:1"]
)
def test_a_place_is_two_lines_of_code_and_nothing_else(place: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(msgspec.json.encode(Failed("x", "Y", place)), type=Message)
