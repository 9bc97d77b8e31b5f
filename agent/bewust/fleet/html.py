"""Findings -> one HTML file that fetches nothing, for people: each chart is also a table.

Belongs here: which sections there are and what each says. A cell that is too uncertain has no number anywhere
in it. Not here: choosing (findings), drawing, words, or the look (templates).
"""

from collections.abc import Callable, Iterator, Sequence
from math import exp
from pathlib import Path

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bewust.fleet import drawing
from bewust.fleet.drawing import FIRST, SECOND, SERIES, Bar, Point
from bewust.fleet.estimates import FACTS, Cell
from bewust.fleet.findings import FOLLOWED, LARGE, ONE_BIT, Findings, lever
from bewust.fleet.wording import Words, last_day, step
from bewust.statistics.counters import period_start
from bewust.statistics.formats import OTHER

type Edition = tuple[str, str]


class Table(msgspec.Struct, frozen=True):
    """Rows as text; `numbers` are the columns that are aligned right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[int]


class Section(msgspec.Struct, frozen=True):
    """One part of the report; `legend` is pairs of a colour's place in the series and its meaning."""

    key: str
    title: str
    lead: str
    chart: str = ""
    table: Table | None = None
    notes: Sequence[str] = ()
    legend: Sequence[tuple[int, str]] = ()


class Advice(msgspec.Struct, frozen=True):
    """What can be done about one service."""

    name: str
    share: str
    facts: str
    lines: Sequence[str]
    policies: Sequence[str]
    source: str


def render(findings: Findings, language: str, edition: Edition | None = None) -> str:
    """Return the report on an edition (a period and its mechanism), by default the newest."""
    words = Words(language)
    templates = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True,
                            undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # fmt: skip
    chosen = edition or next(reversed(findings.editions), None)
    page = _Page(findings, words, chosen) if chosen else None
    return templates.get_template("report.html").render(
        w=words, page=page, skipped=_skipped(findings, words), Markup=Markup
    )


def _skipped(findings: Findings, words: Words) -> Section:
    read = findings.read
    counts = {"read": read.lines, "files": read.files, "valid": read.valid + len(read.opened),
              "doubled": findings.doubled, "skipped": read.skipped}  # fmt: skip
    lead = words("skipped_lead", **{key: words.number(count) for key, count in counts.items()})
    if not read.named:
        return Section("skipped", words("skipped_title"), lead)
    table = Table([words("column_place"), words("column_why")], [(each.place, each.why) for each in read.named], ())
    cut = [words("skipped_named", n=words.number(len(read.named)))] if len(read.named) < read.skipped else []
    return Section("skipped", words("skipped_title"), lead, table=table, notes=cut)


