"""What a doctor finds, and what it is given to look with.

Belongs here: the frozen values that all checks share. Not here: any check.
"""

import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import msgspec

from bewust.config import Rules

PROGRAM_SECONDS = 10


class Verdict(StrEnum):
    """`unknown` means that it could not be looked at: it is shown, and never counts as a fault."""

    OK = "ok"
    UNKNOWN = "unknown"
    DEGRADED = "degraded"
    BROKEN = "broken"


# The names of the checks: they stay the same across versions, for scripts. docs/doctor.md tells of each.
Id = Literal[
    "settings", "agent", "inspector", "service", "session", "problem", "own-errors", "policy", "trust", "http3",
    "names", "authority", "authority-names", "authority-end", "pac", "direct", "decrypted", "by-name", "interceptor",
    "other-proxy", "toast", "store", "disk-space", "clock", "version", "catalogue", "signatures", "doctor",
]  # fmt: skip


# How a remedy is spelled here.
if sys.platform == "win32":
    AS_ROOT, ADMIN = "Run the same as an administrator.", "as an administrator: bewust admin"
    SEE, RESTART = r"%ProgramData%\Bewust\Logs\service.log", "as an administrator: Restart-Service Bewust"
else:
    AS_ROOT, ADMIN = "Run the same as root.", "sudo bewust admin"
    SEE, RESTART = "journalctl -u bewust.service", "sudo systemctl restart bewust.service"


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at.

    `about` is the browser or the part that the check was made of. `what` and `remedy` are a sentence each;
    there is a remedy for everything but `ok`.
    """

    id: Id
    about: str
    verdict: Verdict
    what: str
    remedy: str = ""


class DoctorContext(msgspec.Struct, frozen=True):
    """The machine and the agent that are looked at; tests give others.

    `state` and `root_pem` are the agent's; `managed` says that `bewust admin install` set the machine up.
    `status` is what the agent answered to our token, None where nobody did, and `why` says why. `now` is
    aware. `roots` are the certificates, as DER, that the machine's own store trusts, None where we cannot list
    them. `user` is our user id. `run` runs a program of the system and returns what it wrote, None where it failed.
    """

    root: Path
    state: Path
    root_pem: Path
    port: int
    managed: bool
    rules: Rules
    now: datetime
    status: Mapping[str, Any] | None = None
    why: str = ""
    environment: Mapping[str, str] = {}
    user: int = 1000
    roots: Collection[bytes] | None = None
    network: bool = True
    run: Callable[[list[str]], str | None] = lambda command: None

    @property
    def pac_url(self) -> str:
        """Where browsers are sent for the PAC file."""
        return f"http://127.0.0.1:{self.port}/proxy.pac"


def ok(id: Id, about: str, what: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(id, about, Verdict.OK, what)


def unknown(id: Id, about: str, what: str, remedy: str) -> Finding:
    """Return a finding that could not be made, and who could make it."""
    return Finding(id, about, Verdict.UNKNOWN, what, remedy)


def degraded(id: Id, about: str, what: str, remedy: str) -> Finding:
    """Return a finding that something works less well than it should."""
    return Finding(id, about, Verdict.DEGRADED, what, remedy)


def broken(id: Id, about: str, what: str, remedy: str) -> Finding:
    """Return a finding that something does not work at all."""
    return Finding(id, about, Verdict.BROKEN, what, remedy)


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 2 where anything is broken, 1 where anything is degraded, else 0."""
    verdicts = {finding.verdict for finding in findings}
    return 2 if Verdict.BROKEN in verdicts else int(Verdict.DEGRADED in verdicts)


def run(command: list[str]) -> str | None:
    """Run a program of the system for a few seconds at most; what it wrote, None where it failed."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PROGRAM_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout if done.returncode == 0 else None
