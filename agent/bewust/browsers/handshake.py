"""A real handshake through a running agent, as a browser makes it: who answers for a host.

Belongs here: CONNECT, TLS, and what was learned. Not here: what to make of it (doctor, the steps). No
request is sent: the site learns that somebody shook hands, as it does from any browser's preconnect.
"""

import socket
import ssl
import sys
import time
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.x509.oid import NameOID

from bewust.catalogue import Matcher
from bewust.config import OffSwitch, Rules
from bewust.config.off_switch import FILE
from bewust.errors import AdminError
from bewust.model import Depth

SECONDS = 10.0  # of one try
# For an inspector to be up after a start; on Windows a scanner looks at every file that is new.
START_SECONDS = 90.0 if sys.platform == "win32" else 20.0
LOG = r"%ProgramData%\Bewust\Logs\service.log" if sys.platform == "win32" else "journalctl -u bewust.service"
TRIED = 8  # hosts; some may be down, or blocked by the organisation
HEAD_LIMIT = 16 << 10


class Answer(StrEnum):
    """Who answered: our authority, the site itself or another interceptor, nobody; or there was no agent."""

    OURS = "ours"
    OTHER = "other"
    UNREACHABLE = "unreachable"
    NO_AGENT = "no agent"


class ForeignIssuer(msgspec.Struct, frozen=True):
    """Who answered where it was not our authority.

    `issuer` is the organisation and the common name of who issued the certificate that came; `trusted`
    whether the system's own roots vouch for it under the host's name.
    """

    issuer: str
    trusted: bool


def tls_probe(port: int, host: str, root_pem: Path) -> Answer:
    """Connect to `host` through the agent at `port` and shake hands, trusting `root_pem` alone."""
    found = _shaken(port, host, ssl.create_default_context(cafile=str(root_pem)))
    return Answer.OURS if isinstance(found, bytes) else found


def foreign_issuer(port: int, host: str) -> ForeignIssuer | None:
    """Shake hands twice more, to see who answers for `host`; None where nobody does any more."""
    anybody = ssl.create_default_context()
    trusted = isinstance(_shaken(port, host, anybody), bytes)
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    found = _shaken(port, host, anybody)
    return ForeignIssuer(_issuer(found), trusted) if isinstance(found, bytes) else None


def _shaken(port: int, host: str, trusting: ssl.SSLContext) -> bytes | Answer:
    """Return the certificate that came, as DER, or why there is none."""
    try:
        connection = socket.create_connection(("127.0.0.1", port), SECONDS)
    except OSError:
        return Answer.NO_AGENT
    try:
        with connection:
            connection.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
            if not _accepted(connection):
                return Answer.UNREACHABLE
            with trusting.wrap_socket(connection, server_hostname=host) as secured:
                return secured.getpeercert(binary_form=True) or b""
    except ssl.SSLCertVerificationError:
        return Answer.OTHER
    except OSError:
        return Answer.UNREACHABLE


def _issuer(der: bytes) -> str:
    try:
        issuer = x509.load_der_x509_certificate(der).issuer
    except ValueError:
        return ""
    oids = (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
    return ", ".join(str(found.value) for oid in oids for found in issuer.get_attributes_for_oid(oid))


def _accepted(connection: socket.socket) -> bool:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < HEAD_LIMIT:
        some = connection.recv(1)  # what comes behind the head is TLS's
        if not some:
            return False
        head += some
    return head.split(b" ", 2)[1:2] == [b"200"]


def inspected(matcher: Matcher, preferred: Iterable[str]) -> list[str]:
    """Return some hosts of the decrypt list to try: one of each `preferred` service first, in that order."""
    return _some(matcher, matcher.decrypted_hosts(), preferred)


def by_name(matcher: Matcher, preferred: Iterable[str]) -> list[str]:
    """Return some hosts that are known by name only: one of each `preferred` service first, in that order."""
    return _some(matcher, matcher.hosts(Depth.NAME), preferred)


def _some(matcher: Matcher, hosts: Iterable[str], preferred: Iterable[str]) -> list[str]:
    """Return the plainest first: what people visit before what only programs talk to."""
    wanted = sorted((h for h in hosts if not h.startswith("*.")), key=lambda h: h.removeprefix("www.").count("."))
    firsts = []
    for service in preferred:
        own = {host for signature in matcher.services[service].signatures for host in signature.hosts}
        firsts += [host for host in wanted if host in own][:1]
    return list(dict.fromkeys([*firsts, *wanted]))[:TRIED]


def verify(port: int, rules: Rules, root_pem: Path, config: Path) -> str | None:
    """Try some decrypted hosts until our authority answers; in words why nobody could tell.

    `config` is where an administrator may have stopped it. Raises AdminError where the agent is not there, or
    another answers where ours should.
    """
    hosts = inspected(rules.matcher, rules.policy.release.services)
    if OffSwitch(config).stopped:
        return f"{config / FILE} stops everything, so no handshake was tried; run bewust doctor when it is removed"
    if not hosts:
        return "the policy inspects nothing, so no handshake was tried"
    end = time.monotonic() + START_SECONDS
    while True:
        answers = {}
        for host in hosts:
            answers[host] = tls_probe(port, host, root_pem)
            if answers[host] is Answer.OURS:
                return None
            if answers[host] is Answer.NO_AGENT:
                break
        if set(answers.values()) == {Answer.UNREACHABLE} or time.monotonic() > end:
            break
        time.sleep(0.5)  # the agent or its inspector may be starting
    if Answer.NO_AGENT in answers.values():
        raise AdminError(f"no agent listens at port {port}. Look why: {LOG}")
    others = [host for host, answer in answers.items() if answer is Answer.OTHER]
    if others:
        raise AdminError(
            f"{others[0]}: through the agent another authority answers than ours. "
            f"Look why it does not inspect: bewust status, and {LOG}"
        )
    return f"none of {', '.join(hosts)} could be reached, so no handshake was tried; run bewust doctor later"
