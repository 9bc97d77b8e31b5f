"""The service's end of the local socket: which logins are there, and each one's own desktop.

Belongs here: who may say what, and how much. Not here: what is said (session), or when to remind
(reminders). Who a session belongs to is what the operating system says of the socket, never what it
says itself; so nobody reads another's reminders, and nobody can put one on another's desktop.
"""

import asyncio
import contextlib
import os
import socket
import stat
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import msgspec

from bewust.model import Context, Memory, Span
from bewust.moments import Busy
from bewust.notify import REASONS, REFUSED, SECONDS_TO_WAIT, Toast
from bewust.owners import peer_of
from bewust.session import LINE_LIMIT, Ask, Hello, Moment, Remember, Show, Shown, Snoozed, ToService, ToSession

EACH = 4  # sessions of one person: a desktop, and one or two more over the network
ALL = 1024
TURN = 32  # taken from the queue before the loop does anything else
HELLO_SECONDS = 5.0
BUSY_SECONDS = 2.0  # for a session to say whether its desktop is busy
BURST, BURST_SECONDS = 40, 10.0  # messages of one session, or sessions of one person; nobody needs so many
HELD_BYTES = 64 << 10  # waiting for a session that does not read
GONE = "the session did not answer; it may have ended"


class Remote:
    """A login's desktop at the other end of a socket."""

    def __init__(self, who: int, writer: asyncio.StreamWriter) -> None:
        self.who = who
        self._writer = writer
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[Moment | Shown]] = {}

    async def busy(self) -> Busy | None:
        """Return why now is a bad moment; None where it is not. TimeoutError where nobody answers."""
        number = next(self._numbers)
        answer = await self._answer(number, Ask(number), BUSY_SECONDS)
        return answer.busy if isinstance(answer, Moment) else None

    async def show(self, toast: Toast) -> str | None:
        """Show a toast; None when it was shown, else the reason in one line."""
        number = next(self._numbers)
        try:
            # Its own limit and one second for the way.
            answer = await self._answer(number, Show(number, toast), SECONDS_TO_WAIT + 1)
        except TimeoutError:
            return GONE
        problem = answer.problem if isinstance(answer, Shown) else None
        return problem if problem is None or problem in REASONS else REFUSED  # never words of a stranger's

    async def close(self) -> None:
        """End the session."""
        self._writer.transport.abort()

    def remember(self, memory: Memory) -> None:
        """Have the login remember this from now on."""
        self._send(Remember(memory))

    def answered(self, message: Moment | Shown) -> None:
        """Take an answer; one to nothing that was asked is dropped."""
        waiting = self._asked.get(message.id)
        if waiting is not None and not waiting.done():
            waiting.set_result(message)

    def gone(self) -> None:
        """Let nobody wait for an answer of a session that has ended."""
        for waiting in self._asked.values():
            if not waiting.done():
                waiting.set_exception(TimeoutError())

    async def _answer(self, number: int, message: ToSession, seconds: float) -> Moment | Shown:
        waiting: asyncio.Future[Moment | Shown] = asyncio.get_running_loop().create_future()
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
        came: Callable[[int, Memory], None],
        left: Callable[[int], None],
        snooze: Callable[[int, Span, Context | None], None],
    ) -> None:
        self._came, self._left, self._snooze = came, left, snooze
        self._there: dict[int, list[Remote]] = {}
        self._open: dict[int, int] = {}  # connections of each person, also those that said nothing yet
        self._lately: dict[int, deque[float]] = {}  # when each person opened one
        self._sessions: set[asyncio.Task[None]] = set()
        self._decoder = msgspec.json.Decoder(ToService)
        self._listener: socket.socket | None = None
        self._path = Path()
        self.people: set[int] = set()  # all who used this machine since the start, as far as known

    async def open(self, path: Path) -> None:
        """Listen; anyone may connect and is told apart by the system. OSError where that cannot be."""
        about = path.parent.stat()
        if about.st_uid != os.geteuid() or about.st_mode & 0o022:
            raise PermissionError(0, "the folder must be this account's own, and writable by nobody else")
        self._listener = _listening(path)
        asyncio.get_running_loop().add_reader(self._listener, self._accept)
        self._path = path

    async def close(self) -> None:
        """Stop listening and end every session."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None
            self._path.unlink(missing_ok=True)
        for task in self._sessions:
            task.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    @property
    def count(self) -> int:
        """How many people have a session now."""
        return len(self._there)

    def desktop(self, who: int) -> Remote | None:
        """Return the desktop of a person who is logged in, the newest of several."""
        there = self._there.get(who)
        return there[-1] if there else None

    def _accept(self) -> None:
        """Take some of those who wait. A stranger's flood is closed unheard, and holds up nobody else's turn."""
        assert self._listener is not None
        loop = asyncio.get_running_loop()
        for _ in range(TURN):
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # no file descriptor is left: look again when some may be
                loop.remove_reader(self._listener)
                loop.call_later(1, self._listen_again)
                return
            who = peer_of(connection)
            if who is None or not self._has_room(who, loop.time()):
                connection.close()
                continue
            self._open[who] = self._open.get(who, 0) + 1
            task = loop.create_task(self._serve(who, connection))
            self._sessions.add(task)
            task.add_done_callback(partial(self._ended, who, connection))

    def _listen_again(self) -> None:
        if self._listener is not None:
            asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def _has_room(self, who: int, now: float) -> bool:
        """Whether a person may open one more: not too many at a time, and not too many in a short while."""
        if self._open.get(who, 0) >= EACH or sum(self._open.values()) >= ALL:
            return False
        lately = self._lately.setdefault(who, deque(maxlen=BURST))
        if len(lately) == BURST and now - lately[0] < BURST_SECONDS:
            return False
        lately.append(now)
        return True

    async def _serve(self, who: int, connection: socket.socket) -> None:
        writer = None
        try:
            # A line too long, one that is no message, or silence: that session is over, and nothing else.
            with contextlib.suppress(OSError, ValueError, TimeoutError):
                reader, writer = await asyncio.open_unix_connection(sock=connection, limit=LINE_LIMIT)
                await self._talk(Remote(who, writer), reader)
        finally:
            if writer is not None:
                writer.transport.abort()

    def _ended(self, who: int, connection: socket.socket, task: asyncio.Task[None]) -> None:
        """Give its place back, also of one that was cancelled before it began."""
        connection.close()
        self._sessions.discard(task)
        self._open[who] -= 1
        if not self._open[who]:
            del self._open[who]

    async def _talk(self, remote: Remote, reader: asyncio.StreamReader) -> None:
        async with asyncio.timeout(HELLO_SECONDS):
            hello = self._decoder.decode(await reader.readline())
        if not isinstance(hello, Hello):
            return
        there = self._there.setdefault(remote.who, [])
        there.append(remote)
        self.people.add(remote.who)
        try:
            if len(there) == 1:
                self._came(remote.who, hello.memory)
            await self._listen(remote, reader)
        finally:
            there.remove(remote)
            remote.gone()
            if not there:
                del self._there[remote.who]
                self._left(remote.who)

    async def _listen(self, remote: Remote, reader: asyncio.StreamReader) -> None:
        lately = deque[float](maxlen=BURST)
        while line := await reader.readline():
            now = asyncio.get_running_loop().time()
            if len(lately) == BURST and now - lately[0] < BURST_SECONDS:
                return
            lately.append(now)
            match self._decoder.decode(line):
                case Moment() | Shown() as answer:
                    remote.answered(answer)
                case Snoozed(span=span, context=context):
                    self._snooze(remote.who, span, context)
                case Hello():
                    return


def _listening(path: Path) -> socket.socket:
    """Return a socket that listens there, in the place of one whose service was killed. OSError."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        listener.listen(512)
        listener.setblocking(False)
        os.chmod(path, 0o666)
    except OSError:
        listener.close()
        raise
    return listener
