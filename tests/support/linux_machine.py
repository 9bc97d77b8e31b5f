"""A Linux machine in a folder, whose system commands are written down instead of run.

The authority is really made, by the product's own command; only the change of account is left out.
"""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from bewust.admin.linux.machine import Linux
from bewust.admin.steps import Choices
from bewust.errors import AdminError


class Played(Linux):
    """`commands` are those that the steps ran; one that begins with `failing` fails."""

    def __init__(self, root: Path, chosen: Choices | None = None) -> None:
        super().__init__(chosen, root, "bewust")
        self.commands: list[str] = []
        self.failing: str | None = None
        self.booted = False
        self.remark: str | None = None
        self.refusal: str | None = None

    def give(self, folder: Path) -> None:
        self.commands.append(f"chown {folder.relative_to(self.root)}")

    def has_systemd(self) -> bool:
        return True

    def systemd_runs(self) -> bool:
        return self.booted

    def verify(self) -> str | None:
        if self.refusal:
            raise AdminError(self.refusal)
        return self.remark

    def run(self, *command: str, account: str | None = None) -> str:
        line = " ".join(command)
        self.commands.append(line)
        if self.failing and line.startswith(self.failing):
            raise AdminError(f"{line}: said no")
        if command[0] == "useradd":
            (self.root / "etc/passwd").write_text("root:x:0:0\nbewust:x:999:999\n")
        if command[0] == "userdel":
            (self.root / "etc/passwd").write_text("root:x:0:0\n")
        if command[:3] == ("systemctl", "--global", "enable"):
            self._wants().parent.mkdir(parents=True, exist_ok=True)
            self._wants().unlink(missing_ok=True)
            self._wants().symlink_to("/usr/lib/systemd/user/bewust-session.service")
        if command[:3] == ("systemctl", "--global", "disable"):
            self._wants().unlink(missing_ok=True)
            for folder in (self._wants().parent, *self._wants().parents[1:3]):
                with suppress(OSError):
                    folder.rmdir()
        if "renew" in command:
            from bewust.cli.main import main

            result = CliRunner().invoke(main, [*command[1:]])
            assert result.exit_code == 0, result.output
        return ""

    def _wants(self) -> Path:
        return self.root / "etc/systemd/user/graphical-session.target.wants/bewust-session.service"


def machine(root: Path, *programs: str) -> Path:
    """A folder with what every machine has, and these browsers."""
    for folder in ("etc", "var/lib", "run"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "etc/passwd").write_text("root:x:0:0\n")
    for program in programs:
        (root / program).parent.mkdir(parents=True, exist_ok=True)
        (root / program).write_bytes(b"")
    return root


def tree(root: Path) -> dict[str, tuple[int, bytes | None]]:
    """Every path below a folder with its mode, and its bytes where it is a file."""
    return {
        str(path.relative_to(root)): (path.lstat().st_mode, path.read_bytes() if path.is_file() else None)
        for path in sorted(root.rglob("*"))
    }


def put(file: Path, table: Any) -> Path:
    """Write JSON, making folders."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(table))
    return file


def unconstrained() -> bytes:
    """A root that may speak for every site, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "anything")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=9))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
