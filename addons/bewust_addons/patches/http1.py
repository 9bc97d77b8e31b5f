"""HTTP/1 as a browser would get it without us: trailers, and answers before the answer.

mitmproxy raises on trailers, and takes a "103 Early Hints" for the answer itself. What is replaced here is
pinned by tests/addons/test_inspector.py.
"""

from collections.abc import Iterator
from typing import Any

from h11 import EndOfMessage
from h11._readers import ChunkedReader
from mitmproxy.http import Headers
from mitmproxy.net.http.http1 import read_response_head
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.http import HttpStream, SendHttp, _http1
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import RequestTrailers, ResponseHeaders, ResponseTrailers
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Connection, Http1Server

from bewust_addons.patches import Patch

type Commands = Iterator[commands.Command]

LAST = b"0\r\n\r\n"  # the last chunk, without trailers
SWITCHING = 101


class Early(ResponseHeaders):
    """An answer before the answer: any from 100 to 199 but 101."""


class Chunked(ChunkedReader):
    """Reads chunks, and keeps the trailers."""

    trailers: Headers | None = None

    def __call__(self, buf: Any) -> Any:
        read = super().__call__(buf)
        if isinstance(read, EndOfMessage) and read.headers:
            self.trailers = Headers(list(read.headers.raw_items()))
            return EndOfMessage()
        return read


def install() -> Patch:
    """Have every HTTP/1 connection of this process do so, until the returned patch is closed."""
    patch = Patch()
    make_reader = _http1.make_body_reader
    patch.replace(_http1, "make_body_reader", lambda size: Chunked() if size is None else make_reader(size))
    _trailers_in(patch)
    for kind in (Http1Client, Http1Server):
        _trailers_out(patch, kind)
    _early_in(patch)
    _early_through(patch)
    return patch


def _trailers_in(patch: Patch) -> None:
    read_body = Http1Connection.read_body

    def read(layer: Http1Connection, event: events.Event) -> Commands:
        for command in read_body(layer, event):
            reader = layer.body_reader
            if isinstance(reader, Chunked) and reader.trailers is not None and isinstance(command, ReceiveHttp):
                kind = RequestTrailers if isinstance(layer, Http1Server) else ResponseTrailers
                yield ReceiveHttp(kind(command.event.stream_id, reader.trailers))
                reader.trailers = None
            yield command

    patch.replace(Http1Connection, "read_body", read)


def _trailers_out(patch: Patch, kind: type[Http1Connection]) -> None:
    send = kind.send

    def sent(layer: Any, event: HttpEvent) -> Commands:
        if isinstance(event, RequestTrailers | ResponseTrailers):
            layer.trailers = event.trailers
            return
        for command in send(layer, event):
            if isinstance(command, commands.SendData) and command.data == LAST:
                trailers, layer.trailers = layer.trailers, None
                command.data = b"0\r\n%b\r\n" % (bytes(trailers) if trailers else b"")
            yield command

    patch.replace(kind, "trailers", None)
    patch.replace(kind, "send", sent)


def _early_in(patch: Patch) -> None:
    read_headers = Http1Client.read_headers

    def read(layer: Http1Client, event: Any) -> Commands:
        while isinstance(event, events.DataReceived) and layer.request and _is_early(layer.buf):
            head = layer.buf.maybe_extract_lines()
            if head is None:
                return
            assert layer.stream_id is not None
            yield ReceiveHttp(Early(layer.stream_id, read_response_head([bytes(line) for line in head])))
        yield from read_headers(layer, event)

    patch.replace(Http1Client, "read_headers", read)


def _is_early(buffer: Any) -> bool:
    status = bytes(buffer._data[9:12])
    return status[:1] == b"1" and status != b"%d" % SWITCHING


def _early_through(patch: Patch) -> None:
    handle_event = HttpStream._handle_event

    def handle(layer: HttpStream, event: events.Event) -> Commands:
        if isinstance(event, Early):
            yield SendHttp(ResponseHeaders(layer.stream_id, event.response), layer.context.client)
        else:
            yield from handle_event(layer, event)

    patch.replace(HttpStream, "_handle_event", handle)
