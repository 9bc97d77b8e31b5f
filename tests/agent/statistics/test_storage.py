"""Counters are in memory first, replace the file whole, and nothing else is ever on disk."""

import json
import os
import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bewust.model import Kind
from bewust.state_files import STORE
from bewust.statistics import storage
from bewust.statistics.counters import Key, SuppressionKey, holds
from bewust.statistics.formats import domain_of
from bewust.statistics.storage import MOST, Store, StoreError, move_aside_corrupt, read

CELLS = [Key("2026-P12", service, kind) for service in ("chatgpt", "claude") for kind in Kind]
USE = Key("2026-P12", "chatgpt", Kind.USE)
posix = pytest.mark.skipif(os.name != "posix", reason="resource limits and file modes are of POSIX")


def counted(folder: Path, n: int = 3) -> Store:
    store = Store(folder, CELLS)
    store.add([USE] * n)
    return store


def child(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a store in another process, with CELLS and USE as here."""
    start = """
        import os, sys
        from pathlib import Path
        from bewust.statistics.counters import Key
        from bewust.model import Kind
        from bewust.statistics.storage import Store
        USE = Key("2026-P12", "chatgpt", Kind.USE)
        CELLS = [Key("2026-P12", "chatgpt", kind) for kind in Kind]
        folder = Path(sys.argv[1])
    """
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(start) + textwrap.dedent(code), *map(str, arguments)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


# Counting.


def test_every_cell_is_there_from_the_start_and_counts_survive_a_restart(tmp_path: Path) -> None:
    store = counted(tmp_path)
    store.flush()
    assert store.problem is None
    again = Store(tmp_path, CELLS)
    assert again.counts() == dict.fromkeys(CELLS, 0) | {USE: 3}
    assert list(again.counts()) == sorted(CELLS)


def test_nothing_is_on_disk_before_the_first_flush(tmp_path: Path) -> None:
    counted(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_key_outside_the_closed_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        Store(tmp_path, CELLS).add([Key("2026-P12", "secret.example", Kind.USE)])


def test_a_new_period_opens_with_noughts_and_keeps_the_old_one(tmp_path: Path) -> None:
    store, later = counted(tmp_path), Key("2026-P13", "chatgpt", Kind.USE)
    store.open_period([later])
    store.add([later])
    store.open_period([later])
    assert (store.counts()[USE], store.counts()[later]) == (3, 1)


def test_a_counter_stops_at_the_most_it_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "MOST", 5)
    assert counted(tmp_path, 9).counts()[USE] == 5


def test_counts_of_a_service_that_left_the_catalogue_are_kept(tmp_path: Path) -> None:
    counted(tmp_path).flush()
    claude_only = [key for key in CELLS if key.service == "claude"]
    store = Store(tmp_path, claude_only)
    store.flush()
    assert read(tmp_path / STORE)[USE] == 3


@given(st.lists(st.lists(st.sampled_from(CELLS), max_size=5), max_size=8))
def test_what_is_read_is_what_was_added(tmp_path_factory: pytest.TempPathFactory, rounds: list[list[Key]]) -> None:
    folder = tmp_path_factory.mktemp("state")
    expected = dict.fromkeys(CELLS, 0)
    for keys in rounds:
        store = Store(folder, CELLS)
        store.add(keys)
        store.flush()
        for key in keys:
            expected[key] += 1
    assert dict(Store(folder, CELLS).counts()) == expected


# The file.


@posix
def test_only_the_owner_reads_the_file_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        counted(tmp_path).flush()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / STORE).stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["plain", "with space", "100%", "a?b#c", "%41", "naïef"])
def test_the_file_is_all_that_is_left_in_whatever_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "counters.new").write_bytes(b"left by a crash")
    for _ in range(3):
        counted(folder).flush()
    assert [entry.name for entry in folder.iterdir()] == [STORE]
    assert read(folder / STORE)[USE] == 9


def test_a_file_of_a_relative_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    counted(Path()).flush()
    assert read(Path(STORE))[USE] == 3


def test_the_sqlite_utils_command_reads_it(tmp_path: Path) -> None:
    counted(tmp_path).flush()
    done = subprocess.run(
        [sys.executable, "-m", "sqlite_utils", "rows", str(tmp_path / STORE), "counts"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == [{"period": "2026-P12", "service": "chatgpt", "kind": "use", "n": 3}]


def test_no_table_can_hold_a_time_and_the_schema_is_in_the_header(tmp_path: Path) -> None:
    counted(tmp_path).flush()
    with closing(sqlite3.connect(tmp_path / STORE)) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {
            table: [name for _, name, *_ in database.execute(f"PRAGMA table_info({table})")] for table in sorted(names)
        }
    assert columns == {
        "counter": ["period", "service", "kind", "n"],
        "domain": ["period", "place", "service"],
        "held": ["period", "reason", "n"],
        "ledger": ["period", "block", "epsilon"],
        "sealed": ["period", "line"],
    }
    # https://sqlite.org/fileformat.html section 1.3: user_version is at offset 60, four bytes.
    assert int.from_bytes((tmp_path / STORE).read_bytes()[60:64]) == storage.SCHEMA


def test_an_unused_period_writes_the_same_file_again(tmp_path: Path) -> None:
    store = counted(tmp_path)
    store.flush()
    first = (tmp_path / STORE).read_bytes()
    store.flush()
    assert (tmp_path / STORE).read_bytes() == first


# What goes wrong.


@posix
def test_a_crash_loses_only_what_came_after_the_last_flush(tmp_path: Path) -> None:
    done = child(
        """
        import signal
        store = Store(folder, CELLS)
        store.add([USE] * 4)
        store.flush()
        store.add([USE] * 100)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        tmp_path,
    )
    assert done.returncode == -9, done.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == [STORE]
    assert Store(tmp_path, CELLS).counts()[USE] == 4


