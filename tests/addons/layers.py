"""mitmproxy's HTTP layers with all that we replace, and a test at both ends instead of sockets and TLS."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import mitmproxy.ctx
from mitmproxy.addons.next_layer import NextLayer
from mitmproxy.connection import Client, Connection, ConnectionState, Server
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HttpLayer, HTTPMode

from bewust_addons.patches import hooks, http1, http2, http_errors, lifetime, liveness
from bewust_addons.patches.hooks import Hooks
from bewust_addons.patches.http_errors import AnswerFailed
from bewust_addons.server import LAYERS

HOST, ADDRESS = "www.google.nl", "192.0.2.17"
FIXED: Mapping[str, Any] = {**LAYERS, **{name: option.default for name, option in Options()._options.items()},
                            "http2_ping_keepalive": 0}  # fmt: skip


class Streaming:
    """What the inspector's own addon does to every body, and what it is told of answers that fail."""

    def __init__(self) -> None:
        self.failed: list[AnswerFailed] = []

    def requestheaders(self, flow: Any) -> None:
        flow.request.stream = True

    def responseheaders(self, flow: Any) -> None:
        flow.response.stream = True

    def answer_failed(self, failed: AnswerFailed) -> None:
        self.failed.append(failed)


@contextmanager
def patched() -> Iterator[Streaming]:
    """Have all replacements in this process for as long as that lasts; yield who listens."""
    before, mitmproxy.ctx.options = getattr(mitmproxy.ctx, "options", None), SimpleNamespace(**FIXED)  # type: ignore[assignment]
    listening = Streaming()
    made = Hooks([NextLayer(), listening])
    with ExitStack() as stack:
        stack.enter_context(hooks.install(made))
        for patch in (http1, http2, lifetime, liveness):
            stack.enter_context(patch.install())
        stack.enter_context(http_errors.install(made))
        yield listening
    mitmproxy.ctx.options = before  # type: ignore[assignment]


class Played:
    """One connection of a browser and one to a site, over which both have agreed on `alpn`; all is said at once."""

    def __init__(self, alpn: bytes) -> None:
        self.client = Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2), timestamp_start=0.0,
                             state=ConnectionState.OPEN, alpn=alpn, tls=True, sni=HOST)  # fmt: skip
        context = Context(self.client, SimpleNamespace(**FIXED))  # type: ignore[arg-type]
        self.server = context.server
        self.server.address, self.server.state, self.server.tls, self.server.alpn = (
            (ADDRESS, 443),
            ConnectionState.OPEN,
            True,
            alpn,
        )
        self.layer = HttpLayer(context, HTTPMode.transparent)
        self.said: dict[Connection, bytes] = {self.client: b"", self.server: b""}
        self.dialled = 0
        self.wakeups: list[tuple[float, commands.RequestWakeup]] = []  # when each is due
        self.play(events.Start())

    def play(self, event: events.Event) -> None:
        waiting = [event]
        while waiting:
            for command in self.layer.handle_event(waiting.pop(0)):
                if isinstance(command, commands.SendData):
                    if command.connection.state & ConnectionState.CAN_WRITE:
                        self.said[command.connection] += command.data
                elif isinstance(command, commands.CloseConnection):
                    if getattr(command, "half_close", False):
                        command.connection.state &= ~ConnectionState.CAN_WRITE
                    elif command.connection.state is not ConnectionState.CLOSED:
                        command.connection.state = ConnectionState.CLOSED
                        waiting.append(events.ConnectionClosed(command.connection))
                elif isinstance(command, commands.OpenConnection):
                    self.dialled += 1
                    waiting.append(events.OpenConnectionCompleted(command, "nobody there"))
                elif isinstance(command, commands.RequestWakeup):
                    self.wakeups.append((time.monotonic() + command.delay, command))

    def asks(self, *pieces: bytes) -> None:
        """The browser says something."""
        self._hears(self.client, pieces)

    def answers(self, *pieces: bytes) -> None:
        """The site says something."""
        self._hears(self.server, pieces)

    def _hears(self, who: Connection, pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            if piece and who.state & ConnectionState.CAN_READ:
                self.play(events.DataReceived(who, piece))

    def leaves(self, who: Connection) -> None:
        """One end closes."""
        if who.state is not ConnectionState.CLOSED:
            who.state = ConnectionState.CLOSED
            self.play(events.ConnectionClosed(who))

    @property
    def browser_gone(self) -> bool:
        """Whether the browser's connection has been ended."""
        return self.client.state is ConnectionState.CLOSED

    @property
    def site_gone(self) -> bool:
        return self.server.state is ConnectionState.CLOSED


__all__ = ["ADDRESS", "HOST", "Played", "Server", "patched"]
