"""A reminder is true of the use, seldom, never the same twice running, and fits in a toast."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bewust import reminders
from bewust.model import Context, Detection, Level, Service, Status
from bewust.policy import Decision, Policy, ReminderRules
from bewust.reminders import Held, Reminder, Reminders, Text, Texts, TextsError

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
GAP = timedelta(minutes=30)
NL = reminders.load("nl")
FILLED = {"contact": "CIO", "meldpunt": "de servicedesk", "training": "de cursus", "tip": "-ai", "vertaler": "Firefox"}


def service(id_: str, context: Context = Context.CHAT, embedded: bool = False, name: str = "") -> Service:
    return Service(id_, name or id_, "A vendor", context, embedded, 10.0, "evidence", "2026-11-23", ())


SERVICES = {
    s.id: s
    for s in (
        service("chat"),
        service("chat-2"),
        service("answer", Context.SEARCH, embedded=True),
        service("translate", Context.TRANSLATION, embedded=True),
        service("office", Context.OFFICE, embedded=True),
        service("built-in-chat", Context.CHAT, embedded=True),
    )
}


def found(id_: str, level: Level = Level.USE) -> Detection:
    return Detection(id_, level, "signature", "file.toml", 1)


def schedule(policy: Policy | None = None, texts: Texts = NL, services: Mapping[str, Service] = SERVICES) -> Reminders:
    return Reminders(policy or Policy(fill=FILLED), texts, services)


def shown(one: Reminders, id_: str, at: datetime, who: int = 0, level: Level = Level.USE) -> Reminder:
    decided = one.decide(who, found(id_, level), at)
    assert isinstance(decided, Reminder)
    return decided


def rotation(one: Reminders, id_: str, level: Level = Level.USE, days: int = 40) -> list[str]:
    return [shown(one, id_, NOON + timedelta(days=day), level=level).text for day in range(days)]


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


# Which text.

ALL = {"R01", "R04", "R05", "R06", "R07", "R18", "R26"}
CHAT = {"R02", "R03", "R08", "R09", "R10", "R12", "R13", "R14", "R15", "R16", "R17"}


@pytest.mark.parametrize(
    ("id_", "level", "own"),
    [
        pytest.param("chat", Level.USE, CHAT, id="chat"),
        pytest.param("chat", Level.VISIT, CHAT, id="chat by name"),
        pytest.param("answer", Level.USE, {"R02", "R19", "R20", "R21"}, id="answer in search"),
        pytest.param("answer", Level.VISIT, {"R02", "R20", "R21"}, id="search by name: no answer was seen"),
        pytest.param("translate", Level.USE, {"R22", "R23", "R24"}, id="translation"),
        pytest.param("translate", Level.VISIT, {"R23", "R24"}, id="translation by name: no page was sent"),
        pytest.param("office", Level.USE, {"R08", "R09", "R10", "R25"}, id="embedded assistant"),
    ],
)
def test_the_rotation_has_exactly_the_texts_of_the_context(id_: str, level: Level, own: set[str]) -> None:
    assert set(rotation(schedule(), id_, level)) == own | ALL


def test_what_is_about_just_this_use_comes_before_what_holds_for_all_ai() -> None:
    assert rotation(schedule(), "answer", days=5) == ["R19", "R20", "R21", "R02", "R01"]


@pytest.mark.parametrize(
    ("id_", "status", "alternative", "expected"),
    [
        pytest.param("chat", Status.UNCONTRACTED, "de eigen chat", True, id="uncontracted, with an alternative"),
        pytest.param("chat", Status.UNCONTRACTED, "", False, id="no alternative"),
        pytest.param("chat", Status.UNCONTRACTED, "  ", False, id="a blank is no alternative"),
        pytest.param("chat", Status.UNKNOWN, "de eigen chat", False, id="unknown"),
        pytest.param("chat", Status.CONDITIONAL, "de eigen chat", False, id="conditional"),
        pytest.param("chat", Status.CONTRACTED, "de eigen chat", False, id="contracted"),
        pytest.param("built-in-chat", Status.UNCONTRACTED, "de eigen chat", False, id="embedded: not chosen"),
        pytest.param("answer", Status.UNCONTRACTED, "de eigen chat", False, id="search"),
        pytest.param("translate", Status.UNCONTRACTED, "de eigen chat", False, id="translation"),
    ],
)
def test_no_contract_is_said_only_where_it_is_so_and_an_alternative_exists(
    id_: str, status: Status, alternative: str, expected: bool
) -> None:
    policy = Policy(fill=FILLED, service={id_: Decision(status, alternative)})
    assert ("R11" in rotation(schedule(policy), id_)) is expected


@given(st.dictionaries(st.sampled_from(sorted(FILLED)), st.sampled_from(["", " ", "\n", "iets"])))
def test_a_text_with_an_empty_placeholder_is_never_shown(fill: dict[str, str]) -> None:
    one = schedule(Policy(fill=fill))
    for id_ in ("chat", "answer", "translate"):
        for day in range(25):
            message = shown(one, id_, NOON + timedelta(days=day)).message
            assert "{" not in message
            assert "  " not in message
            assert " ." not in message


def test_a_text_can_be_switched_off_by_leaving_it_empty(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "nl.toml").write_text('[[text]]\nid = "R01"\ntext = ""\nsource = "ons"\n')
    assert "R01" not in rotation(schedule(texts=reminders.load("nl", tmp_path)), "chat")


@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_every_text_has_its_turn_before_one_comes_back(number: int) -> None:
    texts = Texts({}, tuple(Text(f"T{i}", "tekst", "ons") for i in range(number)))
    order = rotation(schedule(texts=texts), "chat", days=3 * number)
    assert order == [f"T{i}" for i in range(number)] * 3


def test_another_context_does_not_begin_with_the_text_just_read() -> None:
    one = schedule(texts=Texts({}, (Text("T0", "nul", "ons"), Text("T1", "een", "ons"))))
    assert [shown(one, id_, NOON).text for id_ in ("chat", "answer", "translate")] == ["T0", "T1", "T0"]


@given(st.lists(st.sampled_from(sorted(SERVICES)), min_size=2, max_size=60))
def test_nobody_reads_the_same_text_twice_running_whatever_they_use(used: list[str]) -> None:
    one = schedule()
    read = [shown(one, id_, NOON + day * timedelta(days=1)).text for day, id_ in enumerate(used)]
    assert all(first != second for first, second in pairwise(read))


# When.


def test_a_context_rests_for_half_an_hour_and_others_do_not_wait() -> None:
    one = schedule()
    shown(one, "chat", NOON)
    assert one.decide(0, found("chat-2"), NOON + GAP - timedelta(seconds=1)) == Held("chat-2", "gap")
    shown(one, "answer", NOON)
    shown(one, "chat-2", NOON + GAP)


def test_what_was_held_does_not_lengthen_the_rest() -> None:
    one = schedule()
    shown(one, "chat", NOON)
    for minute in range(1, 30):
        assert isinstance(one.decide(0, found("chat"), NOON + timedelta(minutes=minute)), Held)
    shown(one, "chat", NOON + GAP)


USES = st.tuples(st.sampled_from(sorted(SERVICES)), st.integers(0, 3), st.integers(0, 24 * 60))


@given(st.lists(USES, max_size=40).map(lambda uses: sorted(uses, key=lambda use: use[2])))
def test_no_two_reminders_of_a_context_to_one_person_within_the_gap(uses: list[tuple[str, int, int]]) -> None:
    one = schedule()
    times: dict[tuple[int, Context], list[int]] = {}
    for id_, who, minute in uses:
        if isinstance(one.decide(who, found(id_), NOON + timedelta(minutes=minute)), Reminder):
            times.setdefault((who, SERVICES[id_].context), []).append(minute)
    assert all(later - earlier >= 30 for at in times.values() for earlier, later in pairwise(at))


@given(st.lists(st.integers(-300, 300), min_size=2, max_size=40))
def test_a_clock_that_is_set_does_not_bring_reminders_closer(minutes: list[int]) -> None:
    one = schedule()
    at = [m for m in minutes if isinstance(one.decide(0, found("chat"), NOON + timedelta(minutes=m)), Reminder)]
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
    zone, one = ZoneInfo("Europe/Amsterdam"), schedule()
    shown(one, "chat", datetime.fromisoformat(first).astimezone(zone))
    decided = one.decide(0, found("chat"), datetime.fromisoformat(second).astimezone(zone))
    assert isinstance(decided, Reminder) is due


def test_a_name_reminds_once_a_day_a_service() -> None:
    one = schedule()
    shown(one, "chat", NOON, level=Level.VISIT)
    assert one.decide(0, found("chat", Level.VISIT), NOON + 4 * GAP) == Held("chat", "daily")
    shown(one, "chat-2", NOON + 4 * GAP, level=Level.VISIT)
    shown(one, "chat", NOON + 6 * GAP, level=Level.USE)
    shown(one, "chat", NOON + timedelta(days=1), level=Level.VISIT)


VISITS = st.lists(st.tuples(st.sampled_from(["chat", "chat-2"]), st.integers(0, 7 * 24 * 60)), max_size=60)


@given(VISITS.map(lambda visits: sorted(visits, key=lambda visit: visit[1])))
def test_no_service_known_by_name_reminds_twice_on_one_day(visits: list[tuple[str, int]]) -> None:
    one, days = schedule(), []
    for id_, minute in visits:
        at = NOON + timedelta(minutes=minute)
        if isinstance(one.decide(0, found(id_, Level.VISIT), at), Reminder):
            days.append((id_, at.date()))
    assert len(days) == len(set(days))


def test_two_people_do_not_influence_one_another() -> None:
    together, alone = schedule(), schedule()
    for step in range(100):
        at = NOON + step * timedelta(minutes=7)
        id_ = sorted(SERVICES)[step % len(SERVICES)]
        together.decide(1, found(id_), at)
        assert together.decide(2, found("chat"), at) == alone.decide(2, found("chat"), at)


def test_an_organisation_can_do_without_reminders() -> None:
    policy = Policy(reminders=ReminderRules(enabled=False))
    assert schedule(policy).decide(0, found("chat"), NOON) == Held("chat", "disabled")


def test_where_no_text_suits_none_is_shown() -> None:
    texts = Texts({}, (Text("T", "tekst", "ons", contexts=(Context.CODE,)),))
    assert schedule(texts=texts).decide(0, found("chat"), NOON) == Held("chat", "text")


# What is read.


def test_a_reminder_names_the_service_as_people_say_it() -> None:
    services = {"google-ai-overview": service("google-ai-overview", Context.SEARCH, True, "Google AI Overview")}
    decided = shown(schedule(services=services), "google-ai-overview", NOON)
    assert decided.title == "AI-antwoord in Google Zoeken"
    assert decided.message == "Dit antwoord is door AI gemaakt. Open de bronnen voordat u het gebruikt."


def test_a_title_too_long_is_cut_where_a_reader_sees_it() -> None:
    services = {"chat": service("chat", name="x" * 100)}
    assert shown(schedule(services=services), "chat", NOON).title == "x" * 62 + "…"


ANY = st.text(max_size=300) | st.text("😀", max_size=200)


@example({"contact": "😀" * 120, "meldpunt": "😀" * 120}, "😀" * 120, "😀" * 50, "chat")
@given(st.dictionaries(st.sampled_from(sorted(FILLED)), ANY), ANY, ANY, st.sampled_from(sorted(SERVICES)))
def test_a_reminder_fits_in_a_toast_whatever_policy_fills_in(
    fill: dict[str, str], alternative: str, name: str, id_: str
) -> None:
    policy = Policy(fill=fill, service={id_: Decision(Status.UNCONTRACTED, alternative)})
    services = {id_: service(id_, SERVICES[id_].context, SERVICES[id_].embedded, name or "x")}
    one = schedule(policy, services=services)
    for day in range(20):
        decided = shown(one, id_, NOON + timedelta(days=day))
        assert units(decided.title) <= 63
        assert 0 < units(decided.message) <= 255


# Reading texts.


def overlay(folder: Path, text: str | bytes, language: str = "nl") -> Path:
    (folder / "texts").mkdir(exist_ok=True)
    data = text.encode() if isinstance(text, str) else text
    (folder / "texts" / f"{language}.toml").write_bytes(data)
    return folder


def test_an_overlay_replaces_and_adds_texts_by_id(tmp_path: Path) -> None:
    overlay(tmp_path, '[[text]]\nid = "R01"\ntext = "Van ons."\nsource = "ons"\n'
                      '[[text]]\nid = "G01"\ntext = "Nieuw."\nsource = "ons"\n')  # fmt: skip
    texts = {text.id: text.text for text in reminders.load("nl", tmp_path).text}
    assert texts == {text.id: text.text for text in NL.text} | {"R01": "Van ons.", "G01": "Nieuw."}
    assert reminders.load("nl", tmp_path).titles == NL.titles


def test_another_language_is_a_file_of_its_own(tmp_path: Path) -> None:
    overlay(tmp_path, '[[text]]\nid = "F01"\ntext = "Tink derom."\nsource = "ús"\n', "fy")
    one = schedule(texts=reminders.load("fy", tmp_path))
    assert shown(one, "chat", NOON) == Reminder("chat", "F01", "chat", "Tink derom.")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        pytest.param("text = nl", "not TOML", id="no TOML"),
        pytest.param("x = " + "9" * 5000, "not TOML", id="a number too long to be one"),
        pytest.param(b'text = "\xff"', "not TOML", id="not UTF-8"),
        pytest.param('[[text]]\nid = "R01"\n', "`text`", id="a text without text"),
        pytest.param('[[text]]\nid = "A"\ntext = ""\nsource = ""\ncontexts = ["chatt"]', "chatt", id="unknown context"),
        pytest.param('[[text]]\nid = "A"\ntext = ""\nsource = ""\n' * 2, "'A' is there twice", id="an id twice"),
        pytest.param("tittles = {}", "tittles", id="unknown key"),
    ],
)
def test_a_mistake_in_texts_is_one_line_that_names_the_file(tmp_path: Path, text: str | bytes, names: str) -> None:
    with pytest.raises(TextsError) as error:
        reminders.load("nl", overlay(tmp_path, text))
    assert str(error.value).startswith(str(tmp_path / "texts" / "nl.toml"))
    assert names in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", [None, ""], ids=["no file", "an empty file"])
def test_a_language_without_texts_is_refused(tmp_path: Path, text: str | None) -> None:
    folder = tmp_path if text is None else overlay(tmp_path, text, "fy")
    with pytest.raises(TextsError, match=r"texts/fy.toml: .*(add the file|Begin)"):
        reminders.load("fy", folder)


# Pages of the organisation itself.


def internal(one: Reminders, at: datetime, is_internal: bool = True) -> Reminder | Held:
    return one.decide(0, msgspec.structs.replace(found("translate"), internal=is_internal), at)


def test_an_internal_page_gets_the_strong_text_at_once_and_a_title_that_says_so() -> None:
    one = schedule()
    mild = internal(one, NOON, is_internal=False)
    strong = internal(one, NOON + timedelta(seconds=1))
    assert isinstance(mild, Reminder) and isinstance(strong, Reminder)
    assert mild.text not in ("R27", "R28")
    assert strong.text in ("R27", "R28")
    assert strong.title == "Interne tekst naar translate"


def test_strong_reminders_have_a_gap_of_their_own_and_take_turns() -> None:
    one = schedule()
    assert isinstance(internal(one, NOON), Reminder)
    assert internal(one, NOON + timedelta(minutes=29)) == Held("translate", "gap")
    assert isinstance(internal(one, NOON + timedelta(minutes=29), is_internal=False), Reminder)
    times = [NOON + timedelta(hours=hour) for hour in range(1, 5)]
    texts = [decided.text for at in times if isinstance(decided := internal(one, at), Reminder)]
    assert texts == ["R28", "R27", "R28", "R27"]


def test_a_text_for_internal_pages_is_shown_for_nothing_else() -> None:
    assert not {"R27", "R28"} & set(rotation(schedule(), "translate"))


def test_a_language_without_a_strong_text_shows_another_rather_than_none() -> None:
    texts = msgspec.structs.replace(NL, text=tuple(text for text in NL.text if not text.internal), titles={})
    decided = internal(schedule(texts=texts), NOON)
    assert isinstance(decided, Reminder)
    assert decided.title == "translate"
