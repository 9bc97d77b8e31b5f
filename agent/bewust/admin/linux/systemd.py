"""The steps that have systemd run the service and the sessions.

Belongs here: units enabled, started and taken back. Not here: the units, which the package brings.
"""

import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from bewust.admin import files
from bewust.admin.steps import PORT, Choices
from bewust.errors import AdminError

UNITS = ("bewust.socket", "bewust.service")
SESSION = "bewust-session.service"
_log = logging.getLogger(__name__)


class Machine(Protocol):
    """What these steps need of the machine."""

    root: Path
    choices: Choices

    def run(self, *command: str) -> str:
        """Run a command; return what it wrote. Raises AdminError."""

    def has_systemd(self) -> bool:
        """Whether this system is of systemd at all."""

    def systemd_runs(self) -> bool:
        """Whether systemd is this machine's first process: in an image being built it is not."""


class SystemdService:
    """`bewust.service` behind `bewust.socket`, by systemd; where that does not run, from the next start on."""

    name = "service"

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._port = machine.root / "etc/systemd/system/bewust.socket.d/port.conf"

    def done(self) -> str | None:
        """Return what does not run."""
        if not self._machine.systemd_runs():
            return "systemd does not run here"
        for unit in UNITS:
            try:
                self._machine.run("systemctl", "is-active", "--quiet", unit)
            except AdminError:
                return f"{unit} does not run (journalctl -u {unit})"
        return None

    def do(self, back: ExitStack) -> None:
        """Enable and start both; a service of an older version is started anew behind the same open port."""
        machine = self._machine
        if not machine.has_systemd():
            return
        if machine.choices.port != PORT:
            line = f"[Socket]\nListenStream=\nListenStream=127.0.0.1:{machine.choices.port}\n"
            moved = files.write(self._port, line.encode(), 0o644, back)
        else:
            moved = files.remove(self._port, back)
        back.callback(self._start if self.done() is None else self._stop)
        machine.run("systemctl", "enable", "--quiet", *UNITS)
        self._start(moved)

    def _start(self, moved: bool = True) -> None:
        """Start the service anew. The port stays open meanwhile, unless it is another one now."""
        if not self._machine.systemd_runs():
            return
        self._machine.run("systemctl", "daemon-reload")
        if moved:
            self._machine.run("systemctl", "stop", *UNITS)
        self._machine.run("systemctl", "start", UNITS[0])
        self._machine.run("systemctl", "restart", UNITS[1])

    def _stop(self) -> None:
        if self._machine.has_systemd():
            now = ["--now"] if self._machine.systemd_runs() else []
            self._machine.run("systemctl", "disable", "--quiet", *now, *UNITS)

    def undo(self) -> None:
        """Stop and disable both."""
        self._stop()
        self._port.unlink(missing_ok=True)
        files.removed_if_empty([self._port.parent])


class SystemdSessions:
    """`bewust session` at every login: by the user's systemd, and by an autostart file where that is not used."""

    name = "sessions"

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def done(self) -> str | None:
        """Return what is not enabled."""
        wanted = self._machine.root / "etc/systemd/user/graphical-session.target.wants" / SESSION
        return None if wanted.is_symlink() else f"{SESSION} is not enabled"

    def do(self, back: ExitStack) -> None:
        """Enable it for everybody, and start it for who is logged in."""
        if self._machine.has_systemd():
            if self.done() is not None:
                back.callback(self.undo)
            self._machine.run("systemctl", "--global", "enable", "--quiet", SESSION)
            self._everybody("restart")

    def undo(self) -> None:
        """Disable it, and end those that run."""
        if self._machine.has_systemd():
            self._everybody("stop")
            self._machine.run("systemctl", "--global", "disable", "--quiet", SESSION)

    def _everybody(self, verb: str) -> None:
        """Start or stop the session of each login; who has no systemd of their own is started by the next login."""
        if not self._machine.systemd_runs():
            return
        for line in self._machine.run("loginctl", "list-users", "--no-legend").splitlines():
            uid = line.split()[0]
            try:
                self._machine.run("systemctl", "--user", f"--machine={uid}@", "daemon-reload")
                self._machine.run("systemctl", "--user", f"--machine={uid}@", verb, SESSION)
            except AdminError as error:
                _log.warning("one login: %s", str(error).replace(uid, "UID"))
