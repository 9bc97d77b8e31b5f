"""Decrypt or tunnel: which connections the inspector looks into, with which certificate.

Leaves are minted for exactly the names of the decrypt list, each with that one name. A host that
refuses us is known by name only for as long as the policy says, and a program that does not accept
our certificate is let through for as long (docs/decisions/0015).
"""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from weakref import WeakKeyDictionary

from cryptography import x509
from mitmproxy import tls
from mitmproxy.addons.tlsconfig import TlsConfig
from mitmproxy.certs import CertStoreEntry
from mitmproxy.connection import Client
from mitmproxy.proxy.context import Context
from mitmproxy.tls import ClientHello

from bewust.hosts import normalise_host
from bewust.messages import Demoted

MISTRUSTED = "a program does not accept our certificate, and it alone is let through"
UNVERIFIED = "the site's certificate cannot be verified"
REFUSED = "the site refuses our TLS"
# What mitmproxy says of a handshake when the site has answered that it will not.
REFUSALS = {"Certificate verify failed": UNVERIFIED, "alert": REFUSED, "TLS version": REFUSED}
# Alerts that are about a certificate (RFC 8446, section 6.2) and not about the weather.
MISTRUST = ("The client does not trust", "alert certificate", "alert unsupported certificate", "alert access denied")
CLOSED = re.compile("connection closed|The client disconnected during .*")  # without a word; "early": by ourselves
HOSTS = 2  # a program that mistrusts us at so many is let through at all of them
LIMIT = 1000  # demotions remembered; below a "*." of the catalogue there are any number of names
ENOUGH = 2  # handshakes in a row that ended without a word; one may be the network, or somebody who left

type Program = tuple[frozenset[int], tuple[bytes, ...]]  # what a TLS library offers: it looks the same every time


class Gate(TlsConfig):
    """mitmproxy's TLS configuration, narrowed to the decrypt list."""

    def __init__(
        self, decrypts: Callable[[str], bool], report: Callable[[Demoted], None], seconds: float = float("inf")
    ) -> None:
        super().__init__()
        self._decrypts = decrypts
        self._report = report
        self._seconds = seconds
        self._demoted: dict[tuple[str, Program | None], float] = {}  # a host, for one program or all -> until when
        self._closed: dict[tuple[str, Program | None], int] = {}  # handshakes in a row that ended without a word
        self._programs: WeakKeyDictionary[Client, Program] = WeakKeyDictionary()

    def looks_into(self, host: str, program: Program | None = None) -> bool:
        """Whether a connection to this host, by this program, may be decrypted now."""
        until = max(self._demoted.get((host, None), 0), self._demoted.get((host, program), 0))
        return until <= time.monotonic() and self._decrypts(host)

    def demote(self, host: str, reason: str, program: Program | None = None, until: float | None = None) -> None:
        """Know `host` by name only, for one program or for all, and tell the front. Until when: for `seconds`."""
        if self.looks_into(host, program):
            now = time.monotonic()
            kept = [(key, end) for key, end in self._demoted.items() if end > now]
            self._demoted = dict(kept[-LIMIT:])
            self._demoted[host, program] = now + self._seconds if until is None else until
            self._closed.clear()
            self._report(Demoted(host, reason, one_program=program is not None))

    def tls_clienthello(self, data: tls.ClientHelloData) -> None:
        """Let through undecrypted what is not on the list, whatever name CONNECT carried."""
        super().tls_clienthello(data)
        host = normalise_host(data.client_hello.sni or "")
        program = self._programs[data.context.client] = program_of(data.client_hello)
        elsewhere = [end for (_, who), end in self._demoted.items() if who == program and end > time.monotonic()]
        if len(elsewhere) >= HOSTS:
            self.demote(host, MISTRUSTED, program, min(elsewhere))  # or it would never be tried again
        if not self.looks_into(host, program):
            data.ignore_connection = True

    def tls_start_client(self, data: tls.TlsData) -> None:
        """Shake hands, unless the site's own handshake has just failed.

        Without a context mitmproxy closes the connection before a byte of ours was sent; the front
        then splices it through, and the browser notices nothing.
        """
        if data.context.server.error is None and self.looks_into(normalise_host(data.context.client.sni or "")):
            super().tls_start_client(data)

    def get_cert(self, conn_context: Context) -> CertStoreEntry:
        """Return a leaf for the requested name alone, never with the origin's other names.

        One foreign name in a leaf and every client rejects it, because of the constraints.
        """
        name = normalise_host(conn_context.client.sni or "")
        found = self.certstore.get_cert(name, [x509.DNSName(name)], None, None)
        if found.cert.notbefore <= datetime.now(UTC) < found.cert.notafter:
            return found
        self.certstore.certs.clear()  # made long ago, or while this machine's clock was wrong
        self.certstore.expire_queue.clear()
        return self.certstore.get_cert(name, [x509.DNSName(name)], None, None)

    def tls_established_client(self, data: tls.TlsData) -> None:
        """Forget that this program hung up before."""
        self._closed.pop((_host(data), self._program(data)), None)

    def tls_established_server(self, data: tls.TlsData) -> None:
        """Forget that this site hung up before."""
        self._closed.pop((_host(data), None), None)

    def tls_failed_client(self, data: tls.TlsData) -> None:
        """Let a program through from now on that does not accept our certificate."""
        error, program = data.conn.error or "", self._program(data)
        if any(words in error for words in MISTRUST) or self._hung_up(error, _host(data), program):
            self.demote(_host(data), MISTRUSTED, program)

    def tls_failed_server(self, data: tls.TlsData) -> None:
        """Demote a host whose certificate fails, or that refuses our handshake."""
        error, host = data.conn.error or "", _host(data)
        reason = next((reason for words, reason in REFUSALS.items() if words in error), None)
        if reason is not None or self._hung_up(error, host, None):
            self.demote(host, reason or REFUSED)

    def _hung_up(self, error: str, host: str, program: Program | None) -> bool:
        """Whether a handshake ended without a word, and not for the first time in a row."""
        if CLOSED.fullmatch(error) is None or not self._decrypts(host):
            return False
        count = self._closed[host, program] = self._closed.get((host, program), 0) + 1
        return count >= ENOUGH

    def _program(self, data: tls.TlsData) -> Program:
        return self._programs.get(data.context.client, (frozenset(), ()))


def program_of(hello: ClientHello) -> Program:
    """Return what tells one TLS library and its settings from another; in memory only.

    Without the values that browsers make up (RFC 8701), and whatever the order.
    """
    return frozenset(suite for suite in hello.cipher_suites if suite & 0x0F0F != 0x0A0A), tuple(hello.alpn_protocols)


def _host(data: tls.TlsData) -> str:
    return normalise_host(data.context.client.sni or "")
