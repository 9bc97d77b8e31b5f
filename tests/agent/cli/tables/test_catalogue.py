"""What the catalogue's keeper reads is complete in a terminal of 80 columns, and nothing in it is taken for markup."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from rich.console import Console
from rich.table import Table

from bewust.catalogue.loading import load, parse
from bewust.cli.tables.catalogue import as_builtins, explanation, explanation_table, list_table, service_table
from bewust.config import policy
from bewust.config.policy import Decision, Policy
from bewust.detection.requests import observe
from bewust.model import Status
from support.catalogue_entries import SERVICE, SIGNATURE, WHOLE, one

RULES = policy.load()
SHIPPED = load()
MARKUP = "[bold]/[red]x[/red].toml"


def drawn(table: Table) -> list[str]:
    """The lines of a table in a narrow terminal; that none is too long or cut is checked for every one."""
    file = io.StringIO()
    Console(width=80, file=file).print(table)
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    return [line.rstrip() for line in lines]


def squeezed(text: str) -> str:
    return "".join(text.split())


def whole(lines: Sequence[str], *texts: str) -> bool:
    """Whether texts are there in full, wherever their lines were broken."""
    return all(squeezed(text) in squeezed("".join(lines)) for text in texts)


# The list.


def test_the_shipped_list_fits_into_a_terminal() -> None:
    lines = drawn(list_table(SHIPPED, RULES))
    assert lines[1].split() == ["id", "name", "context", "depth", "reviewed"]
    assert sum(service.reviewed in line for line in lines for service in SHIPPED[:1]) == len(SHIPPED)
    signatures = sum(len(service.signatures) for service in SHIPPED)
    assert f"{len(SHIPPED)} services, {signatures} signatures; * embedded in something else" in lines[-1]


def test_a_row_tells_context_depth_and_review_and_marks_what_is_embedded() -> None:
    other = one(WHOLE.replace('"s"', '"t"').replace('"S"', '"T"'))
    services = [msgspec.structs.replace(one(WHOLE), embedded=True), other]
    lines = drawn(list_table(services, Policy(service={"t": Decision(depth="request")})))
    assert [line.split() for line in lines if "2026-01-01" in line] == [
        ["s", "S", "search*", "response", "2026-01-01"],
        ["t", "T", "search", "request", "2026-01-01"],
    ]


def test_long_ids_and_names_are_folded_and_not_cut() -> None:
    name = "Many words " * 10 + "and-one-without-a-space" * 4
    service = one(WHOLE.replace('"s"', f'"{"x" * 63}"').replace('"S"', f'"{name}"'))
    header, *lines = drawn(list_table([service], RULES))[1:]
    start, end = header.index("name"), header.index("context")
    rows = lines[1 : [*map(str.strip, lines), ""].index("", 1)]
    assert squeezed("".join(line[:start] for line in rows)) == "x" * 63
    assert squeezed("".join(line[start:end] for line in rows)) == squeezed(name)


def test_brackets_in_ids_names_and_files_are_no_markup() -> None:
    service = one(WHOLE.replace('"S"', '"[red]S[/red] [/x]"'))
    assert any("[red]S[/red] [/x]" in line for line in drawn(list_table([service], RULES)))


# One service.


def test_every_shipped_service_is_shown_whole() -> None:
    for service in SHIPPED:
        lines = drawn(service_table(service, RULES))
        assert whole(lines, f"{service.name} ({service.id})", service.vendor, service.evidence, *service.aliases)
        for signature in service.signatures:
            assert whole(lines, signature.id, ", ".join(signature.hosts), f"line {signature.line}")


def test_a_service_is_shown_with_its_facts_and_each_rule_with_what_it_asks() -> None:
    text = SIGNATURE.replace('"use"', '"visit"') + SIGNATURE.replace('"a"', '"b"') + 'path = "/x*"\nquery = {q = "1"}\n'
    service = one(SERVICE + 'aliases = ["x", "y"]\nembedded = true\ngap = "90s"' + text + 'confidence = "high"')
    lines = drawn(service_table(service, RULES))
    assert [line.split(maxsplit=1) for line in lines if line] == [
        ["service", "S (s)"],
        ["vendor", "V"],
        ["context", "search, embedded in something else"],
        ["status", "unknown"],
        ["depth", "response (policy)"],
        ["one", "use    signs less than 90 seconds apart"],
        ["evidence", "invented"],
        ["aliases", "x, y"],
        ["written", "v.toml:2"],
        ["signature", "a (visit, confidence low, reviewed 2026-01-01, line 12)"],
        ["hosts", "a.example"],
        ["signature", "b (use, confidence high, reviewed 2026-01-01, line 17)"],
        ["hosts", "a.example"],
        ["path", "/x*"],
        ["query", "q  1"],
    ]


def test_a_service_without_aliases_says_so_and_the_policy_decides_its_status_and_depth() -> None:
    lines = drawn(service_table(one(WHOLE), Policy()))
    assert "aliases    none" in lines
    assert "depth      name (policy)" in lines
    contracted = Policy(service={"s": Decision(Status.CONTRACTED, depth="request")})
    lines = drawn(service_table(one(WHOLE), contracted))
    assert "status     contracted" in lines
    assert "depth      request (policy)" in lines


def test_brackets_in_a_service_are_no_markup() -> None:
    text = (
        (
            WHOLE
            + r"""
