"""A browser's connection: sockets on one side, mitmproxy's layers on the other, no task between.

Belongs here: what mitmproxy.proxy.server and its addon Proxyserver do, for the one thing we need:
a tunnel that the front asks for. The layers get every event at once and one after the other; a full
socket stops the reading of those that fill it. docs/decisions/0019 says what is left out.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from weakref import WeakSet

from mitmproxy.connection import Client, Connection, ConnectionState, Server
from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import Layer
from mitmproxy.proxy.layers import ClientTLSLayer, ServerTLSLayer, TCPLayer
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from bewust.proxy.relay import vanished
from bewust_addons.patches.hooks import Hooks
from bewust_addons.patches.http_errors import HOOK, AnswerFailed
from bewust_addons.socket_options import VANISHED_SECONDS, set_site_options
from bewust_addons.upstream_proxy import UpstreamConnect

BUFFER = 256 << 10  # bytes held for a slow reader before its writers are paused
DIAL_SECONDS = 30.0
EARLY = 4  # reads of what a client says before it is answered; the front says nothing then
IDLE_SECONDS = 3600.0  # without a byte; browsers and sites close idle connections long before

BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

_log = logging.getLogger(__name__)
_MODE = ProxyMode.parse("regular")


@dataclass
class ConnectionSetup:
    """What all connections share.

    `secret` is the front's, `upstream` the organisation's own proxy; `ended` counts the front's connections, `sites`
    are the open ones to sites.
    """

    options: Options
    hooks: Hooks
    secret: str
    upstream: tuple[str, int] | None = None
    ended: int = 0
    sites: "WeakSet[SocketProtocol]" = field(default_factory=WeakSet)


class SocketProtocol(asyncio.Protocol):
    """One socket: towards the front, or towards a site."""

    transport: asyncio.Transport

    def __init__(self, link: "InspectedConnection", connection: Connection) -> None:
        self.link = link
        self.connection = connection
        self.ended = False  # nothing more comes; the layers know
        self.waiting: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=BUFFER)
        if isinstance(self.connection, Server):
            set_site_options(transport.get_extra_info("socket"))
            self.link.setup.sites.add(self)

    @property
    def vanished(self) -> bool:
        """Whether something is on its way to the other side, and nothing at all comes back."""
        return not self.transport.is_closing() and vanished(self.transport.get_extra_info("socket"), VANISHED_SECONDS)

    def data_received(self, data: bytes) -> None:
        self.link.event(events.DataReceived(self.connection, data))

    def eof_received(self) -> bool:
        self.end(ConnectionState.CAN_READ)
        return True  # we may still have something to say

    def connection_lost(self, error: Exception | None) -> None:
        self.end(ConnectionState.OPEN)
        self.link.lost(self)

    def end(self, lost: ConnectionState) -> None:
        """Tell the layers, once, that nothing more comes."""
        self.connection.state &= ~lost
        if not self.ended:
            self.ended = True
            self.connection.timestamp_end = time.time()
            self.link.event(events.ConnectionClosed(self.connection))

    def flush(self) -> None:
        """Send what was said."""
        if self.waiting and not self.transport.is_closing():
            self.transport.write(b"".join(self.waiting))
        self.waiting.clear()

    def pause_writing(self) -> None:
        self.link.filled(self, full=True)

    def resume_writing(self) -> None:
        self.link.filled(self, full=False)


class InspectedConnection:
    """One connection of the front, with the connections to sites that belong to it."""

    def __init__(self, setup: ConnectionSetup, transport: asyncio.Transport) -> None:
        self.setup = setup
        self._loop = asyncio.get_running_loop()
        self._pipes: dict[Connection, SocketProtocol] = {}
        self._full: set[SocketProtocol] = set()
        self._waiting: deque[events.Event] = deque()
        self._handling = False
        self._said: list[SocketProtocol] = []  # who has something to send; it goes out in one piece
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: set[asyncio.TimerHandle] = set()
        self._touched = self._loop.time()
        self._layer: Layer | None = None
        self._first: list[events.DataReceived] = []
        self._early: list[events.Event] | None = []  # until the site is there
        self._broken = False  # the layers raised, and hear no more
        self._client_answered = False  # the browser has heard something of ours
        self.client = Client(
            peername=transport.get_extra_info("peername"), sockname=transport.get_extra_info("sockname"),
            timestamp_start=time.time(), proxy_mode=_MODE, state=ConnectionState.OPEN,
        )  # fmt: skip
        self._context = Context(self.client, setup.options)
        self.setup.hooks.fire("client_connected", self.client)
        self._pipes[self.client] = pipe = SocketProtocol(self, self.client)
        transport.set_protocol(pipe)
        pipe.connection_made(transport)
        self._idle()

    # Connections.

    def ask(self, host: str, port: int) -> None:
        """Connect to the site, and answer."""
        self._context.server.address = (host, port)
        self._begin_task(self._tunnel(self._pipes[self.client].transport))

    async def _tunnel(self, front: asyncio.Transport) -> None:
        if await self._connect(self._context.server) is None:
            front.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            early, self._early = self._early or [], None
            for event in early:
                self.event(event)
        else:
            front.write(BAD_GATEWAY)
            front.close()

    async def _connect(self, server: Server) -> str | None:
        """Open a connection; return what is wrong where that fails."""
        about = ServerConnectionHookData(server=server, client=self.client)
        self.setup.hooks.fire("server_connect", about)
        server.timestamp_start = time.time()
        pipe = SocketProtocol(self, server)
        try:
            if server.error is not None:
                raise OSError(server.error)
            async with asyncio.timeout(DIAL_SECONDS):
                await self._dial(pipe, server)
        except OSError as error:  # a time-out is one
            server.error = str(error) or type(error).__name__
            self.setup.hooks.fire("server_connect_error", about)
            return server.error
        server.timestamp_tcp_setup = time.time()
        server.state = ConnectionState.OPEN
        server.peername = pipe.transport.get_extra_info("peername")
        server.sockname = pipe.transport.get_extra_info("sockname")
        self._pipes[server] = pipe
        self.setup.hooks.fire("server_connected", about)
        return None

    async def _dial(self, pipe: SocketProtocol, server: Server) -> None:
        assert server.address is not None
        host, port = server.address[:2]
        if self.setup.upstream is None:
            await self._loop.create_connection(lambda: pipe, host, port, happy_eyeballs_delay=0.25)
        else:
            asked = UpstreamConnect(pipe, host, port)
            transport, _ = await self._loop.create_connection(lambda: asked, *self.setup.upstream)
            try:
                await asked.answered
            except BaseException:  # too late, or nobody waits any more
                transport.abort()
                raise

    # Events to the layers, commands from them.

    def event(self, event: events.Event) -> None:
        """Let the layers handle an event, after those that they are handling now."""
        if self._broken:
            return
        if self._early is not None:
            self._wait_for_site(event)
            return
        self._waiting.append(event)
        if self._handling:
            return
        self._handling = True
        self._touched = self._loop.time()
        try:
            while self._waiting:
                event = self._waiting.popleft()
                if self._layer is None:
                    self._start_task(event)
                    continue
                for command in self._layer.handle_event(event):
                    self._perform(command)
            for pipe in self._said:
                pipe.flush()
            self._said.clear()
            if not self._client_answered and self._context.server.state is ConnectionState.CLOSED:
                self._abort()  # before a byte of ours: the front splices
        except Exception:  # noqa: BLE001 - of mitmproxy's, with one connection
            _log.exception("mitmproxy failed")
            self._broken = True
            by_site = isinstance(event, events.ConnectionEvent) and isinstance(event.connection, Server)
            self.setup.hooks.fire(HOOK, AnswerFailed(self.client, unreadable=False, by_site=by_site))
            self._abort()  # it would leave the browser waiting
        finally:
            self._handling = False

    def _wait_for_site(self, event: events.Event) -> None:
        """Keep what is said before we have answered, and notice who leaves: nobody needs the site any more then."""
        assert self._early is not None
        self._early.append(event)
        if not isinstance(event, events.DataReceived) or len(self._early) > EARLY:
            self._broken = True
            self._abort()

    def _start_task(self, event: events.Event) -> None:
        """Choose the layers by the first bytes."""
        if not isinstance(event, events.DataReceived):
            self._abort()  # an end before the beginning
            return
        self._first.append(event)
        said = b"".join(each.data for each in self._first)
        if event.connection is self.client and len(said) < 3:
            return
        if event.connection is self.client and starts_like_tls_record(said):
            self._layer = ServerTLSLayer(self._context)
            self._layer.child_layer = ClientTLSLayer(self._context)
        else:  # what the front would not hand over
            self._layer = TCPLayer(self._context, ignore=True)
        self._waiting.extendleft([*reversed(self._first), events.Start()])

    def _perform(self, command: commands.Command) -> None:
        if isinstance(command, commands.SendData):
            pipe = self._pipes.get(command.connection)
            if pipe is not None:
                self._client_answered = self._client_answered or command.connection is self.client
                pipe.waiting.append(command.data)
                self._said.append(pipe)
        elif isinstance(command, commands.Log):
            if command.level >= logging.ERROR:
                _log.log(command.level, command.message)
        elif isinstance(command, commands.OpenConnection):
            self._begin_task(self._open(command))
        elif isinstance(command, commands.RequestWakeup):
            self._wake_up(command)
        elif isinstance(command, commands.CloseConnection):
            self._close(command)
        else:
            raise TypeError(type(command).__name__)  # hooks are called where they stand

    async def _open(self, command: commands.OpenConnection) -> None:
        self.event(events.OpenConnectionCompleted(command, await self._connect(command.connection)))

    def _begin_task(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _wake_up(self, command: commands.RequestWakeup) -> None:
        def wake_up() -> None:
            self._timers.discard(timer)
            self.event(events.Wakeup(command))

        timer = self._loop.call_later(command.delay, wake_up)
        self._timers.add(timer)

    def _close(self, command: commands.CloseConnection) -> None:
        pipe = self._pipes.get(command.connection)
        if pipe is None:
            return
        pipe.flush()
        if isinstance(command, commands.CloseTcpConnection) and command.half_close:
            if command.connection.state & ConnectionState.CAN_WRITE and not pipe.transport.is_closing():
                command.connection.state &= ~ConnectionState.CAN_WRITE
                pipe.transport.write_eof()
        else:
            command.connection.state = ConnectionState.CLOSED
        if command.connection.state is ConnectionState.CLOSED:
            pipe.transport.close()
            pipe.end(ConnectionState.OPEN)

    # Slow readers, and the ends of it.

    def filled(self, pipe: SocketProtocol, *, full: bool) -> None:
        """Read no more, or again, from where bytes come that go to a slow reader."""
        (self._full.add if full else self._full.discard)(pipe)
        for each in self._pipes.values():
            if each.transport.is_closing():
                continue
            paused = any((other.connection is self.client) != (each.connection is self.client) for other in self._full)
            each.connection.paused = paused  # type: ignore[attr-defined]  # for patches.liveness
            if paused:
                each.transport.pause_reading()
            else:
                each.transport.resume_reading()

    def lost(self, pipe: SocketProtocol) -> None:
        """Forget a socket that is closed; with the front's, all go."""
        self._pipes.pop(pipe.connection, None)
        if pipe in self._full:
            self.filled(pipe, full=False)
        if isinstance(pipe.connection, Server):
            about = ServerConnectionHookData(server=pipe.connection, client=self.client)
            self.setup.hooks.fire("server_disconnected", about)
            return
        for task in self._tasks:
            task.cancel()
        for timer in (*self._timers, self._idler):
            timer.cancel()
        for other in list(self._pipes.values()):
            other.transport.close()
        self.setup.ended += 1
        self.setup.hooks.fire("client_disconnected", self.client)

    def _abort(self) -> None:
        for pipe in list(self._pipes.values()):
            pipe.transport.abort()

    def _idle(self) -> None:
        """End what nobody uses any more."""
        left = self._touched + IDLE_SECONDS - self._loop.time()
        self._idler = self._loop.call_later(max(left, 0), self._abort if left <= 0 else self._idle)
