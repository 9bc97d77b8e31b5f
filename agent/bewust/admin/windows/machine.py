r"""The steps on Windows: folders, service, authority, trust, sessions, browser policies.

Belongs here: what is done where. Not here: Windows' own interfaces (system), the registry
(registry), which values (browsers). Everything of ours is below %ProgramData%\Bewust; the
program is wherever its package put it. Tried under Wine, not on Windows (docs/support.md).
"""

import os
import re
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate

from bewust.admin import files, record, trusted_root
from bewust.admin.record import Record
from bewust.admin.steps import Choices, Step
from bewust.admin.windows import browsers
from bewust.admin.windows.browsers import RequireNoOtherProxy, RunSessions
from bewust.admin.windows.registry import Registry
from bewust.admin.windows.system import System
from bewust.authority import authority
from bewust.browsers import handshake
from bewust.config import Rules, load_rules, platform_policy
from bewust.errors import AdminError
from bewust.sessions.windows_pipes import account
from bewust.system.windows_service import NAME, RENEW, RUNNING, STARTING, STOPPING

if sys.platform == "win32":
    from bewust.admin.windows.registry import LocalMachine
    from bewust.admin.windows.system import Real

SECONDS = 120.0  # for the service to start or to end
SERVICE_SID = account(NAME)
_ADMINISTRATORS = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
_EVERYBODY_READS, _SERVICE_USES = "(A;OICI;0x1200a9;;;BU)", f"(A;OICI;FA;;;{SERVICE_SID})"
OPEN = _ADMINISTRATORS + _EVERYBODY_READS
CLOSED = _ADMINISTRATORS + _SERVICE_USES
MEETING = _ADMINISTRATORS + _SERVICE_USES + _EVERYBODY_READS
OURS = frozenset({"SY", "BA", "S-1-5-18", "S-1-5-32-544", SERVICE_SID})
_LINKS = 0x400  # FILE_ATTRIBUTE_REPARSE_POINT: a link or a mount


class Windows:
    """This machine. `chosen` None means what was chosen before, or the defaults; the others are for tests."""

    def __init__(
        self, chosen: Choices | None = None, folder: Path | None = None, system: System | None = None,
        registry: Registry | None = None,
    ) -> None:  # fmt: skip
        self.config = (folder / "config") if folder else platform_policy.folder()
        self.folder = self.config.parent
        self.system, self.registry = system or _system(), registry or _registry()
        self.log = Path(os.environ.get("SYSTEMROOT", "/"), "Logs", "Bewust", "admin.log")
        self.state = self.folder / "state"
        self.run = self.folder / "run"
        self.logs = self.folder / "Logs"
        self.root_pem = self.folder / "root.pem"
        self.record: Record = record.load(self.folder)
        self.choices = chosen or self.record.choices
        self.pac_url = f"http://127.0.0.1:{self.choices.port}/proxy.pac"
        self.programs = Path(os.environ.get("PROGRAMFILES", "/"))
        python = Path(sys.executable)
        self.windowless = python.with_name("pythonw.exe")
        self.session = f'"{self.windowless}" -m bewust.cli.main session --socket "{self.run / "session"}"'
        self.service = (
            f'"{python}" -m bewust.cli.main --state "{self.state}" --config "{self.config}" service '
            f'--port {self.choices.port} --socket "{self.run / "session"}" --log "{self.logs / "service.log"}"'
        )

    def steps(self) -> Sequence[Step]:
        """Return the steps, first to last."""
        return [
            *(
                RequireNoOtherProxy(self),
                CreateFolders(self),
                RunSessions(self),
                InstallService(self),
                IssueAuthority(self),
                TrustRoot(self),
            ),
            *browsers.steps(self),
        ]

    def rules(self) -> Rules:
        """Return what the organisation has set, over the catalogue that is in force: also an imported one."""
        return load_rules(self.config, state=self.state)

    def verify(self) -> str | None:
        """Shake hands through the agent as a browser would; in words why that could not be tried."""
        return handshake.verify(self.choices.port, self.rules(), self.root_pem, self.config)

    def purge(self) -> None:
        """Remove the authority, the counters and the settings, and what was logged."""
        for path in (self.state, self.run, self.logs, self.config):
            shutil.rmtree(path, ignore_errors=True)
        (self.folder / record.FILE).unlink(missing_ok=True)
        files.removed_if_empty([self.folder])

    def remember(self, back: ExitStack) -> None:
        """Write down what was changed, before it is: a crash leaves it known."""
        record.save(self.folder, self.record, back)


