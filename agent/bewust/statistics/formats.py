"""The formats that leave a workstation and that keepers pass on: one line or file each, checked when read.

Belongs here: what a report, a sum and an opened batch look like, and that they hold nothing else.
Not here: how a report is made private (randomise), shared between keepers (secret_sharing), or added up (fleet).
docs/privacy.md explains every key.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import isfinite, log
from typing import Literal

import msgspec

from bewust.errors import BewustError

SERVICES = 24  # at most named in a release; one cell more is for all others
OTHER = "other"
BLOCKS: Mapping[str, tuple[str, ...]] = {
    "any": ("any",),
    "service": (*(f"service {n}" for n in range(SERVICES)), OTHER),
    "internal": ("internal",),
    "reminder": ("reminded",),
}
BOUNDS: Mapping[str, int] = {"any": 1, "service": 3, "internal": 1, "reminder": 1}  # ones a block may have
WIDTH = sum(len(cells) for cells in BLOCKS.values())  # bits of a whole presence vector
LINE_LIMIT = 1 << 14  # bytes; a report is under 4 KiB

_PERIOD = re.compile(r"2[0-9]{3}-(?:P(?:0[1-9]|1[0-4])|W(?:0[1-9]|[1-4][0-9]|5[0-3]))")
_HEX = re.compile(r"[0-9a-f]+")
_SERVICE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_NUMBER = re.compile(r"[0-9]{1,20}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_FRACTION = re.compile(r"[1-9][0-9]{0,18}/[1-9][0-9]{0,18}")


class ReportError(BewustError, ValueError):
    """A line or a file that is no report, sum or opened batch: says what is wrong with it."""


class Randomised(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One block under `local`: each of `bits` was flipped with the exact probability `flip`."""

    epsilon: str
    flip: str
    bits: str


