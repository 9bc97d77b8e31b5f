"""A site on loopback that answers exactly what a test says, and a browser's connection to it."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import trustme

from bewust.proxy.relay import SECRET_HEADER, bearer
from support.inspectors import SECRET, inspector

HOST = "www.google.nl"
CONNECT = f"CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n{SECRET_HEADER}: {bearer(SECRET)}\r\n\r\n".encode()


class Site:
    """A TLS server that hands each connection to `serve`, each in a thread; `names` are those it was asked for."""

    address = "127.0.0.1"

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
        self.names: list[str | None] = []
        self._context.sni_callback = lambda connection, name, context: self.names.append(name)
        self._listening = socket.create_server((self.address, 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._listening.close()
        self._folder.cleanup()

    def leave(self) -> None:
        """Listen no more."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def reinspect(self) -> None:
        """Listen again, on the same port."""
        self._listening = socket.create_server((self.address, self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def resolver(self) -> Mapping[str, str]:
        return {HOST: f"{self.address}:{self.port}"}

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
        plain.sendall(CONNECT)
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
