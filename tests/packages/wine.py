"""A Windows of Wine's, in a network of its own with a loopback and nothing else; needs root and Wine 8.

Belongs here: making one, asking it, and what Wine lacks. Not here: what is expected of Bewust. What Wine is
not: docs/support.md says what it cannot show.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from packages.machines import ADDRESS

PROGRAMS = ("wine", "x86_64-w64-mingw32-gcc", "unshare", "nsenter")
SHIM = Path(__file__).with_name("bcryptprimitives.c")
HOSTS, ROOTS = "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt"  # Wine resolves names and trusts as this system does
# A loopback with the address of the world; then this process is what others enter.
BOOT = f"""
set -e
mount --make-rprivate /
mount --bind "$1/hosts" {HOSTS}
mount --bind "$1/roots.pem" {ROOTS}
ip link set lo up
ip address add {ADDRESS}/32 dev lo
echo ready
exec sleep infinity
"""


def prepare(folder: Path) -> None:
    """Make a clean Windows 10 in `folder`; takes half a minute."""
    environment = _environment(folder)
    # On Windows a service has thirty seconds to begin with, and ten here: too few on a busy machine.
    patience = ["reg", "add", r"HKLM\SYSTEM\CurrentControlSet\Control", "/v", "ServicesPipeTimeout", "/d", "120000"]
    for command in (["wineboot", "--init"], ["winecfg", "-v", "win10"], patience):
        subprocess.run(["wine", *command], env=environment, check=True, timeout=180, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    library = folder / "drive_c/windows/system32/bcryptprimitives.dll"
    command = ["x86_64-w64-mingw32-gcc", "-shared", "-O2", "-s", "-o", str(library), str(SHIM), "-ladvapi32"]
    subprocess.run(command, check=True)
    subprocess.run(["wineserver", "--wait"], env=environment, check=True, timeout=60)


def _environment(prefix: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "WINEPREFIX": str(prefix), "WINEARCH": "win64", "WINEDEBUG": "-all"}


def _read(pipe: int, said: list[bytes]) -> None:
    while data := os.read(pipe, 1 << 16):
        said.append(data)


class Windows:
    """A context manager around a copy of a prepared one, so that that stays clean."""

    def __init__(self, clean: Path, folder: Path) -> None:
        self.prefix = folder / "prefix"
        self.drive = self.prefix / "drive_c"
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []
        subprocess.run(["cp", "-a", "--reflink=auto", str(clean), str(self.prefix)], check=True)
        shutil.copyfile(HOSTS, folder / "hosts")
        shutil.copyfile(ROOTS, folder / "roots.pem")

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-c", BOOT, "sh", str(self._folder)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdout is not None and self._process.stdout.readline() == b"ready\n"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Ends what runs in this Windows, and in no other.
        subprocess.run(self.enter("wineserver", "--kill"), env=_environment(self.prefix), check=False, timeout=60)
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()
        for process in self._started:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        shutil.rmtree(self.prefix, ignore_errors=True)

    def enter(self, *command: str) -> list[str]:
        """Return the command that runs `command`, a program of this system, in the network of that Windows."""
        return ["nsenter", "-t", str(self._process.pid), "-n", "-m", *command]

    def reach(self, hosts: str, root_pem: str) -> None:
        """Have these names lead to the world there, and its root trusted. In place: they are mounted."""
        with (self._folder / "hosts").open("a") as file:
            file.write(f"\n{ADDRESS} {hosts}\n")
        with (self._folder / "roots.pem").open("a") as file:
            file.write(f"\n{root_pem}")

    def run(self, *command: str, seconds: float = 400) -> tuple[int, str]:
        """Run a program of Windows; return its exit code (modulo 256) and what it wrote.

        Its standard input and output are pipes: CPython ends at once where they are not. They are not waited for,
        since a service that was started meanwhile holds them too.
        """
        process = self.start(*command)
        said: list[bytes] = []
        assert process.stdout is not None
        reader = threading.Thread(target=_read, args=(process.stdout.fileno(), said), daemon=True)
        reader.start()
        try:
            code = process.wait(seconds)
        finally:
            process.kill()
        reader.join(1)
        return code, b"".join(said).decode(errors="replace").replace("\r\n", "\n")

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a program of Windows, which ends with that Windows."""
        process = subprocess.Popen(
            self.enter("wine", *command), env=_environment(self.prefix), cwd=self.drive,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._started.append(process)
        return process

    def msiexec(self, *words: str) -> int:
        """Have Windows Installer do something without a question; return its exit code modulo 256."""
        code, _ = self.run("msiexec", *words, "/qn", "/norestart")
        return code

    def registry(self, key: str, *words: str) -> str:
        """Return what `reg query` says of a key, "" where it is not there."""
        code, said = self.run("reg", "query", key, *words, seconds=60)
        return said if code == 0 else ""

    def files(self, below: str) -> Sequence[str]:
        """Return every file below a folder of drive C."""
        root = self.drive / below
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    def programs(self) -> list[str]:
        """Return the command line of every process of this Windows."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                if f"WINEPREFIX={self.prefix}\0".encode() in (folder / "environ").read_bytes():
                    found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        return found
