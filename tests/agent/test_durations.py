"""A span of time is a number and a unit."""

import pickle
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bewust.durations import Duration, Step, decode, encode, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("1.5 m", 90), (" 2h ", 7200), ("1d", 86400), ("1w", 0), ("-1s", 0), ("", 0), ("١s", 0)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@given(st.text())
def test_any_text_is_a_span_or_nothing_and_is_kept_as_written(text: str) -> None:
    assert Duration(text) == timedelta(seconds=min(parse_duration(text), 1e6 * 86400))
    assert Duration(text).text == text
    assert pickle.loads(pickle.dumps(Step(text))).text == text


def test_a_step_may_last_until_midnight() -> None:
    assert Step("next day").next_day and not Step("1d").next_day
    assert Step("next day") == timedelta()


class Holder(msgspec.Struct):
    span: Duration
    steps: tuple[Step, ...] = ()


def test_what_is_decoded_is_encoded_as_it_was_written() -> None:
    written = b'{"span":"1.5h","steps":["next day","30m"]}'
    held = msgspec.json.decode(written, type=Holder, dec_hook=decode)
    assert held.span == timedelta(minutes=90) and type(held.steps[1]) is Step
    assert msgspec.json.encode(held, enc_hook=encode) == written


@pytest.mark.parametrize(("value", "kind"), [(5, "int"), ([], "array"), ({}, "object"), (True, "bool")])
def test_what_is_no_text_is_a_clear_error(value: object, kind: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=f"Expected `str`, got `{kind}` - at `\\$.span`"):
        msgspec.convert({"span": value}, Holder, dec_hook=decode)
