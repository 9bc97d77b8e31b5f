"""An agent of the product, running as it does for a person, for tests and the demonstration."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import msgspec

from bewust.daemon.state import Running, Settings
from bewust.state_files import RUN

LAUNCH = Path(__file__).with_name("launch.py")
READY_SECONDS = 30


class RunningAgent:
    """A context manager; `said` is what the agent told about reminders, as dicts, in order.

    `errors` takes what it writes to standard error, which is nothing.
    """

    def __init__(
        self, settings: Settings, env: Mapping[str, str] | None = None, errors: IO[bytes] | None = None
    ) -> None:
        self.settings = settings
        self.said: list[dict[str, Any]] = []
        self._env = {**os.environ, **(env or {})}
        self._errors = errors

    def command(self) -> list[str]:
        """What is run."""
        return [sys.executable, str(LAUNCH), msgspec.json.encode(self.settings, enc_hook=str).decode()]

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self.command(), stdout=subprocess.PIPE, stderr=self._errors, env=self._env, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            wait_for(self.started, self.alive, "the agent did not start")
            ready = ("running", "not needed")
            wait_for(lambda: self.status()["inspector"].startswith(ready), self.alive, "the inspector did not start")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def started(self) -> bool:
        """Whether this process, and not one before it, has said where it listens."""
        self._running = msgspec.json.decode((self.settings.state / RUN).read_bytes(), type=Running)
        return self._running.pid == self.process.pid

    def stop(self) -> int:
        """Stop it as Ctrl-C does, and return its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        if self.process.poll() is None:
            self.process.kill()
        self._reader.join(5)
        return self.process.wait()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.said.append(json.loads(line))

    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def port(self) -> int:
        return self._running.port

    @property
    def pac_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/proxy.pac"

    @property
    def root_pem(self) -> Path:
        return self.settings.state / "authority" / "root.pem"

    def ask(self, path: str) -> Any:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path, headers={"Authorization": f"Bearer {self._running.token}"})
        try:
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.ask("/status.json")
        return answer

    def counts(self) -> dict[tuple[str, str], int]:
        """What is counted now and is not zero: (service, kind) -> n."""
        return {(row["service"], row["kind"]): row["n"] for row in self.ask("/counts.json") if row["n"]}

    def wait_counts(self, wanted: Mapping[tuple[str, str], int], seconds: float = 60) -> dict[tuple[str, str], int]:
        """Wait until every wanted counter has its number; return all counts."""
        with contextlib.suppress(AssertionError):
            wait_for(lambda: wanted.items() <= self.counts().items(), self.alive, "", seconds)
        counts = self.counts()
        assert wanted.items() <= counts.items(), f"wanted {wanted}, counted {counts}"
        return counts

    def inspector_pid(self) -> int:
        """The one child of the agent that is an inspector."""
        for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                if "bewust_addons.main" in Path(f"/proc/{pid}/cmdline").read_text():
                    return int(pid)
        raise AssertionError("no inspector runs")


def wait_for(
    what: Callable[[], bool], alive: Callable[[], bool], complaint: str, seconds: float = READY_SECONDS
) -> None:
    """Poll until something holds; fail at once where the process that should do it has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if what():
                return
        assert alive(), f"{complaint}: the process has ended"
        time.sleep(0.05)
    raise AssertionError(complaint)


def ports_of(pid: int) -> set[int]:
    """The TCP ports on which a process listens."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed just now
            kind, _, number = str(descriptor.readlink()).partition(":")
            if kind == "socket":
                inodes.add(number.strip("[]"))
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                assert fields[1].startswith("0100007F:"), f"{fields[1]}: not on loopback alone"
                found.add(int(fields[1].partition(":")[2], 16))
    return found
