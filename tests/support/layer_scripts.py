"""mitmproxy's layers as the inspector stacks them, played a script of events; what goes out to each side.

Everything is in memory: the browser and each connection to the site are OpenSSL objects, so that what is
compared are the plain bytes, and not how TLS has cut them.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any

import hpack
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hyperframe.frame import (
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from mitmproxy.connection import Client, Connection, ConnectionState, Server
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import ClientTLSLayer, HttpLayer, ServerTLSLayer
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.mode_specs import ProxyMode
from OpenSSL import SSL

from bewust_addons.patches import hooks, http1, http2, tls
from bewust_addons.patches.hooks import Hooks
from bewust_addons.server import LAYERS

HOST = "www.google.nl"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"


class Options:
    """What the layers ask."""

    http2_ping_keepalive = 0
    websocket = True
    rawtcp = True

    def __init__(self) -> None:
        vars(self).update(LAYERS)


@cache
def _certificate() -> tuple[Any, Any]:
    leaf = trustme.CA(key_type=trustme.KeyType.ECDSA).issue_cert(HOST, key_type=trustme.KeyType.ECDSA)
    chain = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes())
    return chain, load_pem_private_key(leaf.private_key_pem.bytes(), None)


@cache
def _context(alpn: tuple[bytes, ...], *, server: bool) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD if server else SSL.TLS_CLIENT_METHOD)
    context.set_options(SSL.OP_NO_TICKET)
    if server:
        certificate, key = _certificate()
        context.use_certificate(certificate)
        context.use_privatekey(key)
        context.set_alpn_select_callback(
            lambda _, offered: alpn[0] if alpn[0] in offered else SSL.NO_OVERLAPPING_PROTOCOLS
        )
    else:
        context.set_alpn_protos(list(alpn))
    return context


def _tls(*alpn: bytes, server: bool) -> SSL.Connection:
    made = SSL.Connection(_context(alpn, server=server), None)
    if server:
        made.set_accept_state()
    else:
        made.set_tlsext_host_name(HOST.encode())
        made.set_connect_state()
    return made


class Peer:
    """The other end of one connection: what it was sent, in plain."""

    def __init__(self, alpn: bytes, *, server: bool) -> None:
        self.alpn = alpn
        self.tls = _tls(alpn, server=server)
        self.heard = bytearray()
        self.ends: list[str] = []
        self.unsent: list[bytes] = []
        self.established = False

    def take(self, data: bytes) -> None:
        """Decrypt what came."""
        if data:
            self.tls.bio_write(data)
        try:
            if not self.established:
                self.tls.do_handshake()
                self.established = True
                for each in self.unsent:
                    self.tls.sendall(each)
            while True:
                self.heard += self.tls.recv(65536)
        except SSL.WantReadError:
            pass

    def say(self, data: bytes) -> None:
        """Encrypt, once the handshake is done."""
        if self.established:
            self.tls.sendall(data)
        else:
            self.unsent.append(data)

    def outgoing(self) -> bytes:
        """Return what is to be sent."""
        try:
            return bytes(self.tls.bio_read(1 << 20))
        except SSL.WantReadError:
            return b""


class Streaming:
    """An addon as ours: bodies stream; TLS as the inspector has it, with fixed certificates."""

    def __init__(self, alpn: bytes) -> None:
        self._alpn = alpn

    def requestheaders(self, flow: Any) -> None:
        flow.request.stream = True

    def responseheaders(self, flow: Any) -> None:
        flow.response.stream = True

    def tls_clienthello(self, data: Any) -> None:
        data.establish_server_tls_first = True

    def tls_start_client(self, data: Any) -> None:
        data.ssl_conn = _tls(self._alpn, server=True)

    def tls_start_server(self, data: Any) -> None:
        data.ssl_conn = _tls(self._alpn, b"http/1.1", server=False)

    def next_layer(self, data: Any) -> None:
        data.layer = HttpLayer(data.context, HTTPMode.transparent)


@contextmanager
def installed(*patches: Any, addons: Sequence[object] = ()) -> Iterator[None]:
    """Replace what these modules replace; with `addons`, hooks are plain calls."""
    with ExitStack() as stack:
        if addons:
            stack.enter_context(hooks.install(Hooks(addons)))
        for patch in patches:
            stack.enter_context(patch.install())
        yield


ALL = (tls, http1, http2)


class World:
    """One browser's connection, as connections.py drives it.

    `opens`: what is wrong with each further connection to the site, or None; `alpns`: what each of these speaks.
    """

    def __init__(
        self, alpn: bytes, opens: Sequence[str | None] = (), alpns: Sequence[bytes] = (), *, answer_hooks: bool = True
    ) -> None:
        self.addon = Streaming(alpn)
        self._alpn = alpn
        self._opens = deque(opens)
        self._alpns = deque(alpns)
        self._queue: deque[events.Event] = deque()
        self.hooks: deque[commands.StartHook] = deque()  # not answered yet
        self.wakeups: list[commands.RequestWakeup] = []
        self.client = Client(
            peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2), timestamp_start=0.0,
            proxy_mode=ProxyMode.parse("regular"), state=ConnectionState.OPEN,
        )  # fmt: skip
        context = Context(self.client, Options())  # type: ignore[arg-type]
        self.peers: dict[Connection, Peer] = {self.client: Peer(alpn, server=False)}
        context.server.address = (HOST, 443)
        self._connected(context.server, alpn)
        self.layer = ServerTLSLayer(context)
        self.layer.child_layer = ClientTLSLayer(context)
        self.answer_hooks = answer_hooks
        self.piece = 0  # bytes that come in one go; 0: all
        self._queue.append(events.Start())
        self.peers[self.client].take(b"")
        self.run()

    @property
    def servers(self) -> list[Connection]:
        """The connections to the site, in the order in which they were made."""
        return [each for each in self.peers if isinstance(each, Server)]

    def run(self) -> None:
        """Handle all that is to be handled, and what the other ends answer in their handshakes."""
        while True:
            for connection, peer in self.peers.items():
                data = peer.outgoing() if connection.state & ConnectionState.CAN_READ else b""
                while data:
                    piece = self.piece or len(data)
                    self._queue.append(events.DataReceived(connection, data[:piece]))
                    data = data[piece:]
            if not self._queue:
                return
            while self._queue:
                for command in self.handle(self._queue.popleft()):
                    self._perform(command)

    def handle(self, event: events.Event) -> Iterable[commands.Command]:
        """Return what the layers command."""
        return self.layer.handle_event(event)

    def say(self, connection: Connection, data: bytes, *, later: bool = False) -> None:
        """Have the other end send something, or keep it for what it says next."""
        self.peers[connection].say(data)
        if not later:
            self.run()

    def close(self, connection: Connection) -> None:
        """Have the other end close without a word."""
        if connection.state & ConnectionState.CAN_READ:
            connection.state = ConnectionState.CLOSED
            self._queue.append(events.ConnectionClosed(connection))
            self.run()

    def half_close(self, connection: Connection) -> None:
        """Have the other end say that nothing more comes."""
        if connection.state & ConnectionState.CAN_READ:
            connection.state &= ~ConnectionState.CAN_READ
            self._queue.append(events.ConnectionClosed(connection))
            self.run()

    def answer(self, index: int) -> None:
        """Answer one of the hooks that wait."""
        if self.hooks:
            hook = self.hooks[index % len(self.hooks)]
            self.hooks.remove(hook)
            self._queue.append(events.HookCompleted(hook, None))
            self.run()

    def wake(self) -> None:
        """Let the time of all timers come."""
        due, self.wakeups = self.wakeups, []
        self._queue.extend(events.Wakeup(each) for each in due)
        self.run()

    def _connected(self, server: Connection, alpn: bytes) -> None:
        server.state = ConnectionState.OPEN
        self.peers[server] = Peer(alpn, server=True)

    def _perform(self, command: commands.Command) -> None:  # noqa: C901, PLR0912 - one case a command
        match command:
            case commands.SendData():
                if command.connection.state & ConnectionState.CAN_WRITE:
                    self.peers[command.connection].take(command.data)
            case commands.CloseTcpConnection(half_close=True):
                command.connection.state &= ~ConnectionState.CAN_WRITE
                self.peers[command.connection].ends.append("half")
            case commands.CloseConnection():
                if command.connection.state is not ConnectionState.CLOSED:
                    command.connection.state = ConnectionState.CLOSED
                    self.peers[command.connection].ends.append("closed")
                    self._queue.append(events.ConnectionClosed(command.connection))
            case commands.OpenConnection():
                error = self._opens.popleft() if self._opens else None
                if error is None:
                    self._connected(command.connection, self._alpns.popleft() if self._alpns else self._alpn)
                else:
                    command.connection.error = error
                self._queue.append(events.OpenConnectionCompleted(command, error))
            case commands.RequestWakeup():
                self.wakeups.append(command)
            case commands.StartHook():
                getattr(self.addon, command.name, lambda _: None)(*command.args())
                if self.answer_hooks:
                    self._queue.append(events.HookCompleted(command, None))
                else:
                    self.hooks.append(command)
            case commands.Log():
                pass
            case _:
                raise TypeError(type(command).__name__)


# What was said, in words that two ways to say it have in common.


def frames_of(raw: bytes, decoder: hpack.Decoder | None = None) -> list[tuple[Any, ...]]:
    """HTTP/2 without its windows and settings; the pieces of a body on one stream as one."""
    decoder = decoder or hpack.Decoder()
    decoder.max_header_list_size = 1 << 24
    raw = raw.removeprefix(PREFACE)
    found: list[tuple[Any, ...]] = []
    while len(raw) >= 9:
        frame, length = Frame.parse_frame_header(memoryview(raw[:9]))
        frame.parse_body(memoryview(raw[9 : 9 + length]))
        rest, raw = raw, raw[9 + length :]
        ended = "END_STREAM" in frame.flags
        match frame:
            case HeadersFrame():
                found.append(("head", frame.stream_id, tuple(decoder.decode(frame.data, raw=True)), ended))
            case DataFrame():
                if found and found[-1][:2] == ("body", frame.stream_id):
                    found[-1] = ("body", frame.stream_id, found[-1][2] + frame.data, ended)
                else:
                    found.append(("body", frame.stream_id, frame.data, ended))
            case RstStreamFrame():
                found.append(("reset", frame.stream_id, frame.error_code))
            case GoAwayFrame():
                found.append(("goaway", frame.error_code))
            case PingFrame():
                found.append(("ping", frame.opaque_data))
            case SettingsFrame() | WindowUpdateFrame():
                pass
            case _:
                found.append(("something else", type(frame).__name__, bytes(rest[:20])))
    return found


def head(stream_id: int, *fields: tuple[bytes, bytes], end: bool = False) -> bytes:
    """A HEADERS frame that changes no table."""
    block = b"".join(
        b"\x10" + hpack.hpack.encode_integer(len(name), 7) + name + hpack.hpack.encode_integer(len(value), 7) + value
        for name, value in fields
    )
    flags = ["END_HEADERS", "END_STREAM"] if end else ["END_HEADERS"]
    return HeadersFrame(stream_id, block, flags=flags).serialize()


def body(stream_id: int, data: bytes, *, end: bool = False) -> bytes:
    """A DATA frame."""
    return DataFrame(stream_id, data, flags=["END_STREAM"] if end else []).serialize()


type Script = Callable[[World], None]


def played(
    script: Script, alpn: bytes, *patches: Any, opens: Sequence[str | None] = (), alpns: Sequence[bytes] = ()
) -> World:
    """Play a script to the layers with these replacements; hooks are plain calls."""
    with installed(*patches, addons=[Streaming(alpn)]):
        world = World(alpn, opens, alpns)
        if alpn == b"h2":
            world.say(world.client, PREFACE + SETTINGS)
        script(world)
        return world


def told(world: World) -> list[tuple[Any, list[str]]]:
    """What each end heard, and how its connection was ended: the browser first, then each of the site's."""
    said: list[tuple[Any, list[str]]] = []
    for peer in world.peers.values():
        raw = bytes(peer.heard)
        said.append((frames_of(raw) if peer.alpn == b"h2" else raw, peer.ends))
    return said


