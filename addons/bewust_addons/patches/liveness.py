"""A site that has gone without a word is noticed as soon as a browser would: by an HTTP/2 PING whose answer counts.

mitmproxy sends one every 58 seconds, also where nobody waits, and does not look for the answer. Here one is sent where
an answer is awaited and nothing came for a while, and the connection ends where nothing comes then either.
"""

import time
from collections.abc import Generator
from typing import Any

from mitmproxy.connection import ConnectionState, Server
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import RequestHeaders
from mitmproxy.proxy.layers.http._http2 import Http2Client

from bewust_addons.patches import Patch
from bewust_addons.patches.http_errors import SITE_CLOSED

type Commands = Generator[commands.Command, Any, Any]

SILENT_SECONDS = 5.0  # while an answer is awaited, before the site is asked whether it is there
ANSWER_SECONDS = 10.0  # as Chromium waits (net/spdy/spdy_session.cc: hung interval)
RISK_SECONDS = 10.0  # of silence after which a new request is sent with a PING, as Chromium does


class LivenessWakeup(commands.RequestWakeup):
    """Wake me, to see whether anything came."""


def install() -> Patch:
    """Have every HTTP/2 connection to a site do so, until the returned patch is closed."""
    patch = Patch()
    handle_event = Http2Client._handle_event

    def handle(layer: Any, event: events.Event) -> Commands:
        if isinstance(event, events.DataReceived):
            layer.last_received, layer.ping_sent = time.monotonic(), 0.0
        elif isinstance(event, events.Wakeup) and isinstance(event.command, LivenessWakeup):
            yield from _check(layer)
            return
        yield from handle_event(layer, event)
        if isinstance(event, RequestHeaders):
            now = time.monotonic()
            layer.last_received = layer.last_received or now
            if now - layer.last_received >= RISK_SECONDS and not layer.ping_sent:
                yield from _ping(layer)
            if not layer.watching:
                layer.watching = True
                yield LivenessWakeup(ANSWER_SECONDS if layer.ping_sent else SILENT_SECONDS)

    patch.replace(Server, "paused", False)  # whether we do not read, for somebody does not read us
    for name, value in (("watching", False), ("last_received", 0.0), ("ping_sent", 0.0), ("_handle_event", handle)):
        patch.replace(Http2Client, name, value)
    return patch


def _ping(layer: Any) -> Commands:
    layer.ping_sent = time.monotonic()
    layer.h2_conn.ping(bytes(8))
    yield commands.SendData(layer.conn, layer.h2_conn.data_to_send())


def _check(layer: Any) -> Commands:
    """Ask a silent site, end one that does not answer, and look no more where nothing is awaited."""
    layer.watching = False
    if not (layer.streams or layer.stream_queue) or layer.conn.state is not ConnectionState.OPEN:
        return
    now = time.monotonic()
    if layer.conn.paused or any(map(layer.is_open_for_us, layer.streams)):  # its answer would wait, or our question
        layer.last_received, layer.ping_sent = now, 0.0
    if not layer.ping_sent and now - layer.last_received >= SILENT_SECONDS:
        yield from _ping(layer)
    left = layer.ping_sent + ANSWER_SECONDS - now if layer.ping_sent else layer.last_received + SILENT_SECONDS - now
    if left > 0:
        layer.watching = True
        yield LivenessWakeup(left)
        return
    for command in layer.close_connection(SITE_CLOSED[1]):
        if isinstance(command, ReceiveHttp):
            command.event.stream_id = layer.their_stream_id[command.event.stream_id]
        yield command
