"""The steps on macOS: account, folders, service and sessions by launchd. Not tried on a Mac (docs/macos.md).

Belongs here: what is done where. `root` is "/" but for tests. Trust and proxies are device management's to
give (profile), and the authority is imported: an installer can make no root trusted here, so it makes none.
"""

import logging
import plistlib
import shutil
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from bewust.admin import files, record
from bewust.admin import run as admin_run
from bewust.admin.macos import launchd
from bewust.admin.macos.launchd import ACCOUNT
from bewust.admin.macos.profile import SERVICE, SESSION
from bewust.admin.record import Record
from bewust.admin.steps import Choices, Step
from bewust.authority import authority
from bewust.browsers import handshake, known, policies
from bewust.config import Rules, load_rules
from bewust.errors import AdminError

PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
CHROME = next(one.macos.domain for one in known.KNOWN if one.id == "chrome" and one.macos is not None)
SECONDS = 60  # for one command of the system
NUMBERS = range(281, 400)  # where macOS keeps numbers for accounts of services that are not Apple's
WAITING = (
    "no authority was imported yet, so the service was not started: bewust authority request and import "
    "(docs/macos.md), then bewust admin install again"
)
_log = logging.getLogger(__name__)


class MacOS:
    """This machine. `chosen` None means what was chosen before, or the defaults."""

    def __init__(self, chosen: Choices | None = None, root: Path = Path("/")) -> None:
        self.root = root
        self.log = self.at("/Library/Logs/bewust-admin.log")
        self.folder = self.at(launchd.FOLDER)
        self.state = self.at(launchd.STATE)
        self.record: Record = record.load(self.folder)
        self.choices = chosen or self.record.choices
        self.pac_url = f"http://127.0.0.1:{self.choices.port}/proxy.pac"

    def at(self, path: str) -> Path:
        """Return where an absolute path of a Mac is."""
        return self.root / path.removeprefix("/")

    def steps(self) -> Sequence[Step]:
        """Return the steps, first to last."""
        return [
            CreateAccount(self),
            CreateFolders(self),
            RequireAuthority(self),
            LaunchDaemon(self),
            LaunchAgents(self),
            RequireProfile(self),
        ]

    def rules(self) -> Rules:
        """Return what the organisation has set, over the catalogue that is in force: also an imported one."""
        return load_rules(self.folder if self.folder.is_dir() else None, state=self.state)

    def verify(self) -> str | None:
        """Shake hands through the agent as a browser would; in words why that could not be tried."""
        if RequireAuthority(self).done() is not None:
            return WAITING
        root_pem = self.state / "authority" / authority.ROOT_FILE
        return handshake.verify(self.choices.port, self.rules(), root_pem, self.folder)

    def purge(self) -> None:
        """Remove the authority, the counters, the settings and the account."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.at(launchd.LOG).parent, ignore_errors=True)
        if self.record.account:
            CreateAccount(self).remove()

    def remember(self, back: ExitStack) -> None:
        """Write down what was changed, before it is: a crash leaves it known."""
        record.save(self.folder, self.record, back)

    def give(self, path: Path) -> None:
        """Make the service's account the owner."""
        shutil.chown(path, ACCOUNT, ACCOUNT)

    def run(self, *command: str) -> str:
        """Run a command of the system; return what it wrote. Raises AdminError."""
        return admin_run.run(command, path=PATH, locale="C", seconds=SECONDS)

    def does(self, *command: str) -> bool:
        """Whether a command succeeds."""
        with suppress(AdminError):
            self.run(*command)
            return True
        return False


