"""Detection + policy + history + now -> Reminder, or Held with the reason.

Belongs here: which text, and whether now. Not here: the toast itself, or counting. The history is
this process's memory: per person, the last reminder of each context; it is never written.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Literal

import msgspec
import tomli

from bewust.model import Context, Detection, Level, Service, Status
from bewust.policy import Policy
from bewust.schema import parse_duration

TITLE_LIMIT = 63  # UTF-16 units; what a Windows balloon takes, less its closing NUL
MESSAGE_LIMIT = 255  # the same

_PLACEHOLDER = re.compile(r"\{(\w+)\}")

HeldReason = Literal["disabled", "gap", "daily", "text"]


class TextsError(ValueError):
    """A mistake in a file of texts: names the file, the text, what is wrong and what to do."""


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One reminder. Empty `contexts`, `statuses` and `levels`, or `embedded` None, mean any.

    An `internal` one is for pages of the organisation itself, and for nothing else.
    """

    id: str
    text: str
    source: str
    contexts: tuple[Context, ...] = ()
    statuses: tuple[Status, ...] = ()
    levels: tuple[Level, ...] = ()
    embedded: bool | None = None
    internal: bool = False

    def suits(self, service: Service, level: Level, status: Status, internal: bool = False) -> bool:
        """Whether the text is true of this use."""
        return (
            internal is self.internal
            and (not self.contexts or service.context in self.contexts)
            and (not self.statuses or status in self.statuses)
            and (not self.levels or level in self.levels)
            and self.embedded in (None, service.embedded)
        )


class Texts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One language. `titles` per context (`internal` for own pages, `other` for the rest), `names` of services."""

    titles: Mapping[str, str] = {}
    text: tuple[Text, ...] = ()
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
    if not found.text:
        raise TextsError(f"texts/{language}.toml: has no text. Begin each with [[text]], as our own files do.")
    return found


def _read(file: Traversable) -> Texts:
    try:
        texts = msgspec.convert(tomli.loads(file.read_bytes().decode("utf-8-sig")), Texts)
    except OSError as error:
        raise TextsError(f"{file}: cannot be read ({error.strerror}). Check its owner and mode.") from error
    except msgspec.ValidationError as error:
        raise TextsError(f"{file}: {error}. Correct that key; our own files are examples.") from error
    except (ValueError, RecursionError) as error:  # not only TOMLDecodeError: also a number too long
        raise TextsError(f"{file}: is not TOML ({error}). Mend the line it names.") from error
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
        self.adopt(policy, texts, services)
        self._last: dict[tuple[int, Context, bool], tuple[datetime, str]] = {}
        self._read: dict[int, str] = {}  # the text each person saw last, in whatever context
        self._by_name: dict[tuple[int, str], date] = {}

    def adopt(self, policy: Policy, texts: Texts, services: Mapping[str, Service]) -> None:
        """Go on under other rules, without forgetting what was shown."""
        self._policy = policy
        self._texts = texts
        self._services = services
        self._gap = timedelta(seconds=parse_duration(policy.reminders.gap))

    def decide(self, who: int, detection: Detection, now: datetime) -> Reminder | Held:
        """Return the reminder that is due for the start of an activity, or why there is none.

        A service of which only the name is known reminds at most once a day: opening it proves
        less than using it. A page of the organisation itself that goes to a translator is the
        serious case: it has a gap of its own, so that a milder reminder never holds it back.
        """
        service = self._services[detection.service]
        turn = (who, service.context, detection.internal)
        last = self._last.get(turn)
        at = now.astimezone(UTC)  # two times of one zone differ by the wall clock, wrong by an hour twice a year
        by_name = detection.level is Level.VISIT
        if not self._policy.reminders.enabled:
            return Held(service.id, "disabled")
        if last is not None and abs(at - last[0]) < self._gap:
            return Held(service.id, "gap")
        if by_name and self._by_name.get((who, service.id)) == now.date():
            return Held(service.id, "daily")
        text = self._next(service, detection, last[1] if last else None, self._read.get(who))
        if text is None:
            return Held(service.id, "text")
        self._last[turn] = (at, text.id)
        self._read[who] = text.id
        if by_name:
            self._by_name[who, service.id] = now.date()
        return self._filled(service, text)

    def _next(self, service: Service, about: Detection, previous: str | None, seen: str | None) -> Text | None:
        """Return the text after the context's previous one in turn, but not the one just seen if there is another."""
        status = self._policy.decision(service.id).status
        complete = [text for text in self._texts.text if self._complete(service, text)]
        fitting = [text for text in complete if text.suits(service, about.level, status, about.internal)]
        if about.internal and not fitting:  # a language without a strong text still has its others
            fitting = [text for text in complete if text.suits(service, about.level, status)]
        # What is about just this kind of use comes before what holds for more, or for all AI.
        fitting.sort(key=lambda text: len(text.contexts) or len(Context))
        ids = [text.id for text in fitting]
        turn = ids.index(previous) + 1 if previous in ids else 0
        fitting = fitting[turn:] + fitting[:turn]
        return next((text for text in fitting if text.id != seen), fitting[0] if fitting else None)

    def _complete(self, service: Service, text: Text) -> bool:
        """Whether there is something to show: no text, or one with a gap in it, is none."""
        fill = self._fill(service)
        names: Sequence[str] = _PLACEHOLDER.findall(text.text)
        filled = _fill_in(text.text, fill)
        return bool(filled) and all(fill.get(name) for name in names) and _units(filled) <= MESSAGE_LIMIT

    def _fill(self, service: Service) -> dict[str, str]:
        spoken = self._texts.names.get(service.id, service.name)
        fill = {**self._policy.fill, "dienst": spoken, "alternatief": self._policy.decision(service.id).alternative}
        return {name: value.strip() for name, value in fill.items()}

    def _filled(self, service: Service, text: Text) -> Reminder:
        fill = self._fill(service)
        titles = self._texts.titles
        pattern = titles.get(service.context, titles.get("other", "{dienst}"))
        if text.internal:
            pattern = titles.get("internal", pattern)
        return Reminder(service.id, text.id, _cut(_fill_in(pattern, fill), TITLE_LIMIT), _fill_in(text.text, fill))


def _fill_in(pattern: str, fill: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: fill.get(match[1]) or match[0], pattern).strip()


def _units(text: str) -> int:
    """Return the length as Windows counts it: an emoji is two."""
    return len(text.encode("utf-16-le")) // 2


def _cut(text: str, limit: int) -> str:
    if _units(text) <= limit:
        return text
    while _units(text) >= limit:
        text = text[: min(len(text), limit) - 1]
    return text + "…"
