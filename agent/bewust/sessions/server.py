"""The service's end of the local socket: which logins are there, and each one's own desktop.

Belongs here: who may say what, and how much. Not here: what is said (client), or when to remind
(reminders.schedule). Who a session belongs to is what the operating system says of the socket, never what it
says itself; so nobody reads another's reminders, and nobody can put one on another's desktop.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Collection
from itertools import count
from pathlib import Path

import msgspec

from bewust.desktop import Toast
from bewust.desktop.busy import Busy
from bewust.desktop.toast import KNOWN_PROBLEMS, REFUSED, SECONDS_TO_WAIT
from bewust.model import Context, SavedUserState, Span
from bewust.sessions import local_socket
from bewust.sessions.client import (
    LINE_LIMIT,
    AskBusy,
    BusyState,
    Hello,
    Remember,
    ShowToast,
    Snoozed,
    ToastResult,
    ToService,
    ToSession,
)

SESSIONS_EACH = 4  # sessions of one person: a desktop, and one or two more over the network
SESSIONS_LIMIT = 1024
HELLO_SECONDS = 5.0
RETURN_SECONDS = 10.0  # for a session to connect anew, after it or the service was gone
BUSY_SECONDS = 2.0  # for a session to say whether its desktop is busy
BURST, BURST_SECONDS = 40, 10.0  # messages of one session, or sessions of one person; nobody needs so many
HELD_BYTES = 64 << 10  # waiting for a session that does not read
NO_ANSWER = "the session did not answer; it may have ended"


class RemoteDesktop:
    """A login's desktop at the other end of a socket."""

    def __init__(self, who: int, writer: asyncio.StreamWriter) -> None:
        self.who = who
        self._writer = writer
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[BusyState | ToastResult]] = {}

    async def busy(self) -> Busy | None:
        """Return why now is a bad moment; None where it is not. TimeoutError where nobody answers."""
        number = next(self._numbers)
        answer = await self._answer(number, AskBusy(number), BUSY_SECONDS)
        return answer.busy if isinstance(answer, BusyState) else None

    async def show(self, toast: Toast) -> str | None:
        """Show a toast; None when it was shown, else the reason in one line."""
        number = next(self._numbers)
        try:
            # Its own limit and one second for the way.
            answer = await self._answer(number, ShowToast(number, toast), SECONDS_TO_WAIT + 1)
        except TimeoutError:
            return NO_ANSWER
        problem = answer.problem if isinstance(answer, ToastResult) else None
        return problem if problem is None or problem in KNOWN_PROBLEMS else REFUSED  # never words of a stranger's

    async def close(self) -> None:
        """End the session."""
        self._writer.transport.abort()

    def remember(self, memory: SavedUserState) -> None:
        """Have the login remember this from now on."""
        self._send(Remember(memory))

    def answered(self, message: BusyState | ToastResult) -> None:
        """Take an answer; one to nothing that was asked is dropped."""
        waiting = self._asked.get(message.id)
        if waiting is not None and not waiting.done():
            waiting.set_result(message)

    def gone(self) -> None:
        """Let nobody wait for an answer of a session that has ended."""
        for waiting in self._asked.values():
            if not waiting.done():
                waiting.set_exception(TimeoutError())

    async def _answer(self, number: int, message: ToSession, seconds: float) -> BusyState | ToastResult:
        waiting: asyncio.Future[BusyState | ToastResult] = asyncio.get_running_loop().create_future()
        self._asked[number] = waiting
        try:
            self._send(message)
            async with asyncio.timeout(seconds):
                return await waiting
        finally:
            del self._asked[number]

    def _send(self, message: ToSession) -> None:
        transport = self._writer.transport
        if transport.get_write_buffer_size() > HELD_BYTES:  # it reads nothing, and we hold no more for it
            transport.abort()
        elif not transport.is_closing():
            self._writer.write(msgspec.json.encode(message) + b"\n")


