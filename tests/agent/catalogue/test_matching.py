"""A host finds its plan on label boundaries; a request satisfies a rule when every clause holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bewust.catalogue.loading import parse
from bewust.catalogue.matching import Matcher, compile_services
from bewust.model import Depth, Level, Observation, Service

CATALOGUE = """
[[service]]
id = "chat"
name = "Chat"
vendor = "V"
context = "chat"
evidence = "invented"
reviewed = 2026-01-01
  [[service.signature]]
  id = "name"
  level = "visit"
  hosts = ["openai.com", "*.goog.example"]
  [[service.signature]]
  id = "prompt"
  level = "use"
  hosts = ["openai.com"]
  methods = ["post"]
  path = "/v?/chat*"
  [[service.signature]]
  id = "housekeeping"
  level = "ignore"
  hosts = ["openai.com", "telemetry.example"]
  path = "/t"

[[service]]
id = "search"
name = "Search"
vendor = "V"
context = "search"
embedded = true
evidence = "invented"
reviewed = 2026-01-01
  [[service.signature]]
  id = "mode"
  level = "use"
  hosts = ["search.example"]
  path = "/search"
  query = { udm = "50", q = "?*", tbm = false }
  headers = { Accept = "text/*" }
  [[service.signature]]
  id = "socket"
  level = "use"
  hosts = ["search.example"]
  path_regex = "/(ws|socket)"
  websocket = true
  [[service.signature]]
  id = "inline"
  level = "use"
  hosts = ["search.example", "deep.goog.example"]
  path = "/search"
  response = { type = "text/html", markers = ["id=x"] }
  [[service.signature]]
  id = "below"
  level = "use"
  hosts = ["*.b.goog.example"]
  query = { x = "*" }
