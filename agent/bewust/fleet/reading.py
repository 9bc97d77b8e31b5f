"""Folders of reports and opened batches -> validated rows, in Parquet that any engine can read.

Belongs here: which files there are, what of them is valid, what was skipped and why. Not here: what is
estimated from it. A line is valid exactly if `reports.decode` takes it; as reports of one policy and period
differ only in their bits and id, that is asked once for each distinct remainder (a *shape*), not for
each of a hundred thousand lines. Why a line was skipped never holds more than 40 characters of it.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from bewust.errors import BewustError
from bewust.statistics import LocalReport, formats
from bewust.statistics.formats import LINE_LIMIT, Opened, Report, ReportError, printable

NAMED = 1000  # skipped rows that are named; all are counted
NOISIEST = 0.495  # flips above this: each bit would count for more than a hundred workstations
LARGEST = 1e12  # of a number in an opened batch
SHOWN = 500  # files read between two steps of the progress bar
PART = 200_000  # rows a Parquet file
OPENED_LIMIT = 1 << 20  # bytes; an opened batch is under 4 KiB
ROWS = pa.schema([("shape", pa.int64()), ("id", pa.string()), ("bits", pa.string())])

_BLOCK = rb'"bits":"([01]{%d})"'
_VARIABLE = re.compile(
    rb'([^\n]*?)%s([^\n]*?)%s([^\n]*?)%s([^\n]*?)%s\}\},"id":"([0-9a-f]{32})"\}'
    % tuple(_BLOCK % len(cells) for cells in formats.BLOCKS.values())
)
_QUOTED = re.compile(r"(field `|value '?)(.{40}).*?(?=( - at `\$[^`']*`)?\)?$)", re.DOTALL)

type Progress = Callable[[int, int], None]


class FleetError(BewustError, ValueError):
    """Something that stops a report on the fleet: names the file, what is wrong and the remedy."""


class Skipped(msgspec.Struct, frozen=True):
    """A row that was left out: `place` is "file:line", or a file; `why` is one line."""

    place: str
    why: str


class BlockKey(msgspec.Struct, frozen=True):
    """Where a figure belongs: `domain` is the hash of a list of services, `epsilon` that of the block."""

    period: str
    domain: str
    mechanism: str
    block: str
    cell: str
    epsilon: float


class BlockLayout(BlockKey, frozen=True):
    """What the bits of a shape mean: one cell, by its position; `flip` is the probability p of a flip."""

    shape: int
    position: int
    flip: float


class OpenedBatch(BlockKey, frozen=True):
    """One cell of an opened batch: an estimate with the variance of its noise."""

    n_reports: int
    estimate: float
    variance: float


class ReportSet(msgspec.Struct):
    """What was found. `folder` has Parquet files of `ROWS`, at least one, also where there is no row."""

    folder: Path
    files: int = 0
    lines: int = 0
    valid: int = 0
    skipped: int = 0
    named: list[Skipped] = []
    layout: list[BlockLayout] = []
    batches: list[OpenedBatch] = []
    opened: dict[str, Opened] = {}  # by manifest: each batch counts once

    def skip(self, place: str, why: str) -> None:
        """Count a row that is left out, and name it as long as there is room."""
        self.skipped += 1
        if len(self.named) < NAMED:
            self.named.append(Skipped(printable(place), printable(why)))


def found(places: Iterable[Path]) -> list[Path]:
    """Return the files of reports in folders (*.ndjson, *.json, at any depth), sorted; a file stands for itself."""
    result: list[Path] = []
    for place in places:
        if not place.is_dir():
            result.append(place)
            continue
        for folder, _, names in os.walk(place):
            result += [Path(folder, name) for name in names if name.endswith((".ndjson", ".json"))]
    return sorted(set(result), key=str)  # paths themselves compare slowly, and there are as many as workstations


def read(files: Sequence[Path], scratch: Path, progress: Progress = lambda done, total: None) -> ReportSet:
    """Read and validate all files; rows go to Parquet files in the folder `scratch`.

    `progress` is told how many of all files are done. A file that cannot be read is skipped and named.
    """
    result = ReportSet(scratch)
    rows = _Rows(result)
    for number, file in enumerate(files):
        if not number % SHOWN:
            progress(number, len(files))
        result.files += 1
        try:
            with file.open("rb") as stream:
                if file.suffix == ".json":
                    _read_opened(stream, str(file), result)
                else:
                    _read_lines(stream, str(file), rows)
        except OSError as error:
            result.skip(str(file), f"cannot be read ({error.strerror})")
    rows.close()
    progress(len(files), len(files))
    return result


class _Rows:
    """Valid rows on their way into Parquet, and the shapes seen so far."""

    def __init__(self, result: ReportSet) -> None:
        self.result = result
        self._parts = 0
        self._shapes: dict[tuple[bytes, ...], int] = {}
        self._refused: dict[tuple[bytes, ...], str] = {}
        self._columns: tuple[list[int], list[bytes], list[bytes]] = ([], [], [])

    def add(self, line: bytes, place: Callable[[], str]) -> None:
        """Take one line; `place` says where it is, should that be asked."""
        self.result.lines += 1
        match = _VARIABLE.fullmatch(line)
        if match is None:
            self.result.skip(place(), why_not(line))
            return
        one, first, two, second, three, third, four, fourth, key = match.groups()
        shape = self._shape((one, two, three, four), line)
        if isinstance(shape, str):
            self.result.skip(place(), shape)
            return
        shapes, ids, bits = self._columns
        shapes.append(shape)
        ids.append(key)
        bits.append(first + second + third + fourth)
        self.result.valid += 1
        if len(shapes) >= PART:
            self._flush()

    def _shape(self, key: tuple[bytes, ...], line: bytes) -> int | str:
        """Return the number of a shape, or why it is none."""
        known = self._shapes.get(key, self._refused.get(key))
        if known is not None:
            return known
        try:
            layout = _layout(len(self._shapes), formats.decode(line))
        except ReportError as error:
            if len(self._refused) < NAMED:  # a flood of odd lines must not fill the memory
                self._refused[key] = cut(str(error))
            return cut(str(error))
        if len(self._shapes) >= NAMED:
            raise FleetError(f"more than {NAMED} kinds of reports: give fewer periods or policies at once")
        self.result.layout += layout
        return self._shapes.setdefault(key, len(self._shapes))

    def _flush(self) -> None:
        shapes, ids, bits = self._columns
        arrays = [
            pa.array(shapes, pa.int64()),
            *(pa.array(each, pa.binary()).cast(pa.string()) for each in (ids, bits)),
        ]
        pq.write_table(pa.Table.from_arrays(arrays, schema=ROWS), self.result.folder / f"rows-{self._parts:05}.parquet")
        self._parts += 1
        self._columns = ([], [], [])

    def close(self) -> None:
        """Write what is left; one file at least, so that an engine has something to read."""
        if self._columns[0] or not self._parts:
            self._flush()


def _read_lines(stream: BinaryIO, name: str, rows: _Rows) -> None:
    for number, line in enumerate(_lines(stream), 1):
        text = line.rstrip(b"\r\n")
        if text:
            rows.add(text, lambda number=number: f"{name}:{number}")  # type: ignore[misc]


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield lines, each cut just above the limit: a file of one endless line must not fill the memory."""
    while line := stream.readline(LINE_LIMIT + 2):
        yield line
        while line and not line.endswith(b"\n") and len(line) > LINE_LIMIT:
            line = stream.readline(LINE_LIMIT + 2)


