"""Where an answer cannot be passed, the browser's own error appears, as it would without us.

mitmproxy answers itself, with a page that says who it is and what the site's address is. Here an HTTP/1 connection
ends, and an HTTP/2 stream is reset. A browser asks again by itself where the reset says that it may (RFC 9113, section
8.7): so it does for what may be asked twice, and what the site refused stays what the site said.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from h2.errors import ErrorCodes
from mitmproxy.connection import Client
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.http import _http1, _http2
from mitmproxy.proxy.layers.http._events import ErrorCode, ResponseHeaders, ResponseProtocolError
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.proxy.layers.http._http2 import Http2Connection, Http2Server

from bewust_addons.patches import Patch
from bewust_addons.patches.hooks import Hooks
from bewust_addons.patches.http2 import ResetByServer
from bewust_addons.patches.lifetime import end_after_streams, http_of

type Commands = Generator[commands.Command, Any, Any]

HOOK = "answer_failed"
FAILURES = 2  # in a row on one of the browser's connections, which then ends
SAFE = ("GET", "HEAD", "OPTIONS")  # RFC 9110, section 9.2.1
# What mitmproxy says where the site's bytes are such that it cannot pass them; a change of it shows in the tests.
UNREADABLE = (
    "Cannot parse HTTP response", "unexpected server response", "HTTP/1 protocol error", "HTTP/2 protocol error",
    "Invalid HTTP/2 response headers", "Received unexpected HTTP/2 response", "malformed answer",
)  # fmt: skip
SITE_CLOSED = ("server closed connection", "peer closed connection")  # the site, without a word
REFUSALS = (ErrorCodes.NO_ERROR, ErrorCodes.CANCEL, ErrorCodes.REFUSED_STREAM)
CANCELLED = (ErrorCode.CANCEL, ErrorCode.CLIENT_DISCONNECTED, ErrorCode.KILL, ErrorCode.PASSTHROUGH_CLOSE)
OF_CLIENT = (ErrorCode.GENERIC_CLIENT_ERROR, ErrorCode.REQUEST_VALIDATION_FAILED, ErrorCode.REQUEST_TOO_LARGE,
             ErrorCode.DESTINATION_UNKNOWN)  # fmt: skip


@dataclass
class AnswerFailed:
    """An answer that did not reach the browser. `unreadable`: it was there, and could not be passed; `by_site`: it is
    not the browser's own bytes that were wrong."""

    client: Client
    unreadable: bool
    by_site: bool


def install(hooks: Hooks) -> Patch:
    """Have every HTTP connection of this process do so, and fire `answer_failed` with AnswerFailed."""
    patch = Patch()
    patch.replace(ErrorCode, "http_status_code", lambda code: None)  # no page, whoever asks
    for module, name in ((_http1, "make_error_response"), (_http1, "format_error"), (_http2, "format_error")):
        patch.replace(module, name, lambda *about: b"")
    _http1_server(patch, hooks)
    _http2_server(patch, hooks)
    _without_words(patch)
    return patch


def _tell(hooks: Hooks, layer: Any, event: ResponseProtocolError) -> AnswerFailed | None:
    """Fire the hook; None where nobody failed: the browser left, what ended is no HTTP, or the site refused."""
    unreadable = event.code is ErrorCode.RESPONSE_VALIDATION_FAILED or event.message.startswith(UNREADABLE)
    if isinstance(event, ResetByServer):
        if event.complete or event.error in REFUSALS:
            return None
        unreadable = unreadable or event.error == ErrorCodes.PROTOCOL_ERROR  # that of its answer, or of our request
    elif event.code in CANCELLED:
        return None
    failed = AnswerFailed(layer.context.client, unreadable, by_site=event.code not in OF_CLIENT)
    hooks.fire(HOOK, failed)
    return failed


def _http1_server(patch: Patch, hooks: Hooks) -> None:
    send, read_headers = Http1Server.send, Http1Server.read_headers

    def sent(layer: Any, event: Any) -> Commands:
        if isinstance(event, ResponseProtocolError):
            _tell(hooks, layer, event)
        yield from send(layer, event)

    def read(layer: Any, event: events.ConnectionEvent) -> Commands:
        for command in read_headers(layer, event):
            if not isinstance(command, commands.SendData):  # the page
                yield command

    patch.replace(Http1Server, "send", sent)
    patch.replace(Http1Server, "read_headers", read)


def _http2_server(patch: Patch, hooks: Hooks) -> None:
    handle_event = Http2Server._handle_event

    def handle(layer: Any, event: events.Event) -> Commands:
        if isinstance(event, ResponseProtocolError):
            failed = _tell(hooks, layer, event)
            if isinstance(event, ResetByServer):
                if failed is not None and failed.unreadable and _may_ask_again(layer, event):
                    event.error = ErrorCodes.REFUSED_STREAM
                yield from handle_event(layer, event)
            else:
                yield from _reset(layer, event)
            if failed is not None and (failed.unreadable or not isinstance(event, ResetByServer)):
                layer.failures += 1
                if failed.unreadable or layer.failures >= FAILURES:
                    end_after_streams(layer)
        else:
            if isinstance(event, ResponseHeaders):
                layer.failures = 0
            yield from handle_event(layer, event)

    patch.replace(Http2Server, "failures", 0)
    patch.replace(Http2Server, "_handle_event", handle)


def _reset(layer: Any, event: ResponseProtocolError) -> Commands:
    """Reset a stream; where the site has left without a word and nothing is under way, so do we."""
    if layer.is_closed(event.stream_id):
        return
    http = http_of(layer)
    if event.message in SITE_CLOSED and http is not None and not any(layer.h2_conn.stream_buffers.values()):
        http.broken = True  # lifetime ends it all
        return
    layer.h2_conn.reset_stream(event.stream_id, _code(layer, event))
    yield commands.SendData(layer.conn, layer.h2_conn.data_to_send())


def _code(layer: Any, event: ResponseProtocolError) -> int:
    if event.code in CANCELLED:
        return ErrorCodes.INTERNAL_ERROR if event.code is ErrorCode.KILL else ErrorCodes.CANCEL
    if event.code is ErrorCode.HTTP_1_1_REQUIRED:
        return ErrorCodes.HTTP_1_1_REQUIRED
    return ErrorCodes.REFUSED_STREAM if _may_ask_again(layer, event) else ErrorCodes.INTERNAL_ERROR


def _may_ask_again(layer: Any, event: ResponseProtocolError) -> bool:
    """Whether a browser may send a request again by itself: nothing was done with it, or it may be done twice."""
    stream, http = layer.h2_conn.streams.get(event.stream_id), http_of(layer)
    if stream is None or stream.state_machine.headers_sent or event.code in OF_CLIENT:
        return False
    asked = http.streams.get(event.stream_id) if http is not None else None
    return event.code is ErrorCode.CONNECT_FAILED or (asked is not None and asked.flow.request.method in SAFE)


def _without_words(patch: Patch) -> None:
    """Leave the reason out of the last frame to a browser or a site: it is mitmproxy's, and has parts of heads."""
    protocol_error = Http2Connection.protocol_error

    def error(layer: Any, message: str, error_code: int = ErrorCodes.PROTOCOL_ERROR) -> Commands:
        close_connection = layer.h2_conn.close_connection
        layer.h2_conn.close_connection = lambda code, words: close_connection(code)
        try:
            yield from protocol_error(layer, message, error_code)
        finally:
            del layer.h2_conn.close_connection

    patch.replace(Http2Connection, "protocol_error", error)
