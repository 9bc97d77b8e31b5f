"""The report: complete in one file, in two languages, and without a number where nothing is certain."""

import itertools
import re
from pathlib import Path

import pytest

from bewust.config import languages as config_languages
from bewust.config.policy import Decision, Policy
from bewust.fleet.findings import Findings
from bewust.fleet.html import render
from bewust.fleet.reading import ReportSet, Skipped
from bewust.fleet.simulation import simulate
from bewust.fleet.wording import Words
from bewust.model import Status
from support.fleets import HEADLINES, cell, compute, found

SECTIONS = ("any", "trend", "service", "context", "origin", "status", "lever", "internal", "reminder", "skipped")
RULES = Policy(service={
    "google-ai-overview": Decision(status=Status.UNCONTRACTED, alternative="zoek.example.nl & co"),
    "chatgpt": Decision(status=Status.CONTRACTED),
})  # fmt: skip


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    folder = tmp_path_factory.mktemp("fleet")
    simulate(folder, 2000, 3, seed=5, mechanism="split")
    (folder / "reports" / "bad.ndjson").write_text("<script>alert(1)</script>\n")
    return compute(folder / "reports", rules=RULES)


@pytest.fixture(scope="module")
def dutch(fleet: Findings) -> str:
    return render(fleet, "nl")


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL))


def sections(html: str) -> dict[str, str]:
    return {re.findall(r'id="([a-z]+)', part)[0]: part for part in html.split("<section")[1:] if 'id="' in part}


@pytest.mark.parametrize("language", config_languages.known())
def test_every_section_is_there_in_every_language(fleet: Findings, language: str) -> None:
    html = render(fleet, language)
    assert list(sections(html)) == ["summary", *SECTIONS]
    assert f'<html lang="{language}">' in html
    assert Words(language)("service_title") in html
    assert "{" not in text_of(html).replace("{searchTerms}", ""), "a placeholder was left"


def test_nothing_is_fetched_and_nothing_runs(dutch: str) -> None:
    assert not re.search(r"""\b(?:src|href|action|data|poster|srcset)\s*=""", dutch)
    assert not re.search(r"@import|url\(|<script|<link|<iframe|<object|javascript:", dutch)
    assert "default-src 'none'" in dutch


@pytest.mark.parametrize("language", config_languages.known())
def test_every_chart_has_its_table_and_a_name(fleet: Findings, language: str) -> None:
    charts = [part for part in sections(render(fleet, language)).values() if "<svg" in part]
    assert len(charts) == 8
    for part in charts:
        assert part.index("<svg") < part.index("<table>")
        assert re.search(r'<svg role="img" aria-label="[^"]+"', part)
        assert "<caption>" in part
        assert '<th scope="row">' in part


def test_what_came_from_files_is_text(dutch: str) -> None:
    assert "<script>" not in dutch
    assert "zoek.example.nl &amp; co" in dutch


def test_the_summary_says_how_many_reported_and_what_that_protects(dutch: str) -> None:
    summary = text_of(sections(dutch)["summary"])
    assert "2.000 werkplekken meldden zich" in summary
    assert "2,7 keer" in summary
    assert "ε = 1 per week" in summary


UNSURE = {"usable": False, "estimate": 4321.0, "low": 1357.0, "high": 8765.0, "sd": 1918.0, "n_reports": 9999}
FORBIDDEN = ("4321", "4.321", "4,321", "43,2", "43.2", "1357", "1.357", "1,357", "8765", "8.765", "8,765", "1918")


@pytest.mark.parametrize("language", config_languages.known())
def test_a_cell_too_uncertain_is_never_a_number_anywhere(language: str) -> None:
    names = [("any", "any"), ("internal", "internal"), ("reminder", "reminded"), ("service", "chatgpt"),
             ("service", "other"), ("context", "chat"), ("origin", "chosen"), ("status", "unknown")]  # fmt: skip
    html = render(found(*(cell(block, name, **UNSURE, period=period) for block, name in names
                          for period in ("2026-W46", "2026-W47"))), language)  # fmt: skip
    body = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    assert [number for number in FORBIDDEN if number in body] == []
    assert "<svg" not in html
    assert text_of(html).count(Words(language)("too_uncertain")) >= 10


