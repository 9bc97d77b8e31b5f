"""Detection + policy + history + now -> Reminder, or Held with the reason.

Belongs here: which text, and whether now. Not here: the toast itself, or counting. The history is
this process's memory: per person, the last reminder of each context; it is never written.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Literal

import msgspec
import tomli

from bewust.catalogue import parse_duration
from bewust.model import Context, Detection, Level, Service, Status
from bewust.policy import Policy

TITLE_LIMIT = 63  # UTF-16 units; what a Windows balloon takes, less its closing NUL
MESSAGE_LIMIT = 255  # the same

_PLACEHOLDER = re.compile(r"\{(\w+)\}")

HeldReason = Literal["disabled", "gap", "daily", "text"]


class TextsError(ValueError):
    """A mistake in a file of texts: names the file, the text, what is wrong and what to do."""


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One reminder. Empty `contexts`, `statuses` and `levels`, or `embedded` None, mean any."""

    id: str
    text: str
    source: str
    contexts: tuple[Context, ...] = ()
    statuses: tuple[Status, ...] = ()
    levels: tuple[Level, ...] = ()
    embedded: bool | None = None

    def suits(self, service: Service, level: Level, status: Status) -> bool:
        """Whether the text is true of this use."""
        return (
            (not self.contexts or service.context in self.contexts)
            and (not self.statuses or status in self.statuses)
            and (not self.levels or level in self.levels)
            and self.embedded in (None, service.embedded)
        )


class Texts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One language. `titles` per context (`other` for the rest), `names` of services in words."""

    titles: Mapping[str, str]
    text: tuple[Text, ...]
    names: Mapping[str, str] = {}


class Reminder(msgspec.Struct, frozen=True):
    """What a person reads; within TITLE_LIMIT and MESSAGE_LIMIT."""

    service: str
    text: str
    title: str
    message: str


class Held(msgspec.Struct, frozen=True):
    """A reminder that the schedule kept back, and why."""

    service: str
    reason: HeldReason


def load(language: str, overlay: Traversable | None = None) -> Texts:
    """Return the texts of a language; those of `overlay` count over ours by id. Raises TextsError."""
    found: Texts | None = None
    for folder in (files("bewust_config"), overlay):
        file = folder.joinpath("texts").joinpath(f"{language}.toml") if folder is not None else None
        if file is None or not file.is_file():
            continue
        texts = _read(file)
        found = texts if found is None else _laid_over(found, texts)
    if found is None:
        raise TextsError(f"texts/{language}.toml: does not exist. Set language to nl or en, or add the file.")
    return found


def _read(file: Traversable) -> Texts:
    try:
        texts = msgspec.convert(tomli.loads(file.read_bytes().decode()), Texts)
    except OSError as error:
        raise TextsError(f"{file}: cannot be read ({error.strerror}). Check its owner and mode.") from error
    except (UnicodeDecodeError, tomli.TOMLDecodeError, RecursionError) as error:
        raise TextsError(f"{file}: is not TOML ({error}). Mend the line it names.") from error
    except msgspec.ValidationError as error:
        raise TextsError(f"{file}: {error}. Correct that key; our own files are examples.") from error
    ids = [text.id for text in texts.text]
    if twice := {i for i in ids if ids.count(i) > 1}:
        raise TextsError(f"{file}: text {sorted(twice)[0]!r} is there twice. Remove one of them.")
    return texts


def _laid_over(ours: Texts, theirs: Texts) -> Texts:
    text = {text.id: text for text in (*ours.text, *theirs.text)}
    return Texts({**ours.titles, **theirs.titles}, tuple(text.values()), {**ours.names, **theirs.names})


class Reminders:
    """Chooses and paces reminders for each person; `who` is an opaque number."""

    def __init__(self, policy: Policy, texts: Texts, services: Mapping[str, Service]) -> None:
        self._policy = policy
        self._texts = texts
        self._services = services
        self._gap = timedelta(seconds=parse_duration(policy.reminders.gap))
        self._last: dict[tuple[int, Context], tuple[datetime, str]] = {}
        self._by_name: dict[tuple[int, str], date] = {}

    def decide(self, who: int, detection: Detection, now: datetime) -> Reminder | Held:
        """Return the reminder that is due for the start of an activity, or why there is none.

        A service of which only the name is known reminds at most once a day: opening it proves
        less than using it.
        """
        service = self._services[detection.service]
        last = self._last.get((who, service.context))
        by_name = detection.level is Level.VISIT
        if not self._policy.reminders.enabled:
            return Held(service.id, "disabled")
        if last is not None and abs(now - last[0]) < self._gap:
            return Held(service.id, "gap")
        if by_name and self._by_name.get((who, service.id)) == now.date():
            return Held(service.id, "daily")
        text = self._next(service, detection.level, last[1] if last else None)
        if text is None:
            return Held(service.id, "text")
        self._last[who, service.context] = (now, text.id)
        if by_name:
            self._by_name[who, service.id] = now.date()
        return self._filled(service, text)

    def _next(self, service: Service, level: Level, previous: str | None) -> Text | None:
        """Return the text after the previous one in turn; never that one again if there is another."""
        status = self._policy.decision(service.id).status
        fitting = [t for t in self._texts.text if t.suits(service, level, status) and self._complete(service, t)]
        # What is about just this kind of use comes before what holds for more, or for all AI.
        fitting.sort(key=lambda text: len(text.contexts) or len(Context))
        if not fitting:
            return None
        ids = [text.id for text in fitting]
        return fitting[(ids.index(previous) + 1) % len(ids)] if previous in ids else fitting[0]

    def _complete(self, service: Service, text: Text) -> bool:
        fill = self._fill(service)
        names: Sequence[str] = _PLACEHOLDER.findall(text.text)
        return all(fill.get(name) for name in names) and len(_fill_in(text.text, fill)) <= MESSAGE_LIMIT

    def _fill(self, service: Service) -> dict[str, str]:
        spoken = self._texts.names.get(service.id, service.name)
        return {**self._policy.fill, "dienst": spoken, "alternatief": self._policy.decision(service.id).alternative}

    def _filled(self, service: Service, text: Text) -> Reminder:
        fill = self._fill(service)
        pattern = self._texts.titles.get(service.context, self._texts.titles.get("other", "{dienst}"))
        title = _fill_in(pattern, fill)
        if len(title) > TITLE_LIMIT:
            title = title[: TITLE_LIMIT - 1] + "…"
        return Reminder(service.id, text.id, title, _fill_in(text.text, fill))


def _fill_in(pattern: str, fill: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: fill.get(match[1]) or match[0], pattern)
