"""What people read is complete, and nothing in it is taken for markup."""

from typing import Any

from rich.console import Console
from rich.table import Table

from bewust.cli.tables.agent import policy_table, stats_table, status_table
from bewust.config.review import DEFAULT, PolicyValue
from bewust.model import Kind

STATUS: dict[str, Any] = {
    "version": "0.1.0", "pid": 12, "port": 8787, "since": "2026-11-23T12:00:00+01:00", "inspector": "running",
    "inspector_starts": 1, "tunnelled": ["chatgpt.com"], "decrypted": ["*.translate.goog", "www.google.nl"],
    "demoted": {"www.bing.com": "its client refused"}, "refusals": 2, "connections": {"tunnelled": 3, "decrypted": 2},
    "authority_until": "2028-11-23", "authority_fingerprint": "ab" * 32, "uncovered": [], "today": "2026-11-25",
    "silent": {"brave-answer": 212}, "reviews": {"2026-11-23": ["bing/inline", "google/lazy"]}, "toasts_shown": 1,
    "catalogue": "shipped with version 0.1.0",
    "toasts_failed": 2, "failures": {"visit: KeyError": 4}, "problems": [],
}  # fmt: skip


def drawn(table: Table, width: int = 100) -> list[str]:
    console = Console(width=width, file=None, record=True, quiet=False, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    return [line.rstrip() for line in capture.get().splitlines()]


def test_the_status_tells_all_that_a_person_asks() -> None:
    lines = drawn(status_table(STATUS))
    assert lines[0].split(maxsplit=1) == ["running", "version 0.1.0, process 12, since 2026-11-23T12:00:00+01:00"]
    for words in (
        "inspector       running (started 1×)",
        "decrypted       *.translate.goog",
        "                www.google.nl",
        "by name only    1 names; see: bewust catalogue hosts --depth name",
        "may be stale    brave-answer: no use in 212 opportunities this period. Check its signatures.",
        "reviewed        2026-11-23, 2 days ago: bing/inline, google/lazy",
        "refused us      www.bing.com (its client refused)",
        "never seen      everything else",
        "connections     3 tunnelled, 2 decrypted",
        "toasts          1 shown, 2 failed",
        "our own errors  visit: KeyError (4×)",
    ):
        assert words in lines


def test_problems_come_first_and_are_shown_as_they_are_written() -> None:
    lines = drawn(status_table(STATUS | {"problems": ["[/tmp] is full :smile: [bold]x", "second"]}))
    assert lines[:2] == ["problem         [/tmp] is full :smile: [bold]x", "problem         second"]


def test_that_it_is_stopped_comes_before_anything_else() -> None:
    paused = drawn(status_table(STATUS | {"stopped": "paused", "resumes": "2026-11-23T14:05:00+01:00"}))
    assert paused[0].startswith("stopped") and "until 2026-11-23T14:05:00+01:00" in paused[0]
    assert "by an administrator" in drawn(status_table(STATUS | {"stopped": "off", "resumes": ""}))[0]


def test_where_there_is_nothing_it_says_none() -> None:
    empty: dict[str, Any] = {
        "tunnelled": [],
        "decrypted": [],
        "demoted": {},
        "refusals": 0,
        "connections": {},
        "failures": {},
    }
    lines = drawn(status_table(STATUS | empty))
    for label in ("decrypted", "refused us", "connections", "our own errors"):
        assert f"{label:<14}  none" in lines


def test_the_counters_are_a_row_a_service_and_a_column_a_kind() -> None:
    rows = [
        {"period": "2026-P12", "service": "google-ai-overview", "kind": "use", "n": 3},
        {"period": "2026-P12", "service": "google-ai-overview", "kind": "reminded", "n": 1},
        {"period": "2026-P12", "service": "chatgpt", "kind": "visit", "n": 1_000_000},
        {"period": "2026-P11", "service": "duckduckgo-search-assist", "kind": "seen", "n": 7},
        {"period": "2026-P11", "service": "duckduckgo-search-assist", "kind": "use", "n": 0},
    ]
    lines = drawn(stats_table(rows), width=36 + sum(len(kind) + 2 for kind in Kind))  # 80, with six kinds
    header = next(line for line in lines if "period" in line)
    assert header.split() == ["period", "service", *Kind]
    ends = {kind: header.index(kind) + len(kind) for kind in Kind}
    cells = [
        (
            *line.split()[:2],
            {kind: line[:end].split()[-1] for kind, end in ends.items() if line[end - 1 : end].isdigit()},
        )
        for line in lines
        if "2026-" in line
    ]
    assert cells == [
        ("2026-P11", "duckduckgo-search-assist", {"seen": "7"}),
        ("2026-P12", "chatgpt", {"visit": "1000000"}),
        ("2026-P12", "google-ai-overview", {"use": "3", "reminded": "1"}),
    ]
    assert "Everything Bewust has counted" in lines[0]


def test_no_counts_are_said_to_be_none() -> None:
    assert any("Nothing has been counted yet" in line for line in drawn(stats_table([])))


def test_a_policy_is_shown_key_by_key_and_nothing_in_it_is_taken_for_markup() -> None:
    values = [
        PolicyValue("fill.tip", "[red]web\x9b", "/etc/bewust/policy.d/[1].toml"),
        PolicyValue("countries", ["nl"], DEFAULT),
    ]
    told = drawn(policy_table(values, with_origin=True))
    assert told[1].split() == ["key", "value", "origin"]
    assert told[3].split() == ["fill.tip", '"[red]web\N{REPLACEMENT CHARACTER}"', "/etc/bewust/policy.d/[1].toml"]
    assert drawn(policy_table(values, with_origin=False))[4].split() == ["countries", '["nl"]']
