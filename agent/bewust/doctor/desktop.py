"""Whether a toast can be shown to who runs this, without showing one.

Belongs here: the question. Not here: the answer of a toast that is really shown (`doctor --toast`, which
is desk's). Linux's notification services can be asked; Windows and macOS tell nobody beforehand.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

from bewust.desktop import Desk, Toast
from bewust.desktop import toast as desktop_toast
from bewust.doctor.finding import DoctorContext, Finding, broken, ok, unknown

PART = "desktop"
OWN = "Run it as the employee, in their own login session."
TRIED = Toast("Bewust", "This is a test: reminders can be shown here.")


def check_desktop(
    here: DoctorContext, platform: str = sys.platform, can_show: Callable[[], Awaitable[bool]] | None = None
) -> Finding:
    """Return whether this login has a desktop that shows toasts."""
    if who := _nobody(here, platform):
        return unknown("toast", PART, f"{who}, so toasts were not looked at.", OWN)
    if platform != "linux":
        return unknown("toast", PART, "This system does not say beforehand whether a toast would be shown.",
                       "Show one: bewust doctor --toast")  # fmt: skip
    try:
        can = asyncio.run(_answer(can_show or _service))
    except Exception:  # noqa: BLE001 - a bus fails in many ways, which all mean this
        return broken("toast", PART, "The desktop's message bus does not answer.", _sentence(desktop_toast.OUTSIDE))
    if can:
        return ok("toast", PART, "A notification service is there; --toast shows one for real.")
    return broken("toast", PART, "This desktop has no notification service.", _sentence(desktop_toast.NOBODY))


def _nobody(here: DoctorContext, platform: str) -> str:
    """Return in words why nobody's desktop can be seen from here, "" where one can."""
    if here.user == 0:
        return "Root has no desktop"
    if "SSH_CONNECTION" in here.environment:
        return "Over SSH there is no desktop"
    shown_on = {"DISPLAY", "WAYLAND_DISPLAY"} & set(here.environment)
    return "There is no desktop here" if platform == "linux" and not shown_on else ""


def shown(show: Callable[[Toast], Awaitable[str | None]] | None = None) -> Finding:
    """Show a toast for real, and return whether that worked."""
    wrong = asyncio.run(_answer(lambda: (show or _desk)(TRIED)))
    if wrong is None:
        return ok("toast", PART, "A toast was shown just now.")
    return broken("toast", PART, "A toast could not be shown.", _sentence(wrong))


async def _answer[T](ask: Callable[[], Awaitable[T]]) -> T:
    return await ask()


async def _service() -> bool:
    from bewust.desktop.freedesktop import Freedesktop  # noqa: PLC0415 - importable on Linux only

    desktop = Freedesktop(lambda action, toast: None)
    try:
        return await desktop.is_available()
    finally:
        with suppress(Exception):
            await desktop.close()


async def _desk(toast: Toast) -> str | None:
    desk = Desk(lambda action, toast: None)
    try:
        return await desk.show(toast)
    finally:
        await desk.close()


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."
