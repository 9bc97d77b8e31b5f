"""Files that are damaged, half written or replaced: what was last right goes on, and somebody is told."""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bewust.authority import authority
from bewust.config.rules import load_rules
from e2e.agents import RunningAgent, wait_for
from e2e.faults.conftest import SEEN, USE, Machine

GOOD = '[[service]]\nid = "chatgpt"\nname = "Our name for it"\n'


def told(agent: RunningAgent, words: str) -> bool:
    return any(words in problem for problem in agent.status()["problems"])


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("policy.toml", 'language = "nl', "policy.toml"),
        ("policy.toml", "\x00\xff" * 500, "policy.toml"),
        ("policy.d/10-x.toml", 'countries = ["nl"', "10-x.toml"),
        ("services/ours.toml", GOOD[:-4], "ours.toml"),
        ("texts/nl.toml", "[[text]]\nid = ", "nl.toml"),
    ],
    ids=["half a policy", "no policy at all", "half a layer", "half a catalogue", "half a text"],
)
def test_a_file_that_is_half_written_changes_nothing_until_it_is_whole(
    machine: Machine, running: RunningAgent, file: str, content: str, words: str
) -> None:
    path = machine.config / file
    path.parent.mkdir(exist_ok=True)
    starts = running.status()["inspector_starts"]
    path.write_text(content, encoding="utf-8")
    wait_for(lambda: told(running, words), running.alive, "nobody was told")
    assert machine.looks_in(running)
    assert running.status()["inspector_starts"] == starts, "nothing was put in force"
    path.unlink()
    wait_for(lambda: not told(running, words), running.alive, "the problem stayed")
    wait_for(lambda: machine.looks_in(running), running.alive, "nothing was inspected any more")


def test_another_authority_is_taken_while_it_runs(machine: Machine, running: RunningAgent) -> None:
    hosts = load_rules(None).matcher.decrypted_hosts()
    old, before = running.status()["authority_fingerprint"], running.counts()
    fresh = authority.issue(running.settings.state / "authority", hosts, datetime.now(UTC))
    wait_for(lambda: machine.looks_in(running), running.alive, "its leaves are not of the new root")
    assert running.status()["authority_fingerprint"] == fresh.fingerprint != old
    wait_for(lambda: before.get(SEEN, 0) < running.counts().get(SEEN, 0), running.alive, "nothing was counted")


def test_damage_of_every_kind_before_a_start_leaves_an_agent_that_knows_names(machine: Machine, tmp_path: Path) -> None:
    machine.settings = type(machine.settings)(
        tmp_path / "state", machine.config, port=0, resolver=machine.world.resolver, trust=machine.world.root_pem
    )
    shutil.rmtree(machine.config)
    (machine.config / "services").mkdir(parents=True)
    (machine.config / "services" / "ours.toml").write_text(GOOD)
    with machine.start() as agent:
        assert machine.browse(agent, "inline") == "200"
        agent.wait_counts({USE: 1})
    state = machine.settings.state
    whole = (state / "counters.db").read_bytes()
    (state / "counters.db").write_bytes(whole[: len(whole) // 2])
    (state / "run.json").write_text('{"port": 1, "token": "x", "pid": 0}')  # of one that was killed
    (state / "login.json").write_bytes(b"\x00")
    (machine.config / "services" / "ours.toml").unlink()
    os.mkfifo(machine.config / "services" / "ours.toml")
    (machine.config / "policy.toml").write_text("[reminders")
    hosts = load_rules(None).matcher.decrypted_hosts()
    authority.issue(state / "authority", hosts, datetime.now(UTC) - timedelta(days=800))
    with machine.start() as agent:
        assert machine.browse(agent) == "200"
        assert not machine.looks_in(agent)
        for words in ("counters.db", "policy.toml", "expired on"):
            assert told(agent, words)
        assert [path.read_bytes() for path in state.glob("*unreadable*")] == [whole[: len(whole) // 2]]
