"""The time goes on evenly through jumps of the clock, and follows one that stays."""

from datetime import UTC, datetime, timedelta

import pytest

from bewust.system import clock
from bewust.system.clock import Clock

START = datetime(2026, 11, 26, 12, tzinfo=UTC)
YEAR, HOUR = timedelta(days=365), timedelta(hours=1)


class Machine:
    """A machine whose clock is `off` by so much, and on which time passes when the test says so."""

    def __init__(self, off: timedelta = timedelta()) -> None:
        self.passed, self.off = timedelta(), off
        known = START - timedelta(days=10)
        self.clock = Clock(known, lambda: START + self.passed + self.off, self._run)

    def _run(self) -> float:
        return 1e6 + self.passed.total_seconds()

    def wait(self, how_long: timedelta) -> timedelta:
        """How far the time is off from the true one, after a while of looking now and then."""
        until = self.passed + how_long
        while self.passed < until:
            self.passed = min(self.passed + HOUR / 4, until)
            self.clock.now()
        return self.clock.now() - START - self.passed


def test_a_clock_that_is_set_a_little_is_followed_at_once() -> None:
    machine = Machine()
    for off in (HOUR, -HOUR, HOUR * 23 / 2, -HOUR * 23 / 2):
        machine.off = off
        assert machine.wait(HOUR) == off
    assert not machine.clock.jumped


@pytest.mark.parametrize("off", [YEAR, YEAR * 30, -timedelta(days=5)])
def test_a_jump_is_believed_when_it_has_lasted_for_a_day(off: timedelta) -> None:
    machine = Machine()
    machine.off = off
    assert machine.wait(HOUR) == timedelta()
    assert machine.clock.jumped
    machine.off = timedelta()
    assert machine.wait(HOUR * 30) == timedelta()
    assert not machine.clock.jumped, "a moment's error leaves nothing"
    machine.off = off
    assert machine.wait(HOUR * 23) == timedelta()
    assert machine.wait(HOUR * 2) == off


def test_a_time_before_what_has_been_is_never_believed() -> None:
    machine = Machine()
    machine.off = -YEAR
    assert machine.wait(HOUR * 100) == timedelta()


def test_a_clock_that_was_wrong_at_the_start_is_put_right_at_once() -> None:
    machine = Machine(off=-YEAR * 20)
    assert machine.wait(HOUR) == -YEAR * 20
    machine.off = timedelta()
    assert machine.wait(HOUR / 4) == timedelta()


def test_a_long_sleep_is_no_jump() -> None:
    machine = Machine()
    machine.passed += timedelta(days=20)
    assert machine.clock.now() == START + timedelta(days=20)


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_what_runs_runs_forward(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setattr("sys.platform", platform)
    first = clock.monotonic_seconds()
    assert 0 < first <= clock.monotonic_seconds()
