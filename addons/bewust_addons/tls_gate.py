"""Decrypt or tunnel: which connections the inspector inspects, with which certificate.

Leaves are minted for exactly the names of the decrypt list, each with that one name. A host that
refuses us is known by name only for as long as the policy says, and a program that does not accept
our certificate is let through for as long (docs/decisions/0015, 0022).
"""

import functools
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
from mitmproxy.http import HTTPFlow
from mitmproxy.proxy.context import Context
from mitmproxy.tls import ClientHello

from bewust.hosts import normalise_host
from bewust.proxy.messages import Demoted, Failed
from bewust.system.error_counts import place_of
from bewust_addons.patches.http_errors import AnswerFailed

CERTIFICATE_REJECTED = "a program does not accept our certificate, and it alone is let through"
UNVERIFIED = "the site's certificate cannot be verified"
REFUSED = "the site refuses our TLS"
UNREADABLE = "an answer of the site cannot be passed on"
UNANSWERED = "the site's answers do not reach the browser"
# What mitmproxy says of a handshake when the site has answered that it will not.
REFUSALS = {"Certificate verify failed": UNVERIFIED, "alert": REFUSED, "TLS version": REFUSED}
# TLS alerts that reject our certificate (RFC 8446, section 6.2), as opposed to transient network errors.
CERTIFICATE_ALERTS = (
    "The client does not trust",
    "alert certificate",
    "alert unsupported certificate",
    "alert access denied",
)
CLOSED = re.compile("connection closed|The client disconnected during .*")  # without a word; "early": by ourselves
HOSTS_BEFORE_PROGRAM_BYPASS = 2  # a program that mistrusts us at so many is let through at all of them
LIMIT = 1000  # demotions remembered; below a "*." of the catalogue there are any number of names
HANGUPS_BEFORE_BYPASS = 2  # handshakes in a row that ended without a word; one may be the network, or somebody who left
UNANSWERED_ENOUGH = 3  # requests in a row without an answer, over all connections
FIRST_SECONDS = 300.0  # known by name only after a first failure, which may be the network's; twice as long after each

type Program = tuple[frozenset[int], tuple[bytes, ...]]  # what a TLS library offers: it looks the same every time


ANYBODY: Program = (frozenset(), ())

type Who = tuple[str, Program | None]  # a host, for one program or for all


class Recent(dict[Who, int]):
    """How often in a row; the oldest go where there are too many."""

    def add(self, who: Who) -> int:
        """Count one more, and return how many."""
        count = self.pop(who, 0) + 1
        while len(self) >= LIMIT:
            del self[next(iter(self))]
        self[who] = count
        return count


def spliced_on_error[D: tls.TlsData | tls.ClientHelloData](
    hook: Callable[["TlsGate", D], None],
) -> Callable[["TlsGate", D], None]:
    """Count an exception of a hook before the handshake, and leave the connection alone: it is spliced."""

    @functools.wraps(hook)
    def inner(self: "TlsGate", data: D) -> None:
        try:
            hook(self, data)
        except Exception as error:  # noqa: BLE001 - browsing never breaks
            self.splice(data, hook.__name__, error)

    return inner


