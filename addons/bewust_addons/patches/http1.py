"""HTTP/1 as a browser would get it without us: odd heads, trailers, and answers before the answer.

mitmproxy raises on trailers, takes a "103 Early Hints" for the answer itself, waits for ever after a blank line
before a head, and refuses heads that browsers take. What is replaced here is pinned by
tests/addons/test_server.py.
"""

from collections.abc import Iterator
from typing import Any

from h11 import EndOfMessage
from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer
from mitmproxy.http import Headers
from mitmproxy.net.http.http1 import expected_http_body_size
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.http import HttpStream, SendHttp, _http1
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestTrailers,
    ResponseHeaders,
    ResponseProtocolError,
    ResponseTrailers,
)
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Connection, Http1Server

from bewust_addons.patches import Patch
from bewust_addons.patches.response_heads import header_fields, read_response_head

type Commands = Iterator[commands.Command]

LAST = b"0\r\n\r\n"  # the last chunk, without trailers
SWITCHING = 101


class InformationalHeaders(ResponseHeaders):
    """An answer before the answer: any from 100 to 199 but 101."""


class TrailerReader(ChunkedReader):
    """Reads chunks, and keeps the trailers; `lenient` for those of an answer."""

    lenient = False
    trailers: Headers | None = None

    def __call__(self, buf: Any) -> Any:
        if self.lenient and self._reading_trailer:
            lines = buf.maybe_extract_lines()
            if lines is None:
                return None
            if fields := header_fields(map(bytes, lines)):
                self.trailers = Headers(fields)
            return EndOfMessage()
        read = super().__call__(buf)
        if isinstance(read, EndOfMessage) and read.headers:
            self.trailers = Headers(list(read.headers.raw_items()))
            return EndOfMessage()
        return read


def install() -> Patch:
    """Have every HTTP/1 connection of this process do so, until the returned patch is closed."""
    patch = Patch()
    make_reader = _http1.make_body_reader
    patch.replace(_http1, "make_body_reader", lambda size: TrailerReader() if size is None else make_reader(size))
    _receive_trailers(patch)
    for kind in (Http1Client, Http1Server):
        _send_trailers(patch, kind)
    _receive_response_heads(patch)
    _skip_blank_lines(patch)
    _forward_informational(patch)
    return patch


def _receive_trailers(patch: Patch) -> None:
    read_body = Http1Connection.read_body

    def read(layer: Http1Connection, event: events.Event) -> Commands:
        reader = layer.body_reader
        if not isinstance(reader, TrailerReader):
            yield from read_body(layer, event)
            return
        reader.lenient = isinstance(layer, Http1Client)
        for command in read_body(layer, event):
            trailers, reader.trailers = reader.trailers, None
            if trailers is not None and isinstance(command, ReceiveHttp):
                kind = RequestTrailers if isinstance(layer, Http1Server) else ResponseTrailers
                yield ReceiveHttp(kind(command.event.stream_id, trailers))
            yield command

    patch.replace(Http1Connection, "read_body", read)


def _send_trailers(patch: Patch, kind: type[Http1Connection]) -> None:
    send = kind.send

    def sent(layer: Any, event: HttpEvent) -> Commands:
        if isinstance(event, RequestTrailers | ResponseTrailers):
            layer.trailers = event.trailers
            return
        trailers, layer.trailers = layer.trailers, None  # of a message without chunks they have no place
        for command in send(layer, event):
            if trailers and isinstance(command, commands.SendData) and command.data == LAST:
                command.data = b"0\r\n%b\r\n" % bytes(trailers)
            yield command

    patch.replace(kind, "trailers", None)
    patch.replace(kind, "send", sent)


def _receive_response_heads(patch: Patch) -> None:
    read_headers = Http1Client.read_headers

    def read(layer: Http1Client, event: Any) -> Commands:
        if not isinstance(event, events.DataReceived) or layer.request is None:
            yield from read_headers(layer, event)
            return
        assert layer.stream_id is not None
        while True:
            skip_blank_lines(layer.buf)
            lines = layer.buf.maybe_extract_lines()
            if lines is None:
                return
            try:
                response = read_response_head([bytes(line) for line in lines])
                size = expected_http_body_size(layer.request, response)
            except ValueError as error:
                message = f"Cannot parse HTTP response: {error}"
                yield commands.CloseConnection(layer.conn)
                yield ReceiveHttp(ResponseProtocolError(layer.stream_id, message, ErrorCode.GENERIC_SERVER_ERROR))
                return
            if response.status_code >= 200 or response.status_code == SWITCHING:
                break
            yield ReceiveHttp(InformationalHeaders(layer.stream_id, response))
        layer.response = response
        yield ReceiveHttp(ResponseHeaders(layer.stream_id, response, size == 0))
        layer.body_reader = _http1.make_body_reader(size)
        layer.state = layer.read_body
        yield from layer.state(event)

    patch.replace(Http1Client, "read_headers", read)


def _skip_blank_lines(patch: Patch) -> None:
    read_headers = Http1Server.read_headers

    def read(layer: Http1Server, event: Any) -> Commands:
        skip_blank_lines(layer.buf)
        yield from read_headers(layer, event)

    patch.replace(Http1Server, "read_headers", read)


def skip_blank_lines(buffer: ReceiveBuffer) -> None:
    """Forget blank lines before a head: the RFC 9112, section 2.2, says so of requests, and browsers of answers."""
    data = buffer._data
    if data.startswith((b"\r", b"\n")):
        buffer.maybe_extract_at_most(len(data) - len(data.lstrip(b"\r\n")))


def _forward_informational(patch: Patch) -> None:
    handle_event = HttpStream._handle_event

    def handle(layer: HttpStream, event: events.Event) -> Commands:
        if isinstance(event, InformationalHeaders):
            yield SendHttp(ResponseHeaders(layer.stream_id, event.response), layer.context.client)
        else:
            yield from handle_event(layer, event)

    patch.replace(HttpStream, "_handle_event", handle)
