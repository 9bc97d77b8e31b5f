"""The words of the report, in Dutch and English, and how each writes a number."""

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from math import floor, log10
from pathlib import Path

import tomli

from bewust.counters import period_end

LANGUAGES = ("nl", "en")
FOLDER = Path(__file__).parent / "words"


class Words:
    """One language: `words("key", n="5")` is a sentence. Raises KeyError for a key that is not there."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts = texts(language)

    def __call__(self, key: str, **values: str) -> str:
        return self._texts[key].format(**values)

    def label(self, kind: str, value: str) -> str:
        """Return what a value of a closed list is called; one that is not listed stands for itself."""
        return self._texts.get(f"{kind}_{value}", value)

    def number(self, value: float, step: float = 1) -> str:
        """Return a number rounded to a multiple of `step`, such as 1.200 (nl) or 1,200 (en)."""
        decimals = max(0, -floor(log10(step)))
        text = f"{round(value / step) * step:,.{decimals}f}"
        return text.translate(str.maketrans(",.", ".,")) if self.language == "nl" else text

    def percent(self, part: float, step: float = 1) -> str:
        """Return a part of one as a percentage, rounded to `step` percent."""
        return f"{self.number(100 * part, step)}{' %' if self.language == 'nl' else '%'}"

    def day(self, day: date) -> str:
        """Return a day in words."""
        return f"{day.day} {self._texts[f'month_{day.month}']} {day.year}"


@cache
def texts(language: str) -> Mapping[str, str]:
    """Return all texts of a language."""
    found: Mapping[str, str] = tomli.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))
    return found


def step(half: float, digits: int = 2) -> float:
    """Return to what a number with an interval of plus or minus `half` is rounded: so many digits of that."""
    return float(10.0 ** (floor(log10(half)) - digits + 1)) if half > 0 else 1.0


def last_day(period: str) -> date:
    """Return the last day of a period."""
    return period_end(period) - timedelta(days=1)
