"""TLS with fewer steps: what is said together goes out in one record, and OpenSSL is asked no more than needed.

mitmproxy makes a record of each piece (the head of an answer, its body, the frame of a chunk), learns from an
exception that OpenSSL has no more to say, and goes on after a fatal alert as if nothing had come. What is
replaced here is pinned by tests/addons/test_server.py.
"""

from collections.abc import Iterator
from typing import Any

from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.tls import TlsFailedClientHook, TlsFailedServerHook, TLSLayer
from mitmproxy.proxy.tunnel import TunnelState
from mitmproxy.tls import TlsData
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
    for replacement in (event_to_child, tls_interact, receive_data, send_data):
        patch.replace(TLSLayer, replacement.__name__, replacement)
    patch.replace(TLSLayer, "has_received", False)  # whether a byte of content came since the handshake
    patch.replace(TLSLayer, "has_failed", False)  # whether TLS ended it
    return patch


def event_to_child(layer: TLSLayer, event: events.Event) -> Commands:
    """Let the layer inside handle an event, and encrypt what it says to our end in a row as one."""
    if layer.tunnel_state is TunnelState.ESTABLISHING and not layer.command_to_reply_to:
        layer._event_queue.append(event)
        return
    said: list[bytes] = []
    for command in layer.child_layer.handle_event(event):
        ours = isinstance(command, commands.ConnectionCommand) and command.connection == layer.conn
        if ours and isinstance(command, commands.SendData):
            said.append(command.data)
            continue
        # Whoever gets a command may hand this layer the next event before it asks for another command; what
        # that event says must not overtake what was said before. Nobody does so on a line for the log.
        if said and not isinstance(command, commands.Log):
            yield from layer.send_data(b"".join(said))
            said.clear()
        if ours:
            yield from layer._handle_command(command)
        else:
            yield command
    if said:
        yield from layer.send_data(b"".join(said))


def tls_interact(layer: TLSLayer) -> Commands:
    """Send what OpenSSL has to say."""
    while (size := _lib.BIO_read(layer.tls._from_ssl, _buffer, SIZE)) > 0:
        yield commands.SendData(layer.conn, _ffi.buffer(_buffer, size)[:])
        if size < SIZE:
            return


def send_data(layer: TLSLayer, data: bytes) -> Commands:
    """Encrypt and send, or drop what nobody can read any more: after an alert, or after the other side's end."""
    try:
        layer.tls.sendall(data)
    except (SSL.WantReadError, SSL.WantWriteError):
        raise  # the bytes would be missing in the middle
    except SSL.Error:
        pass
    yield from layer.tls_interact()


def receive_data(layer: TLSLayer, data: bytes) -> Commands:
    """Decrypt what came, and pass it on."""
    tls = layer.tls
    if data:
        tls.bio_write(data)
    plain: list[bytes] = []
    _lib.ERR_clear_error()  # what an earlier call left there would be taken for an error of this connection
    while (size := _lib.SSL_read(tls._ssl, _buffer, SIZE)) > 0:
        plain.append(_ffi.buffer(_buffer, size)[:])
    ended, alert = _end(tls, size)
    yield from layer.tls_interact()  # after reading: it may have had to answer
    if plain:
        layer.has_received = True  # type: ignore[attr-defined]
        yield from layer.event_to_child(events.DataReceived(layer.conn, b"".join(plain)))
    if alert:
        yield from _fail(layer, alert)
    elif ended:
        layer.conn.state &= ~ConnectionState.CAN_READ
        yield from layer.event_to_child(events.ConnectionClosed(layer.conn))


def _end(tls: SSL.Connection, result: int) -> tuple[bool, str]:
    """Return whether the other side has said its last word, and what of TLS failed, if anything."""
    if _lib.SSL_get_error(tls._ssl, result) == _lib.SSL_ERROR_WANT_READ:
        return False, ""
    try:
        tls._raise_ssl_error(tls._ssl, result)
    except SSL.ZeroReturnError:
        return True, ""
    except (SSL.WantReadError, SSL.WantWriteError, SSL.WantX509LookupError):
        return False, ""
    except SSL.Error as error:
        return True, f"OpenSSL {error!r}"
    return False, ""


def _fail(layer: TLSLayer, error: str) -> Commands:
    """End a connection whose TLS failed after the handshake, as by an alert: nothing can follow.

    With TLS 1.3 a site says only now that it wants a certificate of ours. That is a failed handshake to those who
    listen, and the browser's connection ends with it, so that it comes again and is let through. An alert after
    hours of content is not, unless it is about certificates.
    """
    if layer.has_failed:  # type: ignore[attr-defined]
        return  # OpenSSL says it again on each further read
    layer.has_failed = True  # type: ignore[attr-defined]
    conn, client = layer.conn, layer.context.client
    if not layer.has_received or "certificate" in error:  # type: ignore[attr-defined]
        hook = TlsFailedClientHook if conn == client else TlsFailedServerHook
        conn.error = error
        yield hook(TlsData(conn, layer.context, layer.tls))
        conn.error = None  # or mitmproxy would answer each later request with it, and not connect again
        if conn != client:
            yield commands.CloseConnection(client)
    # OpenSSL takes a fatal alert for the end of reading too, so mitmproxy would tell nobody of the end.
    yield commands.CloseConnection(conn)
    layer.tunnel_state = TunnelState.CLOSED
    yield from layer.event_to_child(events.ConnectionClosed(conn))
