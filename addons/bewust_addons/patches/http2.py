"""HTTP/2 for hours on one connection: windows of its own, ends that end only what they are about.

mitmproxy promises each site 2^31 bytes and keeps what the browser does not read: a paused download would be in
memory whole. Here a stream has its window, and it is opened again when its bytes have left; other streams
of the connection go on. mitmproxy also ends every stream of a connection when the site takes its leave (GOAWAY) or
when one answer is malformed, and answers a stream that the site reset with a page of its own. Large heads and
answers before the answer pass, too. What is replaced is pinned by tests/addons/test_server.py.
"""

from collections import Counter
from collections.abc import Generator
from typing import Any
from weakref import WeakSet

import h2.events
from h2.errors import ErrorCodes
from mitmproxy.connection import Connection
from mitmproxy.http import Headers, Response
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.http import GetHttpConnection, HttpLayer
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import ErrorCode, RequestHeaders, ResponseProtocolError
from mitmproxy.proxy.layers.http._http2 import Http2Client, Http2Connection, Http2Server, StreamState

from bewust_addons.patches import Patch, http2_frames
from bewust_addons.patches.http1 import SWITCHING, InformationalHeaders
from bewust_addons.patches.http2_frames import GoAwayReceived, WindowedH2Connection
from bewust_addons.patches.response_heads import http2_fields

type Commands = Generator[commands.Command, Any, Any]

WAITING = 256 << 10  # bytes of one answer that wait for the browser, from which on we say no more
LAST_STREAM_ID = (1 << 31) - 1
WAKEUP_SECONDS = 0.02

_draining: WeakSet[Connection] = WeakSet()  # connections that take no new request


def is_draining(connection: Connection) -> bool:
    """Whether a connection takes no new request."""
    return connection in _draining


class ResetByServer(ResponseProtocolError):
    """The site ended a stream with this error; a browser gets the same, over HTTP/1 the end of the connection.

    `complete`: the whole answer was there, and the site wants no more of the request.
    """

    def __init__(self, stream_id: int, message: str, error: int, *, complete: bool = False) -> None:
        super().__init__(stream_id, message, ErrorCode.CANCEL)
        self.error = error
        self.complete = complete


class FlowControlWakeup(commands.RequestWakeup):
    """Wake me, to see whether a slow reader has read."""


def install() -> Patch:
    """Have every HTTP/2 connection of this process do so, until the returned patch is closed."""
    patch = Patch()
    patch.enter_context(http2_frames.install())
    _receive_data(patch)
    _receive_from_server(patch)
    for kind in (Http2Client, Http2Server):
        _flow_control(patch, kind)
    _drain(patch, Http2Server)
    _drain(patch, Http2Client)
    _refuse_new_streams(patch)
    _forward_resets(patch)
    _choose_connection(patch)
    return patch


# What comes of a site, or of a browser.


def _receive_data(patch: Patch) -> None:
    handle_h2_event = Http2Connection.handle_h2_event

    def handle(layer: Any, event: h2.events.Event) -> Commands:
        if isinstance(event, GoAwayReceived):
            yield from _start_draining(layer, event.last_stream_id)
            return False
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

    patch.replace(Http2Connection, "held", None)
    patch.replace(Http2Connection, "handle_h2_event", handle)


def _receive_from_server(patch: Patch) -> None:
    handle_h2_event = Http2Client.handle_h2_event

    def handle(layer: Any, event: Any) -> Commands:
        if isinstance(event, h2.events.StreamReset):
            yield from _receive_reset(layer, event)
            return False
        if isinstance(event, h2.events.InformationalResponseReceived):
            if (response := _informational(event)) is not None:
                yield ReceiveHttp(InformationalHeaders(event.stream_id, response))
                return False
        elif isinstance(event, h2.events.ResponseReceived) and event.stream_id not in layer.streams:
            return False  # it has just been reset
        elif isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived | h2.events.DataReceived):
            try:
                _check(layer, event)
            except ValueError as error:
                yield from _reset_stream(layer, event.stream_id, str(error))
                return False
        done = yield from handle_h2_event(layer, event)
        if isinstance(event, h2.events.StreamEnded) and event.stream_id in layer.streams:
            layer.answered |= {event.stream_id}
        return done

    patch.replace(Http2Client, "answered", frozenset())  # streams whose answer was whole before the request was
    patch.replace(Http2Client, "handle_h2_event", handle)


def _check(layer: Any, event: Any) -> None:
    """Take the fields of an answer as a browser does. ValueError: its stream is malformed."""
    if isinstance(event, h2.events.ResponseReceived):
        event.headers = http2_fields(event.headers)
    elif isinstance(event, h2.events.TrailersReceived):
        event.headers = http2_fields(event.headers, trailers=True)
    elif layer.streams.get(event.stream_id) is StreamState.EXPECTING_HEADERS:
        layer.h2_conn.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        raise ValueError("a body without a head")