def _read_opened(stream: BinaryIO, name: str, result: ReportSet) -> None:
    data = stream.read(OPENED_LIMIT + 1)
    result.lines += 1
    try:
        if len(data) > OPENED_LIMIT:
            raise ReportError("is larger than 1 MiB")
        batch = formats.decode_opened(data)
        for block in batch.blocks.values():
            if not 0 < block.sd < LARGEST or any(abs(each) > LARGEST for each in block.estimates) or batch.reports < 1:
                raise ReportError("has a number that cannot be")
    except ReportError as error:
        result.skip(name, cut(str(error)))
        return
    known = result.opened.setdefault(batch.manifest, batch)
    if known is not batch:
        same = "is an opened batch that was read already: counted once"
        result.skip(name, same if known == batch else
                    "has other numbers than a batch of the same reports that was read already: one was changed. Ask "
                    "both keepers for their sums")  # fmt: skip
        return
    result.batches += _batch(batch)


def why_not(line: bytes) -> str:
    """Return why a line is no report under `local`, with at most 40 characters of it."""
    try:
        formats.decode(line)
    except ReportError as error:
        return cut(str(error))
    return "is sealed for two keepers: they sum and open it first (bewust keeper sum, bewust keeper open)"


def cut(why: str) -> str:
    """Return a reason with what it quotes of a file cut to 40 characters."""
    return _QUOTED.sub(r"\1\2…", why)


def _layout(shape: int, report: Report) -> list[BlockLayout]:
    if not isinstance(report, LocalReport):
        raise ReportError("has bits that are not randomised")
    position, result = 0, []
    for block, cells in formats.report_cells(report.services).items():
        sealed = report.blocks[block]
        epsilon, flip = (float(Fraction(text)) for text in (sealed.epsilon, sealed.flip))
        if flip > NOISIEST:
            raise ReportError(
                f"block {block} has flip {sealed.flip[:40]!r}: so much noise that one report outweighs all"
            )
        for cell in cells:
            result.append(
                BlockLayout(report.period, report.domain, report.mechanism, block, cell, epsilon, shape, position, flip)
            )
            position += 1
    return [each for each in result if each.cell]  # a cell beyond the listed services means nothing


def _batch(batch: Opened) -> list[OpenedBatch]:
    result = []
    for block, cells in formats.report_cells(batch.services).items():
        opened = batch.blocks[block]
        for cell, estimate in zip(cells, opened.estimates, strict=True):
            if cell:
                epsilon = float(Fraction(opened.epsilon))
                result.append(
                    OpenedBatch(
                        batch.period,
                        batch.domain,
                        batch.mechanism,
                        block,
                        cell,
                        epsilon,
                        batch.reports,
                        float(estimate),
                        opened.sd**2,
                    )
                )
    return result
