"""A span of time is a number and a unit."""

import pytest

from bewust.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("1.5 m", 90), (" 2h ", 7200), ("1d", 86400), ("1w", 0), ("-1s", 0), ("", 0), ("١s", 0)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds
