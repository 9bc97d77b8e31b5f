"""A hundred thousand workstations in under ten seconds, from one file and from a file each. Run by `make test-all`.

Prints what it took, imports not counted: python -m pytest -s tests/long/fleet_100k.py
"""

import time
from pathlib import Path

import pytest

from bewust.fleet.html import render
from bewust.fleet.simulation import simulate
from bewust.statistics import formats
from support.fleets import compute

WORKSTATIONS, SECONDS = 100_000, 10.0


@pytest.mark.parametrize("each", [False, True], ids=["one file", "a file each"])
def test_a_hundred_thousand_workstations_take_less_than_ten_seconds(tmp_path: Path, each: bool) -> None:
    truth = simulate(tmp_path, WORKSTATIONS, 1, seed=1, mechanism="local")
    folder = tmp_path / "reports"
    if each:
        (whole,) = folder.iterdir()
        for line in whole.read_bytes().splitlines(keepends=True):
            (folder / f"bewust-2026-P01-{line[-36:-4].decode()}.ndjson").write_bytes(line)
        whole.unlink()
    start = time.perf_counter()
    findings = compute(folder)
    computed = time.perf_counter() - start
    render(findings, "nl")
    print(f"\n{WORKSTATIONS} workstations, {'a file each' if each else 'one file'}: computed in {computed:.1f} s, "
          f"with the report in {time.perf_counter() - start:.1f} s")  # fmt: skip
    assert findings.read.valid == WORKSTATIONS
    (cell,) = [cell for cell in findings.of(("2026-P01", "local"), "any") if cell.block in formats.BLOCKS]
    assert abs(cell.estimate - truth["periods"]["2026-P01"]["bounded"]["any"]["any"]) < 4 * cell.sd
    assert computed < SECONDS
