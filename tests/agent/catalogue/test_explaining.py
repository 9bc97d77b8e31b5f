"""Why a request is, or is not, a use is said in words: the nearest rule, where it fell, and no text of a person."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from bewust.catalogue.entries import parse_marker
from bewust.catalogue.explaining import (
    Trial,
    alternatives,
    clauses,
    glob_of_regex,
    looks_like_ai,
    nearest,
    reason,
    required_content,
    trials,
)
from bewust.catalogue.expressions import glob
from bewust.catalogue.loading import load
from bewust.catalogue.matching import Matcher, Rule, compile_services
from bewust.detection.requests import observe
from bewust.model import OBSERVED_HEADERS, Content, Depth, Level, Observation, Service, Signature
from support.catalogue_entries import SERVICE, SIGNATURE, WHOLE, one


def compiled(*services: Service) -> Matcher:
    return compile_services(services, lambda service: Depth.RESPONSE)


SHIPPED = compiled(*load())


def tried(text: str, seen: Observation) -> Trial:
    """The only rule of an entry, tried on a request."""
    (trial,) = trials(seen, compiled(one(text)))
    return trial


# Trials.


def test_every_rule_of_the_host_is_tried_whatever_its_level() -> None:
    rules = "".join(
        SIGNATURE.replace('"a"', f'"{level}"').replace('"use"', f'"{level}"') + 'path = "/x"' for level in Level
    )
    found = trials(Observation("a.example", path="/x"), compiled(one(SERVICE + rules)))
    assert {trial.rule.signature.id: trial.fell for trial in found} == {"use": None, "visit": None, "ignore": None}
    assert {trial.fell for trial in trials(Observation("a.example"), compiled(one(SERVICE + rules)))} == {"path"}


@pytest.mark.parametrize("host", ["a.example", "A.Example", "a.example.", "a.example:8443"])
def test_a_host_is_found_as_it_was_written(host: str) -> None:
    assert [trial.fell for trial in trials(Observation(host), compiled(one(WHOLE)))] == [None]


@pytest.mark.parametrize("host", ["", "b.example", "x.a.example", "example"])
def test_a_host_that_is_not_catalogued_has_no_trials(host: str) -> None:
    assert trials(Observation(host), compiled(one(WHOLE))) == []


# Each clause that can fall has its sentence.

FALLS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "path": ('path = "/chat/*"', {"path": "/"}, "path", "path: must be /chat/*"),
    "expression of a path": (r'path_regex = "/(a|b\\.c)"', {"path": "/d"}, "path", "path: must be /(a|b.c)"),
    "method": ('methods = ["post"]', {}, "method", "method: is GET, must be POST"),
    "methods": (
        'methods = ["POST", "PUT"]', {"method": "HEAD"}, "method", "method: is HEAD, must be POST or PUT",
    ),
    "a socket": ("websocket = true", {}, "websocket", "websocket: must be one"),
    "no socket": ("websocket = false", {"websocket": True}, "websocket", "websocket: must be none"),
    "query missing": ('query = { q = "?*" }', {}, "query q", "query q: is not there, must be ?*"),
    "query missing among others": (
        'query = { udm = "50" }', {"query": {"q": ("50",)}}, "query udm", "query udm: is not there, must be 50",
    ),
    "query of another value": (
        'query = { udm = "50" }', {"query": {"udm": ("14", "2")}}, "query udm",
        "query udm: has another value, must be 50",
    ),
    "query that is empty": (
        'query = { q = "?*" }', {"query": {"q": ("",)}}, "query q", "query q: has another value, must be ?*",
    ),
    "query forbidden": ("query = { udm = false }", {"query": {"udm": ("",)}}, "query udm",
                        "query udm: must not be there"),
    "query of two words": (
        'query = { "a b" = "c d" }', {}, "query a b", "query a b: is not there, must be c d",
    ),
    "header missing": ('headers = { Accept = "text/*" }', {}, "header accept", "header accept: must be text/*"),
    "header of another value": (
        'headers = { Origin = "https://*.a.example" }', {"headers": {"origin": "https://b.example"}},
        "header origin", "header origin: must be https://*.a.example",
    ),
    "the first of several": (
        'path = "/x"\nmethods = ["POST"]\nquery = { q = "1" }', {}, "path", "path: must be /x",
    ),
    "the second of two queries": (
        'query = { q = "?*", udm = false }', {"query": {"q": ("x",), "udm": ("2",)}}, "query udm",
        "query udm: must not be there",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("clause", "facts", "fell", "sentence"), FALLS.values(), ids=FALLS)
def test_a_clause_that_fell_is_named_with_what_was_asked(
    clause: str, facts: Mapping[str, Any], fell: str, sentence: str
) -> None:
    seen = Observation("a.example", **facts)
    trial = tried(WHOLE + clause, seen)
    assert (trial.fell, reason(trial, seen)) == (fell, sentence)


@pytest.mark.parametrize(
    ("clause", "sentence"),
    [
        ("", "holds"),
        ('path = "/"', "holds"),
        ('body = { markers = ["key=x"] }', "needs in the request's body key=x"),
        (
            'response = { type = "text/html", markers = ["id=x", "class~=y"] }',
            "needs in a response of text/html id=x or class~=y",
        ),
    ],
)
def test_a_rule_whose_clauses_all_hold_holds_or_says_what_it_waits_for(clause: str, sentence: str) -> None:
    seen = Observation("a.example")
    trial = tried(WHOLE + clause, seen)
    assert (trial.fell, reason(trial, seen)) == (None, sentence)


# The nearest.

NEARER = ["path", "method", "websocket", "query q", "header accept", None]
RULES = """
methods = ["POST"]
path = "/x"
websocket = true
query = { q = "1" }
headers = { accept = "x" }
"""


def test_the_later_a_clause_fell_the_nearer_was_the_rule() -> None:
    facts: dict[str, Any] = {}
    found = []
    for right in ({"path": "/x"}, {"method": "POST"}, {"websocket": True}, {"query": {"q": ("1",)}}, {}):
        found.append(tried(WHOLE + RULES, Observation("a.example", **facts)))
        facts |= right
    found.append(tried(WHOLE + RULES, Observation("a.example", **facts, headers={"accept": "x"})))
    assert [trial.fell for trial in found] == NEARER
    assert all(earlier.match_score < later.match_score for earlier, later in pairwise(found))


def test_a_rule_that_holds_is_nearest_and_the_catalogues_order_decides_among_equals() -> None:
    service = one(WHOLE)
    rules = [
        Rule(service, Signature(name, Level.USE, ("a.example",)))
        for name in ("far", "near", "as near", "other query", "holds", "holds too")
    ]
    found = [
        Trial(rule, fell)
        for rule, fell in zip(rules, ["path", "query q", "query p", "query udm", None, None], strict=True)
    ]
    for first, count in [("far", 1), ("near", 2), ("near", 4), ("holds", 5), ("holds", 6)]:
        best = nearest(found[:count])
        assert best is not None
        assert best.rule.signature.id == first


@pytest.mark.parametrize("level", [Level.VISIT, Level.IGNORE])
def test_only_a_rule_for_a_use_is_the_nearest(level: Level) -> None:
    rule = Rule(one(WHOLE), Signature("x", level, ("a.example",)))
    assert nearest([]) is None
    assert nearest([Trial(rule, None)]) is None


# Requests of the real world, on the shipped catalogue.

REAL: dict[str, tuple[str, str, str, str]] = {
    "the ordinary results of Google": (
        "GET", "https://www.google.com/search?q=x&udm=14", "google-ai-mode/page",
        "query udm: has another value, must be 50",
    ),
    "AI Mode": ("GET", "https://www.google.nl/search?q=x&udm=50", "google-ai-mode/page", "holds"),
    "AI Mode, posted": (
        "POST", "https://www.google.nl/search?q=x&udm=50", "google-ai-mode/page", "method: is POST, must be GET",
    ),
    "a search that may have an overview": (
        "GET", "https://www.google.com/search?q=x", "google-ai-overview/inline",
        "needs in a response of text/html id^=folsrch or class~=mZJni or comment^=Sv6Kpe[ or comment^=TgQPHd|[",
    ),
    "another page of Google": (
        "GET", "https://www.google.com/maps", "google-ai-mode/page", "path: must be /search",
    ),
    "a prompt for Claude": (
        "POST", "https://claude.ai/api/organizations/1/chat_conversations/2/completion", "claude/prompt", "holds",
    ),
    "the same address without a prompt": (
        "GET", "https://claude.ai/api/organizations/1/chat_conversations/2/completion", "claude/prompt",
        "method: is GET, must be POST",
    ),
    "a translation without a client": (
        "POST", "https://translate.googleapis.com/translate_a/t", "chrome-translate/text",
        "query client: is not there, must be ?*",
    ),
    "Copilot without its socket": (
        "GET", "https://copilot.microsoft.com/c/api/chat", "copilot/prompt", "websocket: must be one",
    ),
    "Copilot": ("GET", "wss://copilot.microsoft.com/c/api/chat", "copilot/prompt", "holds"),
}  # fmt: skip


@pytest.mark.parametrize(("method", "url", "rule", "sentence"), REAL.values(), ids=REAL)
def test_the_nearest_rule_for_a_real_request_says_what_was_missing(
    method: str, url: str, rule: str, sentence: str
) -> None:
    seen = observe(method, url)
    best = nearest(trials(seen, SHIPPED))
    assert best is not None
    assert f"{best.rule.service.id}/{best.rule.signature.id}" == rule
    assert reason(best, seen) == sentence


def test_a_host_without_a_rule_for_a_use_has_no_nearest() -> None:
    found = trials(observe("GET", "https://jules.google.com/"), SHIPPED)
    assert [trial.rule.signature.level for trial in found] == [Level.VISIT]
    assert nearest(found) is None


# A text of a person: § is nowhere in the catalogue, so that where it is, a text has leaked.
SECRET = st.text(max_size=40).map(lambda text: f"§{text}§")
HOSTS = ["www.google.com", "www.bing.com", "duckduckgo.com", "claude.ai", "translate.googleapis.com", "chatgpt.com"]
NAMES = st.sampled_from(["q", "udm", "tbm", "client", "asearch", "async", "hl"])


@given(
    host=st.sampled_from(HOSTS),
    path=st.sampled_from(["/", "/search", "/translate_a/t", "/chat", "/async/folsrch"]) | SECRET.map("/{}".format),
    query=st.dictionaries(NAMES | SECRET, st.lists(SECRET, min_size=1, max_size=2).map(tuple)),
    headers=st.dictionaries(st.sampled_from(sorted(OBSERVED_HEADERS)), SECRET),
    method=st.sampled_from(["GET", "POST"]),
)
@example("www.google.com", "/search", {"q": ("§x§",), "udm": ("§14§",)}, {"origin": "§y§"}, "GET")
@example("translate.googleapis.com", "/translate_a/t", {"client": ("§x§",)}, {"referer": "§y§"}, "POST")
def test_no_reason_holds_a_text_of_a_person(
    host: str, path: str, query: dict[str, tuple[str, ...]], headers: dict[str, str], method: str
) -> None:
    found = trials(seen := Observation(host, method, path, query, headers), SHIPPED)
    assert found
    assert not any("§" in reason(trial, seen) for trial in found)


@given(
    values=st.dictionaries(NAMES, st.tuples(SECRET, SECRET)),
    header=st.tuples(SECRET, SECRET),
    accept=st.booleans(),
)
def test_two_requests_that_fall_alike_are_explained_alike(
    values: dict[str, tuple[str, str]], header: tuple[str, str], accept: bool
) -> None:
    asked = {"udm": glob("50"), "q": glob("a*"), "hl": None}
    signature = Signature("a", Level.USE, ("a.example",), query=asked, headers={"accept": "x"})
    rule = Rule(one(WHOLE), signature)
    mine, yours = (
        Observation(
            "a.example",
            query={name: (both[i],) for name, both in values.items()},
            headers={"accept": header[i]} if accept else {},
        )
        for i in (0, 1)
    )
    assert reason(Trial(rule, rule.mismatch_reason(mine)), mine) == reason(
        Trial(rule, rule.mismatch_reason(yours)), yours
    )


# The words.


@pytest.mark.parametrize(
    ("clause", "words"),
    [
        ('body = { markers = ["key=x", "field=y"] }', "in the request's body key=x or field=y"),
        ('frame = { from = "browser", markers = ["key=x"] }', "in a message of the browser key=x"),
        ('frame = { from = "site", markers = ["key=x"] }', "in a message of the site key=x"),
        ('response = { type = "text/html", markers = ["id=x"] }', "in a response of text/html id=x"),
        (
            'response = { type = ["text/html", "application/json"], all = ["id=x", ["id=y", "id=z"]] }',
            "in a response of text/html or application/json id=x and (id=y or id=z)",
        ),
    ],
)
def test_what_a_rule_waits_for_is_said_with_who_sends_it(clause: str, words: str) -> None:
    assert required_content(one(WHOLE + clause).signatures[0]) == words


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ([["id=x"]], "id=x"),
        ([["id=x", "id=y"]], "id=x or id=y"),
        ([["id=x"], ["id=y"]], "id=x and id=y"),
        ([["id=x", "id=y"], ["id=z"]], "(id=x or id=y) and id=z"),
        ([["id=v", "id=w"], ["id=y", "id=z"]], "(id=v or id=w) and (id=y or id=z)"),
        ([["class~=a & data-b^="]], "class~=a & data-b^="),
        ([["comment^=Sv6Kpe[", "key=object:chat"]], "comment^=Sv6Kpe[ or key=object:chat"),
    ],
)
def test_markers_are_a_sentence_without_doubt_what_belongs_together(groups: list[list[str]], words: str) -> None:
    assert alternatives(Content(tuple(tuple(map(parse_marker, group)) for group in groups), 1024)) == words


@pytest.mark.parametrize(
    "written",
    ["/search", "/v1:Execute", "/edgedl/*chrome_component*", "?*", "*", "https://*.a.example/b-c_d", "/$rpc/x.y+(z)",
     "50", "/a.*", "/a.b*?", "?*", "text/*;q=0.9", "a b", "\\", ""],
)  # fmt: skip
def test_a_glob_is_shown_as_it_was_written(written: str) -> None:
    assert glob_of_regex(glob(written)) == written


@given(st.text())
def test_any_glob_without_a_single_character_is_shown_as_it_was_written(written: str) -> None:
    assume("?" not in written and ".*" not in written)
    assert glob_of_regex(glob(written)) == written


@pytest.mark.parametrize(
    ("pattern", "shown"),
    [(r"/(u/\d+)?/x\.y", r"/(u/\d+)?/x.y"), ("/async/.*", "/async/*"), (r"/[^/]+\w", r"/[^/]+\w")],
)
def test_an_expression_is_shown_with_its_classes(pattern: str, shown: str) -> None:
    assert glob_of_regex(pattern) == shown


def test_the_clauses_of_a_rule_are_all_there_in_the_words_of_its_author() -> None:
    text = """
