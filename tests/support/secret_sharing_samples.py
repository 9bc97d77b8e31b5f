"""What several tests share."""

from collections.abc import Sequence

from bewust.config.policy import EPSILONS
from bewust.statistics import formats
from bewust.statistics.formats import WIDTH, Shared, SplitReport

SERVICES = ("chatgpt", "claude", "deepl")


def draft(number: int = 0, period: str = "2026-W47", services: Sequence[str] = SERVICES) -> SplitReport:
    """A report that is not sealed yet; its number makes its id."""
    return SplitReport(
        schema="bewust-report/1", period=period, mechanism="split", domain=formats.domain_of(services),
        services=tuple(services), blocks={name: Shared(epsilon) for name, epsilon in EPSILONS["split"].items()},
        keepers=("", ""), shares=("", ""), id=f"{number:032x}",
    )  # fmt: skip


def bits(*ones: int) -> list[int]:
    """A presence vector with ones at these places; the services begin at 1."""
    return [int(place in ones) for place in range(WIDTH)]
