"""The running agent: what happens is counted and perhaps reminded of; what it answers to page and commands.

Belongs here: the clock, the schedule, who is told what. Not here: any decision (reminders, statistics, config).
"""

from typing import TYPE_CHECKING

from bewust.lazy_exports import lazy_exports

__all__ = ["Agent", "Running", "Settings", "running_agent"]

if TYPE_CHECKING:
    from bewust.daemon.app import Agent
    from bewust.daemon.state import Running, Settings, running_agent
else:
    __getattr__ = lazy_exports(__name__, Agent="app", Running="state", Settings="state", running_agent="state")
