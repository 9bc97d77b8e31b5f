"""Form tokens are bound to a person and a purpose; headers let in nothing. The rest is tried in test_page."""

import asyncio

import pytest
from starlette.requests import Request
from starlette.types import Message

from bewust.page.guard import FORM_TYPE, RefusedError, form_token, headers, is_proven, read_form


def test_a_token_is_for_one_person_and_one_purpose() -> None:
    token = form_token("secret", 1000, "snooze")
    assert is_proven("secret", 1000, "snooze", token)
    for secret, who, purpose in [("other", 1000, "snooze"), ("secret", 1001, "snooze"), ("secret", 1000, "delete")]:
        assert not is_proven(secret, who, purpose, token)
    assert "secret" not in token


@pytest.mark.parametrize("given", ["", "x", "é", "\ud800"])
def test_anything_else_proves_nothing_and_breaks_nothing(given: str) -> None:
    assert not is_proven("secret", 1000, "snooze", given)


def test_scripts_are_allowed_where_there_is_one_and_only_from_here() -> None:
    assert "script-src" not in headers()["Content-Security-Policy"]
    assert "script-src 'self'; " in headers(script=True)["Content-Security-Policy"]
    assert headers()["Referrer-Policy"] != "no-referrer"  # browsers would send our forms with the origin "null"


def test_a_refusal_says_which_words_explain_it() -> None:
    error = RefusedError(403, "error.token")
    assert (error.status, error.words) == (403, "error.token")


def test_a_form_whose_sender_left_halfway_is_refused_and_no_exception_of_ours() -> None:
    """Found by fuzzing."""
    said: list[Message] = [
        {"type": "http.request", "body": b"span=hour", "more_body": True}, {"type": "http.disconnect"}
    ]  # fmt: skip

    async def receive() -> Message:
        return said.pop(0)

    request = Request({"type": "http", "headers": [(b"content-type", FORM_TYPE.encode())]}, receive)
    with pytest.raises(RefusedError, match=r"error\.form"):
        asyncio.run(read_form(request))
