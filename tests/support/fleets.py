"""Small fleets for tests: lines, cells and findings."""

import tempfile
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from bewust.catalogue import loading
from bewust.config import policy
from bewust.config.policy import EPSILONS, Decision, Policy
from bewust.fleet import engines, estimates, findings, reading
from bewust.fleet.estimates import Cell
from bewust.fleet.findings import Findings
from bewust.fleet.reading import ReportSet
from bewust.model import Status
from bewust.statistics import formats
from bewust.statistics.formats import BLOCKS, LocalReport, Opened, OpenedBlock, Randomised
from bewust.statistics.randomise import flip_probability

SERVICES = ("chatgpt", "deepl", "google-ai-overview")
OFF = {block: "0" * len(cells) for block, cells in BLOCKS.items()}


def line(
    number: int,
    period: str = "2026-P12",
    services: Sequence[str] = SERVICES,
    *,
    epsilon: Mapping[str, str] = {},
    **bits: str,
) -> str:
    """A report under `local`, valid, with no bit set but those given."""
    blocks = {}
    for block in BLOCKS:
        spent = {**EPSILONS["local"], **epsilon}[block]
        chance = flip_probability(block, Fraction(spent))
        blocks[block] = Randomised(spent, f"{chance.numerator}/{chance.denominator}", {**OFF, **bits}[block])
    domain = formats.domain_of(services)
    return formats.encode(
        LocalReport("bewust-report/1", period, "local", domain, tuple(services), blocks, f"{number:032x}")
    )


def batch(
    estimates: Mapping[str, Sequence[int]], period: str = "2026-W47", manifest: str = "ab", sd: float = 10.0
) -> str:
    """An opened batch; the cells of `service` that are not given are 0."""
    blocks = {}
    for block, cells in BLOCKS.items():
        values = (*estimates.get(block, ()), *[0] * len(cells))[: len(cells)]
        blocks[block] = OpenedBlock(EPSILONS["split"][block], tuple(values), sd)
    domain = formats.domain_of(SERVICES)
    whole = Opened("bewust-opened/1", period, "split", domain, SERVICES, 1000, manifest * 32, blocks)
    return formats.encode(whole)


def read(*places: Path, scratch: Path) -> ReportSet:
    scratch.mkdir(exist_ok=True)
    return reading.read(reading.found(places), scratch)


def compute(*places: Path, rules: Policy | None = None, engine: engines.Engine = "duckdb") -> Findings:
    """What `bewust fleet report` finds in places."""
    facts = findings.facts(loading.load(), rules or policy.load())
    with tempfile.TemporaryDirectory() as scratch:
        found = reading.read(reading.found(places), Path(scratch))
        cells, doubled = estimates.compute(engines.connect(engine), found, findings.grouping(facts))
    return Findings(cells, facts, found, doubled)


def cell(block: str = "service", name: str = "chatgpt", **changes: Any) -> Cell:
    """A usable cell: 400 of 1000 workstations, plus or minus 20."""
    domain = "all" if block in ("any", "internal", "reminder") else "0123456789ab"
    values: dict[str, Any] = {
        "period": "2026-W47", "domain": domain, "mechanism": "split", "block": block, "cell": name, "epsilon": 0.5,
        "n_reports": 1000, "usable": True, "estimate": 400.0, "low": 380.0, "high": 420.0, "sd": 10.2,
    }  # fmt: skip
    return Cell(**{**values, **changes})


def found(*cells: Cell, **status: str) -> Findings:
    """Findings of cells made by hand; `status` of services, such as chatgpt="contracted"."""
    decided = {name: Decision(status=Status(value)) for name, value in status.items()}
    facts = findings.facts(loading.load(), Policy(service=decided))
    return Findings(cells, facts, ReportSet(Path()), 0)


HEADLINES = (cell("any", "any"), cell("internal", "internal"), cell("reminder", "reminded"))