path_regex = "/[a-z]+/[/b]"
query = { q = "[red]" }
response = { type = "text/html", markers = ["comment^=Sv6Kpe[", "id=[bold]", "id=[/bold]"] }
"""
        )
        .replace('"V"', '"[V]"')
        .replace("invented", "[i]invented[/i] :smile:")
    )
    (service,) = parse(text, MARKUP)
    lines = drawn(service_table(service, RULES))
    assert whole(lines, "[V]", "[i]invented[/i] :smile:", f"{MARKUP}:2", "/[a-z]+/[/b]", "[red]")
    assert whole(lines, "comment^=Sv6Kpe[ or id=[bold] or id=[/bold]")


# For scripts.


def test_every_shipped_service_can_be_written_as_json() -> None:
    for service in SHIPPED:
        values = as_builtins(service, RULES)
        assert json.loads(json.dumps(values)) == values
        assert (values["id"], values["file"], values["line"]) == (service.id, service.file, service.line)
        assert [signature["id"] for signature in values["signatures"]] == [s.id for s in service.signatures]
        assert [signature["hosts"] for signature in values["signatures"]] == [list(s.hosts) for s in service.signatures]


def test_a_service_for_scripts_has_every_fact() -> None:
    service = one(WHOLE + 'methods = ["POST"]\npath = "/x"\nbody = { markers = ["key=x"] }')
    assert as_builtins(service, RULES) == {
        "id": "s", "name": "S", "vendor": "V", "context": "search", "embedded": False, "gap": 1800.0,
        "evidence": "invented", "reviewed": "2026-01-01", "aliases": [], "depth": "name", "file": "v.toml",
        "line": 2, "status": "unknown",
        "signatures": [
            {
                "id": "a", "level": "use", "hosts": ["a.example"], "depth": "request", "confidence": "low",
                "asks": {"method": "POST", "path": "/x", "needs": "in the request's body key=x"},
                "reviewed": "2026-01-01", "line": 10,
            },
        ],
    }  # fmt: skip


# An explanation.


def explained(
    url: str, method: str = "GET", headers: Mapping[str, str] | None = None, rules: Policy = RULES
) -> dict[str, Any]:
    """The explanation of a request on the shipped catalogue: it must fit a terminal and JSON."""
    found = explanation(observe(method, url, (headers or {}).items()), SHIPPED, rules)
    assert json.loads(json.dumps(found)) == found
    lines = drawn(explanation_table(found))
    assert whole(lines, f"{found['host']}: {found['where']}", found["for_a_use"], *found["waits_for"])
    for trial in found["tried"]:
        assert whole(lines, f"{trial['signature']} ({trial['file']}:{trial['line']})", trial["reason"])
    return found


def named(found: Mapping[str, Any]) -> list[str]:
    return [trial["signature"] for trial in found["tried"]]


def test_a_host_that_is_not_catalogued_goes_its_own_way() -> None:
    found = explained("https://www.example.nl/x?q=y")
    assert found == {
        "host": "www.example.nl", "depth": None, "verdict": None, "internal": False, "waits_for": [],
        "where": "not in the catalogue: the browser goes there directly, unseen", "visit_of": [], "tried": [],
        "for_a_use": "a service with this host in the catalogue",
    }  # fmt: skip
    assert [line[:9].strip() for line in drawn(explanation_table(found)) if line[:9].strip()] == ["host", "for a use"]


def test_a_host_by_name_is_a_visit_and_says_what_the_policy_would_have_to_allow() -> None:
    found = explained("https://claude.ai/")
    assert (found["depth"], found["verdict"], found["visit_of"]) == ("name", None, ["claude"])
    assert found["where"] == "known by name: passed through undecrypted"
    assert found["for_a_use"].startswith("claude/prompt: policy service.claude.depth at least request; path: must be /")
    (prompt,) = (trial for trial in found["tried"] if trial["signature"] == "claude/prompt")
    assert prompt["reason"].endswith(" (not tried: the policy looks no deeper than name)")
    (name,) = (trial for trial in found["tried"] if trial["signature"] == "claude/name")
    assert (name["level"], name["fell"], name["reason"]) == ("visit", None, "holds")
    lines = drawn(explanation_table(found))
    assert "by name    a visit of claude, once the connection has carried 8 KiB back" in lines
    assert not any(line.startswith("verdict") for line in lines)


def test_a_policy_that_looks_deeper_is_no_longer_named_as_the_obstacle() -> None:
    deeper = Policy(service={"claude": Decision(depth="request")})
    url = "https://claude.ai/api/organizations/1/chat_conversations/2/completion"
    found = explained(url, "POST", rules=deeper)
    assert (found["depth"], found["verdict"]) == ("request", "use: claude/prompt")
    assert found["for_a_use"] == "claude/prompt: nothing more, it is one"
    ours = [trial["reason"] for trial in found["tried"] if trial["signature"].startswith("claude/")]
    assert len(ours) > 1
    assert not any("not tried" in reason for reason in ours)
    assert explained(url, rules=deeper)["for_a_use"] == "claude/prompt: method: is GET, must be POST"
    assert explained(url, "POST")["for_a_use"] == "claude/prompt: policy service.claude.depth at least request"


def test_housekeeping_is_ignored() -> None:
    found = explained("https://www.google.com/async/hpba?x=y")
    assert (found["depth"], found["verdict"]) == ("response", "ignore: google-ai-mode/preload")
    assert found["tried"][0]["reason"] == "holds"
    assert "verdict    ignore: google-ai-mode/preload" in drawn(explanation_table(found))


def test_a_use_is_one_and_needs_nothing_more() -> None:
    found = explained("https://www.google.nl/search?q=x&udm=50")
    assert (found["depth"], found["verdict"], found["internal"]) == ("response", "use: google-ai-mode/page", False)
    assert found["for_a_use"] == "google-ai-mode/page: nothing more, it is one"
    assert found["waits_for"] == []
    assert named(found)[0] == "google-ai-mode/page"
    assert "verdict    use: google-ai-mode/page" in drawn(explanation_table(found))


def test_a_page_that_may_hold_an_answer_waits_for_its_response() -> None:
    found = explained("https://www.google.com/search?q=x")
    assert found["verdict"] is None
    assert [waiting.partition(": ")[0] for waiting in found["waits_for"]] == [
        "google-ai-overview/inline",
        "google-ai-overview/people-also-ask",
    ]
    assert all(": in a response of text/html " in waiting for waiting in found["waits_for"])
    assert found["for_a_use"] == found["waits_for"][0]
    lines = drawn(explanation_table(found))
    assert "verdict    none from the request alone" in lines
    assert sum(line.startswith("waits for") for line in lines) == 2


def test_the_nearest_rules_come_first() -> None:
    found = explained("https://www.google.com/search?q=x&udm=14")
    fell = [trial["fell"] for trial in found["tried"]]
    assert fell == sorted(fell, key=lambda clause: -["path", "query"].index(clause.partition(" ")[0]))
    assert {"path", "query udm"} <= set(fell)
    assert found["for_a_use"] == "google-ai-mode/page: query udm: has another value, must be 50"


@pytest.mark.parametrize(
    ("headers", "internal"),
    [
        ({"origin": "http://intranet/"}, True),
        ({"referer": "http://10.0.0.1/x"}, True),
        ({"origin": "https://www.example.nl"}, False),
        ({}, False),
    ],
    ids=["name of one label", "private address", "public", "none"],
)
def test_a_translation_of_an_internal_page_is_said_to_be_internal(headers: Mapping[str, str], internal: bool) -> None:
    found = explained("https://translate-pa.googleapis.com/v1/translateHtml", "POST", headers)
    assert (found["verdict"], found["internal"]) == ("use: chrome-translate/html", internal)
    line = "verdict    use: chrome-translate/html" + (" (internal)" if internal else "")
    assert line in drawn(explanation_table(found))


def test_the_hosts_of_the_organisation_are_internal_too() -> None:
    ours = Policy(internal_hosts=("*.rijk.example",))
    url, headers = "https://translate-pa.googleapis.com/v1/translateHtml", {"origin": "https://x.rijk.example"}
    assert explained(url, "POST", headers, ours)["internal"]
    assert not explained(url, "POST", headers)["internal"]


def test_a_host_that_is_inspected_waits_for_what_any_host_may_send() -> None:
    ours = Policy(inspected_hosts=("llm.example",), service={"openai-compatible": Decision(depth="request")})
    found = explained("https://llm.example/v1/chat/completions", "POST", rules=ours)
    assert (found["depth"], found["verdict"]) == ("request", None)
    assert [waiting.partition(": ")[0] for waiting in found["waits_for"]] == ["openai-compatible/prompt"]
    assert {"openai-compatible/prompt", "openai-compatible/stream"} <= set(named(found))


def test_a_host_without_a_rule_for_a_use_says_so() -> None:
    assert explained("https://jules.google.com/")["for_a_use"] == "no rule for a use is known on this host"


@pytest.mark.parametrize("host", ["claude.ai", "www.google.com", "translate.googleapis.com", "www.bing.com"])
def test_a_long_request_is_explained_in_a_narrow_terminal(host: str) -> None:
    assert explained(f"https://{host}/{'x' * 500}?q={'y' * 500}&{'z' * 300}=1", "PROPFIND" * 20)["tried"]


def test_brackets_in_what_is_explained_are_no_markup() -> None:
    text = (
        WHOLE
        + r"""
