"""What is counted, on one page: this is the whole anonymisation.

Everything Bewust keeps is a number beside one of these keys. A key is made of three closed lists:
the period, the services of the catalogue, the kinds of model.Kind; or of two: the period, and the reasons for
which reminders were held back, whatever they were about. Nothing that a browser sent can become part
of one; there is no person, device, host, address, day or hour in it.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple, get_args

from bewust.model import Detection, HeldReason, Kind, Level, Service


class Key(NamedTuple):
    """One counter: `period` such as "2026-P12" or "2026-W47", a service's id, a kind."""

    period: str
    service: str
    kind: Kind


class SuppressionKey(NamedTuple):
    """One counter of held reminders, of all services together: `period`, and why."""

    period: str
    reason: HeldReason


def period_of(now: datetime, weeks: int) -> str:
    """Return the period `now` lies in: an ISO week, or four of them ("P01" is weeks 1 to 4).

    `now` is in the organisation's zone. Years of 53 weeks end with a one-week period, P14.
    """
    year, week, _ = now.isocalendar()
    return f"{year}-W{week:02}" if weeks == 1 else f"{year}-P{(week - 1) // weeks + 1:02}"


def weeks_of(period: str) -> int:
    """Return how many weeks a period has; the last of a year may have fewer."""
    return 1 if period[5] == "W" else 4


def period_start(period: str) -> date:
    """Return the first day of a period. Raises ValueError for a text that is none."""
    return date.fromisocalendar(int(period[:4]), (int(period[6:]) - 1) * weeks_of(period) + 1, 1)


def period_end(period: str) -> date:
    """Return the first day after a period. Raises ValueError for a text that is none."""
    year = int(period[:4])
    last = min(
        int(period[6:]) * weeks_of(period), date(year, 12, 28).isocalendar().week
    )  # 28 December is in the last week
    return date.fromisocalendar(year, last, 7) + timedelta(days=1)


def period_keys(period: str, services: Iterable[Service]) -> list[Key]:
    """Return every counter a period can have: the closed list."""
    return [Key(period, service.id, kind) for service in services if service.counts for kind in Kind]


def holds(period: str) -> list[SuppressionKey]:
    """Return every counter of held reminders a period can have: the closed list."""
    return [SuppressionKey(period, reason) for reason in get_args(HeldReason)]


def by_service(numbers: Mapping[Key, int] | Mapping[SuppressionKey, int]) -> list[dict[str, object]]:
    """Return counters as scripts read them: an object each, with the parts of its key and `n`."""
    return [{**key._asdict(), "n": n} for key, n in numbers.items()]


def of_activity(detection: Detection, period: str, *, began: bool, internal: bool) -> list[Key]:
    """Return what the start of an activity adds one to, and of its internal part."""
    if detection.level is Level.IGNORE:
        return []
    kinds = [Kind(detection.level)] * began + [Kind.INTERNAL] * internal
    return [Key(period, detection.service, kind) for kind in kinds]


def of_opportunity(service: str, period: str) -> Key:
    """Return what a page on which the service could have been adds one to."""
    return Key(period, service, Kind.SEEN)
