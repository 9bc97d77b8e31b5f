"""HTTP/2 with windows of its own: what a slow reader does not take is not fetched either.

mitmproxy promises each site 2^31 bytes and keeps what the browser does not read: a paused download would be in
memory whole. Here a stream has its window, and it is opened again when its bytes have left; other streams
of the connection go on. Large heads and answers before the answer pass, too. What is replaced is pinned by
tests/addons/test_inspector.py.
"""

from collections import Counter
from collections.abc import Generator
from typing import Any

import h2.events
from mitmproxy.http import Headers, Response
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.http import HttpLayer, _http2
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._http2 import Http2Client, Http2Connection, Http2Server, StreamState
from mitmproxy.proxy.layers.http._http_h2 import BufferedH2Connection

from bewust_addons.patches import Patch
from bewust_addons.patches.http1 import SWITCHING, Early

type Commands = Generator[commands.Command, Any, Any]

WINDOW = 4 << 20  # bytes a site may send of one answer before we say more; at 100 ms away, 40 MB a second
WAITING = 256 << 10  # bytes of one answer that wait for the browser, from which on we say no more
HEADERS = 1 << 20  # bytes of a head; browsers take 256 KiB
WAKEUP_SECONDS = 0.02


class WindowedH2Connection(BufferedH2Connection):
    """mitmproxy's, with a window that somebody's memory can hold."""

    DEFAULT_MAX_HEADER_LIST_SIZE = HEADERS

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.local_settings.initial_window_size = WINDOW
        self.local_settings.acknowledge()


class FlowControlWakeup(commands.RequestWakeup):
    """Wake me, to see whether a slow reader has read."""


def install() -> Patch:
    """Have every HTTP/2 connection of this process do so, until the returned patch is closed."""
    patch = Patch()
    patch.replace(_http2, "BufferedH2Connection", WindowedH2Connection)
    _data(patch, Http2Connection)
    _early(patch, Http2Client)
    for kind in (Http2Client, Http2Server):
        _flow_control(patch, kind)
    return patch


def _data(patch: Patch, kind: Any) -> None:
    handle_h2_event = kind.handle_h2_event

    def handle(layer: Any, event: h2.events.Event) -> Commands:
        if not isinstance(event, h2.events.DataReceived) or layer.streams.get(event.stream_id) is not (
            StreamState.HEADERS_RECEIVED
        ):
            return (yield from handle_h2_event(layer, event))
        if event.data or not event.stream_ended:
            yield ReceiveHttp(layer.ReceiveData(event.stream_id, event.data))
        if waiting(layer, event.stream_id) <= WAITING:
            layer.h2_conn.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        else:
            if layer.held is None:
                layer.held = Counter()
            if not layer.held:
                yield FlowControlWakeup(WAKEUP_SECONDS)
            layer.held[event.stream_id] += event.flow_controlled_length
        return False

    patch.replace(kind, "held", None)
    patch.replace(kind, "handle_h2_event", handle)


def _flow_control(patch: Patch, kind: Any) -> None:
    handle_event = kind._handle_event

    def handle(layer: Any, event: events.Event) -> Commands:
        if not isinstance(event, events.Wakeup) or not isinstance(event.command, FlowControlWakeup):
            yield from handle_event(layer, event)
            return
        for stream_id, size in list(layer.held.items()):
            if waiting(layer, stream_id) <= WAITING:
                del layer.held[stream_id]
                layer.h2_conn.acknowledge_received_data(size, stream_id)
        if said := layer.h2_conn.data_to_send():
            yield commands.SendData(layer.conn, said)
        if layer.held:
            yield FlowControlWakeup(WAKEUP_SECONDS)

    patch.replace(kind, "_handle_event", handle)


def waiting(layer: Any, stream_id: int) -> int:
    """Return how many bytes that came on a stream wait for those who read at the other side."""
    http = next((each for each in reversed(layer.context.layers) if isinstance(each, HttpLayer)), None)
    if http is None:
        return 0
    there: Any
    if isinstance(layer, Http2Client):
        there = http.connections.get(http.context.client)
        wanted = layer.their_stream_id.get(stream_id)
    else:
        stream = http.streams.get(stream_id)
        there = http.connections.get(stream.context.server) if stream is not None else None
        there = there.context.layers[-1] if there is not None else None  # inside of its TLS
        wanted = there.our_stream_id.get(stream_id) if isinstance(there, Http2Client) else None
    if not isinstance(there, Http2Connection) or wanted is None:
        return 0
    return sum(len(chunk.data) for chunk in there.h2_conn.stream_buffers.get(wanted, ()))


def _early(patch: Patch, kind: Any) -> None:
    handle_h2_event = kind.handle_h2_event

    def handle(layer: Any, event: h2.events.Event) -> Commands:
        if not isinstance(event, h2.events.InformationalResponseReceived):
            return (yield from handle_h2_event(layer, event))
        fields = Headers([(bytes(name), bytes(value)) for name, value in event.headers])
        status = int(fields.pop(":status"))
        if status != SWITCHING:
            response = Response(b"HTTP/2.0", status, b"", fields, None, None, 0, 0)
            yield ReceiveHttp(Early(event.stream_id, response))
        return False

    patch.replace(kind, "handle_h2_event", handle)
