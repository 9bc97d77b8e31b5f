"""`bewust inspect`: the lines that scripts rely on, and the summary for people."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bewust.cli.inspect import RecordingInspector, as_json, as_text
from bewust.config.policy import PolicyError

KEYS = ["file", "entry", "service", "context", "level", "signature", "embedded", "internal"]


def har(folder: Path, *entries: Mapping[str, Any], name: str = "a.har") -> str:
    (folder / name).write_text(json.dumps({"log": {"entries": entries}}), encoding="utf-8")
    return str(folder / name)


def get(url: str, method: str = "GET", text: str = "", **headers: str) -> dict[str, Any]:
    return {
        "request": {"method": method, "url": url, "headers": [{"name": n, "value": v} for n, v in headers.items()]},
        "response": {"status": 200, "content": {"mimeType": "text/html", "text": text}},
    }


ANSWER = get("https://www.google.com/search?q=x", text='<div class="mZJni">')
ORDINARY = get("https://www.google.com/search?q=x", text="<div>")
NAME = get("https://claude.ai/new")
INTERNAL = get("https://edge.microsoft.com/translate/translatetext", "POST", Origin="https://intranet")
TOKEN = get("https://edge.microsoft.com/translate/auth")


def lines(
    bench: RecordingInspector, *files: str, page: str | None = None
) -> tuple[list[dict[str, Any]], list[str], bool]:
    out: list[str] = []
    complaints: list[str] = []
    failed = as_json(bench, files, page, out=out.append, complain=complaints.append)
    assert all("\n" not in line for line in out + complaints)
    return [json.loads(line) for line in out], complaints, failed


def text(bench: RecordingInspector, *files: str) -> tuple[list[str], bool]:
    out: list[str] = []
    failed = as_text(bench, files, None, out=out.append, complain=out.append)
    return out, failed


@pytest.fixture(scope="module")
def bench() -> RecordingInspector:
    return RecordingInspector.load(None, None)


def test_a_line_has_the_keys_of_the_contract_in_their_order(bench: RecordingInspector, tmp_path: Path) -> None:
    file = har(tmp_path, ORDINARY, ANSWER)
    found, complaints, failed = lines(bench, file)
    assert found == [{
        "file": file, "entry": 1, "service": "google-ai-overview", "context": "search", "level": "use",
        "signature": "inline", "embedded": True, "internal": False,
    }]  # fmt: skip
    assert list(found[0]) == KEYS
    assert (complaints, failed) == ([], False)


def test_an_entry_that_matched_nothing_has_no_line_and_its_number_is_not_used_again(
    bench: RecordingInspector, tmp_path: Path
) -> None:
    found, _, _ = lines(bench, har(tmp_path, ORDINARY, NAME, get("https://example.nl/"), INTERNAL, TOKEN))
    assert [(f["entry"], f["service"], f["level"], f["internal"]) for f in found] == [
        (1, "claude", "visit", False),
        (3, "edge-translate", "use", True),
        (4, "edge-translate", "ignore", False),
    ]


@pytest.mark.parametrize("given", ["./a.har", "x/../a.har", ".//a.har"])
def test_the_file_is_named_as_it_was_given(
    bench: RecordingInspector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    har(tmp_path, ANSWER)
    (tmp_path / "x").mkdir()
    monkeypatch.chdir(tmp_path)
    found, _, _ = lines(bench, given)
    assert [line["file"] for line in found] == [given]


def test_a_file_that_cannot_be_read_does_not_stop_the_others(bench: RecordingInspector, tmp_path: Path) -> None:
    good, bad = har(tmp_path, ANSWER), str(tmp_path / "gone.har")
    found, complaints, failed = lines(bench, bad, good)
    assert [line["file"] for line in found] == [good]
    assert len(complaints) == 1
    assert complaints[0].startswith(f"bewust: {bad}: cannot be read")
    assert failed


def test_a_damaged_entry_is_complained_of_and_no_failure(bench: RecordingInspector, tmp_path: Path) -> None:
    file = har(tmp_path, {"request": None}, ANSWER)
    found, complaints, failed = lines(bench, file)
    assert [line["entry"] for line in found] == [1]
    assert complaints[0].startswith(f"bewust: {file}: entry 0 was skipped: ")
    assert not failed


@pytest.mark.parametrize("host", ["www.google.co.uk", "www.google.com.au", "www.google.nl"])
def test_a_recording_may_come_from_any_country(bench: RecordingInspector, tmp_path: Path, host: str) -> None:
    found, _, _ = lines(bench, har(tmp_path, get(f"https://{host}/search?udm=50&q=x")))
    assert [line["service"] for line in found] == ["google-ai-mode"]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        pytest.param(None, ["use", "use", "use"], id="without a policy: full depth"),
        pytest.param("", ["use", "use", "visit"], id="the default policy: stand-alone by name"),
        pytest.param('[service.google-ai-overview]\ndepth = "request"', ["use", "visit"], id="no bodies"),
        pytest.param('[service.google-ai-overview]\ndepth = "name"\n[service.google-ai-mode]\ndepth = "name"',
                     ["visit"], id="names only"),
        pytest.param('[service.chatgpt]\ndepth = "response"', ["use", "use", "use"], id="a stand-alone one opened"),
    ],
)  # fmt: skip
def test_a_policy_sets_how_deep_is_looked(tmp_path: Path, policy: str | None, expected: list[str]) -> None:
    file = None
    if policy is not None:
        file = tmp_path / "mine.toml"
        file.write_text(policy)
    prompt = get("https://chatgpt.com/backend-api/conversation", "POST")
    mode = get("https://www.google.com/search?udm=50&q=x")
    found, _, _ = lines(RecordingInspector.load(None, file), har(tmp_path, ANSWER, mode, prompt))
    assert [line["level"] for line in found] == expected


def test_a_policy_about_an_unknown_service_is_named(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[service.nobody]\nstatus = "contracted"\n')
    with pytest.raises(PolicyError, match=r"mine.toml: service.nobody"):
        RecordingInspector.load(None, file)


def test_an_organisations_folder_counts(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text('internal_hosts = ["intern.example.nl"]\n')
    written = get("https://edge.microsoft.com/translate/translatetext", "POST", Origin="https://a.intern.example.nl")
    found, _, _ = lines(RecordingInspector.load(tmp_path, None), har(tmp_path, written))
    assert [line["internal"] for line in found] == [True]


def test_people_read_a_summary_with_uses_first(bench: RecordingInspector, tmp_path: Path) -> None:
    file = har(tmp_path, TOKEN, NAME, ANSWER, ANSWER, ORDINARY)
    out, failed = text(bench, file)
    assert out == [
        f"{file}: 5 entries",
        "  use     Google AI Overview (2×)",
        "  visit   Claude (1×)",
        "  ignore  Edge page translation (1×)",
        "  no use  edge.microsoft.com (1×): housekeeping of edge-translate (token)",
    ]
    assert not failed


def test_people_read_that_there_was_nothing_or_what_went_wrong(bench: RecordingInspector, tmp_path: Path) -> None:
    file, bad = har(tmp_path, get("https://example.nl/")), har(tmp_path, name="bad.har") + "x"
    out, failed = text(bench, file, bad)
    assert out[:2] == [f"{file}: 1 entry", "  nothing that the catalogue knows"]
    assert len(out) == 3
    assert failed


def test_a_recording_cut_short_still_shows_what_was_read(bench: RecordingInspector, tmp_path: Path) -> None:
    broken = {"request": {"method": "GET"}}
    out, failed = text(bench, har(tmp_path, NAME, broken))
    assert any("entry 1 was skipped" in line for line in out)
    assert "  visit   Claude (1×)" in out
    assert not failed


MARKERS = "id^=folsrch or class~=mZJni or comment^=Sv6Kpe[ or comment^=TgQPHd|["
META = "field=fb_api_req_friendly_name:useAbraSendMessageMutation"


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (ORDINARY, f"www.google.com (1×): google-ai-overview/inline: the response has no {MARKERS}"),
        (
            get("https://www.google.com/search?q=x"),
            f"www.google.com (1×): google-ai-overview/inline: no response body was recorded, to look for {MARKERS}",
        ),
        (
            get("https://www.google.com/search"),
            "www.google.com (1×): google-ai-overview/people-also-ask: no response body was recorded, "
            "to look for jsname=YrZdPb & data-evn^=",
        ),
        (get("https://www.bing.com/copilotsearch"), "www.bing.com (1×): bing-copilot-search/page: "
         "query q: is not there, must be ?*"),
        (get("https://substrate.office.com/m365Copilot/UploadFile"), "substrate.office.com (1×): "
         "m365-copilot/upload: method: is GET, must be POST"),
        (get("https://uniproxy.alice.yandex.net/uni.ws", Upgrade="websocket"), "uniproxy.alice.yandex.net (1×): "
         "yandex-alice/text: no message has key=name:TextInput"),
        (get("https://chat.somebody.ai/v1"), "chat.somebody.ai (1×): not in the catalogue"),
        (get("https://my-gpt.example.nl/"), "my-gpt.example.nl (1×): not in the catalogue"),
    ],
)  # fmt: skip
def test_people_read_why_what_looks_like_ai_did_not_count(
    bench: RecordingInspector, tmp_path: Path, entry: dict[str, Any], reason: str
) -> None:
    out, _ = text(bench, har(tmp_path, entry))
    assert f"  no use  {reason}" in out


def test_the_reason_of_the_nearest_request_speaks_and_a_host_that_counted_has_none(
    bench: RecordingInspector, tmp_path: Path
) -> None:
    far, near = get("https://www.bing.com/maps"), get("https://www.bing.com/copilotsearch")
    out, _ = text(bench, har(tmp_path, far, near, far))
    assert [line for line in out if "no use" in line] == [
        "  no use  www.bing.com (3×): bing-copilot-search/page: query q: is not there, must be ?*"
    ]
    out, _ = text(bench, har(tmp_path, far, get("https://www.bing.com/copilotsearch?q=x")))
    assert not [line for line in out if "no use" in line]


def test_only_the_nearest_hosts_are_listed(bench: RecordingInspector, tmp_path: Path) -> None:
    out, _ = text(bench, har(tmp_path, *[get(f"https://a{n}.example.ai/") for n in range(25)]))
    assert out[-1] == "  no use  5 more hosts"
    assert len(out) == 1 + 1 + 20 + 1


def test_a_request_with_a_body_and_a_socket_are_read_from_a_har(bench: RecordingInspector, tmp_path: Path) -> None:
    prompt = get("https://llm.example.org/v1/chat/completions", "POST")
    prompt["request"]["postData"] = {"mimeType": "application/json", "text": '{"model": "m", "messages": ["hi"]}'}
    form = get("https://graph.meta.ai/graphql", "POST")
    name = {"name": "fb_api_req_friendly_name", "value": "useAbraSendMessageMutation"}
    form["request"]["postData"] = {"mimeType": "application/x-www-form-urlencoded", "params": [name]}
    socket = get("wss://uniproxy.alice.yandex.net/uni.ws")
    socket["_webSocketMessages"] = [{"type": "send", "data": '{"header": {"name": "TextInput"}}'}]
    found, _, _ = lines(bench, har(tmp_path, prompt, form, socket))
    assert [(f["entry"], f["service"], f["level"]) for f in found] == [
        (0, "openai-compatible", "use"), (1, "meta-ai", "use"), (2, "yandex-alice", "use"),
    ]  # fmt: skip


@pytest.mark.parametrize(("body", "uses"), [('<div class="mZJni">', ["google-ai-overview"]), ("<div>", [])])
def test_a_saved_page_and_a_whole_recording_may_be_gzipped(
    bench: RecordingInspector, tmp_path: Path, body: str, uses: list[str]
) -> None:
    (page := tmp_path / "page.html.gz").write_bytes(gzip.compress(body.encode()))
    recorded = Path(har(tmp_path, get("https://www.google.com/search?q=x", text=body)))
    (recording := tmp_path / "b.har.gz").write_bytes(gzip.compress(recorded.read_bytes()))
    for file, url in ((page, "https://www.google.com/search?q=x"), (recording, None)):
        found, complaints, failed = lines(bench, str(file), page=url)
        assert [line["service"] for line in found if line["level"] == "use"] == uses
        assert (complaints, failed) == ([], False)