@posix
def test_a_crash_in_the_middle_of_writing_leaves_the_last_file(tmp_path: Path) -> None:
    done = child(
        """
        import signal
        store = Store(folder, CELLS)
        store.add([USE] * 4)
        store.flush()
        store.add([USE])
        os.replace = lambda a, b: os.kill(os.getpid(), signal.SIGKILL)
        store.flush()
        """,
        tmp_path,
    )
    assert done.returncode == -9, done.stderr
    store = Store(tmp_path, CELLS)
    assert store.counts()[USE] == 4
    store.flush()
    assert [entry.name for entry in tmp_path.iterdir()] == [STORE]


@posix
def test_a_full_disk_keeps_the_last_file_and_goes_on_counting(tmp_path: Path) -> None:
    done = child(
        """
        import resource
        store = Store(folder, CELLS)
        store.add([USE] * 4)
        store.flush()
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        store.add([USE])
        store.flush()
        print(store.counts()[USE], sorted(os.listdir(folder)), store.problem)
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        store.flush()
        print(store.problem)
        """,
        tmp_path,
    )
    full, mended = done.stdout.splitlines()
    assert full.startswith("5 ['counters.db'] ")
    assert full.endswith("Make room, or make the folder writable.")
    assert mended == "None"
    assert read(tmp_path / STORE)[USE] == 5


def _removed(folder: Path) -> None:
    folder.rmdir()


def _made_a_file(folder: Path) -> None:
    folder.rmdir()
    folder.write_text("a file")


def _occupied(folder: Path) -> None:
    (folder / "counters.new").mkdir()


@pytest.mark.parametrize("harm", [_removed, _made_a_file, _occupied], ids=["gone", "a file", "name taken"])
def test_a_folder_that_cannot_be_written_keeps_counting_in_memory(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    store = counted(folder)
    harm(folder)
    store.flush()
    store.add([USE])
    assert store.counts()[USE] == 4
    assert store.problem is not None
    assert store.problem.startswith(f"{folder / STORE}: not written")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="a user is changed by root only")
def test_a_folder_that_only_others_may_write_keeps_counting_in_memory(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:3]:
        parent.chmod(0o755)
    done = child("store = Store(folder, CELLS)\nstore.flush()\nos.setuid(65534)\nstore.add([USE])\nstore.flush()\n"
                 "print(store.counts()[USE], store.problem)", tmp_path)  # fmt: skip
    assert done.stdout.startswith(f"1 {tmp_path / STORE}: not written"), done.stderr


def test_two_flushes_at_once_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    """A timed flush runs in a thread and goes on when the agent, being stopped, writes its last."""
    store = counted(tmp_path)
    problems: list[str | None] = []

    def work() -> None:
        for _ in range(10):
            store.flush()
            problems.append(store.problem)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(problems) == {None}
    assert read(tmp_path / STORE)[USE] == 3


def test_an_older_snapshot_never_takes_the_place_of_a_newer_one(tmp_path: Path) -> None:
    """The last flush may overtake a timed one that waits for its thread."""
    store = counted(tmp_path)
    timed = store.snapshot()
    store.add([USE])
    store.flush()
    store.write(timed)
    assert read(tmp_path / STORE)[USE] == 4


