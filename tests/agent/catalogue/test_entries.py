"""One entry of the catalogue is a service, or one error that names the file, the entry and the remedy."""

import pytest

from bewust.catalogue.entries import CatalogueError, parse_marker
from bewust.catalogue.expressions import glob
from bewust.catalogue.loading import parse
from bewust.model import BodyMarker, Confidence, Context, Depth
from support.catalogue_entries import SERVICE, SIGNATURE, WHOLE, one


def test_an_entry_becomes_a_service_with_all_its_facts() -> None:
    service = one(
        SERVICE
        + """
embedded = true
gap = "90s"
aliases = ["old-name"]
  [[service.signature]]
  id = "inline"
  level = "use"
  hosts = ["a.example", "*.b.example", "a.example"]
  methods = ["get"]
  path = "/s*?.x"
  query = { q = "?*", udm = false }
  headers = { Origin = "https://*" }
  websocket = false
  response = { type = "Text/HTML", markers = ["class~=x", "comment^=A b[", "key=answer"], within = "64 KiB" }
"""
    )
    assert (service.context, service.embedded, service.gap, service.reviewed) == (
        Context.SEARCH,
        True,
        90,
        "2026-01-01",
    )
    assert service.aliases == ("old-name",)
    (signature,) = service.signatures
    assert signature.hosts == ("a.example", "*.b.example")
    assert signature.methods == ("GET",)
    assert signature.path == r"/s.*.\.x"
    assert signature.query == {"q": "..*", "udm": None}
    assert signature.headers == {"origin": "https://.*"}
    assert signature.websocket is False
    assert signature.response is not None
    assert signature.response.types == ("text/html",)
    assert signature.response.within == 65_536
    assert [str(marker) for marker in signature.response.groups[0]] == ["class~=x", "comment^=A b[", "key=answer"]
    assert (signature.file, signature.line) == ("v.toml", 13)


@pytest.mark.parametrize(
    ("context", "gap"), [("search", 10), ("translation", 60), ("chat", 1800), ("office", 1800), ("api", 1800)]
)
def test_the_gap_follows_the_context_where_none_is_given(context: str, gap: float) -> None:
    text = WHOLE.replace('"search"', f'"{context}"')
    assert one(text.replace("[[service]]", "[[service]]\nembedded = true")).gap == gap
    assert one(text).gap == 1800


def test_country_stands_for_each_country_of_the_policy() -> None:
    text = WHOLE.replace('"a.example"', '"www.google.{country}", "*.x.{country}", "y.example"')
    hosts = one(text, countries=("nl", "co.uk")).signatures[0].hosts
    assert hosts == ("www.google.nl", "www.google.co.uk", "*.x.nl", "*.x.co.uk", "y.example")


# Every mistake is one error.

