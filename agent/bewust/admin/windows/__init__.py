"""The steps on Windows: folders, service, authority, trust, sessions, browser policies."""

from typing import TYPE_CHECKING

from bewust.lazy_exports import lazy_exports

__all__ = ["Windows"]

if TYPE_CHECKING:
    from bewust.admin.windows.machine import Windows
else:
    __getattr__ = lazy_exports(__name__, Windows="machine")