def _sqlite(*statements: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with closing(sqlite3.connect(path)) as database, database:
            for statement in statements:
                database.execute(statement)

    return make


OURS = (
    "CREATE TABLE counter (period, service, kind, n)", "CREATE TABLE held (period, reason, n)",
    "CREATE TABLE domain (period, place, service)", "CREATE TABLE sealed (period, line)",
    "CREATE TABLE ledger (period, block, epsilon)",
)  # fmt: skip
VERSION = f"PRAGMA user_version = {storage.SCHEMA}"
UNREADABLE: dict[str, Callable[[Path], object]] = {
    "nothing in it": lambda path: path.write_bytes(b""),
    "no SQLite": lambda path: path.write_bytes(b"counters" * 1000),
    "a page overwritten": lambda path: path.write_bytes(b"SQLite format 3\0" + os.urandom(8000)),
    "a folder": lambda path: path.mkdir(),
    "somebody else's": _sqlite("CREATE TABLE places (url)"),
    "somebody else's with our version": _sqlite("CREATE TABLE places (url)", VERSION),
    "other columns": _sqlite("CREATE TABLE counter (url)", VERSION, "INSERT INTO counter VALUES ('x')"),
    "a later schema": _sqlite(*OURS, "PRAGMA user_version = 4"),
    "a schema before the first release": _sqlite(*OURS, "PRAGMA user_version = 2"),
    "half of ours": _sqlite(OURS[0], VERSION),
    "an unknown kind": _sqlite(*OURS, VERSION, "INSERT INTO counter VALUES ('2026-P12', 'chatgpt', 'read', 10001)"),
    "an URL as service": _sqlite(*OURS, VERSION, "INSERT INTO counter VALUES ('2026-P12', 'https://x/', 'use', 10001)"),
    "a day as period": _sqlite(*OURS, VERSION, "INSERT INTO counter VALUES ('2026-11-23', 'chatgpt', 'use', 10001)"),
    "no period": _sqlite(*OURS, VERSION, "INSERT INTO counter VALUES (NULL, 'chatgpt', 'use', 10001)"),
    "no number": _sqlite(*OURS, VERSION, "INSERT INTO counter VALUES ('2026-P12', 'chatgpt', 'use', NULL)"),
    "a text for a number": _sqlite(*OURS, VERSION, "INSERT INTO counter VALUES ('2026-P12', 'chatgpt', 'use', 'x')"),
    "a negative number": _sqlite(
        *OURS, VERSION, f"INSERT INTO counter VALUES ('2026-P12', 'chatgpt', 'use', {storage.BASE - 1})"
    ),
    "too large a number": _sqlite(
        *OURS, VERSION, f"INSERT INTO counter VALUES ('2026-P12', 'chatgpt', 'use', {storage.BASE + MOST + 1})"
    ),
}


@pytest.mark.parametrize("make", UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_is_no_store_of_ours_is_kept_aside(tmp_path: Path, make: Callable[[Path], object]) -> None:
    path = tmp_path / STORE
    make(path)
    kept = None if path.is_dir() else path.read_bytes()
    with pytest.raises(StoreError, match=r"Move it aside; Bewust starts a new one\.$") as error:
        Store(tmp_path, CELLS)
    assert str(error.value).startswith(f"{path}: ")
    aside = move_aside_corrupt(path)
    assert (None if aside.is_dir() else aside.read_bytes()) == kept
    counted(tmp_path).flush()
    assert read(path)[USE] == 3


def test_each_rescued_file_gets_a_name_of_its_own(tmp_path: Path) -> None:
    names = []
    for text in ("one", "two"):
        (tmp_path / STORE).write_text(text)
        names.append(move_aside_corrupt(tmp_path / STORE))
    assert [name.read_text() for name in names] == ["one", "two"]


def test_a_file_that_cannot_be_moved_aside_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be moved aside"):
        move_aside_corrupt(tmp_path / "gone" / STORE)


# What is kept beside the counters.

LINE = (
    '{"schema":"bewust-report/1","period":"2026-P12","mechanism":"local","domain":"DOMAIN","services":["chatgpt"],'
    '"blocks":{"any":{"epsilon":"1/2","flip":"2/5","bits":"1"},"service":{"epsilon":"1/1","flip":"23/50","bits":"'
    + "01" * 12 + '0"},"internal":{"epsilon":"1/4","flip":"11/25","bits":"0"},'
    '"reminder":{"epsilon":"1/4","flip":"11/25","bits":"0"}},"id":"' + "0a" * 16 + '"}'
).replace("DOMAIN", domain_of(["chatgpt"]))  # fmt: skip
SPENT = {"any": "1/2", "service": "1/1"}


def test_a_report_takes_the_place_of_its_counters_and_survives_a_restart(tmp_path: Path) -> None:
    store = counted(tmp_path)
    store.open_period(CELLS, ["chatgpt"])
    assert store.contents().domains == {"2026-P12": ("chatgpt",)}
    store.close_period("2026-P12", LINE, SPENT)
    store.flush()
    kept = storage.contents(tmp_path / STORE)
    assert kept == store.contents()
    assert (kept.counts, kept.domains, kept.sealed) == ({}, {}, {"2026-P12": LINE})
    assert kept.ledger == {("2026-P12", "any"): "1/2", ("2026-P12", "service"): "1/1"}
    assert Store(tmp_path, []).contents() == kept


def test_a_period_is_sealed_once(tmp_path: Path) -> None:
    store = counted(tmp_path)
    store.close_period("2026-P12", LINE, SPENT)
    store.close_period("2026-P12", LINE.replace("0a", "0b"), {"any": "9/1"})
    assert store.contents().sealed == {"2026-P12": LINE}
    assert store.contents().ledger["2026-P12", "any"] == "1/2"


def test_where_no_report_may_be_made_the_counters_go_all_the_same(tmp_path: Path) -> None:
    store = counted(tmp_path)
    store.close_period("2026-P12", None, {})
    assert store.contents() == storage.Contents()


def test_the_services_of_a_period_are_frozen_when_it_opens(tmp_path: Path) -> None:
    store = Store(tmp_path, [])
    store.open_period(CELLS, ["chatgpt"])
    store.open_period(CELLS, ["claude"])
    assert store.contents().domains == {"2026-P12": ("chatgpt",)}


def test_only_what_is_fresh_is_retained(tmp_path: Path) -> None:
    store = Store(tmp_path, [])
    store.close_period("2026-P12", LINE, SPENT)
    store.retain(set(), {"2027"})
    assert store.contents() == storage.Contents()


@given(st.permutations([USE] * 5 + [CELLS[0]] * 3 + [CELLS[-1]] * 4), st.lists(st.integers(0, 12), max_size=5))
def test_the_file_tells_neither_the_order_nor_the_flushes(
    tmp_path_factory: pytest.TempPathFactory, order: list[Key], flushes: list[int]
) -> None:
    one, other = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("other")
    store = Store(one, CELLS)
    for number, key in enumerate(order):
        store.add([key])
        if number in flushes:
            store.flush()
            store = Store(one, CELLS)
    store.flush()
    plain = Store(other, reversed(CELLS))
    plain.add(sorted(order))
    plain.flush()
    assert (one / STORE).read_bytes() == (other / STORE).read_bytes()


def test_an_idle_and_a_busy_person_have_files_of_one_size_and_time(tmp_path: Path) -> None:
    files = []
    for name, n in (("idle", 0), ("busy", MOST + 5)):
        (tmp_path / name).mkdir()
        counted(tmp_path / name, n).flush()
        files.append((tmp_path / name / STORE).stat())
    assert files[0].st_size == files[1].st_size
    begun = datetime(2026, 11, 2, tzinfo=UTC).timestamp()  # 2026-P12 begins with week 45
    assert [file.st_mtime for file in files] == [begun, begun]


# Why reminders were held back.


def test_held_reminders_are_counted_by_reason_and_go_with_their_period(tmp_path: Path) -> None:
    store = Store(tmp_path, CELLS)
    store.add([SuppressionKey("2026-P12", "gap")] * 2 + [SuppressionKey("2026-P12", "busy")])
    store.flush()
    found = storage.contents(tmp_path / STORE).held
    assert {key.reason: n for key, n in found.items() if n} == {"gap": 2, "busy": 1}
    assert set(found) == set(holds("2026-P12")), "every reason has a row, so that an empty one does not stand out"
    with pytest.raises(KeyError):
        store.add([SuppressionKey("2026-P13", "gap")])
    store.drop_open_period("2026-P12")
    assert store.contents().held == {}


def test_a_store_that_was_cleared_writes_the_same_file_as_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    store, new = counted(tmp_path), Store(tmp_path / "new", CELLS)
    store.add([SuppressionKey("2026-P12", "gap")])
    store.flush()
    store.clear()
    store.flush()
    new.open_period(CELLS)
    new.flush()
    assert (tmp_path / STORE).read_bytes() == (tmp_path / "new" / STORE).read_bytes()


@pytest.mark.parametrize("change", ["UPDATE held SET reason = 'because'", "UPDATE held SET period = 'now'"])
def test_a_reason_that_bewust_never_writes_is_refused(tmp_path: Path, change: str) -> None:
    counted(tmp_path).flush()
    with closing(sqlite3.connect(tmp_path / STORE)) as database, database:
        database.execute(f"{change} WHERE reason = 'gap'")
    with pytest.raises(StoreError, match="Move it aside"):
        read(tmp_path / STORE)


def test_the_agent_loads_nothing_of_the_fleet_even_where_it_is_installed() -> None:
    code = (
        "import sys, bewust.daemon.app; print([n for n in ('pandas', 'numpy', 'pyarrow', 'mitmproxy') if n "
        "in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
