"""Which signatures may be stale: what was looked at often without ever finding anything, and ages.

Belongs here: reading the counters and the dates of review. Not here: mending. Local only: none of it
is ever released.
"""

from collections.abc import Iterable, Mapping
from datetime import date

from bewust.config import Policy
from bewust.model import Depth, Kind, Service
from bewust.statistics.counters import Key

ENOUGH = 200  # opportunities; one use in fifty would leave 200 without any in 2 % of periods


def stale_signatures(services: Iterable[Service], counts: Mapping[Key, int], period: str) -> dict[str, int]:
    """Return the services without any use in a period, though there was every opportunity, and how many."""
    found = {}
    for service in services:
        seen = counts.get(Key(period, service.id, Kind.SEEN), 0)
        if seen >= ENOUGH and not counts.get(Key(period, service.id, Kind.USE), 0):
            found[service.id] = seen
    return found


def reviews(services: Iterable[Service], policy: Policy) -> dict[str, list[str]]:
    """Return the signatures that inspect something, by the date of their last review, oldest first."""
    found: dict[str, list[str]] = {}
    for service in services:
        for signature in service.signatures:
            if Depth.NAME < signature.depth <= policy.depth_of(service):
                found.setdefault(signature.reviewed, []).append(f"{service.id}/{signature.id}")
    return dict(sorted(found.items()))


def age(reviewed: str, today: date) -> int:
    """Return the days since a review."""
    return (today - date.fromisoformat(reviewed)).days
