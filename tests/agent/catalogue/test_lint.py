"""A catalogue that can be read still has findings: each names file, line, entry and remedy, and accuses nobody."""

import itertools
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bewust.catalogue import loading
from bewust.catalogue.entries import CatalogueError, parse_marker
from bewust.catalogue.lint import LintFinding, lint, of_mistake, shadows, unreachable
from bewust.catalogue.loading import parse
from bewust.catalogue.matching import Rule, compile_services
from bewust.config import policy
from bewust.model import Content, Context, Depth, Level, Observation, Service, Signature, WebSocketMatch
from support.catalogue_entries import SERVICE, SIGNATURE

REVIEWED = date(2026, 1, 1)
SOUND = SERVICE.replace("invented", "invented for these tests, and written nowhere else")
OTHER = SOUND.replace('"s"', '"t"')
VISIT = SIGNATURE.replace('"use"', '"visit"')
BASE = Signature("a", Level.USE, ("a.example",))


def found(*texts: str, today: date = REVIEWED) -> list[LintFinding]:
    """What is found in entries, each text in a file of its own: 1.toml, 2.toml and so on."""
    services = [s for number, text in enumerate(texts, 1) for s in parse(text, f"{number}.toml")]
    return lint(services, today)


def content(marker: str, within: int = 1024) -> Content:
    return Content(((parse_marker(marker),),), within)


def changed(**clauses: Any) -> Signature:
    return msgspec.structs.replace(BASE, **clauses)


def test_a_sound_entry_has_no_finding() -> None:
    assert found(SOUND + SIGNATURE, OTHER + VISIT.replace("a.example", "b.example")) == []


