"""An administrator stops all of it at once, or somebody for a while; browsing goes on either way."""

import subprocess
import sys
import time

from bewust.browsers.launch import trust
from e2e.agents import RunningAgent, wait_for
from e2e.chromium import Chromium
from e2e.curl import curl
from e2e.faults.conftest import SEARCH, SEEN, Machine


def bewust(agent: RunningAgent, *arguments: str) -> str:
    command = [sys.executable, "-m", "bewust.cli.main", "--state", str(agent.settings.state), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout


def test_the_file_off_stops_it_within_a_second_and_its_end_starts_it(machine: Machine, running: RunningAgent) -> None:
    home = machine.folder / "home"
    trust(home / ".pki" / "nssdb", running.root_pem)
    (home / "world.pem").write_bytes(machine.world.root_pem.read_bytes())
    trust(home / ".pki" / "nssdb", home / "world.pem")
    with Chromium(home, running.pac_url) as browser:
        browser.goto(SEARCH + "weather")
        running.wait_counts({SEEN: 1})
        (machine.config / "off").touch()
        wait_for(lambda: running.status()["stopped"] == "off", running.alive, "it was not heeded", 10)
        browser.goto(SEARCH + "weather+now")
        assert browser.title() == "weather now"
        assert curl(running.port, SEARCH + "x", running.root_pem) == "000", "still decrypted"
        assert running.counts()[SEEN] == 1
        (machine.config / "off").unlink()
        wait_for(lambda: machine.looks_in(running), running.alive, "it did not go on", 15)
        before = running.counts()[SEEN]
        browser.goto(SEARCH + "weather+again")
        wait_for(lambda: running.counts()[SEEN] > before, running.alive, "not counted again", 5)


def test_a_pause_ends_by_itself(machine: Machine, running: RunningAgent) -> None:
    assert bewust(running, "pause", "--for", "2s").startswith("Paused until ")
    began = time.monotonic()
    assert machine.browse(running) == "200"
    assert curl(running.port, SEARCH + "x", running.root_pem) == "000", "still decrypted"
    wait_for(lambda: machine.looks_in(running), running.alive, "it did not go on", 15)
    assert time.monotonic() - began > 1
    bewust(running, "pause")
    assert bewust(running, "resume") == "It works again.\n"
    wait_for(lambda: machine.looks_in(running), running.alive, "it did not go on", 15)
