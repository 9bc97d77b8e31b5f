"""The addon's hooks through mitmproxy's own test tools: what is reported, and that nothing is held."""

import gzip

import pytest
from mitmproxy.test import taddons, tflow, tutils

from bewust import catalogue
from bewust.matching import Matcher, compile_services
from bewust.model import Depth, Detected, Failed, Message, Observation, Seen
from bewust.policy import every_country
from bewust.scanning import Scanner
from bewust_addons.traffic import Reading, Traffic, decrypts

MATCHER = compile_services(catalogue.load(countries=every_country()), lambda service: Depth.RESPONSE)
ANSWER = b"<html><p>" + b"x" * 3000 + b'<div class="a mZJni b">answer</div></html>'


class Bench:
    """The addon with what it told."""

    def __init__(self, matcher: Matcher = MATCHER) -> None:
        self.told: list[Message] = []
        self.demoted: list[tuple[str, str]] = []
        self.traffic = Traffic(matcher, (), self.told.append, lambda host, why: self.demoted.append((host, why)))

    def exchange(
        self, url: str, body: bytes = b"", method: str = "GET", status: int = 200, **headers: str
    ) -> list[bytes]:
        """One flow through the hooks in mitmproxy's order; returns what the client gets, in chunks."""
        flow = tflow.tflow(req=tutils.treq(method=method.encode()))
        flow.request.url = url
        with taddons.context(self.traffic):
            self.traffic.requestheaders(flow)
            assert flow.request.stream
            fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
            flow.response = tutils.tresp(status_code=status, headers=_headers(fields))
            self.traffic.responseheaders(flow)
        stream = flow.response.stream
        assert stream, "a body would be held"
        chunks = [body[i : i + 700] for i in range(0, len(body), 700)] + [b""]
        if not callable(stream):
            return chunks
        return [bytes(stream(chunk)) for chunk in chunks]  # type: ignore[arg-type]


def _headers(fields: list[tuple[bytes, bytes]]) -> object:
    from mitmproxy.http import Headers

    return Headers(fields)


def detections(told: list[Message]) -> list[tuple[str, str]]:
    return [(m.detection.service, m.detection.signature) for m in told if isinstance(m, Detected)]


def test_a_use_is_told_from_the_request_alone_with_the_port_it_came_from() -> None:
    bench = Bench()
    bench.exchange("https://www.google.nl/async/folsrch?q=x", content_type="text/html")
    assert detections(bench.told) == [("google-ai-overview", "lazy")]
    told = bench.told[0]
    assert isinstance(told, Detected)
    assert told.peer == tflow.tflow().client_conn.peername[1]


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_an_answer_in_the_page_is_told_and_the_bytes_arrive_as_they_came(encoding: str) -> None:
    bench = Bench()
    body = gzip.compress(ANSWER) if encoding else ANSWER
    got = bench.exchange(
        "https://www.google.nl/search?q=x", body, content_type="text/html; charset=UTF-8", content_encoding=encoding
    )
    assert b"".join(got) == body
    assert detections(bench.told) == [("google-ai-overview", "inline")]
    assert [m.service for m in bench.told if isinstance(m, Seen)] == ["google-ai-overview"]


def test_an_ordinary_page_is_an_opportunity_only() -> None:
    bench = Bench()
    page = b"<script>var a = 'class=\"mZJni\"'</script><style>.mZJni{}</style>"
    bench.exchange("https://www.google.nl/search?q=x", page, content_type="text/html")
    assert bench.told == [Seen(tflow.tflow().client_conn.peername[1], "google-ai-overview")]


@pytest.mark.parametrize(
    ("status", "kind"), [(404, "text/html"), (302, "text/html"), (200, "application/json"), (200, "")]
)
def test_another_status_or_media_type_is_not_read(status: int, kind: str) -> None:
    bench = Bench()
    bench.exchange("https://www.google.nl/search?q=x", ANSWER, status=status, content_type=kind)
    assert bench.told == []


def test_an_unknown_encoding_is_not_read_and_the_body_streams() -> None:
    bench = Bench()
    got = bench.exchange("https://www.google.nl/search?q=x", ANSWER, content_type="text/html", content_encoding="dcb")
    assert b"".join(got) == ANSWER
    assert detections(bench.told) == []


@pytest.mark.parametrize(
    "url", ["https://www.google.nl/complete/search?q=x", "https://www.example.org/search?q=x", "https://www.google.nl/"]
)
def test_other_requests_say_nothing(url: str) -> None:
    bench = Bench()
    bench.exchange(url, ANSWER, content_type="text/html")
    assert bench.told == []


def test_a_websocket_is_known_by_its_upgrade() -> None:
    bench = Bench()
    flow = tflow.tflow()
    flow.request.url = "https://copilot.microsoft.com/c/api/chat?api-version=2"
    flow.request.headers["upgrade"] = "websocket"
    bench.traffic.requestheaders(flow)
    assert detections(bench.told) == [("copilot", "prompt")]


def test_an_exception_of_ours_is_told_by_its_class_and_the_flow_passes() -> None:
    class Broken(Matcher):
        def accepted(self, seen: Observation) -> tuple[()]:
            raise RuntimeError("https://secret.example/?q=private")

    bench = Bench(Broken({}, {}, ()))
    got = bench.exchange("https://www.google.nl/search?q=x", ANSWER, content_type="text/html")
    assert b"".join(got) == ANSWER
    assert bench.told == [Failed("requestheaders", "RuntimeError")]
    assert "secret" not in repr(bench.told)


def test_an_exception_while_reading_ends_the_reading_and_not_the_body() -> None:
    bench = Bench()
    reading = Reading(bench.traffic, tflow.tflow(), [], Scanner([]))

    class Bomb:
        done, hit = False, None

        def feed(self, chunk: bytes) -> None:
            raise ValueError("boom")

    reading._scanner = Bomb()  # type: ignore[assignment]
    assert [reading(b"abc"), reading(b"def"), reading(b"")] == [b"abc", b"def", b""]
    assert bench.told == [Failed("reading", "ValueError")]


def test_a_flow_that_is_answered_already_is_left_alone() -> None:
    bench = Bench()
    flow = tflow.tflow(resp=True)
    flow.request.url = "https://www.google.nl/async/folsrch?q=x"
    bench.traffic.requestheaders(flow)
    assert bench.told == []
    assert not flow.request.stream


def test_a_challenge_demotes_the_host() -> None:
    bench = Bench()
    bench.exchange("https://duckduckgo.com/", status=403, content_type="text/html", cf_mitigated="challenge")
    assert bench.demoted == [("duckduckgo.com", "the site challenges us")]
    bench.exchange("https://duckduckgo.com/", status=403, content_type="text/html")
    assert len(bench.demoted) == 1


def test_messages_of_sockets_are_forgotten() -> None:
    bench = Bench()
    flow = tflow.twebsocketflow()
    bench.traffic.websocket_message(flow)
    assert flow.websocket and len(flow.websocket.messages) == 1
    raw = tflow.ttcpflow()
    bench.traffic.tcp_message(raw)
    assert len(raw.messages) == 1


def test_only_hosts_with_more_than_a_name_to_find_are_decrypted() -> None:
    rules = compile_services(catalogue.load(), lambda service: Depth.RESPONSE if service.embedded else Depth.NAME)
    test = decrypts(rules)
    assert test("www.google.nl")
    assert test("a-b.translate.goog")
    assert not any(map(test, ["chatgpt.com", "www.example.org", "translate.google.com", "", "google.nl"]))