class CreateFolders:
    """The folders, each with its own access list, and the one policy file in which the choices stand."""

    name = "files"

    def __init__(self, machine: Windows) -> None:
        self._machine = machine
        self._policy = machine.config / "policy.d" / "10-install.toml"

    def done(self) -> str | None:
        """Return what is missing, or open to others."""
        machine = self._machine
        for folder in (machine.config, machine.run, machine.state):
            if not folder.is_dir():
                return f"{folder}: is missing"
        others = trustees(machine.system.access(machine.state)) - OURS - {machine.system.me()}
        return f"{machine.state}: is open to {', '.join(sorted(others))}" if others else None

    def do(self, back: ExitStack) -> None:
        """Make them. What lies there already must be an administrator's: anybody may make folders in %ProgramData%."""
        machine = self._machine
        for folder, access in (
            *((machine.folder, OPEN), (machine.config, OPEN), (machine.state, CLOSED)),
            *((machine.logs, CLOSED), (machine.run, MEETING)),
        ):
            self._refuse_foreign(folder)
            files.mkdirs(folder, 0o755, back)
            machine.system.protect(folder, access)
        for path in machine.folder.rglob("*"):
            self._refuse_foreign(path)
        record.choose(machine.record, machine.choices, self._policy, back)
        machine.remember(back)

    def _refuse_foreign(self, path: Path) -> None:
        if not os.path.lexists(path):
            return
        if path.is_symlink() or getattr(path.lstat(), "st_file_attributes", 0) & _LINKS:
            raise AdminError(f"{path}: leads elsewhere, and could be anybody's. Remove it, and run the same again.")
        owner, system = self._machine.system.owner(path), self._machine.system
        if owner not in OURS | {system.me()}:
            raise AdminError(f"{path}: belongs to {owner}, and not to the administrators. Remove it, or take it over.")

    def undo(self) -> None:
        """Remove the file of choices and the public root; what an organisation wrote and what was counted stays."""
        machine = self._machine
        self._policy.unlink(missing_ok=True)
        machine.root_pem.unlink(missing_ok=True)
        if machine.folder.is_dir():
            shutil.rmtree(machine.run, ignore_errors=True)
            machine.remember(ExitStack())


class InstallService:
    r"""The service, under the account that Windows makes for it, `NT SERVICE\Bewust`; it brings its own authority."""

    name = "service"

    def __init__(self, machine: Windows) -> None:
        self._machine = machine

    def done(self) -> str | None:
        """Return what does not run."""
        system = self._machine.system
        if system.command() != self._machine.service:
            return f"there is no service {NAME}, or it is another"
        return None if system.state() == RUNNING else f"{NAME} does not run (log: {self._machine.logs / 'service.log'})"

    def do(self, back: ExitStack) -> None:
        """Start it anew; before that, see to it that a failure brings back the one of before."""
        machine, system = self._machine, self._machine.system
        before, ran = system.command(), system.state() == RUNNING
        if before is None:
            back.callback(system.remove)
        else:
            back.callback(self._as_before, before, ran)
        held = machine.state / "authority"
        if held.is_dir():
            files.backup_tree(held, back)
        back.callback(self._stop)
        self._stop()
        system.install(machine.service, rf"NT SERVICE\{NAME}")
        self._start(RENEW)

    def _as_before(self, command: str, ran: bool) -> None:
        self._machine.system.install(command, rf"NT SERVICE\{NAME}")
        if ran:
            self._start()

    def _start(self, *arguments: str) -> None:
        self._machine.system.start(arguments)
        if self._settled(STARTING) != RUNNING:
            raise AdminError(f"{NAME} did not start. Look why: {self._machine.logs / 'service.log'}")

    def _stop(self) -> None:
        self._settled(STARTING)  # it can be stopped only when it has started
        self._machine.system.stop()
        self._settled(RUNNING, STOPPING)

    def _settled(self, *passing: int) -> int:
        """Wait until the service is in no `passing` state any more; return the one that it is in."""
        end = time.monotonic() + SECONDS
        while (state := self._machine.system.state()) in passing:
            if time.monotonic() > end:
                raise AdminError(f"{NAME} does not get on. Look why: {self._machine.logs / 'service.log'}")
            time.sleep(0.2)
        return state

    def undo(self) -> None:
        """Stop it and remove it, and end the sessions, which would wait for it."""
        self._stop()
        self._machine.system.remove()
        self._machine.system.end(self._machine.windowless)


