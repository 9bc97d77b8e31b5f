"""Desktops are asked in their own words; only the server that shows a toast can tell of a choice."""

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

if sys.platform != "linux":
    pytest.skip("D-Bus desktops are those of Linux", allow_module_level=True)

from jeepney import MessageFlag

from bewust.desktop import freedesktop as desktop_freedesktop
from bewust.desktop.busy import Busy
from bewust.desktop.freedesktop import Freedesktop, active_window, notification
from bewust.desktop.toast import NOT_HERE, TOO_LATE, Action, Toast, icon
from e2e.desktop import Desktop, environment
from e2e.services import SERVER, Answers, Service, able_to

pytestmark = pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="not installed: dbus-daemon")

PROPERTIES = "org.freedesktop.DBus.Properties"
INHIBIT = "org.freedesktop.PowerManagement.Inhibit"
TOAST = Toast(
    "Even stilstaan",
    "R&D: deel <geen> gegevens.",
    why="Waarom? http://127.0.0.1:8787/",
    url="http://127.0.0.1:8787/",
    open="Open uitleg",
    not_today="Vandaag niet meer",
)


@pytest.fixture
def desktop() -> Iterator[Desktop]:
    with Desktop(screen=False) as bus, environment(bus.env):
        yield bus


class Chosen:
    """Remembers what was chosen, and can be waited for."""

    def __init__(self) -> None:
        self.all: list[tuple[Action, Toast]] = []

    def __call__(self, action: Action, toast: Toast) -> None:
        self.all.append((action, toast))

    async def settle(self, freedesktop: Freedesktop) -> None:
        """Return when every signal sent before has been heard: the bus keeps messages in order."""
        await freedesktop.busy()
        await asyncio.sleep(0.01)


def on_desktop(test: Callable[[Freedesktop, Chosen], Awaitable[None]]) -> None:
    async def run() -> None:
        chosen = Chosen()
        here = Freedesktop(chosen)
        try:
            await test(here, chosen)
        finally:
            await here.close()

    asyncio.run(run())


DESKTOPS: list[tuple[str, tuple[object, ...], str, Any, Busy]] = [
    (SERVER, (PROPERTIES, "Get", SERVER, "Inhibited"), "v", ("b", True), "do-not-disturb"),
    (SERVER, (PROPERTIES, "Get", "org.dunstproject.cmd0", "paused"), "v", ("b", True), "do-not-disturb"),
    (
        "org.xfce.Xfconf",
        ("org.xfce.Xfconf", "GetProperty", "xfce4-notifyd", "/do-not-disturb"),
        "v",
        ("b", True),
        "do-not-disturb",
    ),
    ("org.gnome.ScreenSaver", ("org.gnome.ScreenSaver", "GetActive"), "b", True, "locked"),
    ("org.freedesktop.ScreenSaver", ("org.freedesktop.ScreenSaver", "GetActive"), "b", True, "locked"),
    ("org.gnome.SessionManager", ("org.gnome.SessionManager", "IsInhibited", 8), "b", True, "presentation"),
    ("org.freedesktop.PowerManagement", (INHIBIT, "HasInhibit"), "b", True, "presentation"),
]


@pytest.mark.usefixtures("desktop")
@pytest.mark.parametrize(("name", "question", "signature", "yes", "expected"), DESKTOPS)
def test_each_desktop_is_asked_in_its_own_words(
    name: str, question: tuple[object, ...], signature: str, yes: Any, expected: Busy
) -> None:
    no = ("b", False) if isinstance(yes, tuple) else False

    async def asked(here: Freedesktop, chosen: Chosen) -> None:
        async with Service([name], {question: (signature, (yes,))}) as service:
            assert await here.busy() == expected
            assert all(call.header.flags & MessageFlag.no_auto_start for call in service.calls)
        async with Service([name], {question: (signature, (no,))}):
            assert await here.busy() is None
        strange: Answers = {question: ("s", ("yes",))}
        async with Service([name], strange):
            assert await here.busy() is None

    on_desktop(asked)


@pytest.mark.usefixtures("desktop")
def test_the_most_telling_reason_is_given() -> None:
    locked: Answers = {("org.gnome.ScreenSaver", "GetActive"): ("b", (True,))}
    paused: Answers = {(PROPERTIES, "Get", SERVER, "Inhibited"): ("v", (("b", True),))}

    async def asked(here: Freedesktop, chosen: Chosen) -> None:
        async with Service(["org.gnome.ScreenSaver"], locked):
            assert await here.busy() == "locked"
            async with Service([SERVER], paused):
                assert await here.busy() == "do-not-disturb"

    on_desktop(asked)


