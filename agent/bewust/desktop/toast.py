"""A toast on the desktop, shown through plyer in a child process that can be killed.

Belongs here: what a toast is, making its text safe, what a back end is, the one that works nearly
everywhere, and saying in one line why a toast could not be shown. Not here: which text, and when; nor
buttons, which plyer does not have (freedesktop).
Only the child (`python -m bewust.desktop.toast`) imports plyer: it may block for a minute and keeps its
errors to itself.
"""

import asyncio
import html
import json
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib.resources import files
from itertools import accumulate, takewhile
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from bewust.system import environment

APP_NAME = "Bewust"
TITLE_LIMIT = 63
MESSAGE_LIMIT = 255  # both in UTF-16 units: on Windows they land in arrays of 64 and 256 of them
WHY_LIMIT = 120  # of the MESSAGE_LIMIT, so that there is always room for a sentence
SECONDS_TO_ANSWER = 5
SECONDS_ON_SCREEN = 10
# On Windows plyer sleeps while the toast shows, and only the child's end takes the tray icon away.
SECONDS_TO_WAIT = SECONDS_TO_ANSWER + (SECONDS_ON_SCREEN if sys.platform == "win32" else 0)
# -P: the folder in which somebody starts us must not be able to offer another `plyer`.
CHILD = (sys.executable, "-P", "-m", "bewust.desktop.toast")

NO_BUS = "no session bus"
TOO_LATE = "the desktop's notification service did not answer in time; restart it, or log in again"
NOT_STARTED = "no process could be started to show the reminder; check memory and limits"
REFUSED = "the desktop did not take the reminder; `notify-send test` shows its complaint"
OUTSIDE = "no desktop session is reachable; start Bewust from the login session, not as a service"
NOT_HERE = "this desktop does not show such toasts; `bewust doctor` says what it lacks"
NOBODY = "no notification service answers on this desktop; install libnotify-bin and dunst"
# Found in the child's stderr -> the reason. Its own words may quote the reminder, these never do.
SYMPTOMS = (
    (NO_BUS, OUTSIDE),
    ("Could not connect", OUTSIDE),
    ("Failed to connect to socket", OUTSIDE),
    ("ServiceUnknown", NOBODY),
    ("No module named 'plyer'", "plyer is not installed; install Bewust again"),
    ("No module named 'pyobjus'", "plyer needs pyobjus on macOS; install pyobjus"),
    ("No usable implementation", "plyer finds no way to show a toast; install libnotify-bin"),
)
# All that a back end may answer: what a session says of a toast is shown to others, so it must be none of its words.
KNOWN_PROBLEMS = frozenset({NOT_STARTED, TOO_LATE, REFUSED, NOT_HERE, *(reason for _, reason in SYMPTOMS)})

Action = Literal["open", "not-today"]  # what a person can choose on a toast


class Toast(msgspec.Struct, frozen=True):
    """A reminder as one person sees it: a title, one sentence and, where the desktop has buttons, two.

    `why` is a line under the sentence, for where there are no buttons. `open` and `not_today` are the
    buttons' labels, without which there is none; `url` is where "open" leads.
    """

    title: str
    message: str
    why: str = ""
    url: str = ""
    open: str = ""
    not_today: str = ""


type Chosen = Callable[[Action, Toast], None]  # hears what a person chose on a toast, in the event loop


class ToastBackend(Protocol):
    """One way of showing toasts, made once for a login and used in one event loop. `desk.BACKENDS` lists them all.

    Its module is imported only on the platforms it is listed for. It may also know whether now is a bad moment
    (desk.DesktopState).
    """

    def __init__(self, chosen: Chosen) -> None:
        """Tell `chosen` of what is chosen on a toast; a back end without buttons never does. Starts nothing yet."""

    async def show(self, toast: Toast, /) -> str | None:
        """Show one toast; None when it was shown, else one of KNOWN_PROBLEMS.

        NOT_HERE means that this desktop cannot show such toasts at all, and that the next back end is asked.
        """

    async def close(self) -> None:
        """Let go of the desktop; toasts stay, but their buttons do nothing any more."""


class Plyer:
    """Toasts by plyer, on every platform: no buttons, and one child process for each."""

    def __init__(self, chosen: Chosen) -> None:
        """Make the back end; nobody is ever told of a choice."""

    async def show(self, toast: Toast, /) -> str | None:
        """Show one toast; None when it was shown, else one of KNOWN_PROBLEMS."""
        return await show(toast)

    async def close(self) -> None:
        """Nothing is held."""


def icon(kind: Literal["png", "ico"]) -> Path:
    """Where Bewust's own picture lies; Bewust is always installed unpacked."""
    return Path(str(files("bewust.icons"))) / f"bewust.{kind}"


def bus_address() -> str | None:
    """This login's D-Bus session bus; None where there is none. Nothing is started by asking."""
    if address := os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return address
    bus = Path(os.environ.get("XDG_RUNTIME_DIR", "/nonexistent"), "bus")
    return f"unix:path={bus}" if bus.exists() else None


