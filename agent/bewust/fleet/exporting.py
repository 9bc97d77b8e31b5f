"""Findings -> files for programs: JSON, CSV and Parquet, which hold the same rows.

Belongs here: what a row of the aggregate is, and writing files whole. Not here: metrics (metrics) or people (html).
"""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from bewust.files import replace
from bewust.fleet.estimates import FACTS, Cell
from bewust.fleet.findings import Findings
from bewust.fleet.reading import FleetError
from bewust.statistics.formats import OTHER

COLUMNS = pa.schema([
    *((name, pa.string()) for name in ("period", "domain", "mechanism", "block", "cell", *FACTS)),
    ("epsilon", pa.float64()), ("n_reports", pa.int64()), ("usable", pa.bool_()),
    ("estimate", pa.float64()), ("low", pa.float64()), ("high", pa.float64()),
    ("unbiased", pa.float64()), ("sd", pa.float64()),
])  # fmt: skip


def records(findings: Findings) -> list[dict[str, Any]]:
    """Return a row a cell. `estimate`, `low` and `high` are None where the cell is too uncertain to use.

    `unbiased` and `sd` are always there, for adding up many cells; alone they are no number to quote.
    `context`, `origin` and `status` are those of a service, and None for other cells.
    """
    return [_record(cell, findings) for cell in findings.cells]


def _record(cell: Cell, findings: Findings) -> dict[str, Any]:
    of_service = cell.block == "service" and cell.cell != OTHER
    fact = findings.fact(cell.cell) if of_service else None
    row = {**msgspec.structs.asdict(cell), "unbiased": cell.estimate, "context": fact and fact.context,
           "origin": fact and fact.origin, "status": fact and fact.status}  # fmt: skip
    if not cell.usable:
        row |= {"estimate": None, "low": None, "high": None}
    return {name: row[name] for name in COLUMNS.names}


def as_json(findings: Findings) -> bytes:
    """Return cells and what was read as one JSON document."""
    read = findings.read
    counts = {
        "files": read.files,
        "lines": read.lines,
        "valid": read.valid,
        "doubled": findings.doubled,
        "skipped": read.skipped,
    }
    document = {
        "schema": "bewust-fleet/1",
        "read": {**counts, "named": msgspec.to_builtins(read.named)},
        "cells": records(findings),
    }
    return (json.dumps(document, indent=1) + "\n").encode("ascii")


def as_csv(findings: Findings) -> bytes:
    """Return the cells as CSV with a header; a value that is not there is empty."""
    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(_table(findings), sink)
    return bytes(sink.getvalue().to_pybytes())


def as_parquet(findings: Findings) -> bytes:
    """Return the cells as Parquet."""
    sink = pa.BufferOutputStream()
    pq.write_table(_table(findings), sink)
    return bytes(sink.getvalue().to_pybytes())


def _table(findings: Findings) -> Any:
    return pa.Table.from_pylist(records(findings), COLUMNS)


def write(file: Path, data: bytes) -> None:
    """Replace a file whole, so that nobody ever reads half of one. Raises FleetError.

    A keeper's key, a report or a batch is never replaced: none of them can be made again.
    """
    if _is_precious(file):
        raise FleetError(f"{file}: is a file that cannot be made again, such as a key or a batch. Choose another name.")
    try:
        replace(file, data, mode=0o644)  # the aggregate is for sharing
    except OSError as error:
        raise FleetError(f"{file}: cannot be written ({error.strerror}). Choose another place.") from error


def _is_precious(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return re.match(rb'\s*\{\s*"schema"\s*:\s*"bewust-(?!fleet/)', stream.read(200)) is not None
    except OSError:
        return False  # writing says what is wrong
