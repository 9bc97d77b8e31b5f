"""The golden corpus: what every service, trap and look-alike must give, at full depth.

The tables are for everyone to read and add to; the numbers below keep them from shrinking unseen.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import tomli

from bewust.detection import observe
from bewust.inspection import Bench
from bewust.model import LEVELS_BY_WEIGHT, Detection
from bewust.recordings import Exchange

HERE = Path(__file__).parent
CAPTURES = HERE.parents[2] / "shared" / "captures"
captures = pytest.mark.skipif(not CAPTURES.is_dir(), reason=f"the captures are not here: {CAPTURES}")

REQUESTS, PAGES, HARD_NEGATIVES = 146, 20, 101
TRAPS = {1, 2, 3, 4, 5, 6, 9, 12, 13, 15, 16, 17, 18, 19, 20, 22}  # of 22; the others need services not there yet


class Case(msgspec.Struct, frozen=True):
    """One row: a request, perhaps with its response, and the verdict it must have."""

    verdict: str
    service: str
    url: str
    why: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    trap: str = ""
    body: str | None = None
    type: str = "text/html"
    status: int = 200

    def __str__(self) -> str:
        return f"{self.verdict} {self.service}: {self.why} ({self.method} {self.url[:60]})"


def rows(name: str) -> Iterator[dict[str, str]]:
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if not line.startswith("#")]
    yield from csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE)


def requests() -> list[Case]:
    return [
        Case(
            row["verdict"], row["service"], row["url"], row["why"], row["method"], headers(row["headers"]), row["trap"]
        )
        for row in rows("requests.tsv")
    ]


def headers(text: str) -> tuple[tuple[str, str], ...]:
    name, _, value = text.partition(": ")
    return ((name, value),) if name else ()


def hard_negatives() -> list[Case]:
    return [Case(row["verdict"], row["service"], row["url"], row["reason"]) for row in rows("hard_negatives.tsv")]


def pages() -> list[Case]:
    table = tomli.loads((HERE / "pages.toml").read_text(encoding="utf-8"))
    return [Case(**page | {"trap": str(page.get("trap", ""))}) for page in table["page"]]


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench.load(None, None)


def examine(bench: Bench, case: Case) -> Detection | None:
    exchange = Exchange(
        0,
        observe(case.method, case.url, case.headers),
        type="" if case.body is None else case.type,
        status=case.status,
        body=(case.body or "").encode(),
    )
    return bench.examine(exchange)


def verdict(found: Detection | None) -> tuple[str, str]:
    return ("none", "") if found is None else (found.level.value, found.service)


def expected(case: Case) -> tuple[str, str]:
    """The service of a row without a detection is the one it nearly was."""
    return ("none", "") if case.verdict == "none" else (case.verdict, case.service)


def test_the_corpus_has_as_many_rows_as_it_had() -> None:
    assert (len(requests()), len(pages()), len(hard_negatives())) == (REQUESTS, PAGES, HARD_NEGATIVES)


@pytest.mark.parametrize("case", requests(), ids=str)
def test_a_request_gives_its_verdict(bench: Bench, case: Case) -> None:
    assert verdict(examine(bench, case)) == expected(case)


@pytest.mark.parametrize("case", pages(), ids=str)
def test_a_page_gives_its_verdict(bench: Bench, case: Case) -> None:
    assert verdict(examine(bench, case)) == expected(case)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("case", hard_negatives(), ids=str)
def test_a_hard_negative_is_no_use_and_a_visit_only_where_the_table_says_so(
    bench: Bench, case: Case, method: str
) -> None:
    assert case.verdict != "use"
    assert verdict(examine(bench, msgspec.structs.replace(case, method=method))) == expected(case)


def test_every_service_has_a_positive_and_a_near_miss(bench: Bench) -> None:
    cases = requests() + pages()
    assert {case.service for case in cases} == set(bench.matcher.services)
    for service in bench.matcher.services.values():
        levels = {signature.level for signature in service.signatures}
        strongest = next(level for level in LEVELS_BY_WEIGHT if level in levels)
        verdicts = Counter(case.verdict for case in cases if case.service == service.id)
        assert verdicts[strongest.value] >= 1, f"{service.id} has no positive"
        assert verdicts.total() > verdicts[strongest.value], f"{service.id} has no near miss"


def test_every_signature_is_the_reason_of_at_least_one_verdict(bench: Bench) -> None:
    """Or, being weaker than another one that always holds too, of none: those are listed."""
    spoke = {(found.service, found.signature) for case in requests() + pages() if (found := examine(bench, case))}
    every = {(s.id, signature.id) for s in bench.matcher.services.values() for signature in s.signatures}
    assert every - spoke == {
        ("chatgpt", "housekeeping"),
        ("claude", "housekeeping"),
        ("gemini", "housekeeping"),
        ("google-translate", "widget"),
        ("perplexity", "housekeeping"),
    }


def test_the_traps_of_the_reference_are_in_the_corpus() -> None:
    assert {int(case.trap) for case in requests() + pages() if case.trap} == TRAPS


# Recordings beside the repository.


def manifest() -> list[dict[str, str]]:
    if not CAPTURES.is_dir():
        return []
    with (CAPTURES / "manifest.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


@captures
def test_captured_pages_give_a_use_where_there_is_an_answer_and_nothing_elsewhere(bench: Bench) -> None:
    found = {}
    for row in manifest():
        if row["method"] == "GET":
            (exchange,) = bench.exchanges(CAPTURES / row["file"], row["url"])
            found[row["file"]] = verdict(bench.examine(exchange))
    assert Counter(found.values()) == {("use", "google-ai-overview"): 2, ("none", ""): 7}
    assert {file for file, (level, _) in found.items() if level == "use"} == {
        row["file"] for row in manifest() if row["label"] == "positive"
    }


@captures
def test_the_captured_home_page_gives_no_use_and_no_visit(bench: Bench) -> None:
    (file,) = [row["file"] for row in manifest() if row["file"].endswith(".har.gz")]
    exchanges = list(bench.exchanges(CAPTURES / file, None))
    assert len(exchanges) > 10
    assert not [exchange.problem for exchange in exchanges if exchange.problem]
    found = Counter(verdict(bench.examine(exchange)) for exchange in exchanges)
    assert set(found) == {("none", ""), ("ignore", "google-ai-mode")}
    assert found["ignore", "google-ai-mode"] >= 2


def synthetic() -> list[dict[str, Any]]:
    file = CAPTURES / "synthetic_cases.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []


@captures
def test_the_synthetic_cases_of_our_services_are_found_and_the_traps_are_not(bench: Bench) -> None:
    known = {name: s.id for s in bench.matcher.services.values() for name in (s.id, *s.aliases)}
    known["gt-single"] = "chrome-translate"
    known["gt-site-proxy"] = "google-translate"  # the case is Google Translate's page, not a translated site
    checked: Counter[str] = Counter()
    for row in synthetic():
        case = Case("", "", row["url"], "", row["method"], body=row["response_body"], type=row["response_content_type"])
        if row["label"] == "negative":
            assert verdict(examine(bench, case)) == ("none", ""), row["url"]
        elif row["service"] in known:
            assert verdict(examine(bench, case)) == ("use", known[row["service"]]), row["url"]
        else:
            assert verdict(examine(bench, case))[0] != "use", row["url"]
            continue
        checked[row["label"]] += 1
    assert checked == {"use": 7, "translate": 4, "negative": 5}
