"""Sites on loopback, each behind its own name on one address and port 443, as a person's browser expects them.

Belongs here: TCP, TLS and what a site does with whole connections. Not here: HTTP (http1, http2) or any expectation.
"""

import asyncio
import contextlib
import ctypes
import itertools
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, Protocol, Self

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key, pkcs12
from mitmproxy.proxy.layers.tls import parse_client_hello

PORT = 443  # where a browser that goes there by itself looks
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
HELLO_SECONDS = 20.0
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27  # Linux


@dataclass(frozen=True)
class Tls:
    """What a site offers. `certificate` other than "good" is one that no client should take."""

    alpn: tuple[str, ...] = ("h2", "http/1.1")
    lowest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    highest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    client: ssl.VerifyMode = ssl.CERT_NONE
    curve: str = ""
    tickets: int = 2
    certificate: Literal["good", "ended", "another name", "another root"] = "good"


class Connection:
    """One accepted connection, after its TLS handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.vanished = False

    @property
    def tls(self) -> ssl.SSLObject:
        made: ssl.SSLObject = self.writer.get_extra_info("ssl_object")
        return made

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """End it with a RST."""
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()

    def cut(self) -> None:
        """End it with a FIN and without TLS's own word of goodbye."""
        self.writer.transport.abort()

    def vanish(self) -> None:
        """Hear and acknowledge nothing any more, as if the machine behind it had lost its network."""
        self.vanished = True
        vanish(self.writer.get_extra_info("socket"))


class Origin(Protocol):
    """One site's way with a connection; it is closed in the ordinary way when this returns."""

    async def serve(self, connection: Connection) -> None: ...


class Relayed:
    """A site that is a server of its own, on a port of its own, with its own TLS; start and stop it by `running`."""

    def __init__(self, running: Callable[["Certificate"], contextlib.AbstractContextManager[int]]) -> None:
        self.running = running


@dataclass
class Certificate:
    """A private key and chain in one file, and the root that vouches for clients."""

    chain: Path
    root: Path


@dataclass
class Site:
    """A name, what answers there, and the connections that it has not ended yet."""

    origin: Origin | Relayed
    tls: Tls = field(default_factory=Tls)
    shares: str = ""  # the site whose certificate has this name too
    open: set[socket.socket] = field(default_factory=set)
    context: ssl.SSLContext | None = None
    port: int = 0


class Authority:
    """Makes certificates; one for a whole walk, so that a browser is told of it once."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="origins-")
        self._trusted, self._stranger = trustme.CA(), trustme.CA()
        self._made = itertools.count()
        self.root_pem = Path(self._folder.name) / "origins.pem"
        self._trusted.cert_pem.write_to_path(self.root_pem)
        self.client_pem = Path(self._folder.name) / "client.pem"
        self._client = self._trusted.issue_cert("person@example.org", common_name="A person")
        self._client.private_key_and_cert_chain_pem.write_to_path(self.client_pem)

    def issue(self, names: tuple[str, ...], kind: str = "good") -> Certificate:
        """A file with a key and chain for these names, and the root's file."""
        ca = self._stranger if kind == "another root" else self._trusted
        names = ("elsewhere.example",) if kind == "another name" else names
        ended = LONG_AGO if kind == "ended" else None
        path = Path(self._folder.name) / f"{next(self._made)}.pem"
        ca.issue_cert(*names, not_after=ended, not_before=LONG_AGO.replace(year=2019) if ended else None) \
            .private_key_and_cert_chain_pem.write_to_path(path)  # fmt: skip
        return Certificate(path, self.root_pem)

    def give(self, database: Path) -> None:
        """Put the client certificate into an NSS database; in place of a person who chooses it, `prefs` must."""
        key = load_pem_private_key(self._client.private_key_pem.bytes(), None)
        certificate = x509.load_pem_x509_certificate(self._client.cert_chain_pems[0].bytes())
        assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
        packed = database / "client.p12"
        packed.write_bytes(pkcs12.serialize_key_and_certificates(
            b"person", key, certificate, None, BestAvailableEncryption(b"test")
        ))  # fmt: skip
        command = ["pk12util", "-i", str(packed), "-d", f"sql:{database}", "-W", "test", "-K", ""]
        subprocess.run(command, check=True, capture_output=True)

    def context(self, names: tuple[str, ...], tls: Tls) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.issue(names, tls.certificate).chain)
        context.set_alpn_protocols(list(tls.alpn))
        context.minimum_version, context.maximum_version = tls.lowest, tls.highest
        context.verify_mode = tls.client
        context.load_verify_locations(self.root_pem)
        context.num_tickets = tls.tickets
        if tls.curve:
            context.set_ecdh_curve(tls.curve)
        return context

    def close(self) -> None:
        self._folder.cleanup()


