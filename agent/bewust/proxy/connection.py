"""One connection from its head to its close, and which way it goes.

Belongs here: a browser's connection. Not here: the port, its ends towards the other side (outbound), or
what is in the bytes; this module sees a host name, a port and how many bytes went by.

A connection goes one of four ways. `spliced`: by name only. `handed`: to the inspector, and it can still be
spliced until the inspector's first byte of TLS, since what the browser said so far is kept. `failed-open`: spliced
as the inspector is dead or frozen; aborted when it is back, so that browsers reconnect. `page`: our page or the PAC.
"""

import asyncio
import math
import re
from collections.abc import Callable, Coroutine, MutableSet
from typing import Literal, Protocol

from bewust.catalogue import Matcher
from bewust.hosts import parse_address
from bewust.model import Depth
from bewust.proxy.outbound import InspectorConnection, ServerConnection
from bewust.proxy.relay import HEAD_LIMIT, Buffer, RelayProtocol
from bewust.proxy.resolver import ResolverBusyError

HEAD_SECONDS = 30.0  # a browser sends CONNECT at once
DIAL_SECONDS = 30.0
PAGE_SECONDS = 30.0  # of one connection to our own page; a browser opens another
PAGES = 128  # connections to it at a time; one login shall not take what all need
REACH_SECONDS = 1.0  # a connection within this machine; longer, and the inspector's queue is full
REPLAY_LIMIT = 64 << 10  # bytes of the browser's first TLS message kept; a ClientHello is under 4 KiB
VISIT_BYTES = 8 << 10  # a tunnel that carried less back was no visit (a preconnect, a favicon)
TOUCH_SECONDS = 60.0  # how often further bytes are told to keep an activity alive

CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_REQUEST = re.compile(rb"(?P<method>[A-Z]+) (?P<target>\S+) HTTP/1\.[01]")

type Route = Literal["head", "spliced", "handed", "failed-open", "page"]


class ProxyEvents(Protocol):
    """What the front tells the app."""

    def visited(self, host: str, client: tuple[str, int] | None) -> None:
        """A host of the catalogue carried bytes back to `client`; told again now and then while it does."""

    def opened(self, peer: int, client: tuple[str, int] | None) -> None:
        """The inspector knows the connection of `client` by the port `peer` from now on."""

    def should_inspect(self, host: str) -> bool:
        """Whether connections to this host go to the inspector (it is not demoted)."""


class ProxyContext(Protocol):
    """What a connection needs of the front that accepted it."""

    matcher: Matcher
    listener: ProxyEvents
    page: Callable[[], asyncio.Protocol]
    buffer: Buffer
    links: MutableSet["ClientConnection"]
    waiting: MutableSet["ClientConnection"]
    pages: MutableSet[asyncio.Transport]
    inspector_port: int | None
    secret: str

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that accepted the connections."""

    @property
    def crowded(self) -> bool:
        """Whether there are so many connections that a new one must have room first."""

    async def admits(self, link: "ClientConnection", pages: int = 0) -> bool:
        """Whether its owner may have one more connection, or one more of `pages` to our page."""

    async def dial(self, link: "ClientConnection", /) -> "ServerConnection":
        """Connect to the link's site."""


