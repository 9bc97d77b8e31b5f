"""Sites on a network that goes away and comes back, and that may have a portal in the way."""

import asyncio
import socket
from contextlib import suppress

from e2e.servers.http1 import Http1, Then, raw
from e2e.servers.http2 import Http2, Stream, page
from e2e.servers.origin import SO_DETACH_FILTER, Authority, Connection, Origin, Servers, Site, Tls, vanish

PORTAL = raw(b"HTTP/1.1 302 Found\r\nLocation: https://portal.example/\r\nContent-Length: 0\r\n\r\n", then=Then.CLOSE)


async def _graceful(stream: Stream) -> None:
    """A page; the twentieth of a connection is the last, as nginx has it after a thousand."""
    await page(stream)
    if stream.nth == 20:
        await stream.session.goaway(stream.number)


def origins() -> list[tuple[Origin, Tls]]:
    """Ways of sites to end what is idle, with seconds in place of minutes; one after the other for the hosts."""
    first, second = Tls(("http/1.1",)), Tls(("h2",))
    return [
        (Http2(idle=3), second), (Http2(idle=5, end="close"), second), (Http2(idle=4, end="reset"), second),
        (Http1(idle=3), first), (Http1(idle=2, end=Then.RESET), first), (Http1(idle=4, end=Then.CUT), first),
        (Http2({"/": _graceful}), second), (Http2(idle=60), second), (Http1(idle=60), first),
        (Http2(idle=3), Tls(("h2",), highest=Tls().lowest)),
    ]  # fmt: skip


class Network(Servers):
    """`away` is whether nothing passes now, `portal` whether somebody else answers for all."""

    def __init__(self, authority: Authority, hosts: tuple[str, ...]) -> None:
        ways = origins()
        super().__init__(authority, {host: Site(*ways[n % len(ways)]) for n, host in enumerate(hosts)})
        self.away = self.portal = False
        self._connections: set[Connection] = set()
        self._theirs = authority.context(("portal.example",), Tls(("http/1.1",), certificate="another root"))

    def __enter__(self) -> "Network":
        super().__enter__()
        return self

    async def refuse(self) -> None:
        """End all connections and let none be made, as where the cable is out and the system knows."""
        self.away = True
        self._end_all()

    async def swallow(self) -> None:
        """Drop what comes on every connection there is, and every new one, without a word."""
        self.away = True
        for connection in self._connections:
            connection.vanish()
        self._connections.clear()
        vanish(self._listener)

    async def back(self) -> None:
        """Let new connections be made; what was dropped stays lost, as by a router that has forgotten it."""
        if self.away:
            with suppress(OSError):
                self._listener.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
        self.away = False

    async def capture(self, captured: bool) -> None:
        """Have a portal answer for every name, or no more."""
        self.portal = captured
        self._end_all()

    async def goodbye(self) -> None:
        """Lose all connections without a word, while new ones can be made: another network."""
        for connection in self._connections:
            connection.vanish()
        self._connections.clear()

    def _end_all(self) -> None:
        for connection in self._connections:
            connection.reset()
        self._connections.clear()

    async def _serve(self, site: Site, accepted: socket.socket) -> None:
        if self.away:
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            accepted.close()
            return
        if self.portal:
            site = Site(Http1(other=PORTAL), context=self._theirs)
        await super()._serve(Site(_Noted(site.origin, self._connections), context=site.context), accepted)


class _Noted:
    """Notes each connection for as long as it is served; one that has vanished is never closed."""

    def __init__(self, origin: object, connections: set[Connection]) -> None:
        self._origin, self._connections = origin, connections

    async def serve(self, connection: Connection) -> None:
        self._connections.add(connection)
        try:
            await self._origin.serve(connection)  # type: ignore[attr-defined]
        finally:
            if connection.vanished:
                await asyncio.Event().wait()
            self._connections.discard(connection)
