"""A reminder reaches a real desktop as it was written; a broken desktop is told apart in time."""

import asyncio
import shutil
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bewust.desktop import toast as desktop_toast
from bewust.desktop.desktop import Desk, backends
from bewust.desktop.toast import SECONDS_TO_ANSWER, Action, Plyer, Toast, icon, show
from e2e.desktop import NEEDED, Desktop, environment
from e2e.services import SERVER, Service, able_to

ARTEFACTS = Path(__file__).parents[2] / "artefacts"
MISSING = [program for program in NEEDED if shutil.which(program) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {MISSING}")

REMINDER = Toast(
    "Je gebruikt een AI-antwoord",
    "Zo'n samenvatting is door AI gemaakt en kan fouten bevatten. Controleer de bron, en deel "
    "geen persoonsgegevens: cliënt, kenteken & BSN horen hier niet.",
)
PAGE = "http://127.0.0.1:8787/uitleg"
BUTTONS = Toast(
    "Even stilstaan bij AI",
    "Deel geen gegevens van burgers & <collega's> met een vertaaldienst.",
    why=f"Waarom zie ik dit? {PAGE}",
    url=PAGE,
    open="Open uitleg",
    not_today="Vandaag niet meer",
)
AWKWARD = [
    REMINDER,
    Toast("--version", "--help"),
    Toast("-u", "-"),
    Toast("R&D <b>vet</b> 'n été", "R&D &amp; <b>vet</b> <i>'n été</i> \"x\" <img src='http://a.b'>"),
    Toast("C:\\temp\\new", "C:\\temp\\new\\101 %s $(id) `id`"),
    Toast("twee", "regel een\nregel twee"),
]


def read(toasts: list[Toast]) -> list[tuple[str, str]]:
    return [(toast.title, toast.message) for toast in toasts]


def as_read(text: str) -> str:
    """A text without the zero-width space that keeps it from being an option: nobody sees it."""
    return text.removeprefix("\u200b")


def test_toasts_are_read_as_they_were_written() -> None:
    with Desktop() as desktop, environment(desktop.env):
        for toast in AWKWARD:
            assert asyncio.run(show(toast)) is None
        shown = [(as_read(title), as_read(message)) for title, message in desktop.history()]
        assert shown == read(AWKWARD)


def test_a_toast_is_drawn_and_goes_away_by_itself() -> None:
    with Desktop() as desktop, environment(desktop.env):
        start = time.monotonic()
        assert asyncio.run(show(REMINDER)) is None
        assert time.monotonic() - start < SECONDS_TO_ANSWER
        desktop.wait_for(1)
        desktop.screenshot(ARTEFACTS / "toast.png")
        assert desktop.displayed() == 1
        while desktop.displayed():
            assert time.monotonic() < start + desktop_toast.SECONDS_ON_SCREEN + 60
            time.sleep(0.1)
        assert desktop.history() == read([REMINDER])


def test_without_a_session_the_reason_says_so() -> None:
    with Desktop(daemon=False) as desktop:
        env = desktop.env
    with environment(env):  # an address at which nobody listens any more
        assert asyncio.run(show(REMINDER)) == desktop_toast.OUTSIDE
    gone = {"DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "DISPLAY"}
    with environment({name: value for name, value in env.items() if name not in gone}):
        assert asyncio.run(show(REMINDER)) == desktop_toast.OUTSIDE
    assert desktop.processes() == set()  # no dbus-launch either


def test_everything_that_was_started_is_ended() -> None:
    with Desktop() as desktop:
        assert len(desktop.processes()) == 3  # bus, screen, dunst
    assert desktop.processes() == set()


def test_a_desktop_without_a_notification_service_is_told_apart() -> None:
    with Desktop(daemon=False) as desktop, environment(desktop.env):
        assert asyncio.run(show(REMINDER)) == desktop_toast.NOBODY


def test_without_notify_send_the_remedy_is_named(tmp_path: Path) -> None:
    with Desktop() as desktop, environment(desktop.env | {"PATH": str(tmp_path)}):
        reason = asyncio.run(show(REMINDER))
        assert reason is not None and "install libnotify-bin" in reason and reason != desktop_toast.NOBODY


def test_a_frozen_service_costs_five_seconds_and_leaves_no_process() -> None:
    with Desktop() as desktop, environment(desktop.env):
        assert desktop.dunst is not None
        before = desktop.processes()
        desktop.dunst.send_signal(signal.SIGSTOP)
        start = time.monotonic()
        assert asyncio.run(show(REMINDER)) == desktop_toast.TOO_LATE
        assert SECONDS_TO_ANSWER - 0.1 < time.monotonic() - start < SECONDS_TO_ANSWER + 1
        desktop.wait_processes(before)  # the kernel clears the killed group away in its own time
        desktop.dunst.send_signal(signal.SIGCONT)
        assert asyncio.run(show(Toast("weer", "terug"))) is None


class Login:
    """One login with its desk: what was chosen, which pages were opened, and how often plyer was asked."""

    def __init__(self) -> None:
        self.chosen: list[tuple[Action, Toast]] = []
        self.opened: list[str] = []
        self.plain = 0
        login = self

        class Counted(Plyer):
            async def show(self, toast: Toast, /) -> str | None:
                login.plain += 1
                return await super().show(toast)

        kinds = [Counted if kind is Plyer else kind for kind in backends()]
        self.desk = Desk(lambda action, toast: self.chosen.append((action, toast)), kinds, self.opened.append)

    async def heard(self) -> None:
        """Wait until something was chosen or opened; TimeoutError after a few seconds."""
        async with asyncio.timeout(5):
            while not self.chosen and not self.opened:
                await asyncio.sleep(0.02)


@asynccontextmanager
async def logged_in() -> AsyncIterator[Login]:
    login = Login()
    try:
        yield login
    finally:
        await login.desk.close()


def test_toasts_with_buttons_are_read_as_they_were_written() -> None:
    async def shown(desktop: Desktop) -> None:
        async with logged_in() as login:
            for toast in AWKWARD:
                assert await login.desk.show(toast) is None
                desktop.dunstctl("close-all")  # else the next one takes its place
        assert login.plain == 0

    with Desktop() as desktop, environment(desktop.env):
        asyncio.run(shown(desktop))
        assert [(as_read(title), as_read(message)) for title, message in desktop.history()] == read(AWKWARD)


@pytest.mark.parametrize(
    ("label", "chosen", "opened"),
    [("Open uitleg", [], [PAGE]), ("Vandaag niet meer", [("not-today", BUTTONS)], [])],
)
def test_a_toast_with_buttons_is_drawn_and_its_buttons_work(
    label: str, chosen: list[tuple[Action, Toast]], opened: list[str]
) -> None:
    async def clicked(desktop: Desktop) -> None:
        async with logged_in() as login:
            assert await login.desk.show(BUTTONS) is None
            desktop.wait_for(1)
            desktop.screenshot(ARTEFACTS / "toast-buttons.png")
            desktop.choose(label)
            await login.heard()
            assert (login.chosen, login.opened, login.plain) == (chosen, opened, 0)

    with Desktop() as desktop, environment(desktop.env):
        asyncio.run(clicked(desktop))
        assert desktop.history() == read([BUTTONS])  # without the why line: there were buttons


def test_do_not_disturb_is_a_bad_moment() -> None:
    async def asked(desktop: Desktop) -> None:
        async with logged_in() as login:
            assert await login.desk.busy() is None
            desktop.dunstctl("set-paused", "true")
            assert await login.desk.busy() == "do-not-disturb"
            desktop.dunstctl("set-paused", "false")
            assert await login.desk.busy() is None

    with Desktop() as desktop, environment(desktop.env):
        asyncio.run(asked(desktop))


def test_a_server_without_buttons_gets_the_toast_from_plyer_with_a_line_and_the_icon() -> None:
    async def shown() -> None:
        async with logged_in() as login, Service([SERVER], able_to("body", "body-markup")) as server:
            assert await login.desk.show(BUTTONS) is None
        assert login.plain == 1
        name, _, picture, title, text, actions, hints, milliseconds = server.shown[0]
        assert (name, title, actions, milliseconds) == ("Bewust", BUTTONS.title, [], 10_000)
        assert text == f"Deel geen gegevens van burgers &amp; &lt;collega's&gt; met een vertaaldienst.\n{BUTTONS.why}"
        assert picture == str(icon("png"))
        assert hints["desktop-entry"] == ("s", "bewust")

    with Desktop(daemon=False) as desktop, environment(desktop.env):
        asyncio.run(shown())


def test_a_stranger_cannot_click_on_the_toast_of_dunst() -> None:
    async def faked(desktop: Desktop) -> None:
        async with logged_in() as login:
            assert await login.desk.show(BUTTONS) is None
            async with Service() as stranger:
                for to in (None, *stranger.others):  # one of them is ours
                    for number in range(1, 4):
                        await stranger.emit("ActionInvoked", "us", (number, "not-today"), to)
                await login.desk.busy()
                await asyncio.sleep(0.2)
            assert (login.chosen, login.opened) == ([], [])
            desktop.choose("Vandaag niet meer")
            await login.heard()
            assert login.chosen == [("not-today", BUTTONS)]

    with Desktop() as desktop, environment(desktop.env):
        asyncio.run(faked(desktop))


def test_after_dunst_was_restarted_the_buttons_work_again() -> None:
    async def restarted(desktop: Desktop) -> None:
        async with logged_in() as login:
            assert await login.desk.show(BUTTONS) is None
            desktop.restart_daemon()
            assert desktop.displayed() == 0
            assert await login.desk.show(BUTTONS) is None
            desktop.dunstctl("action", "0")  # a click on the toast itself
            await login.heard()
            assert (login.opened, login.plain) == ([PAGE], 0)

    with Desktop() as desktop, environment(desktop.env):
        asyncio.run(restarted(desktop))


def test_a_second_reminder_takes_the_place_of_the_first() -> None:
    async def twice(desktop: Desktop) -> None:
        async with logged_in() as login:
            assert await login.desk.show(REMINDER) is None
            assert await login.desk.show(BUTTONS) is None
            desktop.wait_for(1)
            assert desktop.displayed() == 1

    with Desktop() as desktop, environment(desktop.env):
        asyncio.run(twice(desktop))


def test_a_frozen_dunst_costs_a_desk_five_seconds_and_leaves_no_process() -> None:
    async def frozen(desktop: Desktop) -> None:
        assert desktop.dunst is not None
        before = desktop.processes()
        desktop.dunst.send_signal(signal.SIGSTOP)
        async with logged_in() as login:
            start = time.monotonic()
            assert await login.desk.show(BUTTONS) == desktop_toast.TOO_LATE
            assert SECONDS_TO_ANSWER - 0.1 < time.monotonic() - start < SECONDS_TO_ANSWER + 1
            assert (login.plain, desktop.processes()) == (0, before)
            start = time.monotonic()
            assert await login.desk.busy() is None
            assert time.monotonic() - start < SECONDS_TO_ANSWER + 1
            desktop.dunst.send_signal(signal.SIGCONT)
            assert await login.desk.show(BUTTONS) is None

    with Desktop() as desktop, environment(desktop.env):
        asyncio.run(frozen(desktop))
