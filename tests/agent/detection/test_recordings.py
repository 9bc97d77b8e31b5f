"""Whatever a browser or mitmproxy saved is read as it was meant, or refused in one clear line."""

import base64
import gzip
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bewust.catalogue import loading
from bewust.catalogue.matching import Matcher, compile_services
from bewust.detection import recordings
from bewust.detection.recordings import RecordingError, examine
from bewust.model import Depth, Level

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # mitmproxy 12 uses names that pyparsing 3.3 calls old
    from mitmproxy.http import HTTPFlow
    from mitmproxy.io import FlowWriter
    from mitmproxy.test import tflow, tutils

SEARCH = "https://www.google.com/search?q=why+is+the+sky+blue"
ANSWER = '<html><div class="x mZJni">An answer</div></html>'
ORDINARY = '<html><script>"class=mZJni"</script><div>A result</div></html>'


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    return compile_services(loading.load(), lambda service: Depth.RESPONSE)


def entry(url: str = SEARCH, method: str = "GET", **more: Any) -> dict[str, Any]:
    return {"request": {"method": method, "url": url, "headers": []}} | more


def answered(text: str | None = ANSWER, **content: Any) -> dict[str, Any]:
    body = {"mimeType": "text/html; charset=UTF-8"} | ({} if text is None else {"text": text}) | content
    return entry(response={"status": 200, "content": body})


def har(*entries: Mapping[str, Any]) -> bytes:
    return json.dumps({"log": {"version": "1.2", "entries": entries}}).encode()


def saved(folder: Path, data: bytes, name: str = "a.har") -> Path:
    file = folder / name
    file.write_bytes(data)
    return file


def levels(file: Path, matcher: Matcher) -> list[Level | None]:
    return [found.level if (found := examine(e, matcher)) else None for e in recordings.read(file)]


# HAR.


@pytest.mark.parametrize(
    "pack",
    [
        pytest.param(lambda data: data, id="plain"),
        pytest.param(lambda data: b"\xef\xbb\xbf" + data, id="with a BOM"),
        pytest.param(lambda data: b" \r\n" + data, id="after a blank line"),
        pytest.param(gzip.compress, id="gzipped"),
        pytest.param(lambda data: gzip.compress(data[:40]) + gzip.compress(data[40:]), id="gzipped in two members"),
        pytest.param(lambda data: gzip.compress(b"\xef\xbb\xbf" + data), id="gzipped with a BOM"),
    ],
)
def test_a_har_is_known_by_its_content_not_by_its_name(tmp_path: Path, matcher: Matcher, pack: Any) -> None:
    file = saved(tmp_path, pack(har(answered(), answered(ORDINARY))), "recording.bin")
    assert levels(file, matcher) == [Level.USE, None]


BASE64 = base64.b64encode(ANSWER.encode()).decode()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param(answered(), Level.USE, id="text"),
        pytest.param(answered(BASE64, encoding="base64"), Level.USE, id="base64"),
        pytest.param(answered(BASE64, encoding="BASE64"), Level.USE, id="base64 in capitals"),
        pytest.param(answered(BASE64), None, id="base64 without saying so is a text"),
        pytest.param(answered("not base64!", encoding="base64"), None, id="damaged base64 is no body"),
        pytest.param(answered("ü", encoding="base64"), None, id="base64 that is not ASCII is no body"),
        pytest.param(answered(None), None, id="Chromium: a body that was not kept"),
        pytest.param(answered(text=None, comment="evicted"), None, id="Firefox: a body too large, with a comment"),
        pytest.param(answered(mimeType="application/json"), None, id="another type"),
        pytest.param(answered(mimeType=None), None, id="no type"),
    ],
)
def test_a_body_is_what_the_entry_says(
    tmp_path: Path, matcher: Matcher, written: dict[str, Any], expected: Level | None
) -> None:
    assert levels(saved(tmp_path, har(written)), matcher) == [expected]


@pytest.mark.parametrize("status", [200, 0, None, 203.0], ids=str)
def test_a_status_of_success_or_none_at_all_lets_the_body_count(tmp_path: Path, matcher: Matcher, status: Any) -> None:
    written = answered()
    written["response"]["status"] = status
    assert levels(saved(tmp_path, har(written)), matcher) == [Level.USE]


