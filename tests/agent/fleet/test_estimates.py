"""The estimates are right: without bias, with honest intervals, and silent where they know too little."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bewust.config.policy import Mechanism
from bewust.fleet.estimates import Cell
from bewust.fleet.findings import Findings
from bewust.fleet.simulation import simulate
from support.fleets import SERVICES, batch, compute, line

SHIFT = 3.5  # standard errors; one test in two thousand would fail by chance, were the seeds not fixed


@pytest.fixture(scope="module", params=["local", "split"])
def fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Findings, dict[str, Any]]:
    """A fleet of many periods, with its truth."""
    mechanism: Mechanism = request.param
    folder = tmp_path_factory.mktemp(mechanism)
    truth = simulate(folder, 1000, 20, seed=11, mechanism=mechanism)
    return compute(folder / "reports"), truth


def pairs(fleet: tuple[Findings, dict[str, Any]]) -> Iterator[tuple[Cell, int]]:
    """Each cell with what is true of it."""
    findings, truth = fleet
    for cell in findings.cells:
        if cell.domain != "all" and cell.block in ("any", "service", "internal", "reminder"):
            yield cell, truth["periods"][cell.period]["bounded"][cell.block][cell.cell]


def test_estimates_have_no_bias_and_the_spread_they_say(fleet: tuple[Findings, dict[str, Any]]) -> None:
    off = [(cell.estimate - true) / cell.sd for cell, true in pairs(fleet)]
    assert len(off) > 400
    assert abs(sum(off) / len(off)) < SHIFT / math.sqrt(len(off))
    assert sum(each * each for each in off) / len(off) == pytest.approx(1, abs=SHIFT * math.sqrt(2 / len(off)))


def test_the_truth_is_in_the_interval_95_times_of_100(fleet: tuple[Findings, dict[str, Any]]) -> None:
    inside = [cell.low <= true <= cell.high for cell, true in pairs(fleet)]
    assert 0.92 < sum(inside) / len(inside) < 0.98


def test_intervals_are_within_what_is_possible(fleet: tuple[Findings, dict[str, Any]]) -> None:
    assert all(0 <= cell.low <= cell.high <= 3 * cell.n_reports for cell in fleet[0].cells)
    assert all(cell.high <= cell.n_reports for cell, _ in pairs(fleet))


def test_usable_is_what_has_half_an_interval_of_at_most_half_the_estimate(
    fleet: tuple[Findings, dict[str, Any]],
) -> None:
    for cell in fleet[0].cells:
        assert cell.usable == (cell.estimate > 0 and 1.959964 * cell.sd <= 0.5 * cell.estimate + 1e-4)


def test_every_cell_says_where_it_comes_from(fleet: tuple[Findings, dict[str, Any]]) -> None:
    findings, truth = fleet
    assert {cell.n_reports for cell in findings.cells} == {1000}
    assert {cell.mechanism for cell in findings.cells} == {truth["mechanism"]}
    assert {cell.domain for cell in findings.cells} == {truth["domain"], "all"}
    assert all(cell.epsilon > 0 for cell in findings.cells)


def test_a_thousand_workstations_under_split_recover_the_top_service_within_15_percent(tmp_path: Path) -> None:
    truth = simulate(tmp_path, 1000, 52, seed=4, mechanism="split")
    cells = {cell.period: cell for cell in compute(tmp_path / "reports").cells if cell.cell == "google-ai-overview"}
    used = {period: each["used"]["service"]["google-ai-overview"] for period, each in truth["periods"].items()}
    right = [abs(cells[period].estimate - true) <= 0.15 * true for period, true in used.items()]
    assert sum(right) >= 47  # of 52 weeks, as the spread of the noise lets expect


# By hand.


def one(findings: Findings, block: str, name: str, **where: str) -> Cell:
    (cell,) = [
        cell for cell in findings.cells if (cell.block, cell.cell) == (block, name)
        and all(getattr(cell, key) == value for key, value in where.items()) and (where or cell.domain != "all")
    ]  # fmt: skip
    return cell


def written(folder: Path, *lines: str) -> Path:
    (folder / "r.ndjson").write_text("\n".join(lines))
    return folder


def test_the_estimator_is_that_of_the_format(tmp_path: Path) -> None:
    found = compute(written(tmp_path, *(line(n, any="1" if n < 70 else "0") for n in range(100))))
    cell, p = one(found, "any", "any"), 1 / (1 + math.exp(0.5))
    assert cell.estimate == pytest.approx((70 - 100 * p) / (1 - 2 * p), abs=1e-4)
    assert cell.sd == pytest.approx(math.sqrt(100 * p * (1 - p)) / (1 - 2 * p), abs=1e-4)
    assert cell.low == pytest.approx(cell.estimate - 1.959964 * cell.sd, abs=1e-4)
    assert cell.high == 100


def test_a_report_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    found = compute(written(tmp_path, line(1, any="1"), line(1, any="1"), line(1, any="0"), line(2)))
    assert (found.doubled, one(found, "any", "any").n_reports) == (2, 2)


def test_reports_by_another_list_of_services_are_kept_apart(tmp_path: Path) -> None:
    other = ("chatgpt", "claude")
    found = compute(written(tmp_path, line(1), line(2), line(3, services=other)))
    by_domain = {c.domain: c.n_reports for c in found.cells if (c.block, c.cell) == ("service", "chatgpt")}
    assert sorted(by_domain.values()) == [1, 2]
    assert one(found, "any", "any", domain="all").n_reports == 3, "which means the same by every list"
    assert not [cell for cell in found.cells if cell.domain == "all" and cell.block == "service"]


def test_reports_of_another_epsilon_are_estimated_by_it_and_added_up(tmp_path: Path) -> None:
    strict = {"any": "1/4"}
    found = compute(written(tmp_path, *(line(n, any="1") for n in range(4)), line(9, any="1", epsilon=strict)))
    cell = one(found, "any", "any")
    p, q = 1 / (1 + math.exp(0.5)), 1 / (1 + math.exp(0.25))
    assert cell.estimate == pytest.approx((4 - 4 * p) / (1 - 2 * p) + (1 - q) / (1 - 2 * q), abs=1e-4)
    assert (cell.n_reports, cell.epsilon) == (5, 0.5)


def test_batches_of_one_period_are_added_up_with_their_noise(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(batch({"any": [300]}, manifest="aa", sd=3.0))
    (tmp_path / "b.json").write_text(batch({"any": [200]}, manifest="bb", sd=4.0))
    (tmp_path / "c.json").write_text(batch({"any": [100]}, manifest="cc", period="2026-W46"))
    cell = one(compute(tmp_path), "any", "any", period="2026-W47", domain="all")
    assert (cell.estimate, cell.sd, cell.n_reports) == (500, 5, 2000)


def test_sums_over_services_add_their_noise_in_quadrature(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(batch({"service": [100, 50, 30]}, sd=3.0))
    found = compute(tmp_path)
    chosen, embedded = one(found, "origin", "chosen"), one(found, "origin", "embedded")
    assert chosen.estimate == 150
    assert chosen.sd == pytest.approx(math.sqrt(18), abs=1e-5)
    assert (embedded.estimate, embedded.sd) == (30, 3)
    assert {c.cell: c.estimate for c in found.cells if c.block == "context"} == {
        "chat": 100, "translation": 50, "search": 30, "other": 0,
    }  # fmt: skip
    assert one(found, "status", "unknown").estimate == 180
    assert len(SERVICES) == 3


def test_nothing_read_is_no_cell(tmp_path: Path) -> None:
    assert compute(tmp_path).cells == []


def test_the_order_of_files_and_lines_changes_nothing(tmp_path: Path) -> None:
    lines = [line(n, any=str(n % 2), service="1" + "0" * 24) for n in range(50)]
    for name, order in (("one", lines), ("two", lines[::-1])):
        (tmp_path / name).mkdir()
        written(tmp_path / name, *order)
    one_way, other_way = (compute(tmp_path / name).cells for name in ("one", "two"))
    assert json.dumps([str(cell) for cell in one_way]) == json.dumps([str(cell) for cell in other_way])
