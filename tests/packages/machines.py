"""A whole Linux machine of its own on this one: its own tree, processes, network and systemd.

It is a folder made by debootstrap, entered through namespaces of the kernel, so it needs root and no
other program. Its network has a loopback and nothing else. Belongs here: making, booting and asking it.
"""

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "dbus-user-session", "libpam-systemd", "ca-certificates", "iproute2",
    "chromium", "firefox-esr", "xvfb", "dunst", "libnotify-bin", "x11-utils",
)  # fmt: skip
ADDRESS = "192.0.2.10"  # of the world in there: one for documentation, on its loopback (RFC 5737)
WORLD = """
import sys
from e2e.world import World
with World(port=443, address=sys.argv[1]) as world:
    print(world.root_pem.read_text(), " ".join(world.hosts), sep="----hosts----", flush=True)
    sys.stdin.read()
"""
TESTS = Path(__file__).parents[1]
# A new mount table, the folder as its root, then systemd as the first process of new namespaces.
BOOT = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
mount --rbind /dev dev
mount -t tmpfs tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
if mkdir sys/fs/cgroup/systemd && mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd; then :
else umount sys/fs/cgroup; mount -t cgroup2 cgroup2 sys/fs/cgroup; fi
pivot_root . mnt
exec chroot . /bin/sh -c 'umount -l /mnt; export container=bewust; exec /lib/systemd/systemd --log-target=journal'
"""


def bootstrap(suite: str, mirror: str, folder: Path) -> None:
    """Make a clean machine of one Debian release in `folder`; takes a minute or two, and the network."""
    subprocess.run(
        ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", suite, str(folder), mirror],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def mirror() -> str:
    """Return where this machine's own packages come from."""
    for file in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]:
        for line in file.read_text().splitlines() if file.is_file() else ():
            words = line.split()
            if words and words[0] in ("deb", "URIs:"):
                return next(word for word in words if "://" in word)
    raise AssertionError("no package source is configured here")


class Machine:
    """A context manager around a copy of a bootstrapped tree, so that the tree stays clean."""

    def __init__(self, clean: Path, folder: Path) -> None:
        self.root = folder / "root"
        subprocess.run(["cp", "-a", "--reflink=auto", str(clean), str(self.root)], check=True)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            ["unshare", "--pid", "--mount", "--net", "--uts", "--ipc", "--cgroup", "--fork", "sh", "-c", BOOT, "sh",
             str(self.root)], stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self._leader = _child(self._process.pid)
        wait(lambda: self.run("systemctl", "is-system-running", check=False).strip() in ("running", "degraded"))
        self.run("ip", "address", "add", f"{ADDRESS}/32", "dev", "lo")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.kill(self._leader, signal.SIGKILL)  # with the first process all others of its namespace end
        self._process.wait()
        shutil.rmtree(self.root, ignore_errors=True)

    def enter(self, *command: str, network_only: bool = False) -> list[str]:
        """Return the command that runs `command` in there, or here but in its network."""
        ways = ["-n"] if network_only else ["-m", "-p", "-n", "-u", "-i", "-C", "-r", "-w"]
        return ["nsenter", "-t", str(self._leader), *ways, *command]

    def run(self, *command: str, check: bool = True, user: str | None = None, seconds: float = 240) -> str:
        """Run a command in there, as root or in the systemd of a user; return its standard output."""
        prefix: Sequence[str] = ()
        if user is not None:
            uid = self.run("id", "-u", user).strip()
            prefix = ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "env", f"HOME=/home/{user}",
                      f"XDG_RUNTIME_DIR=/run/user/{uid}", f"DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/{uid}/bus",
                      "DISPLAY=:99")  # fmt: skip
        done = subprocess.run(
            self.enter(*prefix, *command), capture_output=True, text=True, timeout=seconds, check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def put(self, path: str, text: str) -> None:
        """Write a file in there."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@contextlib.contextmanager
def internet(enter: Callable[..., list[str]]) -> Iterator[tuple[str, str]]:
    """Play the internet in a network that `enter` leads into: our origin under the real names.

    Yield the root that vouches for it (PEM), and the names, with spaces between them.
    """
    process = subprocess.Popen(
        enter(sys.executable, "-c", WORLD, ADDRESS), cwd=TESTS, text=True, env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    try:
        said = ""
        while "----hosts----" not in said:
            said += process.stdout.readline()
        pem, _, hosts = said.partition("----hosts----")
        yield pem, hosts.strip()
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


def _child(pid: int) -> int:
    """Return the one child of a process, once it is there."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    wait(lambda: bool(children.read_text().split()))
    return int(children.read_text().split()[0])


def wait(what: Callable[[], bool], seconds: float = 60) -> None:
    """Poll until something holds."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.2)


# What runs, is generated by the system itself, or is its list of packages.
LEFT_OUT = ("proc", "sys", "dev", "run", "tmp", "home", "root", "var/log", "var/cache", "var/tmp", "var/lib/dpkg",
            "var/lib/apt", "var/lib/systemd", "mnt")  # fmt: skip


def tree(root: Path) -> dict[str, str]:
    """Return every path with its mode, owner and what it holds, as a hash."""
    found = {}
    for folder, folders, names in os.walk(root):
        relative = os.path.relpath(folder, root)
        folders[:] = [f for f in folders if os.path.normpath(f"{relative}/{f}") not in LEFT_OUT]
        for name in [*folders, *names]:
            path = os.path.join(folder, name)
            about = os.lstat(path)
            content = ""
            if os.path.islink(path):
                content = os.readlink(path)
            elif os.path.isfile(path):
                content = hashlib.sha256(Path(path).read_bytes()).hexdigest()
            key = os.path.normpath(f"{relative}/{name}")
            found[key] = f"{about.st_mode:o} {about.st_uid}:{about.st_gid} {content}"
    return found
