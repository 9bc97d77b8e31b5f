"""The words of the report in one language, and how it writes a number."""

from datetime import date, timedelta
from math import floor, log10

from bewust.config import languages as config_languages
from bewust.statistics.counters import period_end


class Words:
    """One language: `words("key", n="5")` is a sentence. Raises KeyError for a key that is not there."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._form = config_languages.language(language)
        self._texts = config_languages.words(language, "fleet")

    def __call__(self, key: str, **values: str) -> str:
        return self._texts[key].format(**values)

    def plain(self, key: str) -> str:
        """Return a sentence as it is: braces in it mean nothing."""
        return self._texts[key]

    def label(self, kind: str, value: str) -> str:
        """Return what a value of a closed list is called; one that is not listed stands for itself."""
        return self._texts.get(f"{kind}_{value}", value)

    def number(self, value: float, step: float = 1) -> str:
        """Return a number rounded to a multiple of `step`, such as 1.200 (nl) or 1,200 (en)."""
        decimals = max(0, -floor(log10(step)))
        return self._form.number(round(value / step) * step, decimals)

    def percent(self, part: float, step: float = 1) -> str:
        """Return a part of one as a percentage, rounded to `step` percent."""
        return self._form.percent.format(n=self.number(100 * part, step))

    def day(self, day: date) -> str:
        """Return a day in words."""
        return self._form.day.format(day=day.day, month=self._form.months[day.month - 1], year=day.year)


def step(half: float, digits: int = 2) -> float:
    """Return to what a number with an interval of plus or minus `half` is rounded: so many digits of that."""
    return float(10.0 ** (floor(log10(half)) - digits + 1)) if half > 0 else 1.0


def last_day(period: str) -> date:
    """Return the last day of a period."""
    return period_end(period) - timedelta(days=1)
