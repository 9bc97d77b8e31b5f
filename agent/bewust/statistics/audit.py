"""`bewust prove`: everything on disk, looked at for what should not be there; what a works council runs.

Belongs here: the receipt and the findings. The strongest check is the simplest: the store is built
anew from its own rows, and the file must be that, byte for byte. So nothing can hide in a free page,
a deleted row or an order of writing.
"""

import getpass
import json
import re
import socket
import sqlite3
import tempfile
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from bewust.catalogue import editions
from bewust.model import Kind, SavedUserState
from bewust.state_files import CATALOGUE, LOCK, LOGIN, OTHERS, RUN, STORE
from bewust.statistics import formats, storage
from bewust.statistics.formats import ReportError
from bewust.statistics.storage import Contents, StoreError

ROW_MEANINGS = {
    "counter": {
        "period": "a week or four weeks", "service": "a service of the catalogue", "kind": f"one of {len(Kind)} kinds",
        "n": f"how often, plus {storage.BASE} so that every number is equally wide",
    },
    "held": {
        "period": "a week or four weeks", "reason": "why a reminder was kept back",
        "n": f"how often in all, plus {storage.BASE}",
    },
    "domain": {
        "period": "a period that is not over", "place": "an order", "service": "a service its report will name",
    },
    "sealed": {"period": "a period that is over", "line": "the report that leaves, as it leaves"},
    "ledger": {
        "period": "a period that is over", "block": "a part of its report", "epsilon": "the privacy it cost",
    },
}  # fmt: skip
# What would say who, where or when. Names of people and machines are looked for as they are here.
_TELLING = {
    "an e-mail address": re.compile(rb"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+"),
    "an address on the web": re.compile(rb"https?://[^\s\"']+", re.IGNORECASE),
    "an IP address": re.compile(rb"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])"),
    "a hardware address": re.compile(rb"(?<![0-9a-f:])(?:[0-9a-f]{2}:){5}[0-9a-f]{2}(?![0-9a-f:])", re.IGNORECASE),
    "a UUID": re.compile(rb"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE),
    "a time": re.compile(rb"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}"),
}
_CHANGING = (slice(24, 28), slice(92, 100))  # SQLite's own counter and version, in the header of the file


class Row(msgspec.Struct, frozen=True):
    """One line of the receipt: what there is, how many rows, what it means."""

    what: str
    rows: int
    meaning: str


class Proof(msgspec.Struct, frozen=True):
    """What was found: the receipt, and what should not be there."""

    receipt: tuple[Row, ...]
    findings: tuple[str, ...]


def audit_state(state: Path, services: Collection[str], exports: Path | None = None) -> Proof:
    """Look through the state folder and, where there is one, the folder of exports."""
    receipt: list[Row] = []
    findings: list[str] = []
    if (state / STORE).exists():
        kept, wrong = _store(state / STORE, services)
        receipt += _receipt(kept)
        findings += wrong
    for path in sorted(state.iterdir()) if state.is_dir() else ():
        if path.name in OTHERS:
            receipt.append(Row(path.name, sum(p.is_file() for p in [path, *path.rglob("*")]), OTHERS[path.name]))
            findings += _CHECKS[path.name](path) if path.name in _CHECKS else []
        elif path.name != STORE:
            findings.append(f"{path}: nothing of Bewust's is called so. Look at it and remove it.")
    if exports is not None and exports.is_dir():
        files = sorted(exports.glob("bewust-*"))
        receipt.append(Row(str(exports), len(files), "reports as they left"))
        findings += [finding for path in files for finding in _exported(path)]
    return Proof(tuple(receipt), tuple(findings))


def _store(path: Path, services: Collection[str]) -> tuple[Contents, list[str]]:
    try:
        kept = storage.contents(path)
    except StoreError as error:
        return Contents(), [str(error)]
    strange = {key.service for key in kept.counts} - set(services)
    findings = [f"{path}: service {service!r} is not in the catalogue" for service in sorted(strange)]
    with tempfile.TemporaryDirectory(prefix="bewust-") as folder:
        again = Path(folder) / STORE
        storage.build(kept, again)
        if _steady(path.read_bytes()) != _steady(again.read_bytes()):
            findings.append(f"{path}: is not what its rows make: {_more(path, again)}. Ask who wrote to it.")
    findings += _names(path)
    for left in sorted(path.parent.glob(f"{path.name}-*")):
        findings.append(f"{left}: a journal of single events. Remove it.")
    return kept, findings


def _steady(data: bytes) -> bytes:
    steady = bytearray(data)
    for part in _CHANGING:
        steady[part] = bytes(part.stop - part.start)
    return bytes(steady)


def _more(path: Path, again: Path) -> str:
    """Say where two databases differ: in their tables, their free pages or their bytes."""
    seen = []
    for file in (path, again):
        with closing(sqlite3.connect(file)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
            seen.append((tables, database.execute("PRAGMA freelist_count").fetchone()[0]))
    (tables, free), (ours, _) = seen
    if tables != ours:
        return f"also {', '.join(sorted(tables - ours)) or 'fewer tables'}"
    return f"{free} free pages" if free else "the same tables with other bytes"


def _receipt(kept: Contents) -> Iterator[Row]:
    sizes = {"counter": len(kept.counts), "held": len(kept.held), "domain": sum(map(len, kept.domains.values())),
             "sealed": len(kept.sealed), "ledger": len(kept.ledger)}  # fmt: skip
    for table, columns in ROW_MEANINGS.items():
        for column, meaning in columns.items():
            yield Row(f"{table}.{column}", sizes[table], meaning)


def _run_file(path: Path) -> list[str]:
    try:
        keys = set(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        keys = set()
    return [] if keys == {"port", "token", "pid"} else [f"{path}: holds something else than port, token and pid"]


def _login_file(path: Path) -> list[str]:
    try:
        msgspec.json.decode(path.read_bytes(), type=SavedUserState)
    except (OSError, ValueError):
        return [f"{path}: holds something else than kinds of use and days. Remove it."]
    return []


def _exported(path: Path) -> list[str]:
    findings = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            formats.decode(line)
        except ReportError as error:
            findings.append(f"{path}: line {number}: {error}")
    return findings


def _names(path: Path) -> list[str]:
    data = path.read_bytes()
    found = [f"{path}: looks like {what} in it" for what, pattern in _TELLING.items() if pattern.search(data)]
    for what, name in (("login", _login()), ("machine", socket.gethostname())):
        if len(name) > 3 and re.search(rb"(?<![A-Za-z0-9-])" + re.escape(name.encode()) + rb"(?![A-Za-z0-9-])", data):
            found.append(f"{path}: has the name of this {what} in it")
    return found


_CHECKS = {LOCK: _names, RUN: _run_file, LOGIN: _login_file, CATALOGUE: editions.unexpected_files}


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an account without a name
        return ""
