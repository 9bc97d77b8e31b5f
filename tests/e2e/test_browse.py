"""`bewust browse`: the command itself opens a real browser that trusts and uses the agent."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from e2e.agents import RunningAgent
from e2e.chromium import QUIET

# Without a screen; everything else is the product's own.
WRAPPERS = {
    "chromium": f'exec /usr/bin/chromium --headless=new {" ".join(QUIET)} "$@"',
    "firefox": 'exec /usr/bin/firefox-esr --headless "$@"',
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_browse_opens_a_page_through_the_agent_and_leaves_no_profile_and_no_address(
    agent: RunningAgent, tmp_path: Path, name: str
) -> None:
    """The terminal is closed after a while."""
    wrapper = tmp_path / name
    wrapper.write_text(f"#!/bin/sh\n{WRAPPERS[name]}\n", encoding="utf-8")
    wrapper.chmod(0o755)
    with TemporaryDirectory(prefix="b") as scratch:  # a short name: Chromium puts a socket there
        command = subprocess.Popen(
            [sys.executable, "-m", "bewust.cli.main", "--state", str(agent.settings.state), "browse"]
            + ["--browser", str(wrapper), "https://www.google.nl/search?q=inline"],
            env={**os.environ, "TMPDIR": scratch},
        )
        try:
            agent.wait_counts({("google-ai-overview", "use"): 1})
            (profile,) = Path(scratch).glob("bewust-browse-*")
            assert command_lines(profile.name) and not command_lines("q=inline")
            command.send_signal(signal.SIGHUP)
            assert command.wait(60) == 128 + signal.SIGHUP
        finally:
            command.kill()
            command.wait()
        assert list(Path(scratch).glob("bewust-browse-*")) == []


def command_lines(part: str) -> list[bytes]:
    """The command lines on this machine that have this part."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(file.read_bytes())
    return [line for line in found if part.encode() in line]


def test_browse_without_an_agent_says_what_to_start(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bewust.cli.main", "--state", str(tmp_path), "browse"], capture_output=True, text=True
    )
    assert done.returncode == 5
    assert "bewust run" in done.stderr
    assert "Traceback" not in done.stderr
