"""A toast takes the best way there is; "open" leads to our own page only; the process stays light."""

import asyncio
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Callable

import pytest

from bewust import desk, moments, notify
from bewust.desk import Desk
from bewust.moments import Busy
from bewust.notify import Action, Toast

PAGE = "http://127.0.0.1:8787/uitleg?taal=nl#waarom"
TOAST = Toast("titel", "bericht", url=PAGE, open="Open uitleg", not_today="Vandaag niet meer")


class FakeDesktop:
    """Stands in for Freedesktop: answers as told, and clicks when asked."""

    answer: bool | Exception = True

    def __init__(self, chosen: Callable[[Action, Toast], None]) -> None:
        self.click = chosen
        self.closed = False

    async def busy(self) -> Busy | None:
        return "presentation"

    async def show(self, toast: Toast) -> bool:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(desk, "Freedesktop", FakeDesktop, raising=False)


@pytest.mark.parametrize(
    ("answer", "reason", "plain_asked"),
    [(True, None, False), (False, "plain", True), (TimeoutError(), notify.TOO_LATE, False)],
)
def test_plyer_is_asked_when_there_are_no_buttons(
    monkeypatch: pytest.MonkeyPatch, answer: bool | Exception, reason: str | None, plain_asked: bool
) -> None:
    monkeypatch.setattr(FakeDesktop, "answer", answer)
    asked = []

    async def plain(toast: Toast, /) -> str | None:
        asked.append(toast)
        return "plain"

    async def shown() -> str | None:
        return await Desk(lambda action, toast: None, plain).show(TOAST)

    assert asyncio.run(shown()) == reason
    assert asked == [TOAST] * plain_asked


def test_elsewhere_plyer_and_the_platform_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(moments, "busy", lambda: "locked")

    async def plain(toast: Toast, /) -> str | None:
        return toast.title

    async def used() -> tuple[Busy | None, str | None]:
        here = Desk(lambda action, toast: None, plain)
        answers = await here.busy(), await here.show(TOAST)
        await here.close()
        return answers

    assert asyncio.run(used()) == ("locked", "titel")


def test_on_linux_the_desktop_is_asked_and_let_go_of() -> None:
    async def used() -> tuple[Busy | None, bool]:
        here = Desk(lambda action, toast: None)
        busy = await here.busy()
        await here.close()
        fake = here._freedesktop
        assert isinstance(fake, FakeDesktop)
        return busy, fake.closed

    assert asyncio.run(used()) == ("presentation", True)


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
        here = Desk(lambda action, toast: heard.append((action, toast)), browse=browse)
        fake = here._freedesktop
        assert isinstance(fake, FakeDesktop)
        fake.click(action, toast)
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
    code = f"import sys, bewust.desk; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_login_pays_little_memory() -> None:
    code = "import bewust.desk; print(open('/proc/self/status').read())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    kilobytes = next(int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("VmRSS"))
    assert kilobytes < 36_000  # 32 MB measured, 29 of them Python's, asyncio's and msgspec's
