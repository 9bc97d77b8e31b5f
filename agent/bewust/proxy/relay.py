"""Two ends of a connection that pass bytes to each other: back-pressure, half-close, no copies.

Belongs here: bytes between two sockets. Not here: where they go, or what is in them.
"""

import asyncio
import contextlib
import os
import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from typing import Literal

BUFFER = 256 << 10  # bytes read at a time, and so held for a slow reader while its writer is paused
SPARE_BUFFERS = 4  # buffers kept that a slow reader has done with
HEAD_LIMIT = 16 << 10  # bytes of a request or response head; what h11 and most servers allow
# Seconds. A browser that goes direct has the kernel ask whether a silent site is still there (Chromium after 45), since
# nobody says so when a machine wakes up elsewhere. Through us it only ever asks us, and by itself a kernel waits hours.
IDLE, INTERVAL, PROBES = 45, 15, 4
VANISHED = IDLE + INTERVAL * PROBES  # without a word although asked: gone, also where something was sent meanwhile
# By sys.platform, the options of TCP. The last of two: after how long what was sent and is not acknowledged ends it;
# xnu's netinet/tcp.h TCP_RXT_CONNDROPTIME, Windows' ws2ipdef.h TCP_MAXRT. Not Linux' TCP_USER_TIMEOUT: that also ends
# a connection whose reader only pauses and acknowledges all the while (measured), as a paused download does; see
# `vanished`.
KEEPALIVE: Mapping[str, Mapping[int, int]] = {
    "linux": {4: IDLE, 5: INTERVAL, 6: PROBES},
    "darwin": {0x10: IDLE, 0x101: INTERVAL, 0x102: PROBES, 0x80: VANISHED},
    "win32": {3: IDLE, 17: INTERVAL, 16: PROBES, 5: VANISHED},
}
_INFO = struct.Struct("=24xI28xI")  # of tcp_info in Linux' linux/tcp.h: segments unacknowledged, ms since the last ACK
RESET = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)  # SO_LINGER: on, for no time at all


SECRET_HEADER = "Proxy-Authorization"  # where one proxy shows another that it may use it


def bearer(secret: str) -> str:
    """Return what stands in that header."""
    return f"Bearer {secret}"


class Buffer:
    """One read buffer for all connections: the event loop fills and empties it in one go.

    A transport that could not send everything keeps a view of it, so it is then lent to it.
    """

    def __init__(self) -> None:
        self._spares: list[memoryview] = []
        self.view = memoryview(bytearray(BUFFER))

    def acquire(self) -> memoryview:
        """Leave the buffer to a transport, and read into another from now on."""
        lent, self.view = self.view, self._spares.pop() if self._spares else memoryview(bytearray(BUFFER))
        return lent

    def release(self, lent: memoryview) -> None:
        """Have a buffer again that a transport has done with."""
        if len(self._spares) < SPARE_BUFFERS:
            self._spares.append(lent)


