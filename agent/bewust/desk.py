"""One login's desktop, whatever the platform: is now a bad moment, and showing a toast.

Belongs here: which of the ways this platform has is taken, and opening our own page. Not here: how
each way works (freedesktop, moments, notify), nor when to remind. Every login runs one, so it is
light: plyer is imported in a child process only.
"""

import asyncio
import re
import sys
import webbrowser
from collections.abc import Callable
from contextlib import suppress

from bewust import moments, notify
from bewust.moments import Busy
from bewust.notify import Action, Show, Toast

if sys.platform == "linux":
    from bewust.freedesktop import Freedesktop

# Only our own page, and spelled so plainly that no browser reads another host in it.
OUR_PAGE = re.compile(r"http://127\.0\.0\.1(:\d{1,5})?(/[\w./?=&%#~+-]*)?", re.ASCII)


class Desk:
    """Asks and uses the desktop that this process was started in. One event loop.

    `chosen` hears what a person chose on a toast, except "open", which opens the toast's own page.
    `plain` shows a toast where there are no buttons; `browse` opens a page, and may block.
    """

    def __init__(
        self,
        chosen: Callable[[Action, Toast], None],
        plain: Show = notify.show,
        browse: Callable[[str], object] = webbrowser.open,
    ) -> None:
        self._chosen = chosen
        self._plain = plain
        self._browse = browse
        self._opening: set[asyncio.Task[None]] = set()
        self._freedesktop = Freedesktop(self._heard) if sys.platform == "linux" else None

    async def busy(self) -> Busy | None:
        """Why now is a bad moment; None where it is not, or cannot be known."""
        if self._freedesktop is not None:
            return await self._freedesktop.busy()
        return await asyncio.to_thread(moments.busy)

    async def show(self, toast: Toast) -> str | None:
        """Show `toast`, with its buttons where the desktop has them; None, or why not, in one line."""
        if self._freedesktop is not None:
            try:
                if await self._freedesktop.show(toast):
                    return None
            except TimeoutError:
                return notify.TOO_LATE
        return await self._plain(toast)

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
        if self._freedesktop is not None:
            await self._freedesktop.close()
