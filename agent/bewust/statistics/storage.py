"""Counters and sealed reports in SQLite; the only room that imports sqlite_utils.

They live in memory. A flush writes the whole database to a new file and puts that in the
place of the old one, so that a crash loses at most what came after the last flush, never leaves a
half-written file, and no journal of single events ever exists on disk.
"""

import contextlib
import os
import re
import sqlite3
import sys
import threading
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bewust.errors import CANNOT_START, BewustError
from bewust.model import HeldReason, Kind
from bewust.state_files import STORE
from bewust.statistics import formats
from bewust.statistics.counters import Key, SuppressionKey, holds, period_start


@contextlib.contextmanager
def _without(*names: str) -> Iterator[None]:
    """Within it, importing one of `names` fails as where it is not installed; what is loaded already stays."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


with _without("pandas", "numpy"):  # it takes them where they are: 70 MB and four seconds that nobody here uses
    import sqlite_utils

SCHEMA = 3  # the first that was released; kept in SQLite's own user_version: a migrations table would hold times
MOST = 9_999  # a counter stops here
BASE = 10_000  # added on disk, so that every number has one width and none moves another in the file

_PERIOD = re.compile(r"[0-9]{4}-[WP][0-9]{2}")
_SERVICE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_TABLES = {
    "counter": f"""CREATE TABLE counter(period TEXT NOT NULL, service TEXT NOT NULL, kind TEXT NOT NULL,
        n INTEGER NOT NULL CHECK(n BETWEEN {BASE} AND {BASE + MOST}),
        PRIMARY KEY(period, service, kind)) STRICT, WITHOUT ROWID""",
    "held": f"""CREATE TABLE held(period TEXT NOT NULL, reason TEXT NOT NULL,
        n INTEGER NOT NULL CHECK(n BETWEEN {BASE} AND {BASE + MOST}),
        PRIMARY KEY(period, reason)) STRICT, WITHOUT ROWID""",
    "domain": """CREATE TABLE domain(period TEXT NOT NULL, place INTEGER NOT NULL, service TEXT NOT NULL,
        PRIMARY KEY(period, place)) STRICT, WITHOUT ROWID""",
    "sealed": """CREATE TABLE sealed(period TEXT PRIMARY KEY, line TEXT NOT NULL) STRICT, WITHOUT ROWID""",
    "ledger": """CREATE TABLE ledger(period TEXT NOT NULL, block TEXT NOT NULL, epsilon TEXT NOT NULL,
        PRIMARY KEY(period, block)) STRICT, WITHOUT ROWID""",
}
_VIEW = f"CREATE VIEW counts AS SELECT period, service, kind, n - {BASE} AS n FROM counter WHERE n > {BASE}"


class StoreError(BewustError, RuntimeError):
    """The file on disk cannot be used: names it, says why and what to do."""

    exit_code = CANNOT_START


class Contents(msgspec.Struct, frozen=True):
    """All that is kept.

    `counts` are the cells of the current period, `held` why reminders were held back in it.
    `domains` are the services a period's release names,
    frozen when it opened. `sealed` are the reports of past periods, byte for byte. `ledger` is the
    privacy budget they spent, a fraction for each period and block.
    """

    counts: Mapping[Key, int] = {}
    domains: Mapping[str, tuple[str, ...]] = {}
    sealed: Mapping[str, str] = {}
    ledger: Mapping[tuple[str, str], str] = {}
    held: Mapping[SuppressionKey, int] = {}


class Snapshot(NamedTuple):
    """All that was kept at one moment; a later one has a higher number."""

    number: int
    contents: Contents


class Store:
    """What one machine keeps; all changes are memory only, `flush` replaces the file."""

    def __init__(self, folder: Path, cells: Iterable[Key]) -> None:
        self.path = folder / STORE
        self.problem: str | None = None
        self._writing = threading.Lock()  # the last flush may begin while a timed one still writes
        self._taken = self._written = 0
        found = contents(self.path) if self.path.exists() else Contents()
        self._counts, self._held = dict(found.counts), dict(found.held)
        self._domains, self._sealed, self._ledger = dict(found.domains), dict(found.sealed), dict(found.ledger)
        self.open_period(cells)

    def open_period(self, cells: Iterable[Key], services: Sequence[str] = ()) -> None:
        """Make sure every cell of a period is there, so that an empty one does not stand out.

        `services` are what its release names; those of a period that is open already stay.
        """
        opened = list(cells)
        self._counts = dict.fromkeys(opened, 0) | self._counts
        for period in {key.period for key in opened}:
            self._held = dict.fromkeys(holds(period), 0) | self._held
            if services:
                self._domains.setdefault(period, tuple(services))

    def add(self, keys: Iterable[Key | SuppressionKey]) -> None:
        """Add one to each counter; a key outside the opened cells is a bug and raises KeyError."""
        for key in keys:
            if isinstance(key, SuppressionKey):
                self._held[key] = min(self._held[key] + 1, MOST)
            else:
                self._counts[key] = min(self._counts[key] + 1, MOST)

    def close_period(self, period: str, line: str | None, spent: Mapping[str, str]) -> None:
        """Put a report in the place of a period's counters; None where none may be made.

        One change of memory, and so one replacement of the file: there is never a report beside the
        counters it was made of, and never neither. A period that has a report keeps it.
        """
        if line is not None and period not in self._sealed:
            self._sealed[period] = line
            self._ledger |= {(period, block): epsilon for block, epsilon in spent.items()}
        self.drop_open_period(period)

    def drop_open_period(self, period: str) -> None:
        """Delete a period's counters."""
        self._counts = {key: n for key, n in self._counts.items() if key.period != period}
        self._held = {key: n for key, n in self._held.items() if key.period != period}
        self._domains.pop(period, None)

    def clear(self) -> None:
        """Set every counter to zero: what the file then holds tells no more than a new one does."""
        self._counts, self._held = dict.fromkeys(self._counts, 0), dict.fromkeys(self._held, 0)

    def retain(self, sealed: Container[str], years: Container[str]) -> None:
        """Keep only the reports of these periods and the budget of these years ("2026")."""
        self._sealed = {period: line for period, line in self._sealed.items() if period in sealed}
        self._ledger = {key: epsilon for key, epsilon in self._ledger.items() if key[0][:4] in years}

    def contents(self) -> Contents:
        """Return all that is kept now, each part sorted."""
        return Contents(
            dict(sorted(self._counts.items())),
            dict(sorted(self._domains.items())),
            dict(sorted(self._sealed.items())),
            dict(sorted(self._ledger.items())),
            dict(sorted(self._held.items())),
        )

    def counts(self) -> Mapping[Key, int]:
        """Return every counter, sorted."""
        return self.contents().counts

    def snapshot(self) -> Snapshot:
        """Return all that is kept now, for `write`. Call it where the store is changed, never in another thread."""
        self._taken += 1
        return Snapshot(self._taken, self.contents())

    def flush(self) -> None:
        """Write everything to disk; where that fails it stays in memory and `problem` says why."""
        self.write(self.snapshot())

    def write(self, taken: Snapshot) -> None:
        """Write a snapshot to disk, in any thread, unless a newer one was written meanwhile."""
        fresh = self.path.with_suffix(".new")
        with self._writing:
            if taken.number < self._written:
                return
            try:
                build(taken.contents, fresh)
                os.replace(fresh, self.path)
            except (OSError, sqlite3.Error) as error:
                with contextlib.suppress(OSError):
                    fresh.unlink()
                self.problem = f"{self.path}: not written ({error}). Make room, or make the folder writable."
            else:
                self.problem, self._written = None, taken.number


