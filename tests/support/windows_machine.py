"""A Windows machine in a folder and in memory: its own interfaces are played, the steps are the product's own.

The played service makes the authority as the real one does when it starts.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bewust.admin.steps import Choices
from bewust.admin.windows.machine import Windows
from bewust.authority import authority
from bewust.config import rules as config_rules
from bewust.daemon.state import Settings, renew_authority
from bewust.errors import AdminError
from bewust.system.windows_service import RUNNING, STARTING, STOPPED
from support.windows_registry import Hive

ME = "S-1-5-21-1-2-3-1000"


class System:
    """`owners` by path, `access` by folder, `roots` by SHA-1; `refuses` is whether the service ends when started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.owners: dict[Path, str] = {}
        self.lists: dict[Path, str] = {}
        self.roots: dict[str, bytes] = {}
        self.line: str | None = None
        self.account = ""
        self.now = STOPPED
        self.refuses = False
        self.did: list[str] = []
        self.starting = 0  # times that it still says so

    def is_administrator(self) -> bool:
        return True

    def owner(self, path: Path) -> str:
        return self.owners.get(path, "S-1-5-32-544")

    def me(self) -> str:
        return ME

    def protect(self, folder: Path, access: str) -> None:
        self.lists[folder] = access

    def access(self, folder: Path) -> str:
        return self.lists[folder]

    def trusted(self, sha1: str) -> bool:
        return sha1 in self.roots

    def trust(self, der: bytes) -> None:
        self.roots[hashlib.sha1(der).hexdigest()] = der

    def distrust(self, sha1: str) -> bytes | None:
        return self.roots.pop(sha1, None)

    def command(self) -> str | None:
        return self.line

    def install(self, command: str, account: str) -> None:
        self.line, self.account = command, account

    def remove(self) -> None:
        assert self.now == STOPPED, "what runs is only marked for removal"
        self.line = None

    def state(self) -> int:
        if self.now == STARTING:
            self.starting -= 1
            if self.starting <= 0:
                self.now = STOPPED if self.refuses else RUNNING
        return self.now

    def start(self, arguments: Sequence[str]) -> None:
        assert self.line is not None
        self.did.append(f"start {' '.join(arguments)}")
        rules = config_rules.load_rules(self.folder / "config")
        own = Settings(state=self.folder / "state")
        if not (own.state / "authority").is_dir():
            hosts = rules.matcher.decrypted_hosts()
            authority.issue(own.state / "authority", hosts, datetime.now(UTC))
        elif "renew" in arguments:
            renew_authority(own, rules)
        self.now, self.starting = STARTING, 2

    def stop(self) -> None:
        assert self.now != STARTING, "Windows refuses"
        self.did.append("stop")
        self.now = STOPPED

    def end(self, program: Path) -> None:
        self.did.append(f"end {program.name}")


class Played(Windows):
    """`refusal` is why the handshake fails."""

    def __init__(self, root: Path, chosen: Choices | None = None, system: System | None = None,
                 registry: Hive | None = None) -> None:  # fmt: skip
        folder = root / "Bewust"
        self.played, self.hive = system or System(folder), registry or Hive()
        self.refusal: str | None = None
        super().__init__(chosen, folder, self.played, self.hive)
        self.log = root / "admin.log"
        self.programs = root

    def again(self, chosen: Choices | None = None) -> "Played":
        """Return the same machine, as a later command finds it."""
        return Played(self.folder.parent, chosen, self.played, self.hive)

    def verify(self) -> str | None:
        if self.refusal:
            raise AdminError(self.refusal)
        return None
