"""A file is replaced whole, for its owner only, and whoever else may write to its folder gains nothing by that."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bewust.files import FileError, contents, locked, read, replace, save, write

posix = pytest.mark.skipif(os.name != "posix", reason="links, pipes and modes are of POSIX")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file that only its owner shall change."""
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "elsewhere" / "authorized_keys"
    path.write_bytes(b"mine")
    path.chmod(0o640)
    os.utime(path, (1_000, 1_000))
    return path


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    (tmp_path / "shared").mkdir()
    return tmp_path / "shared"


def untouched(victim: Path) -> bool:
    about = victim.stat()
    return (victim.read_bytes(), mode(victim), about.st_mtime) == (b"mine", 0o640, 1_000)


@posix
@pytest.mark.parametrize("synced", [False, True])
def test_what_is_written_is_whole_private_and_alone(shared: Path, synced: bool) -> None:
    before = os.umask(0)
    try:
        for data in (b"one", b"two", b"", b"x" * (1 << 20)):
            replace(shared / "a", data, synced=synced)
            assert (shared / "a").read_bytes() == data
    finally:
        os.umask(before)
    assert mode(shared / "a") == 0o600
    assert [entry.name for entry in shared.iterdir()] == ["a"]


@posix
@pytest.mark.parametrize("wanted", [0o600, 0o644, 0o755])
def test_mode_owner_and_times_are_what_was_asked(shared: Path, wanted: int) -> None:
    before = os.umask(0o077)
    try:
        replace(shared / "a", b"", mode=wanted, owner=(os.getuid(), os.getgid()), times=(2 * 10**9, 3 * 10**9))
    finally:
        os.umask(before)
    about = (shared / "a").stat()
    assert (mode(shared / "a"), about.st_atime, about.st_mtime) == (wanted, 2, 3)


@posix
def test_without_a_mode_the_umask_says_who_reads_it(shared: Path) -> None:
    before = os.umask(0o027)
    try:
        replace(shared / "a", b"", mode=None)
    finally:
        os.umask(before)
    assert mode(shared / "a") == 0o640


@posix
@pytest.mark.parametrize("name", ["a", "a.new"])
def test_a_planted_link_is_replaced_and_what_it_leads_to_is_left_alone(shared: Path, victim: Path, name: str) -> None:
    (shared / name).symlink_to(victim)
    replace(shared / "a", b"ours", mode=0o644, times=(5 * 10**9, 5 * 10**9))
    assert untouched(victim)
    assert not (shared / "a").is_symlink() and (shared / "a").read_bytes() == b"ours"


@posix
def test_a_hard_link_under_the_new_name_is_not_written_through(shared: Path, victim: Path) -> None:
    (shared / "a.new").hardlink_to(victim)
    replace(shared / "a", b"ours")
    assert untouched(victim)


@posix
def test_a_link_that_takes_the_place_of_the_new_file_changes_nobodys_mode_owner_or_times(
    shared: Path, victim: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root restores a file in a folder of the service, which is quick: by path the last call would follow."""
    real = os.replace

    def raced(*names: Any, **folders: Any) -> None:
        real(*names, **folders)
        (shared / "a").unlink()
        (shared / "a").symlink_to(victim)

    monkeypatch.setattr(os, "replace", raced)
    replace(shared / "a", b"ours", mode=0o666, owner=(os.getuid(), os.getgid()), times=(5 * 10**9, 5 * 10**9))
    assert untouched(victim)


@posix
def test_another_folder_put_in_the_place_of_the_folder_gets_nothing(
    shared: Path, victim: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def swapped(descriptor: int) -> None:
        real(descriptor)
        if not shared.is_symlink():
            shared.rename(shared.with_name("moved"))
            shared.symlink_to(victim.parent)

    monkeypatch.setattr(os, "fsync", swapped)
    replace(shared / victim.name, b"ours", synced=True)
    assert untouched(victim)
    assert (shared.with_name("moved") / victim.name).read_bytes() == b"ours"


def test_where_it_cannot_be_written_nothing_is_left(shared: Path) -> None:
    (shared / "a").mkdir()
    with pytest.raises(OSError, match=r"director|Access"):
        replace(shared / "a", b"x")
    assert [entry.name for entry in shared.iterdir()] == ["a"]
    with pytest.raises(FileError, match=r"b: cannot be written .* Make room"):
        write(shared / "gone" / "b", b"x")


@posix
@pytest.mark.timeout(10)
def test_only_a_regular_file_is_read_and_a_pipe_holds_nobody_up(shared: Path, victim: Path) -> None:
    os.mkfifo(shared / "pipe")
    (shared / "link").symlink_to(victim)
    for name in ("pipe", "link", "gone", "."):
        with pytest.raises(OSError, match=r".+"):
            contents(shared / name)
    assert contents(victim) == b"mine"


def test_a_result_is_never_written_over_another(shared: Path) -> None:
    save(shared / "a", b"x")
    save(shared / "a", b"x")
    for name, data in (("a", b"y"), (".", b"x")):
        with pytest.raises(FileError, match="is there already, and is something else"):
            save(shared / name, data)
    assert read(shared / "a") == b"x"
    with pytest.raises(FileError, match="cannot be read"):
        read(shared / "gone")


# Locks.

HOLD = "import sys; from pathlib import Path; from bewust.files import locked\n"
HOLD += "with locked(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"


def test_a_lock_is_one_processs_and_goes_with_it(shared: Path) -> None:
    with locked(shared / "lock", create=True):
        pass
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(shared / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None and other.stdout.readline().strip() == b"held"
        with pytest.raises(BlockingIOError), locked(shared / "lock"):
            pass
        other.kill()
    with locked(shared / "lock"):
        pass


@posix
def test_a_lock_is_private_and_follows_no_link(shared: Path, victim: Path) -> None:
    before = os.umask(0)
    try:
        with locked(shared / "lock", create=True):
            assert mode(shared / "lock") == 0o600
    finally:
        os.umask(before)
    (shared / "planted").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic"), locked(shared / "planted", create=True):
        pass
    with pytest.raises(FileNotFoundError), locked(shared / "gone"):
        pass
