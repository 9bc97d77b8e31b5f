"""The agent, the store, the clock and the versions, each verdict for a reason that is really there."""

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from bewust.doctor import machine
from bewust.doctor.finding import Verdict
from bewust.state_files import STORE
from bewust.statistics.counters import period_keys
from bewust.statistics.storage import Store
from support.doctor import RULES, STATUS, here, verdicts

OK, UNKNOWN, DEGRADED, BROKEN = Verdict.OK, Verdict.UNKNOWN, Verdict.DEGRADED, Verdict.BROKEN


def running(*units: str) -> Callable[[list[str]], str | None]:
    """A systemd that runs these and no others."""
    return lambda command: "active\n" if command[-1] in units else None


def booted(tmp_path: Path) -> None:
    (tmp_path / "run/systemd/system").mkdir(parents=True)


def test_an_agent_that_is_well(tmp_path: Path) -> None:
    assert verdicts(machine.check_service(here(tmp_path))) == {"agent": OK, "inspector": OK, "own-errors": OK}


@pytest.mark.parametrize(("change", "id"), [
    ({"inspector": "starting or down"}, "inspector"), ({"problems": ["The disk is full."]}, "problem"),
    ({"failures": {"message: KeyError": 2}}, "own-errors"),
])  # fmt: skip
def test_what_an_agent_complains_of_is_passed_on(tmp_path: Path, change: dict[str, object], id: str) -> None:
    found = verdicts(machine.check_service(here(tmp_path, status=STATUS | change)))
    assert found[id] is DEGRADED and set(found.values()) == {OK, DEGRADED}


def test_an_agent_that_does_not_answer_us_is_not_known(tmp_path: Path) -> None:
    assert verdicts(machine.check_service(here(tmp_path, status=None, why="Nobody."))) == {"agent": UNKNOWN}
    assert verdicts(machine.check_versions(here(tmp_path, status=None, why="Nobody.")))["version"] is UNKNOWN


@pytest.mark.parametrize(("units", "user", "expected"), [
    (("bewust.socket", "bewust.service", "default.target", "bewust-session.service"), 1000, (OK, OK)),
    (("bewust.socket", "bewust.service", "default.target"), 1000, (OK, BROKEN)),
    (("bewust.socket", "bewust.service"), 1000, (OK, UNKNOWN)),
    (("bewust.socket", "bewust.service", "default.target", "bewust-session.service"), 0, (OK, UNKNOWN)),
    (("bewust.socket",), 1000, (BROKEN, None)),
    ((), 1000, (BROKEN, None)),
])  # fmt: skip
def test_the_units_of_a_managed_machine(
    tmp_path: Path, units: tuple[str, ...], user: int, expected: tuple[Verdict, Verdict | None]
) -> None:
    booted(tmp_path)
    found = verdicts(machine.check_service(here(tmp_path, managed=True, user=user, run=running(*units))))
    assert (found["service"], found.get("session")) == expected


def test_sessions_that_are_connected_need_no_other_proof(tmp_path: Path) -> None:
    booted(tmp_path)
    there = here(tmp_path, managed=True, user=0, run=running(*machine.UNITS), status=STATUS | {"sessions": 3})
    assert verdicts(machine.check_service(there))["session"] is OK


def test_without_systemd_the_service_is_not_known(tmp_path: Path) -> None:
    assert verdicts(machine.check_service(here(tmp_path, managed=True)))["service"] is UNKNOWN


def test_the_store(tmp_path: Path) -> None:
    there = here(tmp_path)
    assert verdicts(machine.check_store(there))["store"] is OK, "nothing written yet"
    Store(there.state, period_keys("2026-P12", RULES.services.values())).flush()
    assert verdicts(machine.check_store(there)) == {"store": OK, "disk-space": OK}
    (there.state / STORE).write_bytes(b"damaged")
    assert verdicts(machine.check_store(there))["store"] is BROKEN
    assert verdicts(machine.check_store(here(tmp_path, state=tmp_path / "none/yet")))["store"] is UNKNOWN


def test_a_store_that_is_not_ours_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = here(tmp_path)
    with monkeypatch.context() as changed:
        changed.setattr("os.access", lambda path, mode: False)
        assert verdicts(machine.check_store(there))["store"] is UNKNOWN

    def refuse(self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as changed:
        changed.setattr(Path, "iterdir", refuse)
        assert verdicts(machine.check_store(there))["store"] is UNKNOWN


class Usage(NamedTuple):
    free: int


@pytest.mark.parametrize(("free", "verdict"), [(1 << 30, OK), (100 << 20, DEGRADED), (1 << 20, BROKEN)])
def test_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, verdict: Verdict) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(free))
    assert verdicts(machine.check_store(here(tmp_path)))["disk-space"] is verdict


def test_a_clock_that_cannot_be_right(tmp_path: Path) -> None:
    there = here(tmp_path)
    assert machine.clock(there).verdict is OK
    for days in (-4000, 5000):
        found = machine.clock(here(tmp_path, now=there.now + timedelta(days=days)))
        assert found.verdict is BROKEN and "clock" in found.remedy


def test_a_clock_before_the_authority_was_made(tmp_path: Path) -> None:
    there = here(tmp_path)
    from bewust.authority import authority

    authority.issue(there.root_pem.parent, RULES.matcher.decrypted_hosts(), there.now + timedelta(days=30))
    found = machine.clock(there)
    assert found.verdict is BROKEN and "authority" in found.what


def test_versions(tmp_path: Path) -> None:
    reviewed = datetime.fromisoformat(max(s.reviewed for s in RULES.services.values())).astimezone(RULES.policy.zone)
    there = here(tmp_path, now=reviewed)
    assert set(verdicts(machine.check_versions(there)).values()) == {OK}
    assert verdicts(machine.check_versions(here(tmp_path, status=STATUS | {"version": "0.0.1"})))["version"] is DEGRADED
    later = here(tmp_path, now=reviewed + timedelta(days=400))
    assert verdicts(machine.check_versions(later))["catalogue"] is DEGRADED
    (stale,) = (f for f in machine.check_versions(here(tmp_path, status=STATUS | {"silent": {"claude": 431}}))
                if f.id == "signatures")  # fmt: skip
    assert stale.verdict is DEGRADED
    assert "claude" not in stale.what and "431" not in stale.what, "what follows from counters is not for a bundle"


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("        STATE              : 4  RUNNING", OK),
        ("        STATUS             : 1  BEENDET", BROKEN),
        (None, BROKEN),
    ],
)
def test_on_windows_the_service_manager_is_asked(tmp_path: Path, said: str | None, verdict: Verdict) -> None:
    there = here(tmp_path, managed=True, run=lambda command: said if command[:2] == ["sc", "query"] else None)
    assert next(iter(machine.check_service(there, "win32"))).verdict is verdict
