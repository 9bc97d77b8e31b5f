"""How well recordings are recognised: `make evaluate CAPTURES=DIR` prints a confusion table per context.

DIR holds a manifest.tsv with the columns file, label, service, method and url (others are passed
over) and what it names: saved pages (.html, with their url), HARs (.har) and cases (.jsonl, one
request and response a line), each plain or gzipped. A label `positive`, `use` or `translate` must
be a use, of that service where one is named (by our id or one of its aliases); `negative` and
`shell` must not; the lines of a .jsonl carry labels of their own.
"""

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from bewust.cli.inspect import RecordingInspector
from bewust.detection import recordings
from bewust.detection.recordings import Exchange, RecordingError
from bewust.detection.requests import observe
from bewust.model import Detection, Level

WANTED = {"positive", "use", "translate"}
UNWANTED = {"negative", "shell"}


class EvaluationError(ValueError):
    """The folder cannot be evaluated: names the file, says why and what to do."""


class Case(msgspec.Struct, frozen=True):
    """One thing to recognise, or not: `name` for people, `service` "" where none is named."""

    name: str
    label: str
    service: str
    exchanges: tuple[Exchange, ...]


class Result(msgspec.Struct, frozen=True):
    """What came of a case; `context` is that of the service, "other" for what should be none."""

    case: Case
    context: str
    found: Detection | None
    right: bool

    @property
    def cell(self) -> str:
        """The cell of the confusion table."""
        wanted = self.case.label in WANTED
        return ("found" if self.right else "missed") if wanted else ("passed over" if self.right else "false alarm")


def cases(folder: Path) -> Iterator[Case]:
    """Yield what the manifest names. Raises EvaluationError."""
    file = folder / "manifest.tsv"
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            table = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"{file}: cannot be read ({error}). Name a folder with a manifest.") from error
    for number, row in enumerate(table, 2):
        if missing := [name for name in ("file", "label", "url") if row.get(name) is None]:
            raise EvaluationError(f"{file}: line {number}: has no {missing[0]}. Separate columns by tabs.")
        yield from _cases(folder / row["file"], {name: value or "" for name, value in row.items() if name})


def _cases(path: Path, row: dict[str, str]) -> Iterator[Case]:
    kind = "".join(path.suffixes[-2:]).removesuffix(".gz").rpartition(".")[2]
    try:
        if kind == "jsonl":
            yield from _lines(path)
        elif row["label"] not in WANTED | UNWANTED:
            raise EvaluationError(f"{path}: label {row['label']!r} is none. Use positive, negative or shell.")
        elif kind == "har":
            yield Case(path.name, row["label"], row.get("service", ""), tuple(RecordingInspector.read(path, None)))
        else:
            yield Case(
                path.name, row["label"], row.get("service", ""), tuple(RecordingInspector.read(path, row["url"]))
            )
    except RecordingError as error:
        raise EvaluationError(str(error)) from error


def _lines(path: Path) -> Iterator[Case]:
    for number, line in enumerate(recordings.contents(path).splitlines(), 1):
        try:
            row = json.loads(line)
            yield Case(f"{path.name}:{number}", row["label"], row.get("service", ""), (_exchange(row),))
        except (ValueError, KeyError, TypeError) as error:
            raise EvaluationError(f"{path}: line {number}: is no case ({error!r}). Mend or remove it.") from error


def _exchange(row: dict[str, Any]) -> Exchange:
    sent, body = (str(row.get(key) or "").encode() for key in ("request_body", "response_body"))
    seen = observe(row["method"], row["url"], [("content-type", str(row.get("request_content_type") or ""))])
    socket = seen.websocket
    return Exchange(
        0, seen, type=str(row.get("response_content_type") or "").partition(";")[0].strip().lower(), status=200,
        body=b"" if socket else body, sent=b"" if socket else sent,
        frames=((True, sent), (False, body)) if socket else (),
    )  # fmt: skip


def judge(bench: RecordingInspector, case: Case) -> Result:
    """Return what the detection makes of a case."""
    uses = [found for exchange in case.exchanges if (found := bench.examine(exchange)) and found.level is Level.USE]
    services = bench.matcher.services
    if case.label not in WANTED:
        context = services[uses[0].service].context.value if uses else "other"
        return Result(case, context, uses[0] if uses else None, not uses)
    meant = [s for s in services.values() if case.service in (s.id, *s.aliases)]
    context = meant[0].context.value if meant else "unknown"
    right = [found for found in uses if not case.service or not meant or services[found.service] in meant]
    return Result(case, context, next(iter(right or uses), None), bool(right))


def confusion(results: list[Result]) -> Table:
    """Return the table, a row a context."""
    table = Table("context", "found", "missed", "passed over", "false alarm")
    for context in sorted({result.context for result in results}):
        here = [result.cell for result in results if result.context == context]
        table.add_row(context, *(str(here.count(str(column.header)) or "") for column in table.columns[1:]))
    return table


def main(arguments: list[str]) -> int:
    """Print the table and each error; 0 where there is none, 1 where there is, 2 for a bad folder."""
    if len(arguments) != 1:
        print("Name a folder of recordings: make evaluate CAPTURES=DIR", file=sys.stderr)
        return 2
    bench = RecordingInspector.load(None, None)
    try:
        results = [judge(bench, case) for case in cases(Path(arguments[0]))]
    except EvaluationError as error:
        print(error, file=sys.stderr)
        return 2
    Console(width=100).print(confusion(results))
    for result in results:
        if not result.right:
            found = f"{result.found.service}/{result.found.signature}" if result.found else "nothing"
            print(f"{result.cell}: {result.case.name} ({result.case.service or 'no service'}): {found}")
    wrong = sum(not result.right for result in results)
    print(f"{len(results)} cases, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
