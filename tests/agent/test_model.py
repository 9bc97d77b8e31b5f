"""The words of the model as values: frozen, ordered where order matters, closed lists."""

import re

import msgspec
import pytest

from bewust.model import (
    LEVELS_BY_WEIGHT,
    OBSERVED_HEADERS,
    BodyMarker,
    Content,
    Depth,
    Detection,
    Kind,
    Level,
    Observation,
    Signature,
    WebSocketMatch,
)
from bewust.proxy.messages import Seen

FOUND = Detection("chatgpt", Level.VISIT, "name", "openai.toml", 13)


@pytest.mark.parametrize(
    ("clauses", "depth"),
    [
        ({}, Depth.NAME),
        ({"methods": ("GET",)}, Depth.REQUEST),
        ({"path": "/x"}, Depth.REQUEST),
        ({"query": {"q": None}}, Depth.REQUEST),
        ({"headers": {"origin": ".*"}}, Depth.REQUEST),
        ({"websocket": False}, Depth.REQUEST),
        ({"hosts": ("*",)}, Depth.REQUEST),
        ({"body": Content((), 1)}, Depth.REQUEST),
        ({"frame": WebSocketMatch(True, Content((), 1))}, Depth.REQUEST),
        ({"frame": WebSocketMatch(False, Content((), 1))}, Depth.RESPONSE),
        ({"response": Content((), 1)}, Depth.RESPONSE),
        ({"path": "/x", "response": Content((), 1)}, Depth.RESPONSE),
    ],
    ids=lambda value: "+".join(value) or "hosts only" if isinstance(value, dict) else value.name,
)
def test_a_signature_needs_the_depth_of_its_deepest_clause(clauses: dict[str, object], depth: Depth) -> None:
    fields = {"id": "x", "level": Level.USE, "hosts": ("a.example",), **clauses}
    assert msgspec.structs.replace(Signature("", Level.USE, ()), **fields).depth is depth


def test_depths_are_ordered_so_that_the_deepest_is_the_maximum() -> None:
    assert Depth.NAME < Depth.REQUEST < Depth.RESPONSE


@pytest.mark.parametrize("word", ["name", "request", "response"])
def test_a_depth_is_read_from_its_word(word: str) -> None:
    assert Depth.parse(word).name.lower() == word


@pytest.mark.parametrize("word", ["", "body", "1"])
def test_another_word_is_no_depth(word: str) -> None:
    with pytest.raises(KeyError):
        Depth.parse(word)


def test_every_level_has_its_weight_and_use_the_most() -> None:
    assert sorted(LEVELS_BY_WEIGHT) == sorted(Level)
    assert LEVELS_BY_WEIGHT[0] is Level.USE


def test_every_kind_can_be_a_heading_and_part_of_a_key() -> None:
    assert all(re.fullmatch("[a-z]+(-[a-z]+)*", kind) for kind in Kind)


def test_a_marker_reads_as_it_is_written_in_the_catalogue() -> None:
    assert str(BodyMarker("class", "~=", "mZJni")) == "class~=mZJni"


def test_no_cookie_and_no_credential_is_among_the_headers_that_are_looked_at() -> None:
    secret = ("cookie", "authorization", "key", "token", "session")
    assert not [name for name in OBSERVED_HEADERS if any(word in name for word in secret)]
    assert {"origin", "referer", "sec-purpose", "purpose"} < OBSERVED_HEADERS


@pytest.mark.parametrize("value", [FOUND, Observation("a.example"), Seen(1, "x"), BodyMarker("id", "=", "x")])
def test_values_are_frozen(value: msgspec.Struct) -> None:
    name = value.__struct_fields__[0]
    with pytest.raises(AttributeError):
        setattr(value, name, "other")
