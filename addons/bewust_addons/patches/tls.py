"""TLS with fewer steps: what is said together goes out in one record, and OpenSSL is asked no more than needed.

mitmproxy makes a record of each piece (the head of an answer, its body, the frame of a chunk), and learns
from an exception that OpenSSL has no more to say. What is replaced here is pinned by
tests/addons/test_inspector.py.
"""

from collections.abc import Iterator
from typing import Any

from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.tls import TLSLayer
from mitmproxy.proxy.tunnel import TunnelState
from OpenSSL import SSL

from bewust_addons.patches import Patch

type Commands = Iterator[commands.Command]

SIZE = 64 << 10
_lib: Any = SSL._lib  # type: ignore[attr-defined]
_ffi: Any = SSL._ffi  # type: ignore[attr-defined]
_buffer = _ffi.new("char[]", SIZE)  # of all connections: it is read out in one go


def install() -> Patch:
    """Have every TLS layer of this process do it this way, until the returned patch is closed."""
    patch = Patch()
    for replacement in (event_to_child, tls_interact, receive_data):
        patch.replace(TLSLayer, replacement.__name__, replacement)
    return patch


def event_to_child(layer: TLSLayer, event: events.Event) -> Commands:
    """Let the layer inside handle an event, and encrypt what it says to our end as one."""
    if layer.tunnel_state is TunnelState.ESTABLISHING and not layer.command_to_reply_to:
        layer._event_queue.append(event)
        return
    said: list[bytes] = []
    for command in layer.child_layer.handle_event(event):
        if not isinstance(command, commands.ConnectionCommand) or command.connection != layer.conn:
            yield command
        elif isinstance(command, commands.SendData):
            said.append(command.data)
        else:
            if said:
                yield from layer.send_data(b"".join(said))
                said.clear()
            yield from layer._handle_command(command)
    if said:
        yield from layer.send_data(b"".join(said))


def tls_interact(layer: TLSLayer) -> Commands:
    """Send what OpenSSL has to say."""
    while (size := _lib.BIO_read(layer.tls._from_ssl, _buffer, SIZE)) > 0:
        yield commands.SendData(layer.conn, _ffi.buffer(_buffer, size)[:])
        if size < SIZE:
            return


def receive_data(layer: TLSLayer, data: bytes) -> Commands:
    """Decrypt what came, and pass it on."""
    tls = layer.tls
    if data:
        tls.bio_write(data)
    plain: list[bytes] = []
    while (size := _lib.SSL_read(tls._ssl, _buffer, SIZE)) > 0:
        plain.append(_ffi.buffer(_buffer, size)[:])
    ended = _has_ended(tls, size)
    yield from tls_interact(layer)  # after reading: it may have had to answer
    if plain:
        yield from layer.event_to_child(events.DataReceived(layer.conn, b"".join(plain)))
    if ended:
        layer.conn.state &= ~ConnectionState.CAN_READ
        yield from layer.event_to_child(events.ConnectionClosed(layer.conn))


def _has_ended(tls: SSL.Connection, result: int) -> bool:
    """Whether there is nothing to read because the other side has said its last word."""
    if _lib.SSL_get_error(tls._ssl, result) == _lib.SSL_ERROR_WANT_READ:
        return False
    try:
        tls._raise_ssl_error(tls._ssl, result)
    except SSL.ZeroReturnError:
        return True
    except SSL.Error:
        pass  # an alert; mitmproxy goes on, too
    return False