def test_without_a_bus_nothing_is_busy_or_shown(tmp_path: Path) -> None:
    async def asked(here: Freedesktop, chosen: Chosen) -> None:
        assert await here.busy() is None
        assert await here.show(TOAST) == NOT_HERE

    for env in ({}, {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={tmp_path}/gone"}, {"DBUS_SESSION_BUS_ADDRESS": "tcp:x"}):
        with environment(env):
            on_desktop(asked)


@pytest.mark.usefixtures("desktop")
def test_a_frozen_service_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desktop_freedesktop, "SECONDS_TO_ANSWER", 0.3)

    async def asked(here: Freedesktop, chosen: Chosen) -> None:
        locked: Answers = {("org.gnome.ScreenSaver", "GetActive"): ("b", (True,))}
        async with Service([SERVER], frozen=True), Service(["org.gnome.ScreenSaver"], locked):
            start = time.monotonic()
            assert await here.busy() == "locked"  # the others are heard all the same
            assert 0.2 < time.monotonic() - start < 1
            start = time.monotonic()
            assert [*await asyncio.gather(here.show(TOAST), here.show(TOAST))] == [TOO_LATE] * 2
            assert 0.2 < time.monotonic() - start < 0.5  # the second does not wait for the first one's wait
        async with Service([SERVER], able_to("actions")):
            assert await here.show(TOAST) is None

    on_desktop(asked)


@pytest.mark.usefixtures("desktop")
def test_a_server_gets_the_toast_and_its_buttons() -> None:
    async def shown(here: Freedesktop, chosen: Chosen) -> None:
        async with Service([SERVER], able_to("body", "actions")) as server:
            assert await here.show(TOAST) is None
        name, replaces, picture, title, text, actions, hints, milliseconds = server.shown[0]
        assert (name, replaces, title, text) == ("Bewust", 0, TOAST.title, TOAST.message)
        assert actions == ["default", "Open uitleg", "open", "Open uitleg", "not-today", "Vandaag niet meer"]
        assert picture == icon("png").as_uri()
        assert hints == {
            "desktop-entry": ("s", "bewust"), "image-path": ("s", picture), "urgency": ("y", 1),
            "transient": ("b", True),
        }  # fmt: skip
        assert milliseconds == 10_000

    on_desktop(shown)


def test_a_toast_is_worded_for_its_server() -> None:
    def texts(toast: Toast, markup: bool) -> tuple[object, object, object]:
        _, _, _, title, text, actions, *_ = notification(toast, markup, 0)
        return title, text, actions

    assert texts(Toast("a <b>", "c & d", "e", open="f <g>"), True) == (
        "a <b>",
        "c &amp; d",
        ["default", "f <g>", "open", "f <g>"],
    )
    assert texts(Toast("\x00", "c & d", "e", not_today="f"), False) == ("Bewust", "c & d", ["not-today", "f"])
    assert texts(Toast("a", "c & d", "e"), True) == ("a", "c &amp; d\ne", [])


@pytest.mark.usefixtures("desktop")
def test_without_buttons_or_with_a_refusal_plyer_is_to_be_asked() -> None:
    async def refused(here: Freedesktop, chosen: Chosen) -> None:
        assert await here.show(TOAST) == NOT_HERE  # nobody there
        async with Service([SERVER], able_to("body", "body-markup")) as server:
            assert await here.show(TOAST) == NOT_HERE
            assert server.shown == []
        async with Service([SERVER], {**able_to("actions"), (SERVER, "Notify"): None}) as server:
            assert await here.show(TOAST) == NOT_HERE
            assert len(server.shown) == 1
        async with Service([SERVER], {(SERVER, "GetCapabilities"): None}):
            assert await here.show(TOAST) == NOT_HERE

    on_desktop(refused)


@pytest.mark.usefixtures("desktop")
@pytest.mark.parametrize(("key", "expected"), [("default", "open"), ("open", "open"), ("not-today", "not-today")])
def test_a_choice_is_heard_once(key: str, expected: Action) -> None:
    async def clicked(here: Freedesktop, chosen: Chosen) -> None:
        async with Service([SERVER], able_to("actions")) as server:
            assert await here.show(TOAST) is None
            await server.emit("ActionInvoked", "us", (7, key))  # another program's toast
            await server.emit("ActionInvoked", "us", (1, "snooze"))
            await server.emit("ActionInvoked", "s", ("1",))
            await chosen.settle(here)
            assert chosen.all == []
            await server.emit("ActionInvoked", "us", (1, key), to=server.asker)  # as gnome-shell sends it
            await server.emit("ActionInvoked", "us", (1, key))
            await chosen.settle(here)
            assert chosen.all == [(expected, TOAST)]

    on_desktop(clicked)


@pytest.mark.usefixtures("desktop")
def test_a_stranger_on_the_bus_cannot_click_or_close() -> None:
    async def faked(here: Freedesktop, chosen: Chosen) -> None:
        async with Service([SERVER], able_to("actions")) as server, Service() as stranger:
            assert await here.show(TOAST) is None
            for to in (None, server.asker):
                await stranger.emit("ActionInvoked", "us", (1, "open"), to)
                await stranger.emit("NotificationClosed", "uu", (1, 2), to)
            await chosen.settle(here)
            assert chosen.all == []
            await server.emit("ActionInvoked", "us", (1, "open"))
            await chosen.settle(here)
            assert chosen.all == [("open", TOAST)]

    on_desktop(faked)


@pytest.mark.usefixtures("desktop")
def test_an_open_toast_is_replaced_and_a_closed_one_forgotten() -> None:
    second = Toast("tweede", "bericht", open="Open uitleg")

    async def shown(here: Freedesktop, chosen: Chosen) -> None:
        async with Service([SERVER], able_to("actions")) as server:
            assert await here.show(TOAST) is None
            assert await here.show(second) is None
            assert [arguments[1] for arguments in server.shown] == [0, 1]
            await server.emit("NotificationClosed", "uu", (1, 1))
            await server.emit("ActionInvoked", "us", (1, "open"))
            await chosen.settle(here)
            assert chosen.all == []
            assert await here.show(second) is None
            assert server.shown[-1][1] == 0
            await server.emit("ActionInvoked", "us", (2, "open"))
            await chosen.settle(here)
            assert chosen.all == [("open", second)]

    on_desktop(shown)


@pytest.mark.usefixtures("desktop")
def test_another_server_knows_nothing_of_the_first_ones_toasts() -> None:
    async def restarted(here: Freedesktop, chosen: Chosen) -> None:
        async with Service([SERVER], able_to("actions")):
            assert await here.show(TOAST) is None
        async with Service([SERVER], able_to("actions")) as other:
            await chosen.settle(here)
            await other.emit("ActionInvoked", "us", (1, "open"), to=other.asker)
            await chosen.settle(here)
            assert chosen.all == []
            assert await here.show(TOAST) is None
            assert other.shown[0][1] == 0
            await other.emit("ActionInvoked", "us", (1, "not-today"))
            await chosen.settle(here)
            assert chosen.all == [("not-today", TOAST)]

    on_desktop(restarted)


def test_a_bus_that_was_lost_is_found_again() -> None:
    async def lost(here: Freedesktop, chosen: Chosen) -> None:
        for _ in range(2):
            with Desktop(screen=False) as desktop, environment(desktop.env):
                assert await here.show(TOAST) == NOT_HERE
                async with Service([SERVER], able_to("actions")) as server:
                    assert await here.show(TOAST) is None
                    await server.emit("ActionInvoked", "us", (1, "open"))
                    await chosen.settle(here)
                    assert await here.show(TOAST) is None
                    assert [arguments[1] for arguments in server.shown] == [0, 0]  # nothing of the bus before
            assert await here.busy() is None
        assert chosen.all == [("open", TOAST)] * 2

    on_desktop(lost)


@pytest.mark.usefixtures("desktop")
def test_a_callback_that_fails_does_not_end_the_listening() -> None:
    async def fails() -> list[str]:
        heard: list[str] = []

        def chosen(action: Action, toast: Toast) -> None:
            heard.append(action)
            raise ValueError

        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        here = Freedesktop(chosen)
        async with Service([SERVER], able_to("actions")) as server:
            for number in (1, 2):
                assert await here.show(TOAST) is None
                await server.emit("ActionInvoked", "us", (number, "open"))
                await here.busy()
                await asyncio.sleep(0.01)
        await here.close()
        return heard

    assert asyncio.run(fails()) == ["open", "open"]


def program(folder: Path, name: str, script: str) -> dict[str, str]:
    """The environment in which the only program is a shell script."""
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return {"PATH": str(folder), "DBUS_SESSION_BUS_ADDRESS": os.environ["DBUS_SESSION_BUS_ADDRESS"]}


def asked_busy(env: dict[str, str]) -> Busy | None:
    async def ask() -> Busy | None:
        here = Freedesktop(Chosen())
        try:
            return await here.busy()
        finally:
            await here.close()

    with environment(env):
        return asyncio.run(ask())


@pytest.mark.usefixtures("desktop")
def test_gnome_is_asked_for_its_banners(tmp_path: Path) -> None:
    env = program(tmp_path, "gsettings", '[ "$*" = "get org.gnome.desktop.notifications show-banners" ] && echo false')
    assert asked_busy(env) is None
    assert asked_busy(env | {"XDG_CURRENT_DESKTOP": "KDE"}) is None
    assert asked_busy(env | {"XDG_CURRENT_DESKTOP": "ubuntu:GNOME"}) == "do-not-disturb"
    program(tmp_path, "gsettings", "echo true")
    assert asked_busy(env | {"XDG_CURRENT_DESKTOP": "GNOME"}) is None


XPROP = """case "$*" in
  "-root _NET_ACTIVE_WINDOW") echo "_NET_ACTIVE_WINDOW(WINDOW): window id # 0x3a00007" ;;
  "-id 0x3a00007 _NET_WM_STATE") echo "_NET_WM_STATE(ATOM) = {}" ;;
esac"""


@pytest.mark.usefixtures("desktop")
def test_a_window_that_fills_the_screen_is_seen_on_x11(tmp_path: Path) -> None:
    env = program(tmp_path, "xprop", XPROP.format("_NET_WM_STATE_FULLSCREEN, _NET_WM_STATE_FOCUSED"))
    assert asked_busy(env) is None
    assert asked_busy(env | {"DISPLAY": ":7"}) == "full-screen"
    assert asked_busy(env | {"DISPLAY": ":7", "WAYLAND_DISPLAY": "wayland-0"}) is None
    program(tmp_path, "xprop", XPROP.format("_NET_WM_STATE_MAXIMIZED_VERT, _NET_WM_STATE_FOCUSED"))
    assert asked_busy(env | {"DISPLAY": ":7"}) is None
    (tmp_path / "xprop").unlink()
    assert asked_busy(env | {"DISPLAY": ":7"}) is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("_NET_ACTIVE_WINDOW(WINDOW): window id # 0x3a00007\n", "0x3a00007"),
        ("_NET_ACTIVE_WINDOW(WINDOW): window id # 0x3a00007, 0x0\n", "0x3a00007"),
        ("_NET_ACTIVE_WINDOW(WINDOW): window id # 0x0\n", None),
        ("_NET_ACTIVE_WINDOW:  not found.\n", None),
        ("", None),
    ],
)
def test_the_active_window_is_read_from_what_xprop_says(said: str, expected: str | None) -> None:
    assert active_window(said) == expected


def test_a_program_that_hangs_costs_a_second_and_is_ended(desktop: Desktop, tmp_path: Path) -> None:
    before = desktop.processes()
    env = program(tmp_path, "xprop", "/bin/sleep 600; echo 'window id # 0x1'")
    start = time.monotonic()
    assert asked_busy(desktop.env | env | {"DISPLAY": ":7"}) is None
    assert 0.9 < time.monotonic() - start < 3
    desktop.wait_processes(before)  # the kernel clears the killed group away in its own time


def test_whether_a_toast_could_be_shown_is_asked_without_showing_one(tmp_path: Path) -> None:
    async def asked(here: Freedesktop, chosen: Chosen) -> None:
        assert not await here.is_available()
        async with Service([SERVER], able_to()) as server:
            assert await here.is_available()
        assert server.shown == []

    with Desktop(screen=False) as bus, environment(bus.env):
        on_desktop(asked)

    async def refused(here: Freedesktop, chosen: Chosen) -> None:
        with pytest.raises(OSError, match="bus"):
            await here.is_available()

    with environment({}):
        on_desktop(refused)
