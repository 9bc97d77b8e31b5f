"""A disk that is full or can only be read: counting goes on in memory, and is written when there is room."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from e2e.agents import RunningAgent, wait_for
from e2e.faults.conftest import SEEN, Machine

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only who may mount can make a small disk"
)


class Disk:
    """A file system of two mebibytes with a state folder on it."""

    def __init__(self, folder: Path) -> None:
        self.state, self._filler = folder / "state", folder / "filler"

    def fill(self) -> None:
        with self._filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass

    def clear(self) -> None:
        self._filler.unlink()

    def lock(self) -> None:
        """Put the same folder over itself, to be read only: what the agent has open stays open."""
        subprocess.run(["mount", "--bind", str(self.state), str(self.state)], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", str(self.state)], check=True)

    def unlock(self) -> None:
        subprocess.run(["umount", str(self.state)], check=True)

    def written(self) -> int:
        """What the file says that was written last."""
        with contextlib.closing(sqlite3.connect(f"file:{self.state / 'counters.db'}?mode=ro", uri=True)) as database:
            rows = database.execute("select n from counts where service = ? and kind = ?", SEEN).fetchall()
            return sum(int(n) for (n,) in rows)  # noughts are not shown


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    folder = tmp_path_factory.mktemp("disk")
    made = Disk(folder)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=False).returncode:
        pytest.skip("only who may mount can make a small disk")
    yield made
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def on_disk(machine: Machine, disk: Disk) -> Iterator[RunningAgent]:
    machine.settings = msgspec.structs.replace(machine.settings, state=disk.state)
    with machine.start({"FLUSH_SECONDS": "0.5"}) as agent:
        yield agent


@pytest.mark.parametrize(("harm", "mend"), [(Disk.fill, Disk.clear), (Disk.lock, Disk.unlock)], ids=["full", "locked"])
def test_a_disk_that_takes_nothing_stops_nothing_and_loses_nothing(
    machine: Machine, disk: Disk, on_disk: RunningAgent, harm: object, mend: object
) -> None:
    assert callable(harm) and callable(mend)
    before = on_disk.counts().get(SEEN, 0)
    harm(disk)
    try:
        wait_for(lambda: bool(_problem(on_disk)), on_disk.alive, "nobody was told", 10)
        assert machine.browse(on_disk) == "200"
        on_disk.wait_counts({SEEN: before + 1})
        assert disk.written() == before, "the last file is whole and stays"
    finally:
        mend(disk)
    wait_for(lambda: disk.written() == before + 1, on_disk.alive, "it was not written when there was room", 10)
    wait_for(lambda: not _problem(on_disk), on_disk.alive, "the problem stayed", 3)


def _problem(agent: RunningAgent) -> str:
    return next((problem for problem in agent.status()["problems"] if "not written" in problem), "")
