"""A reminder explains itself at first, is then seldom, and never where it would only annoy."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bewust.config.policy import ContextRules, Decision, Policy, ReminderRules
from bewust.config.texts import Text, Texts
from bewust.durations import Duration, Step
from bewust.model import Context, Level, SavedUserState, Service, Status
from bewust.reminders.schedule import Reminder, Reminders, Suppressed
from support.reminder_texts import FILLED, NL, ORDINARY, SERVICES, found

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
GAP = timedelta(minutes=30)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# No cap and no back-off: for tests of one other thing.
FREE = ReminderRules(daily=100, daily_context=100, back_off=())
AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def schedule(
    rules: ReminderRules = FREE, texts: Texts = ORDINARY, services: Mapping[str, Service] = SERVICES, **others: object
) -> Reminders:
    policy = msgspec.structs.replace(Policy(fill=FILLED, reminders=rules), **others)
    return Reminders(policy, texts, services)


def shown(one: Reminders, id_: str, at: datetime, who: int = 0, level: Level = Level.USE) -> Reminder:
    decided = one.decide(who, found(id_, level), at)
    assert isinstance(decided, Reminder), decided
    return decided


def held(one: Reminders, id_: str, at: datetime, level: Level = Level.USE) -> str:
    decided = one.decide(0, found(id_, level), at)
    assert isinstance(decided, Suppressed), decided
    return decided.reason


def rotation(one: Reminders, id_: str, days: int) -> list[str]:
    return [shown(one, id_, NOON + day * DAY).text for day in range(days)]


# Which text is next.


def test_the_first_use_of_a_context_is_explained_and_only_that() -> None:
    one = schedule(texts=NL)
    assert [shown(one, "chat", NOON + n * HOUR).text for n in range(3)] == ["R30", "R03", "R12"]
    assert shown(one, "chat-2", NOON + 3 * HOUR).text == "R13", "another service of the context"
    assert shown(one, "answer", NOON).text == "R31"
    assert shown(one, "chat", NOON, who=1).text == "R30", "another person"


def test_what_explains_two_contexts_is_not_read_twice_running() -> None:
    services = {**SERVICES, "code": msgspec.structs.replace(SERVICES["office"], id="code", context=Context.CODE)}
    one = schedule(texts=NL, services=services)
    assert shown(one, "office", NOON).text == "R35"
    assert shown(one, "code", NOON + MINUTE).text != "R35"


@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_every_text_has_its_turn_before_one_comes_back(number: int) -> None:
    texts = Texts({}, tuple(Text(f"T{i}", "tekst", "ons") for i in range(number)))
    assert rotation(schedule(texts=texts), "chat", days=3 * number) == [f"T{i}" for i in range(number)] * 3


def test_another_context_does_not_begin_with_the_text_just_read() -> None:
    one = schedule(texts=Texts({}, (Text("T0", "nul", "ons"), Text("T1", "een", "ons"))))
    assert [shown(one, id_, NOON).text for id_ in ("chat", "answer", "translate")] == ["T0", "T1", "T0"]


@given(st.lists(st.sampled_from(sorted(SERVICES)), min_size=2, max_size=60))
def test_nobody_reads_the_same_text_twice_running_whatever_they_use(used: list[str]) -> None:
    one = schedule(texts=NL)
    read = [shown(one, id_, NOON + day * DAY).text for day, id_ in enumerate(used)]
    assert all(first != second for first, second in pairwise(read))


def test_a_reminder_says_what_it_was_about() -> None:
    assert shown(schedule(), "answer", NOON) == Reminder(
        "answer", "R19", "AI-antwoord in answer",
        "Dit antwoord is door AI gemaakt. Open de bronnen voordat u het gebruikt.",
        Context.SEARCH, Level.USE, False, "VNG AU, kabinet 2025",
    )  # fmt: skip


def test_where_no_text_suits_none_is_shown_and_nothing_is_explained_by_it() -> None:
    only_code = Texts({}, (Text("T", "tekst", "ons", contexts=(Context.CODE,)),))
    one = schedule(texts=only_code)
    assert held(one, "chat", NOON) == "text"
    assert one.memory(0, NOON) == SavedUserState()


# When: the gap.


def test_a_context_rests_for_half_an_hour_and_others_do_not_wait() -> None:
    one = schedule()
    shown(one, "chat", NOON)
    assert held(one, "chat-2", NOON + GAP - timedelta(seconds=1)) == "gap"
    shown(one, "answer", NOON)
    shown(one, "chat-2", NOON + GAP)


def test_a_context_can_have_a_gap_and_a_cap_of_its_own() -> None:
    own = {Context.SEARCH: ContextRules(gap=Duration("2h"), daily=2)}
    one = schedule(msgspec.structs.replace(FREE, context=own))
    times = [n * HOUR for n in range(8)]
    assert [isinstance(one.decide(0, found("answer"), NOON - 10 * HOUR + at), Reminder) for at in times] == [
        True, False, True, False, False, False, False, False,
    ]  # fmt: skip
    assert all(isinstance(one.decide(0, found("chat"), NOON - 10 * HOUR + at), Reminder) for at in times)


def test_what_was_held_does_not_lengthen_the_rest() -> None:
    one = schedule()
    shown(one, "chat", NOON)
    for minute in range(1, 30):
        assert held(one, "chat", NOON + minute * MINUTE) == "gap"
    shown(one, "chat", NOON + GAP)


USES = st.tuples(st.sampled_from(sorted(SERVICES)), st.integers(0, 3), st.integers(0, 24 * 60))


@given(st.lists(USES, max_size=40).map(lambda uses: sorted(uses, key=lambda use: use[2])))
def test_no_two_reminders_of_a_context_to_one_person_within_the_gap(uses: list[tuple[str, int, int]]) -> None:
    one = schedule()
    times: dict[tuple[int, Context], list[int]] = {}
    for id_, who, minute in uses:
        if isinstance(one.decide(who, found(id_), NOON + minute * MINUTE), Reminder):
            times.setdefault((who, SERVICES[id_].context), []).append(minute)
    assert all(later - earlier >= 30 for at in times.values() for earlier, later in pairwise(at))


@given(st.lists(st.integers(-300, 300), min_size=2, max_size=40))
def test_a_clock_that_is_set_does_not_bring_reminders_closer(minutes: list[int]) -> None:
    one = schedule()
    at = [m for m in minutes if isinstance(one.decide(0, found("chat"), NOON + m * MINUTE), Reminder)]
    assert at[0] == minutes[0]
    assert all(abs(later - earlier) >= 30 for earlier, later in pairwise(at))


@pytest.mark.parametrize(
    ("first", "second", "due"),
    [
        # The night of 25 October 2026: after 02:59 summer time comes 02:00 winter time.
        pytest.param("2026-10-25T00:50Z", "2026-10-25T01:10Z", False, id="autumn: twenty minutes look like forty"),
        pytest.param("2026-10-25T00:10Z", "2026-10-25T01:10Z", True, id="autumn: an hour looks like none"),
        # The night of 29 March 2026: after 01:59 winter time comes 03:00 summer time.
        pytest.param("2026-03-29T00:50Z", "2026-03-29T01:10Z", False, id="spring: twenty minutes look like eighty"),
    ],
)
def test_the_gap_is_real_time_when_the_clocks_change(first: str, second: str, due: bool) -> None:
    one = schedule()
    shown(one, "chat", datetime.fromisoformat(first).astimezone(AMSTERDAM))
    decided = one.decide(0, found("chat"), datetime.fromisoformat(second).astimezone(AMSTERDAM))
    assert isinstance(decided, Reminder) is due


# When: caps, back-off and recovery.


@given(st.lists(USES, max_size=200).map(lambda uses: sorted(uses, key=lambda use: use[2])), st.booleans())
def test_nobody_is_reminded_more_often_in_a_day_than_the_cap_whatever_they_do(
    uses: list[tuple[str, int, int]], internal: bool
) -> None:
    one = schedule(ReminderRules(gap=Duration("1m"), internal_gap=Duration("1m"), back_off=()), texts=NL)
    days: dict[tuple[int, date], list[Context]] = {}
    for id_, who, minute in uses:
        at = NOON + minute * MINUTE
        decided = one.decide(who, found(id_, internal=internal and id_ == "translate"), at)
        if isinstance(decided, Reminder):
            days.setdefault((who, at.date()), []).append(SERVICES[id_].context)
    for contexts in days.values():
        assert len(contexts) <= 6
        assert internal or all(contexts.count(context) <= 3 for context in contexts)


def test_the_last_place_of_a_day_is_kept_for_a_page_of_the_organisation_itself() -> None:
    one = schedule(ReminderRules(back_off=()))
    for id_ in ("chat", "answer", "translate", "office"):
        shown(one, id_, NOON)
    shown(one, "chat", NOON + HOUR)
    assert held(one, "answer", NOON + HOUR) == "daily"
    assert isinstance(one.decide(0, found("translate", internal=True), NOON + HOUR), Reminder)
    assert one.decide(0, found("translate", internal=True), NOON + 2 * HOUR) == Suppressed("translate", "daily")
    shown(one, "answer", NOON + DAY)


def test_the_same_service_again_waits_longer_each_time_and_another_does_not() -> None:
    one = schedule(
        msgspec.structs.replace(FREE, back_off=(Step("30m"), Step("2h"), Step("next day")), gap=Duration("1m"))
    )
    due = [
        minute for minute in range(0, 11 * 60, 5)
        if isinstance(one.decide(0, found("chat"), NOON + minute * MINUTE), Reminder)
    ]  # fmt: skip
    assert due == [0, 30, 150], "then not before midnight"
    assert held(one, "chat", NOON + 11 * HOUR - MINUTE) == "back-off"
    shown(one, "chat-2", NOON + 10 * HOUR)
    midnight = datetime(2026, 11, 24, tzinfo=AMSTERDAM)
    shown(one, "chat", midnight)
    assert held(one, "chat", midnight + 23 * HOUR) == "back-off"


def test_a_service_that_was_left_alone_for_three_days_begins_at_the_first_step_again() -> None:
    one = schedule(msgspec.structs.replace(FREE, back_off=(Step("30m"), Step("next day"))))
    shown(one, "chat", NOON)
    shown(one, "chat", NOON + HOUR)
    assert held(one, "chat", NOON + 3 * HOUR) == "back-off"
    later = NOON + 3 * HOUR + 3 * DAY
    shown(one, "chat", later)
    shown(one, "chat", later + HOUR)
    assert held(one, "chat", later + 3 * HOUR) == "back-off"


def test_a_service_that_is_used_every_day_does_not_recover() -> None:
    one = schedule(msgspec.structs.replace(FREE, back_off=(Step("30m"), Step("next day"))))
    for day in range(6):
        shown(one, "chat", NOON + day * DAY)
    assert held(one, "chat", NOON + 5 * DAY + 2 * HOUR) == "back-off"


def test_a_name_reminds_once_a_day_a_service() -> None:
    one = schedule()
    shown(one, "chat", NOON, level=Level.VISIT)
    assert held(one, "chat", NOON + 4 * GAP, level=Level.VISIT) == "by-name"
    shown(one, "chat-2", NOON + 4 * GAP, level=Level.VISIT)
    shown(one, "chat", NOON + 6 * GAP, level=Level.USE)
    shown(one, "chat", NOON + DAY, level=Level.VISIT)


# When: quiet.


@pytest.mark.parametrize(
    ("hours", "quiet", "loud"),
    [("18:00-08:00", ["18:00", "23:59", "00:00", "07:59"], ["08:00", "12:00", "17:59"]),
     ("12:00-13:00", ["12:00", "12:59"], ["11:59", "13:00", "00:00"])],
)  # fmt: skip
def test_quiet_hours_are_those_of_the_clock_and_may_go_over_midnight(
    hours: str, quiet: list[str], loud: list[str]
) -> None:
    rules = msgspec.structs.replace(FREE, quiet=(hours,))
    at = {text: datetime.combine(date(2026, 11, 23), time.fromisoformat(text), AMSTERDAM) for text in quiet + loud}
    assert all(held(schedule(rules), "chat", at[text]) == "quiet" for text in quiet)
    assert all(isinstance(schedule(rules).decide(0, found("chat"), at[text]), Reminder) for text in loud)


@pytest.mark.parametrize("reason", ["busy", "away"])
def test_a_desktop_that_is_busy_or_away_is_left_alone_and_nothing_is_used_up(reason: str) -> None:
    one = schedule(texts=NL)
    for minute in range(100):
        decided = one.decide(0, found("chat"), NOON + minute * MINUTE, reason)  # type: ignore[arg-type]
        assert decided == Suppressed("chat", reason)  # type: ignore[arg-type]
    assert shown(one, "chat", NOON + 100 * MINUTE).text == "R30", "the explanation is still due"


def test_an_organisation_can_do_without_reminders() -> None:
    assert held(schedule(ReminderRules(enabled=False)), "chat", NOON) == "disabled"


@given(st.lists(USES, max_size=80).map(lambda uses: sorted(uses, key=lambda use: use[2])))
def test_a_silent_pilot_counts_exactly_what_would_have_been_shown(uses: list[tuple[str, int, int]]) -> None:
    loud, silent = schedule(ReminderRules(), NL), schedule(ReminderRules(silent=True), NL)
    for id_, who, minute in uses:
        at = NOON + minute * MINUTE
        one, other = loud.decide(who, found(id_), at), silent.decide(who, found(id_), at)
        if isinstance(one, Reminder):
            assert other == Suppressed(id_, "silent")
        else:
            assert other == one


def test_two_people_do_not_influence_one_another() -> None:
    together, alone = schedule(ReminderRules()), schedule(ReminderRules())
    for step in range(100):
        at = NOON + step * timedelta(minutes=7)
        together.decide(1, found(sorted(SERVICES)[step % len(SERVICES)]), at)
        assert together.decide(2, found("chat"), at) == alone.decide(2, found("chat"), at)


# What a person asks for.


def test_an_hour_without_reminders_is_an_hour_and_can_be_taken_back() -> None:
    one = schedule()
    one.snooze(0, "hour", NOON)
    assert held(one, "chat", NOON + HOUR - MINUTE) == "snoozed"
    shown(one, "chat", NOON + HOUR)
    one.snooze(0, "hour", NOON + 2 * HOUR)
    one.snooze(0, "end", NOON + 2 * HOUR)
    shown(one, "chat", NOON + 2 * HOUR)
    assert one.snoozes(0, NOON + 2 * HOUR) == ()


def test_not_today_lasts_until_midnight_of_the_organisation_also_for_strong_ones() -> None:
    one, evening = schedule(), datetime(2026, 11, 23, 23, 59, tzinfo=AMSTERDAM)
    one.snooze(0, "today", NOON.astimezone(AMSTERDAM))
    assert held(one, "chat", evening) == "snoozed"
    assert one.decide(0, found("translate", internal=True), evening) == Suppressed("translate", "snoozed")
    shown(one, "chat", evening + MINUTE)


def test_one_context_can_be_left_out_for_a_week() -> None:
    one = schedule()
    one.snooze(0, "week", NOON, Context.SEARCH)
    (snooze,) = one.snoozes(0, NOON)
    assert (snooze.until, snooze.context) == (datetime(2026, 11, 30, tzinfo=AMSTERDAM), Context.SEARCH)
    assert held(one, "answer", NOON + 6 * DAY) == "snoozed"
    shown(one, "chat", NOON)
    shown(one, "answer", NOON + 7 * DAY)
    assert isinstance(one.decide(1, found("answer"), NOON), Reminder), "somebody else asked for nothing"


def test_what_is_remembered_is_taken_up_again_and_holds_no_service_and_no_hour() -> None:
    before = schedule(texts=NL)
    shown(before, "chat", NOON)
    shown(before, "translate", NOON)
    before.snooze(0, "today", NOON)
    before.snooze(0, "week", NOON, Context.SEARCH)
    before.snooze(0, "hour", NOON, Context.CODE)
    memory = before.memory(0, NOON)
    written = msgspec.json.encode(memory)
    assert msgspec.json.decode(written) == {
        "explained": ["chat", "translation"], "until": "2026-11-24", "snoozed": {"search": "2026-11-30"},
    }  # fmt: skip
    after = schedule(texts=NL)
    after.recall(0, msgspec.json.decode(written, type=SavedUserState))
    assert held(after, "chat", NOON + HOUR) == "snoozed"
    assert held(after, "answer", NOON + 2 * DAY) == "snoozed"
    assert shown(after, "chat", NOON + DAY).text != "R30"
    assert after.memory(0, NOON) == memory


def test_a_person_who_left_is_forgotten() -> None:
    one = schedule(texts=NL)
    shown(one, "chat", NOON)
    one.snooze(0, "today", NOON)
    one.forget(0)
    assert one.memory(0, NOON) == SavedUserState()
    assert shown(one, "chat", NOON).text == "R30"


# Pages of the organisation itself.


def internal(one: Reminders, at: datetime) -> Reminder | Suppressed:
    return one.decide(0, found("translate", internal=True), at)


def test_an_internal_page_gets_the_strong_text_at_once_and_a_title_that_says_so() -> None:
    one = schedule(ReminderRules(), NL)
    mild = shown(one, "translate", NOON)
    strong = internal(one, NOON + timedelta(seconds=1))
    assert isinstance(strong, Reminder)
    assert not mild.internal and strong.internal
    assert strong.text in ("R27", "R28")
    assert strong.title == "Interne tekst naar translate"


def test_strong_reminders_have_a_gap_of_their_own_and_take_turns() -> None:
    one = schedule(msgspec.structs.replace(FREE, internal_gap=Duration("10m")))
    assert isinstance(internal(one, NOON), Reminder)
    assert internal(one, NOON + 9 * MINUTE) == Suppressed("translate", "gap")
    shown(one, "translate", NOON + 9 * MINUTE)
    texts = [decided.text for n in range(1, 5) if isinstance(decided := internal(one, NOON + n * HOUR), Reminder)]
    assert texts == ["R28", "R27", "R28", "R27"]


def test_a_contracted_translator_of_internal_pages_is_no_serious_case() -> None:
    one = schedule(texts=NL, service={"translate": Decision(Status.CONTRACTED)})
    decided = internal(one, NOON)
    assert isinstance(decided, Reminder)
    assert not decided.internal
    assert decided.title == "Vertaling door translate"


@pytest.mark.parametrize("day", [date.min, date.max, date(1999, 1, 1)])
def test_a_memory_with_a_day_that_is_none_is_no_snooze(day: date) -> None:
    one = schedule()
    one.recall(0, SavedUserState(until=day, snoozed={Context.CHAT: day}))
    shown(one, "chat", NOON)
