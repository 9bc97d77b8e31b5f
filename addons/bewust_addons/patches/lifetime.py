"""A browser's connection lives as long as the site's that belongs to it.

mitmproxy dials anew on the browser's old connection, keeps one that failed, and may meet another protocol then. Here
the browser's connection ends with the site's, as it would without us: after the answers that are under way, over HTTP/2
with a GOAWAY. The browser opens another, the front hands it over or splices it, and whatever was broken is forgotten.
"""

from collections.abc import Generator, Iterator
from typing import Any

from hyperframe.frame import GoAwayFrame
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.http import (
    GetHttpConnection,
    GetHttpConnectionCompleted,
    HttpLayer,
    HTTPMode,
    HttpStream,
)
from mitmproxy.proxy.layers.http._events import ErrorCode, ResponseProtocolError
from mitmproxy.proxy.layers.http._http2 import Http2Client, Http2Server

from bewust_addons.patches import Patch
from bewust_addons.patches.http2 import is_draining

type Commands = Generator[commands.Command, Any, Any]

ENDED = "the site's connection has ended"


def install() -> Patch:
    """Have every HTTP connection of this process do so, until the returned patch is closed."""
    patch = Patch()
    handle_event, get_connection = HttpLayer._handle_event, HttpLayer.get_connection

    def handle(layer: Any, event: events.Event) -> Commands:
        if isinstance(event, events.Start):
            layer.had_server = layer.context.server.state is ConnectionState.OPEN
        yield from handle_event(layer, event)
        if layer.ending or has_ended(layer):
            yield from _end(layer)

    def get(layer: Any, wanted: GetHttpConnection, *, reuse: bool = True) -> Commands:
        if layer.mode is HTTPMode.transparent and (layer.ending or has_ended(layer)):
            stream = layer.command_sources.pop(wanted)
            yield from layer.event_to_child(stream, GetHttpConnectionCompleted(wanted, (None, ENDED)))
        else:
            yield from get_connection(layer, wanted, reuse=reuse)

    for name in ("ending", "broken", "had_server"):
        patch.replace(HttpLayer, name, False)
    patch.replace(Http2Server, "goaway_sent", False)
    patch.replace(HttpLayer, "_handle_event", handle)
    patch.replace(HttpLayer, "get_connection", get)
    return patch


def has_ended(layer: HttpLayer) -> bool:
    """Whether the site takes no more requests on the connection that belongs to the browser's."""
    server = layer.context.server
    return bool(getattr(layer, "had_server", False)) and (
        server.state is not ConnectionState.OPEN or is_draining(server)
    )


def http_of(layer: Any) -> Any:
    """Return the HTTP layer around one connection's; None where a test made it alone."""
    return next((each for each in reversed(layer.context.layers) if isinstance(each, HttpLayer)), None)


def end_after_streams(layer: Any) -> None:
    """Take no more requests on the browser's connection that `layer` belongs to; what is under way finishes."""
    if (http := http_of(layer)) is not None:
        http.ending = True


def send_goaway(layer: Any) -> Iterator[commands.Command]:
    """Tell a browser, once, that it should open another connection: h2's own way would end this one at once."""
    if not layer.goaway_sent:
        layer.goaway_sent = True
        frame = GoAwayFrame(0, last_stream_id=layer.h2_conn.highest_inbound_stream_id)
        yield commands.SendData(layer.conn, frame.serialize())


def _end(layer: Any) -> Commands:
    """End the browser's connection, as soon as it has had what is under way."""
    client = layer.context.client
    if layer.mode is not HTTPMode.transparent or not client.state & ConnectionState.CAN_WRITE:
        return
    site = layer.connections.get(layer.context.server)
    for stream_id in [*site.stream_queue] if isinstance(site, Http2Client) and has_ended(layer) else ():
        del site.stream_queue[stream_id]  # too many at a time for the site, and it never heard of this one
        if stream_id in layer.streams:
            failed = ResponseProtocolError(stream_id, ENDED, ErrorCode.CONNECT_FAILED)
            yield from layer.event_to_child(layer.streams[stream_id], failed)
    there = layer.connections.get(client)
    busy = any(map(_under_way, layer.streams.values()))
    if isinstance(there, Http2Server):
        if not layer.broken:
            yield from send_goaway(there)
        busy = busy or any(there.h2_conn.stream_buffers.values())
    if not busy:
        yield commands.CloseConnection(client)


def _under_way(stream: HttpStream) -> bool:
    """mitmproxy keeps some that have failed."""
    return (stream.client_state, stream.server_state) != (stream.state_errored, stream.state_errored)
