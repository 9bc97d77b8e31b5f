"""The listener: owns the port, knows every connection, fails open.

Belongs here: what concerns all connections at once. Not here: one connection's way (connection). The port
stays open for as long as the process lives, because Chromium stays away for five minutes from a
proxy whose port was closed once (docs/decisions/0002).
"""

import asyncio
import contextlib
import socket
import sys
import weakref
from collections.abc import Callable, Mapping, MutableSet
from urllib.parse import urlsplit

from aiohappyeyeballs import start_connection

from bewust.catalogue import Matcher
from bewust.hosts import is_here
from bewust.proxy import quota
from bewust.proxy.connection import ClientConnection, ProxyEvents, Route
from bewust.proxy.outbound import ServerConnection
from bewust.proxy.quota import ConnectionQuota
from bewust.proxy.relay import INTERVAL, Buffer
from bewust.proxy.resolver import Resolver
from bewust.system import owner_of
from bewust.system.socket_owner import ASKING, Address, owners_of

HAPPY_EYEBALLS_DELAY = 0.25  # for one address, before others are tried beside it (RFC 8305)
LOOPBACK = "127.0.0.1"  # where it listens. Never by the name "localhost": that may lead to another login's ::1


class Front:
    """Owns the port.

    `upstream` is the organisation's own proxy, "http://name:port", "" for none. `resolver` maps names to
    "address:port", for demonstrations and tests only. `secret` opens the inspector's door to us alone.
    """

    def __init__(
        self,
        matcher: Matcher,
        listener: ProxyEvents,
        page: Callable[[], asyncio.Protocol],
        resolver: Mapping[str, str] | None = None,
        upstream: str = "",
        *,
        secret: str = "",
    ) -> None:
        self.matcher = matcher
        self.listener = listener
        self.page = page
        self.buffer = Buffer()
        self.links: MutableSet[ClientConnection] = set()
        self.waiting: MutableSet[ClientConnection] = set()
        self.pages: MutableSet[asyncio.Transport] = weakref.WeakSet()
        self.inspector_port: int | None = None
        self.upstream = upstream
        self.secret = secret
        self.most = quota.max_connections()
        self.port = 0
        self._crowd = ConnectionQuota(lambda: owners_of((LOOPBACK, self.port)))
        self._resolver = resolver or {}
        self._names = Resolver(self._whose)
        self._server: asyncio.Server | None = None
        self._sweeping: asyncio.TimerHandle | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that accepted the connections."""
        return asyncio.get_running_loop()

    async def open(self, port: int, listening: socket.socket | None = None) -> int:
        """Listen on a loopback port (0: any free one) and return it; OSError where it is taken.

        `listening` is a socket that somebody else holds open across our restarts.
        """
        if listening is None and sys.platform == "win32":
            listening = _exclusive(port)
        if listening is not None:
            self._server = await self.loop.create_server(lambda: ClientConnection(self), sock=listening, backlog=512)
        else:
            self._server = await self.loop.create_server(lambda: ClientConnection(self), LOOPBACK, port, backlog=512)
        self.port = int(self._server.sockets[0].getsockname()[1])
        self._sweep()
        return self.port

    def _sweep(self) -> None:
        """End what goes to a site that has vanished; asked for now and then, it costs a call for each connection."""
        self._sweeping = self.loop.call_later(INTERVAL, self._sweep)
        for link in list(self.links):
            with link.ends_if_it_fails():
                if isinstance(link.other, ServerConnection) and link.other.vanished:
                    link.end()

    async def _whose(self, client: Address) -> int | None:
        return await self.loop.run_in_executor(ASKING, owner_of, client, (LOOPBACK, self.port))

    @property
    def crowded(self) -> bool:
        """Whether so many connections are there that each new one is looked at before it is heard."""
        return len(self.links) + len(self.waiting) > self.most // 2

    @property
    def has_inspected_connections(self) -> bool:
        """Whether anything goes by the inspector now."""
        return any(link.inspector is not None for link in self.links)

    async def admits(self, link: ClientConnection, pages: int = 0) -> bool:
        """Whether whoever is at the other end may have one more connection, or one more of `pages` to our page."""
        if not pages:
            fair = await self._crowd.admits(link.client, self.most // quota.SHARE)
            return fair and len(self.links) < self.most
        if len(self._at_page()) <= pages // 2:
            return True
        fair = await self._crowd.admits(link.client, pages // 4, self._at_page)
        return fair and len(self._at_page()) < pages

    def _at_page(self) -> list[Address]:
        return [page.get_extra_info("peername") for page in self.pages if not page.is_closing()]

    def inspector_up(self, port: int) -> None:
        """Hand over from now on, and have browsers reconnect what had failed open."""
        self.inspector_port = port
        for link in [link for link in self.links if link.route == "failed-open"]:
            with link.ends_if_it_fails():
                link.reinspect()

    def inspector_down(self) -> None:
        """Splice from now on; what the inspector had begun is aborted, the rest falls back."""
        self.inspector_port = None
        for link in list(self.links):
            if link.inspector is None:
                continue
            with link.ends_if_it_fails():
                if not link.inspector.answered.done():
                    link.inspector.answered.set_result(False)
                elif link.replay is not None:
                    link.splice_instead()
                else:
                    link.end()

    def reconfigure(self, matcher: Matcher, upstream: str = "") -> None:
        """Route by another catalogue; the inspector that runs knows the old one."""
        self.matcher, self.upstream = matcher, upstream
        self.pause_handover()

    def pause_handover(self) -> None:
        """Hand nothing over until another inspector is up; what was handed over goes on."""
        self.inspector_port = None

    def routes(self) -> dict[Route, int]:
        """Return how many connections go which way now."""
        counts: dict[Route, int] = {}
        for link in self.links:
            counts[link.route] = counts.get(link.route, 0) + 1
        return counts

    async def dial(self, link: ClientConnection) -> ServerConnection:
        """Connect to a site. PermissionError for addresses of this machine: no back door to them."""
        host, port = link.host, link.port
        if self.upstream:
            return await self._dial_through(link)
        mapped = self._resolver.get(host)
        if mapped is None and _names_this_machine(host):
            raise PermissionError(host)
        if mapped is not None:
            host, port = mapped.rpartition(":")[0], int(mapped.rpartition(":")[2])
        end = await self._reach(host, port, lambda: ServerConnection(link, direct=True), link.client)
        assert end.transport is not None
        if mapped is None and is_here(end.transport.get_extra_info("peername")[0]):
            raise PermissionError(host)
        return end

    async def _reach(
        self, host: str, port: int, make: Callable[[], ServerConnection], client: Address | None
    ) -> ServerConnection:
        """Connect to a name. The first address of each family is tried alone: a race of all costs much more.

        Raises OSError where none answers, ResolverBusyError where the login at `client` looks up too much.
        """
        if ":" in host or host[-1].isdigit():  # an address
            return (await self.loop.create_connection(make, host, port))[1]
        first: dict[int, str] = {}
        addresses = await self._names.getaddrinfo(host, port, client, type=socket.SOCK_STREAM)
        for family, _, _, _, found in addresses:
            first.setdefault(family, str(found[0]))
        for address in first.values():
            with contextlib.suppress(OSError):
                async with asyncio.timeout(HAPPY_EYEBALLS_DELAY):
                    return (await self.loop.create_connection(make, address, port))[1]
        sock = await start_connection(addresses, happy_eyeballs_delay=HAPPY_EYEBALLS_DELAY, interleave=1)
        return (await self.loop.create_connection(make, sock=sock))[1]

    async def _dial_through(self, link: ClientConnection) -> ServerConnection:
        """Have the organisation's proxy connect. It resolves names; what is plainly this machine it is not asked."""
        if _names_this_machine(link.host):
            raise PermissionError(link.host)
        proxy = urlsplit(self.upstream)
        assert proxy.hostname and proxy.port  # the policy is checked
        end = await self._reach(proxy.hostname, proxy.port, lambda: ServerConnection(link), link.client)
        end.ask(link.host, link.port)
        if not await end.answered:
            raise ConnectionRefusedError(link.host)
        return end

    async def close(self) -> None:
        """Stop listening and end every connection."""
        if self._server is not None:
            self._server.close()
        if self._sweeping is not None:
            self._sweeping.cancel()
        for link in [*self.links, *self.waiting]:
            link.end()
        for page in list(self.pages):
            page.abort()
        if self._server is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._server.wait_closed(), 2)


def _exclusive(port: int) -> socket.socket:
    """Return a socket of our port that nobody else can have too: Windows lets another login, unless told not to."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_EXCLUSIVEADDRUSE"), 1)  # noqa: B009 - Windows only
        made.bind((LOOPBACK, port))
    except OSError:
        made.close()
        raise
    return made


def _names_this_machine(host: str) -> bool:
    try:
        return is_here(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
