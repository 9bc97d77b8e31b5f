"""The steps on Linux: account, authority, service and session by systemd, browser policies.

Belongs here: what is done where. `root` is "/" but for tests. Nothing here is asked of a network.
"""

import os
import shutil
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bewust.admin import files, record, trusted_root
from bewust.admin import run as admin_run
from bewust.admin.linux import browsers
from bewust.admin.linux.systemd import SystemdService, SystemdSessions
from bewust.admin.record import Record
from bewust.admin.steps import Choices, Step
from bewust.authority import authority
from bewust.browsers import handshake, linux
from bewust.config import Rules, load_rules
from bewust.errors import AdminError

ACCOUNT = "bewust"
PROGRAM = "/opt/bewust/current/bin/bewust"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
SECONDS = 120  # for one command of the system; systemctl waits for a start


class Linux:
    """This machine. `chosen` None means what was chosen before, or the defaults."""

    def __init__(self, chosen: Choices | None = None, root: Path = Path("/"), program: str = PROGRAM) -> None:
        self.root = root
        self.program = program
        self.log = root / "var/log/bewust-admin.log"
        self.config = root / "etc/bewust"
        self.folder = root / "var/lib/bewust"
        self.state = self.folder / "state"
        self.root_pem = self.folder / "root.pem"  # the copy that everybody may read
        self.record: Record = record.load(self.folder)
        self.choices = chosen or self.record.choices
        self.pac_url = f"http://127.0.0.1:{self.choices.port}/proxy.pac"

    def steps(self) -> Sequence[Step]:
        """Return the steps, first to last."""
        trust = browsers.steps(self)
        return [
            RequireNoOtherProxy(self),
            CreateAccount(self),
            CreateFolders(self),
            IssueAuthority(self),
            SystemdService(self),
            SystemdSessions(self),
            *trust,
        ]

    def rules(self) -> Rules:
        """Return what the organisation has set, over the catalogue that is in force: also an imported one."""
        return load_rules(self.config if self.config.is_dir() else None, state=self.state)

    def verify(self) -> str | None:
        """Shake hands through the agent as a browser would; in words why that could not be tried."""
        if not self.systemd_runs():
            return "systemd does not run here, so nothing was started and no handshake tried; run bewust doctor later"
        return handshake.verify(self.choices.port, self.rules(), self.root_pem, self.config)

    def purge(self) -> None:
        """Remove the authority, the counters, the settings and the account."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.config, ignore_errors=True)
        if self.record.account:
            self.run("userdel", ACCOUNT)

    def remember(self, back: ExitStack) -> None:
        """Write down what was changed, before it is: a crash leaves it known."""
        record.save(self.folder, self.record, back)

    def give(self, folder: Path) -> None:
        """Make the service's account the owner of a folder."""
        shutil.chown(folder, ACCOUNT, ACCOUNT)

    def has_systemd(self) -> bool:
        """Whether this system is of systemd at all."""
        return shutil.which("systemctl", path=PATH) is not None

    def systemd_runs(self) -> bool:
        """Whether systemd is this machine's first process: in an image being built it is not."""
        return (self.root / "run/systemd/system").is_dir()

    def run(self, *command: str, account: str | None = None) -> str:
        """Run a command of the system, as another account where one is given; return what it wrote.

        Raises AdminError.
        """
        return admin_run.run(command, path=PATH, locale="C.UTF-8", seconds=SECONDS, account=account)


class RequireNoOtherProxy:
    """Not a change but a condition: nobody else decided about the way to the web, or we are told to follow it."""

    name = "no other proxy"

    def __init__(self, machine: Linux) -> None:
        self._machine = machine

    def done(self) -> str | None:
        """Return which file claims the way to the web."""
        if self._machine.choices.upstream:
            return None
        file = linux.machine_proxy(self._machine.root)
        return None if file is None else f"{file}: sends this machine's traffic through a proxy"

    def do(self, back: ExitStack) -> None:
        """Refuse where somebody does."""
        if found := self.done():
            raise AdminError(f"{found}. Have Bewust go through it: bewust admin install --upstream http://NAME:PORT")

    def undo(self) -> None:
        """Nothing was changed."""


