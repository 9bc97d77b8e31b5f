"""Where the service and the sessions of one machine meet: a place that a path names, and who is at its other end.

A socket in the file system; on Windows a pipe (windows_pipes). Belongs here: opening both ends, and whom to believe.
Not here: what is said there (client, server).
"""

import asyncio
import contextlib
import os
import socket
import stat
import sys
from functools import partial
from pathlib import Path
from typing import Protocol

from bewust.errors import BewustError
from bewust.sessions.guests import ConnectionHandler
from bewust.system.socket_owner import peer_of

if sys.platform == "win32":
    from bewust.sessions import windows_pipes

BACKLOG_SECONDS = 10.0  # how long to knock where many others do
RETRY_SECONDS = 0.02
ACCEPTS_EACH = 32  # connections taken from the queue before the loop does anything else

type Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Listening(Protocol):
    """The service's end."""

    async def close(self) -> None:
        """Take no more, and end those who are there."""


class UntrustedPeerError(BewustError, ConnectionError):
    """Something else than the service listens at its socket."""


async def listen(path: Path, guests: ConnectionHandler, limit: int) -> Listening:
    """Listen; anyone may connect and is told apart by the system. `limit` is bytes of a line.

    OSError where that cannot be, and where others could put something of theirs in its place.
    """
    if sys.platform == "win32":
        return windows_pipes.Listening(path, guests, limit)
    about = path.parent.stat()
    if about.st_uid != os.geteuid() or about.st_mode & 0o022:
        raise PermissionError(0, "the folder must be this account's own, and writable by nobody else")
    return SocketServer(path, guests, limit)


class SocketServer:
    """The service's end in the file system. A flood of a stranger's is closed unheard and holds up nobody's turn."""

    def __init__(self, path: Path, guests: ConnectionHandler, limit: int) -> None:
        self._path, self._guests, self._limit = path, guests, limit
        self._sessions: set[asyncio.Task[None]] = set()
        self._listener = _listening(path)
        self._listen()

    def _listen(self) -> None:
        if self._listener.fileno() >= 0:
            asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(ACCEPTS_EACH):
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # no file descriptor is left: look again when some may be
                loop.remove_reader(self._listener)
                loop.call_later(1, self._listen)
                return
            who = peer_of(connection)
            if who is None or not self._guests.connected(who):
                connection.close()
                continue
            task = loop.create_task(self._serve(who, connection))
            self._sessions.add(task)
            task.add_done_callback(partial(self._ended, who, connection))

    async def _serve(self, who: int, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_unix_connection(sock=connection, limit=self._limit)
        try:
            await self._guests.serve(who, reader, writer)
        finally:
            writer.transport.abort()

    def _ended(self, who: int, connection: socket.socket, task: asyncio.Task[None]) -> None:
        """Give its place back, also of one that was cancelled before it began."""
        connection.close()
        self._sessions.discard(task)
        self._guests.disconnected(who)

    async def close(self) -> None:
        """Take no more, and end those who are there."""
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()
        self._path.unlink(missing_ok=True)
        for task in self._sessions:
            task.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)


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


async def connect(path: Path, limit: int) -> Streams:
    """Connect to the service. OSError where nobody listens, or another than the service."""
    if sys.platform == "win32":
        return await windows_pipes.connect(path, limit)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        await _connect_with_retry(connection, path)
        check_service(connection, path)
        return await asyncio.open_unix_connection(sock=connection, limit=limit)
    except BaseException:
        connection.close()
        raise


async def _connect_with_retry(connection: socket.socket, path: Path) -> None:
    """Retry connect() while the listen backlog is full (EAGAIN on AF_UNIX, Linux), where asyncio would report
    success.
    """
    connection.setblocking(False)
    try:
        async with asyncio.timeout(BACKLOG_SECONDS):
            while True:
                try:
                    connection.connect(str(path))
                except BlockingIOError:
                    await asyncio.sleep(RETRY_SECONDS)
                else:
                    return
    except TimeoutError:
        raise TimeoutError(f"{path}: so many knock there that there was no room for us") from None


def check_service(connection: socket.socket, path: Path) -> None:
    """Raise NotOursError unless the other end is the account whose folder the socket is in, or root.

    Nobody else may write to that folder: another login could else put its own socket there.
    """
    about = path.parent.stat()
    if about.st_mode & 0o022:
        raise UntrustedPeerError(f"{path.parent}: others may write to it. Make it 0755, of the service's account.")
    if peer_of(connection) not in (0, about.st_uid):
        raise UntrustedPeerError(f"{path}: another account than the service listens there")