path_regex = "/[a-z]*"
response = { type = "text/html", markers = ["comment^=Sv6Kpe[", "id=[bold]", "id=[/bold]"] }
"""
    )
    services = parse(text.replace('id = "a"', 'id = "[red]a[/red]"'), MARKUP)
    deep = Policy(service={"s": Decision(depth="response")})
    for path in ("", "[/x]"):
        found = explanation(observe("GET", f"https://a.example/{path}"), services, deep)
        lines = drawn(explanation_table(found))
        assert whole(lines, f"s/[red]a[/red] ({MARKUP}:10)")
        assert whole(lines, "in a response of text/html comment^=Sv6Kpe[ or id=[bold] or id=[/bold]")
    assert whole(lines, "path: must be /[a-z]*")


def test_brackets_and_length_in_the_name_of_a_query_are_no_markup_and_cut_nothing() -> None:
    long = "n" * 90
    text = WHOLE + f'query = {{ "filters[type]" = "x", "[/x]" = "y", "{long}" = "z" }}'
    lines = drawn(service_table(one(text), RULES))
    assert whole(lines, "query filters[type]", "query [/x]", "a.example")
    # The two columns fold side by side, so the long name is there in pieces.
    assert sum(line[:32].count("n") for line in lines) >= len(long)


def test_what_is_fetched_ahead_never_is_a_use() -> None:
    found = explained("https://www.google.com/search?q=x&udm=50", headers={"sec-purpose": "prefetch"})
    assert (found["verdict"], found["for_a_use"]) == (None, "what a browser fetches ahead of its user never is one")


def test_a_host_of_nothing_but_housekeeping_says_so_and_shows_the_rule() -> None:
    found = explained("https://edgedl.me.gvt1.com/edgedl/x")
    assert found["where"] == "nothing here counts under this policy: the browser goes there directly, unseen"
    assert found["for_a_use"] == "no rule for a use is known on this host"
    assert named(found)[0] == "chrome-on-device/download"


def test_plain_http_goes_its_own_way_whatever_the_host() -> None:
    found = explanation(observe("GET", "http://claude.ai/x"), SHIPPED, RULES, routed=False)
    assert found["where"] == "the browser goes there directly, unseen: only https and wss are routed"
    assert (found["depth"], found["visit_of"]) == (None, [])


def test_a_service_is_visited_once_by_several_of_its_rules() -> None:
    below = SIGNATURE.replace('"a"', '"b"').replace("a.example", "*.a.example")
    exact = SIGNATURE.replace("a.example", "b.a.example")
    service = one((SERVICE + exact + below).replace('"use"', '"visit"'))
    assert explanation(observe("GET", "https://b.a.example/"), [service], RULES)["visit_of"] == ["s"]
