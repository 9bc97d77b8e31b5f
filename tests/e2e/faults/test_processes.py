"""When ours fails, browsing does not: kill, freeze, come back, and the whole agent gone."""

import os
import signal
import sqlite3
import time
from contextlib import closing

from e2e.agents import RunningAgent, wait_for
from e2e.conftest import Browser, Open
from e2e.curl import curl

SEARCH = "https://www.google.nl/search?q="


def test_without_its_inspector_browsing_goes_on_within_two_seconds_and_it_comes_back(
    agent: RunningAgent, open_browser: Open
) -> None:
    with open_browser(agent) as browser:
        browser.goto(SEARCH + "inline")
        agent.wait_counts({("google-ai-overview", "use"): 1})
        for blow in (signal.SIGKILL, signal.SIGSTOP):
            pid, starts = agent.inspector_pid(), agent.status()["inspector_starts"]
            os.kill(pid, blow)
            struck = time.monotonic()
            worked = _keep_trying(browser.goto, SEARCH + "weather", struck + 10)
            assert worked - struck < 2, blow
            assert "AI Mode" in browser.text()
            wait_for(lambda: agent.status()["inspector"] == "running", agent.alive, f"{blow}: no inspector came back")
            assert agent.status()["inspector_starts"] > starts
            seen = agent.counts()["google-ai-overview", "seen"]
            browser.goto(SEARCH + "weather+again")
            agent.wait_counts({("google-ai-overview", "seen"): seen + 1})
        _while_it_is_away_pages_pass_undecrypted_and_uncounted(agent, browser)


def _keep_trying(goto: object, url: str, end: float) -> float:
    """Visit as a person does, who reloads what failed while in flight; return when it worked."""
    assert callable(goto)
    while True:
        try:
            goto(url)
        except Exception:
            if time.monotonic() > end:
                raise
        else:
            return time.monotonic()


def _while_it_is_away_pages_pass_undecrypted_and_uncounted(agent: RunningAgent, browser: Browser) -> None:
    before = agent.counts()
    stopped: list[dict[str, int]] = []
    end = time.monotonic() + 1.5
    os.kill(agent.inspector_pid(), signal.SIGKILL)
    while time.monotonic() < end and not stopped:
        if agent.status()["inspector"] != "running":
            _keep_trying(browser.goto, SEARCH + "inline", end + 5)
            stopped.append(agent.status()["connections"])
    wait_for(lambda: agent.status()["inspector"] == "running", agent.alive, "no inspector came back")
    assert stopped, "the inspector was never seen down"
    if stopped[0].get("failed-open"):
        assert agent.counts() == before
    wait_for(lambda: not agent.status()["connections"].get("failed-open"), agent.alive, "not aborted", 3)


def test_without_the_agent_browsers_go_direct_and_the_last_flush_can_be_read(
    agent: RunningAgent, open_browser: Open
) -> None:
    assert curl(agent.port, SEARCH + "inline", agent.root_pem) == "200"
    agent.wait_counts({("google-ai-overview", "use"): 1})
    agent.stop()  # a clean stop writes the counters
    with RunningAgent(agent.settings) as again, open_browser(again) as browser:
        again.wait_counts({("google-ai-overview", "use"): 1})
        browser.goto(SEARCH + "inline")
        again.wait_counts({("google-ai-overview", "use"): 2})
        again.process.kill()
        again.process.wait()
        _keep_trying(browser.goto, SEARCH + "weather", time.monotonic() + 10)
        assert "AI Mode" in browser.text()
    with closing(sqlite3.connect(agent.settings.state / "counters.db")) as database:
        rows = database.execute("select n from counts where service = 'google-ai-overview' and kind = 'use'")
        assert rows.fetchall() == [(1,)], "what was flushed is there, and only what came after is lost"