FINDINGS: dict[str, tuple[str, int, str, str]] = {
    "alias that is its own id": (
        SOUND + 'aliases = ["x", "s"]' + SIGNATURE, 2, "service 's'", "alias 's' is a service's id",
    ),
    "thin evidence": (SERVICE + SIGNATURE, 2, "service 's'", "evidence 'invented' names no source"),
    "path of a glob without a slash": (
        SOUND + SIGNATURE + 'path = "search*"', 10, "service 's', signature 'a'",
        "can never hold: a path begins with a slash",
    ),
    "socket that is posted": (
        SOUND + SIGNATURE + 'methods = ["POST"]\nwebsocket = true', 10, "service 's', signature 'a'",
        "can never hold: the upgrade of a WebSocket is a GET",
    ),
    "message of a socket that is posted": (
        SOUND + SIGNATURE + 'methods = ["POST"]\nframe = { from = "site", markers = ["key=x"] }', 10,
        "service 's', signature 'a'", "can never hold: the upgrade of a WebSocket is a GET",
    ),
    "body of a GET": (
        SOUND + SIGNATURE + 'methods = ["get"]\nbody = { markers = ["key=x"] }', 10, "service 's', signature 'a'",
        "can never hold: a GET sends no body",
    ),
    "expression too large": (
        SOUND + SIGNATURE + 'path_regex = "/((a{100}){100})"', 10, "service 's', signature 'a'",
        "path_regex invalid repetition size: {100}",
    ),
    "the same twice": (
        SOUND + SIGNATURE + SIGNATURE.replace('"a"', '"b"'), 15, "service 's', signature 'b'",
        "never speaks: signature 'a' holds wherever it does",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line", "entry", "problem"), FINDINGS.values(), ids=FINDINGS)
def test_a_finding_names_file_line_entry_problem_and_remedy(text: str, line: int, entry: str, problem: str) -> None:
    (finding,) = found(text)
    assert (finding.file, finding.line, finding.entry, finding.problem) == ("1.toml", line, entry, problem)
    assert finding.remedy.endswith(".")
    assert str(finding) == f"1.toml:{line}: {entry}: {problem}. {finding.remedy}"


def test_an_alias_may_not_be_the_id_of_another_service_but_may_be_shared() -> None:
    other = OTHER + 'aliases = ["s", "shared"]' + VISIT.replace("a.example", "b.example")
    (finding,) = found(SOUND + 'aliases = ["shared"]' + SIGNATURE, other)
    assert (finding.file, finding.line, finding.entry) == ("2.toml", 2, "service 't'")
    assert finding.problem == "alias 's' is a service's id"


@pytest.mark.parametrize(("length", "thin"), [(1, True), (29, True), (30, False), (200, False)])
def test_evidence_is_thin_below_thirty_characters(length: int, thin: bool) -> None:
    findings = found(SERVICE.replace("invented", "x" * length) + SIGNATURE)
    assert [finding.problem for finding in findings] == [f"evidence '{'x' * length}' names no source"] * thin


# Age.


@pytest.mark.parametrize(
    ("days", "problem"),
    [
        (-400, "is reviewed in the future, on 2026-01-01"),
        (-1, "is reviewed in the future, on 2026-01-01"),
        (0, None),
        (365, None),
        (366, "was last reviewed 366 days ago, on 2026-01-01"),
        (4000, "was last reviewed 4000 days ago, on 2026-01-01"),
    ],
)
def test_a_rule_is_checked_again_within_a_year_and_never_tomorrow(days: int, problem: str | None) -> None:
    findings = found(SOUND + SIGNATURE, today=REVIEWED + timedelta(days))
    assert [(f.line, f.entry, f.problem) for f in findings] == (
        [(10, "service 's', signature 'a'", problem)] if problem else []
    )


def test_each_rule_has_the_age_of_its_own_review() -> None:
    fresh = SIGNATURE.replace('"a"', '"b"').replace("a.example", "b.example") + "reviewed = 2027-06-01\n"
    (finding,) = found(SOUND + SIGNATURE + fresh, today=date(2027, 6, 1))
    assert finding.entry == "service 's', signature 'a'"


# What can never hold.

MARKED = content("key=x")
UNREACHABLE: dict[str, tuple[dict[str, Any], str]] = {
    "path without a slash": ({"path": "search"}, "a path begins with a slash"),
    "path of one letter": ({"path": "x.*"}, "a path begins with a slash"),
    "socket that is posted": ({"websocket": True, "methods": ("POST", "PUT")}, "the upgrade of a WebSocket is a GET"),
    "body of a GET": ({"body": MARKED, "methods": ("GET",)}, "a GET sends no body"),
    "body of a HEAD": ({"body": MARKED, "methods": ("HEAD",)}, "a GET sends no body"),
    "body of both": ({"body": MARKED, "methods": ("HEAD", "GET")}, "a GET sends no body"),
    "answer to a HEAD": ({"response": MARKED, "methods": ("HEAD",)}, "the answer to a HEAD has no body"),
    "unknown method": ({"methods": ("BREW",)}, "BREW is no method that browsers send"),
    "method of proxies": ({"methods": ("CONNECT",)}, "CONNECT is no method that browsers send"),
    "address": ({"hosts": ("192.0.2.1",)}, "only names are routed, and these are addresses"),
}


@pytest.mark.parametrize(("clauses", "why"), UNREACHABLE.values(), ids=UNREACHABLE)
def test_what_no_browser_sends_can_never_hold(clauses: Mapping[str, Any], why: str) -> None:
    assert unreachable(changed(**clauses)) == why


REACHABLE: dict[str, dict[str, Any]] = {
    "no clause": {},
    "path": {"path": "/search"},
    "any path": {"path": ".*"},
    "path of any first character": {"path": ".search"},
    "group": {"path": "(/u/[0-9])?/x"},
    "class": {"path": "[/]x"},
    "escaped slash": {"path": r"\/x"},
    "alternatives": {"path": "x|/y"},
    "socket of any method": {"websocket": True},
    "socket that is got": {"websocket": True, "methods": ("GET", "POST")},
    "no socket that is posted": {"websocket": False, "methods": ("POST",)},
    "body of any method": {"body": MARKED},
    "body of a POST": {"body": MARKED, "methods": ("POST",)},
    "body of GET or POST": {"body": MARKED, "methods": ("GET", "POST")},
    "answer to GET or HEAD": {"response": MARKED, "methods": ("GET", "HEAD")},
    "every method": {"methods": ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")},
    "name of digits": {"hosts": ("1.2.3.4.example", "*.5.example", "192.0.2.256")},
}


@pytest.mark.parametrize("clauses", REACHABLE.values(), ids=REACHABLE)
def test_what_a_browser_may_send_is_left_alone(clauses: Mapping[str, Any]) -> None:
    assert unreachable(changed(**clauses)) == ""


@pytest.mark.parametrize(
    "clauses", [{"path": "^/x"}, {"methods": ("POST", "TRACE")}, {"hosts": ("h.example", "10.0.0.1")}], ids=str
)
def test_what_can_hold_in_one_of_its_ways_is_left_alone(clauses: Mapping[str, Any]) -> None:
    assert unreachable(changed(**clauses)) == ""


# What never speaks.

# Clauses of one rule, of another, whether the first shadows the second, and the second the first.
SHADOWS: dict[str, tuple[dict[str, Any], dict[str, Any], bool, bool]] = {
    "the same": ({}, {}, True, True),
    "more hosts": ({"hosts": ("b.example", "a.example")}, {}, True, False),
    "the same hosts in another order": (
        {"hosts": ("b.example", "a.example")},
        {"hosts": ("a.example", "b.example")},
        True,
        True,
    ),
    "other host": ({"hosts": ("b.example",)}, {}, False, False),
    "some common host": ({"hosts": ("a.example", "b.example")}, {"hosts": ("b.example", "c.example")}, False, False),
    "host below a pattern": ({"hosts": ("*.a.example",)}, {"hosts": ("b.a.example",)}, False, False),
    "any host and one, which is routed for it": ({"hosts": ("*",)}, {"hosts": ("b.a.example",)}, False, False),
    "pattern below a pattern": ({"hosts": ("*.a.example",)}, {"hosts": ("*.b.a.example",)}, False, False),
    "the same pattern": ({"hosts": ("*.a.example",)}, {"hosts": ("*.a.example",)}, True, True),
    "pattern and its own name": ({"hosts": ("*.a.example",)}, {"hosts": ("a.example",)}, False, False),
    "pattern and what only ends like it": ({"hosts": ("*.a.example",)}, {"hosts": ("ba.example",)}, False, False),
    "a host beside the pattern": (
        {"hosts": ("*.a.example",)},
        {"hosts": ("b.a.example", "b.example")},
        False,
        False,
    ),
    "any method": ({}, {"methods": ("POST",)}, True, False),
    "more methods": ({"methods": ("GET", "POST")}, {"methods": ("POST",)}, True, False),
    "the same methods": ({"methods": ("GET", "POST")}, {"methods": ("POST", "GET")}, True, True),
    "other method": ({"methods": ("GET",)}, {"methods": ("POST",)}, False, False),
    "some common method": ({"methods": ("GET", "POST")}, {"methods": ("POST", "PUT")}, False, False),
    "any path": ({}, {"path": "/x"}, True, False),
    "the same path": ({"path": "/x"}, {"path": "/x"}, True, True),
    "other path": ({"path": "/x"}, {"path": "/y"}, False, False),
    "wider path, written another way": ({"path": "/.*"}, {"path": "/x"}, False, False),
    "socket or not": ({}, {"websocket": True}, True, False),
    "socket and none": ({"websocket": True}, {"websocket": False}, False, False),
    "both no socket": ({"websocket": False}, {"websocket": False}, True, True),
    "any query": ({}, {"query": {"q": "x"}}, True, False),
    "fewer queries": ({"query": {"q": "x"}}, {"query": {"q": "x", "udm": None}}, True, False),
    "the same query": ({"query": {"q": "x", "p": None}}, {"query": {"p": None, "q": "x"}}, True, True),
    "other value": ({"query": {"q": "x"}}, {"query": {"q": "y"}}, False, False),
    "other name": ({"query": {"q": "x"}}, {"query": {"p": "x"}}, False, False),
    "there and not there": ({"query": {"q": "x"}}, {"query": {"q": None}}, False, False),
    "not there, and no word of it": ({"query": {"q": None}}, {}, False, True),
    "any header": ({}, {"headers": {"accept": "x"}}, True, False),
    "fewer headers": ({"headers": {"accept": "x"}}, {"headers": {"origin": "y", "accept": "x"}}, True, False),
    "other header": ({"headers": {"accept": "x"}}, {"headers": {"accept": "y"}}, False, False),
    "each one header": ({"headers": {"accept": "x"}}, {"headers": {"origin": "x"}}, False, False),
    "any body": ({}, {"body": content("key=x")}, True, False),
    "the same body": ({"body": content("key=x")}, {"body": content("key=x")}, True, True),
    "other body": ({"body": content("key=x")}, {"body": content("key=y")}, False, False),
    "body read further": ({"body": content("key=x", 2048)}, {"body": content("key=x")}, False, False),
    "any response": ({}, {"response": content("id=x")}, True, False),
    "the same response": ({"response": content("id=x")}, {"response": content("id=x")}, True, True),
    "other response": ({"response": content("id=x")}, {"response": content("id=y")}, False, False),
    "any frame": ({}, {"frame": WebSocketMatch(True, MARKED)}, True, False),
    "the same frame": ({"frame": WebSocketMatch(True, MARKED)}, {"frame": WebSocketMatch(True, MARKED)}, True, True),
    "frame of the other side": (
        {"frame": WebSocketMatch(True, MARKED)},
        {"frame": WebSocketMatch(False, MARKED)},
        False,
        False,
    ),
    "body and response": ({"body": MARKED}, {"response": MARKED}, False, False),
    "body and frame": ({"body": MARKED}, {"frame": WebSocketMatch(True, MARKED)}, False, False),
    "each wider in one clause": ({"path": "/x"}, {"methods": ("GET",)}, False, False),
    "wider in every clause": (
        {"methods": ("GET", "POST"), "query": {"q": "x"}},
        {
            "methods": ("GET",),
            "path": "/x",
            "query": {"q": "x", "p": "y"},
            "headers": {"accept": "x"},
            "websocket": False,
            "response": MARKED,
        },
        True,
        False,
    ),
}


@pytest.mark.parametrize(("one", "other", "forward", "backward"), SHADOWS.values(), ids=SHADOWS)
def test_a_rule_shadows_another_where_each_of_its_clauses_is_absent_or_the_same(
    one: Mapping[str, Any], other: Mapping[str, Any], forward: bool, backward: bool
) -> None:
    first, second = changed(**one), changed(**other)
    assert (shadows(first, second), shadows(second, first)) == (forward, backward)


@pytest.mark.parametrize(
    ("weaker", "stronger"),
    [(Level.VISIT, Level.USE), (Level.IGNORE, Level.USE), (Level.IGNORE, Level.VISIT)],
)
@pytest.mark.parametrize("clauses", [{}, {"path": "/x"}, {"methods": ("GET",), "query": {"q": "x"}}], ids=str)
def test_a_weaker_level_never_shadows_a_stronger_one(
    weaker: Level, stronger: Level, clauses: Mapping[str, Any]
) -> None:
    assert not shadows(changed(level=weaker), changed(level=stronger, **clauses))
    assert not shadows(changed(level=weaker, **clauses), changed(level=stronger, **clauses))


def test_a_stronger_level_never_shadows_a_weaker_one_which_speaks_where_a_browser_fetches_ahead() -> None:
    for stronger, weaker in ((Level.USE, Level.VISIT), (Level.USE, Level.IGNORE), (Level.VISIT, Level.IGNORE)):
        assert not shadows(changed(level=stronger), changed(level=weaker, path="/t"))


def test_a_visit_by_name_never_shadows_a_visit_that_housekeeping_does_not_silence() -> None:
    name, page = changed(level=Level.VISIT), changed(level=Level.VISIT, path="/t")
    assert not shadows(name, page)
    assert shadows(name, changed(level=Level.VISIT))
    assert shadows(page, changed(level=Level.VISIT, path="/t", methods=("GET",)))


def test_only_a_rule_of_the_same_service_is_said_to_shadow() -> None:
    assert found(SOUND + SIGNATURE, OTHER + SIGNATURE) == []


def test_a_rule_is_accused_once_though_several_shadow_it() -> None:
    text = SOUND + "".join(SIGNATURE.replace('"a"', f'"{name}"') for name in "abc")
    assert [(f.line, f.entry[-3:], f.problem[:29]) for f in found(text)] == [
        (15, "'b'", "never speaks: signature 'a' h"),
        (20, "'c'", "never speaks: signature 'a' h"),
    ]


HOSTS = ("a.example", "b.a.example", "c.b.a.example", "*.a.example", "*.b.a.example")
NAMES = ("a.example", "b.a.example", "c.b.a.example", "d.a.example")
CLAUSES: Mapping[str, st.SearchStrategy[Any]] = {
    "hosts": st.lists(st.sampled_from(HOSTS), min_size=1, max_size=3, unique=True).map(tuple),
    "methods": st.lists(st.sampled_from(["GET", "POST"]), max_size=2, unique=True).map(tuple),
    "path": st.sampled_from([None, "/", "/x", "/.*", "/(x|y)"]),
    "query": st.dictionaries(st.sampled_from(["q", "p"]), st.sampled_from([None, "1", ".*", "..*"])),
    "headers": st.dictionaries(st.sampled_from(["accept", "origin"]), st.sampled_from(["1", ".*"])),
    "websocket": st.sampled_from([None, True, False]),
    "level": st.sampled_from(Level),
}
QUERIES: list[Mapping[str, tuple[str, ...]]] = [{}, {"q": ("1",)}, {"p": ("",)}, {"q": ("2", "1"), "p": ("2",)}]
HEADERS: list[Mapping[str, str]] = [{}, {"accept": "1"}, {"accept": "2", "origin": "1"}]
# Everything that these clauses can tell apart.
SEEN = [
    Observation(host, method, path, query, headers, websocket)
    for host, method, path, query, headers, websocket in itertools.product(
        NAMES, ("GET", "POST"), ("/", "/x", "/y"), QUERIES, HEADERS, (False, True)
    )
]


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Signature, Signature]:
    """Two rules that mostly differ in a few clauses, as those that shadow each other do."""
    second = {name: draw(values) for name, values in CLAUSES.items()}
    first = dict(second)
    for name in draw(st.sets(st.sampled_from(sorted(CLAUSES)), max_size=3)):
        first[name] = draw(CLAUSES[name])
    return Signature(id="first", **first), Signature(id="second", **second)


@given(pairs())
def test_what_shadows_another_rule_accepts_every_request_that_the_other_accepts(
    pair: tuple[Signature, Signature],
) -> None:
    first, second = pair
    assume(shadows(first, second))
    service = Service("s", "S", "V", Context.CHAT, False, 60, "invented", "2026-01-01", pair)
    wide, narrow = Rule(service, first), Rule(service, second)
    matcher = compile_services([service], lambda service: Depth.RESPONSE)
    for seen in SEEN:
        assert wide.accepts(seen) or not narrow.accepts(seen)
        names = {rule.signature.id for rule in matcher.accepted(seen)}  # here the hosts count too
        assert "first" in names or "second" not in names


# Two services known by one name.


def visit(host: str, **others: str) -> str:
    """A signature for a visit by name; `others` replace what it says."""
    text = VISIT.replace("a.example", host)
    for old, new in others.items():
        text = text.replace(f'"{old}"', new)
    return text


def test_one_name_is_a_visit_of_one_service() -> None:
    (finding,) = found(SOUND + visit("a.example"), OTHER + visit('b.example", "a.example'))
    assert (finding.file, finding.line, finding.entry) == ("2.toml", 10, "service 't', signature 'a'")
    assert finding.problem == "host a.example is a visit of service 's' too"


@pytest.mark.parametrize("order", [1, -1], ids=["host first", "pattern first"])
def test_a_name_below_a_pattern_of_another_service_is_found_whichever_comes_first(order: int) -> None:
    texts = [SOUND + visit("c.b.a.example"), OTHER + visit("*.a.example")][::order]
    (finding,) = found(*texts)
    assert (finding.entry, finding.line) == ("service 's', signature 'a'", 10)
    assert finding.problem == "host c.b.a.example lies below *.a.example of service 't', so a visit counts for both"


def test_a_pattern_below_a_pattern_of_another_service_is_found() -> None:
    (finding,) = found(SOUND + visit("*.b.a.example"), OTHER + visit("*.a.example"))
    assert finding.problem.startswith("host *.b.a.example lies below *.a.example of service 't'")


def test_of_three_services_with_one_name_the_second_and_the_third_are_found() -> None:
    third = SOUND.replace('"s"', '"u"')
    findings = found(SOUND + visit("a.example"), OTHER + visit("a.example"), third + visit("a.example"))
    assert [f.entry[:11] for f in findings] == ["service 't'", "service 'u'"]
    assert all(f.problem == "host a.example is a visit of service 's' too" for f in findings)


@pytest.mark.parametrize(
    "other",
    [
        visit("b.example"),
        visit("*.a.example"),  # the names below it, not itself
        visit("xa.example"),
        visit("a.example") + 'path = "/x"',
        visit("a.example", visit='"use"'),
        visit("a.example", visit='"ignore"'),
    ],
    ids=["other name", "names below", "longer name", "with a path", "use", "ignore"],
)
def test_what_is_no_second_visit_by_name_is_left_alone(other: str) -> None:
    assert found(SOUND + visit("a.example"), OTHER + other) == []


def test_one_service_may_know_a_name_and_the_names_below() -> None:
    text = SOUND + visit("a.example") + visit("*.a.example", a='"b"') + visit("b.a.example", a='"c"')
    assert [f.problem for f in found(text) if "visit" in f.problem] == []


# All of them together.


@pytest.mark.parametrize(("names", "findings"), [(0, 0), (150, 0), (151, 1), (400, 1)])
def test_an_authority_holds_a_hundred_and_fifty_names(names: int, findings: int) -> None:
    result = lint(parse(SOUND + SIGNATURE, "v.toml"), REVIEWED, [f"{n}.example" for n in range(names)])
    assert [(f.file, f.line) for f in result] == [("policy.toml", 0)] * findings
    assert all(f.problem.startswith(f"{names} names would be decrypted, more than the 150") for f in result)


def test_findings_are_in_the_order_of_files_and_lines() -> None:
    last = parse(SERVICE + SIGNATURE + SIGNATURE.replace('"a"', '"b"'), "z.toml")
    first = parse(SOUND.replace('"s"', '"t"') + SIGNATURE + 'path = "x"', "b.toml")
    ours = parse(SERVICE.replace('"s"', '"u"') + 'aliases = ["s"]' + SIGNATURE + 'path = "x"', "a.toml")
    findings = lint([*last, *first, *ours], REVIEWED + timedelta(400), ["x.example"] * 151)
    assert [(f.file, f.line) for f in findings] == [
        ("a.toml", 2), ("a.toml", 2), ("a.toml", 10), ("a.toml", 10), ("b.toml", 10), ("b.toml", 10),
        ("policy.toml", 0), ("z.toml", 2), ("z.toml", 10), ("z.toml", 15), ("z.toml", 15),
    ]  # fmt: skip
    assert findings == sorted(findings)


def test_the_shipped_catalogue_has_no_finding_on_the_day_of_its_last_review() -> None:
    services = loading.load()
    newest = max(date.fromisoformat(s.reviewed) for service in services for s in service.signatures)
    decrypted = policy.load().compiled(services).decrypted_hosts()
    assert lint(services, newest, decrypted) == []


def test_a_mistake_becomes_a_finding_as_it_is() -> None:
    mistake = CatalogueError("v.toml", "service 's'", "has no evidence", "Say in a sentence.", 7)
    finding = of_mistake(mistake)
    assert finding == LintFinding("v.toml", 7, "service 's'", "has no evidence", "Say in a sentence.")
    assert str(finding) == "v.toml:7: service 's': has no evidence. Say in a sentence."
    assert of_mistake(CatalogueError("v.toml", "file", "is not TOML", "Mend it.")).line == 0
