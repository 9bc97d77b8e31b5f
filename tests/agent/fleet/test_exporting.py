"""JSON, CSV and Parquet hold the same rows; a file is there whole or not at all."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from bewust.fleet import exporting
from bewust.fleet.reading import FleetError
from support.fleets import HEADLINES, cell, found

FINDINGS = found(
    cell(), cell(name="deepl", usable=False, estimate=-3.25, low=0.0, high=55.0), cell(name="other"),
    cell("context", "chat"), *HEADLINES, chatgpt="contracted",
)  # fmt: skip


def test_json_csv_and_parquet_agree() -> None:
    rows: list[dict[str, Any]] = json.loads(exporting.as_json(FINDINGS))["cells"]
    assert pq.read_table(io.BytesIO(exporting.as_parquet(FINDINGS))).to_pylist() == rows
    lines = list(csv.DictReader(io.StringIO(exporting.as_csv(FINDINGS).decode())))
    assert len(lines) == len(rows) == 7
    for line, row in zip(lines, rows, strict=True):
        assert line.keys() == row.keys()
        for key, value in row.items():
            text = "" if value is None else str(value).lower() if isinstance(value, bool) else value
            assert line[key] == text or float(line[key]) == value, key


def test_a_cell_too_uncertain_has_no_estimate_but_what_can_be_added_up() -> None:
    (row,) = [row for row in exporting.records(FINDINGS) if row["cell"] == "deepl"]
    assert (row["usable"], row["estimate"], row["low"], row["high"]) == (False, None, None, None)
    assert (row["unbiased"], row["sd"]) == (-3.25, 10.2)


def test_every_cell_says_where_it_comes_from() -> None:
    for row in exporting.records(FINDINGS):
        for key in ("period", "domain", "mechanism", "block", "cell", "epsilon", "n_reports", "usable"):
            assert row[key] not in (None, ""), key


def test_services_have_their_facts_and_other_cells_have_none() -> None:
    rows = {
        (row["block"], row["cell"]): (row["context"], row["origin"], row["status"])
        for row in exporting.records(FINDINGS)
    }
    assert rows["service", "chatgpt"] == ("chat", "chosen", "contracted")
    assert rows["service", "other"] == rows["any", "any"] == rows["context", "chat"] == (None, None, None)


def test_json_says_what_was_read() -> None:
    assert json.loads(exporting.as_json(FINDINGS))["read"] == {
        "files": 0, "lines": 0, "valid": 0, "doubled": 0, "skipped": 0, "named": [],
    }  # fmt: skip


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "cells.csv"
    file.write_text("old")
    exporting.write(file, b"new")
    assert file.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("kind", ["key", "ledger", "report", "sum", "opened"])
def test_what_cannot_be_made_again_is_not_replaced(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "file.json"
    file.write_text(f'{{"schema": "bewust-{kind}/1"}}')
    with pytest.raises(FleetError, match=r"file\.json: is a file that cannot be made again"):
        exporting.write(file, b"new")
    file.write_text('{\n "schema": "bewust-fleet/1"}')
    exporting.write(file, b"new")
    assert file.read_bytes() == b"new"


def test_a_file_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match=r"gone/cells.csv: cannot be written \(No such file"):
        exporting.write(tmp_path / "gone" / "cells.csv", b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(FleetError, match="cannot be written"):
        exporting.write(tmp_path / "folder", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"], "and leaves nothing behind"
