"""Where the service and the sessions of one machine meet: a place that a path names, and who is at its other end.

A socket in the file system; on Windows a pipe (windows_pipes). Belongs here: opening both ends, and whom to believe.
Not here: what is said there (session, logins).
"""

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Protocol

from bewust.owners import peer_of

if sys.platform == "win32":
    from bewust import windows_pipes

type Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
type Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


class Listening(Protocol):
    """The service's end."""

    def close(self) -> None:
        """Take no more."""

    async def wait_closed(self) -> None:
        """Return when everybody has gone."""


class NotOursError(ConnectionError):
    """Something else than the service listens at its socket."""


async def listen(path: Path, connected: Connected, limit: int) -> Listening:
    """Listen; anyone may connect and is told apart by the system. `limit` is bytes of a line.

    OSError where that cannot be, and where others could put something of theirs in its place.
    """
    if sys.platform == "win32":
        return windows_pipes.Listening(path, connected, limit)
    about = path.parent.stat()
    if about.st_uid != os.geteuid() or about.st_mode & 0o022:
        raise PermissionError(0, "the folder must be this account's own, and writable by nobody else")
    server = await asyncio.start_unix_server(connected, path, limit=limit, backlog=512)
    os.chmod(path, 0o666)
    return server


async def connect(path: Path, limit: int) -> Streams:
    """Connect to the service. OSError where nobody listens, or another than the service."""
    if sys.platform == "win32":
        return await windows_pipes.connect(path, limit)
    reader, writer = await asyncio.open_unix_connection(path, limit=limit)
    try:
        check_service(writer.get_extra_info("socket"), path)
    except BaseException:
        writer.transport.abort()
        raise
    return reader, writer


def client_of(writer: asyncio.StreamWriter) -> int | None:
    """Return who connected, in the numbers of `owners`; None where the system does not say."""
    if sys.platform == "win32":
        return windows_pipes.client_of(writer)
    return peer_of(writer.get_extra_info("socket"))


def check_service(connection: socket.socket, path: Path) -> None:
    """Raise NotOursError unless the other end is the account whose folder the socket is in, or root.

    Nobody else may write to that folder: another login could else put its own socket there.
    """
    about = path.parent.stat()
    if about.st_mode & 0o022:
        raise NotOursError(f"{path.parent}: others may write to it. Make it 0755, of the service's account.")
    if peer_of(connection) not in (0, about.st_uid):
        raise NotOursError(f"{path}: another account than the service listens there")
