"""One login's desktop on Linux, over D-Bus: is now a bad moment, and a toast with buttons.

Belongs here: the session bus, what desktops are asked, how a toast is shown and a choice heard. Not
here: what a choice leads to (desktop). Importable on Linux only, where jeepney is. A question starts
nothing, neither a service nor a bus, and a desktop that does not answer costs a few seconds at most.
"""

import asyncio
import os
import re
from contextlib import suppress
from typing import Any, NamedTuple

from jeepney import (
    DBusAddress,
    HeaderFields,
    MatchRule,
    Message,
    MessageFlag,
    Properties,
    message_bus,
    new_method_call,
)
from jeepney.io.asyncio import DBusConnection, DBusRouter, open_dbus_connection
from jeepney.wrappers import unwrap_msg

from bewust.desktop.busy import Busy
from bewust.desktop.toast import (
    APP_NAME,
    MESSAGE_LIMIT,
    NOT_HERE,
    SECONDS_ON_SCREEN,
    SECONDS_TO_ANSWER,
    TITLE_LIMIT,
    TOO_LATE,
    Action,
    Chosen,
    Toast,
    bus_address,
    clean,
    end,
    icon,
    with_why,
)

SERVICE = "org.freedesktop.Notifications"
NOTIFICATIONS = DBusAddress("/org/freedesktop/Notifications", SERVICE, SERVICE)
ACTIONS: dict[str, Action] = {"default": "open", "open": "open", "not-today": "not-today"}
NORMAL = 1  # the urgency
IDLE = 8  # gnome-session's flag: something keeps the screen from going dark
PROGRAM_SECONDS = 1.0
SIGNALS_WAITING = 100


class Question(NamedTuple):
    """A call that a desktop answers with yes or no, and what a yes means."""

    yes: Busy
    to: DBusAddress
    method: str
    signature: str | None = None
    about: tuple[object, ...] = ()


def _property(yes: Busy, owner: DBusAddress, name: str) -> Question:
    return Question(yes, Properties(owner).props_if, "Get", "ss", (owner.interface, name))


def _address(name: str) -> DBusAddress:
    """An object whose path and interface follow from its service's name, as is the custom."""
    return DBusAddress("/" + name.replace(".", "/"), name, name)


XFCONF = _address("org.xfce.Xfconf")
QUESTIONS = (
    _property("do-not-disturb", NOTIFICATIONS, "Inhibited"),  # Plasma; also while a screen is shared
    _property("do-not-disturb", NOTIFICATIONS.with_interface("org.dunstproject.cmd0"), "paused"),
    Question("do-not-disturb", XFCONF, "GetProperty", "ss", ("xfce4-notifyd", "/do-not-disturb")),
    *(
        Question("locked", _address(f"org.{desktop}.ScreenSaver"), "GetActive")
        for desktop in ("gnome", "cinnamon", "mate", "xfce", "freedesktop")  # the last is Plasma's
    ),
    Question("presentation", _address("org.gnome.SessionManager"), "IsInhibited", "u", (IDLE,)),
    Question(
        "presentation",
        DBusAddress(
            "/org/freedesktop/PowerManagement/Inhibit",
            "org.freedesktop.PowerManagement",
            "org.freedesktop.PowerManagement.Inhibit",
        ),
        "HasInhibit",
    ),
)


