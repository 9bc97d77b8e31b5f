"""The addon's hooks through mitmproxy's own test tools: what is reported, and that nothing is held."""

import gzip

import pytest
from mitmproxy.http import HTTPFlow
from mitmproxy.test import taddons, tflow, tutils
from mitmproxy.websocket import WebSocketMessage
from wsproto.frame_protocol import Opcode

from bewust.catalogue import loading
from bewust.catalogue.matching import Matcher, compile_services
from bewust.config import policy
from bewust.config.policy import every_country
from bewust.detection.scanning import Scanner
from bewust.model import Depth, Observation
from bewust.proxy.messages import Detected, Failed, Message, Seen
from bewust_addons.recognition import Recognition, ResponseTap, decrypts

MATCHER = compile_services(loading.load(countries=every_country()), lambda service: Depth.RESPONSE)
ANSWER = b"<html><p>" + b"x" * 3000 + b'<div class="a mZJni b">answer</div></html>'


class Bench:
    """The addon with what it told."""

    def __init__(self, matcher: Matcher = MATCHER) -> None:
        self.told: list[Message] = []
        self.demoted: list[tuple[str, str]] = []
        self.traffic = Recognition(matcher, (), self.told.append, lambda host, why: self.demoted.append((host, why)))

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


def told(message: Message) -> tuple[str, str]:
    assert isinstance(message, Failed) and message.place
    return message.where, message.error


def test_an_exception_of_ours_is_told_by_its_class_and_the_flow_passes() -> None:
    class Broken(Matcher):
        def accepted(self, seen: Observation) -> tuple[()]:
            raise RuntimeError("https://secret.example/?q=private")

    bench = Bench(Broken({}, {}, ()))
    got = bench.exchange("https://www.google.nl/search?q=x", ANSWER, content_type="text/html")
    assert b"".join(got) == ANSWER
    assert [told(one) for one in bench.told] == [("requestheaders", "RuntimeError")]
    assert "secret" not in repr(bench.told)


def test_an_exception_while_reading_ends_the_reading_and_not_the_body() -> None:
    bench = Bench()
    reading = ResponseTap(bench.traffic, tflow.tflow(), [], Scanner([]))

    class Bomb:
        done, hit = False, None

        def feed(self, chunk: bytes) -> None:
            raise ValueError("boom")

    reading._scanner = Bomb()  # type: ignore[assignment]
    assert [reading(b"abc"), reading(b"def"), reading(b"")] == [b"abc", b"def", b""]
    assert [told(one) for one in bench.told] == [("reading", "ValueError")]


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
    rules = compile_services(loading.load(), lambda service: Depth.RESPONSE if service.embedded else Depth.NAME)
    test = decrypts(rules)
    assert test("www.google.nl")
    assert test("a-b.translate.goog")
    assert not any(map(test, ["chatgpt.com", "www.example.org", "translate.google.com", "", "google.nl"]))


# Bodies of requests and messages of sockets.

META = "https://graph.meta.ai/graphql?locale=user"
PROMPT = b"av=0&fb_api_req_friendly_name=useAbraSendMessageMutation&variables=%7B%7D"


def sending(bench: Bench, url: str, *chunks: bytes, **headers: str) -> tuple[HTTPFlow, list[bytes]]:
    """A POST through the hooks, up to the end of its body; returns what the site gets."""
    flow = tflow.tflow(req=tutils.treq(method=b"POST"))
    flow.request.url = url
    for name, value in headers.items():
        flow.request.headers[name.replace("_", "-")] = value
    bench.traffic.requestheaders(flow)
    stream = flow.request.stream
    assert stream, "a body would be held"
    if not callable(stream):
        return flow, list(chunks)
    return flow, [bytes(stream(chunk)) for chunk in (*chunks, b"")]  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_field_of_a_request_is_read_along_and_the_body_leaves_as_it_came(size: int) -> None:
    bench = Bench()
    chunks = [PROMPT[at : at + size] for at in range(0, len(PROMPT), size)]
    _, got = sending(bench, META, *chunks)
    assert b"".join(got) == PROMPT
    assert detections(bench.told) == [("meta-ai", "prompt")]


