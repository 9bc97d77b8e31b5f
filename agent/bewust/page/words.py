"""All words of the page in one language: filling them in, and writing dates and durations.

Belongs here: what needs a language. Not here: where words come from (config.languages), which words are said of what
(the
page's other modules and its templates).
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from functools import cache

from bewust.config import languages as config_languages

_STEPS = (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))


class Words:
    """The words of one part of one language: `words("now.title")`, and `count` for what has a singular and a plural.

    A key that is not there, or a placeholder without a value, is a mistake of ours and raises KeyError. `form` says
    what the language is called and how it writes numbers and dates.
    """

    def __init__(self, language: str, part: str = "page") -> None:
        self.language = language
        self.form = config_languages.language(language)
        self._words = config_languages.words(language, part)

    def __call__(self, key: str, **fill: object) -> str:
        return self._words[key].format_map(fill)

    def count(self, key: str, n: int, **fill: object) -> str:
        """Return a word that has a singular and a plural, with its number."""
        return self(f"{key}.{'one' if n == 1 else 'other'}", n=self.number(n), **fill)

    def __contains__(self, key: str) -> bool:
        return key in self._words

    @property
    def keys(self) -> frozenset[str]:
        """What can be said."""
        return frozenset(self._words)

    def number(self, n: int) -> str:
        """Return a number as it is written in running text: 2.868, or 2,868."""
        return self.form.number(n)

    def day(self, at: date) -> str:
        """Return a date such as 24 november 2026."""
        return self.form.day.format(day=at.day, month=self.form.months[at.month - 1], year=at.year)

    def moment(self, at: datetime) -> str:
        """Return a date and a time to the minute, as the clock of `at` shows them."""
        return self.form.moment.format(day=self.day(at), time=f"{at:%H:%M}")

    def duration(self, span: timedelta) -> str:
        """Return a span of time in words."""
        seconds = span.total_seconds()
        unit, size = next((step for step in _STEPS if seconds >= step[1] and seconds % step[1] == 0), _STEPS[-1])
        return self.count(f"format.{unit}", int(seconds // size))

    def listed(self, items: Iterable[str]) -> str:
        """Return a, b and c; what is there twice, once."""
        *first, last = list(dict.fromkeys(items)) or [""]
        return self("format.and", first=", ".join(first), last=last) if first else last


@cache
def languages() -> Mapping[str, Words]:
    """Return the page's words in every language, by its code."""
    return {code: Words(code) for code in config_languages.known()}