class Freedesktop:
    """One connection to this login's session bus, made when it is needed and again when it is lost.

    `chosen` is called in the event loop with what a person chose, and on which toast. One event loop.
    """

    def __init__(self, chosen: Chosen) -> None:
        self._chosen = chosen
        self._connecting = asyncio.Lock()
        self._showing = asyncio.Lock()
        self._connection: DBusConnection | None = None
        self._router: DBusRouter | None = None
        self._listener: asyncio.Task[None] | None = None
        # (unique name of the server, its number) -> the toast, for as long as it can be clicked
        self._open: dict[tuple[str, int], Toast] = {}

    async def busy(self) -> Busy | None:
        """Why now is a bad moment; None where it is not, or nobody answers within SECONDS_TO_ANSWER."""
        answers = await asyncio.gather(*map(self._ask, QUESTIONS), _banners_off(), _full_screen())
        return next((answer for answer in answers if answer), None)

    async def _ask(self, question: Question) -> Busy | None:
        try:
            reply = await self._call(question.to, question.method, question.signature, question.about)
        except Exception:  # noqa: BLE001 - most desktops know only a few of the questions
            return None
        match reply.body:
            case (True,) | ((_, True),):  # bare, or as a variant with its signature
                return question.yes
        return None

    async def show(self, toast: Toast, /) -> str | None:
        """Show `toast` with its buttons; None when it was shown, NOT_HERE where the desktop cannot.

        TOO_LATE when a desktop is there that does not answer within SECONDS_TO_ANSWER: plyer, the next one, would
        wait for the same service, as long again.
        """
        try:
            async with asyncio.timeout(SECONDS_TO_ANSWER), self._showing:
                return None if await self._show(toast) else NOT_HERE
        except TimeoutError:
            return TOO_LATE
        except Exception:  # noqa: BLE001 - whatever is wrong with this way, the other one is left
            return NOT_HERE

    async def is_available(self) -> bool:
        """Whether a notification service runs, or would be started by the first toast. Shows nothing, starts nothing.

        Raises TimeoutError, OSError, and what jeepney raises, where the bus cannot be asked.
        """
        for question in (message_bus.ListNames(), message_bus.ListActivatableNames()):
            async with asyncio.timeout(SECONDS_TO_ANSWER):
                router = await self._connected()
                reply = await router.send_and_get_reply(question)
            unwrap_msg(reply)
            if SERVICE in reply.body[0]:
                return True
        return False

    async def _show(self, toast: Toast) -> bool:
        reply = await self._call(NOTIFICATIONS, "GetCapabilities")
        abilities, server = reply.body[0], reply.header.fields[HeaderFields.sender]
        if "actions" not in abilities:
            return False
        # The server by its unique name: a number is of no use to another one that took its place.
        to = DBusAddress(NOTIFICATIONS.object_path, server, SERVICE)
        replaces = next((number for sender, number in self._open if sender == server), 0)
        body = notification(toast, "body-markup" in abilities, replaces)
        reply = await self._call(to, "Notify", "susssasa{sv}i", body)
        self._open = {(server, reply.body[0]): toast}
        return True

    async def _call(
        self, to: DBusAddress, method: str, signature: str | None = None, body: tuple[object, ...] = ()
    ) -> Message:
        """The answer of a service that runs. Raises TimeoutError, OSError, and what jeepney raises."""
        message = new_method_call(to, method, signature, body)
        message.header.flags = MessageFlag.no_auto_start
        async with asyncio.timeout(SECONDS_TO_ANSWER):
            router = await self._connected()
            reply = await router.send_and_get_reply(message)
        unwrap_msg(reply)  # raises when it is an error
        return reply

    async def _connected(self) -> DBusRouter:
        async with self._connecting:
            # There is no public way to ask whether its reader still runs.
            if self._router is not None and not self._router._rcv_task.done():
                return self._router
            await self.close()
            if (address := bus_address()) is None:
                raise ConnectionError("no session bus")
            self._connection = await open_dbus_connection(address)
            self._router = DBusRouter(self._connection)
            signals = asyncio.Queue[Message](SIGNALS_WAITING)
            self._router.filter(MatchRule(type="signal", interface=SERVICE), queue=signals)
            self._listener = asyncio.create_task(self._listen(signals))
            wanted = MatchRule(type="signal", sender=SERVICE, interface=SERVICE)
            await self._router.send(message_bus.AddMatch(wanted))
            return self._router

    async def _listen(self, signals: asyncio.Queue[Message]) -> None:
        while True:
            signal = await signals.get()
            # A signal sent to us alone arrives whoever sent it, but the bus vouches for its sender.
            sender, member = (signal.header.fields.get(f) for f in (HeaderFields.sender, HeaderFields.member))
            match member, signal.body:
                case "ActionInvoked", (int(number), str(key)) if key in ACTIONS:
                    if toast := self._open.pop((sender, number), None):
                        with suppress(Exception):  # some servers keep a toast whose buttons are dead
                            await self._call(NOTIFICATIONS, "CloseNotification", "u", (number,))
                        asyncio.get_running_loop().call_soon(self._chosen, ACTIONS[key], toast)
                case "NotificationClosed", (int(number), _):
                    self._open.pop((sender, number), None)

    async def close(self) -> None:
        """Close the D-Bus connection; the next question opens another. Buttons on toasts already shown stop working."""
        self._open.clear()
        if self._listener is not None:
            self._listener.cancel()
        if self._router is not None:
            with suppress(Exception):  # what ended its reader, and was told to whoever waited for an answer
                await self._router.__aexit__(None, None, None)
        if self._connection is not None:
            with suppress(OSError):
                async with asyncio.timeout(PROGRAM_SECONDS):
                    await self._connection.close()
        self._listener = self._router = self._connection = None


