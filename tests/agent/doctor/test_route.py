"""What is made of a PAC and of handshakes. Real handshakes: test_trying.py and tests/e2e/test_doctor.py."""

import socket
from itertools import cycle
from pathlib import Path

import msgspec
import pytest

from bewust.browsers import handshake
from bewust.browsers.handshake import Answer, ForeignIssuer
from bewust.doctor import route
from bewust.doctor.finding import Verdict
from bewust.proxy import pac as proxy_pac
from support.doctor import RULES, STATUS, here, serving, verdicts

DECRYPTED = handshake.inspected(RULES.matcher, RULES.policy.release.services)
NAMED = handshake.by_name(RULES.matcher, RULES.policy.release.services)
CLEAN = ForeignIssuer("Example Trust Services", True)


def pac(port: int = 8787) -> bytes:
    return proxy_pac.pac(RULES.matcher, port).encode()


def shaking(
    monkeypatch: pytest.MonkeyPatch, answers: dict[str, Answer], stranger: ForeignIssuer | None = CLEAN
) -> None:
    monkeypatch.setattr(handshake, "tls_probe", lambda port, host, pem: answers[host])
    monkeypatch.setattr(handshake, "foreign_issuer", lambda port, host: stranger)


RIGHT = dict.fromkeys(DECRYPTED, Answer.OURS) | dict.fromkeys(NAMED, Answer.OTHER)


def test_all_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shaking(monkeypatch, RIGHT)
    monkeypatch.setattr(route, "fetched", lambda here: pac().decode())
    ids = ("pac", "direct", "decrypted", "by-name", "interceptor", "other-proxy")
    assert verdicts(route.check_route(here(tmp_path))) == dict.fromkeys(ids, Verdict.OK)


@pytest.mark.parametrize("why", ["off", "paused"])
def test_while_it_is_stopped_that_is_the_finding_and_nothing_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    shaking(monkeypatch, {})  # KeyError where one is
    found = verdicts(route.check_route(here(tmp_path, status=STATUS | {"stopped": why})))
    assert (found["pac"], found["decrypted"], found["by-name"]) == (
        Verdict.DEGRADED, Verdict.UNKNOWN, Verdict.UNKNOWN,
    )  # fmt: skip


def test_without_the_network_no_hand_is_shaken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shaking(monkeypatch, {})  # KeyError where one is
    monkeypatch.setattr(route, "fetched", lambda here: pac().decode())
    found = verdicts(route.check_route(here(tmp_path, network=False)))
    assert found["decrypted"] is found["by-name"] is Verdict.UNKNOWN
    assert found["direct"] is Verdict.OK


@pytest.mark.parametrize(("answers", "verdict"), [
    ((Answer.OURS, Answer.OTHER, Answer.OURS), Verdict.DEGRADED),
    ((Answer.OURS, Answer.UNREACHABLE, Answer.UNREACHABLE), Verdict.OK),
    ((Answer.OTHER, Answer.OTHER, Answer.UNREACHABLE), Verdict.BROKEN),
    ((Answer.UNREACHABLE,) * 3, Verdict.UNKNOWN),
])  # fmt: skip
def test_who_answers_for_what_should_be_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: tuple[Answer, ...], verdict: Verdict
) -> None:
    shaking(monkeypatch, dict(zip(DECRYPTED, cycle(answers), strict=False)))
    assert route.decrypted(here(tmp_path)).verdict is verdict


def test_without_a_root_nobody_can_be_told_from_us(tmp_path: Path) -> None:
    assert route.decrypted(here(tmp_path, root_pem=tmp_path / "gone")).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(("answer", "stranger", "verdicts_wanted"), [
    (Answer.OTHER, CLEAN, (Verdict.OK, Verdict.OK)),
    (Answer.OTHER, ForeignIssuer("Zscaler Inc., Zscaler Intermediate Root CA", True), (Verdict.OK, Verdict.DEGRADED)),
    (Answer.OTHER, ForeignIssuer("Somebody", False), (Verdict.OK, Verdict.DEGRADED)),
    (Answer.OTHER, None, (Verdict.UNKNOWN, Verdict.UNKNOWN)),
    (Answer.UNREACHABLE, None, (Verdict.UNKNOWN, Verdict.UNKNOWN)),
    (Answer.OURS, None, (Verdict.BROKEN, Verdict.UNKNOWN)),
])  # fmt: skip
def test_who_answers_for_what_is_known_by_name(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
    stranger: ForeignIssuer | None,
    verdicts_wanted: tuple[Verdict, Verdict],
) -> None:
    shaking(monkeypatch, dict.fromkeys(NAMED, answer), stranger)
    found = verdicts(route.by_name(here(tmp_path)))
    assert (found["by-name"], found["interceptor"]) == verdicts_wanted


@pytest.mark.parametrize("issuer", ["Reset Trust", "Google Trust Services, WR2", "Let's Encrypt, R11"])
def test_a_name_in_a_longer_word_is_no_interceptor(issuer: str) -> None:
    assert route.interceptor("chatgpt.com", ForeignIssuer(issuer, True)).verdict is Verdict.OK


def test_the_pac_is_fetched_and_a_stranger_is_told(tmp_path: Path) -> None:
    with serving(pac()) as port:
        assert route.fetched(here(tmp_path, port=port)) == pac().decode()
    for body, kind, status in ((pac(), "text/html", 200), (pac(), proxy_pac.PAC_TYPE, 404)):
        with serving(body, kind, status) as port:
            found = route.fetched(here(tmp_path, port=port))
            assert not isinstance(found, str) and "is not Bewust" in found.what
    closed = route.fetched(here(tmp_path, port=port))
    assert not isinstance(closed, str) and "No agent listens" in closed.what


def test_a_port_that_does_not_answer_costs_some_seconds_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route, "SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = route.fetched(here(tmp_path, port=silent.getsockname()[1]))
    assert not isinstance(found, str) and "does not answer" in found.what


@pytest.mark.parametrize(("served", "ids"), [
    ("function FindProxyForURL() {}", {"pac": Verdict.BROKEN}),
    (pac(1).decode(), {"pac": Verdict.DEGRADED, "direct": Verdict.UNKNOWN}),
    (pac().decode().replace("var exact = {", 'var exact = {"example.com": 1,'),
     {"pac": Verdict.DEGRADED, "direct": Verdict.UNKNOWN}),
])  # fmt: skip
def test_a_pac_that_is_not_as_it_should_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, served: str, ids: dict[str, Verdict]
) -> None:
    monkeypatch.setattr(route, "fetched", lambda here: served)
    assert verdicts(route.check_route(here(tmp_path, network=False))).items() >= ids.items()


def test_another_proxy_is_told_unless_we_go_through_it(tmp_path: Path) -> None:
    assert route.other_proxy(here(tmp_path)).verdict is Verdict.OK
    found = route.other_proxy(here(tmp_path, environment={"https_proxy": "http://x:1", "no_proxy": "y"}))
    assert found.verdict is Verdict.DEGRADED and "x:1" not in found.what
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/environment").write_text("http_proxy=http://x:1\n")
    assert route.other_proxy(here(tmp_path)).verdict is Verdict.DEGRADED
    network = msgspec.structs.replace(RULES.policy.network, upstream="http://x:1")
    through = msgspec.structs.replace(RULES, policy=msgspec.structs.replace(RULES.policy, network=network))
    assert route.other_proxy(here(tmp_path, rules=through)).verdict is Verdict.OK
