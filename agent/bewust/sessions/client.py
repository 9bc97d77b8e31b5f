"""`bewust session`: one login's own light process, and the messages it exchanges with the service.

Belongs here: the messages, staying connected, what this login remembers. Not here: whether to remind
(the service decides) and how a toast is shown (desktop.desktop). One JSON object a line, told apart by `type`;
docs/session-messages.json is their schema. Imports nothing heavy: every login runs one.
"""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Protocol

import msgspec

from bewust.desktop import Toast
from bewust.desktop.busy import Busy
from bewust.model import Context, SavedUserState, Span
from bewust.sessions import local_socket
from bewust.sessions.saved import read_saved, write_saved

LINE_LIMIT = 4096  # bytes of one message, either way
BACK_OFF = (0.2, 0.5, 1.0, 2.0)  # seconds before connecting again; well within what the service waits for us
STEADY_SECONDS = 30.0  # a connection that lasted so long begins the back-off anew


class Hello(msgspec.Struct, frozen=True, tag="hello", forbid_unknown_fields=True):
    """A session introduces itself with what its login remembers; who it is the socket tells."""

    memory: SavedUserState = SavedUserState()


class BusyState(msgspec.Struct, frozen=True, tag="moment", forbid_unknown_fields=True):
    """The answer to `Ask`: whether the desktop is busy."""

    id: int
    busy: Busy | None = None


class ToastResult(msgspec.Struct, frozen=True, tag="shown", forbid_unknown_fields=True):
    """The answer to `Show`: `problem` says why it could not be shown."""

    id: int
    problem: str | None = None


class Snoozed(msgspec.Struct, frozen=True, tag="snooze", forbid_unknown_fields=True):
    """A person wants no reminders for a while, of one context or of all."""

    span: Span
    context: Context | None = None


class AskBusy(msgspec.Struct, frozen=True, tag="ask", forbid_unknown_fields=True):
    """The service asks whether now is a bad moment."""

    id: int


class ShowToast(msgspec.Struct, frozen=True, tag="show", forbid_unknown_fields=True):
    """The service has a reminder for this login."""

    id: int
    toast: Toast


class Remember(msgspec.Struct, frozen=True, tag="remember", forbid_unknown_fields=True):
    """What this login shall remember from now on."""

    memory: SavedUserState


ToService = Hello | BusyState | ToastResult | Snoozed
ToSession = AskBusy | ShowToast | Remember


class Desktop(Protocol):
    """One login's desktop, here or at the other end of the socket."""

    async def busy(self) -> Busy | None:
        """Return why now is a bad moment; None where it is not."""

    async def show(self, toast: Toast, /) -> str | None:
        """Show a toast; None when it was shown, else the reason in one line without its text."""

    async def close(self) -> None:
        """Let go of the desktop."""


class Session:
    """One login's end of the socket. `problem` is why it is not connected, None while it is.

    `wanted` is asked whenever the connection has ended: whether to try again.
    """

    def __init__(
        self,
        path: Path,
        memory: Path,
        desktop: Desktop,
        tell: Callable[[str], None] = lambda problem: None,
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        self._tell = tell
        self._wanted = wanted
        self._path = path
        self._memory = memory
        self._desktop = desktop
        self._writer: asyncio.StreamWriter | None = None
        self._decoder = msgspec.json.Decoder(ToSession)
        self._working: set[asyncio.Task[None]] = set()
        self.problem: str | None = "not connected yet"

    async def run(self) -> None:
        """Stay connected until cancelled, or wanted no more; whatever happens at the other end, try again."""
        failures, told = 0, ""
        while True:
            connected = asyncio.get_running_loop().time()
            try:
                await self._serve()
                self.problem = "the service has ended"
            except (OSError, ValueError) as error:
                self.problem = str(error) or type(error).__name__
            finally:
                self._close()
            if self.problem != told:
                told = self.problem
                self._tell(self.problem)
            if not await asyncio.to_thread(self._wanted):
                return
            if asyncio.get_running_loop().time() - connected > STEADY_SECONDS:
                failures = 0
            await asyncio.sleep(BACK_OFF[min(failures, len(BACK_OFF) - 1)])
            failures += 1

    async def _serve(self) -> None:
        reader, self._writer = await local_socket.connect(self._path, LINE_LIMIT)
        self._send(Hello(read_saved(self._memory)))
        self.problem = None
        while line := await reader.readline():
            match self._decoder.decode(line):
                case AskBusy(id=number):
                    self._begin(self._answer(number))
                case ShowToast(id=number, toast=toast):
                    self._begin(self._show(number, toast))
                case Remember(memory=memory):
                    await asyncio.to_thread(write_saved, self._memory, memory)

    def snooze(self, span: Span) -> None:
        """Tell the service that this person wants no reminders for a while."""
        self._send(Snoozed(span))

    async def _answer(self, number: int) -> None:
        self._send(BusyState(number, await self._desktop.busy()))

    async def _show(self, number: int, toast: Toast) -> None:
        self._send(ToastResult(number, await self._desktop.show(toast)))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    def _send(self, message: ToService) -> None:
        if self._writer is not None:
            self._writer.write(msgspec.json.encode(message) + b"\n")

    def _close(self) -> None:
        for task in self._working:
            task.cancel()
        if self._writer is not None:
            self._writer.close()
        self._writer = None
