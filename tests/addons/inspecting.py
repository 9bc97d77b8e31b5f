"""A real inspector process, and a site on loopback that answers exactly what a test says."""

import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import msgspec
import trustme

from bewust import authority
from bewust.model import Start

HOST = "www.google.nl"


class Origin(Protocol):
    """Where the inspector is led to."""

    root_pem: Path

    @property
    def resolver(self) -> Mapping[str, str]: ...


@contextmanager
def inspector(
    origin: Origin, folder: Path, imported: Path | None = None
) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """Run one as the agent does, with an authority in `folder`; yield it and its port."""
    authority.issue(folder, [HOST, "duckduckgo.com"], datetime.now(UTC))
    start = Start(authority=str(folder), resolver=origin.resolver, trust=str(origin.root_pem))
    start = msgspec.structs.replace(start, imported=str(imported) if imported else None)
    with subprocess.Popen(
        [sys.executable, "-O", "-m", "bewust_addons.run"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin and process.stdout and process.stderr
        try:
            process.stdin.write(msgspec.json.encode(start) + b"\n")
            process.stdin.flush()
            yield process, told(process)["port"]
        finally:
            if not process.stdin.closed:
                process.stdin.close()
            assert process.wait(10) in (0, -signal.SIGKILL)
            assert process.stderr.read() == b"", "it logs nothing"


def told(process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    assert process.stdout
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    return answer


class Site:
    """A TLS server that hands each connection to `serve`, in a thread of its own."""

    def __init__(self, serve: Callable[[ssl.SSLSocket], None], *alpn: str) -> None:
        self._serve = serve
        self._alpn = alpn

    def __enter__(self) -> "Site":
        self._folder = TemporaryDirectory()
        authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        self.root_pem = Path(self._folder.name) / "root.pem"
        authority.cert_pem.write_to_path(self.root_pem)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.set_alpn_protocols(list(self._alpn))
        authority.issue_cert(HOST, key_type=trustme.KeyType.ECDSA).configure_cert(self._context)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._listening.close()
        self._folder.cleanup()

    @property
    def resolver(self) -> Mapping[str, str]:
        return {HOST: f"127.0.0.1:{self.port}"}

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._handle, args=(self._listening.accept()[0],), daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        with suppress(OSError), self._context.wrap_socket(connection, server_side=True) as secure:
            self._serve(secure)


def connected(root_pem: Path, port: int, *alpn: str, proxy: int | None = None) -> ssl.SSLSocket:
    """Connect as a browser does, directly or by the inspector."""
    plain = socket.create_connection(("127.0.0.1", proxy or port), 20)
    if proxy is not None:
        plain.sendall(f"CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n".encode())
        answer = plain.recv(4096)
        assert answer.split(b" ")[1] == b"200", answer
    context = ssl.create_default_context(cafile=str(root_pem))
    context.set_alpn_protocols(list(alpn))
    return context.wrap_socket(plain, server_hostname=HOST)


def both(site: Site, folder: Path, *alpn: str) -> Iterator[ssl.SSLSocket]:
    """Yield a direct connection, then one by an inspector."""
    with connected(site.root_pem, site.port, *alpn) as direct:
        yield direct
    with inspector(site, folder) as (_, port), connected(folder / "root.pem", 0, *alpn, proxy=port) as decrypted:
        yield decrypted
