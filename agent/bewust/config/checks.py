"""What one value of a policy may be: its pattern for editors, and in words what is wrong with another.

Belongs here: values. Not here: keys, and what values must be together (policy). A pattern is never
stricter than its check: an editor shall not mark what Bewust accepts.
"""

import re
from datetime import timedelta
from typing import Annotated

import msgspec

from bewust.config import languages as config_languages
from bewust.durations import NEXT_DAY, Duration, Step
from bewust.hosts import normalise_host, parse_address

LONGEST = timedelta(days=366)  # far above any sensible schedule, far below what a clock can add
_HOUR = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_DURATION = r"\s*[0-9]+(?:\.[0-9]+)?\s*[smhd]\s*"
_HOURS = f"{_HOUR}-{_HOUR}"
_FRACTION = "[1-9][0-9]{0,3}/[1-9][0-9]{0,3}"
_BUDGET = "[1-9][0-9]{0,3}(?:/[1-9][0-9]{0,3})?"
_LANGUAGE = "[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*"  # it becomes part of a file name
_HOST = r"(?:\*\.)?[a-z0-9._-]+"
_UPSTREAM = r"http://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\]):[0-9]{1,5}"


def _meta(pattern: str, *, empty: bool = False) -> msgspec.Meta:
    return msgspec.Meta(extra_json_schema={"pattern": f"^(?:{pattern}){'?' if empty else ''}$"})


Span = Annotated[Duration, _meta(_DURATION)]
Pause = Annotated[Duration, _meta(_DURATION, empty=True)]
BackOff = Annotated[Step, _meta(f"{NEXT_DAY}|{_DURATION}")]
Hours = Annotated[str, _meta(_HOURS)]
Fraction = Annotated[str, _meta(_FRACTION)]
Budget = Annotated[str, _meta(_BUDGET, empty=True)]
Language = Annotated[str, _meta(_LANGUAGE)]
Host = Annotated[str, _meta(_HOST)]
WebLink = Annotated[str, _meta("https://.*", empty=True)]
Mailbox = Annotated[str, _meta("(?:https://|mailto:).*", empty=True)]
Upstream = Annotated[str, _meta(_UPSTREAM, empty=True)]
Daily = Annotated[int, msgspec.Meta(extra_json_schema={"minimum": 0, "maximum": 100})]


def duration(span: Duration) -> str | None:
    """Return what is wrong with a time span above nothing and up to a year; None for nothing."""
    if timedelta() < span <= LONGEST:
        return None
    return f'{span.text!r} is no duration up to a year. Write it like "15m", "2h" or "3d".'


def step(span: Step) -> str | None:
    """Return what is wrong with a step of a back-off: a duration, or until midnight."""
    return None if span.next_day else duration(span)


def hours(text: str) -> str | None:
    """Return what is wrong with hours of a day, which may go past midnight."""
    if re.fullmatch(_HOURS, text) and text[:5] != text[6:]:
        return None
    return f'{text!r} are no hours. Write them like "18:00-08:00".'


def fraction(text: str) -> str | None:
    """Return what is wrong with a fraction above nothing."""
    return None if re.fullmatch(_FRACTION, text) else f'{text!r} is no fraction. Write it like "1/2".'


def budget(text: str) -> str | None:
    """Return what is wrong with a number or fraction above nothing; an empty one is right."""
    return None if not text or re.fullmatch(_BUDGET, text) else f'{text!r} is no budget. Write it like "26".'


def language(text: str) -> str | None:
    """Return what is wrong with the name of a language."""
    if re.fullmatch(_LANGUAGE, text):
        return None
    ours = ", ".join(f'"{code}"' for code in config_languages.known())
    return f"{text!r} is none. Write one of {ours}, or the code of your own texts."


def host(text: str) -> str | None:
    """Return what is wrong with a host name, or `*.` and one."""
    name = text.removeprefix("*.")
    if name and normalise_host(name) == name:
        return None
    return f'{text!r} is no host name. Write a bare lower-case name like "intranet.example".'


def link(text: str, *schemes: str) -> str | None:
    """Return what is wrong with an address for employees: it leads to a site or a mailbox, to nothing that runs."""
    plain = text.isprintable() and not re.search(r"[\s\"<>]|^https:/*$|^mailto:.*[?#]", text)
    if not text or (text.startswith(schemes) and plain):
        return None
    return f"{text[:60]!r} is no {' or '.join(schemes)} address. Correct it, or leave it empty."


def upstream(text: str) -> str | None:
    """Return what is wrong with the address of a proxy; an empty one is right.

    Who may use it is not for a file that everybody may read, so it has no name and password.
    """
    if not text or (re.fullmatch(_UPSTREAM, text) and parse_address(text.removeprefix("http://"))):
        return None
    hint = " without name and password" if "@" in text else ""
    shown = "what is there" if hint else repr(text[:60])  # a password is not shown again in a log
    return f'{shown} is no proxy. Write its lower-case name and port{hint}, like "http://proxy.example:3128".'


def daily(number: int) -> str | None:
    """Return what is wrong with a number of reminders a day."""
    return None if 0 <= number <= 100 else f"{number} is no number of reminders a day. Use 0 to 100."
