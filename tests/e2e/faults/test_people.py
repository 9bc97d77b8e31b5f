"""What shows reminders fails: a notification service that hangs, a session that is killed. Nothing waits for it."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from e2e.agents import wait_for
from e2e.desktop import NEEDED, Desktop
from e2e.faults.conftest import SEEN, USE, Machine

missing = [program for program in NEEDED if not shutil.which(program)]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def test_a_notification_service_that_hangs_holds_up_no_page_and_no_count(machine: Machine) -> None:
    with Desktop() as desktop, machine.start(desktop.env) as agent:
        assert desktop.dunst is not None
        desktop.dunst.send_signal(signal.SIGSTOP)
        assert machine.browse(agent, "inline") == "200"
        agent.wait_counts({USE: 1})
        assert machine.browse(agent) == "200"
        agent.wait_counts({SEEN: 2})
        assert agent.status()["toasts_shown"] == 0, "it hangs all the while"
        desktop.dunst.send_signal(signal.SIGCONT)


def test_a_session_that_is_killed_takes_its_reminders_along_and_no_count(machine: Machine, tmp_path: Path) -> None:
    sockets = tmp_path / "run"
    sockets.mkdir()
    machine.settings = msgspec.structs.replace(
        machine.settings, state=tmp_path / "service", socket=sockets / "session.sock"
    )
    command = [sys.executable, "-m", "bewust.cli.main", "--state", tmp_path / "mine", "session",
               "--socket", machine.settings.socket]  # fmt: skip
    with Desktop() as desktop, machine.start(desktop.env) as agent:
        session = subprocess.Popen(list(map(str, command)), env=desktop.env, stderr=subprocess.DEVNULL)
        wait_for(lambda: agent.status()["sessions"] == 1, agent.alive, "the session did not connect")
        os.kill(session.pid, signal.SIGKILL)
        session.wait(5)
        wait_for(lambda: agent.status()["sessions"] == 0, agent.alive, "the dead session is still there", 5)
        assert machine.browse(agent, "inline") == "200"
        agent.wait_counts({USE: 1})
        assert agent.status()["failures"] == {}
