"""A real handshake through a running agent, as a browser makes it: who answers for a host.

Belongs here: CONNECT, TLS, and what was learned. Not here: what to make of it (doctor, the steps). No
request is sent: the site learns that somebody shook hands, as it does from any browser's preconnect.
"""

import socket
import ssl
import time
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

from bewust import routing
from bewust.admin.steps import AdminError
from bewust.matching import Matcher
from bewust.model import Depth
from bewust.settings import Rules

SECONDS = 10.0  # of one try
START_SECONDS = 20.0  # for an inspector to be up after a start
TRIED = 8  # hosts; some may be down, or blocked by the organisation
HEAD_LIMIT = 16 << 10


class Answer(StrEnum):
    """Who answered: our authority, the site itself or another interceptor, nobody; or there was no agent."""

    OURS = "ours"
    OTHER = "other"
    UNREACHABLE = "unreachable"
    NO_AGENT = "no agent"


def shake(port: int, host: str, root_pem: Path) -> Answer:
    """Connect to `host` through the agent at `port` and shake hands, trusting `root_pem` alone."""
    try:
        connection = socket.create_connection(("127.0.0.1", port), SECONDS)
    except OSError:
        return Answer.NO_AGENT
    try:
        with connection:
            connection.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
            if not _accepted(connection):
                return Answer.UNREACHABLE
            trusting = ssl.create_default_context(cafile=str(root_pem))
            with trusting.wrap_socket(connection, server_hostname=host):
                return Answer.OURS
    except ssl.SSLCertVerificationError:
        return Answer.OTHER
    except OSError:
        return Answer.UNREACHABLE


def _accepted(connection: socket.socket) -> bool:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < HEAD_LIMIT:
        some = connection.recv(1)  # what comes behind the head is TLS's
        if not some:
            return False
        head += some
    return head.split(b" ", 2)[1:2] == [b"200"]


def looked_into(matcher: Matcher, preferred: Iterable[str]) -> list[str]:
    """Return some hosts of the decrypt list to try: one of each `preferred` service first, in that order."""
    return _some(matcher, routing.decrypt_list(matcher), preferred)


def by_name(matcher: Matcher, preferred: Iterable[str]) -> list[str]:
    """Return some hosts that are known by name only: one of each `preferred` service first, in that order."""
    return _some(matcher, matcher.hosts(Depth.NAME), preferred)


def _some(matcher: Matcher, hosts: Iterable[str], preferred: Iterable[str]) -> list[str]:
    wanted = [host for host in hosts if not host.startswith("*.")]
    firsts = []
    for service in preferred:
        own = [host for signature in matcher.services[service].signatures for host in signature.hosts if host in wanted]
        firsts += own[:1]
    return list(dict.fromkeys([*firsts, *wanted]))[:TRIED]


def verify(port: int, rules: Rules, root_pem: Path) -> str | None:
    """Try some decrypted hosts until our authority answers; in words why nobody could tell.

    Raises AdminError where the agent is not there, or another answers where ours should.
    """
    hosts = looked_into(rules.matcher, rules.policy.release.services)
    end = time.monotonic() + START_SECONDS
    while True:
        answers = {}
        for host in hosts:
            answers[host] = shake(port, host, root_pem)
            if answers[host] is Answer.OURS:
                return None
            if answers[host] is Answer.NO_AGENT:
                break
        if set(answers.values()) == {Answer.UNREACHABLE} or time.monotonic() > end:
            break
        time.sleep(0.5)  # the agent or its inspector may be starting
    if Answer.NO_AGENT in answers.values():
        raise AdminError(f"no agent listens at port {port}. Look why: journalctl -u bewust.service")
    others = [host for host, answer in answers.items() if answer is Answer.OTHER]
    if others:
        raise AdminError(
            f"{others[0]}: through the agent another authority answers than ours. "
            "Look why it does not inspect: bewust status, and journalctl -u bewust.service"
        )
    return f"none of {', '.join(hosts)} could be reached, so no handshake was tried; run bewust doctor later"