class TlsGate(TlsConfig):
    """mitmproxy's TLS configuration, narrowed to the decrypt list. `seconds`: the longest that a host is left alone."""

    def __init__(
        self,
        decrypts: Callable[[str], bool],
        report: Callable[[Demoted | Failed], None],
        seconds: float = float("inf"),
    ) -> None:
        super().__init__()
        self._is_listed = decrypts
        self._report = report
        self._seconds = seconds
        self._demoted: dict[Who, tuple[float, float]] = {}  # until when, and for how long
        self._closed = Recent()  # handshakes in a row that ended without a word
        self._unanswered = Recent()
        self._programs: WeakKeyDictionary[Client, Program] = WeakKeyDictionary()

    def decrypts(self, host: str, program: Program | None = None) -> bool:
        """Whether a connection to this host, by this program, may be decrypted now."""
        never = 0.0, 0.0
        until = max(self._demoted.get((host, None), never)[0], self._demoted.get((host, program), never)[0])
        return until <= time.monotonic() and self._is_listed(host)

    def demote(self, host: str, reason: str, program: Program | None = None, seconds: float | None = None) -> None:
        """Know `host` by name only, for one program or for all, and tell the front.

        For `seconds`; by default for the longest time, as what cannot be the network's doing.
        """
        if self.decrypts(host, program):
            now, seconds = time.monotonic(), self._seconds if seconds is None else min(seconds, self._seconds)
            kept = [(who, (until, length)) for who, (until, length) in self._demoted.items() if until + length > now]
            self._demoted = dict(kept[-LIMIT:])
            self._demoted[host, program] = now + seconds, seconds
            self._closed.clear()
            self._unanswered.clear()
            self._report(Demoted(host, reason, one_program=program is not None, seconds=seconds))

    def demote_provisionally(self, host: str, reason: str, program: Program | None = None) -> None:
        """Know `host` by name only for a while: it may be the network and not the site (docs/decisions/0022).

        Twice as long each time, unless it went well for as long in between.
        """
        until, length = self._demoted.get((host, program), (0.0, 0.0))
        again = time.monotonic() < until + length
        self.demote(host, reason, program, 2 * length if again else FIRST_SECONDS)

    def splice(self, data: tls.TlsData | tls.ClientHelloData, where: str, error: Exception) -> None:
        """Leave a connection alone for which a hook of ours failed before the handshake."""
        self._report(Failed(where, type(error).__name__, place_of(error)))
        if isinstance(data, tls.TlsData):
            data.ssl_conn = None  # half of one would never shake hands
        else:
            data.ignore_connection = True

    @spliced_on_error
    def tls_clienthello(self, data: tls.ClientHelloData) -> None:
        """Let through undecrypted what is not on the list, whatever name CONNECT carried."""
        super().tls_clienthello(data)
        host = normalise_host(data.client_hello.sni or "")
        if host:
            data.context.client.sni = host  # a site is asked for it and must prove it: never with a dot at its end
        program = self._programs[data.context.client] = program_of(data.client_hello)
        now = time.monotonic()
        elsewhere = [end - now for (_, who), (end, _) in self._demoted.items() if who == program and end > now]
        if len(elsewhere) >= HOSTS_BEFORE_PROGRAM_BYPASS:
            self.demote(host, CERTIFICATE_REJECTED, program, min(elsewhere))  # or it would never be tried again
        if not self.decrypts(host, program):
            data.ignore_connection = True

    @spliced_on_error
    def tls_start_server(self, data: tls.TlsData) -> None:
        """Shake hands with the site as mitmproxy does."""
        super().tls_start_server(data)

    @spliced_on_error
    def tls_start_client(self, data: tls.TlsData) -> None:
        """Shake hands, unless the site's own handshake has just failed.

        Without a context mitmproxy closes the connection before a byte of ours was sent; the front
        then splices it through, and the browser notices nothing.
        """
        if data.context.server.error is None and self.decrypts(normalise_host(data.context.client.sni or "")):
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
        if any(words in error for words in CERTIFICATE_ALERTS) or self._repeated_hangup(error, _host(data), program):
            self.demote(_host(data), CERTIFICATE_REJECTED, program)

    def tls_failed_server(self, data: tls.TlsData) -> None:
        """Demote a host whose certificate fails, or that refuses our handshake."""
        error, host = data.conn.error or "", _host(data)
        reason = next((reason for words, reason in REFUSALS.items() if words in error), None)
        if reason is not None or self._repeated_hangup(error, host, None):
            self.demote_provisionally(host, reason or REFUSED)

    def answer_failed(self, failed: AnswerFailed) -> None:
        """Leave a host alone whose answers do not reach the browser; for that browser alone where its bytes are why."""
        host = normalise_host(failed.client.sni or "")
        program = None if failed.by_site else self._programs.get(failed.client, ANYBODY)
        if failed.unreadable:
            self.demote_provisionally(host, UNREADABLE, program)
        elif self._is_listed(host) and self._unanswered.add((host, program)) >= UNANSWERED_ENOUGH:
            self.demote_provisionally(host, UNANSWERED, program)

    def responseheaders(self, flow: HTTPFlow) -> None:
        """Forget that answers did not arrive: one did."""
        if self._unanswered:
            host = normalise_host(flow.client_conn.sni or "")
            for who in [who for who in self._unanswered if who[0] == host]:
                del self._unanswered[who]

    def _repeated_hangup(self, error: str, host: str, program: Program | None) -> bool:
        """Whether a handshake ended without a word, and not for the first time in a row."""
        if CLOSED.fullmatch(error) is None or not self._is_listed(host):
            return False
        return self._closed.add((host, program)) >= HANGUPS_BEFORE_BYPASS

    def _program(self, data: tls.TlsData) -> Program:
        return self._programs.get(data.context.client, ANYBODY)


def program_of(hello: ClientHello) -> Program:
    """Return what tells one TLS library and its settings from another; in memory only.

    Without the values that browsers make up (RFC 8701), and whatever the order.
    """
    return frozenset(suite for suite in hello.cipher_suites if suite & 0x0F0F != 0x0A0A), tuple(hello.alpn_protocols)


def _host(data: tls.TlsData) -> str:
    return normalise_host(data.context.client.sni or "")
