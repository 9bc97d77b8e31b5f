"""One login's desktop, whatever the platform: is now a bad moment, and showing a toast.

Belongs here: which of the back ends this platform has is taken, and opening our own page. Not here: how
each works (freedesktop, busy, toast), nor when to remind. Every login runs one, so it is light: a
back end is imported where it is listed for, and plyer in a child process only.
"""

import asyncio
import re
import sys
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import suppress
from pkgutil import resolve_name
from typing import Protocol, runtime_checkable

from bewust.desktop import busy as desktop_busy
from bewust.desktop.busy import Busy
from bewust.desktop.toast import NOT_HERE, Action, Chosen, Toast, ToastBackend

# The back ends, the best first: the platform, "" for any, and the class, as an entry point names one. The first that
# can show a toast here does. A platform's own toasts are a module and a line of this.
BACKENDS = (
    ("linux", "bewust.desktop.freedesktop:Freedesktop"),
    ("", "bewust.desktop.toast:Plyer"),
)

# Only our own page, and spelled so plainly that no browser reads another host in it.
OUR_PAGE = re.compile(r"http://127\.0\.0\.1(:\d{1,5})?(/[\w./?=&%#~+-]*)?", re.ASCII)


@runtime_checkable
class DesktopState(Protocol):
    """What a back end may know besides: the desktop that it speaks with anyway."""

    async def busy(self) -> Busy | None:
        """Why now is a bad moment; None where it is not, or cannot be known."""


def backends(platform: str = sys.platform) -> list[type[ToastBackend]]:
    """Return the back ends of a platform, the best first."""
    return [resolve_name(name) for where, name in BACKENDS if where in ("", platform)]


class Desk:
    """Asks and uses the desktop that this process was started in. One event loop.

    `chosen` hears what a person chose on a toast, except "open", which opens the toast's own page.
    `kinds` are the back ends, the best first; `browse` opens a page, and may block.
    """

    def __init__(
        self,
        chosen: Chosen,
        kinds: Sequence[Callable[[Chosen], ToastBackend]] | None = None,
        browse: Callable[[str], object] = webbrowser.open,
    ) -> None:
        self._chosen = chosen
        self._browse = browse
        self._opening: set[asyncio.Task[None]] = set()
        self._backends = [kind(self._heard) for kind in (backends() if kinds is None else kinds)]

    async def busy(self) -> Busy | None:
        """Why now is a bad moment; None where it is not, or cannot be known."""
        for backend in self._backends:
            if isinstance(backend, DesktopState):
                return await backend.busy()
        return await asyncio.to_thread(desktop_busy.busy)

    async def show(self, toast: Toast) -> str | None:
        """Show `toast`, with its buttons where the desktop has them; None, or why not, in one line."""
        for backend in self._backends:
            if (problem := await backend.show(toast)) != NOT_HERE:
                return problem
        return NOT_HERE

    def _heard(self, action: Action, toast: Toast) -> None:
        if action != "open":
            self._chosen(action, toast)
        elif OUR_PAGE.fullmatch(toast.url):
            task = asyncio.get_running_loop().create_task(self._open(toast.url))
            self._opening.add(task)  # the loop itself keeps only a weak reference
            task.add_done_callback(self._opening.discard)

    async def _open(self, url: str) -> None:
        with suppress(webbrowser.Error, OSError):  # no browser: nothing we could do, nobody to tell
            await asyncio.to_thread(self._browse, url)

    async def close(self) -> None:
        """Let go of the desktop; toasts stay, but their buttons do nothing any more."""
        for backend in self._backends:
            await backend.close()
