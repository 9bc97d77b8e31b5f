"""A period that ended becomes a report once, its counters are gone, and old things are deleted."""

import secrets
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bewust.catalogue import loading
from bewust.config import policy
from bewust.config.policy import Keeper, Policy, ReleaseRules
from bewust.keys import key_text
from bewust.model import Kind
from bewust.state_files import STORE
from bewust.statistics import counters, formats
from bewust.statistics.counters import Key
from bewust.statistics.formats import LocalReport, SplitReport
from bewust.statistics.retention import close_periods, deliver_due
from bewust.statistics.storage import Contents, Store, contents

RULES = policy.load()
SERVICES = loading.load()
BEFORE = datetime(2026, 11, 23, 12, tzinfo=UTC)  # in 2026-P12, which ends with 29 November
AFTER = datetime(2026, 11, 30, 0, 0, tzinfo=UTC)


def used(folder: Path, period: str = "2026-P12", rules: Policy = RULES) -> Store:
    store = Store(folder, [])
    store.open_period(counters.period_keys(period, SERVICES), rules.release.services)
    store.add([Key(period, "chatgpt", Kind.VISIT), Key(period, "edge-translate", Kind.INTERNAL)])
    return store


def test_nothing_is_sealed_while_its_period_lasts(tmp_path: Path) -> None:
    store = used(tmp_path)
    before = store.contents()
    assert close_periods(store, RULES, BEFORE, secrets.randbelow) is None
    assert store.contents() == before


def test_a_period_that_ended_is_a_report_and_no_counters(tmp_path: Path) -> None:
    store = used(tmp_path)
    store.open_period(counters.period_keys("2026-P13", SERVICES), RULES.release.services)
    assert close_periods(store, RULES, AFTER, secrets.randbelow) is None
    kept = store.contents()
    assert {key.period for key in kept.counts} == set(kept.domains) == {"2026-P13"}
    report = formats.decode(kept.sealed["2026-P12"])
    assert isinstance(report, LocalReport)
    assert (report.period, report.services) == ("2026-P12", RULES.release.services)
    assert sum(map(Fraction, kept.ledger.values())) == 2


def test_settling_again_and_again_and_after_a_restart_changes_nothing(tmp_path: Path) -> None:
    store = used(tmp_path)
    close_periods(store, RULES, AFTER, secrets.randbelow)
    store.flush()
    first = (tmp_path / STORE).read_bytes()
    for later in range(50):
        store = Store(tmp_path, [])
        assert close_periods(store, RULES, AFTER + timedelta(days=later), secrets.randbelow) is None
        store.flush()
    assert (tmp_path / STORE).read_bytes() == first


def test_a_policy_changed_in_mid_period_does_not_change_what_its_report_names(tmp_path: Path) -> None:
    store = used(tmp_path)
    other = msgspec.structs.replace(RULES, release=ReleaseRules(services=("claude",)))
    close_periods(store, other, AFTER, secrets.randbelow)
    assert formats.decode(store.contents().sealed["2026-P12"]).services == RULES.release.services


def split_rules() -> Policy:
    keys = [key_text(X25519PrivateKey.generate().public_key()) for _ in range(2)]
    keepers = tuple(Keeper(f"keeper {n}", key) for n, key in enumerate(keys))
    return msgspec.structs.replace(
        RULES, mechanism="split", release=msgspec.structs.replace(RULES.release, keepers=keepers)
    )


def test_under_split_a_week_becomes_two_shares(tmp_path: Path) -> None:
    rules = split_rules()
    store = used(tmp_path, "2026-W47", rules)
    assert close_periods(store, rules, AFTER, secrets.randbelow) is None
    report = formats.decode(store.contents().sealed["2026-W47"])
    assert isinstance(report, SplitReport)
    assert sum(map(Fraction, store.contents().ledger.values())) == 1