class _Page:
    """What the template asks for."""

    def __init__(self, findings: Findings, words: Words, edition: Edition) -> None:
        self.findings, self.words, self.edition = findings, words, edition
        self.period, self.mechanism = edition
        self.domains = findings.domains(edition)
        self.reports = sum(n for _, n in self.domains)

    @property
    def subtitle(self) -> str:
        days = {"from": self.words.day(period_start(self.period)), "to": self.words.day(last_day(self.period))}
        return self.words("subtitle", n=self.words.number(self.reports), period=self.period, **days)

    @property
    def guarantee(self) -> str:
        epsilon = self.findings.epsilon(self.edition)
        shown = self.words.number(epsilon, 0.01).rstrip("0").rstrip(",.")
        return self.words(f"guarantee_{self.mechanism}", epsilon=shown, factor=self.words.number(exp(epsilon), 0.1))

    @property
    def colophon(self) -> str:
        mechanism = self.words(f"mechanism_{self.mechanism}")
        return self.words("colophon", reports=self.words.number(self.reports), mechanism=mechanism)

    def tiles(self) -> Iterator[tuple[str, str, str]]:
        """Yield number, interval and meaning of the headlines."""
        yield self.words.number(self.reports), "", self.words("reports")
        for block, key in (("any", "any"), ("internal", "internal_short"), ("reminder", "reminder_short")):
            for cell in self.findings.of(self.edition, block):
                yield self._texts(cell)[0], self._within(cell) if cell.usable else "", self.words(key)

    def first(self) -> Iterator[Section]:
        """Yield what holds for every workstation: any use, and the trend."""
        yield self._one("any")
        yield self._trend()

    def last(self) -> Iterator[Section]:
        """Yield the other sections of one number."""
        yield self._one("internal")
        yield self._one("reminder")

    def sections(self, domain: str) -> Iterator[Section]:
        """Yield what holds for one domain: services, and their sums."""
        yield self._services(domain)
        for fact in FACTS:
            cells = self.findings.of(self.edition, fact, domain)
            yield self._drawn(fact, cells, lambda cell, fact=fact: self.words.label(fact, cell.cell), pairs=True)  # type: ignore[misc]

    def advice(self, domain: str) -> Iterator[Advice]:
        """Yield the lever for each large usable service."""
        for cell in self.findings.large(self.edition, domain):
            fact, found = self.findings.fact(cell.cell), lever(cell.cell, self.findings.fact(cell.cell).context)
            described = ", ".join(self.words.label(kind, getattr(fact, kind)) for kind in FACTS)
            lines = list(self._lines(cell.cell))
            if found and fact.status != "contracted":
                lines.append(self.words.plain(f"lever.{found.id}"))
                yield Advice(fact.name, self._texts(cell)[0], described, lines, found.policies, found.source)
            else:
                yield Advice(fact.name, self._texts(cell)[0], described, lines, (), "")

    def _lines(self, service: str) -> Iterator[str]:
        fact = self.findings.fact(service)
        if fact.status == "contracted":
            yield self.words("lever_contracted")
            return
        if fact.status == "unknown":
            yield self.words("lever_unknown", id=service)
        key = "lever_alternative" if fact.alternative else "lever_no_alternative"
        yield self.words(key, alternative=fact.alternative, id=service)

    @property
    def large(self) -> str:
        return self.words.percent(LARGE)

    def _texts(self, cell: Cell) -> tuple[str, str, str]:
        """Return share, number and interval as text: of a cell too uncertain only that it is."""
        if not cell.usable:
            return self.words("too_uncertain"), "", ""
        half, value = (cell.high - cell.low) / 2, min(max(cell.estimate, cell.low), cell.high)
        by, shares = max(step(half), 1), step(100 * half / cell.n_reports, 1)
        number, low, high = (self.words.number(each, by) for each in (value, cell.low, cell.high))
        return self.words.percent(value / cell.n_reports, shares), number, self.words("interval_of", low=low, high=high)

    def _one(self, block: str) -> Section:
        cells = self.findings.of(self.edition, block)
        return self._drawn(block, cells, lambda cell: self.words(f"{block}_label"), pairs=False)

    def _drawn(self, key: str, cells: Sequence[Cell], label: Callable[[Cell], str], *, pairs: bool) -> Section:
        usable = [cell for cell in cells if cell.usable]
        bars = [Bar(label(cell), *_shares(cell), _colour(cell.cell)) for cell in usable]
        axis = self.words("axis_pairs") if pairs else f"{self.words('axis_share')} (%)"
        most = None if pairs else 100
        chart = drawing.bars(bars, self.words(f"{key}_chart"), axis, most=most) if bars else ""
        columns = ("what", "share_pairs", "pairs", "interval") if pairs else ("what", "share", "number", "interval")
        rows: list[Sequence[str]] = [(label(cell), *self._texts(cell)) for cell in cells]
        if pairs:
            rows = [(name, share.rstrip(" %"), *rest) for name, share, *rest in rows]
        return self._section(key, chart, self._table(columns, rows, (1, 2, 3)))

    def _section(
        self, key: str, chart: str, table: Table, notes: Sequence[str] = (), legend: Sequence[tuple[int, str]] = ()
    ) -> Section:
        return Section(key, self.words(f"{key}_title"), self.words(f"{key}_lead"), chart, table, notes, legend)

    def _table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int]) -> Table:
        return Table([self.words(f"column_{column}") for column in columns], rows, numbers)

    def _services(self, domain: str) -> Section:
        usable = [cell for cell in self.findings.of(self.edition, "service", domain) if cell.usable]
        unsure = [cell for cell in self.findings.of(self.edition, "service", domain) if not cell.usable]
        cells = [*usable, *sorted(unsure, key=lambda cell: (cell.cell == OTHER, self._name(cell).lower()))]
        bars = [Bar(self._name(c), *_shares(c), _colour(self.findings.fact(c.cell).origin)) for c in usable]
        chart = drawing.bars(bars, self.words("service_chart"), f"{self.words('axis_share')} (%)") if bars else ""
        rows = [(self._name(cell), *self._facts(cell), *self._texts(cell)) for cell in cells]
        columns = ("service", "context", "origin", "status", "share", "number", "interval")
        table = self._table(columns, rows, (4, 5, 6))
        notes = [self.words("service_unusable", n=str(len(unsure)), of=str(len(cells)))] if unsure else []
        if not bars:
            notes.insert(0, self.words("service_none"))
        legend = [
            (SERIES.index(SECOND), self.words("origin_embedded")),
            (SERIES.index(FIRST), self.words("origin_chosen")),
        ]
        return self._section("service", chart, table, notes, legend if bars else ())

    def _name(self, cell: Cell) -> str:
        return self.words("service_other") if cell.cell == OTHER else self.findings.fact(cell.cell).name

    def _facts(self, cell: Cell) -> list[str]:
        fact = self.findings.fact(cell.cell)
        return ["" if cell.cell == OTHER else self.words.label(kind, getattr(fact, kind)) for kind in FACTS]

    def _trend(self) -> Section:
        series = list(self._followed())
        periods = [period for period, mechanism in self.findings.editions if mechanism == self.mechanism]
        points = [
            Point(name, cell.period, *(_shares(cell) if cell.usable else (None,)))
            for name, cells in series
            for cell in cells
        ]
        enough = len(periods) > 1 and any(point.value is not None for point in points)
        chart = (
            drawing.lines(points, periods, self.words("trend_chart"), f"{self.words('axis_share')} (%)")
            if enough
            else ""
        )
        legend = [(place, name) for place, (name, _) in enumerate(series)] if enough else ()
        by_period = [[{cell.period: cell for cell in cells}.get(period) for _, cells in series] for period in periods]
        rows = [(period, *map(self._short, cells)) for period, cells in zip(periods, by_period, strict=True)]
        table = Table([self.words("column_period"), *(name for name, _ in series)], rows, range(1, 1 + len(series)))
        return self._section("trend", chart, table, (), legend)

    def _short(self, cell: Cell | None) -> str:
        """Return a share with its interval in one text."""
        if cell is None:
            return "–"
        if not cell.usable:
            return self.words("too_uncertain")
        _, low, high = _shares(cell)
        by = step((high - low) / 2, 1)
        return f"{self._texts(cell)[0]} ({self.words.number(low, by)}–{self.words.number(high, by)})"

    def _within(self, cell: Cell) -> str:
        """Return the interval as shares."""
        _, low, high = _shares(cell)
        by = step((high - low) / 2, 1)
        return self.words("interval_of", low=self.words.percent(low / 100, by), high=self.words.percent(high / 100, by))

    def _followed(self) -> Iterator[tuple[str, list[Cell]]]:
        """Yield the cells over all periods of any use, and of the largest services of the largest domain."""
        editions = [each for each in self.findings.editions if each[1] == self.mechanism]
        yield self.words("any_label"), [cell for each in editions for cell in self.findings.of(each, "any")]
        largest = self.domains[0][0]
        top = [c.cell for c in self.findings.of(self.edition, "service", largest) if c.usable and c.cell != OTHER]
        for service in top[:FOLLOWED]:
            found = [c for each in editions for domain, _ in self.findings.domains(each)[:1]
                     for c in self.findings.of(each, "service", domain) if c.cell == service]  # fmt: skip
            yield self.findings.fact(service).name, found


def _shares(cell: Cell) -> tuple[float, float, float]:
    """Return estimate and interval in percent of the workstations, the estimate within it."""
    value = min(max(cell.estimate, cell.low), cell.high)
    return (
        round(100 * value / cell.n_reports, 4),
        round(100 * cell.low / cell.n_reports, 4),
        round(100 * cell.high / cell.n_reports, 4),
    )


def _colour(origin: str) -> str:
    return SECOND if origin == "embedded" else FIRST


# The blocks of one cell are sections of their own above; a new one must be given its place there.
assert set(ONE_BIT) == {"any", "internal", "reminder"}
