"""Which connections are decrypted, with which certificate, and who is left alone from when on."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from mitmproxy import certs
from mitmproxy.test import taddons, tflow

from bewust import authority
from bewust.model import Demoted
from bewust_addons.gate import Gate

HOST = "www.google.nl"
MISTRUST = "The client does not trust the proxy's certificate for www.google.nl (tlsv1 alert unknown ca)"
LOST = "The client disconnected during the handshake. This may indicate that the client does not trust the proxy's"


def gate(seconds: float = 1000) -> tuple[Gate, list[Demoted]]:
    told: list[Demoted] = []
    return Gate(lambda host: host == HOST, told.append, seconds), told


def hello(sni: str | None) -> SimpleNamespace:
    server = SimpleNamespace(tls=True)
    return SimpleNamespace(
        client_hello=SimpleNamespace(sni=sni), context=SimpleNamespace(server=server), ignore_connection=False
    )


@pytest.mark.parametrize(
    ("sni", "ignored"),
    [(HOST, False), ("WWW.Google.NL", False), ("www.example.org", True), (None, True), ("a." + HOST, True)],
)
def test_only_names_of_the_decrypt_list_are_looked_into_whatever_connect_said(sni: str | None, ignored: bool) -> None:
    made, _ = gate()
    data = hello(sni)
    with taddons.context(made) as context:
        context.options.add_option("connection_strategy", str, "eager", "as Proxyserver has it")
        made.tls_clienthello(data)  # type: ignore[arg-type]
    assert data.ignore_connection is ignored


def failure(error: str | None, sni: str = HOST) -> SimpleNamespace:
    client = SimpleNamespace(sni=sni)
    return SimpleNamespace(conn=SimpleNamespace(error=error), context=SimpleNamespace(client=client))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MISTRUST, "the client does not accept our certificate"),
        ("Certificate verify failed: self-signed certificate", "the site's certificate cannot be verified"),
        ("OpenSSL Error([('SSL routines', '', 'sslv3 alert handshake failure')])", "the site refuses our TLS"),
        (LOST, None),
        ("connection closed early", None),
        (None, None),
    ],
)
def test_a_refusal_demotes_and_a_lost_connection_does_not(error: str | None, reason: str | None) -> None:
    for hook in ("tls_failed_client", "tls_failed_server"):
        made, told = gate()
        getattr(made, hook)(failure(error))
        assert told == ([Demoted(HOST, reason)] if reason else [])
        assert made.looks_into(HOST) is (reason is None)


def test_a_demotion_is_told_once_and_ends() -> None:
    made, told = gate(seconds=0)
    made.tls_failed_server(failure("Certificate verify failed: x"))  # type: ignore[arg-type]
    assert made.looks_into(HOST)
    lasting, told = gate()
    for _ in range(3):
        lasting.tls_failed_server(failure("Certificate verify failed: x"))  # type: ignore[arg-type]
    assert len(told) == 1


def test_a_host_that_is_not_looked_into_is_never_demoted() -> None:
    made, told = gate()
    made.tls_failed_server(failure("Certificate verify failed: x", sni="secret.example"))  # type: ignore[arg-type]
    assert told == []


def test_a_leaf_has_the_requested_name_and_no_other(tmp_path: Path) -> None:
    authority.issue(tmp_path, [HOST], datetime.now(UTC))
    made, _ = gate()
    made.certstore = certs.CertStore.from_store(str(tmp_path), "mitmproxy", 2048)
    flow = tflow.tflow()
    context = SimpleNamespace(client=SimpleNamespace(sni="WWW.google.nl"), server=flow.server_conn)
    leaf = made.get_cert(context)  # type: ignore[arg-type]
    assert [str(name.value) for name in leaf.cert.altnames] == [HOST]
    assert leaf.cert.crl_distribution_points == []


def test_no_handshake_is_offered_after_the_site_refused() -> None:
    made, _ = gate()
    made.demote(HOST, "the site refuses our TLS")
    data = SimpleNamespace(context=SimpleNamespace(client=SimpleNamespace(sni=HOST)), ssl_conn=None)
    made.tls_start_client(data)  # type: ignore[arg-type]
    assert data.ssl_conn is None
