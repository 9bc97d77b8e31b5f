"""Whether a toast can be shown is asked only where there can be an answer."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bewust.desktop import toast as desktop_toast
from bewust.desktop.toast import Toast
from bewust.doctor import desktop
from bewust.doctor.finding import Verdict
from support.doctor import here

SCREEN = {"DISPLAY": ":0"}


def says(answer: bool | Exception) -> Callable[[], Awaitable[bool]]:
    async def can_show() -> bool:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return can_show


@pytest.mark.parametrize(("answer", "verdict"), [
    (True, Verdict.OK), (False, Verdict.BROKEN), (OSError("no bus"), Verdict.BROKEN), (TimeoutError(), Verdict.BROKEN),
])  # fmt: skip
def test_a_desktop_is_asked(tmp_path: Path, answer: bool | Exception, verdict: Verdict) -> None:
    found = desktop.check_desktop(here(tmp_path, environment=SCREEN), "linux", says(answer))
    assert found.verdict is verdict


@pytest.mark.parametrize(("environment", "user", "platform"), [
    (SCREEN, 0, "linux"), (SCREEN | {"SSH_CONNECTION": "192.0.2.7 1 192.0.2.8 22"}, 1000, "linux"), ({}, 1000, "linux"),
    ({}, 1000, "win32"), ({}, 501, "darwin"),
])  # fmt: skip
def test_where_no_desktop_can_be_asked_nothing_is_said_of_it(
    tmp_path: Path, environment: dict[str, str], user: int, platform: str
) -> None:
    found = desktop.check_desktop(here(tmp_path, environment=environment, user=user), platform, says(AssertionError()))
    assert found.verdict is Verdict.UNKNOWN and found.remedy


@pytest.mark.parametrize(("wrong", "verdict"), [(None, Verdict.OK), (desktop_toast.NOBODY, Verdict.BROKEN)])
def test_a_toast_that_is_asked_for_is_shown(wrong: str | None, verdict: Verdict) -> None:
    asked: list[Toast] = []

    async def show(toast: Toast) -> str | None:
        asked.append(toast)
        return wrong

    found = desktop.shown(show)
    assert (found.verdict, asked) == (verdict, [desktop.TRIED])
    assert verdict is Verdict.OK or "dunst" in found.remedy