class Logins:
    """All sessions. `came` and `left` are told a person's first and last one, `snooze` what they press."""

    def __init__(
        self,
        *,
        came: Callable[[int, SavedUserState], None],
        left: Callable[[int], None],
        snooze: Callable[[int, Span, Context | None], None],
    ) -> None:
        self._came, self._left, self._snooze = came, left, snooze
        self._there: dict[int, list[RemoteDesktop]] = {}
        self._open: dict[int, int] = {}  # connections of each person, also those that said nothing yet
        self._lately: dict[int, deque[float]] = {}  # when each person opened one
        self._expected: dict[int, float] = {}  # until when a person who had a session may be back, by the loop's clock
        self._all_expected = 0.0  # and anybody, as the service itself is new
        self._arrived = asyncio.Event()  # set and replaced when anybody's first session is there
        self._decoder = msgspec.json.Decoder(ToService)
        self._server: local_socket.Listening | None = None

    async def open(self, path: Path) -> None:
        """Listen; anyone may connect and is told apart by the system. OSError where that cannot be."""
        self._server = await local_socket.listen(path, self, LINE_LIMIT)
        self._all_expected = asyncio.get_running_loop().time() + RETURN_SECONDS

    async def close(self) -> None:
        """Stop listening and end every session."""
        if self._server is not None:
            await self._server.close()

    @property
    def present(self) -> Collection[int]:
        """Who has a session now."""
        return self._there.keys()

    @property
    def count(self) -> int:
        """How many people have a session now."""
        return len(self._there)

    def desktop(self, who: int) -> RemoteDesktop | None:
        """Return the desktop of a person who is logged in, the newest of several."""
        there = self._there.get(who)
        return there[-1] if there else None

    async def returned(self, who: int) -> RemoteDesktop | None:
        """Return a person's desktop, waiting for one that was just there, or for all where the service is new.

        A service that was killed has no sessions for a moment, and what happens in it is no less worth a reminder.
        """
        loop = asyncio.get_running_loop()
        until = max(self._all_expected, self._expected.get(who, 0.0))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                while self.desktop(who) is None and loop.time() < until:
                    await self._arrived.wait()
        return self.desktop(who)

    def connected(self, who: int) -> bool:
        """Whether a person may open one more: not too many at a time, and not too many in a short while."""
        if self._open.get(who, 0) >= SESSIONS_EACH or sum(self._open.values()) >= SESSIONS_LIMIT:
            return False
        now = asyncio.get_running_loop().time()
        if len(self._lately) > SESSIONS_LIMIT:  # of those who came long ago nothing has to be known
            self._lately = {one: times for one, times in self._lately.items() if now - times[-1] < BURST_SECONDS}
        lately = self._lately.setdefault(who, deque(maxlen=BURST))
        if len(lately) == BURST and now - lately[0] < BURST_SECONDS:
            return False
        lately.append(now)
        self._open[who] = self._open.get(who, 0) + 1
        return True

    async def serve(self, who: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk with one session until it ends."""
        # A line too long, one that is no message, or silence: that session is over, and nothing else.
        with contextlib.suppress(OSError, ValueError, TimeoutError):
            await self._talk(RemoteDesktop(who, writer), reader)

    def disconnected(self, who: int) -> None:
        """Give a place back."""
        self._open[who] -= 1
        if not self._open[who]:
            del self._open[who]

    async def _talk(self, remote: RemoteDesktop, reader: asyncio.StreamReader) -> None:
        async with asyncio.timeout(HELLO_SECONDS):
            hello = self._decoder.decode(await reader.readline())
        if not isinstance(hello, Hello):
            return
        there = self._there.setdefault(remote.who, [])
        there.append(remote)
        try:
            if len(there) == 1:
                self._expected.pop(remote.who, None)
                self._came(remote.who, hello.memory)
                self._arrived.set()
                self._arrived = asyncio.Event()
            await self._listen(remote, reader)
        finally:
            there.remove(remote)
            remote.gone()
            if not there:
                del self._there[remote.who]
                now = asyncio.get_running_loop().time()
                self._expected = {who: until for who, until in self._expected.items() if until > now}
                self._expected[remote.who] = now + RETURN_SECONDS
                self._left(remote.who)

    async def _listen(self, remote: RemoteDesktop, reader: asyncio.StreamReader) -> None:
        lately = deque[float](maxlen=BURST)
        while line := await reader.readline():
            now = asyncio.get_running_loop().time()
            if len(lately) == BURST and now - lately[0] < BURST_SECONDS:
                return
            lately.append(now)
            match self._decoder.decode(line):
                case BusyState() | ToastResult() as answer:
                    remote.answered(answer)
                case Snoozed(span=span, context=context):
                    self._snooze(remote.who, span, context)
                case Hello():
                    return
