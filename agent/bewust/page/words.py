"""All words of the page in one language: reading them, filling them in, and writing dates and durations.

Belongs here: what needs a language. A third one needs one more file in words/ and nothing else. Not
here: which words are said of what (the page's other modules and its templates).
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

import tomli

from bewust.schema import parse_duration

_FOLDER = files("bewust.page").joinpath("words")
_STEPS = (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))


class Words:
    """The words of one language: `words("now.title")`, and `count` for what has a singular and a plural.

    A key that is not there, or a placeholder without a value, is a mistake of ours and raises KeyError.
    """

    def __init__(self, language: str, folder: Traversable = _FOLDER) -> None:
        self.language = language
        self._words = flat(tomli.loads(folder.joinpath(f"{language}.toml").read_text(encoding="utf-8")))

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
        return f"{n:,}".replace(",", self("format.thousands"))

    def day(self, at: date) -> str:
        """Return a date such as 24 november 2026."""
        month = self("format.months").split()[at.month - 1]
        return self("format.day", day=at.day, month=month, year=at.year)

    def moment(self, at: datetime) -> str:
        """Return a date and a time to the minute, as the clock of `at` shows them."""
        return self("format.moment", day=self.day(at), time=f"{at:%H:%M}")

    def duration(self, text: str) -> str:
        """Return a duration of the policy, such as "30m", in words."""
        seconds = parse_duration(text)
        unit, size = next((step for step in _STEPS if seconds >= step[1] and seconds % step[1] == 0), _STEPS[-1])
        return self.count(f"format.{unit}", int(seconds // size))

    def listed(self, items: Iterable[str]) -> str:
        """Return a, b and c; what is there twice, once."""
        *first, last = list(dict.fromkeys(items)) or [""]
        return self("format.and", first=", ".join(first), last=last) if first else last


def flat(table: Mapping[str, object], above: str = "") -> dict[str, str]:
    """Return a table of tables with dotted keys."""
    found: dict[str, str] = {}
    for key, value in table.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}": str(value)}
    return found


@cache
def spoken() -> Mapping[str, Words]:
    """Return every language there is a file for, by its code."""
    codes = sorted(entry.name.removesuffix(".toml") for entry in _FOLDER.iterdir() if entry.name.endswith(".toml"))
    return {code: Words(code) for code in codes}