def clean(text: str, limit: int, markup: bool) -> str:
    """Make `text` safe: printable characters and newlines, at most `limit` (>= 1) UTF-16 units.

    With `markup` the result is HTML-escaped, for a server that reads markup. Neither an entity nor
    a surrogate pair is cut in half. The result is not meant to be cleaned again.
    """
    spaced = (" " if c.isspace() and c != "\n" else c for c in text)  # a no-break space is a space
    safe = "".join(c for c in spaced if c.isprintable() or c == "\n")
    if safe.startswith("-"):
        safe = "\u200b" + safe  # notify-send would take the text for one of its options
    pieces = [html.escape(c, quote=False) if markup else c for c in safe]
    sizes = [len(piece.encode("utf-16-le")) // 2 for piece in pieces]
    if sum(sizes) <= limit:
        return "".join(pieces)
    fitting = takewhile(lambda used: used <= limit - 1, accumulate(sizes))  # 1 for the ellipsis
    return "".join(pieces[: len(list(fitting))]) + "…"


def with_why(toast: Toast, markup: bool) -> str:
    """The sentence and under it the why line, made safe within MESSAGE_LIMIT; the sentence is cut first."""
    why = clean(toast.why, WHY_LIMIT, markup)
    if not why:
        return clean(toast.message, MESSAGE_LIMIT, markup)
    left = MESSAGE_LIMIT - 1 - len(why.encode("utf-16-le")) // 2
    return f"{clean(toast.message, left, markup)}\n{why}"


async def show(toast: Toast, command: Sequence[str] = CHILD, seconds: float = SECONDS_TO_WAIT) -> str | None:
    """Show `toast` by way of a child process; None when shown, else the reason in one line.

    After `seconds` the child and all it started are killed, also when this call is cancelled.
    """
    try:
        child = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # a process group of its own, so that notify-send dies with it
            env=environment.allowed(desktop=True),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError:
        return NOT_STARTED
    # Not msgspec's encoder: it refuses a lone surrogate, which the child takes out.
    given = json.dumps(msgspec.structs.asdict(toast)).encode()
    try:
        async with asyncio.timeout(seconds):
            _, complaint = await child.communicate(given)
    except (TimeoutError, asyncio.CancelledError) as error:
        await end(child)
        if isinstance(error, TimeoutError):
            return TOO_LATE
        raise
    return diagnose(child.returncode or 0, complaint.decode(errors="replace"))


async def end(child: asyncio.subprocess.Process) -> None:
    """Kill a child that leads a session of its own, with its group; one that left it cannot hold us up."""
    with suppress(OSError, TimeoutError):  # OSError: it has just ended by itself
        if sys.platform != "win32":
            os.killpg(child.pid, signal.SIGKILL)
        child.kill()  # on Windows plyer starts no other process
        async with asyncio.timeout(1):  # `wait` also waits for whoever still holds the pipe
            await child.wait()
    child._transport.close()  # type: ignore[attr-defined]  # no public way to let go of the pipe


def diagnose(returncode: int, complaint: str) -> str | None:
    """The reason for a failure, from the child's exit code and stderr; None without one."""
    if returncode == 0 and not complaint.strip():
        return None
    return next((reason for symptom, reason in SYMPTOMS if symptom in complaint), REFUSED)


def wording(backend: str, toast: Toast) -> tuple[str, str]:
    """Title and message for plyer's class `backend`, so that a person reads what was meant.

    A title is never markup (Desktop Notifications Specification 1.2). notify-send undoes the
    message's backslashes (g_strcompress); plyer puts the portal's texts between quotes (GVariant).
    """
    markup = backend in ("NotifySendNotification", "NotifyDbus")
    title = clean(toast.title, TITLE_LIMIT, markup=False) or APP_NAME  # notify-send wants a title
    message = with_why(toast, markup)
    if backend == "NotifySendNotification":
        return title, message.replace("\\", r"\\")
    if backend == "NotifyDesktopPortals":
        quoting = str.maketrans({"\\": r"\\", "'": r"\'", "\n": r"\n"})
        return title.translate(quoting), message.translate(quoting)
    return title, message


def main() -> None:
    """The child: reads a Toast's fields from stdin; silence and exit code 0 mean shown."""
    # Asking for a bus where there is none may start one (dbus-launch), which would outlive us.
    if sys.platform == "linux" and bus_address() is None:
        sys.exit(NO_BUS)
    os.environ["LANGUAGE"] = "en"  # the symptoms are looked for in English
    warnings.simplefilter("ignore")  # plyer warns of a missing dbus-python also when all is well
    from plyer import notification as plyer  # noqa: PLC0415 - only the child needs it

    backend = plyer.__class__.__name__  # asks plyer's proxy, which answers for the real class
    if backend == "NotifySendNotification":
        # plyer loses these on the way to notify-send, and the toast would stay for ever, without a picture.
        duration = str(SECONDS_ON_SCREEN * 1000)
        plyer._notify = partial(
            plyer._notify, expire_time=duration, icon=str(icon("png")), hint="string:desktop-entry:bewust"
        )
    title, message = wording(backend, Toast(**json.load(sys.stdin)))
    picture = str(icon("ico" if sys.platform == "win32" else "png"))
    plyer.notify(title=title, message=message, app_name=APP_NAME, app_icon=picture, timeout=SECONDS_ON_SCREEN)


if __name__ == "__main__":
    main()