@pytest.mark.parametrize("status", [404, 302, 500, 199], ids=str)
def test_a_page_that_did_not_succeed_is_no_use(tmp_path: Path, matcher: Matcher, status: int) -> None:
    written = answered()
    written["response"]["status"] = status
    assert levels(saved(tmp_path, har(written)), matcher) == [None]


AI_MODE = "https://www.google.com/search?udm=50&q=sky"
LEFT_OUT: dict[str, dict[str, Any]] = {
    "no response": entry(AI_MODE),
    "response null": entry(AI_MODE, response=None),
    "response empty": entry(AI_MODE, response={}),
    "Chromium, blocked": entry(AI_MODE, response={
        "status": 0, "statusText": "", "httpVersion": "", "headers": [], "cookies": [], "redirectURL": "",
        "content": {"size": 0, "mimeType": "x-unknown"}, "headersSize": -1, "bodySize": -1, "_error": "net::ERR_FAILED",
    }),
    "Firefox, cancelled": entry(AI_MODE, response={"status": None, "headers": [], "content": {"size": 0, "text": ""}}),
    "content null": entry(AI_MODE, response={"status": 200, "content": None}),
    "HTTP/3": {"request": {"method": "GET", "url": AI_MODE, "httpVersion": "h3", "headers": [
        {"name": ":authority", "value": "www.google.com"}, {"name": ":method", "value": "GET"}]}},
    "no headers": {"request": {"method": "GET", "url": AI_MODE}},
    "headers null": {"request": {"method": "GET", "url": AI_MODE, "headers": None}},
    "a header without a value": {"request": {"method": "GET", "url": AI_MODE, "headers": [{"name": "x"}]}},
    "a header of null": {"request": {"method": "GET", "url": AI_MODE, "headers": [{"name": "x", "value": None}]}},
    "a time before all time": entry(AI_MODE, startedDateTime="", time=-1, timings={"blocked": -1}, _priority="High"),
    "a status beyond all numbers": entry(AI_MODE, response={"status": 1e300}),
}  # fmt: skip