class Servers:
    """All sites, in a thread of its own, for as long as the `with` block lasts.

    `address` is this machine's and free; `resolver` maps each name to it, for the agent and for browsers. OSError
    where the port may not be opened.
    """

    def __init__(self, authority: Authority, sites: Mapping[str, Site]) -> None:
        self.authority, self.sites = authority, dict(sites)
        self._listener = _listener()
        self.address: str = self._listener.getsockname()[0]
        self.resolver = dict.fromkeys(self.sites, f"{self.address}:{PORT}")
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self._loose: set[socket.socket] = set()  # accepted, and of no transport yet, which would close it

    def resolver_rules(self) -> str:
        """Chromium's `--host-resolver-rules`; no other name resolves, and a dot at the end changes nothing."""
        names = [name + dot for name in self.resolver for dot in ("", ".")]
        ours = [f"MAP {name} {self.address}:{PORT}" for name in names]
        return ", ".join([*ours, "MAP * ~NOTFOUND", "EXCLUDE 127.0.0.1"])

    def __enter__(self) -> Self:
        self._stack = contextlib.ExitStack()
        for name, site in self.sites.items():
            names = tuple(sorted({name, *([site.shares] if site.shares else [])}))
            if isinstance(site.origin, Relayed):
                site.port = self._stack.enter_context(site.origin.running(self.authority.issue(names)))
            else:
                site.context = self.authority.context(names, site.tls)
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._stack.close()

    def do[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Run something on the sites' own loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    async def idle(self, name: str, seconds: float = 20) -> bool:
        """Wait until a site has ended all its connections, heard or not; whether it came to that."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.sites[name].open:
                    await asyncio.sleep(0.02)
                return True
        return False

    async def _run(self) -> None:
        self.loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        accepting = asyncio.create_task(self._accept())
        self._ready.set()
        await self._stop.wait()
        for task in (accepting, *self._tasks):
            task.cancel()
        await asyncio.gather(accepting, *self._tasks, return_exceptions=True)
        self._listener.close()
        for left in list(getattr(self.loop, "_transports", {}).values()):
            left.abort()
        await asyncio.sleep(0.01)  # asyncio closes an aborted socket in its next turn

    async def _accept(self) -> None:
        while True:
            accepted, _ = await self.loop.sock_accept(self._listener)
            task = self.loop.create_task(self._guarded(accepted))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _guarded(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        self._loose.add(accepted)
        site = None
        try:
            name = await self._name(accepted)
            site = self.sites.get(name)
            if site is None:
                return
            self._loose.discard(accepted)
            site.open.add(accepted)
            await self._serve(site, accepted)
        except (OSError, EOFError, ValueError, TimeoutError):
            pass  # it went, or was no TLS at all
        finally:
            if accepted in self._loose:
                self._loose.discard(accepted)
                accepted.close()
            if site is not None:
                site.open.discard(accepted)

    async def _name(self, accepted: socket.socket) -> str:
        """The name in the ClientHello, which stays to be read."""
        async with asyncio.timeout(HELLO_SECONDS):
            while True:
                with contextlib.suppress(BlockingIOError):
                    seen = accepted.recv(1 << 16, socket.MSG_PEEK)
                    if not seen:
                        raise EOFError
                    if (hello := parse_client_hello(seen)) is not None:
                        return (hello.sni or "").rstrip(".").lower()
                await asyncio.sleep(0.005)  # what is there already would wake us again and again

    async def _serve(self, site: Site, accepted: socket.socket) -> None:
        if isinstance(site.origin, Relayed):
            await _relay(accepted, site.port, lambda: site.open.discard(accepted))
            return
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await self.loop.connect_accepted_socket(
            lambda: protocol, accepted, ssl=site.context, ssl_shutdown_timeout=2
        )
        writer = asyncio.StreamWriter(transport, protocol, reader, self.loop)
        try:
            await site.origin.serve(Connection(reader, writer))
        finally:
            site.open.discard(accepted)
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                await writer.wait_closed()


def _listener() -> socket.socket:
    """A listening socket on an address of this machine where nobody else has one."""
    for third in range(1, 255):
        with contextlib.suppress(OSError):
            return _bound(f"127.14.{third}.1")
    raise PermissionError(f"port {PORT} cannot be opened on any address of loopback")


def _bound(address: str) -> socket.socket:
    made = socket.create_server((address, PORT), backlog=512, reuse_port=False)
    made.setblocking(False)
    return made


def vanish(one: Any) -> None:
    """Have the kernel drop whatever comes for this socket, unacknowledged."""
    program = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0))  # BPF: return 0 bytes
    one.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", 1, ctypes.addressof(program)))


async def _relay(accepted: socket.socket, port: int, ended: Callable[[], None]) -> None:
    here, there = await asyncio.open_connection(sock=accepted), await asyncio.open_connection("127.0.0.1", port)
    try:
        back = asyncio.ensure_future(_pump(there[0], here[1]))
        back.add_done_callback(lambda _: ended())
        await asyncio.gather(_pump(here[0], there[1]), back)
    finally:
        for _, writer in (here, there):
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except ConnectionError:
        writer.transport.abort()
