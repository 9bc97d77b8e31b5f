"""What the agent answers to the page and to the commands."""

import asyncio
import os
from pathlib import Path

import pytest

from bewust.daemon import people
from bewust.daemon.people import ME
from bewust.model import Context, Kind
from bewust.state_files import STORE
from support.agents import USE, agent, tell
from support.other_accounts import ANNE


def test_a_login_is_whoever_the_system_says_connected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owners = {1: ME, 2: ANNE}
    monkeypatch.setattr(people, "owner_of", lambda client, server: owners.get(client[1]))
    made = agent(tmp_path)
    tell(made, USE)
    mine = asyncio.run(made.answers.login(("127.0.0.1", 1)))
    assert mine is not None and mine.alone and len(mine.recent) == 1
    assert asyncio.run(made.answers.login(("127.0.0.1", 2))) is None, "somebody else's, while one person is served"
    assert asyncio.run(made.answers.login(("127.0.0.1", 3))) is None


def test_a_person_snoozes_and_the_page_shows_it(tmp_path: Path) -> None:
    made = agent(tmp_path)
    made.answers.snooze(ME, "week", Context.SEARCH)
    (snooze,) = made.people.login(ME).snoozes
    assert snooze.context is Context.SEARCH
    made.answers.snooze(ME, "end", Context.SEARCH)
    assert made.people.login(ME).snoozes == ()


def test_what_is_forgotten_is_gone_from_memory_and_from_the_file(tmp_path: Path) -> None:
    made = agent(tmp_path)
    tell(made, USE)
    assert sum(made.answers.counts().values()) > 0

    async def forget() -> None:
        made.answers.forget()
        await made.people.drain()

    asyncio.run(forget())
    assert sum(made.answers.counts().values()) == 0
    from bewust.statistics import storage

    kept = storage.contents(made.settings.state / STORE)
    assert not any(kept.counts.values()) and not any(kept.held.values())


def test_the_draft_is_of_the_present_period_and_keeps_to_the_bounds(tmp_path: Path) -> None:
    made = agent(tmp_path)
    tell(made, USE)
    draft = made.answers.draft()
    assert draft is not None and draft.period == made.pipeline.period(made.now())


def test_the_status_is_of_this_process_and_names_the_certificate(tmp_path: Path) -> None:
    made = agent(tmp_path)
    status = made.answers.status()
    assert status.pid == os.getpid()
    assert status.authority_since == made.now().date().isoformat()
    assert set(made.answers.names_covered()) >= {"www.google.nl", "translate.goog"}
    assert made.answers.counts()[next(iter(made.answers.counts()))] == 0
    assert {key.kind for key in made.answers.counts()} == set(Kind)