class CreateAccount:
    """The service's own account: no password, no shell, no home; not in the login window."""

    name = "account"

    def __init__(self, machine: MacOS) -> None:
        self._machine = machine

    def done(self) -> str | None:
        """Return None where the account is there."""
        there = self._machine.does("dscl", ".", "-read", f"/Users/{ACCOUNT}", "UniqueID")
        return None if there else f"there is no account {ACCOUNT}"

    def do(self, back: ExitStack) -> None:
        """Make it, with a group of the same name and number."""
        if self.done() is None:
            return
        number = str(self._free())
        back.callback(self.remove)
        group, user = f"/Groups/{ACCOUNT}", f"/Users/{ACCOUNT}"
        for record_name, keys in (
            (group, {"PrimaryGroupID": number, "RealName": "Bewust", "Password": "*"}),
            (user, {"UniqueID": number, "PrimaryGroupID": number, "UserShell": "/usr/bin/false", "IsHidden": "1",
                    "NFSHomeDirectory": "/var/empty", "RealName": "Bewust", "Password": "*"}),
        ):  # fmt: skip
            self._machine.run("dscl", ".", "-create", record_name)
            for key, value in keys.items():
                self._machine.run("dscl", ".", "-create", record_name, key, value)
        self._machine.record.account = True

    def _free(self) -> int:
        """Return a number that is neither an account's nor a group's."""
        taken = set()
        for kind, key in (("/Users", "UniqueID"), ("/Groups", "PrimaryGroupID")):
            lines = self._machine.run("dscl", ".", "-list", kind, key).splitlines()
            taken |= {int(line.split()[-1]) for line in lines if line.split()[-1].lstrip("-").isdigit()}
        found = next((number for number in NUMBERS if number not in taken), None)
        if found is None:
            raise AdminError(f"no number from {NUMBERS[0]} to {NUMBERS[-1]} is free for an account. Free one.")
        return found

    def remove(self) -> None:
        """Remove the account and its group."""
        for record_name in (f"/Users/{ACCOUNT}", f"/Groups/{ACCOUNT}"):
            self._machine.does("dscl", ".", "-delete", record_name)

    def undo(self) -> None:
        """Leave it: what remains in the state folder is its own. A purge removes both."""


class CreateFolders:
    """The folders, the log, and the one policy file in which the administrator's choices stand."""

    name = "files"

    def __init__(self, machine: MacOS) -> None:
        self._machine = machine
        self._policy = machine.folder / "policy.d" / "10-install.toml"

    def done(self) -> str | None:
        """Return what is missing."""
        wanted = (self._machine.state, self._machine.at(launchd.SOCKET).parent, self._machine.at(launchd.LOG))
        missing = [path for path in wanted if not path.exists()]
        return f"{missing[0]}: is missing" if missing else None

    def do(self, back: ExitStack) -> None:
        """Make them: the state is the service's alone, everybody may inspect the folder of its socket."""
        machine = self._machine
        files.mkdirs(machine.folder, 0o755, back)
        for folder, mode in ((machine.state, 0o700), (machine.at(launchd.SOCKET).parent, 0o755)):
            files.mkdirs(folder, mode, back)
            machine.give(folder)
        files.mkdirs(machine.folder / "policy.d", 0o755, back)
        log = machine.at(launchd.LOG)
        if not log.exists():
            files.write(log, b"", 0o640, back)
            machine.give(log)
        record.choose(machine.record, machine.choices, self._policy, back)
        machine.remember(back)

    def undo(self) -> None:
        """Remove the file of choices; what an organisation wrote and what was counted stays."""
        self._policy.unlink(missing_ok=True)


class RequireAuthority:
    """Not a change but a condition: the organisation signed an authority for this machine, and it was imported."""

    name = "imported authority"

    def __init__(self, machine: MacOS) -> None:
        self._machine = machine

    def done(self) -> str | None:
        """Return why there is none that could be used."""
        try:
            found = authority.load(self._machine.state / "authority")
        except authority.AuthorityError as error:
            return str(error)
        except OSError as error:
            return f"{error.filename}: {error.strerror}"
        return None if found.imported else "it is this machine's own, which no browser here trusts"

    def do(self, back: ExitStack) -> None:
        """Make none: nobody would trust it. The service waits for it."""

    def undo(self) -> None:
        """Leave it to a later installation; a purge removes it."""


