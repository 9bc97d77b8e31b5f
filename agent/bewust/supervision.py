"""Starts, watches and restarts the inspector.

Health is a probe of our own: a ping over the pipe that the inspector's event loop must answer
within a second, never the answer of a site (docs/decisions/0003). A frozen inspector is killed:
its connections have been aborted already, and only a new one can serve again.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Sequence

import msgspec

from bewust.model import Alive, Message, Ping, Start

# -P: nothing from the current folder; -O: mitmproxy checks the type of each field of each event otherwise.
COMMAND = (sys.executable, "-P", "-O", "-m", "bewust_addons.run")
PING_SECONDS = 0.4
ANSWER_SECONDS = 1.0
GRACE_TURNS = 10  # of the event loop, a hundredth of a second each
START_SECONDS = 30.0  # a cold start on a busy disk; measured: under 2 s
BACK_OFF = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # seconds before the next start
STEADY_SECONDS = 60.0  # after which a failure counts as the first again
LINE_LIMIT = 1 << 16

_ping = msgspec.json.encode(Ping()) + b"\n"
_messages = msgspec.json.Decoder(Message)


class Inspector:
    """The inspector child and its pipe. `up` gets its port, `down` is called when it is lost."""

    def __init__(
        self,
        start: Start,
        *,
        up: Callable[[int], None],
        down: Callable[[], None],
        message: Callable[[Message], None],
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._start = start
        self._up, self._down, self._message = up, down, message
        self._command = command
        self._child: asyncio.subprocess.Process | None = None
        self._heard = asyncio.Event()
        self.alive = False
        self.starts = 0
        self.problem: str | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id while there is one."""
        return self._child.pid if self._child else None

    async def run(self) -> None:
        """Keep an inspector running until cancelled; then end it."""
        failures = 0
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(BACK_OFF[min(failures, len(BACK_OFF) - 1)])
            began = loop.time()
            try:
                await self._live()
            except OSError as error:
                self.problem = f"the inspector cannot be started ({error.strerror})"
            failures = 1 if loop.time() - began > STEADY_SECONDS else failures + 1

    async def _live(self) -> None:
        """Start one child and stay until it is gone."""
        self.starts += 1
        self._child = child = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL, limit=LINE_LIMIT, start_new_session=True,
        )  # fmt: skip
        self._heard.clear()
        tasks = listening, _ = [asyncio.ensure_future(self._listen(child)), asyncio.ensure_future(self._ask(child))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            self.problem = "the inspector ended" if listening.done() else "the inspector stopped answering"
        finally:
            self._lost()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
            await _close_pipes(child)
            self._child = None

    def _lost(self) -> None:
        if self.alive:
            self.alive = False
            self._down()

    async def _listen(self, child: asyncio.subprocess.Process) -> None:
        assert child.stdout is not None
        while line := await child.stdout.readline():
            try:
                message = _messages.decode(line)
            except msgspec.DecodeError:
                continue  # a library that prints; nothing of ours
            if not isinstance(message, Alive):
                self._message(message)
                continue
            self._heard.set()
            if not self.alive:
                self.alive, self.problem = True, None
                self._up(message.port)

    async def _ask(self, child: asyncio.subprocess.Process) -> None:
        """Ping until an answer is overdue or the pipe breaks."""
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
                    return
                await asyncio.sleep(PING_SECONDS)

    async def _answers(self) -> bool:
        """Whether the ping is answered in time. It may be we who were busy: read what is there first."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._heard.wait(), ANSWER_SECONDS)
        for _ in range(GRACE_TURNS):
            if self._heard.is_set():
                return True
            await asyncio.sleep(0.01)
        return False

    def renew(self, start: Start) -> None:
        """Start with this from now on, and end the child now; `run` starts another."""
        self._start = start
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                self._child.terminate()


async def _close_pipes(child: asyncio.subprocess.Process) -> None:
    """Let asyncio close both pipes while its loop still runs; a grandchild may hold one open."""
    assert child.stdin is not None and child.stdout is not None
    child.stdin.close()
    with contextlib.suppress(ConnectionError, TimeoutError, ValueError):
        async with asyncio.timeout(1):
            await child.stdin.wait_closed()
            while await child.stdout.read(LINE_LIMIT):
                pass
