"""The pure chain: Detection -> Outcome. No I/O and no clock; the app performs what it says.

An Outcome names its counters before its reminder, because that is the order of its effects: what
is shown has been counted. It goes in two steps, because between them the desktop is asked whether
now is a bad moment: what is being done is counted at once, then whether to remind is decided.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

import msgspec

from bewust.config import Policy, Texts
from bewust.config.policy import PERIOD_WEEKS
from bewust.model import Detection, Kind, Level, Service
from bewust.reminders.activities import Activities
from bewust.reminders.schedule import Reminder, Reminders, Suppressed
from bewust.statistics import Key, SuppressionKey, counters


class Outcome(msgspec.Struct, frozen=True):
    """What to do: add one to each of `counts`, then show `reminder` where there is one.

    `about` is what a reminder may now be due for: give it to `Pipeline.remind`.
    """

    counts: tuple[Key | SuppressionKey, ...] = ()
    about: Detection | None = None
    reminder: Reminder | None = None
    held: Suppressed | None = None


NOTHING = Outcome()


def of_reminder(decided: Reminder | Suppressed, period: str) -> Key:
    """Return what a reminder, shown or held back, adds one to."""
    kind = Kind.REMINDED if isinstance(decided, Reminder) else Kind.HELD
    return Key(period, decided.service, kind)


class Pipeline:
    """One chain for all people of this machine; `who` tells them apart, in memory only."""

    def __init__(self, policy: Policy, texts: Texts, services: Mapping[str, Service]) -> None:
        self._activities = Activities()
        self.reminders = Reminders(policy, texts, services)
        self.reconfigure(policy, texts, services)

    def reconfigure(self, policy: Policy, texts: Texts, services: Mapping[str, Service]) -> None:
        """Go on under other rules; what people are doing and have read is not forgotten."""
        self._weeks = PERIOD_WEEKS[policy.mechanism]
        self._services = {key: service for key, service in services.items() if service.counts}
        self.reminders.reconfigure(policy, texts, services)

    def period(self, now: datetime) -> str:
        """Return the period that `now`, in the organisation's zone, is counted in."""
        return counters.period_of(now, self._weeks)

    def detected(self, who: int, detection: Detection, now: datetime) -> Outcome:
        """Return what a detection leads to: nothing, unless it begins an activity."""
        service = self._services.get(detection.service)
        if service is None or detection.level is Level.IGNORE:
            return NOTHING
        at = now.astimezone(UTC)  # two times of one zone differ by the wall clock, which jumps twice a year
        began = self._activities.is_new_activity(who, service.id, detection.level, service.gap, at)
        # A page of one's own amid public ones is the same activity of translating, and yet the serious event.
        internal = detection.internal and self._activities.is_new_activity(
            who, service.id, Kind.INTERNAL, service.gap, at
        )
        if not began and not internal:
            return NOTHING
        counts = counters.of_activity(detection, self.period(now), began=began, internal=internal)
        return Outcome(tuple(counts), about=msgspec.structs.replace(detection, internal=internal))

    def remind(
        self, who: int | None, about: Detection, now: datetime, held: Literal["busy", "away"] | None = None
    ) -> Outcome:
        """Return whether a person is reminded of what began; `held` says that the desktop is busy or away.

        `who` is None where that is not known, or has no desktop here.
        """
        if about.service not in self._services:  # the catalogue changed while the desktop was asked
            return NOTHING
        reminders = self.reminders
        decided = reminders.unreachable(about.service) if who is None else reminders.decide(who, about, now, held)
        period = self.period(now)
        count = of_reminder(decided, period)
        if isinstance(decided, Reminder):
            return Outcome((count,), reminder=decided)
        return Outcome((count, SuppressionKey(period, decided.reason)), held=decided)

    def seen(self, service: str, now: datetime) -> Outcome:
        """Return what an opportunity leads to."""
        if service not in self._services:
            return NOTHING
        return Outcome((counters.of_opportunity(service, self.period(now)),))
