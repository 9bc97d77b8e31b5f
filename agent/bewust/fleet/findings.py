"""What a security team decides on: the newest period, facts about services, and the lever for each large cell.

Belongs here: choosing and joining. Not here: estimating (estimates), or showing (html).
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import msgspec
import tomli

from bewust.config import Policy
from bewust.fleet.estimates import EVERY, FACTS, Cell
from bewust.fleet.reading import ReportSet
from bewust.fleet.wording import last_day
from bewust.model import Service
from bewust.statistics.formats import OTHER

LARGE = 0.05  # a usable cell of at least this part of the workstations is worth acting on
FOLLOWED = 3  # services shown in the trend
ONE_BIT = ("any", "internal", "reminder")  # blocks of one cell, which mean the same in every domain


class Fact(msgspec.Struct, frozen=True):
    """What catalogue and policy say of a service."""

    name: str
    context: str
    origin: str
    status: str
    alternative: str


class Recommendation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an administrator can do, and where that is written; each language says it by its `id`."""

    id: str
    policies: tuple[str, ...]
    source: str
    services: tuple[str, ...] = ()
    contexts: tuple[str, ...] = ()


class Findings(msgspec.Struct, frozen=True):
    """Everything that is shown or passed on."""

    cells: Sequence[Cell]
    facts: Mapping[str, Fact]
    read: ReportSet
    doubled: int

    @property
    def editions(self) -> list[tuple[str, str]]:
        """Periods with their mechanism, by their last day, oldest first."""
        found = {(cell.period, cell.mechanism) for cell in self.cells}
        return sorted(found, key=lambda each: (last_day(each[0]), each))

    def of(self, edition: tuple[str, str], block: str, domain: str = EVERY) -> list[Cell]:
        """Return the cells of a block, the largest first; those too uncertain come after, by name."""
        found = [c for c in self.cells if (c.period, c.mechanism, c.block, c.domain) == (*edition, block, domain)]
        return sorted(found, key=lambda cell: (not cell.usable, -cell.estimate if cell.usable else 0, cell.cell))

    def domains(self, edition: tuple[str, str]) -> list[tuple[str, int]]:
        """Return the domains of an edition with their number of reports, the largest first."""
        found = {c.domain: c.n_reports for c in self.cells if (c.period, c.mechanism) == edition and c.domain != EVERY}
        return sorted(found.items(), key=lambda item: (-item[1], item[0]))

    def epsilon(self, edition: tuple[str, str]) -> float:
        """Return what a report of an edition may tell in all: the sum over its blocks."""
        cells = [c for c in self.cells if (c.period, c.mechanism) == edition]
        return sum(max((c.epsilon for c in cells if c.block == block), default=0) for block in (*ONE_BIT, "service"))

    def fact(self, cell: str) -> Fact:
        """Return what is known of a service; one that the catalogue no longer has is called by its id."""
        return self.facts.get(cell, Fact(cell, OTHER, OTHER, OTHER, ""))

    def large(self, edition: tuple[str, str], domain: str) -> list[Cell]:
        """Return the services to act on: usable, and at least `LARGE`."""
        return [
            cell
            for cell in self.of(edition, "service", domain)
            if cell.usable and cell.cell != OTHER and cell.estimate >= LARGE * cell.n_reports
        ]


def facts(services: Iterable[Service], policy: Policy) -> dict[str, Fact]:
    """Return the facts of every service by its id."""
    found = {}
    for service in services:
        decided = policy.decision(service.id)
        origin = "embedded" if service.embedded else "chosen"
        found[service.id] = Fact(service.name, service.context.value, origin, decided.status.value, decided.alternative)
    return found


def grouping(facts: Mapping[str, Fact]) -> dict[str, dict[str, str]]:
    """Return for each service what it is added up by, as `estimates.compute` takes it."""
    return {name: {key: getattr(fact, key) for key in FACTS} for name, fact in facts.items()}


def lever(service: str, context: str) -> Recommendation | None:
    """Return what can be done about a service: the entry that names it, or else one for its context."""
    named = [each for each in levers() if service in each.services]
    return next(iter([*named, *(each for each in levers() if context in each.contexts)]), None)


@cache
def levers() -> tuple[Recommendation, ...]:
    """Return all known levers."""
    table = tomli.loads((Path(__file__).parent / "levers.toml").read_text(encoding="utf-8"))
    return msgspec.convert(table["lever"], tuple[Recommendation, ...])