MISTAKES = {
    "no TOML": ("[[service]", "file", "is not TOML"),
    "a number without end": ("x = " + "9" * 5000, "file", "is not TOML"),
    "an impossible date": (WHOLE.replace("2026-01-01", "2026-02-30"), "file", "is not TOML"),
    "nested without end": ("x = " + "[" * 5000, "file", "is not TOML"),
    "something else at the top": ("title = 1\n" + WHOLE, "title", "is not a list of services"),
    "services as a table": ("[service]\nid = 's'", "service", "is not a list of services"),
    "services as numbers": ("service = [1]", "service", "is not a list of services"),
    "no id": (WHOLE.replace('id = "s"', ""), "service None", "has no usable id"),
    "id with a capital": (WHOLE.replace('"s"', '"S s"'), "service 'S s'", "has no usable id"),
    "id that is a number": (WHOLE.replace('"s"', "1"), "service 1", "has no usable id"),
    "the same id twice": (WHOLE + WHOLE, "service 's'", "is there twice"),
    "no vendor": (WHOLE.replace('vendor = "V"', ""), "service 's'", "missing required field `vendor`"),
    "unknown key": (WHOLE.replace("name =", "nmae ="), "service 's'", "unknown field `nmae`"),
    "unknown context": (WHOLE.replace('"search"', '"sport"'), "service 's'", "Invalid enum value 'sport'"),
    "reviewed as text": (WHOLE.replace("2026-01-01", '"yesterday"'), "service 's'", "$.reviewed"),
    "no evidence": (WHOLE.replace("invented", "  "), "service 's'", "has no evidence"),
    "no signature": (SERVICE + "signature = []", "service 's'", "has no signature"),
    "signature twice": (WHOLE + SIGNATURE, "service 's'", "one id twice"),
    "signature as a table": (SERVICE + "[service.signature]\nid = 'a'", "service 's'", "signature without an id"),
    "signature as a number": (SERVICE + "signature = [1]", "service 's'", "signature without an id"),
    "signature whose id is a list": (SERVICE + "signature = [{id = []}]", "service 's'", "signature without an id"),
    "gap in words": (SERVICE + 'gap = "soon"' + SIGNATURE, "service 's'", "gap 'soon' is no duration"),
    "gap of nothing": (SERVICE + 'gap = "0s"' + SIGNATURE, "service 's'", "gap '0s' is no duration"),
    "gap without end": (SERVICE + f'gap = "{"9" * 400}s"' + SIGNATURE, "service 's'", "is no duration"),
    "unknown level": (WHOLE.replace('"use"', '"seen"'), "service 's'", "Invalid enum value 'seen'"),
    "no host": (WHOLE.replace('"a.example"', ""), "signature 'a' (line 10)", "names no host"),
    "host with a capital": (WHOLE.replace("a.ex", "A.ex"), "signature 'a' (line 10)", "not a normalised host name"),
    "host with a path": (WHOLE.replace("a.example", "a.example/x"), "signature 'a' (line 10)", "not a normalised"),
    "host of one label": (WHOLE.replace("a.example", "*.com"), "signature 'a' (line 10)", "not a normalised"),
    "star inside a host": (WHOLE.replace("a.example", "a.*.example"), "signature 'a' (line 10)", "not a normalised"),
    "host with a port": (WHOLE.replace("a.example", "a.example:443"), "signature 'a' (line 10)", "not a normalised"),
    "path twice": (WHOLE + "path = '/x'\npath_regex = '/x'", "signature 'a' (line 10)", "has path and path_regex"),
    "path_regex broken": (WHOLE + "path_regex = '('", "signature 'a' (line 10)", "path_regex missing )"),
    "path_regex that looks ahead": (WHOLE + "path_regex = '/(?!chat).*'", "signature 'a' (line 10)", "goes back"),
    "path_regex too large": (WHOLE + "path_regex = 'a{99999999999}'", "signature 'a' (line 10)", "path_regex"),
    "path_regex too deep": (WHOLE + f"path_regex = '{'(' * 9000}'", "signature 'a' (line 10)", "path_regex"),
    "query is true": (WHOLE + "query = { q = true }", "signature 'a' (line 10)", "query q = true"),
    "marker as a substring": (
        WHOLE + "response = { type = 'text/html', markers = ['mZJni'] }", "signature 'a'", "marker 'mZJni' is none",
    ),
    "no markers": (
        WHOLE + "response = { type = 'text/html', markers = [] }", "signature 'a'", "needs markers and a limit",
    ),
    "limit without unit": (
        WHOLE + "response = { type = 'x', markers = ['id=x'], within = '9' }", "signature 'a'", "a limit",
    ),
    "limit of nothing": (
        WHOLE + "response = { type = 'x', markers = ['id=x'], within = '0 KiB' }", "signature 'a'", "a limit",
    ),
    "limit too high": (
        WHOLE + "response = { type = 'x', markers = ['id=x'], within = '17 MiB' }", "signature 'a'", "reads 17 MiB",
    ),
    "limit without end": (
        WHOLE + f"response = {{ type = 'x', markers = ['id=x'], within = '{'9' * 5000}KiB' }}", "signature 'a'", "",
    ),
    "response of any type": (
        WHOLE + "response = { markers = ['id=x'] }", "signature 'a'", "reads a response of any type",
    ),
    "body and response": (
        WHOLE + "body = { markers = ['field=x'] }\nresponse = { type = 'x', markers = ['id=x'] }",
        "signature 'a'", "more than one of body, frame and response",
    ),
    "markup in a request": (WHOLE + "body = { all = ['field=x', ['id=y']] }", "signature 'a'", "asks for markup"),
    "an empty group": (WHOLE + "body = { all = ['field=x', []] }", "signature 'a'", "needs markers and a limit"),
    "frame from nobody": (WHOLE + "frame = { from = 'x', markers = ['key=x'] }", "service 's'", "Invalid enum value"),
    "header with a secret": (WHOLE + "headers = { Cookie = '*' }", "signature 'a'", "header 'Cookie' is not one"),
    "any host without a body": (
        WHOLE.replace("a.example", "*") + "path = '/v1/messages'", "signature 'a'", "without reading a body",
    ),
    "response of a visit": (
        WHOLE.replace('"use"', '"visit"') + "response = { type = 'x', markers = ['id=x'] }",
        "signature 'a' (line 10)", "reads a body without being a use",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "entry", "problem"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_error_with_file_entry_problem_and_remedy(text: str, entry: str, problem: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        parse(text, "v.toml")
    error = caught.value
    assert error.file == "v.toml"
    assert entry in error.entry
    assert problem in error.problem
    message = str(error)
    assert message.startswith("v.toml: ")
    remedy = message.rpartition(f"{error.problem}. ")[2]
    assert remedy.endswith(".")
    assert len(remedy) > 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("class~=mZJni", BodyMarker("class", "~=", "mZJni")),
        ("Data-X^=a b", BodyMarker("data-x", "^=", "a b")),
        ("id=x=y", BodyMarker("id", "=", "x=y")),
        ("comment^=TgQPHd|[", BodyMarker("comment", "^=", "TgQPHd|[")),
        ("key=answer", BodyMarker("key", "=", "answer")),
        ("field=event:send", BodyMarker("field", "=", "event:send")),
        ("event=done", BodyMarker("event", "=", "done")),
        ("data-evn^=", BodyMarker("data-evn", "^=", "")),
        ("id=x & class~=y", BodyMarker("id", "=", "x", (BodyMarker("class", "~=", "y"),))),
    ],
)
def test_a_marker_is_a_place_a_test_and_a_value(text: str, expected: BodyMarker) -> None:
    assert parse_marker(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "=x",
        "class~=",
        "class~=a b",
        "class*=a",
        "comment=x",
        "comment~=x",
        "key^=x",
        "id=é",
        "1x=y",
        "id=",
        "comment^=",
        "event^=x",
        "key=",
        "id=x & ",
        "id=x & key=y",
        "key=x & id=y",
        "id=" + "x" * 64,
    ],
)
def test_what_is_no_marker_is_refused(text: str) -> None:
    with pytest.raises(CatalogueError):
        parse_marker(text)


