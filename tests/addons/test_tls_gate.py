"""Which connections are decrypted, with which certificate, and who is left alone from when on."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import mitmproxy.ctx
import pytest
from mitmproxy import certs, tls
from mitmproxy.addons.tlsconfig import TlsConfig
from mitmproxy.test import tflow

from bewust.authority import authority
from bewust.proxy.messages import Demoted
from bewust_addons import tls_gate as gate_module
from bewust_addons.patches.http_errors import AnswerFailed
from bewust_addons.tls_gate import FIRST_SECONDS, LIMIT, UNANSWERED, UNREADABLE, TlsGate

HOST, MORE = "www.google.nl", ("duckduckgo.com", "kagi.com")
MISTRUST = "The client does not trust the proxy's certificate for www.google.nl (tlsv1 alert unknown ca)"
MAYBE = "The client may not trust the proxy's certificate for www.google.nl (OpenSSL Error([('SSL', '', '{}')]))"
LOST = "The client disconnected during the handshake. [...] may indicate that the client does not trust the proxy's"


def gate(seconds: float = 1000) -> tuple[TlsGate, list[Any]]:
    told: list[Any] = []
    return TlsGate(lambda host: host in (HOST, *MORE), told.append, seconds), told


class Client:
    """Can be weakly referred to, as mitmproxy's can."""

    def __init__(self, sni: str | None) -> None:
        self.sni = sni


def hello(made: TlsGate, sni: str | None = HOST, suites: tuple[int, ...] = (1, 2)) -> SimpleNamespace:
    """What the gate is asked about a connection that begins."""
    context = SimpleNamespace(server=SimpleNamespace(tls=True, error=None), client=Client(sni))
    said = SimpleNamespace(sni=sni, cipher_suites=list(suites), alpn_protocols=[b"h2"])
    data = SimpleNamespace(client_hello=said, context=context, ignore_connection=False)
    mitmproxy.ctx.options = SimpleNamespace(connection_strategy="eager")  # type: ignore[assignment]
    made.tls_clienthello(data)  # type: ignore[arg-type]
    return data


def ended(about: SimpleNamespace, error: str | None) -> SimpleNamespace:
    return SimpleNamespace(conn=SimpleNamespace(error=error), context=about.context, ssl_conn=None)


@pytest.mark.parametrize(
    ("sni", "ignored"),
    [(HOST, False), ("WWW.Google.NL", False), ("www.example.org", True), (None, True), ("a." + HOST, True)],
)
def test_only_names_of_the_decrypt_list_are_looked_into_whatever_connect_said(sni: str | None, ignored: bool) -> None:
    made, _ = gate()
    assert hello(made, sni).ignore_connection is ignored


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("Certificate verify failed: self-signed certificate", "the site's certificate cannot be verified"),
        ("OpenSSL Error([('SSL routines', '', 'sslv3 alert handshake failure')])", "the site refuses our TLS"),
        ("The remote server and mitmproxy cannot agree on a TLS version to use.", "the site refuses our TLS"),
        ("connection closed", None),
        ("connection closed early", None),
        (None, None),
    ],
)
def test_a_site_that_refuses_is_demoted_for_everybody(error: str | None, reason: str | None) -> None:
    made, told = gate()
    made.tls_failed_server(ended(hello(made), error))  # type: ignore[arg-type]
    assert told == ([Demoted(HOST, reason, seconds=FIRST_SECONDS)] if reason else [])
    for program in ((1, 2), (3, 4)):
        assert hello(made, suites=program).ignore_connection is (reason is not None)


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (MISTRUST, True),
        (MAYBE.format("sslv3 alert certificate unknown"), True),
        (MAYBE.format("sslv3 alert certificate expired"), True),
        (MAYBE.format("sslv3 alert unsupported certificate"), True),
        (MAYBE.format("tlsv1 alert access denied"), True),
        (MAYBE.format("tlsv1 alert internal error"), False),
        (LOST, False),
        ("connection closed early", False),
        (None, False),
    ],
)
def test_a_program_that_mistrusts_us_is_let_through_and_no_other(error: str | None, refused: bool) -> None:
    made, told = gate()
    made.tls_failed_client(ended(hello(made, suites=(0x1A1A, 1, 2)), error))  # type: ignore[arg-type]
    assert told == (
        [Demoted(HOST, gate_module.CERTIFICATE_REJECTED, one_program=True, seconds=1000)] if refused else []
    )
    assert hello(made, suites=(2, 1, 0xFAFA)).ignore_connection is refused, "the same, in another order"
    assert not hello(made, suites=(1, 2, 3)).ignore_connection
    assert not hello(made, MORE[0]).ignore_connection


def test_a_program_that_mistrusts_us_at_two_hosts_is_let_through_at_all() -> None:
    made, told = gate()
    for host in (HOST, MORE[0]):
        assert not hello(made, MORE[1]).ignore_connection
        made.tls_failed_client(ended(hello(made, host), MISTRUST))  # type: ignore[arg-type]
    assert hello(made, MORE[1]).ignore_connection
    assert [one.host for one in told] == [HOST, *MORE]
    assert not hello(made, MORE[1], suites=(9,)).ignore_connection


