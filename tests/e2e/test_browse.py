"""`bewust browse`: the command itself opens a real browser that trusts and uses the agent."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from e2e.agents import RunningAgent
from e2e.chromium import QUIET

# Without a screen, a browser that loads one page and ends; everything else is the product's own.
WRAPPERS = {
    "chromium": f'exec /usr/bin/chromium --headless=new --virtual-time-budget=4000 --dump-dom {" ".join(QUIET)} "$@"',
    "firefox": 'exec /usr/bin/firefox-esr --headless --screenshot "$TMPDIR/page.png" "$@"',
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_browse_opens_a_page_through_the_agent_and_leaves_no_profile(
    agent: RunningAgent, tmp_path: Path, name: str
) -> None:
    wrapper = tmp_path / name
    wrapper.write_text(f"#!/bin/sh\n{WRAPPERS[name]}\n", encoding="utf-8")
    wrapper.chmod(0o755)
    with TemporaryDirectory(prefix="b") as scratch:  # a short name: Chromium puts a socket there
        done = subprocess.run(
            [sys.executable, "-m", "bewust.cli", "--state", str(agent.settings.state), "browse"]
            + ["--browser", str(wrapper), "https://www.google.nl/search?q=inline"],
            env={**os.environ, "TMPDIR": scratch},
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr.decode()
        agent.wait_counts({("google-ai-overview", "use"): 1})
        assert [path.name for path in Path(scratch).iterdir() if path.name.startswith("bewust-")] == []


def test_browse_without_an_agent_says_what_to_start(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bewust.cli", "--state", str(tmp_path), "browse"], capture_output=True, text=True
    )
    assert done.returncode == 5
    assert "bewust run" in done.stderr
    assert "Traceback" not in done.stderr
