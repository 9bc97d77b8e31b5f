"""A toast takes the best way there is; "open" leads to our own page only; the process stays light."""

import asyncio
import subprocess
import sys
import threading
import webbrowser
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from bewust.desktop import busy as desktop_busy
from bewust.desktop import desktop
from bewust.desktop import toast as desktop_toast
from bewust.desktop.busy import Busy
from bewust.desktop.desktop import Desk, DesktopState
from bewust.desktop.toast import NOT_HERE, REFUSED, TOO_LATE, Action, Chosen, Plyer, Toast

PAGE = "http://127.0.0.1:8787/uitleg?taal=nl#waarom"
TOAST = Toast("titel", "bericht", url=PAGE, open="Open uitleg", not_today="Vandaag niet meer")


class Fake:
    """A back end that answers as told, and clicks when asked."""

    answer: str | None = None
    made: ClassVar[list["Fake"]] = []

    def __init__(self, chosen: Chosen) -> None:
        self.click = chosen
        self.shown: list[Toast] = []
        self.closed = False
        self.made.append(self)

    async def show(self, toast: Toast, /) -> str | None:
        self.shown.append(toast)
        return self.answer

    async def close(self) -> None:
        self.closed = True


class Knowing(Fake):
    """One that knows whether now is a bad moment."""

    async def busy(self) -> Busy | None:
        return "presentation"


def answering(problem: str | None, of: type[Fake] = Fake) -> type[Fake]:
    return type("Answering", (of,), {"answer": problem, "made": []})


def nobody(action: Action, toast: Toast) -> None:
    raise AssertionError("nobody chose anything")


@pytest.mark.parametrize(
    ("first", "problem", "second_asked"),
    [(None, None, False), (NOT_HERE, "plain", True), (TOO_LATE, TOO_LATE, False), (REFUSED, REFUSED, False)],
)
def test_the_next_back_end_is_asked_only_where_the_first_cannot_show_toasts_here(
    first: str | None, problem: str | None, second_asked: bool
) -> None:
    one, other = answering(first), answering("plain")
    assert asyncio.run(Desk(nobody, [one, other]).show(TOAST)) == problem
    assert one.made[0].shown == [TOAST]
    assert other.made[0].shown == [TOAST] * second_asked


@pytest.mark.parametrize("kinds", [[], [answering(NOT_HERE)]], ids=["no back end", "none that can"])
def test_where_nothing_can_show_it_that_is_said(kinds: list[type[Fake]]) -> None:
    assert asyncio.run(Desk(nobody, kinds).show(TOAST)) == NOT_HERE


def test_the_moment_is_asked_of_the_back_end_that_knows_it_and_all_are_let_go_of() -> None:
    kinds = [answering(NOT_HERE), answering(None, Knowing)]

    async def used() -> Busy | None:
        here = Desk(nobody, kinds)
        busy = await here.busy()
        await here.close()
        return busy

    assert asyncio.run(used()) == "presentation"
    assert all(kind.made[0].closed for kind in kinds)


def test_elsewhere_the_platform_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desktop_busy, "busy", lambda: "locked")
    assert asyncio.run(Desk(nobody, [Fake]).busy()) == "locked"


# The list.


@pytest.mark.skipif(sys.platform != "linux", reason="jeepney is there on Linux only")
def test_on_linux_the_desktop_itself_goes_before_plyer() -> None:
    from bewust.desktop.freedesktop import Freedesktop

    assert desktop.backends("linux") == [Freedesktop, Plyer]
    assert isinstance(Freedesktop(nobody), DesktopState)


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_elsewhere_there_is_plyer(platform: str) -> None:
    assert desktop.backends(platform) == [Plyer]
    assert not isinstance(Plyer(nobody), DesktopState)


def test_the_general_back_end_is_the_last_one() -> None:
    assert desktop.BACKENDS[-1] == ("", "bewust.desktop.toast:Plyer")
    assert [where for where, _ in desktop.BACKENDS[:-1] if not where] == []