def notification(toast: Toast, markup: bool, replaces: int) -> tuple[object, ...]:
    """What a notification server's Notify takes (Desktop Notifications Specification 1.2)."""
    choices = [("default", toast.open), ("open", toast.open), ("not-today", toast.not_today)]
    actions = [word for key, label in choices if label for word in (key, clean(label, TITLE_LIMIT, markup=False))]
    text = clean(toast.message, MESSAGE_LIMIT, markup) if actions else with_why(toast, markup)
    picture = icon("png").as_uri()
    hints: dict[str, tuple[str, Any]] = {
        "desktop-entry": ("s", "bewust"),
        "image-path": ("s", picture),
        "urgency": ("y", NORMAL),
        "transient": ("b", True),  # in no history: what somebody used is kept nowhere
    }
    title = clean(toast.title, TITLE_LIMIT, markup=False) or APP_NAME
    return (APP_NAME, replaces, picture, title, text, actions, hints, SECONDS_ON_SCREEN * 1000)


async def _banners_off() -> Busy | None:
    """GNOME keeps its do-not-disturb among its settings, and tells it to nobody over D-Bus."""
    if "GNOME" not in os.environ.get("XDG_CURRENT_DESKTOP", "").split(":") or bus_address() is None:
        return None
    said = await _output("gsettings", "get", "org.gnome.desktop.notifications", "show-banners")
    return "do-not-disturb" if said.strip() == "false" else None


async def _full_screen() -> Busy | None:
    """Whether the active window fills the screen; Wayland tells that to nobody."""
    if not os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return None
    window = active_window(await _output("xprop", "-root", "_NET_ACTIVE_WINDOW"))
    if window is None:
        return None
    state = await _output("xprop", "-id", window, "_NET_WM_STATE")
    return "full-screen" if "_NET_WM_STATE_FULLSCREEN" in state else None


def active_window(said: str) -> str | None:
    """The active window's id in what xprop said of the root window; None when no window is active."""
    found = re.search(r"window id # (0x0*[1-9a-f][0-9a-f]*)", said)
    return found[1] if found else None


async def _output(*command: str) -> str:
    """What a short program writes; empty when it is not there or takes more than PROGRAM_SECONDS."""
    quiet, pipe = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
    try:
        child = await asyncio.create_subprocess_exec(
            *command, stdin=quiet, stdout=pipe, stderr=quiet, start_new_session=True
        )
    except OSError:
        return ""
    try:
        async with asyncio.timeout(PROGRAM_SECONDS):
            written, _ = await child.communicate()
        return written.decode(errors="replace")
    except TimeoutError:
        return ""
    finally:
        if child.returncode is None:
            await end(child)
