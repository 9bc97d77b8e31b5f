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
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from mitmproxy.connection import Client
from mitmproxy.http import HTTPFlow, Response

from bewust.relay import SECRET_HEADER, shown
from bewust.schema import is_here

if TYPE_CHECKING or sys.platform != "win32":
    Loop = asyncio.SelectorEventLoop
else:
    Loop = asyncio.ProactorEventLoop


class Door:
    """Lets in whoever shows the secret, which only the front and this process know, in their first CONNECT."""

    def __init__(self, secret: str) -> None:
        self._expected = shown(secret).encode()
        self._let_in: WeakSet[Client] = WeakSet()

    def http_connect(self, flow: HTTPFlow) -> None:
        """Refuse a tunnel to a stranger."""
        given = flow.request.headers.pop(SECRET_HEADER, "").encode("utf-8", "surrogateescape")
        if hmac.compare_digest(given, self._expected):
            self._let_in.add(flow.client_conn)
        else:
            flow.response = Response.make(407)

    def requestheaders(self, flow: HTTPFlow) -> None:
        """Refuse a request that comes without a tunnel."""
        if flow.client_conn not in self._let_in:
            flow.response = Response.make(407)


class Outward(Loop):
    """An event loop that connects to no address of this machine save those `allowed`, each "address:port".

    A name of the catalogue may resolve to one, by mistake or by malice; what counts is where the connection goes.
    """

    def __init__(self, allowed: Collection[str] = ()) -> None:
        super().__init__()
        self.allowed = allowed

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect as asyncio does. PermissionError for this machine, and asyncio tries the name's next address."""
        if isinstance(address, tuple) and is_here(address[0]) and f"{address[0]}:{address[1]}" not in self.allowed:
            raise PermissionError(errno.EACCES, "an address of this machine")
        await super().sock_connect(sock, address)
