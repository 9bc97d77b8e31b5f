"""The steps on Linux: account, authority, systemd, browser policies."""

from typing import TYPE_CHECKING

from bewust.lazy_exports import lazy_exports

__all__ = ["Linux"]

if TYPE_CHECKING:
    from bewust.admin.linux.machine import Linux
else:
    __getattr__ = lazy_exports(__name__, Linux="machine")
