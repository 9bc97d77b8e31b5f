"""Decrypt or tunnel: which connections the inspector looks into, with which certificate.

Leaves are minted for exactly the names of the decrypt list, each with that one name. A host that
refuses us, or whose client does, is known by name only for as long as the policy says.
"""

import time
from collections.abc import Callable

from cryptography import x509
from mitmproxy import tls
from mitmproxy.addons.tlsconfig import TlsConfig
from mitmproxy.certs import CertStoreEntry
from mitmproxy.proxy.context import Context

from bewust.model import Demoted
from bewust.schema import normalise_host

# What mitmproxy says when it is about the certificate and not about a lost connection.
REFUSALS = {
    "The client does not trust": "the client does not accept our certificate",
    "Certificate verify failed": "the site's certificate cannot be verified",
    "alert": "the site refuses our TLS",
    "TLS version": "the site refuses our TLS",
}


class Gate(TlsConfig):
    """mitmproxy's TLS configuration, narrowed to the decrypt list."""

    def __init__(
        self, decrypts: Callable[[str], bool], report: Callable[[Demoted], None], seconds: float = float("inf")
    ) -> None:
        super().__init__()
        self._decrypts = decrypts
        self._report = report
        self._seconds = seconds
        self._demoted: dict[str, float] = {}  # host -> until when

    def looks_into(self, host: str) -> bool:
        """Whether a connection to this host may be decrypted now."""
        return self._demoted.get(host, 0) <= time.monotonic() and self._decrypts(host)

    def demote(self, host: str, reason: str) -> None:
        """Know `host` by name only for `seconds` from now, and tell the front."""
        if self.looks_into(host):
            self._demoted[host] = time.monotonic() + self._seconds
            self._report(Demoted(host, reason))

    def tls_clienthello(self, data: tls.ClientHelloData) -> None:
        """Let through undecrypted what is not on the list, whatever name CONNECT carried."""
        super().tls_clienthello(data)
        if not self.looks_into(normalise_host(data.client_hello.sni or "")):
            data.ignore_connection = True

    def tls_start_client(self, data: tls.TlsData) -> None:
        """Shake hands, unless the site's own handshake has just failed.

        Without a context mitmproxy closes the connection before a byte of ours was sent; the front
        then splices it through, and the browser notices nothing.
        """
        if self.looks_into(normalise_host(data.context.client.sni or "")):
            super().tls_start_client(data)

    def tls_failed_client(self, data: tls.TlsData) -> None:
        """Demote a host for which our certificate was refused."""
        self._failed(data, data.conn.error)

    def tls_failed_server(self, data: tls.TlsData) -> None:
        """Demote a host whose certificate fails, or that refuses our handshake."""
        self._failed(data, data.conn.error)

    def _failed(self, data: tls.TlsData, error: str | None) -> None:
        for words, reason in REFUSALS.items():
            if words in (error or ""):
                self.demote(normalise_host(data.context.client.sni or ""), reason)
                return

    def get_cert(self, conn_context: Context) -> CertStoreEntry:
        """Return a leaf for the requested name alone, never with the origin's other names.

        One foreign name in a leaf and every client rejects it, because of the constraints.
        """
        name = normalise_host(conn_context.client.sni or "")
        return self.certstore.get_cert(name, [x509.DNSName(name)], None, None)
