"""A day on a real desktop: the agent's own schedule, a real notification daemon, and a clock we set."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from bewust.config.rules import load_rules
from bewust.daemon.app import Agent
from bewust.daemon.people import ME
from bewust.daemon.state import Settings
from bewust.model import Detection, Level
from bewust.proxy.messages import Detected
from e2e.desktop import NEEDED, Desktop, environment
from support.agents import mine

ARTEFACTS = Path(__file__).parents[2] / "artefacts"
missing = [program for program in NEEDED if not shutil.which(program)]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")
RULES = load_rules(None)
SEARCH, CHAT, TRANSLATION = "google-ai-overview", "chatgpt", "edge-translate"


class Day:
    """An agent on this desktop, whose clock the test sets."""

    def __init__(self, folder: Path, desktop: Desktop) -> None:
        self.desktop = desktop
        self.agent = mine(Agent(Settings(folder / "state"), RULES))
        self.agent.port = 8787
        self.at("09:00")

    def at(self, clock: str, day: int = 23) -> None:
        now = datetime.fromisoformat(f"2026-11-{day}T{clock}").replace(tzinfo=RULES.policy.zone)
        self.agent.now = lambda: now  # type: ignore[method-assign]

    async def use(
        self, service: str, level: Level = Level.USE, internal: bool = False, keep: bool = False, photo: str = ""
    ) -> None:
        self.agent.on_inspector_message(Detected(0, Detection(service, level, "a-rule", "file.toml", 1, internal)))
        before = self.agent.people.shown
        await self.agent.people.drain()
        if self.agent.people.shown > before and photo:
            self.desktop.wait_for(1)
            self.desktop.screenshot(ARTEFACTS / f"{photo}.png")
        if self.agent.people.shown > before and not keep:
            self.desktop.dunstctl("close-all")  # else the next takes its place, and nobody could read it back
            await asyncio.sleep(0.1)

    def held(self) -> dict[str, int]:
        return {key.reason: n for key, n in self.agent.answers.contents().held.items() if n}


def live(folder: Path, test: Callable[[Day], Awaitable[None]]) -> list[tuple[str, str]]:
    """Return what a person read in all of it."""

    async def main(desktop: Desktop) -> None:
        day = Day(folder, desktop)
        try:
            await test(day)
        finally:
            await day.agent.people.close()
            assert not day.agent.failures

    with Desktop() as desktop, environment(desktop.env):
        asyncio.run(main(desktop))
        return desktop.history()


def test_the_first_is_explained_then_texts_take_turns(tmp_path: Path) -> None:
    async def test(day: Day) -> None:
        await day.use(SEARCH, photo="toast-first")
        day.at("09:10")
        await day.use(SEARCH)  # too soon
        day.at("09:45")
        await day.use(SEARCH, photo="toast-second")
        day.at("09:50")
        await day.use(TRANSLATION, internal=True, photo="toast-strong")
        assert day.held() == {"gap": 1}

    read = live(tmp_path, test)
    assert [title for title, _ in read] == ["AI-antwoord in Google Zoeken"] * 2 + [
        "Interne tekst naar Microsoft (Edge)"
    ]
    assert "antwoord van AI" in read[0][1] and "Open de bronnen" in read[1][1]
    assert "interne pagina" in read[2][1]


def test_nobody_sees_more_than_the_cap_in_a_day_and_the_next_day_begins_anew(tmp_path: Path) -> None:
    services = [s.id for s in RULES.services.values() if s.counts]

    async def test(day: Day) -> None:
        for number in range(400):
            at = timedelta(hours=8) + number * timedelta(seconds=90)
            day.at(str(at).zfill(8))
            await day.use(services[number % len(services)], internal=number % 7 == 0)
        assert day.agent.people.shown == RULES.policy.reminders.daily
        assert sum(day.held().values()) > 100
        day.at("09:00", day=24)
        await day.use(SEARCH)
        assert day.agent.people.shown == RULES.policy.reminders.daily + 1

    assert len(live(tmp_path, test)) == RULES.policy.reminders.daily + 1


def test_do_not_disturb_holds_back_and_the_explanation_is_still_due(tmp_path: Path) -> None:
    async def test(day: Day) -> None:
        day.desktop.dunstctl("set-paused", "true")
        await day.use(SEARCH)
        assert day.held() == {"busy": 1}
        day.desktop.dunstctl("set-paused", "false")
        day.at("09:01")
        await day.use(SEARCH)

    ((_, text),) = live(tmp_path, test)
    assert "antwoord van AI" in text


def test_not_today_on_the_toast_is_kept_today_and_ends_tomorrow(tmp_path: Path) -> None:
    async def test(day: Day) -> None:
        await day.use(SEARCH, keep=True)
        day.desktop.wait_for(1)
        day.desktop.choose("Vandaag niet meer")
        for _ in range(6000):  # a minute
            await asyncio.sleep(0.01)
            if day.agent.answers.contents() and day.agent.people.login(ME).snoozes:
                break
        day.at("17:00")
        await day.use(CHAT, Level.VISIT)
        assert day.held() == {"snoozed": 1}
        day.at("09:00", day=24)
        await day.use(CHAT, Level.VISIT)

    assert [title for title, _ in live(tmp_path, test)] == ["AI-antwoord in Google Zoeken", "ChatGPT: AI-chat"]


def test_open_uitleg_opens_our_own_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    async def test(day: Day) -> None:
        desk = day.agent.people.here
        monkeypatch.setattr(desk, "_browse", opened.append)
        await day.use(SEARCH, keep=True)
        day.desktop.wait_for(1)
        day.desktop.choose("Open uitleg")
        for _ in range(6000):  # a minute
            await asyncio.sleep(0.01)
            if opened:
                break

    live(tmp_path, test)
    assert opened == ["http://127.0.0.1:8787/why"]


def test_a_silent_pilot_shows_nothing_and_counts_what_it_would_have(tmp_path: Path) -> None:
    async def test(day: Day) -> None:
        silent = msgspec.structs.replace(RULES.policy.reminders, silent=True)
        day.agent.pipeline.reconfigure(
            msgspec.structs.replace(RULES.policy, reminders=silent), RULES.texts, RULES.services
        )
        await day.use(SEARCH)
        day.at("09:10")
        await day.use(SEARCH)
        assert day.held() == {"silent": 1, "gap": 1}

    assert live(tmp_path, test) == []
