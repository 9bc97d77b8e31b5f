"""The world of the benchmarks: an origin, a load, and the processes that are measured.

Belongs here: starting, ending and reading processes. Not here: what is asked, or what a figure means.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import trustme

from benchmarks import pages
from bewust.daemon.state import Settings
from e2e.agents import RunningAgent

HERE = Path(__file__).parent
LOOPBACK = "127.0.0.1"
BY_NAME, DECRYPTED, ELSEWHERE = "chatgpt.com", "www.google.com", "www.example.org"
MANY = "h%d.translate.goog"  # names below a decrypted one


@dataclass(frozen=True)
class Load:
    """What the load says when it is done: `first` and `later` are tokens' delays, ms."""

    count: int
    bytes: int
    seconds: float
    first: list[float]
    later: list[float]


class World:
    """A context manager: the origin runs, under every name that is used here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "load"
        self.root_pem = folder / "root.pem"

    def __enter__(self) -> "World":
        root, leaf = trustme.CA(), self.folder / "leaf.pem"
        root.cert_pem.write_to_path(self.root_pem)
        names = [BY_NAME, DECRYPTED, ELSEWHERE, "*.translate.goog"]
        root.issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(leaf)
        pages.write(self.folder / "pages")
        build(self.program)
        command = [str(self.program), "origin", str(leaf), str(self.folder / "pages")]
        self._origin = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._origin.stdout is not None
        self.port = int(self._origin.stdout.readline())
        names = [BY_NAME, DECRYPTED, ELSEWHERE, *(MANY % n for n in range(401))]
        self.resolver = dict.fromkeys(names, f"{LOOPBACK}:{self.port}")
        self._compile()
        return self

    def _compile(self) -> None:
        """Keep byte-code, as an installed package does, but out of the tree; a start takes thrice as long without."""
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(self.folder / "byte-code")
        with bewust(self, self.folder / "first"):
            subprocess.run(
                [sys.executable, "-m", "bewust.cli.main", "session", "--help"], check=True, stdout=subprocess.DEVNULL
            )
            subprocess.run([sys.executable, "-c", "import bewust.sessions.client, bewust.desktop.desktop"], check=True)

    def __exit__(self, *_: object) -> None:
        end(self._origin)

    def load(self, to: "Proxy", host: str, seconds: float, timeout: float = 60, **options: str | int) -> Load:
        """Have `to` asked, and return what came of it. AssertionError where anything failed."""
        command = [str(self.program), f"-host={host}", f"-roots={to.roots}", f"-seconds={seconds}"]
        command += [f"-{name}={value}" for name, value in options.items()]
        if to.port:
            command += [f"-proxy={LOOPBACK}:{to.port}"]
        if not to.by_name:
            command += [f"-target={LOOPBACK}:{self.port}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
        assert done.returncode == 0, f"{to.name}: {' '.join(command)}: {done.stderr.strip()}"
        return Load(**json.loads(done.stdout))


class Proxy(NamedTuple):
    """Something to go through. `by_name`: it is asked for a name, and not for the origin's address."""

    name: str
    roots: Path
    port: int = 0
    pid: int | None = None
    by_name: bool = False

    def cpu(self) -> float:
        """Return the seconds of processor time that it and its children have used so far."""
        return sum(map(cpu, tree(self.pid))) if self.pid else 0.0


class Bewust(RunningAgent):
    """The command `bewust run`, or `bewust service` where there is a socket, as it is started for people."""

    def command(self) -> list[str]:
        world = {"resolver": dict(self.settings.resolver), "trust": str(self.settings.trust)}
        options = ["--state", str(self.settings.state), *self._verb(), f"--port={self.settings.port}"]
        return [sys.executable, str(HERE / "launch.py"), json.dumps(world), *options]

    def _verb(self) -> list[str]:
        return ["service", f"--socket={self.settings.socket}"] if self.settings.socket else ["run"]

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for _ in lines:
                pass


def bewust(world: World, state: Path) -> Bewust:
    """Return an agent in this world that is not started yet."""
    return Bewust(Settings(state, port=0, resolver=world.resolver, trust=world.root_pem))


def build(program: Path) -> None:
    """Compile the origin and the load."""
    go = shutil.which("go")
    assert go, "go is not installed: dev/setup system bench"
    env = {**os.environ, "GO111MODULE": "off"}
    subprocess.run([go, "build", "-o", program, "."], cwd=HERE / "load", env=env, check=True, timeout=300)


def end(process: "subprocess.Popen[Any]") -> None:
    """End a process that we started."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    if process.poll() is None:
        process.kill()
    process.wait()


# What the kernel says of a process.


def tree(pid: int) -> Iterator[int]:
    """Return a process and everything below it."""
    yield pid
    with contextlib.suppress(OSError):  # it has ended
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from tree(int(child))


def cpu(pid: int) -> float:
    """Return the seconds of processor time of all threads of a process."""
    total = 0
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


def memory(pid: int, what: str = "Rss") -> float:
    """Return MB (10^6 bytes) of a process: `Rss`, what is resident; `Pss`, what is shared counted in parts."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise AssertionError(f"no {what}")
