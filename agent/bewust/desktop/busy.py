"""Whether now is a bad moment to disturb this login, as Windows and macOS tell it.

Belongs here: the reasons there are, a pure decoder per platform and the one call it needs. Not here:
Linux, whose desktops are asked over D-Bus (freedesktop), nor what is done about it. What cannot be
known is None, and is not busy: a reminder at a bad moment is a nuisance, none at all is a failure.
"""

import ctypes
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Literal

Busy = Literal["do-not-disturb", "presentation", "full-screen", "locked"]

# QUERY_USER_NOTIFICATION_STATE; 5 is "accepts notifications". Nothing here tells of Windows 11's own
# do-not-disturb: there a toast goes to the notification centre unseen, which Windows sees to itself.
WINDOWS: dict[int, Busy] = {
    1: "locked",  # nobody there: locked, a screen saver, or another login in front
    2: "full-screen",  # or presentation settings; Windows does not tell which
    3: "full-screen",  # Direct3D
    4: "presentation",
    6: "do-not-disturb",  # the quiet first hour after an installation or upgrade
    7: "full-screen",  # a Windows 8 app, which fills the screen
}
FOCUS = Path("Library/DoNotDisturb/DB/Assertions.json")  # below the home folder


def windows_busy(state: int) -> Busy | None:
    """The meaning of a QUERY_USER_NOTIFICATION_STATE."""
    return WINDOWS.get(state)


def macos_busy(assertions: bytes) -> Busy | None:
    """Whether a Focus is on, from the contents of Assertions.json; None where they make no sense.

    A Focus that a schedule switched on is not in this file, and is not known.
    """
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        if any(store.get("storeAssertionRecords") for store in json.loads(assertions)["data"]):
            return "do-not-disturb"
    return None


def busy() -> Busy | None:
    """Why now is a bad moment on Windows or macOS; None where it is not, or cannot be known.

    It may block on a slow disk. macOS lets only a program with Full Disk Access read the Focus.
    """
    if sys.platform == "win32":
        state = ctypes.c_int()
        failed = ctypes.windll.shell32.SHQueryUserNotificationState(ctypes.byref(state))
        return None if failed else windows_busy(state.value)
    if sys.platform == "darwin":
        with suppress(OSError):
            return macos_busy((Path.home() / FOCUS).read_bytes())
    return None
