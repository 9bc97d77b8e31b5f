"""Every cell of the store is on the page, and a report says in words exactly what its bytes say."""

from collections import Counter
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bewust.model import Kind
from bewust.page import kept
from bewust.page.shown import Login
from bewust.statistics import formats
from bewust.statistics.counters import Key, SuppressionKey
from bewust.statistics.formats import LocalReport, Shared, SplitReport
from support.pages import SINCE, Fake, busy, view


def facts(agent: Fake, language: str = "nl") -> dict[str, Any]:
    return dict(kept.facts(view(agent, language)))


def period(agent: Fake) -> dict[str, Any]:
    (found,) = facts(agent)["periods"]
    return dict(found)


def row(counted: Kind, n: int) -> list[int]:
    return [n if kind is counted else 0 for kind in Kind]


def test_every_cell_is_shown_those_with_something_first(tmp_path: Path) -> None:
    agent = Fake(tmp_path)
    agent.use("google-ai-overview", times=42)
    agent.use("chatgpt", Kind.VISIT, 17)
    found = period(agent)
    assert found["rows"] == [("ChatGPT", row(Kind.VISIT, 17)), ("Google Zoeken", row(Kind.USE, 42))]
    cells = len(agent.counts())
    assert found["cells"] == cells == found["zeros"] + 2 * len(Kind)
    assert len(found["empty"]) == cells // len(Kind) - 2
    assert found["period"].startswith("periode 12 van 2026 (") and found["over"] == "29 november 2026"


def test_why_reminders_were_held(tmp_path: Path) -> None:
    agent = Fake(tmp_path)
    agent.store.add(
        [
            SuppressionKey(agent.period, "gap"),
            SuppressionKey(agent.period, "gap"),
            SuppressionKey(agent.period, "back-off"),
        ]
    )
    assert sorted(period(agent)["held"]) == [
        ("er was kort geleden al een over deze dienst", 1), ("er was net een herinnering", 2),
    ]  # fmt: skip


def test_the_chart_parts_unavoidable_from_chosen(tmp_path: Path) -> None:
    agent = Fake(tmp_path)
    assert period(agent)["chart"] == [("embedded", 0, 0), ("chosen", 0, 0)]
    agent.use("google-ai-overview", times=30)
    agent.use("google-ai-overview", Kind.SEEN, 500)  # only looked at, so no use
    agent.use("edge-translate", times=10)
    agent.use("chatgpt", Kind.VISIT, 10)
    assert period(agent)["chart"] == [("embedded", 40, 100), ("chosen", 10, 25)]


@pytest.mark.parametrize("person", [None, Login(1)])
def test_whoever_is_not_alone_gets_nothing_and_nothing_is_drawn(tmp_path: Path, person: Login | None) -> None:
    agent = Fake(tmp_path)
    busy(agent)
    agent.person = person
    agent.draft = lambda: pytest.fail("a report was drawn")  # type: ignore[method-assign]
    assert set(facts(agent)) == {"kinds"}


def test_the_next_report_is_shown_to_the_byte_and_in_words(tmp_path: Path) -> None:
    agent = Fake(tmp_path)
    busy(agent)
    found, draft = facts(agent)["draft"], agent.draft()
    assert isinstance(draft, LocalReport) and found["line"] == formats.encode(draft)
    said = {question: (reads, turned) for question, reads, turned in found["answers"]}
    assert said["Is er AI gebruikt?"] == ("ja" if draft.blocks["any"].bits == "1" else "nee", 38)
    names = said["Welke diensten?"][0]
    for service, bit in zip(draft.services, draft.blocks["service"].bits, strict=False):
        if bit == "1":
            assert view(agent).name(service) in names
    assert ("een andere dienst" in names) == draft.blocks["service"].bits.endswith("1")


def test_a_report_that_says_no_to_all_says_so(tmp_path: Path) -> None:
    agent = Fake(tmp_path)
    draft = agent.draft()
    assert isinstance(draft, LocalReport)
    blocks = {
        name: msgspec.structs.replace(made, bits="0" * len(made.bits)) for name, made in draft.blocks.items()
    }  # fmt: skip
    agent.draft = lambda: msgspec.structs.replace(draft, blocks=blocks)  # type: ignore[method-assign]
    assert [reads for _, reads, _ in facts(agent)["draft"]["answers"]] == ["nee", "geen", "nee", "nee"]


def test_where_no_report_can_be_made_the_page_says_so(tmp_path: Path) -> None:
    agent = Fake(tmp_path)
    agent.draft = lambda: None  # type: ignore[method-assign]
    assert facts(agent)["draft"] is None


def test_a_split_report_has_no_answers_to_read(tmp_path: Path) -> None:
    agent = Fake(tmp_path)
    split = SplitReport(
        schema="bewust-report/1", period="2026-W47", mechanism="split", domain=formats.domain_of(["chatgpt"]),
        services=("chatgpt",), blocks={name: Shared("1/4") for name in formats.BLOCKS}, keepers=("a" * 16, "b" * 16),
        shares=("QQ==", "QQ=="), id="0" * 32,
    )  # fmt: skip
    agent.draft = lambda: split  # type: ignore[method-assign]
    found = facts(agent)["draft"]
    assert found["answers"] == [] and found["length"] == "één week" and found["services"] == "ChatGPT"


def test_sealed_reports_are_shown_to_the_byte_the_newest_first(tmp_path: Path) -> None:
    agent = Fake(tmp_path)
    lines = [agent.seal("2026-P10"), agent.seal("2026-P11")]
    found = facts(agent)
    assert [one["line"] for one in found["sealed"]] == lines[::-1]
    assert found["budget"] == [("2026", "4")]  # two reports at 2 each


def test_a_service_that_left_the_catalogue_is_still_shown(tmp_path: Path) -> None:
    agent = Fake(tmp_path)
    agent.store.open_period([Key(agent.period, "long-gone", Kind.USE)])
    agent.use("long-gone")
    assert ("long-gone", row(Kind.USE, 1)) in period(agent)["rows"]


def test_the_odds_are_those_that_the_privacy_paper_names() -> None:
    assert (kept.odds(Fraction(1)), kept.odds(Fraction(2)), kept.odds(Fraction(0))) == (73, 88, 50)


def test_the_odds_of_a_report_are_its_own(tmp_path: Path) -> None:
    agent = Fake(tmp_path)
    line = agent.seal("2026-P11")
    report = formats.decode(line)
    assert sum(Fraction(block.epsilon) for block in report.blocks.values()) == 2
    found = facts(agent)
    assert found["sealed"][0]["odds"] == 88 and found["yearly"] == "28"
    assert found["sealed"][0]["code"] == "2026-P11"


def test_the_figures_that_the_tests_of_the_page_show_agree_with_each_other(tmp_path: Path) -> None:
    """People judge the page by these; a picture of it must not puzzle them."""
    agent = Fake(tmp_path)
    busy(agent)
    counts, total = agent.counts(), Counter[Kind]()
    for key, n in counts.items():
        total[key.kind] += n
    assert total[Kind.REMINDED] + total[Kind.HELD] == total[Kind.USE] + total[Kind.VISIT]
    assert total[Kind.HELD] == sum(agent.contents().held.values())
    assert agent.person is not None and agent.person.recent
    for one in agent.person.recent:
        assert datetime.fromisoformat(SINCE) < one.at <= agent.now
        assert counts[Key(agent.period, one.reminder.service, Kind.REMINDED)]
    assert {key: counts[Key(agent.period, key, Kind.SEEN)] for key in agent.silent} == agent.silent