def _informational(event: h2.events.InformationalResponseReceived) -> Response | None:
    try:
        (_, status), *fields = http2_fields(event.headers)
    except ValueError:
        return None
    if int(status) == SWITCHING:
        return None
    return Response(b"HTTP/2.0", int(status), b"", Headers(fields), None, None, 0, 0)


def _receive_reset(layer: Any, event: h2.events.StreamReset) -> Commands:
    if layer.streams.pop(event.stream_id, None) is not None:
        complete = event.stream_id in layer.answered
        layer.answered -= {event.stream_id}
        message = f"stream reset by the site ({event.error_code})"
        yield ReceiveHttp(ResetByServer(event.stream_id, message, int(event.error_code), complete=complete))


def _reset_stream(layer: Any, stream_id: int, message: str) -> Commands:
    """End one stream of a site's connection, as malformed."""
    if not layer.is_closed(stream_id):
        layer.h2_conn.reset_stream(stream_id, ErrorCodes.PROTOCOL_ERROR)
    if layer.streams.pop(stream_id, None) is not None:
        yield ReceiveHttp(ResetByServer(stream_id, f"malformed answer: {message}", ErrorCodes.PROTOCOL_ERROR))


# The end of a connection that still has something to do.


def _start_draining(layer: Any, last_stream_id: int) -> Commands:
    """Take no new stream, and refuse those of ours that the other side will not look at."""
    _draining.add(layer.conn)
    connection: WindowedH2Connection = layer.h2_conn
    if isinstance(layer, Http2Client):
        for stream_id in [each for each in layer.streams if each > last_stream_id]:
            del layer.streams[stream_id]
            connection.forget_stream(stream_id)
            yield ReceiveHttp(_refused(stream_id))


def _refused(stream_id: int) -> ResetByServer:
    """Say that nothing was done with the request; browsers ask again, and get a new connection."""
    return ResetByServer(stream_id, "the site takes no more requests here", ErrorCodes.REFUSED_STREAM)


def _drain(patch: Patch, kind: Any) -> None:
    """Close a connection that the other side has left when its last stream has ended."""
    handle_event = kind._handle_event

    def handle(layer: Any, event: events.Event) -> Commands:
        yield from handle_event(layer, event)
        if (
            layer.conn in _draining
            and "_handle_event" not in vars(layer)  # closed already
            and all(map(layer.is_closed, layer.streams))
            and not layer.h2_conn.stream_buffers
        ):
            yield from layer.close_connection("the other side has taken its leave")

    patch.replace(kind, "_handle_event", handle)


def _refuse_new_streams(patch: Patch) -> None:
    """Refuse requests for a connection that takes none, be it that they had waited for room, or ids have run out."""
    handle_event: Any = Http2Client._handle_event

    def handle(layer: Any, event: events.Event) -> Commands:
        if isinstance(event, HttpEvent) and event.stream_id not in layer.our_stream_id:
            if layer.h2_conn.highest_outbound_stream_id >= LAST_STREAM_ID - 1:
                _draining.add(layer.conn)
            if layer.conn in _draining:
                if isinstance(event, RequestHeaders):
                    yield ReceiveHttp(_refused(event.stream_id))
                return
        yield from handle_event(layer, event)
        if layer.stream_queue and layer.conn in _draining:
            waiting_ids = list(layer.stream_queue)
            layer.stream_queue.clear()
            for stream_id in waiting_ids:
                yield ReceiveHttp(_refused(stream_id))

    patch.replace(Http2Client, "_handle_event", handle)


def _forward_resets(patch: Patch) -> None:
    handle_event: Any = Http2Server._handle_event

    def handle(layer: Any, event: events.Event) -> Commands:
        if not isinstance(event, ResetByServer):
            yield from handle_event(layer, event)
            return
        connection = layer.h2_conn
        if not layer.is_closed(event.stream_id):
            if event.complete:
                if layer.is_open_for_us(event.stream_id):
                    connection.end_stream(event.stream_id)
            else:
                connection.reset_stream(event.stream_id, event.error)
        if said := connection.data_to_send():
            yield commands.SendData(layer.conn, said)

    patch.replace(Http2Server, "_handle_event", handle)


def _choose_connection(patch: Patch) -> None:
    matches = GetHttpConnection.connection_spec_matches

    def spec_matches(command: GetHttpConnection, connection: Connection) -> bool:
        return connection not in _draining and matches(command, connection)

    patch.replace(GetHttpConnection, "connection_spec_matches", spec_matches)


# Slow readers.


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