def test_it_is_looked_into_again_everywhere_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = gate(seconds=10)
    now = time.monotonic()
    for seconds, host in ((0, HOST), (5, MORE[0])):
        monkeypatch.setattr(time, "monotonic", lambda seconds=seconds: now + seconds)
        made.tls_failed_client(ended(hello(made, host), MISTRUST))  # type: ignore[arg-type]
    monkeypatch.setattr(time, "monotonic", lambda: now + 9)
    assert hello(made, MORE[1]).ignore_connection
    monkeypatch.setattr(time, "monotonic", lambda: now + 11)
    assert not hello(made, MORE[1]).ignore_connection
    assert not hello(made, HOST).ignore_connection


@pytest.mark.parametrize(("failed", "error"), [("tls_failed_client", LOST), ("tls_failed_server", "connection closed")])
def test_who_hangs_up_twice_in_a_row_refuses_and_once_may_be_the_network(failed: str, error: str) -> None:
    made, told = gate()
    for _ in range(3):
        getattr(made, failed)(ended(hello(made), error))
        made.tls_established_server(ended(hello(made), None))  # type: ignore[arg-type]
        made.tls_established_client(ended(hello(made), None))  # type: ignore[arg-type]
    assert told == []
    for _ in range(2):
        assert not hello(made).ignore_connection
        getattr(made, failed)(ended(hello(made), error))
    assert hello(made).ignore_connection
    assert len(told) == 1


def test_a_demotion_is_told_once_and_ends() -> None:
    made, told = gate(seconds=0)
    made.demote(HOST, "x")
    assert made.decrypts(HOST)
    lasting, told = gate()
    for _ in range(3):
        lasting.demote(HOST, "x")
    assert told == [Demoted(HOST, "x", seconds=1000)]


def test_so_many_demotions_are_remembered_and_no_more() -> None:
    made = TlsGate(lambda host: True, lambda demoted: None, 1000)
    for number in range(LIMIT + 50):
        made.demote(f"{number}.translate.goog", "the site refuses our TLS")
    assert len(made._demoted) <= LIMIT + 1
    assert made.decrypts("0.translate.goog") and not made.decrypts(f"{LIMIT + 49}.translate.goog")


def test_a_host_that_is_not_looked_into_is_never_demoted() -> None:
    made, told = gate()
    about = hello(made, "secret.example")
    for _ in range(3):
        made.tls_failed_server(ended(about, "Certificate verify failed: x"))  # type: ignore[arg-type]
        made.tls_failed_server(ended(about, "connection closed"))  # type: ignore[arg-type]
    assert told == [] and made._closed == {}


def test_a_leaf_has_the_requested_name_and_no_other(tmp_path: Path) -> None:
    authority.issue(tmp_path, [HOST], datetime.now(UTC))
    made, _ = gate()
    made.certstore = certs.CertStore.from_store(str(tmp_path), "mitmproxy", 2048)
    flow = tflow.tflow()
    context = SimpleNamespace(client=SimpleNamespace(sni="WWW.google.nl"), server=flow.server_conn)
    leaf = made.get_cert(context)  # type: ignore[arg-type]
    assert [str(name.value) for name in leaf.cert.altnames] == [HOST]
    assert leaf.cert.crl_distribution_points == []


def test_a_leaf_that_does_not_hold_now_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made half a year ago, or while the clock was wrong."""
    authority.issue(tmp_path, [HOST], datetime.now(UTC))
    made, _ = gate()
    made.certstore = certs.CertStore.from_store(str(tmp_path), "mitmproxy", 2048)
    context = SimpleNamespace(client=SimpleNamespace(sni=HOST))
    old = made.get_cert(context)  # type: ignore[arg-type]
    assert made.get_cert(context) is old  # type: ignore[arg-type]
    for days in (210, -210):
        then = datetime.now(UTC) + timedelta(days=days)
        monkeypatch.setattr(gate_module, "datetime", SimpleNamespace(now=lambda zone, then=then: then))
        assert made.get_cert(context) is not old  # type: ignore[arg-type]
        assert len(made.certstore.certs) == 1


@pytest.mark.parametrize("error", [None, "connection closed"], ids=["demoted", "failed"])
def test_no_handshake_is_offered_after_the_sites_own_failed(error: str | None) -> None:
    """So that not a byte of ours was sent, and the front can still splice."""
    made, _ = gate()
    about = hello(made)
    about.context.server.error = error
    if error is None:
        made.demote(HOST, "the site refuses our TLS")
    data = ended(about, None)
    made.tls_start_client(data)  # type: ignore[arg-type]
    assert data.ssl_conn is None


class Time:
    """A clock that a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 5000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


DAY = 86_400.0
REFUSALS = ["Certificate verify failed: self-signed certificate", "OpenSSL Error([('SSL', '', 'sslv3 alert x')])"]


