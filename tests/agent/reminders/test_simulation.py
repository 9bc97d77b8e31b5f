"""A replayed day shows what a person would have seen: the busiest one, at most the cap."""

import json
import random
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec
import pytest

from bewust.catalogue import loading
from bewust.config import policy, texts
from bewust.config.policy import ReminderRules
from bewust.reminders.pipeline import Pipeline
from bewust.reminders.schedule import Reminder, Suppressed
from bewust.reminders.simulation import MOST, DayError, ScriptedUse, SimulatedUse, read_day, simulate

SERVICES = {service.id: service for service in loading.load()}
ZONE = ZoneInfo("Europe/Amsterdam")
USED = ["google-ai-overview", "bing-copilot-search", "chatgpt", "claude", "edge-translate", "deepl", "copilot"]


def busy_day(seed: int, level: str | None = None, before: str = "") -> list[str]:
    """400 detections from eight to six, some of them pages of the organisation itself."""
    chance = random.Random(seed)
    lines = [before] if before else []
    for minute in sorted(chance.choices(range(8 * 60, 18 * 60), k=400)):
        service = chance.choice(USED)
        step: dict[str, object] = {"at": f"{minute // 60:02}:{minute % 60:02}", "service": service}
        if level is not None:
            step["level"] = level
        elif service == "edge-translate":
            step["internal"] = chance.random() < 0.3
        lines.append(json.dumps(step))
    return lines


def replay(lines: list[str], rules: ReminderRules = ReminderRules()) -> list[SimulatedUse]:  # noqa: B008 - it is frozen
    chain = Pipeline(msgspec.structs.replace(policy.load(), reminders=rules), texts.load("nl"), SERVICES)
    return list(simulate(read_day(lines, SERVICES), chain, SERVICES, ZONE))


def shown(seen: list[SimulatedUse]) -> list[Reminder]:
    return [one.decided for one in seen if isinstance(one.decided, Reminder)]


def reasons(seen: list[SimulatedUse]) -> Counter[str]:
    return Counter(one.decided.reason for one in seen if isinstance(one.decided, Suppressed))


@pytest.mark.parametrize("seed", range(20))
def test_a_busy_person_sees_at_most_the_cap_on_a_day_of_400_detections(seed: int) -> None:
    seen = replay(busy_day(seed))
    assert len(seen) == 400
    assert 3 <= len(shown(seen)) <= 6
    read = [reminder.text for reminder in shown(seen)]
    assert all(first != second for first, second in pairwise(read))
    assert sum(reasons(seen).values()) > 20, "there was a great deal to hold back"


@pytest.mark.parametrize(
    "cautious",
    [
        pytest.param(busy_day(1, level="ignore"), id="who opens the same sites and uses no AI"),
        pytest.param(busy_day(1, before='{"at": "08:00", "snooze": "today"}'), id="who wants none today"),
        pytest.param(busy_day(1, before='{"at": "08:00", "busy": true}'), id="who is not to be disturbed"),
    ],
)
def test_a_cautious_person_sees_none_on_the_same_day(cautious: list[str]) -> None:
    assert len(shown(replay(busy_day(1)))) > 0
    assert shown(replay(cautious)) == []


def test_a_policy_can_be_tuned_with_it() -> None:
    day = busy_day(2)
    assert len(shown(replay(day, ReminderRules(daily=2)))) <= 2
    assert shown(replay(day, ReminderRules(quiet=("07:00-19:00",)))) == []
    silent = replay(day, ReminderRules(silent=True))
    assert shown(silent) == []
    assert reasons(silent)["silent"] == len(shown(replay(day)))


def test_what_a_person_does_stands_between() -> None:
    seen = replay(
        [
            '{"at": "09:00", "service": "chatgpt"}',
            "",
            '{"at": "10:00", "snooze": "week", "context": "search"}',
            '{"at": "10:01", "service": "google-ai-overview"}',
            '{"at": "11:00", "busy": true}',
            '{"at": "11:01", "service": "edge-translate", "internal": true}',
            '{"at": "12:00:30", "service": "edge-translate", "internal": true, "busy": false}',
            '{"at": "12:00:31", "service": "edge-translate"}',
        ]
    )
    outcomes = [
        one.decided.text if isinstance(one.decided, Reminder) else one.decided and one.decided.reason for one in seen
    ]
    assert outcomes == ["R30", "snoozed", "busy", "R27", None]
    assert seen[0].at.astimezone(UTC) == datetime(2026, 11, 23, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("nonsense", "line 1"),
        ("[" * 100_000, "line 1"),
        ('{"at": "9 uur", "service": "chatgpt"}', "9 uur"),
        ('{"at": "09:00+01:00", "service": "chatgpt"}', "zone"),
        ('{"service": "chatgpt"}', "`at`"),
        ('{"at": "09:00"}', "nothing happens"),
        ('{"at": "09:00", "service": "chatgpd"}', "not in the catalogue"),
        ('{"at": "09:00", "service": "chatgpt", "url": "https://x"}', "url"),
        ('{"at": "09:00", "snooze": "for ever"}', "for ever"),
        ('{"at": "10:00", "snooze": "hour"}\n{"at": "09:00", "snooze": "hour"}', "line 2"),
    ],
)
def test_a_line_that_is_none_is_named_with_its_number_and_a_remedy(line: str, names: str) -> None:
    with pytest.raises(DayError) as error:
        read_day(line.splitlines(), SERVICES)
    assert names in str(error.value)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_a_file_without_end_is_refused_in_time() -> None:
    with pytest.raises(DayError, match="no day"):
        read_day(['{"at": "09:00", "snooze": "hour"}'] * (MOST + 1), SERVICES)


def test_every_key_of_a_step_is_in_the_documentation() -> None:
    from pathlib import Path

    text = (Path(__file__).parents[3] / "docs" / "reminders.md").read_text(encoding="utf-8")
    for field in msgspec.structs.fields(ScriptedUse):
        assert f"`{field.name}`" in text