class Shared(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One block under `split`: its bits are in the shares."""

    epsilon: str


class LocalReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What leaves a workstation for a period under `local`."""

    schema: Literal["bewust-report/1"]
    period: str
    mechanism: Literal["local"]
    domain: str
    services: tuple[str, ...]
    blocks: Mapping[str, Randomised]
    id: str


class SplitReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What leaves a workstation for a period under `split`: two shares, each sealed to one keeper."""

    schema: Literal["bewust-report/1"]
    period: str
    mechanism: Literal["split"]
    domain: str
    services: tuple[str, ...]
    blocks: Mapping[str, Shared]
    keepers: tuple[str, str]
    shares: tuple[str, str]
    id: str


type Report = LocalReport | SplitReport


class SumBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much noise a keeper added to each cell of a block: discrete Laplace of this scale."""

    epsilon: str
    scale: str


class Sum(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One keeper's sum over a batch, noise included; alone it says nothing, being uniform."""

    schema: Literal["bewust-sum/1"]
    keeper: str
    name: str
    period: str
    domain: str
    services: tuple[str, ...]
    blocks: Mapping[str, SumBlock]
    reports: int
    manifest: str
    sum: tuple[str, ...]


class OpenedBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Estimates of how many workstations have each cell, with the standard deviation of the noise."""

    epsilon: str
    estimates: tuple[int, ...]
    sd: float


class Opened(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A batch after both keepers' sums were put together: all that is ever known of it."""

    schema: Literal["bewust-opened/1"]
    period: str
    mechanism: Literal["split"]
    domain: str
    services: tuple[str, ...]
    reports: int
    manifest: str
    blocks: Mapping[str, OpenedBlock]


class _Which(msgspec.Struct):
    schema: str = ""
    mechanism: str = ""


def encode(value: msgspec.Struct) -> str:
    """Return a value as one line of ASCII JSON: keys in their order, no blanks, no newline."""
    return msgspec.json.encode(value).decode("ascii")


def decode(line: str | bytes) -> Report:
    """Return the report in a line, with or without its newline. Raises ReportError."""
    data = line.encode("utf-8", "replace") if isinstance(line, str) else line
    if len(data) > LINE_LIMIT:
        raise ReportError(f"is longer than {LINE_LIMIT} bytes")
    kinds: dict[tuple[str, str], type[LocalReport] | type[SplitReport]] = {
        ("bewust-report/1", "local"): LocalReport,
        ("bewust-report/1", "split"): SplitReport,
    }
    try:
        which = msgspec.json.decode(data, type=_Which)
        kind = kinds.get((which.schema, which.mechanism))
        if kind is None:
            raise ReportError(f"is no report (schema {which.schema[:40]!r}, mechanism {which.mechanism[:40]!r})")
        report: Report = msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ReportError(f"is no report ({error})") from error
    _check_header(report.period, report.domain, report.services, report.blocks)
    if not (_HEX.fullmatch(report.id) and len(report.id) == 32):
        raise ReportError("has no usable id")
    if isinstance(report, SplitReport):
        _check_sealed(report)
    else:
        for name, block in report.blocks.items():
            _check_randomised(name, block)
    if encode(report).encode() != data.rstrip(b"\r\n"):
        raise ReportError("is not written as Bewust writes it")
    return report


def _check_randomised(name: str, block: Randomised) -> None:
    if len(block.bits) != len(BLOCKS[name]) or set(block.bits) - {"0", "1"}:
        raise ReportError(f"block {name} has not {len(BLOCKS[name])} bits")
    if not _FRACTION.fullmatch(block.flip) or not 0 < (flip := Fraction(block.flip)) < Fraction(1, 2):
        raise ReportError(f"block {name} has flip {block.flip[:40]!r}, which is no probability below one half")
    # Each bit that differs multiplies the odds.
    if differing(name) * log(1 / flip - 1) > Fraction(block.epsilon) + Fraction(1, 10**6):
        raise ReportError(f"block {name} claims epsilon {block.epsilon}, which its flip {block.flip} does not give")


def _check_sealed(report: SplitReport) -> None:
    if not all(_HEX.fullmatch(keeper) and len(keeper) == 16 for keeper in report.keepers):
        raise ReportError("names keepers that are none")
    if not all(_BASE64.fullmatch(share) for share in report.shares):
        raise ReportError("has shares that are no base64")


def _check_header(period: str, domain: str, services: Sequence[str], blocks: Mapping[str, msgspec.Struct]) -> None:
    if not _PERIOD.fullmatch(period):
        raise ReportError(f"has period {period[:40]!r}, which is none")
    if len(services) > SERVICES or len(set(services)) < len(services) or not all(map(_SERVICE.fullmatch, services)):
        raise ReportError(f"does not name at most {SERVICES} different services")
    if domain != domain_of(services):
        raise ReportError(f"has domain {domain[:40]!r}, which is not that of its services")
    if tuple(blocks) != tuple(BLOCKS):
        raise ReportError(f"has not the blocks {', '.join(BLOCKS)}")
    for name, block in blocks.items():
        epsilon = getattr(block, "epsilon", "")
        if not _FRACTION.fullmatch(epsilon):
            raise ReportError(f"block {name} has epsilon {epsilon[:40]!r}, which is no fraction")


def decode_sum(data: bytes) -> Sum:
    """Return a keeper's sum. Raises ReportError."""
    try:
        found = msgspec.json.decode(data, type=Sum)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ReportError(f"is no sum of a keeper ({error})") from error
    _check_header(found.period, found.domain, found.services, found.blocks)
    if len(found.sum) != WIDTH or not all(_NUMBER.fullmatch(text) and int(text) < 1 << 64 for text in found.sum):
        raise ReportError(f"has not {WIDTH} sums")
    if not (_HEX.fullmatch(found.keeper) and len(found.keeper) == 16 and found.name.isprintable()):
        raise ReportError("is of no keeper")
    for name, block in found.blocks.items():
        if not _FRACTION.fullmatch(block.scale):
            raise ReportError(f"block {name} has scale {block.scale[:40]!r}, which is no fraction")
    _check_batch(found.reports, found.manifest)
    return found


def decode_opened(data: bytes) -> Opened:
    """Return an opened batch. Raises ReportError."""
    try:
        found = msgspec.json.decode(data, type=Opened)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ReportError(f"is no opened batch ({error})") from error
    _check_header(found.period, found.domain, found.services, found.blocks)
    for name, block in found.blocks.items():
        if len(block.estimates) != len(BLOCKS[name]):
            raise ReportError(f"block {name} has not {len(BLOCKS[name])} estimates")
        if not (isfinite(block.sd) and block.sd >= 0):
            raise ReportError(f"block {name} has a deviation that is none")
    _check_batch(found.reports, found.manifest)
    return found


def _check_batch(count: int, manifest: str) -> None:
    if count < 0 or not (_HEX.fullmatch(manifest) and len(manifest) == 64):
        raise ReportError("says of no batch how large it is and which reports are in it")


def differing(block: str) -> int:
    """Return in how many bits of a block two vectors within its bound can differ."""
    return min(2 * BOUNDS[block], len(BLOCKS[block]))


def blocks_of(vector: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """Return the WIDTH values of a vector by block, in the order of BLOCKS."""
    found, start = {}, 0
    for name, cells in BLOCKS.items():
        found[name] = tuple(vector[start : start + len(cells)])
        start += len(cells)
    return found


def printable(text: object) -> str:
    """Return a text on one line that cannot steer a terminal: reports come from elsewhere."""
    return "".join(character if character.isprintable() else "?" for character in str(text))


def domain_of(services: Iterable[str]) -> str:
    """Return the id of a closed list of services: 12 hex digits that change with the list."""
    return hashlib.sha256("\n".join(services).encode()).hexdigest()[:12]


def report_cells(services: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the names of the cells of each block; a cell beyond the listed services is named ""."""
    padded = (*services, *[""] * (SERVICES - len(services)), OTHER)
    return {**BLOCKS, "service": padded}


def header(report: SplitReport) -> bytes:
    """Return what both shares are bound to: the report without them."""
    fields = {name: getattr(report, name) for name in report.__struct_fields__ if name != "shares"}
    return msgspec.json.encode(fields)