@pytest.mark.parametrize("written", LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_a_browser_leaves_out_does_not_hide_the_request(
    tmp_path: Path, matcher: Matcher, written: dict[str, Any]
) -> None:
    (exchange,) = recordings.read(saved(tmp_path, har(written)))
    found = examine(exchange, matcher)
    assert exchange.problem == ""
    assert found is not None
    assert (found.service, found.level) == ("google-ai-mode", Level.USE)


@pytest.mark.parametrize(
    ("written", "websocket"),
    [
        pytest.param(entry("wss://copilot.microsoft.com/c/api/chat"), True, id="by its scheme"),
        pytest.param(entry("https://copilot.microsoft.com/c/api/chat", _resourceType="websocket"), True, id="by kind"),
        pytest.param({"request": {"method": "GET", "url": "https://copilot.microsoft.com/c/api/chat", "headers": [
            {"name": "Upgrade", "value": "WebSocket"}]}}, True, id="by its headers"),
        pytest.param(entry("https://copilot.microsoft.com/c/api/chat", _resourceType="fetch"), False, id="none"),
    ],
)  # fmt: skip
def test_a_websocket_is_known_in_each_way_it_is_written(
    tmp_path: Path, matcher: Matcher, written: dict[str, Any], websocket: bool
) -> None:
    written |= {"_webSocketMessages": [{"type": "send", "time": 1.5, "opcode": 1, "data": "{}"}]}
    (exchange,) = recordings.read(saved(tmp_path, har(written)))
    assert exchange.seen.websocket is websocket
    found = examine(exchange, matcher)
    assert found is not None
    assert found.level is (Level.USE if websocket else Level.VISIT)


def test_half_an_emoji_in_one_body_hides_nothing(tmp_path: Path, matcher: Matcher) -> None:
    half = "\ud83d" + ANSWER + "\ude00 \\ud800 😀"
    file = saved(tmp_path, har(answered(half), answered()))
    assert b"\\ud83d<" in file.read_bytes()
    assert levels(file, matcher) == [Level.USE, Level.USE]
    first, _ = recordings.read(file)
    assert first.body.decode() == "\ufffd" + ANSWER + "\ufffd \\ud800 😀"


DAMAGED: dict[str, Any] = {
    "null": None,
    "a number": 5,
    "no request": {"response": {}},
    "no url": {"request": {"method": "GET"}},
    "a url that is none": {"request": {"method": "GET", "url": 7}},
    "headers as a table": {"request": {"method": "GET", "url": "https://x.nl/", "headers": {}}},
    "a status in words": entry(response={"status": "OK"}),
}


@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_entry_is_skipped_with_the_reason_and_the_others_are_read(
    tmp_path: Path, matcher: Matcher, damaged: Any
) -> None:
    first, second, third = recordings.read(saved(tmp_path, har(answered(), damaged, answered())))
    assert (first.problem, third.problem) == ("", "")
    assert (second.entry, third.entry) == (1, 2)
    assert "Expected" in second.problem or "required" in second.problem
    assert examine(second, matcher) is None
    assert examine(third, matcher) is not None


UNREADABLE = {
    "nothing": (b"", "no HAR"),
    "no JSON": (b"<html>", "no HAR"),
    "JSON cut short": (har(answered())[:-2], "no HAR"),
    "JSON, but no HAR": (b"{}", "no HAR 1.2 .*`log`"),
    "a list": (b"[]", "no HAR"),
    "a log without entries": (b'{"log": {}}', "no HAR 1.2 .*`entries`"),
    "entries that are none": (b'{"log": {"entries": {}}}', "no HAR"),
    "nested too deep": (b'{"log": {"entries": [' + b"[" * 100_000, "no HAR"),
    "UTF-16": (har(answered()).decode().encode("utf-16"), "no HAR"),
    "a gzip cut short": (gzip.compress(har(answered()))[:-9], "gzip cut short"),
    "a gzip of which only the head is left": (gzip.compress(b"x")[:5], "gzip cut short"),
    "a damaged gzip": (gzip.compress(har(answered()))[:-8] + b"12345678", "damaged gzip"),
    "a gzip with something behind it": (gzip.compress(har(answered())) + b"x", "gzip"),
    "a gzip of a method nobody knows": (b"\x1f\x8b\x07" + b"\0" * 20, "damaged gzip"),
}


@pytest.mark.parametrize(("data", "problem"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_recording_is_refused_with_a_remedy(tmp_path: Path, data: bytes, problem: str) -> None:
    file = saved(tmp_path, data)
    with pytest.raises(RecordingError, match=problem) as error:
        list(recordings.read(file))
    assert str(error.value).startswith(f"{file}: ")
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["gone.har", "."], ids=["missing", "a folder"])
def test_a_file_that_cannot_be_opened_says_why(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordingError, match=r"cannot be read \(.+\)\. Check"):
        list(recordings.read(tmp_path / name))


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
def test_a_recording_beyond_the_limit_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Any
) -> None:
    data = har(*[answered()] * 20)
    monkeypatch.setattr(recordings, "SIZE_LIMIT", len(data))
    file = saved(tmp_path, pack(data))
    assert len(list(recordings.read(file))) == 20
    monkeypatch.setattr(recordings, "SIZE_LIMIT", len(data) - 1)
    with pytest.raises(RecordingError, match="larger than"):
        list(recordings.read(file))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.sampled_from(["request", "response", "method", "url", "status"]), inner)
    ),
    max_leaves=20,
)
URLS = st.text() | st.sampled_from([SEARCH, AI_MODE, "http://[", "//", "https://x:99999/", "data:,x", "https://ü.nl/"])
LIKE_ENTRIES = st.builds(
    lambda method, url, headers, status, text: {
        "request": {"method": method, "url": url, "headers": headers},
        "response": {"status": status, "content": {"text": text, "mimeType": "text/html", "encoding": "base64"}},
    },
    st.text(), URLS, st.none() | st.lists(st.fixed_dictionaries({"name": st.text(), "value": st.text()}), max_size=2),
    st.none() | st.integers() | st.floats(), st.none() | st.text(),
)  # fmt: skip
FILES = (
    st.binary()
    | st.binary().map(lambda data: b"\x1f\x8b\x08" + data)
    | st.binary().map(gzip.compress)
    | st.lists(LIKE_ENTRIES | JSON, max_size=4).map(lambda entries: har(*entries))  # type: ignore[arg-type]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FILES.filter(lambda data: not data[:1].isdigit()))
def test_any_bytes_give_exchanges_or_one_clear_line(tmp_path: Path, matcher: Matcher, data: bytes) -> None:
    file = saved(tmp_path, data)
    try:
        found = list(recordings.read(file))
    except RecordingError as error:
        assert str(error).startswith(f"{file}: ")
    else:
        assert [exchange.entry for exchange in found] == list(range(len(found)))
        for exchange in found:
            examine(exchange, matcher)


# One page.


@pytest.mark.parametrize(("name", "pack"), [("a.html", bytes), ("a.html.gz", gzip.compress)])
def test_a_saved_page_is_a_get_of_its_url(tmp_path: Path, matcher: Matcher, name: str, pack: Any) -> None:
    (exchange,) = recordings.page(saved(tmp_path, pack(ANSWER.encode()), name), SEARCH)
    found = examine(exchange, matcher)
    assert found is not None
    assert (found.service, found.signature, exchange.entry) == ("google-ai-overview", "inline", 0)


def test_a_page_of_an_ordinary_result_is_nothing(tmp_path: Path, matcher: Matcher) -> None:
    (exchange,) = recordings.page(saved(tmp_path, ORDINARY.encode()), SEARCH)
    assert examine(exchange, matcher) is None


@pytest.mark.parametrize("url", ["www.google.com/search", "", "https://", "http://["])
def test_a_page_needs_a_whole_url(tmp_path: Path, url: str) -> None:
    with pytest.raises(RecordingError, match="not the URL of a page"):
        list(recordings.page(saved(tmp_path, b""), url))


# mitmproxy flow files.


def flow(url: str = SEARCH, body: bytes = ANSWER.encode(), **headers: str) -> HTTPFlow:
    made = tflow.tflow(req=tutils.treq(), resp=tutils.tresp())
    made.request.method, made.request.url = "GET", url
    assert made.response is not None
    made.response.headers.clear()
    for name, value in ({"content_type": "text/html; charset=utf-8"} | headers).items():
        made.response.headers[name.replace("_", "-")] = value
    made.response.raw_content = body
    return made


def flows(folder: Path, made: Sequence[object]) -> Path:
    file = folder / "flows"
    with file.open("wb") as out:
        writer = FlowWriter(out)
        for one in made:
            writer.add(one)  # type: ignore[arg-type]
    return file


def test_a_flow_file_is_read_through_the_same_detection(tmp_path: Path, matcher: Matcher) -> None:
    socket = tflow.twebsocketflow()
    socket.request.url = "https://copilot.microsoft.com/c/api/chat"
    unanswered = tflow.tflow()
    unanswered.request.method, unanswered.request.url = "GET", AI_MODE
    made = [
        flow(),
        flow(body=ORDINARY.encode()),
        flow(body=gzip.compress(ANSWER.encode()), content_encoding="gzip"),
        tflow.ttcpflow(),
        socket,
        unanswered,
    ]
    exchanges = list(recordings.read(flows(tmp_path, made)))
    assert [e.entry for e in exchanges] == [0, 1, 2, 4, 5]  # numbered among all flows
    found = [examine(e, matcher) for e in exchanges]
    assert [f and (f.service, f.level.value) for f in found] == [
        ("google-ai-overview", "use"), None, ("google-ai-overview", "use"), ("copilot", "use"),
        ("google-ai-mode", "use"),
    ]  # fmt: skip


def test_a_flow_file_with_a_text_where_a_truth_belongs_is_refused_in_one_line(tmp_path: Path) -> None:
    """mitmproxy takes it and hands it on; found by fuzzing."""
    socket = tflow.twebsocketflow()
    assert socket.websocket
    socket.websocket.messages[0].from_client = "yes"  # type: ignore[assignment]
    with pytest.raises(RecordingError, match="no HAR and no flow file"):
        list(recordings.read(flows(tmp_path, [socket])))


def test_a_flow_file_cut_short_gives_what_came_before_and_then_says_so(tmp_path: Path) -> None:
    file = flows(tmp_path, [flow(), flow()])
    file.write_bytes(file.read_bytes()[:-20])
    read = recordings.read(file)
    assert next(read).entry == 0
    with pytest.raises(RecordingError, match="to its end"):
        next(read)


@pytest.mark.parametrize("data", [b"7", b"12:no netstring,", b"3:abc}"], ids=["a digit", "cut", "another netstring"])
def test_what_only_looks_like_a_flow_file_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(RecordingError, match="no HAR and no flow file"):
        list(recordings.read(saved(tmp_path, data)))


def test_the_folder_one_stands_in_cannot_offer_another_mitmproxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = flows(tmp_path, [flow()])
    (tmp_path / "msgspec.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    assert len(list(recordings.read(file))) == 1
