"""Everything that is kept: the counters as they are, what leaves the machine, and both in words."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from fractions import Fraction
from math import exp

from bewust.model import Kind
from bewust.page.view import View
from bewust.statistics import Contents, Key, LocalReport, formats
from bewust.statistics.counters import period_end
from bewust.statistics.formats import Report
from bewust.statistics.retention import SEALED_DAYS

BAR = 100  # width of the longest bar of the chart, in units of its view box


def facts(view: View) -> Mapping[str, object]:
    """Return what the page Kept is made from; figures only for somebody who is alone on this machine."""
    if not view.single_user:
        return {"kinds": list(Kind)}
    contents = view.agent.contents()
    draft = view.agent.draft()
    return {
        "periods": [_counted(view, contents, period) for period in _periods(contents.counts)],
        "kinds": list(Kind),
        "kind_names": [view.words(f"kind.{kind}.short") for kind in Kind],
        "draft": _report(view, draft) if draft is not None else None,
        "leaves": bool(view.agent.rules.policy.release.folder),
        "sealed": [_report(view, formats.decode(line)) for line in list(contents.sealed.values())[::-1]],
        "sealed_days": SEALED_DAYS,
        "budget": _budget(view, contents),
        "yearly": f"{float(view.agent.rules.policy.yearly_epsilon):g}",
    }


def _periods(counts: Mapping[Key, int]) -> list[str]:
    return sorted({key.period for key in counts}, reverse=True)


def _counted(view: View, contents: Contents, period: str) -> Mapping[str, object]:
    """Return one period's counters: whoever has one first, all others by name."""
    rows: dict[str, dict[Kind, int]] = {}
    for key, n in contents.counts.items():
        if key.period == period:
            rows.setdefault(key.service, {})[key.kind] = n
    used = [service for service, row in rows.items() if any(row.values())]
    empty = [service for service in rows if service not in used]
    return {
        "period": view.period(period),
        "over": view.words.day(period_end(period) - timedelta(days=1)),
        "rows": sorted((view.name(s), [rows[s].get(kind, 0) for kind in Kind]) for s in used),
        "empty": sorted((view.name(s) for s in empty), key=str.casefold),
        "zeros": sum(len(rows[s]) for s in empty),
        "cells": sum(len(row) for row in rows.values()),
        "held": _held(view, contents, period),
        "chart": _chart(view, rows),
    }


def _held(view: View, contents: Contents, period: str) -> list[tuple[str, int]]:
    return [(view.words(f"held.{key.reason}"), n) for key, n in contents.held.items() if n and key.period == period]


def _chart(view: View, rows: Mapping[str, Mapping[Kind, int]]) -> list[tuple[str, int, float]]:
    """Return the two bars: a label, how many activities, and a length."""
    totals = {"embedded": 0, "chosen": 0}
    for key, row in rows.items():
        service = view.service(key)
        if service is not None:
            totals["embedded" if service.embedded else "chosen"] += row.get(Kind.USE, 0) + row.get(Kind.VISIT, 0)
    most = max(totals.values()) or 1
    return [(name, n, round(BAR * n / most, 1)) for name, n in totals.items()]


def _budget(view: View, contents: Contents) -> list[tuple[str, str]]:
    """Return what the reports of each year have cost so far, as decimals, for people who know the word."""
    years: dict[str, Fraction] = {}
    for (period, _), epsilon in contents.ledger.items():
        years[period[:4]] = years.get(period[:4], Fraction(0)) + Fraction(epsilon)
    return [(year, f"{float(spent):g}") for year, spent in years.items()]


def _report(view: View, report: Report) -> Mapping[str, object]:
    return {
        "id": report.id,
        "period": view.period(report.period),
        "code": report.period,
        "odds": odds(sum((Fraction(block.epsilon) for block in report.blocks.values()), Fraction())),
        "length": view.length(report.period),
        "line": formats.encode(report),
        "questions": formats.WIDTH,
        "most": formats.BOUNDS["service"],
        "services": view.words.listed(view.name(service) for service in report.services),
        "answers": _answers(view, report) if isinstance(report, LocalReport) else [],
    }


def _answers(view: View, report: LocalReport) -> list[tuple[str, str, int]]:
    """Return what each block reads, and in how many of 100 cases chance turned an answer round."""
    found = []
    for block, cells in formats.report_cells(report.services).items():
        made = report.blocks[block]
        yes = [cell for cell, bit in zip(cells, made.bits, strict=True) if bit == "1" and cell]
        found.append((view.words(f"block.{block}"), _reads(view, block, yes), round(100 * Fraction(made.flip))))
    return found


def _reads(view: View, block: str, yes: Sequence[str]) -> str:
    if block != "service":
        return view.words("block.yes" if yes else "block.no")
    names = [view.words("block.other") if cell == formats.OTHER else view.name(cell) for cell in yes]
    return view.words.listed(names) if names else view.words("block.none")


def odds(epsilon: Fraction) -> int:
    """Return how often of 100 times a reader of a report guesses right at best, rounded as docs/privacy.md does."""
    return int(100 * exp(epsilon) / (1 + exp(epsilon)))
