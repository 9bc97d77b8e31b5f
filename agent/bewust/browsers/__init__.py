"""The browsers of a machine: one table of them, what they are told by policy, and one that `bewust browse` starts.

Belongs here: where browsers keep what, and reading it. Not here: changing a machine (admin), judging it (doctor).
"""

from typing import TYPE_CHECKING

from bewust.lazy_exports import lazy_exports

__all__ = ["KNOWN", "BrowserError", "EffectivePolicy", "effective_policies"]

if TYPE_CHECKING:
    from bewust.browsers.known import KNOWN
    from bewust.browsers.launch import BrowserError
    from bewust.browsers.reading import EffectivePolicy, effective_policies
else:
    __getattr__ = lazy_exports(
        __name__, BrowserError="launch", EffectivePolicy="reading", KNOWN="known", effective_policies="reading"
    )