def test_a_cell_too_uncertain_beside_others_is_only_named(fleet: Findings, dutch: str) -> None:
    unsure = [c for c in fleet.cells if c.period == fleet.editions[-1][0] and c.block == "service" and not c.usable]
    part = sections(dutch)["service"]
    rows = [text_of(row) for row in re.findall(r"<tr.*?</tr>", part) if "te onzeker" in row]
    assert len(rows) == len(unsure) > 0
    assert not [row for row in rows if re.search(r"\d", row.replace("365", ""))]
    drawn = set(re.findall(r"<text[^>]*>([^<]+)</text>", part))
    assert not drawn & {fleet.fact(each.cell).name for each in unsure}


def test_for_a_large_service_there_is_something_to_do(dutch: str) -> None:
    part = text_of(sections(dutch)["lever"])
    assert "Google AI Overview" in part
    assert "Goedgekeurd alternatief: zoek.example.nl" in part
    assert "AIModeSettings" in part
    assert "Gecontracteerd: er is niets te beperken" in part


def test_what_was_skipped_is_told(fleet: Findings) -> None:
    part = text_of(sections(render(fleet, "en"))["skipped"])
    assert "4 lines read from 4 files: 3 valid, of which 0 double and counted once; 1 skipped" in part
    assert "bad.ndjson:1" in part


def test_only_the_first_skipped_rows_are_named(fleet: Findings) -> None:
    read = ReportSet(Path(), skipped=5000, named=[Skipped("x:1", "is bad")])
    html = render(Findings(fleet.cells, fleet.facts, read, 0), "en")
    assert "The first 1 are named" in html


def test_without_any_report_the_page_says_so_and_what_was_skipped() -> None:
    html = render(found(), "nl")
    assert "Er is geen enkel geldig rapport gelezen" in html
    assert list(sections(html)) == ["skipped"]


def test_an_older_period_can_be_chosen(fleet: Findings) -> None:
    first = fleet.editions[0]
    assert first[0] in text_of(render(fleet, "nl", first).split("</header>")[0])


def test_lists_of_services_that_differ_each_have_their_sections() -> None:
    cells = [cell(domain="a" * 12), cell(domain="b" * 12, n_reports=500), *HEADLINES]
    html = render(found(*cells), "en")
    assert html.count("<h3>Per service</h3>") == 2
    assert "Lists are not added together" in html


@pytest.mark.parametrize("domains", [1, 2])
def test_headings_go_down_one_level_at_a_time(domains: int) -> None:
    cells = [cell(domain=letter * 12, estimate=300.0, low=280.0, high=320.0) for letter in "ab"[:domains]]
    levels = [int(level) for level in re.findall(r"<h(\d)", render(found(*cells, *HEADLINES), "nl"))]
    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in itertools.pairwise(levels))
    assert domains + 2 in levels, "no advice was shown"


def test_what_scrolls_on_a_narrow_screen_can_be_reached_with_the_keyboard(dutch: str) -> None:
    scrolling = re.findall(r'<(?:figure|div) class="(?:chart|scroll)"[^>]*>', dutch)
    assert len(scrolling) > 8
    assert all('tabindex="0"' in tag and re.search('aria-label="[^"]+"', tag) for tag in scrolling)


def test_light_dark_and_paper_have_their_colours(dutch: str) -> None:
    assert dutch.index("prefers-color-scheme: dark") < dutch.index("@media print")
    assert "color-scheme: light dark" in dutch


def test_the_same_findings_give_the_same_file(fleet: Findings, dutch: str) -> None:
    assert render(fleet, "nl") == dutch
