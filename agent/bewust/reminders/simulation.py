"""A day of detections replayed against a policy: what one person would have seen, and what not.

Belongs here: reading such a day, and going through it. Not here: showing it (cli.reminders). It is
the real chain, with the day's own clock instead of ours.

One JSON object a line, in order of time: {"at": "09:03", "service": "chatgpt"}, and where they matter
"level" ("use"; a service known by name has "visit") and "internal" (true). What the person does may
stand between: {"at": "09:00", "snooze": "today"} and {"at": "14:00", "busy": true}.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time, tzinfo

import msgspec

from bewust.errors import BewustError
from bewust.model import Context, Detection, Level, Service, Span
from bewust.reminders.pipeline import Pipeline
from bewust.reminders.schedule import Reminder, Suppressed

DAY = date(2026, 11, 23)  # a Monday; which one makes no difference
MOST = 100_000  # lines
LINE = 4096  # characters of one


class DayError(BewustError, ValueError):
    """A line that is no part of a day: says which, what is wrong with it, and what to do."""


class ScriptedUse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line: a detection, or what the person does or the desktop is. Unknown keys are mistakes."""

    at: str
    service: str | None = None
    level: Level | None = None
    internal: bool = False
    snooze: Span | None = None
    context: Context | None = None
    busy: bool | None = None


class SimulatedUse(msgspec.Struct, frozen=True):
    """What became of one detection; `decided` is None where it went on with what had begun."""

    at: datetime
    service: str
    decided: Reminder | Suppressed | None


def read_day(lines: Iterable[str], services: Mapping[str, Service]) -> list[ScriptedUse]:
    """Return the steps of a day. Raises DayError at the first line that is none."""
    steps: list[ScriptedUse] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if number > MOST:
            raise DayError(f"line {number}: more than {MOST} lines are no day. Leave out the rest.")
        if len(line) >= LINE:
            raise DayError(f"line {number}: is longer than {LINE} characters. It is no line of a day.")
        try:
            step = msgspec.json.decode(line, type=ScriptedUse)
            moment = time.fromisoformat(step.at)
        except (ValueError, RecursionError) as error:
            raise DayError(f'line {number}: {error}. Write it like {{"at": "09:03", "service": "chatgpt"}}.') from error
        if moment.tzinfo is not None:
            raise DayError(f"line {number}: {step.at!r} has a zone. Write the organisation's own time, like 09:03.")
        if steps and moment < time.fromisoformat(steps[-1].at):
            raise DayError(f"line {number}: {step.at} comes after {steps[-1].at}. Put the lines in order of time.")
        if step.service is None and step.snooze is None and step.busy is None:
            raise DayError(f'line {number}: nothing happens. Give it a "service", a "snooze" or "busy".')
        if step.service is not None and step.service not in services:
            raise DayError(
                f"line {number}: {step.service!r} is not in the catalogue. See: bewust catalogue search {step.service}"
            )
        steps.append(step)
    return steps


def simulate(
    steps: Iterable[ScriptedUse], chain: Pipeline, services: Mapping[str, Service], zone: tzinfo
) -> Iterator[SimulatedUse]:
    """Yield what becomes of each detection of a day, for one person who begins with nothing explained."""
    busy = False
    for step in steps:
        now = datetime.combine(DAY, time.fromisoformat(step.at), zone)
        if step.busy is not None:
            busy = step.busy
        if step.snooze is not None:
            chain.reminders.snooze(0, step.snooze, now, step.context)
        if step.service is None:
            continue
        level = step.level or (Level.USE if services[step.service].embedded else Level.VISIT)
        about = chain.detected(0, Detection(step.service, level, "", "", 0, step.internal), now).about
        if about is None:
            yield SimulatedUse(now, step.service, None)
            continue
        outcome = chain.remind(0, about, now, "busy" if busy else None)
        yield SimulatedUse(now, step.service, outcome.reminder or outcome.held)
