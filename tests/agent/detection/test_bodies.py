"""Which of the rules that wait a response, a message or a body can decide."""

import pytest

from bewust.catalogue.matching import Rule
from bewust.detection.bodies import answered, framed, media_type, scan
from bewust.model import BodyMarker, Content, Context, Level, Service, Signature, WebSocketMatch

HERE = Content(((BodyMarker("key", "=", "answer"),),), 1 << 10, ("application/json",))


def rule(**clauses: Content | WebSocketMatch) -> Rule:
    signature = Signature("s", Level.USE, ("a.example",), **clauses)  # type: ignore[arg-type]
    service = Service("x", "X", "v", Context.CHAT, True, 1.0, "e", "2026-01-01", (signature,))
    return Rule(service, signature)


@pytest.mark.parametrize(
    ("kind", "status", "read"),
    [("application/json", 200, 1), ("application/json", 404, 0), ("text/html", 200, 0), ("application/json", 199, 0)],
)
def test_only_a_success_of_the_named_media_type_is_read(kind: str, status: int, read: int) -> None:
    assert len(answered([rule(response=HERE), rule(body=HERE)], kind, status)) == read


@pytest.mark.parametrize("sent", [True, False])
def test_a_message_is_read_in_its_direction(sent: bool) -> None:
    pending = [rule(frame=WebSocketMatch(True, HERE)), rule(frame=WebSocketMatch(False, HERE)), rule(response=HERE)]
    assert [found.signature.frame for found, _ in framed(pending, sent)] == [WebSocketMatch(sent, HERE)]


@pytest.mark.parametrize("header", ["text/html", "Text/HTML ; charset=utf-8", " text/html;x"])
def test_a_media_type_is_bare_and_in_small_letters(header: str) -> None:
    assert media_type(header) == "text/html"


def test_the_first_rule_that_a_body_satisfies_is_found() -> None:
    wanted = rule(response=HERE)
    assert scan([(wanted, HERE)], b'{"answer": 1}') is wanted
    assert scan([(wanted, HERE)], b'{"question": 1}') is None
    assert scan([(wanted, HERE)], b'{"answer": 1}', "unheard-of") is None