"""
SERVICES = parse(CATALOGUE, "v.toml")


def compiled(depth: Depth = Depth.RESPONSE) -> Matcher:
    return compile_services(SERVICES, lambda service: depth)


MATCHER = compiled()


def accepted(host: str, **facts: object) -> set[str]:
    return {rule.signature.id for rule in MATCHER.accepted(Observation(host, **facts))}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "host",
    ["openai.com", "OPENAI.com", "openai.com.", "openai.com:443", "openai.com.:443", "ｏｐｅｎａｉ.com", "openai。com"],
)
def test_a_host_is_found_however_it_is_written(host: str) -> None:
    assert MATCHER.find(host) is MATCHER.host_rules("openai.com")
    assert MATCHER.find(host) is not None


@pytest.mark.parametrize(
    "host",
    [
        "notopenai.com", "openai.com.evil.example", "openai.co", "com", "", ".", "openai.com..", "xopenai.com",
        "openai-com", "openai.com@evil.example", "openai.com/", "openai.com\0", "opénai.com", "\ud800",
        "goog.example", "x.goog.example.evil", "xgoog.example", ".goog.example", "a..goog.example", "www.openai.com",
    ],
)  # fmt: skip
def test_a_look_alike_is_not_found(host: str) -> None:
    assert MATCHER.find(host) is None


@given(st.from_regex(r"[a-z0-9-]{1,12}", fullmatch=True))
def test_label_boundaries_hold(text: str) -> None:
    assert MATCHER.find(text + "openai.com") is None
    assert MATCHER.find(f"openai.com.{text}.example") is None
    assert MATCHER.find("x" + text + "goog.example") is None
    assert MATCHER.find(f"{text}.openai.com") is None


@given(st.text())
def test_any_text_as_host_gives_a_verdict(text: str) -> None:
    MATCHER.accepted(Observation(text))
    assert MATCHER.find(text + ".evil.example") is None


@pytest.mark.parametrize("host", ["a.goog.example", "a.a.goog.example"])
def test_names_below_are_found_at_any_depth(host: str) -> None:
    assert accepted(host) == {"name"}


def test_the_longest_name_below_wins_and_keeps_the_rules_of_the_shorter() -> None:
    assert accepted("a.b.goog.example", query={"x": ("",)}) == {"name", "below"}
    assert accepted("b.goog.example", query={"x": ("",)}) == {"name"}


def test_an_exact_name_keeps_the_rules_of_names_below() -> None:
    assert accepted("deep.goog.example", path="/search") == {"name", "inline"}


SEARCH = {"path": "/search", "query": {"udm": ("50",), "q": ("x",)}, "headers": {"accept": "TEXT/html"}}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, {"mode", "inline"}),
        ({"path": "/search/"}, set()),
        ({"path": "/Search"}, set()),
        ({"path": "/search\n"}, set()),
        ({"query": {"udm": ("50",)}}, {"inline"}),
        ({"query": {"udm": ("50",), "q": ("",)}}, {"inline"}),
        ({"query": {"udm": ("14",), "q": ("udm=50",)}}, {"inline"}),
        ({"query": {"udm": ("500",), "q": ("x",)}}, {"inline"}),
        ({"query": {"udm": ("14", "50"), "q": ("x",)}}, {"mode", "inline"}),
        ({"query": {"udm": ("50",), "q": ("a\nb",)}}, {"mode", "inline"}),
        ({"query": {"udm": ("50",), "q": ("x",), "tbm": ("",)}}, {"inline"}),
        ({"headers": {}}, {"inline"}),
        ({"headers": {"accept": "image/png"}}, {"inline"}),
        ({"path": "/ws"}, set()),
        ({"path": "/ws", "websocket": True}, {"socket"}),
        ({"path": "/socket", "websocket": True}, {"socket"}),
        ({"path": "/wsx", "websocket": True}, set()),
    ],
    ids=lambda part: str(sorted(part) if isinstance(part, set) else part),
)
def test_every_clause_must_hold(change: dict[str, object], expected: set[str]) -> None:
    assert accepted("search.example", **(SEARCH | change)) == expected


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/v1/chat/completions", {"name", "prompt"}),
        ("GET", "/v1/chat", {"name"}),
        ("POST", "/v10/chat", {"name"}),
        ("POST", "/x/v1/chat", {"name"}),
        ("GET", "/t", {"name", "housekeeping"}),
    ],
)
def test_methods_and_globs(method: str, path: str, expected: set[str]) -> None:
    assert accepted("openai.com", method=method, path=path) == expected


def test_a_host_with_nothing_but_housekeeping_is_left_alone() -> None:
    assert MATCHER.find("telemetry.example") is None
    assert "telemetry.example" not in MATCHER.hosts(*Depth)


@pytest.mark.parametrize(
    ("allowed", "depth", "hosts"),
    [
        (Depth.NAME, Depth.NAME, ("*.goog.example", "openai.com")),
        (Depth.NAME, Depth.REQUEST, ()),
        (Depth.REQUEST, Depth.NAME, ("*.goog.example",)),
        (Depth.REQUEST, Depth.REQUEST, ("*.b.goog.example", "openai.com", "search.example")),
        (Depth.REQUEST, Depth.RESPONSE, ()),
        (Depth.RESPONSE, Depth.NAME, ("*.goog.example",)),
        (Depth.RESPONSE, Depth.REQUEST, ("*.b.goog.example", "openai.com")),
        (Depth.RESPONSE, Depth.RESPONSE, ("deep.goog.example", "search.example")),
    ],
)
def test_a_host_is_looked_into_no_deeper_than_allowed_and_needed(
    allowed: Depth, depth: Depth, hosts: tuple[str, ...]
) -> None:
    assert compiled(allowed).hosts(depth) == hosts


def test_depth_is_a_matter_of_each_service() -> None:
    def depth_of(service: Service) -> Depth:
        return Depth.RESPONSE if service.embedded else Depth.NAME

    matcher = compile_services(SERVICES, depth_of)
    assert matcher.hosts(Depth.NAME) == ("*.goog.example", "openai.com")
    assert matcher.hosts(Depth.RESPONSE) == ("deep.goog.example", "search.example")
    plan = matcher.host_rules("openai.com")
    assert plan is not None
    assert [rule.signature.id for rule in plan.visits + plan.rules] == ["name"]


def test_visits_are_apart_from_what_needs_decryption() -> None:
    plan = MATCHER.host_rules("openai.com")
    assert plan is not None
    assert [rule.signature.level for rule in plan.visits] == [Level.VISIT]
    assert [rule.signature.id for rule in plan.rules] == ["prompt", "housekeeping"]
