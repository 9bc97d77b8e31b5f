"""From an AI answer in a real browser to a toast that a real notification daemon shows."""

import shutil
from pathlib import Path

import pytest

from bewust.browsers.launch import trust
from e2e.agents import RunningAgent, wait_for
from e2e.chromium import Chromium
from e2e.conftest import settings
from e2e.desktop import NEEDED, Desktop
from e2e.world import World

ARTEFACTS = Path(__file__).parents[2] / "artefacts"
missing = [program for program in NEEDED if not shutil.which(program)]


@pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")
def test_an_answer_in_a_search_page_leads_to_a_toast_on_the_desktop(world: World, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Desktop() as desktop, RunningAgent(settings(world, tmp_path), desktop.env) as agent:
        trust(home / ".pki" / "nssdb", agent.root_pem)
        with Chromium(home, pac_url=agent.pac_url) as browser:
            browser.goto("https://www.google.nl/search?q=inline")
        wait_for(lambda: agent.status()["toasts_shown"] == 1, agent.alive, "no toast was shown", 10)
        ARTEFACTS.mkdir(exist_ok=True)
        desktop.screenshot(ARTEFACTS / "reminder.png")
        assert desktop.history() == [
            (
                "AI-antwoord in Google Zoeken",
                "Bij deze zoekresultaten staat een antwoord van AI. "
                "Bewust wijst u daar af en toe op, en kan u niet volgen.",
            )
        ]
        assert agent.status()["problems"] == []


def test_without_a_desktop_the_agent_goes_on_and_says_so(world: World, tmp_path: Path) -> None:
    env = {"DBUS_SESSION_BUS_ADDRESS": "", "DISPLAY": "", "XDG_RUNTIME_DIR": str(tmp_path)}
    home = tmp_path / "home"
    with RunningAgent(settings(world, tmp_path), env) as agent:
        trust(home / ".pki" / "nssdb", agent.root_pem)
        with Chromium(home, pac_url=agent.pac_url) as browser:
            browser.goto("https://www.google.nl/search?q=inline")
            wait_for(lambda: agent.status()["toasts_failed"] == 1, agent.alive, "no failed toast", 10)
            browser.goto("https://www.google.nl/search?q=weather")
        assert any(problem.startswith("toasts:") for problem in agent.status()["problems"])
        agent.wait_counts({("google-ai-overview", "reminded"): 1, ("google-ai-overview", "seen"): 2})
