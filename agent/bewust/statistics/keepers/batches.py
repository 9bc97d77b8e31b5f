"""Which sealed reports can be added up together: read, told apart, and refused where they do not fit.

Belongs here: files and the rules of a batch. Not here: opening shares or adding up (sums).
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from bewust.statistics import formats
from bewust.statistics.formats import LINE_LIMIT, ReportError, SplitReport, printable
from bewust.statistics.keepers.keyfile import KeeperError, KeeperKey

MIN_BATCH = 50  # reports; the noise is what protects, this keeps out sums that could only be noise


class Collected(msgspec.Struct):
    """What was found in files. `where` gives the places (file:line) of a report by its id."""

    reports: list[SplitReport] = []
    where: dict[str, str] = {}
    problems: list[str] = []
    duplicates: list[str] = []


def files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield every file of reports once: those named, and every *.ndjson in and below the folders named."""
    seen = set()
    for path in paths:
        for file in sorted(path.rglob("*.ndjson")) if path.is_dir() else [path]:
            if file.resolve() not in seen and not file.is_dir():
                seen.add(file.resolve())
                yield file


def unread(paths: Iterable[Path]) -> list[Path]:
    """Return what lies in the folders and is no *.ndjson: one that was renamed is easily missed."""
    every = (file for path in paths if path.is_dir() for file in path.rglob("*"))
    return sorted(file for file in every if file.suffix != ".ndjson" and file.is_file())


def collect(paths: Iterable[Path]) -> Collected:
    """Read reports of `split` from files and folders. A bad line is a problem and stops nothing.

    A line that is there twice is kept once. Problems and duplicates begin with file:line.
    """
    found = Collected()
    digests: dict[str, str] = {}
    same: dict[object, object] = {}  # reports of a batch share their services and blocks; so does memory
    for place, line in _lines(files(paths), found.problems):
        try:
            report = formats.decode(line)
            if not isinstance(report, SplitReport):
                raise ReportError("is made under local, which needs no keeper")
        except ReportError as error:
            found.problems.append(f"{place}: {printable(error)}")
            continue
        digest = _digest(report)
        if digest in digests:
            found.duplicates.append(f"{place}: is the report of {digests[digest]} again; counted once")
            continue
        digests[digest] = place
        found.where[report.id] = f"{found.where[report.id]} and {place}" if report.id in found.where else place
        found.reports.append(_shrunk(report, same))
    return found


def _lines(paths: Iterable[Path], problems: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield place and text of every line that is not blank; what cannot be read becomes a problem."""
    for path in paths:
        number = 0
        try:
            with path.open("rb") as file:
                while line := file.readline(LINE_LIMIT + 2):
                    number += 1
                    if line.strip():
                        yield f"{printable(path)}:{number}", line
                    if len(line) > LINE_LIMIT:
                        problems.append(f"{printable(path)}:{number}: the rest of the file was not read")
                        break
        except OSError as error:
            problems.append(f"{printable(path)}:{number}: cannot be read ({error.strerror})")
        else:
            if not number:
                problems.append(f"{printable(path)}:0: is empty")


def _shrunk(report: SplitReport, same: dict[object, object]) -> SplitReport:
    parts = {"services": report.services, "blocks": report.blocks}
    kept = {name: same.setdefault((name, str(part)), part) for name, part in parts.items()}
    return msgspec.structs.replace(report, **kept)


def choose(batch: Collected, key: KeeperKey, period: str | None = None, minimum: int = MIN_BATCH) -> list[SplitReport]:
    """Return the reports that can be added up together. Raises KeeperError for the first rule they break."""
    found = [report for report in batch.reports if period in (None, report.period)]
    if not found:
        raise KeeperError(f"no report{f' of {period}' if period else ''} was found. Name files or folders with them.")
    _one(batch, found, "periods", lambda report: report.period, "Choose one with --period.")
    for report_id, times in Counter(report.id for report in found).items():
        if times > 1:
            places = batch.where.get(report_id, report_id)
            raise KeeperError(f"{places}: different reports have one id. Ask who collected them; one is no original.")
    remedy = "They cannot be added up together: put the others in a folder of their own."
    _one(batch, found, "lists of services", lambda report: report.domain, remedy)
    _one(batch, found, "epsilons", lambda report: " ".join(b.epsilon for b in report.blocks.values()), remedy)
    _one(batch, found, "pairs of keepers", lambda report: " ".join(report.keepers), remedy)
    one, other = found[0].keepers
    if key.id not in (one, other) or one == other:
        raise KeeperError(
            f"the reports are sealed to the keys {one[:40]!r} and {other[:40]!r}, and this key is {key.id}. "
            "Use the key that was in policy.toml when they were made."
        )
    if len(found) < minimum:
        raise KeeperError(f"{len(found)} reports are fewer than {minimum}. Wait for more.")
    return found


def _one(batch: Collected, found: list[SplitReport], what: str, of: Callable[[SplitReport], str], remedy: str) -> None:
    """Refuse reports that differ in something, and name one place of each."""
    first = {of(report): batch.where.get(report.id, report.id) for report in reversed(found)}
    if len(first) > 1:
        counts = Counter(map(of, found)).most_common(4)
        listed = "; ".join(f"{value[:80]!r} in {n}, such as {first[value]}" for value, n in counts)
        raise KeeperError(f"the reports have {len(first)} {what}: {listed}. {remedy}")


def manifest(chosen: Iterable[SplitReport]) -> str:
    """Return what two keepers compare to know that they have the same reports."""
    return hashlib.sha256("".join(sorted(map(_digest, chosen))).encode()).hexdigest()


def _digest(report: SplitReport) -> str:
    return hashlib.sha256(formats.encode(report).encode()).hexdigest()
