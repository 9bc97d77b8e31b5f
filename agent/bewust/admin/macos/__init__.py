"""The steps on macOS: account, folders, launchd, and the configuration profile."""

from typing import TYPE_CHECKING

from bewust.lazy_exports import lazy_exports

__all__ = ["MacOS"]

if TYPE_CHECKING:
    from bewust.admin.macos.machine import MacOS
else:
    __getattr__ = lazy_exports(__name__, MacOS="machine")
