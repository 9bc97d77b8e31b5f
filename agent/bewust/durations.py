"""Spans of time as files of ours write them: "10s", "30m", "2h", "3d"."""

import re
from datetime import timedelta
from typing import Any, Self

NEXT_DAY = "next day"
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_MOST = 1e6 * 86400.0  # seconds; far more than any file means, far less than a timedelta holds


class Duration(timedelta):
    """A span as it was written, in `text`; nothing at all where that is none, which its reader refuses."""

    text: str

    def __new__(cls, text: str) -> Self:
        """Read a text such as "30m"."""
        made = super().__new__(cls, seconds=min(parse_duration(text), _MOST))
        made.text = text
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.text,)


class Step(Duration):
    """One step of a back-off: a span, or until midnight."""

    @property
    def next_day(self) -> bool:
        """Whether it lasts until midnight, however long that is."""
        return self.text == NEXT_DAY


def parse_duration(text: str) -> float:
    """Return the seconds in "10s", "30m", "2h" or "3d"; 0 for anything else."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([smhd])", text.strip())
    return float(match[1]) * _UNITS[match[2]] if match else 0.0


def decode(kind: type, value: object) -> object:
    """Give msgspec a span where a type asks for one (its `dec_hook`)."""
    if not issubclass(kind, Duration):
        raise NotImplementedError(kind)
    if not isinstance(value, str):
        raise ValueError(f"Expected `str`, got `{_NAMES.get(type(value).__name__, type(value).__name__)}`")
    return kind(value)


def encode(value: object) -> str:
    """Give msgspec a span as it was written (its `enc_hook`)."""
    if not isinstance(value, Duration):
        raise NotImplementedError(type(value))
    return value.text


_NAMES = {"list": "array", "tuple": "array", "dict": "object"}  # msgspec's own words for them
