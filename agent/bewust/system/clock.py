"""The time that is counted by: this machine's clock, unless it jumped.

A clock that is wrong for a moment (a virtual machine that wakes up, a program that tries something) must not
end a period: its counters would be gone. So a jump of more than a day, measured by a clock that nobody sets,
is believed when it has lasted for a day. What lies before a time that is known to have been is never believed,
and a clock that was there is put right at once.
"""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

JUMP = timedelta(days=1)
LASTED = timedelta(days=1)


def monotonic_seconds() -> float:
    """Return seconds that only ever run forward, asleep or awake where the system tells that."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    if sys.platform == "darwin":
        return time.clock_gettime(time.CLOCK_MONOTONIC)  # time.monotonic() stops there while it sleeps
    return time.monotonic()


class Clock:
    """Tells the time, in UTC. `known` is a time that has been: nothing before it can be true."""

    def __init__(
        self, known: datetime, wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        run: Callable[[], float] = monotonic_seconds,
    ) -> None:  # fmt: skip
        self._known, self._wall, self._run = known, wall, run
        self._base = wall()
        self._from = run()
        self._jumped: float | None = None  # when, while that is not believed

    @property
    def jumped(self) -> bool:
        """Whether this machine's clock says something else, which is not believed yet."""
        return self._jumped is not None

    def now(self) -> datetime:
        """Return the time."""
        wall, run = self._wall(), self._run()
        steady = self._base + timedelta(seconds=run - self._from)
        if abs(wall - steady) < JUMP or self._believed(wall, steady, run):
            self._base, self._from, self._jumped = wall, run, None
            return wall
        return steady

    def _believed(self, wall: datetime, steady: datetime, run: float) -> bool:
        if wall < self._known:
            self._jumped = run
            return False
        if steady < self._known:
            return True
        if self._jumped is None:
            self._jumped = run
        return run - self._jumped >= LASTED.total_seconds()
