"""The clock is set, jumps, or changes to summer time while people work: nothing of what they did is lost."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bewust.config.rules import load_rules
from bewust.daemon.app import Agent
from bewust.daemon.state import Settings
from bewust.model import Detection, Kind, Level
from bewust.proxy.messages import Detected
from bewust.statistics.counters import Key
from bewust.system.clock import Clock
from support.agents import Desktop, mine

RULES = load_rules(None)
USE = Detected(1, Detection("google-ai-overview", Level.USE, "inline", "google.toml", 1))


class Day:
    """An agent whose clock the test sets; real time passes on its own."""

    def __init__(self, folder: Path, begun: str) -> None:
        self._true = datetime.fromisoformat(begun)
        self.off = timedelta()
        known = self._true - timedelta(days=30)
        self.agent = mine(
            Agent(
                Settings(folder / "state"), RULES, desktop=Desktop(),
                clock=lambda made: Clock(known, self._wrong, self._runs),
            )
        )  # fmt: skip

    def _wrong(self) -> datetime:
        return self._true + self.off

    def _runs(self) -> float:
        return self._true.timestamp()

    def use(self) -> None:
        async def main() -> None:
            self.agent.on_inspector_message(USE)
            await self.agent.people.drain()

        asyncio.run(main())

    def passes(self, time: timedelta) -> None:
        """Let time pass, and what the agent does every fifteen minutes be done."""
        end = self._true + time
        while self._true < end:
            self._true = min(self._true + timedelta(minutes=15), end)
            asyncio.run(self.agent._close_periods())

    def used(self) -> dict[str, int]:
        counts = self.agent.answers.counts()
        return {
            key.period: n for key, n in counts.items() if key == Key(key.period, USE.detection.service, Kind.USE) and n
        }


@pytest.mark.parametrize(
    "off",
    [timedelta(days=365), timedelta(days=-365), timedelta(days=-3), timedelta(hours=5), timedelta(hours=-5)],
    ids=str,
)
def test_a_clock_that_is_wrong_for_two_hours_loses_nothing(tmp_path: Path, off: timedelta) -> None:
    day = Day(tmp_path, "2026-11-25T10:00+01:00")
    for wrong in (timedelta(), off, timedelta()):
        day.off = wrong
        for _ in range(2):
            day.use()
            day.passes(timedelta(hours=1))
    (n,) = day.used().values()
    assert n == 6
    assert not day.agent.failures


@pytest.mark.parametrize("change", ["2026-10-25T00:30+00:00", "2027-03-28T00:30+00:00"], ids=["autumn", "spring"])
def test_the_hour_that_comes_twice_or_never_is_an_hour_like_any_other(tmp_path: Path, change: str) -> None:
    day = Day(tmp_path, change)
    for _ in range(6):
        day.use()
        day.passes(timedelta(minutes=20))
    assert sum(day.used().values()) == 6
    assert not day.agent.failures


def test_a_machine_that_was_off_for_two_months_keeps_what_it_counted_as_a_report(tmp_path: Path) -> None:
    day = Day(tmp_path, "2026-11-25T10:00+01:00")
    day.use()
    asyncio.run(day.agent._close_periods())
    day._true += timedelta(days=60)  # asleep: the clocks ran on
    asyncio.run(day.agent._close_periods())
    assert day.used() == {}
    assert len(day.agent.answers.contents().sealed) == 1
    assert day.agent.now() == day._true.astimezone(UTC)
