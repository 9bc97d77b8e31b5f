"""Where an activity of a person ends: what belongs together is counted once."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bewust.model import Level
from bewust.reminders.activities import ACTIVITIES_LIMIT, Activities

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class Person:
    """Somebody's uses of one service, and how many activities they made."""

    def __init__(self, gap: float, who: int = 1, service: str = "s", activities: Activities | None = None) -> None:
        self._activities = activities or Activities()
        self._gap, self._who, self._service = gap, who, service
        self.count = 0

    def use(self, after: float, level: Level = Level.USE) -> None:
        now = NOON + timedelta(seconds=after)
        self.count += self._activities.is_new_activity(self._who, self._service, level, self._gap, now)


def test_the_forty_requests_of_one_translated_page_are_one_activity() -> None:
    reader = Person(gap=60)
    for number in range(40):
        reader.use(after=number * 1.5)
    assert reader.count == 1


def test_an_inline_answer_and_its_lazy_fragments_are_one_activity() -> None:
    searcher = Person(gap=10)
    for after in (0, 0.8, 2, 9.9):
        searcher.use(after)
    assert searcher.count == 1


def test_two_result_pages_half_a_minute_apart_are_two() -> None:
    searcher = Person(gap=10)
    for after in (0, 1, 30, 31):
        searcher.use(after)
    assert searcher.count == 2


def test_what_goes_on_without_a_gap_is_one_activity_however_long() -> None:
    reader = Person(gap=60)
    for minute in range(600):
        reader.use(minute * 59)
    assert reader.count == 1


@pytest.mark.parametrize(("pause", "expected"), [(9.999, 1), (10, 2), (10.001, 2)])
def test_the_gap_itself_ends_an_activity(pause: float, expected: int) -> None:
    searcher = Person(gap=10)
    searcher.use(0)
    searcher.use(pause)
    assert searcher.count == expected


def test_people_services_and_levels_are_apart() -> None:
    shared = Activities()
    people = [Person(60, who, service, shared) for who in (1, 2) for service in ("a", "b")]
    for person in people:
        for level in (Level.USE, Level.VISIT, Level.USE):
            person.use(1, level)
    assert [person.count for person in people] == [2, 2, 2, 2]


def test_a_clock_set_back_counts_once_and_not_for_ever() -> None:
    reader = Person(gap=60)
    for after in (0, -3600, -3599, -3590):
        reader.use(after)
    assert reader.count == 2
    reader.use(0)
    assert reader.count == 3


def test_a_clock_set_back_by_less_than_the_gap_changes_nothing() -> None:
    reader = Person(gap=60)
    for after in (0, -30, -10):
        reader.use(after)
    assert reader.count == 1


def test_memory_is_bounded_and_the_newest_is_kept() -> None:
    activities = Activities()
    for who in range(3 * ACTIVITIES_LIMIT):
        assert activities.is_new_activity(who, "s", Level.USE, 60, NOON + timedelta(milliseconds=who))
        assert len(activities._last) <= ACTIVITIES_LIMIT + 1
    assert not activities.is_new_activity(3 * ACTIVITIES_LIMIT - 1, "s", Level.USE, 3600, NOON + timedelta(seconds=31))


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30), st.floats(1, 1e5))
def test_there_is_one_activity_more_than_there_are_gaps(times: list[float], gap: float) -> None:
    moments = [NOON + timedelta(seconds=after) for after in sorted(times)]
    activities = Activities()
    count = sum(activities.is_new_activity(1, "s", Level.USE, gap, moment) for moment in moments)
    pauses = zip(moments[1:], moments, strict=False)
    assert count == 1 + sum(later - earlier >= timedelta(seconds=gap) for later, earlier in pauses)
