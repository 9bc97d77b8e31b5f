"""Detection + policy + history + now -> Reminder, or Held with the reason. Pure: the time is passed in.

Belongs here: whether now, and which text is next. Not here: what a text may say (config.texts), the toast
itself, or counting. The history is this process's memory, per person, and never written; what must
outlive it (Memory) names no service and no hour, and is kept by the person's own login.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

import msgspec

from bewust.config import Chooser, Policy, Texts
from bewust.config.texts import Text
from bewust.model import Context, Detection, HeldReason, Level, SavedUserState, Service, Span

SPANS = {"today": 1, "week": 7}  # days until which a snooze lasts


class Reminder(msgspec.Struct, frozen=True):
    """What a person reads, and what it was about; within texts.TITLE_LIMIT and texts.SENTENCE_LIMIT."""

    service: str
    text: str
    title: str
    message: str
    context: Context = Context.CHAT
    level: Level = Level.USE
    internal: bool = False
    source: str = ""


class Suppressed(msgspec.Struct, frozen=True):
    """A reminder that was kept back, and why."""

    service: str
    reason: HeldReason


class Snooze(msgspec.Struct, frozen=True):
    """No reminders `until` then; of all contexts where `context` is None."""

    until: datetime
    context: Context | None = None


class _Person:
    """What one person was shown. Times are in UTC: two of one zone differ by the wall clock, wrong twice a year."""

    def __init__(self) -> None:
        self.explained: set[Context] = set()
        self.snoozes: dict[Context | None, datetime] = {}
        self.turns: dict[tuple[Context, bool], tuple[datetime, str]] = {}  # the last of each context, and its text
        self.read: str | None = None  # the text seen last, in whatever context
        self.days: dict[tuple[Context, bool], tuple[date, int]] = {}  # how many today
        self.services: dict[str, _BackOff] = {}


class _BackOff(msgspec.Struct):
    """How often a service reminded since it was last left alone, and when."""

    used: datetime
    reminded: datetime | None = None
    times: int = 0
    by_name: date | None = None


class Reminders:
    """Chooses and paces reminders for each person; `who` is an opaque number."""

    def __init__(self, policy: Policy, texts: Texts, services: Mapping[str, Service]) -> None:
        self._people: dict[int, _Person] = {}
        self.reconfigure(policy, texts, services)

    def reconfigure(self, policy: Policy, texts: Texts, services: Mapping[str, Service]) -> None:
        """Go on under other rules, without forgetting what was shown."""
        self._rules = policy.reminders
        self._zone = policy.zone
        self._chooser = Chooser(policy, texts)
        self._services = services

    def decide(
        self, who: int, detection: Detection, now: datetime, held: Literal["busy", "away"] | None = None
    ) -> Reminder | Suppressed:
        """Return the reminder that is due for the start of an activity, or why there is none.

        `held` says that the desktop is busy or away. A page of the organisation itself that goes to a
        translator is the serious case: nothing milder holds it back, only what the person or the
        desktop asked for, its own gap, and the most that one day may bring.
        """
        service = self._services[detection.service]
        person = self._people.setdefault(who, _Person())
        habit = self._back_off_of(person, service.id, now)
        if reason := self._blocked(person, service, now, held) or self._postponed(
            person, service, habit, detection, now
        ):
            return Suppressed(service.id, reason)
        explain = service.context not in person.explained and not detection.internal
        text = self._next(person, service, detection, explain)
        if text is None:
            return Suppressed(service.id, "text")
        self._note(person, detection, text.id, now)
        if explain:
            person.explained.add(service.context)
        if self._rules.silent:
            return Suppressed(service.id, "silent")
        chooser = self._chooser
        return Reminder(
            service.id, text.id, chooser.title(service, text.internal), chooser.message(service, text),
            service.context, detection.level, text.internal, text.source,
        )  # fmt: skip

    def unreachable(self, service: str) -> Suppressed:
        """Return why nobody is reminded where it is not known whose use it was, or they have no desktop here.

        It is no use of anybody's: no one's back-off goes on for it.
        """
        return Suppressed(service, "away" if self._rules.enabled else "disabled")

    def _back_off_of(self, person: _Person, service: str, now: datetime) -> _BackOff:
        """Return a person's back-off for a service, its count reset after `recovery` without a decision."""
        at = now.astimezone(UTC)
        habit = person.services.setdefault(service, _BackOff(at))
        if abs(at - habit.used) >= self._rules.recovery:
            habit.times = 0
        habit.used = at
        return habit

    def _blocked(self, person: _Person, service: Service, now: datetime, held: HeldReason | None) -> HeldReason | None:
        """Return why nothing at all may be shown now."""
        if not self._rules.enabled:
            return "disabled"
        if held is not None:
            return held
        at = now.astimezone(UTC)
        if any(at < person.snoozes.get(scope, at) for scope in (None, service.context)):
            return "snoozed"
        return "quiet" if any(_within(hours, now) for hours in self._rules.quiet) else None

    def _postponed(
        self, person: _Person, service: Service, habit: _BackOff, about: Detection, now: datetime
    ) -> HeldReason | None:
        """Return what was shown lately that holds this one back."""
        today, at = now.date(), now.astimezone(UTC)
        turn = (service.context, about.internal)
        shown = {key: n for key, (day, n) in person.days.items() if day == today}
        # One place of the day is kept for the strong one.
        if sum(shown.values()) >= self._rules.daily - (not about.internal and self._rules.daily > 1):
            return "daily"
        own = self._rules.context.get(service.context)
        most = self._rules.daily_context if own is None or own.daily is None else own.daily
        if not about.internal and shown.get(turn, 0) >= most:
            return "context-daily"
        gap = own.gap if own is not None and own.gap is not None else self._rules.gap
        if about.internal:
            gap = self._rules.internal_gap
        last = person.turns.get(turn)
        if last is not None and abs(at - last[0]) < gap:
            return "gap"
        if about.internal:
            return None
        if about.level is Level.VISIT and habit.by_name == today:
            return "by-name"
        return "back-off" if self._backs_off(habit, now) else None

    def _backs_off(self, habit: _BackOff, now: datetime) -> bool:
        steps = self._rules.back_off
        if habit.reminded is None or not habit.times or not steps:
            return False
        wait = steps[min(habit.times, len(steps)) - 1]
        if wait.next_day:
            return habit.reminded.astimezone(self._zone).date() == now.date()
        return abs(now.astimezone(UTC) - habit.reminded) < wait

    def _next(self, person: _Person, service: Service, about: Detection, explain: bool) -> Text | None:
        """Return the text after the context's previous one in turn, but not the one just seen if there is another."""
        fitting = self._chooser.eligible_texts(service, about, explain)
        if explain and {text.id for text in fitting} == {person.read}:  # what explains two contexts, in a row
            fitting = self._chooser.eligible_texts(service, about)
        last = person.turns.get((service.context, about.internal))
        ids = [text.id for text in fitting]
        turn = ids.index(last[1]) + 1 if last is not None and last[1] in ids else 0
        fitting = fitting[turn:] + fitting[:turn]
        return next((text for text in fitting if text.id != person.read), fitting[0] if fitting else None)

    def _note(self, person: _Person, about: Detection, text: str, now: datetime) -> None:
        service, habit = self._services[about.service], person.services[about.service]
        turn, at, today = (service.context, about.internal), now.astimezone(UTC), now.date()
        person.turns[turn] = (at, text)
        person.read = text
        day, n = person.days.get(turn, (today, 0))
        person.days[turn] = (today, n + 1 if day == today else 1)
        if about.internal:
            return
        habit.reminded, habit.times = at, habit.times + 1
        if about.level is Level.VISIT:
            habit.by_name = today

    # What the person asks for, and what is remembered of it.

    def snooze(self, who: int, span: Span, now: datetime, context: Context | None = None) -> None:
        """Hold back reminders of a context, None for all, for a while; `end` takes that back."""
        snoozes = self._people.setdefault(who, _Person()).snoozes
        if span == "end":
            snoozes.pop(context, None)
        elif span == "hour":
            snoozes[context] = now.astimezone(UTC) + timedelta(hours=1)
        else:
            snoozes[context] = self._midnight(now.date() + timedelta(days=SPANS[span]))

    def snoozes(self, who: int, now: datetime) -> tuple[Snooze, ...]:
        """Return the snoozes that are not over, in the organisation's zone."""
        person = self._people.get(who, _Person())
        return tuple(
            Snooze(until.astimezone(self._zone), context)
            for context, until in person.snoozes.items()
            if now.astimezone(UTC) < until
        )

    def memory(self, who: int, now: datetime) -> SavedUserState:
        """Return what must outlive a restart; a snooze of an hour need not."""
        days = {s.context: s.until.date() for s in self.snoozes(who, now) if s.until.time() == time()}
        explained = tuple(sorted(self._people.get(who, _Person()).explained))
        return SavedUserState(
            explained, days.pop(None, None), {context: day for context, day in days.items() if context}
        )

    def recall(self, who: int, memory: SavedUserState) -> None:
        """Take up what a login remembered; what is known already stays."""
        person = self._people.setdefault(who, _Person())
        person.explained |= set(memory.explained)
        for context, day in ((None, memory.until), *memory.snoozed.items()):
            if day is not None and 2000 < day.year < 9000:  # the file is a person's own to write in
                person.snoozes.setdefault(context, self._midnight(day))

    def forget(self, who: int) -> None:
        """Forget a person who logged out."""
        self._people.pop(who, None)

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self._zone).astimezone(UTC)


def _within(hours: str, now: datetime) -> bool:
    """Whether the clock stands within "18:00-08:00", which may go over midnight."""
    begin, end = map(time.fromisoformat, hours.split("-"))
    at = now.time()
    return begin <= at < end if begin <= end else at >= begin or at < end