@pytest.mark.parametrize("error", REFUSALS)
def test_a_captive_portal_is_forgotten_soon_after_it_is_gone(monkeypatch: pytest.MonkeyPatch, error: str) -> None:
    """What the network does is not what the site does: each site touched meanwhile is inspected again."""
    clock, (made, told) = Time(monkeypatch), gate(DAY)
    about = hello(made)
    for minutes in (3, 12, 45):
        end = clock.now + 60 * minutes
        while clock.now < end:  # somebody tries each minute
            if made.decrypts(HOST):
                made.tls_failed_server(ended(about, error))  # type: ignore[arg-type]
            clock.now += 60
        back = clock.now
        while not made.decrypts(HOST):
            clock.now += 60
        assert clock.now - back <= max(60 * minutes, FIRST_SECONDS), "no longer than it lasted"
        made.tls_established_server(ended(about, None))  # type: ignore[arg-type]
        clock.now += 2 * DAY
    assert all(one.seconds < DAY for one in told)


def test_a_site_that_always_refuses_is_soon_tried_a_few_times_a_day_and_then_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, (made, told) = Time(monkeypatch), gate(DAY)
    tries, about = [], hello(made)
    while clock.now < 5000 + 10 * DAY:
        if made.decrypts(HOST):
            made.tls_failed_server(ended(about, REFUSALS[0]))  # type: ignore[arg-type]
            tries.append(clock.now)
        clock.now += 60
    assert len([at for at in tries if at < 5000 + DAY]) <= 9
    assert len(tries) <= 9 + 10 and told[-1].seconds == DAY


def test_what_was_well_for_as_long_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, (made, told) = Time(monkeypatch), gate(DAY)
    about = hello(made)
    for wait, seconds in ((0, 300), (301, 600), (601, 1200), (1201, 2400), (2 * 2400 + 1, 300)):
        clock.now += wait
        made.tls_failed_server(ended(about, REFUSALS[0]))  # type: ignore[arg-type]
        assert told[-1].seconds == seconds


def failed(about: SimpleNamespace, *, unreadable: bool = False, by_site: bool = True) -> AnswerFailed:
    return AnswerFailed(about.context.client, unreadable, by_site)


def test_an_answer_that_cannot_be_passed_leaves_the_host_alone_for_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made, told = gate(DAY)
    made.answer_failed(failed(hello(made), unreadable=True))
    assert told == [Demoted(HOST, UNREADABLE, seconds=FIRST_SECONDS)]
    assert hello(made, suites=(7,)).ignore_connection


def test_three_requests_in_a_row_without_an_answer_over_all_connections_do_and_fewer_do_not() -> None:
    made, told = gate(DAY)
    browsers = [hello(made, suites=(number,)) for number in range(2)]
    for _ in range(4):
        for browser in browsers:
            made.answer_failed(failed(browser))
        made.responseheaders(SimpleNamespace(client_conn=Client(HOST)))  # type: ignore[arg-type]
    assert told == []
    for number in range(3):
        assert made.decrypts(HOST)
        made.answer_failed(failed(browsers[number % 2]))
    assert told == [Demoted(HOST, UNANSWERED, seconds=FIRST_SECONDS)]
    assert not hello(made, MORE[0]).ignore_connection


def test_what_a_programs_own_bytes_spoil_counts_for_that_program_alone() -> None:
    made, told = gate(DAY)
    for _ in range(3):
        made.answer_failed(failed(hello(made, suites=(1,)), by_site=False))
    assert [one.one_program for one in told] == [True]
    assert hello(made, suites=(1,)).ignore_connection and not hello(made, suites=(2,)).ignore_connection


@pytest.mark.parametrize("hook", ["tls_clienthello", "tls_start_server", "tls_start_client"])
def test_an_exception_before_the_handshake_leaves_the_connection_alone(
    hook: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, told = gate()
    about = hello(made)
    data: Any = about
    if hook != "tls_clienthello":
        data = tls.TlsData(about.context.server, about.context, cast(Any, object()))

    def fail(self: TlsGate, data: object) -> None:
        raise KeyError("https://canary.example/")

    monkeypatch.setattr(TlsConfig, hook, fail)
    getattr(made, hook)(data)
    assert [(one.where, one.error) for one in told] == [(hook, "KeyError")]
    assert told[0].place.startswith("tls_gate:")
    assert data.ignore_connection if hook == "tls_clienthello" else data.ssl_conn is None


@pytest.mark.parametrize("sni", ["www.google.nl.", "WWW.GOOGLE.NL"])
def test_a_name_is_asked_for_as_it_is_listed(sni: str) -> None:
    made, _ = gate()
    about = hello(made, sni)
    assert (about.context.client.sni, about.ignore_connection) == (HOST, False)


def test_handshakes_that_end_without_a_word_are_remembered_so_often_and_no_more() -> None:
    made = TlsGate(lambda host: True, lambda told: None, 1000)
    about = hello(made)
    for number in range(2 * LIMIT):
        about.context.client = Client(f"{number}.translate.goog")
        made.tls_failed_server(ended(about, "connection closed"))  # type: ignore[arg-type]
        made.answer_failed(failed(about))
    assert len(made._closed) == len(made._unanswered) == LIMIT