class ClientConnection(RelayProtocol):
    """The end towards the browser, and with it one connection from head to close."""

    def __init__(self, front: ProxyContext) -> None:
        super().__init__(front.buffer)
        self.front = front
        self.route: Route = "head"
        self.host, self.port = "", 0
        self.replay: bytearray | None = None
        self.inspector: InspectorConnection | None = None
        self.opened: list[RelayProtocol] = []  # all that was opened for what is under way
        self._head, self._connect_answered = b"", False
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._back, self._touched = 0, -math.inf
        self._visits = self._deeper = self._mended = False

    def begun(self) -> None:
        if self.front.crowded:
            self.front.waiting.add(self)
            self._start_task(self._wait_for_admission)
        else:
            self.front.links.add(self)
        self._timer = self.front.loop.call_later(HEAD_SECONDS, self.end)

    async def _wait_for_admission(self) -> None:
        """Be heard only if there is room; a browser that is not goes on without us."""
        if not await self.front.admits(self):
            self.abort()
        elif self.transport is not None:
            self.front.waiting.discard(self)
            self.front.links.add(self)
            self.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.front.links.discard(self)
        self.front.waiting.discard(self)
        try:
            self._stop_waiting()
            self.replay = None  # there is nobody left to splice
            if self.other is None:
                self._drop_inspector()
        finally:
            super().connection_lost(error)

    def received(self, data: memoryview) -> None:
        if self.route == "head":
            self._read_head(bytes(data))
            return
        if self.replay is not None:
            self.replay += data
            if len(self.replay) > REPLAY_LIMIT:
                self.replay = None
        super().received(data)

    def _read_head(self, data: bytes) -> None:
        self._head += data
        head, complete, early = self._head.partition(b"\r\n\r\n")
        if len(head) > HEAD_LIMIT:
            self.refuse("431 Request Header Fields Too Large")
        elif complete:
            self._choose_route(head, early)

    def _choose_route(self, head: bytes, early: bytes) -> None:
        """Choose the way; `early` is what a browser said before it was answered."""
        request = _REQUEST.fullmatch(head.partition(b"\r\n")[0])
        if request is None:
            self.refuse("400 Bad Request")
        elif request["target"].startswith(b"/"):
            self._start_task(self._turn_into_page)
        elif request["method"] != b"CONNECT":
            self.refuse("405 Method Not Allowed")
        elif (address := parse_address(request["target"].decode("latin-1"))) is None:
            self.refuse("400 Bad Request")
        else:
            self.host, self.port = address
            self._head, self.replay = b"", bytearray(early)
            self._start_task(self._connect)

    async def _connect(self) -> None:
        plan = self.front.matcher.host_rules(self.host) if self.port == 443 else None
        self._visits = bool(plan and plan.visits)
        self._deeper = plan is not None and plan.depth > Depth.NAME
        await (self._hand_over() if self._is_inspected() else self._splice())

    def _is_inspected(self) -> bool:
        return self._deeper and self.front.listener.should_inspect(self.host)

    def _spliced(self) -> Route:
        return "failed-open" if self._is_inspected() else "spliced"

    def _start_task(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Pause reading and run `work`; it resumes reading."""
        self._stop_waiting()
        if self.transport is not None:
            self.transport.pause_reading()
        self.opened = []
        self._task = self.front.loop.create_task(self._ending(work, self.opened))

    async def _ending(self, work: Callable[[], Coroutine[None, None, None]], opened: list[RelayProtocol]) -> None:
        """Do it, and leave nothing open that this connection did not take over, however it ends."""
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - ours: one connection's, and where it can be the browser's loss is none
            self.failed(error)
            self._mend()
        finally:
            for one in opened:
                if one not in (self.other, self.inspector):
                    one.abort()

    def _mend(self) -> None:
        """Splice after a failure of ours where the browser has heard nothing yet; a second one ends it."""
        if self.transport is None or not self.host or self.replay is None or self._mended:
            self.end()
            return
        self._mended, self._deeper = True, False
        self.splice_instead()

    def end(self) -> None:
        """End this connection at once, and all that was opened for it."""
        for one in (*self.opened, self.other, self.inspector, self):
            if one is not None:
                one.abort()

    def _stop_waiting(self) -> None:
        for waiting in (self._timer, self._task):
            if waiting is not None:
                waiting.cancel()

    async def _turn_into_page(self) -> None:
        """Let the page's server go on with this connection, from its first byte."""
        if not await self.front.admits(self, PAGES):
            self.refuse("503 Service Unavailable")
            return
        assert self.transport is not None
        self.route, server = "page", self.front.page()
        self.front.loop.call_later(PAGE_SECONDS, self.transport.abort)  # a slow sender holds no place for long
        self.front.pages.add(self.transport)
        self.front.links.discard(self)
        self.transport.set_protocol(server)
        server.connection_made(self.transport)
        server.data_received(self._head)
        self.transport.resume_reading()

    def refuse(self, status: str) -> None:
        """Answer with a status line and close; where CONNECT has been answered, just end."""
        if self._connect_answered:
            self.abort()
        elif self.transport is not None and not self.transport.is_closing():
            self.transport.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            self.transport.close()

    def _send_connect_ok(self) -> None:
        assert self.transport is not None
        if not self._connect_answered:
            self.transport.write(CONNECTED)
            self._connect_answered = True
        self.transport.resume_reading()

    async def _hand_over(self) -> None:
        if not await self._reach(self.front.inspector_port):
            self._drop_inspector()
            await self._splice()
            return
        assert self.inspector is not None
        self.route, self.other = "handed", self.inspector
        self.front.listener.opened(self.inspector.port_at("sockname"), self.client)
        if self.replay:
            self.inspector.send(bytes(self.replay))
        self._send_connect_ok()
        self.inspector.flush_early_data()

    async def _reach(self, port: int | None) -> bool:
        """Connect to the inspector and await its answer to CONNECT; False where there is none."""
        if port is None:
            return False
        try:
            async with asyncio.timeout(REACH_SECONDS):
                _, end = await self.front.loop.create_connection(lambda: InspectorConnection(self), "127.0.0.1", port)
        except OSError:
            return False
        self.inspector, end.other = end, self
        end.ask(self.host, self.port, self.front.secret)
        return await end.answered

    def _drop_inspector(self) -> None:
        """Have nothing to do with the inspector any more."""
        if (old := self.inspector) is not None:
            self.inspector = self.other = old.other = None
            old.abort()

    def splice_instead(self) -> None:
        """Splice instead of inspecting; only before the inspector sent its first byte of TLS."""
        self._drop_inspector()
        if self.ended:  # the browser has left: nobody would read what a site answers
            self.abort()
            return
        self._start_task(self._splice)

    def reinspect(self) -> None:
        """Go by the inspector after all: the browser reconnects, or has not been answered yet."""
        if self._connect_answered:
            self.abort()
        else:
            self._start_task(self._hand_over)

    async def _splice(self) -> None:
        self.route = self._spliced()
        self._timer = self.front.loop.call_later(DIAL_SECONDS, self._on_timeout)
        try:
            end = await self.front.dial(self)
        except PermissionError:
            self.refuse("403 Forbidden")
        except ResolverBusyError:
            self.end()  # unanswered: the browser goes on without us
        except (OSError, ValueError):  # the second: a name that is none
            self.refuse("502 Bad Gateway")
        else:
            self._timer.cancel()
            self.route = self._spliced()  # the inspector may have told meanwhile that the site refuses it
            self.other, end.other = end, self
            said, self.replay, self.plain = self.replay, None, True
            end.send(bytes(said or b""))
            self._send_connect_ok()
            end.flush_early_data()

    def _on_timeout(self) -> None:
        """Give up a site that does not answer."""
        self._stop_waiting()
        self.refuse("502 Bad Gateway")

    def count_bytes(self, count: int) -> bool:
        """Note bytes that came back; a visit where they are enough. False where none will ever count."""
        if not self._visits or self.route == "failed-open":
            return False
        self._back += count
        if self._back >= VISIT_BYTES and (now := self.front.loop.time()) - self._touched >= TOUCH_SECONDS:
            self._touched = now
            try:
                self.front.listener.visited(self.host, self.client)
            except Exception as error:  # noqa: BLE001 - what is not counted is no reason to end it
                self.failed(error)
        return True

    @property
    def client(self) -> tuple[str, int] | None:
        """The address and port the browser connected from; None where it has left."""
        return self.transport.get_extra_info("peername")[:2] if self.transport is not None else None
