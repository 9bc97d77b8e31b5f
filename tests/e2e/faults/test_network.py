"""The network is another one: IPv6 alone, or a port that somebody else has."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from e2e.agents import RunningAgent
from e2e.curl import curl
from e2e.faults.conftest import SEARCH, USE, Machine
from e2e.world import World


def bewust(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "bewust.cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_a_second_agent_says_why_it_does_not_start_and_the_first_serves_on(
    machine: Machine, running: RunningAgent, tmp_path: Path
) -> None:
    same = bewust("--state", running.settings.state, "run", "--port", 0)
    assert (same.returncode, "another agent is using this folder" in same.stderr) == (4, True), same.stderr
    port = bewust("--state", tmp_path / "other", "run", "--port", running.port)
    assert (port.returncode, f"port {running.port} cannot be opened" in port.stderr) == (4, True), port.stderr
    assert "Traceback" not in same.stderr + port.stderr
    assert running.status()["pid"] == running.process.pid
    assert machine.browse(running, "inline") == "200"
    running.wait_counts({USE: 1})


def test_sites_that_have_ipv6_alone_are_looked_into_and_spliced(machine: Machine, tmp_path: Path) -> None:
    try:
        made = World(address="::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    with made as world:
        only = msgspec.structs.replace(
            machine.settings, state=tmp_path / "state", resolver=world.resolver, trust=world.root_pem
        )
        with RunningAgent(only) as agent:
            assert curl(agent.port, f"{SEARCH}inline", agent.root_pem) == "200"
            assert curl(agent.port, "https://chatgpt.com/healthz", world.root_pem) == "200"
            agent.wait_counts({USE: 1})
