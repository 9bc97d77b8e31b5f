"""Counters in SQLite; the only room that imports sqlite_utils.

The counters live in memory. A flush writes the whole database to a new file and puts that in the
place of the old one, so that a crash loses at most what came after the last flush, never leaves a
half-written file, and no journal of single events ever exists on disk.
"""

import contextlib
import os
import re
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import sqlite_utils

from bewust.counters import Key
from bewust.model import Kind

FILE = "counters.db"
SCHEMA = 1  # kept in SQLite's own user_version: a migrations table would hold times
MOST = 1_000_000  # a counter stops here; far above any person's period


_PERIOD = re.compile(r"[0-9]{4}-[WP][0-9]{2}")
_SERVICE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class StoreError(RuntimeError):
    """The file on disk cannot be used: names it, says why and what to do."""


class Store:
    """The counters of one machine; `add` is memory only, `flush` replaces the file."""

    def __init__(self, folder: Path, cells: Iterable[Key]) -> None:
        self.path = folder / FILE
        self.problem: str | None = None
        self._writing = threading.Lock()  # the last flush may begin while a timed one still writes
        self._counts: dict[Key, int] = dict.fromkeys(cells, 0)
        self._counts |= read(self.path) if self.path.exists() else {}

    def open_period(self, cells: Iterable[Key]) -> None:
        """Make sure every cell of a period is there, so that an empty one does not stand out."""
        for key in cells:
            self._counts.setdefault(key, 0)

    def add(self, keys: Iterable[Key]) -> None:
        """Add one to each counter; a key outside the opened cells is a bug and raises KeyError."""
        for key in keys:
            self._counts[key] = min(self._counts[key] + 1, MOST)

    def counts(self) -> Mapping[Key, int]:
        """Return every counter, sorted."""
        return dict(sorted(self._counts.items()))

    def flush(self) -> None:
        """Write the counters to disk; where that fails they stay in memory and `problem` says why."""
        fresh = self.path.with_suffix(".new")
        with self._writing:
            try:
                self._write(fresh)
                os.replace(fresh, self.path)
            except (OSError, sqlite3.Error) as error:
                with contextlib.suppress(OSError):
                    fresh.unlink()
                self.problem = f"{self.path}: not written ({error}). Make room, or make the folder writable."
            else:
                self.problem = None

    def _write(self, fresh: Path) -> None:
        database = sqlite_utils.Database(memory=True, execute_plugins=False)
        try:
            database.table("counter").create(
                {"period": str, "service": str, "kind": str, "n": int},
                pk=("period", "service", "kind"), not_null={"n"}, strict=True,
            )  # fmt: skip
            database.table("counter").insert_all(
                {"period": key.period, "service": key.service, "kind": key.kind.value, "n": n}
                for key, n in self.counts().items()
            )
            database.execute(f"PRAGMA user_version = {SCHEMA}")
            fresh.unlink(missing_ok=True)
            os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            database.execute("VACUUM INTO ?", [str(fresh)])
        finally:
            database.close()
        with fresh.open("r+b") as written:  # Windows syncs only what is open for writing
            os.fsync(written.fileno())


def read(path: Path) -> dict[Key, int]:
    """Return the counters in a file. Raises StoreError for one that is none of ours."""
    remedy = "Move it aside; Bewust starts a new one."
    try:
        # as_uri, because a % or a ? in the folder's name would be read as part of the URI
        database = sqlite_utils.Database(
            sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True), execute_plugins=False
        )
        try:
            version = database.execute("PRAGMA user_version").fetchone()[0]
            rows = list(database.query("SELECT period, service, kind, n FROM counter")) if version == SCHEMA else None
        finally:
            database.close()
        if rows is None:
            raise StoreError(f"{path}: has schema {version}, not {SCHEMA}. {remedy}")
        return dict(map(_counter, rows))
    except (sqlite3.Error, TypeError, ValueError) as error:
        raise StoreError(f"{path}: is not a store of Bewust ({error}). {remedy}") from error


def _counter(row: Mapping[str, Any]) -> tuple[Key, int]:
    """Return one counter. A service may have left the catalogue since: what was counted is kept."""
    if not _PERIOD.fullmatch(row["period"]) or not _SERVICE.fullmatch(row["service"]):
        raise ValueError("a key that Bewust never writes")
    if not 0 <= row["n"] <= MOST:
        raise ValueError("a count that Bewust never writes")
    return Key(row["period"], row["service"], Kind(row["kind"])), int(row["n"])


def rescue(path: Path) -> Path:
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