def build(kept: Contents, fresh: Path) -> None:
    """Write a new file with all that is kept: nothing in it depends on how that came about.

    Raises OSError and sqlite3.Error.
    """
    database = sqlite_utils.Database(memory=True, execute_plugins=False)
    try:
        for table, rows in _rows(kept).items():
            database.execute(_TABLES[table])
            database.conn.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * _WIDTHS[table])})", rows)
        database.execute(_VIEW)
        database.conn.commit()
        database.execute(f"PRAGMA user_version = {SCHEMA}")
        fresh.unlink(missing_ok=True)
        os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        database.execute("VACUUM INTO ?", [str(fresh)])
    finally:
        database.close()
    with fresh.open("r+b") as written:  # Windows syncs only what is open for writing
        os.fsync(written.fileno())
    # The time of the file is that of its period: when it was last written tells when somebody came and went.
    begun = max((period_start(key.period) for key in kept.counts), default=date(2000, 1, 1))
    at = datetime.combine(begun, time(), UTC).timestamp()
    os.utime(fresh, (at, at))


_WIDTHS = {"counter": 4, "held": 3, "domain": 3, "sealed": 2, "ledger": 3}


def _rows(kept: Contents) -> dict[str, list[tuple[str | int, ...]]]:
    return {
        "counter": [(key.period, key.service, key.kind.value, BASE + n) for key, n in kept.counts.items()],
        "held": [(key.period, key.reason, BASE + n) for key, n in kept.held.items()],
        "domain": [(p, place, s) for p, services in kept.domains.items() for place, s in enumerate(services)],
        "sealed": list(kept.sealed.items()),
        "ledger": [(period, block, epsilon) for (period, block), epsilon in kept.ledger.items()],
    }


