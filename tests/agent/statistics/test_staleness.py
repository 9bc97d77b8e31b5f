"""A service that is looked at often and never found is named, and every review has its age."""

from datetime import date

import pytest

from bewust.catalogue import loading
from bewust.config import policy
from bewust.model import Kind
from bewust.statistics import staleness
from bewust.statistics.counters import Key

SERVICES = loading.load()
NOW, BEFORE = "2026-P12", "2026-P11"


@pytest.mark.parametrize(
    ("seen", "use", "period", "expected"),
    [
        (staleness.ENOUGH, 0, NOW, {"brave-answer": staleness.ENOUGH}),
        (staleness.ENOUGH - 1, 0, NOW, {}),
        (10_000, 1, NOW, {}),
        (10_000, 0, BEFORE, {}),
        (0, 0, NOW, {}),
    ],
)
def test_a_service_is_silent_without_a_use_in_enough_opportunities_of_this_period(
    seen: int, use: int, period: str, expected: dict[str, int]
) -> None:
    counts = {Key(period, "brave-answer", Kind.SEEN): seen, Key(period, "brave-answer", Kind.USE): use}
    assert staleness.stale_signatures(SERVICES, counts, NOW) == expected


def test_the_signatures_that_look_into_something_are_named_by_the_date_of_their_review() -> None:
    rules = policy.load()
    found = staleness.reviews(SERVICES, rules)
    named = [name for names in found.values() for name in names]
    assert {"google-ai-overview/inline", "edge-translate/text"} <= set(named)
    assert not {"chatgpt/name", "chatgpt/prompt", "m365-copilot/prompt"} & set(named), "these are not inspected"
    assert list(found) == sorted(found)
    dates = {f"{s.id}/{signature.id}": signature.reviewed for s in SERVICES for signature in s.signatures}
    assert all(dates[name] == reviewed for reviewed, names in found.items() for name in names)


def test_an_age_is_in_days() -> None:
    assert staleness.age("2026-11-24", date(2027, 1, 3)) == 40
