"""Starts, watches and restarts the inspector.

Health is a probe of our own: a ping over the pipe that the inspector's event loop must answer
within a second, never the answer of a site (docs/decisions/0003). A frozen inspector is killed:
its connections have been aborted already, and only a new one can serve again. So is one that
answers, but has no memory left; one that has grown is replaced as planned. Any other exception is of
one connection or one site, and the inspector leaves that one alone by itself.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from bewust.proxy.messages import Alive, Failed, Message, Ping, Start
from bewust.system import environment
from bewust.system.error_counts import last_error

# -P: nothing from the current folder; -O: mitmproxy checks the type of each field of each event otherwise.
# -B on Windows: what an installer does not know of it does not remove.
INSPECTOR_COMMAND = (
    sys.executable,
    "-P",
    "-O",
    *(["-B"] if sys.platform == "win32" else []),
    "-m",
    "bewust_addons.main",
)
PING_SECONDS = 0.6  # with ANSWER_SECONDS less than the two that are promised; each costs some 0.3 ms of CPU
QUIET_TURNS = 5  # of which one is used while nothing goes by the inspector
ANSWER_SECONDS = 1.0
GRACE_TURNS = 10  # of the event loop, a hundredth of a second each
# A cold start on a busy disk; measured: under 2 s. On Windows a scanner looks at every file that is new.
START_SECONDS = 90.0 if sys.platform == "win32" else 30.0
EXIT_SECONDS = 2.0  # for the system to take a killed one away
BACK_OFF = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # seconds before the next start
STABLE_SECONDS = 60.0  # after which a failure counts as the first again
LINE_LIMIT = 1 << 16
CRASHES = 10  # for want of memory, in so many seconds: nothing works any more
CRASH_SECONDS = 60.0
WRITTEN = 16 << 10  # bytes of standard error that are kept: a traceback
MEMORY_CHECK_SECONDS = 10.0
MEMORY_LIMIT = 150 << 20  # bytes of resident memory; measured under load: 80 MiB. It has leaked, and may finish first
MEMORY_RESTART_INTERVAL = 600.0  # seconds between two replacements for that: many open connections weigh too
MEMORY_KILL_LIMIT = 512 << 20  # before it takes what others need

_ping = msgspec.json.encode(Ping()) + b"\n"
_messages = msgspec.json.Decoder(Message)


class Inspector:
    """The inspector child and its pipe. `up` gets its port, `down` is called when it is lost, `heavy` when it
    should be replaced. `busy` is asked whether anything goes by it: only then it is pinged each turn."""

    def __init__(
        self,
        start: Start,
        *,
        up: Callable[[int], None],
        down: Callable[[], None],
        message: Callable[[Message], None],
        heavy: Callable[[], None] = lambda: None,
        busy: Callable[[], bool] = lambda: True,
        command: Sequence[str] = INSPECTOR_COMMAND,
    ) -> None:
        self._start = start
        self._up, self._down, self._message, self._heavy, self._busy = up, down, message, heavy, busy
        self._command = command
        self._child: asyncio.subprocess.Process | None = None
        self._heard = asyncio.Event()
        self._asked = False
        self._wanted = asyncio.Event()
        self._wanted.set()
        self.alive = False
        self.starts = 0
        self.problem: str | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id while there is one."""
        return self._child.pid if self._child else None

    async def run(self) -> None:
        """Keep an inspector running while it is wanted, until cancelled; then end it."""
        failures = 0
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(BACK_OFF[min(failures, len(BACK_OFF) - 1)])
            await self._wanted.wait()
            began = loop.time()
            try:
                await self._run_child()
            except OSError as error:
                self.problem = f"the inspector cannot be started ({error.strerror})"
            if self._asked:
                failures, self._asked, self.problem = 0, False, None
            else:
                failures = 1 if loop.time() - began > STABLE_SECONDS else failures + 1

    async def _run_child(self) -> None:
        """Start one child and stay until it is gone."""
        self.starts += 1
        self._child = child = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, limit=LINE_LIMIT, start_new_session=True, env=environment.allowed(),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )  # fmt: skip
        self._heard.clear()
        self.set_enabled(self.enabled)  # it may have changed while the child was made
        reading = asyncio.ensure_future(self._read_errors(child))
        tasks = [asyncio.ensure_future(watch(child)) for watch in (self._listen, self._ask, self._check_memory)]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            self.problem = next(
                (task.result() for task in ended if not task.exception()), "the inspector sent a malformed message"
            )
        finally:
            self._lost()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            with contextlib.suppress(TimeoutError):  # it is dead, but somebody may hold a pipe of it
                await asyncio.wait_for(child.wait(), EXIT_SECONDS)
            await asyncio.wait([reading], timeout=1)
            reading.cancel()
            await _close_pipes(child)
            self._child = None

    async def _read_errors(self, child: asyncio.subprocess.Process) -> None:
        """Read what it writes to standard error until it ends, and tell its last exception by class and line alone."""
        assert child.stderr is not None
        written = b""
        while data := await child.stderr.read(WRITTEN):
            written = (written + data)[-WRITTEN:]
        error, place = last_error(written.decode("utf-8", "replace"))
        if error:
            self._message(Failed("inspector", error, place))

    def _lost(self) -> None:
        if self.alive:
            self.alive = False
            self._down()

    async def _listen(self, child: asyncio.subprocess.Process) -> str:
        """Pass on what it tells until it ends or breaks everything; return why it is given up."""
        assert child.stdout is not None
        crashes: deque[float] = deque(maxlen=CRASHES)
        while line := await child.stdout.readline():
            try:
                message = _messages.decode(line)
            except msgspec.DecodeError:
                continue  # a library that prints; nothing of ours
            if not isinstance(message, Alive):
                self._message(message)
                if self._is_crash_loop(message, crashes):
                    return "the inspector failed at everything, as without memory"
                continue
            self._heard.set()
            if not self.alive:
                self.alive, self.problem = True, None
                self._up(message.port)
        return "the inspector ended"

    @staticmethod
    def _is_crash_loop(message: Message, crashes: deque[float]) -> bool:
        """Note a crash for want of memory; any other is of one connection, and costs no other its download."""
        if not isinstance(message, Failed) or message.error != "MemoryError":
            return False
        now = asyncio.get_running_loop().time()
        crashes.append(now)
        return len(crashes) == CRASHES and now - crashes[0] < CRASH_SECONDS

    async def _check_memory(self, child: asyncio.subprocess.Process) -> str:
        """Have the inspector replaced when its memory exceeds MEMORY_LIMIT; end it above MEMORY_KILL_LIMIT."""
        loop = asyncio.get_running_loop()
        due = loop.time() + MEMORY_RESTART_INTERVAL
        while True:
            await asyncio.sleep(MEMORY_CHECK_SECONDS)
            weight = resident(child.pid)
            if weight > MEMORY_KILL_LIMIT:
                return f"the inspector took {weight >> 20} MiB of memory"
            if weight > MEMORY_LIMIT and loop.time() >= due:
                due = loop.time() + MEMORY_RESTART_INTERVAL
                self._heavy()

    async def _ask(self, child: asyncio.subprocess.Process) -> str:
        """Ping until an answer is overdue or the pipe breaks; return which."""
        assert child.stdin is not None
        with contextlib.suppress(ConnectionError):
            child.stdin.write(msgspec.json.encode(self._start) + b"\n")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._heard.wait(), START_SECONDS)
            while self.alive:
                self._heard.clear()
                child.stdin.write(_ping)
                await child.stdin.drain()
                if not await self._answers():
                    break
                await self._wait_for_next_ping()
        return "the inspector stopped answering"

    async def _wait_for_next_ping(self) -> None:
        """Wait PING_SECONDS, or up to QUIET_TURNS times that while nothing is inspected."""
        for _ in range(QUIET_TURNS):
            await asyncio.sleep(PING_SECONDS)
            if self._busy():
                return

    async def _answers(self) -> bool:
        """Whether the ping is answered in time. It may be we who were busy: read what is there first."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._heard.wait(), ANSWER_SECONDS)
        for _ in range(GRACE_TURNS):
            if self._heard.is_set():
                return True
            await asyncio.sleep(0.01)
        return False

    @property
    def enabled(self) -> bool:
        """Whether there should be one."""
        return self._wanted.is_set()

    def set_enabled(self, wanted: bool) -> None:
        """Have one, or none: where nothing is inspected, none is needed."""
        if wanted:
            self._wanted.set()
        else:
            self._wanted.clear()
            self._end()

    def renew(self, start: Start) -> None:
        """Start with this from now on, and end the child now; `run` starts another."""
        self._start = start
        self._end()

    def _end(self) -> None:
        if self._child is not None:
            self._asked = True  # no failure, and so no reason to wait
            with contextlib.suppress(ProcessLookupError):
                self._child.terminate()


def resident(pid: int) -> int:
    """Return the bytes of memory that a process really occupies; 0 where this system does not tell (Linux does)."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, AttributeError):
        return 0


async def _close_pipes(child: asyncio.subprocess.Process) -> None:
    """Let asyncio close both pipes while its loop still runs; a grandchild may hold one open."""
    assert child.stdin is not None and child.stdout is not None
    child.stdin.close()
    with contextlib.suppress(ConnectionError, TimeoutError, ValueError):
        async with asyncio.timeout(1):
            await child.stdin.wait_closed()
            while await child.stdout.read(LINE_LIMIT):
                pass
    child._transport.close()  # type: ignore[attr-defined]  # no public way to let go of a pipe that is held
