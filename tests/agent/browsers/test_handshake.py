"""Who answers for a host, through a proxy that is real but small. Through the agent: tests/e2e/test_trust.py."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trustme

from bewust.browsers import handshake
from bewust.browsers.handshake import Answer, tls_probe
from bewust.config.rules import load_rules
from bewust.errors import AdminError
from bewust.model import Depth

HOST = "www.google.nl"


@contextmanager
def proxy(answer: bytes, issuer: trustme.CA | None) -> Iterator[int]:
    """A proxy that answers CONNECT so, and then shakes hands with a leaf of this issuer."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.recv(4096)
                connection.sendall(answer)
                if issuer is not None:
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    issuer.issue_cert(HOST).configure_cert(context)
                    context.wrap_socket(connection, server_side=True).close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.fixture(scope="module")
def ours() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def pem(tmp_path: Path, ours: trustme.CA) -> Path:
    ours.cert_pem.write_to_path(str(tmp_path / "root.pem"))
    return tmp_path / "root.pem"


OK = b"HTTP/1.1 200 Connection established\r\n\r\n"


def test_who_answers(pem: Path, ours: trustme.CA) -> None:
    with proxy(OK, ours) as port:
        assert tls_probe(port, HOST, pem) is Answer.OURS
    with proxy(OK, trustme.CA()) as port:
        assert tls_probe(port, HOST, pem) is Answer.OTHER
    for refusal in (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", b"", b"x" * 20_000):
        with proxy(refusal, None) as port:
            assert tls_probe(port, HOST, pem) is Answer.UNREACHABLE
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert tls_probe(port, HOST, pem) is Answer.NO_AGENT


def test_verifying_says_what_it_found(pem: Path, ours: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = load_rules(None)
    monkeypatch.setattr(handshake, "START_SECONDS", 0.0)
    monkeypatch.setattr(handshake, "inspected", lambda matcher, preferred: [HOST])
    with proxy(OK, ours) as port:
        assert handshake.verify(port, rules, pem, pem.parent) is None
    with proxy(OK, trustme.CA()) as port, pytest.raises(AdminError, match="another authority"):
        handshake.verify(port, rules, pem, pem.parent)
    with proxy(b"", None) as port:
        assert "could be reached" in (handshake.verify(port, rules, pem, pem.parent) or "")
    with pytest.raises(AdminError, match="no agent listens"):
        handshake.verify(port, rules, pem, pem.parent)
    monkeypatch.setattr(handshake, "inspected", lambda matcher, preferred: [])
    assert "inspects nothing" in (handshake.verify(port, rules, pem, pem.parent) or "")
    (pem.parent / "off").touch()
    assert "stops everything" in (handshake.verify(port, rules, pem, pem.parent) or "")


def test_the_hosts_tried_are_those_of_the_policy_and_of_the_right_depth() -> None:
    rules = load_rules(None)
    decrypted = handshake.inspected(rules.matcher, ["google-ai-overview"])
    assert len(decrypted) == 8 and decrypted[0].startswith("www.google.")
    named = handshake.by_name(rules.matcher, ["chatgpt"])
    assert rules.matcher.host_rules(named[0]).visits[0].service.id == "chatgpt"  # type: ignore[union-attr]
    for hosts, depths in ((decrypted, (Depth.REQUEST, Depth.RESPONSE)), (named, (Depth.NAME,))):
        for host in hosts:
            plan = rules.matcher.host_rules(host)
            assert plan is not None and plan.depth in depths


def test_a_stranger_is_asked_who_issued_it_and_whether_the_system_trusts_it(
    pem: Path, ours: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = trustme.CA(organization_name="Zscaler Inc.")
    with proxy(OK, other) as port:
        found = handshake.foreign_issuer(port, HOST)
        assert found is not None and not found.trusted
        assert found.issuer.startswith("Zscaler Inc.")
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))  # as OpenSSL finds the system's roots
    with proxy(OK, ours) as port:
        found = handshake.foreign_issuer(port, HOST)
        assert found is not None and found.trusted
    with proxy(b"", None) as port:
        assert handshake.foreign_issuer(port, HOST) is None
    assert handshake.foreign_issuer(port, HOST) is None


def test_a_certificate_that_cannot_be_read_has_no_issuer() -> None:
    assert handshake._issuer(b"no certificate") == ""