class LaunchDaemon:
    """The daemon, once there is an authority."""

    name = "service"

    def __init__(self, machine: MacOS) -> None:
        self._machine = machine
        self._file = machine.at(launchd.SERVICE_FILE)
        self._target = f"system/{SERVICE}"

    def done(self) -> str | None:
        """Return what does not run."""
        runs = self._machine.does("launchctl", "print", self._target)
        return None if runs else f"{SERVICE} is not loaded (log: {launchd.LOG})"

    def do(self, back: ExitStack) -> None:
        """Load it anew; without an authority have launchd leave it alone."""
        machine = self._machine
        files.write(self._file, plistlib.dumps(launchd.service(machine.choices.port)), 0o644, back)
        self.undo()
        if RequireAuthority(machine).done() is not None:
            machine.run("launchctl", "disable", self._target)
            return
        back.callback(self.undo)
        machine.run("launchctl", "enable", self._target)
        machine.run("launchctl", "bootstrap", "system", launchd.SERVICE_FILE)

    def undo(self) -> None:
        """Stop it, and wait until it is gone: launchd refuses to load what it is still unloading."""
        if self.done() is not None:
            return
        self._machine.does("launchctl", "bootout", self._target)
        end = time.monotonic() + SECONDS
        while self.done() is None:
            if time.monotonic() > end:
                raise AdminError(f"launchctl bootout {self._target}: it does not end. Restart the machine.")
            time.sleep(0.2)


class LaunchAgents:
    """The agent of each login; launchd starts it at every later login by itself."""

    name = "sessions"

    def __init__(self, machine: MacOS) -> None:
        self._machine = machine

    def done(self) -> str | None:
        """Return what is missing."""
        file = self._machine.at(launchd.SESSION_FILE)
        return None if file.is_file() else f"{launchd.SESSION_FILE}: is missing"

    def do(self, back: ExitStack) -> None:
        """Start it for who is logged in."""
        files.write(self._machine.at(launchd.SESSION_FILE), plistlib.dumps(launchd.session()), 0o644, back)
        for uid in self._desktops():
            self._machine.does("launchctl", "bootout", f"gui/{uid}/{SESSION}")
            if not self._machine.does("launchctl", "bootstrap", f"gui/{uid}", launchd.SESSION_FILE):
                _log.warning("one login: its session could not be started; the next login starts it")

    def undo(self) -> None:
        """End those that run. The file goes with the package; a login without the program has none."""
        for uid in self._desktops():
            self._machine.does("launchctl", "bootout", f"gui/{uid}/{SESSION}")

    def _desktops(self) -> list[str]:
        """Return the uid of each login with a desktop: whose Dock runs."""
        lines = [line.split(None, 1) for line in self._machine.run("ps", "-axo", "uid=,comm=").splitlines()]
        return sorted({parts[0] for parts in lines if len(parts) == 2 and Path(parts[1]).name == "Dock"})


class RequireProfile:
    """Not a change but a condition: device management has told the browsers (bewust admin profile)."""

    name = "configuration profile"

    def __init__(self, machine: MacOS) -> None:
        self._machine = machine
        self._file = machine.at(f"/Library/Managed Preferences/{CHROME}.plist")

    def done(self) -> str | None:
        """Return what is not there; Chrome's part stands for the whole."""
        try:
            managed = plistlib.loads(self._file.read_bytes())
        except (OSError, ValueError, plistlib.InvalidFileException):
            managed = {}
        ours = isinstance(managed, dict) and managed.get("ProxySettings") == policies.chromium_proxy(
            self._machine.pac_url
        )
        return None if ours else "is not there, or is for another port: bewust admin profile, by device management"

    def do(self, back: ExitStack) -> None:
        """Leave it to device management; until then no browser uses the agent."""

    def undo(self) -> None:
        """Leave it to device management."""
