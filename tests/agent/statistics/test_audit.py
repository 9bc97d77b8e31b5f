"""What should not be on disk is found, wherever it was put; what should is named with its meaning."""

import getpass
import secrets
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bewust.catalogue import loading
from bewust.config import policy
from bewust.model import Kind
from bewust.state_files import STORE
from bewust.statistics import audit, counters, delivery
from bewust.statistics.audit import ROW_MEANINGS, audit_state
from bewust.statistics.counters import Key
from bewust.statistics.retention import close_periods
from bewust.statistics.storage import Store

RULES = policy.load()
SERVICES = loading.load()
IDS = {service.id for service in SERVICES}


MACHINE = "werkplek-0417"


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine of a test may be called anything, such as "vm", which is no name to look for."""
    monkeypatch.setattr(socket, "gethostname", lambda: MACHINE)


def state(folder: Path) -> Path:
    """A state folder as an agent leaves it, with a sealed report."""
    made = folder / "state"
    made.mkdir()
    store = Store(made, [])
    for period in ("2026-P12", "2026-P13"):
        store.open_period(counters.period_keys(period, SERVICES), RULES.release.services)
        store.add([Key(period, "chatgpt", Kind.VISIT)])
    close_periods(store, RULES, datetime(2026, 12, 1, tzinfo=UTC), secrets.randbelow)
    store.flush()
    (made / "lock").touch()
    (made / "run.json").write_text('{"port": 1, "token": "x", "pid": 2}')
    return made


def exports(folder: Path) -> Path:
    made = folder / "share"
    made.mkdir()
    delivery.deliver(Store(folder / "state", []).contents().sealed, made)
    return made


def test_a_clean_folder_gives_a_receipt_of_every_table_and_column(tmp_path: Path) -> None:
    found = audit_state(state(tmp_path), IDS, exports(tmp_path))
    assert found.findings == ()
    rows = {row.what: row.rows for row in found.receipt}
    for table, columns in ROW_MEANINGS.items():
        assert {f"{table}.{column}" for column in columns} <= set(rows)
    assert rows["sealed.line"] == 1
    assert rows["counter.n"] == sum(service.counts for service in SERVICES) * len(Kind)
    assert rows["domain.service"] == 24
    with closing(sqlite3.connect(tmp_path / "state" / STORE)) as database:
        for table, columns in ROW_MEANINGS.items():
            assert [name for _, name, *_ in database.execute(f"PRAGMA table_info({table})")] == list(columns)


def sql(*statements: str) -> Callable[[Path], object]:
    def seed(folder: Path) -> None:
        with closing(sqlite3.connect(folder / STORE)) as database, database:
            for statement in statements:
                database.execute(statement)

    return seed


def deleted(folder: Path) -> None:
    """A row that was written and deleted stays in the file's free space."""
    with closing(sqlite3.connect(folder / STORE)) as database:
        database.execute("PRAGMA secure_delete = OFF")
        database.execute("CREATE TABLE visits(url)")
        database.executemany("INSERT INTO visits VALUES (?)", [("nobody-knows " * 50,)] * 50)
        database.commit()
        database.execute("DROP TABLE visits")
        database.commit()


def appended(folder: Path) -> None:
    with (folder / STORE).open("ab") as file:
        file.write(b"something more")


SEEDED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a table": (sql("CREATE TABLE visits(url)"), "also visits"),
    "an index": (sql("CREATE INDEX more ON counter(n)"), "also more"),
    "a column": (sql("ALTER TABLE counter ADD COLUMN at TEXT"), "is not what its rows make"),
    "a deleted table": (deleted, "free pages"),
    "bytes at the end": (appended, "is not what its rows make"),
    "a service that is none": (
        sql("INSERT INTO counter VALUES ('2026-P13', 'jan-de-vries', 'use', 10001)"), "'jan-de-vries' is not in the"),
    "an address in the ledger": (
        sql("INSERT INTO ledger VALUES ('2026-P12', 'https://example.nl/x', '1/2')"), "an address on the web"),
    "a mail address in the ledger": (
        sql("INSERT INTO ledger VALUES ('2026-P12', 'jan@example.nl', '1/2')"), "an e-mail address"),
    "a day as period": (
        sql("INSERT INTO counter VALUES ('2026-11-23', 'chatgpt', 'use', 10001)"), "is not a store of Bewust"),
    "a report that is none": (sql("INSERT INTO sealed VALUES ('2026-P10', '{}')"), "is not a store of Bewust"),
    "a journal": (lambda folder: (folder / f"{STORE}-wal").write_bytes(b"x"), "a journal of single events"),
    "a log": (lambda folder: (folder / "agent.log").write_text("10.0.0.1"), "nothing of Bewust's is called so"),
    "a lock with something in it": (lambda folder: (folder / "lock").write_text("10.20.30.40"), "an IP address"),
    "more in run.json": (
        lambda folder: (folder / "run.json").write_text('{"port":1,"token":"","pid":1,"user":"x"}'), "something else"),
    "the login": (
        lambda folder: (folder / "lock").write_text(f"by {getpass.getuser()}"), "the name of this login"),
    "the machine": (
        lambda folder: (folder / "lock").write_text(f"on {MACHINE}."), "the name of this machine"),
    "a time": (lambda folder: (folder / "lock").write_text("2026-11-24T10:11:12"), "a time"),
}  # fmt: skip


@pytest.mark.parametrize(("seed", "words"), SEEDED.values(), ids=SEEDED)
def test_a_seeded_violation_is_found(tmp_path: Path, seed: Callable[[Path], object], words: str) -> None:
    folder = state(tmp_path)
    seed(folder)
    findings = audit_state(folder, IDS).findings
    assert any(words in finding for finding in findings), findings
    assert all(finding.startswith(str(folder)) for finding in findings)


def test_an_export_that_is_no_report_is_found(tmp_path: Path) -> None:
    folder = state(tmp_path)
    share = exports(tmp_path)
    (share / "bewust-2026-P12-x.ndjson").write_text('{"user":"jan"}\n')
    (finding,) = audit_state(folder, IDS, share).findings
    assert "line 1: is no report" in finding


def test_a_folder_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    assert audit_state(tmp_path / "none", IDS) == audit.Proof((), ())