def keep_alive(sock: socket.socket, platform: str = sys.platform) -> None:
    """Have the kernel ask whether the other side is still there."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    options += [(socket.IPPROTO_TCP, option, value) for option, value in KEEPALIVE.get(platform, {}).items()]
    for level, option, value in options:
        with contextlib.suppress(OSError):  # macOS: it has ended already; an old Windows: it does not know it
            sock.setsockopt(level, option, value)


def vanished(sock: socket.socket, seconds: float) -> bool:
    """Whether what was sent is not acknowledged, nor anything else, for so many seconds that the other side is gone.

    Linux only: elsewhere the kernel itself sees to that (ALIVE).
    """
    if sys.platform != "linux":
        return False
    unacknowledged, since = _INFO.unpack(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size))
    return bool(unacknowledged > 0 and since > seconds * 1000)


class RelayProtocol(asyncio.BufferedProtocol):
    """One end of a relay: what it reads goes to `other`, which stops it until it could send all.

    `plain`: nobody looks at what is read, so it goes to `other` without a detour.
    """

    def __init__(self, buffer: Buffer) -> None:
        self.buffer = buffer
        self.plain = False
        self.other: RelayProtocol | None = None
        self.transport: asyncio.Transport | None = None
        self.ended = False
        self._lent: memoryview | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        with self.ends_if_it_fails():
            transport.set_write_buffer_limits(high=0)
            keep_alive(transport.get_extra_info("socket"))
            self.begun()

    def begun(self) -> None:
        """Do what is to be done when this end is there."""

    def failed(self, error: Exception) -> None:
        """Report a failure of ours; it is counted by its class."""
        asyncio.get_running_loop().call_exception_handler({"message": "a connection failed", "exception": error})

    def end(self) -> None:
        """End this connection at once."""
        self.abort()

    @contextlib.contextmanager
    def ends_if_it_fails(self) -> Iterator[None]:
        """End this connection where what is done raises: by itself asyncio would leave it open, and nobody served."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - of ours, with one connection
            self.failed(error)
            self.end()

    @property
    def vanished(self) -> bool:
        """Whether the other side is gone without a word, and something is on its way to it."""
        return self.transport is not None and vanished(self.transport.get_extra_info("socket"), VANISHED)

    def port_at(self, end: Literal["peername", "sockname"]) -> int:
        """Return the port at one end of this connection; 0 where it has ended."""
        found = self.transport.get_extra_info(end) if self.transport is not None else None
        return int(found[1]) if found else 0

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer.view

    def buffer_updated(self, nbytes: int) -> None:
        data = self.buffer.view[:nbytes]
        if self.plain and self.other is not None:
            self.other.send(data)
        else:
            self.received(data)

    def received(self, data: memoryview) -> None:
        if self.other is not None:
            self.other.send(data)

    def send(self, data: memoryview | bytes) -> None:
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if self._lent is not None:
            data = bytes(data)  # it is kept too, and the buffer is not lent for it
        transport.write(data)

    def pause_writing(self) -> None:
        """Called from within `write`, where that could not send everything and keeps the rest."""
        with self.ends_if_it_fails():
            self._lent = self.buffer.acquire()
            if self.other is not None and self.other.transport is not None:
                self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Called when all that was kept is sent."""
        with self.ends_if_it_fails():
            self._give_back()
            if self.other is not None and self.other.transport is not None:
                self.other.transport.resume_reading()

    def _give_back(self) -> None:
        if self._lent is not None:
            self.buffer.release(self._lent)
            self._lent = None

    def eof_received(self) -> bool:
        """Pass the half-close on; keep our own half until the other side ends too."""
        self.ended = True
        if self.other is None:
            return False
        if self.other.transport is not None and not self.other.transport.is_closing():
            self.other.transport.write_eof()
        return not self.other.ended

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None  # asyncio may raise where a closed one is aborted
        other, self.other = self.other, None  # two that know each other would wait for the collector
        try:
            self._give_back()
        finally:
            if other is not None and other.transport is not None:
                if error is None:
                    with other.ends_if_it_fails():
                        other.transport.close()
                else:
                    other.abort()

    def abort(self) -> None:
        """End at once and with a reset, so that nobody takes a part for the whole."""
        if self.transport is not None:
            with contextlib.suppress(OSError):  # it is closed already
                sock: socket.socket = self.transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.transport.abort()


class ConnectClient(RelayProtocol):
    """The end towards a proxy that is asked for a tunnel; takes its answer to CONNECT off the stream."""

    def __init__(self, buffer: Buffer) -> None:
        super().__init__(buffer)
        self.answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.early = b""
        self._head = b""

    def ask(self, host: str, port: int, secret: str = "") -> None:
        """Ask for a tunnel, showing a secret where there is one; `answered` tells whether there is a tunnel."""
        name = f"[{host}]" if ":" in host else host
        more = f"{SECRET_HEADER}: {bearer(secret)}\r\n" if secret else ""
        self.send(f"CONNECT {name}:{port} HTTP/1.1\r\nHost: {name}:{port}\r\n{more}\r\n".encode())

    def received(self, data: memoryview) -> None:
        if self.answered.done():
            self.data_after_connect(data)
            return
        self._head += bytes(data)
        head, found, self.early = self._head.partition(b"\r\n\r\n")
        if found or len(self._head) > HEAD_LIMIT:
            assert self.transport is not None
            self.transport.pause_reading()  # until the browser has had its answer
            self.answered.set_result(head.split(b" ", 2)[1:2] == [b"200"])

    def data_after_connect(self, data: memoryview) -> None:
        """Pass on what came through the tunnel."""
        super().received(data)

    def refused(self) -> bool:
        """Whether there was no answer yet, and now there will be none."""
        if self.answered.done():
            return False
        self.answered.set_result(False)
        return True

    def flush_early_data(self) -> None:
        """Pass on what came right behind the answer, and read again."""
        if self.early:
            self.data_after_connect(memoryview(self.early))
        if self.transport is not None:
            self.transport.resume_reading()
