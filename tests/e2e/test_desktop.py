"""A reminder reaches a real desktop as it was written; a broken desktop is told apart in time."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest

from bewust import notify
from bewust.notify import SECONDS_TO_ANSWER, Toaster, show
from e2e.desktop import NEEDED, Desktop

ARTEFACTS = Path(__file__).parents[2] / "artefacts"
MISSING = [program for program in NEEDED if shutil.which(program) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {MISSING}")

REMINDER = (
    "Je gebruikt een AI-antwoord",
    "Zo'n samenvatting is door AI gemaakt en kan fouten bevatten. Controleer de bron, en deel "
    "geen persoonsgegevens: cliënt, kenteken & BSN horen hier niet.",
)
AWKWARD = [
    REMINDER,
    ("--version", "--help"),
    ("-u", "-"),
    ("R&D <b>vet</b> 'n été", "R&D &amp; <b>vet</b> <i>'n été</i> \"x\" <img src='http://a.b'>"),
    ("C:\\temp\\new", "C:\\temp\\new\\101 %s $(id) `id`"),
    ("twee", "regel een\nregel twee"),
]


@contextmanager
def environment(env: dict[str, str]) -> Iterator[None]:
    with mock.patch.dict(os.environ, env, clear=True):
        yield


def as_read(text: str) -> str:
    """A text without the zero-width space that keeps it from being an option: nobody sees it."""
    return text.removeprefix("\u200b")


def test_toasts_are_read_as_they_were_written() -> None:
    with Desktop() as desktop, environment(desktop.env):
        for title, message in AWKWARD:
            assert asyncio.run(show(title, message)) is None
        shown = [(as_read(title), as_read(message)) for title, message in desktop.history()]
        assert shown == AWKWARD


def test_a_toast_is_drawn_and_goes_away_by_itself() -> None:
    with Desktop() as desktop, environment(desktop.env):
        start = time.monotonic()
        assert asyncio.run(show(*REMINDER)) is None
        assert time.monotonic() - start < SECONDS_TO_ANSWER
        desktop.wait_for(1)
        desktop.screenshot(ARTEFACTS / "toast.png")
        assert desktop.displayed() == 1
        time.sleep(max(0, start + notify.SECONDS_ON_SCREEN + 2 - time.monotonic()))
        assert desktop.displayed() == 0
        assert desktop.history() == [REMINDER]


def test_the_toaster_shows_a_burst_in_order() -> None:
    async def burst() -> Toaster:
        toaster = Toaster()
        worker = asyncio.create_task(toaster.run())
        assert all(toaster.offer(f"toast {n}", "text") for n in range(3))
        await toaster.drain(20)
        worker.cancel()
        return toaster

    with Desktop() as desktop, environment(desktop.env):
        toaster = asyncio.run(burst())
        assert (toaster.shown, toaster.failed, toaster.problem) == (3, 0, None)
        assert desktop.history() == [(f"toast {n}", "text") for n in range(3)]


def test_without_a_session_the_reason_says_so() -> None:
    with Desktop(daemon=False) as desktop:
        env = desktop.env
    with environment(env):  # an address at which nobody listens any more
        assert asyncio.run(show(*REMINDER)) == notify.OUTSIDE
    gone = {"DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "DISPLAY"}
    with environment({name: value for name, value in env.items() if name not in gone}):
        assert asyncio.run(show(*REMINDER)) == notify.OUTSIDE
    assert desktop.processes() == set()  # no dbus-launch either


def test_everything_that_was_started_is_ended() -> None:
    with Desktop() as desktop:
        assert len(desktop.processes()) == 3  # bus, screen, dunst
    assert desktop.processes() == set()


def test_a_desktop_without_a_notification_service_is_told_apart() -> None:
    with Desktop(daemon=False) as desktop, environment(desktop.env):
        assert asyncio.run(show(*REMINDER)) == notify.NOBODY


def test_without_notify_send_the_remedy_is_named(tmp_path: Path) -> None:
    with Desktop() as desktop, environment(desktop.env | {"PATH": str(tmp_path)}):
        reason = asyncio.run(show(*REMINDER))
        assert reason is not None and "install libnotify-bin" in reason and reason != notify.NOBODY


def test_a_frozen_service_costs_five_seconds_and_leaves_no_process() -> None:
    with Desktop() as desktop, environment(desktop.env):
        assert desktop.dunst is not None
        before = desktop.processes()
        desktop.dunst.send_signal(signal.SIGSTOP)
        start = time.monotonic()
        assert asyncio.run(show(*REMINDER)) == notify.TOO_LATE
        assert SECONDS_TO_ANSWER - 0.1 < time.monotonic() - start < SECONDS_TO_ANSWER + 1
        time.sleep(0.2)  # for the kernel to clear the killed group away
        assert desktop.processes() == before
        desktop.dunst.send_signal(signal.SIGCONT)
        assert asyncio.run(show("weer", "terug")) is None