def test_a_compressed_request_is_read_too_and_an_unknown_coding_is_let_through() -> None:
    bench = Bench()
    packed = gzip.compress(PROMPT)
    _, got = sending(bench, META, packed[:20], packed[20:], content_encoding="gzip")
    assert b"".join(got) == packed
    assert detections(bench.told) == [("meta-ai", "prompt")]
    _, got = sending(bench, META, PROMPT, content_encoding="dcb")
    assert got == [PROMPT]
    assert len(bench.told) == 1


def test_another_request_on_the_same_path_says_nothing() -> None:
    bench = Bench()
    sending(bench, META, b"fb_api_req_friendly_name=useAcceptCookiesMutation&v=useAbraSendMessageMutation")
    assert bench.told == []


def test_once_found_in_the_request_the_response_is_not_read() -> None:
    bench = Bench(compile_services(loading.load(), lambda service: Depth.RESPONSE, ("llm.example.org",)))
    flow, _ = sending(bench, "https://llm.example.org/v1/messages", b'{"model":"m","messages":["hi"]}')
    flow.response = tutils.tresp(headers=_headers([(b"content-type", b"text/event-stream")]))
    bench.traffic.responseheaders(flow)
    assert flow.response is not None and flow.response.stream is True
    assert detections(bench.told) == [("openai-compatible", "prompt")]


def test_a_rule_for_any_host_holds_only_where_a_host_is_looked_into_or_listed() -> None:
    services, rules = loading.load(), policy.load()
    for also, expected in (((), []), (("llm.example.org",), [("openai-compatible", "prompt")])):
        bench = Bench(compile_services(services, rules.depth_of, also))
        sending(bench, "https://llm.example.org/v1/messages", b'{"model":"m","messages":["hi"]}')
        sending(bench, "https://other.example.org/v1/messages", b'{"model":"m","messages":["hi"]}')
        assert detections(bench.told) == expected
    looked_into = Bench(rules.compiled(services))
    sending(looked_into, "https://www.bing.com/v1/messages", b'{"model":"m","messages":["hi"]}')
    assert detections(looked_into.told) == [("openai-compatible", "prompt")]


def test_events_of_an_answer_are_read_where_the_request_did_not_decide() -> None:
    bench = Bench(compile_services(loading.load(), lambda service: Depth.RESPONSE, ("llm.example.org",)))
    stream = b"event: message_start\ndata: {}\n\nevent: content_block_delta\ndata: {}\n\n"
    got = bench.exchange("https://llm.example.org/v1/messages", stream, method="POST", content_type="text/event-stream")
    assert b"".join(got) == stream
    assert detections(bench.told) == [("openai-compatible", "stream")]


def said(flow: HTTPFlow, bench: Bench, from_client: bool, text: bytes) -> None:
    assert flow.websocket is not None
    flow.websocket.messages.append(WebSocketMessage(Opcode.TEXT, from_client, text))
    bench.traffic.websocket_message(flow)


def test_a_message_counts_in_its_direction_and_once() -> None:
    bench = Bench()
    flow = tflow.twebsocketflow()
    flow.request.url = "https://uniproxy.alice.yandex.net/uni.ws"
    flow.request.headers["upgrade"] = "websocket"
    typed = b'{"event":{"header":{"namespace":"Vins","name":"TextInput"}}}'
    flow.response, answer = None, flow.response
    bench.traffic.requestheaders(flow)
    flow.response = answer
    said(flow, bench, False, typed)
    said(flow, bench, True, typed.replace(b"Text", b"Voice"))
    assert bench.told == []
    said(flow, bench, True, typed)
    said(flow, bench, True, typed)
    assert detections(bench.told) == [("yandex-alice", "text")]
    assert flow.websocket is not None and len(flow.websocket.messages) == 1
