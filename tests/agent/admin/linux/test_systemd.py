"""What systemd is asked for, in which order; with the real one the packages are tried (make test-packages)."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from bewust.admin.linux.systemd import SystemdService, SystemdSessions
from bewust.errors import AdminError
from support.linux_machine import Played, machine


@pytest.fixture
def there(tmp_path: Path) -> Played:
    found = Played(machine(tmp_path))
    found.booted = True
    return found


def test_the_socket_is_there_before_the_service(there: Played) -> None:
    SystemdService(there).do(ExitStack())
    assert there.commands == [
        "systemctl is-active --quiet bewust.socket",
        "systemctl is-active --quiet bewust.service",
        "systemctl enable --quiet bewust.socket bewust.service",
        "systemctl daemon-reload",
        "systemctl start bewust.socket",
        "systemctl restart bewust.service",
    ]


def test_a_service_that_ran_before_runs_again_after_a_failure_and_another_does_not(there: Played) -> None:
    with ExitStack() as back:
        SystemdService(there).do(back)
        there.commands.clear()
    assert "systemctl restart bewust.service" in there.commands
    there.failing = "systemctl is-active"
    with ExitStack() as back:
        SystemdService(there).do(back)
        there.commands.clear()
    assert there.commands == ["systemctl disable --quiet --now bewust.socket bewust.service"]


def test_who_is_logged_in_gets_a_session_at_once_and_one_that_fails_stops_nobody(
    there: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def run(*command: str) -> str:
        asked.append(" ".join(command))
        if command[0] == "loginctl":
            return " 1000 anne\n 1001 bert\n"
        if "--machine=1000@" in command:
            raise AdminError("no bus")
        return ""

    monkeypatch.setattr(there, "run", run)
    SystemdSessions(there).do(ExitStack())
    assert "systemctl --user --machine=1001@ restart bewust-session.service" in asked


def test_where_nothing_is_of_systemd_nothing_is_asked(there: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(there, "has_systemd", lambda: False)
    for step in (SystemdService(there), SystemdSessions(there)):
        step.do(ExitStack())
        step.undo()
    assert there.commands == []
