"""A key is made of three closed lists, and of nothing a browser sent."""

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bewust.catalogue import loading
from bewust.config import texts
from bewust.config.policy import Mechanism, Policy
from bewust.model import Detection, Kind, Level
from bewust.reminders.pipeline import Pipeline
from bewust.statistics import counters
from bewust.statistics.counters import Key

SERVICES = {service.id: service for service in loading.load()}
TEXTS = texts.load("nl")
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
PERIOD = re.compile(r"20[0-9]{2}-(P(0[1-9]|1[0-4])|W(0[1-9]|[1-4][0-9]|5[0-3]))")


@pytest.mark.parametrize(
    ("day", "week", "four_weeks"),
    [
        pytest.param("2026-01-01", "2026-W01", "2026-P01", id="first of January in week 1"),
        pytest.param("2027-01-01", "2026-W53", "2026-P14", id="first of January in last year's week 53"),
        pytest.param("2026-12-28", "2026-W53", "2026-P14", id="a year of 53 weeks ends with a period of one"),
        pytest.param("2025-12-29", "2026-W01", "2026-P01", id="December in next year's week 1"),
        pytest.param("2025-12-28", "2025-W52", "2025-P13", id="a year of 52 weeks ends with P13"),
        pytest.param("2026-01-25", "2026-W04", "2026-P01", id="the last day of the first four weeks"),
        pytest.param("2026-01-26", "2026-W05", "2026-P02", id="the day after"),
    ],
)
def test_a_period_is_an_iso_week_or_four(day: str, week: str, four_weeks: str) -> None:
    at = datetime.fromisoformat(day)
    assert counters.period_of(at, 1) == week
    assert counters.period_of(at, 4) == four_weeks


@given(st.datetimes(datetime(2020, 1, 1), datetime(2099, 12, 31)), st.sampled_from([1, 4]))
def test_all_of_a_week_lies_in_one_period_and_periods_sort_in_time(at: datetime, weeks: int) -> None:
    monday = at - timedelta(days=at.weekday())
    assert {counters.period_of(monday + timedelta(days=day), weeks) for day in range(7)} == {
        counters.period_of(at, weeks)
    }
    assert PERIOD.fullmatch(counters.period_of(at, weeks))
    assert counters.period_of(at, weeks) <= counters.period_of(at + timedelta(days=7), weeks)


def test_the_cells_of_a_period_are_services_times_kinds() -> None:
    cells = counters.period_keys("2026-W48", SERVICES.values())
    assert len(cells) == len(set(cells)) == sum(service.counts for service in SERVICES.values()) * len(Kind)
    assert "firefox-on-device" not in {cell.service for cell in cells}, "it has nothing but housekeeping"


@pytest.mark.parametrize(
    ("level", "internal", "kinds"),
    [
        pytest.param(Level.USE, False, [Kind.USE], id="use"),
        pytest.param(Level.VISIT, False, [Kind.VISIT], id="visit"),
        pytest.param(Level.USE, True, [Kind.USE, Kind.INTERNAL], id="use of something internal"),
        pytest.param(Level.IGNORE, False, [], id="ignore"),
        pytest.param(Level.IGNORE, True, [], id="ignore, internal"),
    ],
)
def test_an_activity_counts_its_level(level: Level, internal: bool, kinds: list[Kind]) -> None:
    found = Detection("chatgpt", level, "s", "f", 1, internal)
    counted = counters.of_activity(found, "2026-W48", began=True, internal=internal)
    assert counted == [Key("2026-W48", "chatgpt", kind) for kind in kinds]


def test_a_page_of_ones_own_amid_an_activity_counts_only_itself() -> None:
    found = Detection("edge-translate", Level.USE, "s", "f", 1, internal=True)
    (key,) = counters.of_activity(found, "2026-W48", began=False, internal=True)
    assert key.kind is Kind.INTERNAL


def test_an_opportunity_counts_as_seen() -> None:
    assert counters.of_opportunity("claude", "2026-W48").kind is Kind.SEEN


NAMES = st.text() | st.sampled_from(sorted(SERVICES))
DETECTIONS = st.builds(Detection, NAMES, st.sampled_from(Level), st.text(), st.text(), st.integers(), st.booleans())
STEPS = st.lists(st.tuples(st.integers(0, 5), DETECTIONS | NAMES, st.integers(0, 10**6)), max_size=20)


@given(STEPS, st.sampled_from(["local", "split"]))
def test_a_key_holds_nothing_but_words_of_the_closed_lists(
    steps: list[tuple[int, Detection | str, int]], mechanism: Mechanism
) -> None:
    chain = Pipeline(Policy(mechanism=mechanism), TEXTS, SERVICES)
    for who, found, minutes in steps:
        now = MONDAY + timedelta(minutes=minutes)
        outcome = chain.seen(found, now) if isinstance(found, str) else chain.detected(who, found, now)
        for key in outcome.counts:
            assert key in counters.period_keys(chain.period(now), SERVICES.values())
            assert PERIOD.fullmatch(key.period)


# A further kind, put into the table before anything imports it, as a line of model.py would.
ANOTHER = """
import sys
from enum import StrEnum
from pathlib import Path
from bewust import model
model.Kind = StrEnum("Kind", {**{kind.name: kind.value for kind in model.Kind}, "USEFUL": "useful"})
from bewust.catalogue import loading as catalogue; from bewust.statistics import counters, audit as proving, storage
from bewust.page import kept
from bewust.cli.tables.agent import stats_table
from rich.console import Console
services = catalogue.load()
cells = counters.period_keys("2026-P12", services)
useful = counters.Key("2026-P12", "chatgpt", model.Kind.USEFUL)
store = storage.Store(Path(sys.argv[1]), cells)
store.add([useful])
store.flush()
assert storage.read(store.path)[useful] == 1
proof = proving.audit_state(Path(sys.argv[1]), {service.id for service in services})
assert not proof.findings, proof.findings
assert any("one of 7 kinds" in row.meaning for row in proof.receipt), proof.receipt
Console(width=80).print(stats_table(counters.by_service({useful: 1})))
assert kept.Kind.USEFUL
"""


def test_a_further_kind_is_stored_proved_and_shown_by_its_line_in_the_model_alone(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", ANOTHER, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "useful" in done.stdout and "…" not in done.stdout