# A browser and a site over HTTP/2.

ASK = [
    (b":method", b"GET"), (b":scheme", b"https"), (b":authority", HOST.encode()), (b":path", b"/complete/x"),
]  # fmt: skip
POST = [(b":method", b"POST"), *ASK[1:]]
OK = (b":status", b"200")


def ask(world: World, *streams: int) -> None:
    for stream in streams:
        world.say(world.client, head(stream, *ASK, end=True))


def answer(world: World, stream: int, which: int = 0) -> None:
    world.say(world.servers[which], head(stream, OK) + body(stream, b"hello", end=True))


def resets(world: World) -> dict[int, int]:
    """The streams that the browser saw end with an error."""
    return {each[1]: each[2] for each in frames_of(bytes(world.peers[world.client].heard)) if each[0] == "reset"}


def answered(world: World) -> list[int]:
    """The streams that the browser saw end well."""
    heard = frames_of(bytes(world.peers[world.client].heard))
    return [each[1] for each in heard if each[0] in ("head", "body") and each[3]]


@contextmanager
def http2_world() -> Iterator[World]:
    """All replacements, a browser that has begun, and a site whose settings are there."""
    with installed(*ALL, addons=[Streaming(b"h2")]):
        world = World(b"h2")
        world.say(world.client, PREFACE + SETTINGS)
        world.say(world.servers[0], SETTINGS)
        yield world
