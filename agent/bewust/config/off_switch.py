"""Whether the agent does its work at all: an administrator can stop it with a file, a person for a while.

Belongs here: the answer, and how long it holds. Not here: what stops (daemon.app). While it is stopped nothing is
decrypted, counted or reminded of, and connections go through as they are.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from bewust.system.clock import monotonic_seconds

FILE = "off"  # in the organisation's folder; what is in it does not matter

type Stopped = Literal["", "off", "paused"]


class OffSwitch:
    """On, unless the file is in `folder` or somebody paused it; a restart ends a pause."""

    def __init__(self, folder: Path | None, run: Callable[[], float] = monotonic_seconds) -> None:
        self._file = folder / FILE if folder is not None else None
        self._run = run
        self._until = 0.0

    @property
    def stopped(self) -> Stopped:
        """Why it does not work now; "" where it does. Costs one look at the disk."""
        if self._file is not None and os.path.lexists(self._file):  # a link to nowhere stops it too
            return "off"
        return "paused" if self.left > 0 else ""

    @property
    def left(self) -> float:
        """Seconds that a pause goes on."""
        return max(0.0, self._until - self._run())

    def pause(self, seconds: float) -> None:
        """Stop for so long from now; 0 ends a pause."""
        self._until = self._run() + seconds
