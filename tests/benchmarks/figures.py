"""What is measured beside what was promised: a figure, its goal, and the table of them all."""

import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.table import Table


class Figure(NamedTuple):
    """A median with its spread. `beside` is what it is a ratio to; "" where it is in a `unit`.

    `cpu` is the same ratio by processor time, which other work on the machine disturbs less. `goal` None:
    nothing was promised. `note` says why there is no figure, or what it does not show.
    """

    row: str
    work: str
    values: tuple[float, ...]
    goal: float | None = None
    beside: str = ""
    unit: str = ""
    at_least: bool = False
    cpu: float | None = None
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without a figure or a goal."""
        if not self.values or self.goal is None:
            return None
        return self.median >= self.goal if self.at_least else self.median <= self.goal


def table(figures: Sequence[Figure]) -> Table:
    """One line a figure, those of one piece of work together."""
    shown = Table(
        "work", "beside", "figure (spread)", "by CPU", "goal", "", title="Bewust, beside others", show_lines=False
    )
    last = ""
    for figure in figures:
        if figure.work != last and last:
            shown.add_section()
        goal = "" if figure.goal is None else f"{'≥' if figure.at_least else '≤'} {figure.goal:g} {figure.unit}".strip()
        met = {True: "[green]met[/]", False: "[bold red]not met[/]", None: ""}[figure.met]
        cells = [_shown(figure), "" if figure.cpu is None else _number(figure.cpu), goal, met]
        shown.add_row("" if figure.work == last else figure.work, figure.beside, *cells)
        last = figure.work
    return shown


def _shown(figure: Figure) -> str:
    if not figure.values:
        return f"[dim]{figure.note}[/]"
    spread = f" ({_number(min(figure.values))}-{_number(max(figure.values))})" if len(figure.values) > 1 else ""
    return f"{_number(figure.median)}{spread} {figure.unit} {figure.note}".strip()


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 99.5 else f"{value:.2f}" if abs(value) < 9.95 else f"{value:.1f}"


def plain(figures: Iterable[Figure]) -> list[dict[str, object]]:
    """Return the figures for the JSON file."""
    return [{**f._asdict(), "median": f.median if f.values else None, "met": f.met} for f in figures]
