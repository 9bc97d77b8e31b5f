"""Counters -> store -> private report -> delivery, and the proof of what is stored.

Belongs here: every number that is kept, and all that makes it anonymous. Not here: what is counted (reminders), or
what a
security team reads in it (fleet).
"""

from typing import TYPE_CHECKING

from bewust.lazy_exports import lazy_exports

__all__ = [
    "Contents",
    "Key",
    "LocalReport",
    "SplitReport",
    "Store",
    "StoreError",
    "SuppressionKey",
    "audit_state",
    "close_periods",
    "deliver_due",
]

if TYPE_CHECKING:
    from bewust.statistics.audit import audit_state
    from bewust.statistics.counters import Key, SuppressionKey
    from bewust.statistics.formats import LocalReport, SplitReport
    from bewust.statistics.retention import close_periods, deliver_due
    from bewust.statistics.storage import Contents, Store, StoreError
else:
    __getattr__ = lazy_exports(
        __name__,
        Contents="storage",
        Key="counters",
        LocalReport="formats",
        SplitReport="formats",
        Store="storage",
        StoreError="storage",
        SuppressionKey="counters",
        audit_state="audit",
        close_periods="retention",
        deliver_due="retention",
    )
