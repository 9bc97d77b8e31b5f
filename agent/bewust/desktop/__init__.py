"""One login's desktop, whatever the platform: showing a toast, and whether now is a bad moment."""

from typing import TYPE_CHECKING

from bewust.lazy_exports import lazy_exports

__all__ = ["Desk", "Toast", "ToastBackend"]

if TYPE_CHECKING:
    from bewust.desktop.desktop import Desk
    from bewust.desktop.toast import Toast, ToastBackend
else:
    __getattr__ = lazy_exports(__name__, Desk="desktop", Toast="toast", ToastBackend="toast")