def test_plyer_shows_by_its_child(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def show(toast: Toast) -> str | None:
        asked.append(toast)
        return desktop_toast.NOBODY

    monkeypatch.setattr(desktop_toast, "show", show)
    assert asyncio.run(Desk(nobody, [Plyer]).show(TOAST)) == desktop_toast.NOBODY
    assert asked == [TOAST]


OF_THE_PLATFORM = """
from bewust.desktop.toast import NOT_HERE


class Toasts:
    def __init__(self, chosen):
        self.chosen = chosen

    async def show(self, toast, /):
        if not toast.open:
            return NOT_HERE
        self.chosen("not-today", toast)
        return None

    async def close(self):
        pass
"""


@pytest.mark.parametrize("platform", ["linux", "win32", "darwin"])
def test_a_platforms_own_toasts_are_one_file_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    (tmp_path / "toasts_of_the_platform.py").write_text(OF_THE_PLATFORM)
    monkeypatch.syspath_prepend(tmp_path)
    rest = [line for line in desktop.BACKENDS if line[0] == ""]  # what else a Linux has would ask a real desktop
    monkeypatch.setattr(desktop, "BACKENDS", ((platform, "toasts_of_the_platform:Toasts"), *rest))
    plain: list[Toast] = []

    async def show(toast: Toast) -> str | None:
        plain.append(toast)
        return None

    monkeypatch.setattr(desktop_toast, "show", show)
    heard: list[tuple[Action, Toast]] = []
    without = msgspec.structs.replace(TOAST, open="")

    async def used() -> None:
        here = Desk(lambda action, toast: heard.append((action, toast)), desktop.backends(platform))
        assert await here.show(TOAST) is None
        assert await here.show(without) is None
        await here.close()

    asyncio.run(used())
    assert (heard, plain) == ([("not-today", TOAST)], [without])
    elsewhere = next(other for other in ("linux", "win32", "darwin") if other != platform)
    assert desktop.backends(elsewhere) == [Plyer]


def clicked(action: Action, toast: Toast, fails: bool = False) -> tuple[list[tuple[Action, Toast]], list[str]]:
    """What the caller heard and which pages were opened after one click."""
    heard: list[tuple[Action, Toast]] = []
    opened: list[str] = []

    def browse(url: str) -> None:
        assert threading.current_thread() is not threading.main_thread()
        opened.append(url)
        if fails:
            raise webbrowser.Error("no browser")

    async def click() -> None:
        kind = answering(None)
        here = Desk(lambda action, toast: heard.append((action, toast)), [kind], browse)
        kind.made[0].click(action, toast)
        while here._opening:
            await asyncio.gather(*here._opening)
            await asyncio.sleep(0)

    asyncio.run(click())
    return heard, opened


def test_open_leads_to_the_page_and_nobody_hears_of_it() -> None:
    assert clicked("open", TOAST) == ([], [PAGE])
    assert clicked("open", Toast("a", "b", url="http://127.0.0.1:8787")) == ([], ["http://127.0.0.1:8787"])
    assert clicked("open", TOAST, fails=True) == ([], [PAGE])


def test_not_today_is_for_the_caller() -> None:
    assert clicked("not-today", TOAST) == ([("not-today", TOAST)], [])


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://example.org/",
        "https://localhost/",
        "file:///etc/passwd",
        "http://127.0.0.1.example.org/",
        "http://127.0.0.1:8787.example.org/",
        "http://127.0.0.1@example.org/",
        "http://127.0.0.1:80@example.org/",
        "http://example.org\\@127.0.0.1/",
        "http://127.0.0.1\\@example.org/",
        "http://127.0.0.1/\n-new-window",
        "http://127.0.0.1/ --version",
        "http://127.0.0.1/\n",
        "http://127.0.0.1.nip.io/",
        "javascript:alert(1)//http://127.0.0.1/",
        "--help",
    ],
)
def test_no_other_page_is_ever_opened(url: str) -> None:
    assert clicked("open", Toast("a", "b", url=url)) == ([], [])


def test_a_login_pays_for_nothing_it_does_not_need() -> None:
    heavy = {"plyer", "mitmproxy", "starlette", "sqlite3", "sqlite_utils", "jinja2", "cryptography", "rich", "click"}
    code = f"import sys, bewust.desktop.desktop; bewust.desktop.desktop.backends(); print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_login_pays_little_memory() -> None:
    code = "import bewust.desktop.desktop; bewust.desktop.desktop.backends(); print(open('/proc/self/status').read())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    kilobytes = next(int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("VmRSS"))
    assert kilobytes < 36_000  # 32 MB measured, 29 of them Python's, asyncio's and msgspec's
