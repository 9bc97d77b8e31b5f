"""Rows -> cells: how many workstations, and how sure that is. One set of expressions for every engine.

Belongs here: the estimator, its interval, what is too uncertain, and the sums per context, origin and status.
Not here: reading, or showing. Bits of N workstations, each flipped with probability p, of which s are
one, come from (s - N p) / (1 - 2 p) ones; the sd of that is sqrt(N p (1 - p)) / (1 - 2 p), whatever the truth.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import ibis  # type: ignore[import-untyped]
import msgspec
import pyarrow as pa  # type: ignore[import-untyped]

from bewust.fleet.engines import rows
from bewust.fleet.reading import BlockKey, BlockLayout, OpenedBatch, ReportSet
from bewust.statistics.formats import BOUNDS, OTHER, WIDTH

Z95 = 1.959964  # half the width of a 95 % interval, in standard deviations
TOO_WIDE = 0.5  # half a width above this part of the estimate is too uncertain to use
EVERY = "all"  # the domain of cells that are taken together over all domains
FACTS = ("context", "origin", "status")  # what services are taken together by; each is a block of cells
_KEYS = ("period", "domain", "mechanism", "block", "cell")
_TYPES = {int: pa.int64(), float: pa.float64(), str: pa.string()}


class Cell(BlockKey, frozen=True):
    """What is known of one cell: of `n_reports` workstations about `estimate` have it.

    `low` and `high` bound it with 95 % confidence. Where `usable` is false the three are no number to
    quote: half the interval is more than half the estimate. In the blocks of `FACTS`
    (sums over services) the unit is the workstation-service pair: one workstation counts for each of its services.
    """

    n_reports: int
    usable: bool
    estimate: float
    low: float
    high: float
    sd: float


def compute(connection: Any, read: ReportSet, facts: Mapping[str, Mapping[str, str]]) -> tuple[list[Cell], int]:
    """Return all cells, sorted, and the number of rows that were there twice.

    `facts` gives each service id a value for each of `FACTS`; what it does not know counts as "other".
    """
    given = rows(connection, read.folder)
    sums = noisy_sums(once(given), _table(read.layout, BlockLayout), _table(read.batches, OpenedBatch))
    table = connection.to_pyarrow(with_significance(per_domain(sums)))
    cells = _cells(table)
    if cells:
        known = ibis.memtable(table)
        listed = sorted({cell.cell for cell in cells if cell.block == "service"})
        cells += _cells(connection.to_pyarrow(with_significance(over_domains(known))))
        cells += _cells(connection.to_pyarrow(with_significance(by_fact(known, _facts(listed, facts)))))
    doubled = read.valid - int(connection.execute(given.id.nunique()))
    return sorted(cells, key=lambda cell: (cell.period, cell.mechanism, cell.domain, cell.block, cell.cell)), doubled


def once(given: Any) -> Any:
    """Return each report once, by its id. Of two that differ the first by shape and bits counts, on every engine."""
    order = ibis.row_number().over(group_by=given.id, order_by=[given.shape, given.bits])
    numbered = given.mutate(nth=order)
    return numbered.filter(numbered.nth == 0)


def noisy_sums(given: Any, layout: Any, batches: Any) -> Any:
    """Return per kind of report or batch and cell: estimate and variance. The estimator is here."""
    ones = {f"ones_{n:02}": (given.bits.substr(n, 1) == "1").cast("int64").sum().cast("int64") for n in range(WIDTH)}
    counted = given.group_by("shape").aggregate(n_reports=given.count().cast("int64"), **ones)
    joined = layout.join(counted, "shape")
    seen = ibis.cases(*((joined.position == n, joined[f"ones_{n:02}"]) for n in range(WIDTH)), else_=0).cast("float64")
    n, p = joined.n_reports.cast("float64"), joined.flip
    estimated = joined.mutate(
        estimate=(seen - n * p) / (1.0 - 2.0 * p), variance=n * p * (1.0 - p) / ((1.0 - 2.0 * p) * (1.0 - 2.0 * p))
    )
    columns = [*_KEYS, "epsilon", "n_reports", "estimate", "variance"]
    return estimated.select(columns).union(batches.select(columns))


def per_domain(sums: Any) -> Any:
    """Add up kinds of reports and batches that say the same about one period and domain; others stay apart."""
    return _added(sums.mutate(bound=1), _KEYS)


def over_domains(cells: Any) -> Any:
    """Return the cells that mean the same in every domain (all but services), over all domains."""
    same = cells.filter(cells.block != "service").mutate(domain=ibis.literal(EVERY), bound=1)
    return _added(same, _KEYS)


def by_fact(cells: Any, facts: Any) -> Any:
    """Return sums over services with the same context, origin or status; noise adds up as variance."""
    services = cells.filter(cells.block == "service").drop("block", "usable", "low", "high", "sd")
    joined = services.join(facts, services.cell == facts.service).drop("service")
    grouped = joined.group_by("period", "domain", "mechanism", "fact", "value").aggregate(
        # Every service of a domain was asked of the same workstations.
        epsilon=joined.epsilon.max(),
        n_reports=joined.n_reports.max(),
        estimate=joined.estimate.sum(),
        variance=joined.variance.sum(),
        bound=ibis.least(joined.count(), BOUNDS["service"]).cast("int64"),
    )
    return grouped.rename(block="fact", cell="value")


def _added(table: Any, keys: Sequence[str]) -> Any:
    return table.group_by(list(keys)).aggregate(
        epsilon=table.epsilon.max(),
        n_reports=table.n_reports.sum().cast("int64"),
        estimate=table.estimate.sum(),
        variance=table.variance.sum(),
        bound=table.bound.max().cast("int64"),
    )


def with_significance(cells: Any) -> Any:
    """Add sd, the 95 % interval within what is possible, and whether the cell is fit for use."""
    most = (cells.n_reports * cells.bound).cast("float64")
    half = Z95 * cells.variance.sqrt()
    return cells.mutate(
        sd=cells.variance.sqrt(),
        low=ibis.least(ibis.greatest(cells.estimate - half, 0.0), most),
        high=ibis.greatest(ibis.least(cells.estimate + half, most), 0.0),
        usable=(cells.estimate > 0.0) & (half <= TOO_WIDE * cells.estimate),
    ).drop("bound")


def _facts(services: Sequence[str], facts: Mapping[str, Mapping[str, str]]) -> Any:
    rows = [
        {"service": name, "fact": fact, "value": facts.get(name, {}).get(fact, OTHER)}
        for name in services
        for fact in FACTS
    ]
    return ibis.memtable(
        pa.Table.from_pylist(rows, pa.schema([(key, pa.string()) for key in ("service", "fact", "value")]))
    )


def _table(values: Sequence[msgspec.Struct], kind: type[msgspec.Struct]) -> Any:
    """Return structs as an in-memory table; its types hold also where there is no row."""
    schema = pa.schema([(field.name, _TYPES[field.type]) for field in msgspec.structs.fields(kind)])
    return ibis.memtable(pa.Table.from_pylist([msgspec.structs.asdict(value) for value in values], schema))


def _cells(table: Any) -> list[Cell]:
    """Return rows as cells. The last digits of a float depend on the order of adding, so they are dropped."""
    numbers = ("estimate", "low", "high", "sd")
    rows = [row | {name: round(row[name], 6) for name in numbers} for row in table.to_pylist()]
    fields = [field.name for field in msgspec.structs.fields(Cell)]
    return [msgspec.convert({name: row[name] for name in fields}, Cell) for row in rows]
