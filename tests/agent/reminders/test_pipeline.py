"""One use is one activity; what is counted comes with what is shown."""

from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import pytest

from bewust.catalogue import loading
from bewust.config import texts
from bewust.config.policy import Policy
from bewust.model import Detection, Kind, Level
from bewust.reminders.pipeline import NOTHING, Outcome, Pipeline, of_reminder
from bewust.reminders.schedule import Reminder, Suppressed
from bewust.statistics.counters import Key, SuppressionKey

SERVICES = {service.id: service for service in loading.load()}
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PERIOD = "2026-P12"
SECOND = timedelta(seconds=1)


def chain() -> Pipeline:
    return Pipeline(Policy(), texts.load("nl"), SERVICES)


def found(service: str, level: Level = Level.USE, internal: bool = False) -> Detection:
    return Detection(service, level, "signature", "file.toml", 1, internal)


def kinds(outcome: Outcome) -> list[Kind]:
    assert all(key.period == PERIOD for key in outcome.counts)
    return [key.kind for key in outcome.counts if isinstance(key, Key)]


def uses(times: list[float], service: str, who: int = 0) -> int:
    one = chain()
    outcomes = [one.detected(who, found(service), NOON + seconds * SECOND) for seconds in times]
    return sum(Key(PERIOD, service, Kind.USE) in outcome.counts for outcome in outcomes)


def begun(one: Pipeline, service: str, at: datetime = NOON) -> Detection:
    about = one.detected(0, found(service), at).about
    assert about is not None
    return about


def test_what_begins_is_counted_before_a_reminder_is_decided_on() -> None:
    outcome = chain().detected(0, found("google-ai-overview"), NOON)
    assert kinds(outcome) == [Kind.USE]
    assert outcome.about == found("google-ai-overview")
    assert outcome.reminder is None and outcome.held is None


def test_what_is_shown_is_counted_in_the_same_outcome() -> None:
    one = chain()
    outcome = one.remind(0, begun(one, "google-ai-overview"), NOON)
    assert isinstance(outcome.reminder, Reminder)
    assert outcome.held is None
    assert outcome.counts == (Key(PERIOD, "google-ai-overview", Kind.REMINDED),)


@pytest.mark.parametrize("held", ["busy", "away", None])
def test_what_was_kept_back_is_counted_with_its_reason(held: Literal["busy", "away"] | None) -> None:
    one = chain()
    one.remind(0, begun(one, "google-ai-overview"), NOON)
    later = NOON + 60 * SECOND
    outcome = one.remind(0, begun(one, "google-ai-overview", later), later, held)
    assert outcome.reminder is None
    assert outcome.held is not None
    assert outcome.counts == (
        Key(PERIOD, "google-ai-overview", Kind.HELD), SuppressionKey(PERIOD, held or "gap"),
    )  # fmt: skip


def test_a_service_that_left_the_catalogue_while_the_desktop_was_asked_is_let_go() -> None:
    one = chain()
    about = begun(one, "google-ai-overview")
    one.reconfigure(Policy(), texts.load("nl"), {})
    assert one.remind(0, about, NOON) == NOTHING


@pytest.mark.parametrize(
    ("service", "times", "expected"),
    [
        pytest.param("chrome-translate", [i * 1.5 for i in range(40)], 1, id="forty requests of one translated page"),
        pytest.param("google-ai-overview", [0, 0, 0.4, 2], 1, id="an inline answer and its lazy fragments"),
        pytest.param("google-ai-overview", [0, 30], 2, id="two result pages half a minute apart"),
        pytest.param("google-ai-overview", [0, 9.9], 1, id="just within the gap"),
        pytest.param("google-ai-overview", [0, 10], 2, id="just outside it"),
        pytest.param("google-ai-overview", [i * 9.0 for i in range(100)], 1, id="every sign keeps an activity alive"),
        pytest.param("chatgpt", [0, 29 * 60, 58 * 60], 1, id="a conversation of an hour"),
        pytest.param("chatgpt", [0, 30 * 60], 2, id="two conversations"),
    ],
)
def test_one_use_is_one_activity(service: str, times: list[float], expected: int) -> None:
    assert uses(times, service) == expected


def test_an_activity_goes_on_when_the_clocks_change() -> None:
    zone = ZoneInfo("Europe/Amsterdam")
    one = chain()
    times = [datetime(2026, 10, 25, 0, 50, tzinfo=UTC), datetime(2026, 10, 25, 1, 10, tzinfo=UTC)]
    outcomes = [one.detected(0, found("chatgpt"), at.astimezone(zone)) for at in times]
    assert [bool(outcome.counts) for outcome in outcomes] == [True, False]


def test_two_people_have_each_their_own_activities() -> None:
    one = chain()
    assert one.detected(1, found("chatgpt"), NOON).counts == one.detected(2, found("chatgpt"), NOON).counts
    assert one.detected(1, found("chatgpt"), NOON) == NOTHING


def test_translating_something_internal_is_counted_apart_as_well() -> None:
    outcome = chain().detected(0, found("edge-translate", internal=True), NOON)
    assert kinds(outcome) == [Kind.USE, Kind.INTERNAL]


def test_a_visit_is_counted_as_a_visit() -> None:
    assert kinds(chain().detected(0, found("chatgpt", Level.VISIT), NOON)) == [Kind.VISIT]


def test_an_opportunity_is_counted_without_a_reminder() -> None:
    assert chain().seen("google-ai-overview", NOON) == Outcome((Key(PERIOD, "google-ai-overview", Kind.SEEN),))


@pytest.mark.parametrize("level", Level)
def test_a_service_that_is_not_in_the_catalogue_leads_to_nothing(level: Level) -> None:
    assert chain().detected(0, found("secret.example/path", level), NOON) == NOTHING
    assert chain().seen("secret.example/path", NOON) == NOTHING


def test_housekeeping_leads_to_nothing_and_does_not_hide_a_use() -> None:
    one = chain()
    assert one.detected(0, found("chatgpt", Level.IGNORE), NOON) == NOTHING
    assert kinds(one.detected(0, found("chatgpt"), NOON)) == [Kind.USE]


def test_a_period_is_of_the_organisations_own_week() -> None:
    sunday = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)  # Monday already in Amsterdam
    split = Pipeline(Policy(mechanism="split"), texts.load("nl"), SERVICES)
    assert split.period(sunday) == "2026-W47"
    assert split.period(sunday.astimezone(ZoneInfo("Europe/Amsterdam"))) == "2026-W48"


def test_an_internal_page_amid_public_ones_is_counted_once_and_reminded_at_once() -> None:
    one = chain()
    one.detected(0, found("edge-translate"), NOON)
    amid = one.detected(0, found("edge-translate", internal=True), NOON + timedelta(seconds=5))
    assert kinds(amid) == [Kind.INTERNAL]
    assert amid.about is not None
    reminder = one.remind(0, amid.about, NOON + timedelta(seconds=5)).reminder
    assert reminder is not None and reminder.text in ("R27", "R28")
    assert one.detected(0, found("edge-translate", internal=True), NOON + timedelta(seconds=10)) == NOTHING
    assert one.detected(0, found("edge-translate"), NOON + timedelta(seconds=15)) == NOTHING


def test_a_reminder_counts_as_shown_or_held() -> None:
    assert of_reminder(Reminder("claude", "R01", "t", "m"), "2026-W48").kind is Kind.REMINDED
    assert of_reminder(Suppressed("claude", "gap"), "2026-W48").kind is Kind.HELD
