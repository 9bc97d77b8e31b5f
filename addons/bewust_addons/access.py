"""Who may use the inspector, and where it never connects: the front alone, and not to this machine.

Its port is on loopback, where every login and every program can connect. Without a door they could leave
by it as the agent's own account, and reach what listens on loopback for that account only.
"""

import asyncio
import errno
import hmac
import socket
import sys
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, ClassVar

from bewust.hosts import is_here, parse_address
from bewust.proxy.relay import HEAD_LIMIT, SECRET_HEADER, bearer
from bewust.proxy.resolver import Resolver

if TYPE_CHECKING:
    from bewust_addons.connection import ConnectionSetup

if TYPE_CHECKING or sys.platform != "win32":
    Loop = asyncio.SelectorEventLoop
else:
    Loop = asyncio.ProactorEventLoop


WAITING = 256  # connections that showed nothing yet; the front's are here for a moment
_HEADER = f"{SECRET_HEADER}: ".encode()
REFUSALS = {
    code: f"HTTP/1.1 {code} {reason}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
    for code, reason in ((400, "Bad Request"), (407, "Proxy Authentication Required"))
}


class AccessProtocol(asyncio.Protocol):
    """A connection until its CONNECT is there, and shows the secret that only the front and this process know.

    The front says it at once. Of strangers that say nothing only so many may wait: the oldest goes.
    """

    waiting: ClassVar[dict["AccessProtocol", None]] = {}  # the oldest first

    def __init__(self, setup: "ConnectionSetup") -> None:
        self._setup = setup
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.waiting[self] = None
        if len(self.waiting) > WAITING:
            next(iter(self.waiting))._leave().abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._leave()

    def _leave(self) -> asyncio.Transport:
        self.waiting.pop(self, None)
        return self._transport

    def data_received(self, data: bytes) -> None:
        self._head += data
        head, found, _ = self._head.partition(b"\r\n\r\n")
        if not found:
            if len(head) > HEAD_LIMIT:
                self._refuse(400)
            return
        line, *headers = head.split(b"\r\n")
        if not hmac.compare_digest(b"\n".join(each for each in headers if each.startswith(_HEADER)), self._expected()):
            self._refuse(407)
            return
        method, target, *_ = [*line.split(b" "), b"", b""]
        address = parse_address(target.decode("latin-1")) if method == b"CONNECT" else None
        if address is None:
            self._refuse(400)
            return
        from bewust_addons.connection import InspectedConnection

        InspectedConnection(self._setup, self._leave()).ask(*address)

    def _expected(self) -> bytes:
        return _HEADER + bearer(self._setup.secret).encode()

    def _refuse(self, code: int) -> None:
        self._transport.write(REFUSALS[code])
        self._transport.close()


class NoLoopbackEventLoop(Loop):
    """An event loop that connects to no address of this machine save those `allowed`, each "address:port".

    A name of the catalogue may resolve to one, by mistake or by malice; what counts is where the connection goes.
    """

    def __init__(self, allowed: Collection[str] = ()) -> None:
        super().__init__()
        self.allowed = allowed
        self._names = Resolver()

    async def getaddrinfo(
        self, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[Any]:
        """Look a name up as asyncio does, without the threads that all else shares."""
        return await self._names.getaddrinfo(host, port, family=family, type=type, proto=proto, flags=flags)

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect as asyncio does. PermissionError for this machine, and asyncio tries the name's next address."""
        if isinstance(address, tuple) and is_here(address[0]) and f"{address[0]}:{address[1]}" not in self.allowed:
            raise PermissionError(errno.EACCES, "an address of this machine")
        await super().sock_connect(sock, address)