# Hosts, globs, durations.


def test_a_glob_means_nothing_but_its_stars_and_question_marks() -> None:
    assert glob("/a.b+*?[x]") == r"/a\.b\+.*.\[x\]"


def test_hosts_of_the_service_are_those_of_each_signature_that_names_none() -> None:
    text = (
        SERVICE
        + 'hosts = ["x.example", "y.example"]'
        + SIGNATURE
        + SIGNATURE.replace('"a"', '"b"').replace('hosts = ["a.example"]', "")
    )
    assert [signature.hosts for signature in one(text).signatures] == [("a.example",), ("x.example", "y.example")]


def test_confidence_and_review_are_the_services_unless_a_signature_has_its_own() -> None:
    text = (
        SERVICE
        + 'confidence = "high"'
        + SIGNATURE
        + SIGNATURE.replace('"a"', '"b"')
        + ('confidence = "medium"\nreviewed = 2026-02-02\n')
    )
    assert [(s.confidence, s.reviewed) for s in one(text).signatures] == [
        (Confidence.HIGH, "2026-01-01"), (Confidence.MEDIUM, "2026-02-02"),
    ]  # fmt: skip
    assert one(WHOLE).signatures[0].confidence is Confidence.LOW


def test_body_frame_and_response_are_read_as_groups_of_alternatives() -> None:
    text = (
        SERVICE
        + SIGNATURE
        + 'body = { all = ["field=model", ["field=messages", "field=prompt"]] }'
        + (
            SIGNATURE.replace('"a"', '"b"')
            + 'frame = { from = "browser", markers = ["key=a", "key=b"], within = "1 KiB" }'
        )
    )
    body, frame = one(text).signatures
    assert body.body is not None and frame.frame is not None
    assert [[str(m) for m in group] for group in body.body.groups] == [
        ["field=model"],
        ["field=messages", "field=prompt"],
    ]
    assert [[str(m) for m in group] for group in frame.frame.content.groups] == [["key=a", "key=b"]]
    assert (frame.frame.sent, frame.frame.content.within, frame.websocket) == (True, 1024, True)
    assert (body.depth, frame.depth, body.needs_response) == (Depth.REQUEST, Depth.REQUEST, True)


def test_a_rule_for_any_host_needs_a_body() -> None:
    text = SERVICE + SIGNATURE.replace("a.example", "*") + 'path = "/x"\nbody = { all = ["field=model"] }'
    assert one(text).signatures[0].hosts == ("*",)