def read(path: Path) -> Mapping[Key, int]:
    """Return the counters in a file. Raises StoreError for one that is none of ours."""
    return contents(path).counts


def contents(path: Path) -> Contents:
    """Return all that a file keeps. Raises StoreError."""
    remedy = "Move it aside; Bewust starts a new one."
    try:
        # as_uri, because a % or a ? in the folder's name would be read as part of the URI
        database = sqlite_utils.Database(
            sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True), execute_plugins=False
        )
        try:
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version != SCHEMA:
                raise StoreError(f"{path}: has schema {version}, not {SCHEMA}. {remedy}")
            return _contents(database)
        finally:
            database.close()
    except (sqlite3.Error, TypeError, ValueError) as error:
        raise StoreError(f"{path}: is not a store of Bewust ({error}). {remedy}") from error


def _contents(database: sqlite_utils.Database) -> Contents:
    counts = dict(map(_counter, database.query("SELECT period, service, kind, n FROM counter")))
    domains: dict[str, tuple[str, ...]] = {}
    for row in database.query("SELECT period, service FROM domain ORDER BY period, place"):
        domains[_checked(row["period"], row["service"])] = (*domains.get(row["period"], ()), row["service"])
    sealed = {_checked(row["period"]): str(row["line"]) for row in database.query("SELECT period, line FROM sealed")}
    for period, line in sealed.items():
        if formats.decode(line).period != period:
            raise ValueError("a report of another period")
    ledger = {}
    for row in database.query("SELECT period, block, epsilon FROM ledger"):
        Fraction(row["epsilon"])  # ValueError where it is none
        ledger[_checked(row["period"]), str(row["block"])] = str(row["epsilon"])
    held = {}
    for row in database.query("SELECT period, reason, n FROM held"):
        key = SuppressionKey(_checked(row["period"]), msgspec.convert(row["reason"], HeldReason))
        held[key] = _number(row["n"])
    return Contents(counts, domains, sealed, ledger, held)


def _checked(period: str, service: str = "x") -> str:
    if not _PERIOD.fullmatch(period) or not _SERVICE.fullmatch(service):
        raise ValueError("a key that Bewust never writes")
    return period


def _counter(row: Mapping[str, Any]) -> tuple[Key, int]:
    """Return one counter. A service may have left the catalogue since: what was counted is kept."""
    _checked(row["period"], row["service"])
    return Key(row["period"], row["service"], Kind(row["kind"])), _number(row["n"])


def _number(stored: Any) -> int:
    n = int(stored - BASE)
    if not 0 <= n <= MOST:
        raise ValueError("a count that Bewust never writes")
    return n


def move_aside_corrupt(path: Path) -> Path:
    """Move a file that cannot be read out of the way, and return where it went; nothing is lost."""
    for number in range(1, 1000):
        aside = path.with_suffix(f".unreadable-{number}")
        if not aside.exists():
            try:
                os.replace(path, aside)
            except OSError as error:
                raise StoreError(f"{path}: cannot be moved aside ({error.strerror}). Do it by hand.") from error
            return aside
    raise StoreError(f"{path.parent}: holds 999 unreadable stores. Look at them, then remove them.")
