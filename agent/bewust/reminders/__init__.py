"""Detection -> reminder: what begins a use, whether to remind of it, with which text, and what is counted.

Pure: no clock, no files, no network; the time is passed in.
"""

from typing import TYPE_CHECKING

from bewust.lazy_exports import lazy_exports

__all__ = ["Activities", "Outcome", "Pipeline", "Reminder", "Reminders", "Suppressed"]

if TYPE_CHECKING:
    from bewust.reminders.activities import Activities
    from bewust.reminders.pipeline import Outcome, Pipeline
    from bewust.reminders.schedule import Reminder, Reminders, Suppressed
else:
    __getattr__ = lazy_exports(
        __name__,
        Activities="activities",
        Outcome="pipeline",
        Pipeline="pipeline",
        Reminder="schedule",
        Reminders="schedule",
        Suppressed="schedule",
    )
