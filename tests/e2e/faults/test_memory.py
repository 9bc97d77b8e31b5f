"""No memory, no time: processes that are short of it, stopped, or asleep with the whole machine."""

import os
import resource
import signal
import sys
import time
from pathlib import Path

import pytest

from e2e.agents import RunningAgent, wait_for
from e2e.faults.conftest import SEEN, USE, Machine

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a limit is set on another process, as Linux can")


def starve(pid: int, more: int) -> None:
    """Leave a process `more` bytes of address space beyond what it has."""
    size = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE") + more
    resource.prlimit(pid, resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))


def test_an_inspector_without_memory_is_replaced_and_pages_come(machine: Machine, running: RunningAgent) -> None:
    assert machine.browse(running, "inline") == "200"
    before = running.wait_counts({USE: 1})
    pid, starts = running.inspector_pid(), running.status()["inspector_starts"]
    starve(pid, 0)
    answers: list[str] = []
    while running.status()["inspector_starts"] == starts and len(answers) < 200:
        answers.append(machine.browse(running, "inline"))
    assert running.status()["inspector_starts"] > starts, "it was kept"
    assert len(answers) - answers.count("200") <= 3, "what was in flight may fail once"
    wait_for(lambda: machine.looks_in(running), running.alive, "nothing was inspected any more", 15)
    assert any("MemoryError" in where for where in running.status()["failures"])
    assert running.counts()[USE] >= before[USE]


def test_an_agent_without_memory_serves_again_when_there_is_some_and_has_lost_no_count(
    machine: Machine, running: RunningAgent
) -> None:
    before = running.counts()
    starve(running.process.pid, 0)
    for _ in range(12):
        machine.browse(running, seconds=2)
    assert running.alive()
    resource.prlimit(running.process.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    wait_for(lambda: machine.looks_in(running), running.alive, "nothing was inspected any more", 15)
    assert before[USE] == running.counts()[USE]
    wait_for(lambda: before[SEEN] < running.counts()[SEEN], running.alive, "nothing was counted", 5)


def test_a_machine_that_sleeps_goes_on_where_it_was(machine: Machine, running: RunningAgent) -> None:
    """All of it stops, the clocks run on, and the first page after it is there as before."""
    before, starts = running.counts(), running.status()["inspector_starts"]
    pids = running.process.pid, running.inspector_pid()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(3)
    for pid in reversed(pids):
        os.kill(pid, signal.SIGCONT)
    assert machine.browse(running) == "200"
    running.wait_counts({USE: before[USE], SEEN: before[SEEN] + 1})
    assert running.status()["inspector_starts"] == starts, "our own sleep is not the inspector's death"


def test_an_agent_that_is_frozen_holds_a_page_up_until_it_wakes_or_is_ended(
    machine: Machine, running: RunningAgent
) -> None:
    """The one fault that a person feels: nobody but the system can end it (systemd does after 15 seconds)."""
    before = running.counts()
    os.kill(running.process.pid, signal.SIGSTOP)
    assert machine.browse(running, seconds=1) == "000"
    os.kill(running.process.pid, signal.SIGCONT)
    assert machine.browse(running) == "200"
    wait_for(lambda: machine.looks_in(running), running.alive, "nothing was inspected any more", 15)
    assert running.counts()[USE] == before[USE]