class CreateAccount:
    """The service's own account: no password, no shell, no home."""

    name = "account"

    def __init__(self, machine: Linux) -> None:
        self._machine = machine

    def done(self) -> str | None:
        """Return None where the account is there."""
        lines = (self._machine.root / "etc/passwd").read_text("utf-8").splitlines()
        return None if any(line.startswith(f"{ACCOUNT}:") for line in lines) else f"there is no account {ACCOUNT}"

    def do(self, back: ExitStack) -> None:
        """Make it."""
        if self.done() is None:
            return
        self._machine.run(
            "useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/var/lib/bewust",
            "--shell", "/usr/sbin/nologin", ACCOUNT,
        )  # fmt: skip
        back.callback(self._machine.run, "userdel", ACCOUNT)
        self._machine.record.account = True

    def undo(self) -> None:
        """Leave it: what remains in the state folder is its own. A purge removes both."""


class CreateFolders:
    """The folders, and the one policy file in which the administrator's choices stand."""

    name = "files"

    def __init__(self, machine: Linux) -> None:
        self._machine = machine
        self._policy = machine.config / "policy.d" / "10-install.toml"

    def done(self) -> str | None:
        """Return what is missing."""
        missing = [path for path in (self._machine.config, self._machine.state) if not path.is_dir()]
        return f"{missing[0]}: is missing" if missing else None

    def do(self, back: ExitStack) -> None:
        """Make them; the state folder is the service's alone."""
        machine = self._machine
        files.mkdirs(machine.folder, 0o755, back)
        files.mkdirs(machine.state, 0o700, back)
        machine.give(machine.state)
        files.mkdirs(machine.config / "policy.d", 0o755, back)
        record.choose(machine.record, machine.choices, self._policy, back)
        machine.remember(back)

    def undo(self) -> None:
        """Remove the file of choices and the public root; what an organisation wrote and what was counted stays."""
        machine = self._machine
        self._policy.unlink(missing_ok=True)
        machine.root_pem.unlink(missing_ok=True)
        machine.record = Record(choices=machine.record.choices, account=machine.record.account)
        if machine.folder.is_dir():
            machine.remember(ExitStack())


class IssueAuthority:
    """The authority, made by the service's own account, and a copy of its root for the browsers."""

    name = "authority"

    def __init__(self, machine: Linux) -> None:
        self._machine = machine

    def done(self) -> str | None:
        """Return what is wrong with the published root."""
        machine = self._machine
        try:
            self._checked(machine.root_pem.read_bytes())
        except (authority.AuthorityError, OSError) as error:
            return str(error)
        return None

    def do(self, back: ExitStack) -> None:
        """Make one where there is none, or where it does not cover the decrypt list of now; publish its root."""
        machine = self._machine
        folder = machine.state / "authority"
        if folder.is_dir():
            files.backup_tree(folder, back)
        else:
            back.callback(shutil.rmtree, folder, ignore_errors=True)
        options = ["--state", str(machine.state)]
        options += ["--config", str(machine.config)] if machine.config.is_dir() else []
        machine.run(machine.program, *options, "authority", "renew", "--if-needed", account=ACCOUNT)
        files.write(machine.root_pem, self._root(folder / authority.ROOT_FILE), 0o644, back)

    def _root(self, file: Path) -> bytes:
        """Return the root as PEM. It comes from the service's account, which must not make us trust just anything."""
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as opened:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise AdminError(f"{file}: is no file. Remove the folder of it, and run the same again.")
            raw = opened.read(1 << 20)
        try:
            return self._checked(raw).public_bytes(Encoding.PEM)
        except authority.AuthorityError as error:
            raise AdminError(f"{file}: would not be limited to the decrypt list ({error})") from error

    def _checked(self, raw: bytes) -> x509.Certificate:
        return trusted_root.checked_root(raw, self._machine.config, self._machine.rules().matcher)

    def undo(self) -> None:
        """Leave it to a later installation; a purge removes it."""
