"""The golden corpus: what every service, trap and look-alike must give, at full depth.

The tables are for everyone to read and add to; the numbers below keep them from shrinking unseen.
"""

from collections import Counter

import msgspec
import pytest

from bewust.cli.inspect import RecordingInspector
from bewust.model import LEVELS_BY_WEIGHT
from support.corpus_cases import Case, every_case, examine, pages, rows, verdict

ROWS = {"requests.tsv": 503, "hosts.tsv": 758, "hard_negatives.tsv": 101, "pages.toml": 20, "bodies.toml": 32}
TRAPS = set(range(1, 23))  # what looks like AI and is none; each must be in a page or a request


def hard_negatives() -> list[Case]:
    return [Case(row["verdict"], row["service"], row["url"], row["reason"]) for row in rows("hard_negatives.tsv")]


@pytest.fixture(scope="module")
def bench() -> RecordingInspector:
    return RecordingInspector.load(None, None)


def expected(case: Case) -> tuple[str, str]:
    """The service of a row without a detection is the one it nearly was."""
    return ("none", "") if case.verdict == "none" else (case.verdict, case.service)


def test_the_corpus_has_as_many_rows_as_it_had() -> None:
    found = {name: len(list(rows(name)) if name.endswith(".tsv") else pages(name)) for name in ROWS}
    assert found == ROWS


def test_every_row_gives_its_verdict(bench: RecordingInspector) -> None:
    """All in one test, so that the table of what is wrong can be read at a glance."""
    cases = every_case()
    found = [(case, verdict(examine(bench, case))) for case in cases]
    wrong = [f"{case}: gave {given}" for case, given in found if given != expected(case)]
    assert not wrong, "\n".join(wrong)
    assert len(cases) >= sum(ROWS.values()) - ROWS["hard_negatives.tsv"]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("case", hard_negatives(), ids=str)
def test_a_hard_negative_is_no_use_and_a_visit_only_where_the_table_says_so(
    bench: RecordingInspector, case: Case, method: str
) -> None:
    assert case.verdict != "use"
    assert verdict(examine(bench, msgspec.structs.replace(case, method=method))) == expected(case)


def test_every_service_has_a_positive_and_a_near_miss(bench: RecordingInspector) -> None:
    cases = every_case()
    assert {case.service for case in cases} == set(bench.matcher.services)
    for service in bench.matcher.services.values():
        levels = {signature.level for signature in service.signatures}
        strongest = next(level for level in LEVELS_BY_WEIGHT if level in levels)
        verdicts = Counter(case.verdict for case in cases if case.service == service.id)
        assert verdicts[strongest.value] >= 1, f"{service.id} has no positive"
        assert verdicts.total() > verdicts[strongest.value], f"{service.id} has no near miss"


def test_every_signature_is_the_reason_of_at_least_one_verdict(bench: RecordingInspector) -> None:
    spoke = {(found.service, found.signature) for case in every_case() if (found := examine(bench, case))}
    every = {(s.id, signature.id) for s in bench.matcher.services.values() for signature in s.signatures}
    assert every - spoke == set()


def test_the_traps_of_the_reference_are_in_the_corpus() -> None:
    assert {int(case.trap) for case in every_case() if case.trap} == TRAPS