def test_periods_of_both_kinds_are_sealed_each_in_its_way_where_the_mechanism_changed(tmp_path: Path) -> None:
    rules = split_rules()
    store = used(tmp_path, "2026-P12", rules)
    store.open_period(counters.period_keys("2026-W47", SERVICES), rules.release.services)
    close_periods(store, rules, AFTER, secrets.randbelow)
    made = [formats.decode(line).mechanism for line in store.contents().sealed.values()]
    assert sorted(made) == ["local", "split"]


def test_beyond_the_years_budget_there_is_no_report_and_no_counter_and_it_is_said(tmp_path: Path) -> None:
    rules = msgspec.structs.replace(RULES, release=msgspec.structs.replace(RULES.release, yearly="3"))
    store = used(tmp_path, "2026-P11", rules)
    assert close_periods(store, rules, AFTER, secrets.randbelow) is None
    store.open_period(counters.period_keys("2026-P12", SERVICES), rules.release.services)
    problem = close_periods(store, rules, AFTER, secrets.randbelow)
    assert problem is not None
    assert problem.startswith("2026-P12: would spend 4 of a privacy budget of 3 in 2026")
    assert (store.contents().counts, set(store.contents().sealed)) == ({}, {"2026-P11"})


@pytest.mark.parametrize(("days", "left"), [(90, True), (91, False)])
def test_reports_are_kept_for_ninety_days(tmp_path: Path, days: int, left: bool) -> None:
    store = used(tmp_path)
    close_periods(store, RULES, AFTER, secrets.randbelow)
    close_periods(store, RULES, AFTER + timedelta(days=days), secrets.randbelow)
    assert bool(store.contents().sealed) is left


def test_the_budget_is_kept_for_its_year_and_then_forgotten(tmp_path: Path) -> None:
    store = used(tmp_path)
    close_periods(store, RULES, AFTER, secrets.randbelow)
    close_periods(store, RULES, datetime(2027, 1, 20, tzinfo=UTC), secrets.randbelow)
    assert store.contents().ledger, "a period that ends with the year is sealed in the next"
    close_periods(store, RULES, datetime(2027, 3, 1, tzinfo=UTC), secrets.randbelow)
    assert store.contents() == Contents()


def test_a_clock_set_back_seals_nothing_anew(tmp_path: Path) -> None:
    store = used(tmp_path)
    close_periods(store, RULES, AFTER, secrets.randbelow)
    sealed = store.contents().sealed
    store.open_period(counters.period_keys("2026-P12", SERVICES), RULES.release.services)
    close_periods(store, RULES, BEFORE, secrets.randbelow)
    close_periods(store, RULES, AFTER, secrets.randbelow)
    assert store.contents().sealed == sealed


def test_what_cannot_be_delivered_is_said_and_tried_again(tmp_path: Path) -> None:
    store = used(tmp_path)
    close_periods(store, RULES, AFTER, secrets.randbelow)
    store.flush()
    sealed = contents(tmp_path / STORE).sealed
    problem = deliver_due(sealed, tmp_path / "away")
    assert problem is not None and "cannot be written" in problem
    (tmp_path / "away").mkdir()
    assert deliver_due(sealed, tmp_path / "away") is None
    assert len(list((tmp_path / "away").iterdir())) == 1


def test_what_ended_long_ago_is_deleted_without_a_report_and_costs_nothing(tmp_path: Path) -> None:
    store = used(tmp_path, "2026-P01")
    assert close_periods(store, RULES, AFTER, secrets.randbelow) is None
    assert store.contents() == Contents()


def test_where_no_report_can_be_made_the_counters_go_and_it_is_said(tmp_path: Path) -> None:
    """An organisation went from split to local, and its keepers are gone."""
    store = used(tmp_path, "2026-W47")
    problem = close_periods(store, RULES, AFTER, secrets.randbelow)
    assert problem is not None
    assert problem.startswith("2026-W47: no report could be made (under split there are two keepers")
    assert store.contents() == Contents()
