"""The report's words: every language has a name for all that is shown, and writes numbers as its readers do."""

from datetime import date

import pytest

from bewust.config import languages as config_languages
from bewust.config.policy import EPSILONS
from bewust.fleet.estimates import FACTS
from bewust.fleet.findings import levers
from bewust.fleet.wording import Words, last_day, step
from bewust.model import Context, Status
from bewust.statistics.counters import period_start


@pytest.mark.parametrize("language", config_languages.known())
def test_every_value_of_a_closed_list_has_a_name(language: str) -> None:
    known = config_languages.words(language, "fleet")
    values: list[tuple[str, str]] = [("context", each) for each in Context]
    values += [("status", each) for each in Status]
    values += [("origin", each) for each in ("embedded", "chosen")] + [(fact, "other") for fact in FACTS]
    values += [(kind, each) for kind in ("mechanism", "guarantee") for each in EPSILONS]
    asked = [*(f"{kind}_{value}" for kind, value in values), *(f"lever.{each.id}" for each in levers())]
    assert [key for key in asked if key not in known] == []


def test_numbers_are_written_as_the_reader_does() -> None:
    nl, en, de = Words("nl"), Words("en"), Words("de")
    assert (de.number(1234567.4), de.percent(0.1234, 0.1)) == ("1.234.567", "12,3 %")
    assert de.day(date(2026, 11, 2)) == "2. November 2026"
    assert (nl.number(1234567.4), en.number(1234567.4)) == ("1.234.567", "1,234,567")
    assert (nl.percent(0.1234, 0.1), en.percent(0.1234, 0.1)) == ("12,3 %", "12.3%")
    assert nl.number(1234, 100) == "1.200"
    assert nl.day(date(2026, 11, 2)) == "2 november 2026"


@pytest.mark.parametrize(("half", "by"), [(666, 10), (66, 1), (6.6, 0.1), (0.066, 0.001), (0, 1)])
def test_a_number_is_not_written_more_precisely_than_it_is_known(half: float, by: float) -> None:
    assert step(half) == pytest.approx(by)


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        ("2026-W47", date(2026, 11, 16), date(2026, 11, 22)),
        ("2026-P12", date(2026, 11, 2), date(2026, 11, 29)),
        ("2026-P14", date(2026, 12, 28), date(2027, 1, 3)),
    ],
)
def test_a_period_has_its_days(period: str, first: date, last: date) -> None:
    assert (period_start(period), last_day(period)) == (first, last)


def test_a_value_without_a_name_stands_for_itself() -> None:
    assert Words("nl").label("context", "new") == "new"