class IssueAuthority:
    """The copy of the authority's root that everybody may read."""

    name = "authority"

    def __init__(self, machine: Windows) -> None:
        self._machine = machine

    def done(self) -> str | None:
        """Return what is wrong with it."""
        try:
            self._checked(self._machine.root_pem)
        except (authority.AuthorityError, OSError) as error:
            return str(error)
        return None

    def do(self, back: ExitStack) -> None:
        """Take the one that the service made, if it can speak for no other names than it should."""
        made = self._machine.state / "authority" / authority.ROOT_FILE
        try:
            files.write(self._machine.root_pem, self._checked(made), 0o644, back)
        except authority.AuthorityError as error:
            raise AdminError(f"{made}: would not be limited to the decrypt list ({error})") from error

    def _checked(self, file: Path) -> bytes:
        if file.is_symlink() or file.stat().st_size > 1 << 20:
            raise AdminError(f"{file}: is no certificate. Remove the folder of it, and run the same again.")
        machine = self._machine
        found = trusted_root.checked_root(file.read_bytes(), machine.config, machine.rules().matcher)
        return found.public_bytes(Encoding.PEM)

    def undo(self) -> None:
        """Leave it: the step of the files removes it."""


class TrustRoot:
    """The root in the machine's own store, which Chrome and Edge follow; older ones of ours go."""

    name = "trust"

    def __init__(self, machine: Windows) -> None:
        self._machine = machine

    def done(self) -> str | None:
        """Return whether it is not trusted."""
        sha1, _ = self._root()
        return None if self._machine.system.trusted(sha1) else "the machine's store does not trust our root"

    def do(self, back: ExitStack) -> None:
        """Have it trusted, and no longer the one of before."""
        machine = self._machine
        sha1, der = self._root()
        older = [root for root in machine.record.roots if root != sha1]
        if not machine.system.trusted(sha1):
            machine.record.roots = [*older, sha1]
            machine.remember(back)
            back.callback(machine.system.distrust, sha1)
            machine.system.trust(der)
        for root in older:
            if (gone := machine.system.distrust(root)) is not None:
                back.callback(machine.system.trust, gone)
        machine.record.roots = [sha1]
        machine.remember(back)

    def undo(self) -> None:
        """Trust none of ours any more."""
        machine = self._machine
        for root in machine.record.roots:
            machine.system.distrust(root)
        machine.record.roots = []
        if machine.folder.is_dir():
            machine.remember(ExitStack())

    def _root(self) -> tuple[str, bytes]:
        found = load_pem_x509_certificate(self._machine.root_pem.read_bytes())
        return found.fingerprint(hashes.SHA1()).hex(), found.public_bytes(Encoding.DER)


def trustees(access: str) -> set[str]:
    """Return whom an access list in SDDL lets in."""
    return set(re.findall(r"\(A;[^)]*;([^;)]+)\)", access))


def _system() -> System:
    if sys.platform == "win32":
        return Real()
    raise AdminError("these steps are Windows's. Run them on a Windows machine.")


def _registry() -> Registry:
    if sys.platform == "win32":
        return LocalMachine()
    raise AdminError("the registry is Windows's. Look on a Windows machine.")
