"""The inspector's two pipes to the front: asyncio's own, and threads on Windows.

Windows lets asyncio wait only for pipes that were opened for it, which what a parent process hands over is not.
Belongs here: bytes in and out. Not here: what they say (main).
"""

import asyncio
import os
import queue
import sys
import threading
from typing import Protocol

READ_BYTES = 1 << 16
START_LIMIT = 16 << 20  # bytes of a line: the first one holds the policy, and what is decided of every service


class Writing(Protocol):
    """The part of asyncio.WriteTransport that is used here."""

    def write(self, data: bytes) -> None:
        """Write without waiting."""

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait."""


async def open_pipes() -> tuple[asyncio.StreamReader, Writing]:
    """Return standard input and standard output; neither blocks the event loop."""
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader(limit=START_LIMIT)
    if sys.platform == "win32":
        return by_threads(reader, loop, sys.stdin.fileno(), sys.stdout.fileno())
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    transport, _ = await loop.connect_write_pipe(asyncio.Protocol, sys.stdout)
    return reader, transport


def by_threads(
    reader: asyncio.StreamReader, loop: asyncio.AbstractEventLoop, source: int, target: int
) -> tuple[asyncio.StreamReader, Writing]:
    """Read and write two descriptors, each in a thread that ends with the process."""
    threading.Thread(target=_read, args=(reader, loop, source), daemon=True).start()
    return reader, _Written(target)


def _read(reader: asyncio.StreamReader, loop: asyncio.AbstractEventLoop, source: int) -> None:
    while True:
        try:
            data = os.read(source, READ_BYTES)  # not the file object: its lock would outlive the interpreter
        except OSError:  # the front was killed
            data = b""
        try:
            loop.call_soon_threadsafe(*((reader.feed_data, data) if data else (reader.feed_eof,)))
        except RuntimeError:  # the loop has ended
            return
        if not data:
            return


class _Written:
    def __init__(self, target: int) -> None:
        self._target = target
        self._waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._given = self._gone = 0  # bytes; each is changed by one thread only
        threading.Thread(target=self._write, daemon=True).start()

    def write(self, data: bytes) -> None:
        self._given += len(data)
        self._waiting.put(data)

    def get_write_buffer_size(self) -> int:
        return self._given - self._gone

    def _write(self) -> None:
        while True:
            data = memoryview(self._waiting.get())
            self._gone += len(data)
            try:
                while data:
                    data = data[os.write(self._target, data) :]
            except OSError:  # the front has ended, and what is read tells us so too
                return