methods = ["get", "post"]
path = "/s*"
query = { q = "?*", udm = false }
headers = { Origin = "https://*" }
websocket = false
response = { type = "text/html", markers = ["id=x"] }
"""
    signature = one((WHOLE + text).replace('["a.example"]', '["a.example", "*.b.example"]')).signatures[0]
    assert list(clauses(signature)) == [
        ("hosts", "a.example, *.b.example"),
        ("method", "GET or POST"),
        ("path", "/s*"),
        ("websocket", "no"),
        ("query q", "?*"),
        ("query udm", "not there"),
        ("header origin", "https://*"),
        ("needs", "in a response of text/html id=x"),
    ]


def test_a_rule_by_name_has_no_clause_but_its_hosts() -> None:
    assert list(clauses(one(WHOLE).signatures[0])) == [("hosts", "a.example")]


@pytest.mark.parametrize("sender", ["browser", "site"])
def test_a_rule_about_messages_is_one_about_a_socket(sender: str) -> None:
    frame = f'frame = {{ from = "{sender}", markers = ["key=x"] }}'
    assert list(clauses(one(WHOLE + frame).signatures[0])) == [
        ("hosts", "a.example"),
        ("websocket", "yes"),
        ("needs", f"in a message of the {sender} key=x"),
    ]


# Names that make a person think of AI.


@pytest.mark.parametrize(
    "host",
    ["chat.example.ai", "ai.example.nl", "my-ai.example.nl", "ai-hub.example.nl", "chatgpt.com", "gpt4.example.nl",
     "openai.azure.com", "x-openai.example.nl", "llm.example.nl", "copilot.example.nl", "gemini.google.com",
     "claude.example.nl", "mistral.example.nl", "chatbot.example.nl", "translate.google.nl", "translator.example.nl"],
)  # fmt: skip
def test_a_name_that_tells_of_ai_or_of_a_translator_is_known_as_such(host: str) -> None:
    assert looks_like_ai(host)


@pytest.mark.parametrize(
    "host",
    ["", "example.nl", "air.example.nl", "mail.example.nl", "aid-agency.example.nl", "ai2.example.nl",
     "claudette.example.nl", "translated.example.nl", "geminis.example.nl", "thai.example.nl", "aida.com"],
)  # fmt: skip
def test_a_name_that_only_holds_the_letters_is_no_such_name(host: str) -> None:
    assert not looks_like_ai(host)
