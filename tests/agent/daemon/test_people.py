"""Whose activity it was is asked of the system; each person is reminded on their own desktop only."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from bewust.config.rules import load_rules
from bewust.daemon import people
from bewust.daemon.people import ME, People
from bewust.desktop.busy import Busy
from bewust.desktop.toast import Toast
from bewust.model import Context, Detection, Kind, Level, SavedUserState
from bewust.reminders.pipeline import Pipeline
from bewust.sessions import client as sessions_client
from bewust.sessions import server as sessions_server
from bewust.sessions.client import Session
from bewust.sessions.server import RemoteDesktop
from bewust.statistics.counters import Key, SuppressionKey
from support.agents import Desktop
from support.other_accounts import ANNE, BERT

RULES = load_rules(None)
USE = Detection("google-ai-overview", Level.USE, "inline", "google.toml", 1)
needs_sockets = pytest.mark.skipif(sys.platform == "win32", reason="sessions need local sockets with credentials")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Agent:
    """Holds what was counted; `owners` maps the port of a connection to a person."""

    rules = RULES
    port = 8787

    def __init__(self) -> None:
        self.time = NOON
        self.pipeline = Pipeline(RULES.policy, RULES.texts, RULES.services)
        self.counted: list[Key | SuppressionKey] = []
        self.failed: list[str] = []

    def now(self) -> datetime:
        return self.time

    def count(self, keys: tuple[Key | SuppressionKey, ...]) -> None:
        self.counted += keys

    @contextlib.contextmanager
    def guard(self, where: str):  # type: ignore[no-untyped-def]
        try:
            yield
        except Exception as error:  # noqa: BLE001
            self.failed.append(f"{where}: {type(error).__name__}")

    def kinds(self) -> list[Kind]:
        return [key.kind for key in self.counted if isinstance(key, Key)]

    def reasons(self) -> list[str]:
        return [key.reason for key in self.counted if isinstance(key, SuppressionKey)]


def at(port: int) -> tuple[str, int]:
    """Where a browser connected from."""
    return ("127.0.0.1", port)


class Far(RemoteDesktop):
    """A session's desktop, without its socket."""

    def __init__(self, desktop: Desktop) -> None:
        self.desktop = desktop
        self.memory: SavedUserState | None = None

    async def busy(self) -> Busy | None:
        return await self.desktop.busy()

    async def show(self, toast: Toast) -> str | None:
        return await self.desktop.show(toast)

    def remember(self, memory: SavedUserState) -> None:
        self.memory = memory


@pytest.fixture
def owners(monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    """Whose connections are, by port; nobody's where a test does not say."""
    found: dict[int, int] = {}
    monkeypatch.setattr(people, "owner_of", lambda client, server: found.get(client[1]))
    return found


def play(made: People, act: Callable[[], object]) -> None:
    async def main() -> None:
        act()
        await made.drain()

    asyncio.run(main())


def here(folder: Path, desktop: Desktop) -> tuple[Agent, People]:
    agent = Agent()
    return agent, People(agent, desktop, folder, lambda _: None)


def service(folder: Path, **desktops: Far) -> tuple[Agent, People]:
    """A service to which Anne and Bert are logged in, as far as they have a desktop."""
    agent = Agent()
    made = People(agent, None, folder, lambda _: None)
    for name, far in desktops.items():
        who = {"anne": ANNE, "bert": BERT}[name]
        made.logins._there[who] = [far]
    return agent, made


def test_in_the_foreground_what_is_mine_reminds_me(tmp_path: Path, owners: dict[int, int]) -> None:
    owners[1] = ME
    desktop = Desktop()
    agent, made = here(tmp_path, desktop)
    play(made, lambda: made.detected(USE, at(1)))
    assert [toast.title for toast in desktop.toasts] == ["AI-antwoord in Google Zoeken"]
    assert agent.kinds() == [Kind.USE, Kind.REMINDED]


@pytest.mark.parametrize("owner", [ANNE, None], ids=["another's", "whoever has left already"])
def test_in_the_foreground_what_another_login_does_is_counted_and_never_shown_to_me(
    tmp_path: Path, owners: dict[int, int], owner: int | None
) -> None:
    if owner is not None:
        owners[1] = owner
    desktop = Desktop()
    agent, made = here(tmp_path, desktop)
    play(made, lambda: made.detected(USE, at(1)))
    assert desktop.toasts == []
    assert made.login(ME).recent == ()
    assert agent.kinds() == [Kind.USE, Kind.HELD]
    assert agent.reasons() == ["away"]


def test_a_service_reminds_each_on_their_own_desktop(tmp_path: Path, owners: dict[int, int]) -> None:
    owners |= {1: ANNE, 2: BERT}
    anne, bert = Far(Desktop()), Far(Desktop())
    agent, made = service(tmp_path, anne=anne, bert=bert)
    play(made, lambda: made.detected(USE, at(1)))
    assert (len(anne.desktop.toasts), len(bert.desktop.toasts)) == (1, 0)
    assert anne.memory == SavedUserState((Context.SEARCH,))
    play(made, lambda: made.detected(USE, at(2)))
    assert (len(anne.desktop.toasts), len(bert.desktop.toasts)) == (1, 1)
    assert agent.kinds() == [Kind.USE, Kind.REMINDED] * 2, "two people, two activities"
    assert len(made.login(ANNE).recent) == len(made.login(BERT).recent) == 1
    assert not made.login(ANNE).alone and not made.login(BERT).alone


@pytest.mark.parametrize("owner", [None, BERT], ids=["nobody known", "somebody without a session"])
def test_a_service_that_does_not_reach_a_person_counts_and_reminds_nobody(
    tmp_path: Path, owners: dict[int, int], owner: int | None
) -> None:
    if owner is not None:
        owners[1] = owner
    anne = Far(Desktop())
    agent, made = service(tmp_path, anne=anne)
    play(made, lambda: made.detected(USE, at(1)))
    assert anne.desktop.toasts == []
    assert agent.kinds() == [Kind.USE, Kind.HELD]
    assert agent.reasons() == ["away"]


def test_a_desktop_that_hangs_counts_as_away_and_nothing_waits_for_it(
    tmp_path: Path, owners: dict[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    owners[0] = ME
    monkeypatch.setattr(people, "ASK_SECONDS", 0.05)

    class Hanging(Desktop):
        async def busy(self) -> Busy | None:
            await asyncio.sleep(60)
            return None

    agent, made = here(tmp_path, Hanging())
    play(made, lambda: made.detected(USE, at(0)))
    assert agent.reasons() == ["away"]


def test_a_desktop_that_raises_is_counted_as_our_failure(tmp_path: Path, owners: dict[int, int]) -> None:
    owners[0] = ME

    class Broken(Desktop):
        async def show(self, toast: Toast) -> str | None:
            raise OSError

    agent, made = here(tmp_path, Broken())
    play(made, lambda: made.detected(USE, at(0)))
    assert agent.failed == ["reminder: OSError"]


def test_only_the_last_reminders_can_be_looked_up_newest_first(
    tmp_path: Path, owners: dict[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    owners[0] = ME
    monkeypatch.setattr(people, "RECENT_REMINDERS", 2)
    _, made = here(tmp_path, Desktop())
    about = {Context.SEARCH: "google-ai-overview", Context.TRANSLATION: "edge-translate", Context.CHAT: "chatgpt"}
    for id_ in about.values():
        play(made, lambda id_=id_: made.detected(Detection(id_, Level.USE, "x", "x", 1), at(0)))  # type: ignore[misc]
    assert [recent.reminder.service for recent in made.login(ME).recent] == ["chatgpt", "edge-translate"]


def test_who_left_is_forgotten_after_a_while_and_who_is_back_is_not(
    tmp_path: Path, owners: dict[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "LEFT_SECONDS", 0)
    owners[1] = ANNE
    _, made = service(tmp_path, anne=Far(Desktop()))
    play(made, lambda: made.detected(USE, at(1)))
    play(made, lambda: made._on_logout(ANNE))
    assert made.login(ANNE).recent, "her session is there"
    del made.logins._there[ANNE]
    play(made, lambda: made._on_logout(ANNE))
    assert made.login(ANNE).recent == ()
    assert made._agent.pipeline.reminders.memory(ANNE, NOON) == SavedUserState()


def test_what_a_session_remembers_holds_for_its_person(tmp_path: Path, owners: dict[int, int]) -> None:
    owners[1] = ANNE
    anne = Far(Desktop())
    _, made = service(tmp_path, anne=anne)
    made._on_login(ANNE, SavedUserState((Context.SEARCH,)))
    play(made, lambda: made.detected(USE, at(1)))
    (recent,) = made.login(ANNE).recent
    assert recent.reminder.text == "R19", "search was explained before"


def test_closing_ends_what_is_under_way(tmp_path: Path) -> None:
    async def main() -> None:
        _, made = here(tmp_path, Desktop())
        began: Awaitable[None] = asyncio.sleep(60)
        made.begin(began)  # type: ignore[arg-type]
        await made.close()
        await made.drain()

    asyncio.run(asyncio.wait_for(main(), 5))


def test_where_the_system_knows_no_owners_a_foreground_agent_reminds_its_person(
    tmp_path: Path, owners: dict[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "KNOWN", False)
    desktop = Desktop()
    _, made = here(tmp_path, desktop)
    play(made, lambda: made.detected(USE, at(1)))
    assert len(desktop.toasts) == 1


def test_an_owner_is_asked_while_the_connection_is_there_and_remembered_for_what_the_inspector_says_later(
    tmp_path: Path, owners: dict[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "OWNERS_LIMIT", 2)
    owners |= {1: ANNE, 2: BERT}
    anne, bert = Far(Desktop()), Far(Desktop())
    _, made = service(tmp_path, anne=anne, bert=bert)

    async def main() -> None:
        made.opened(50_001, at(1))
        made.opened(50_002, at(2))
        await asyncio.wait(made._owners.values())
        owners.clear()  # both have left
        made.detected(USE, 50_001)
        await made.drain()
        made.opened(50_001, at(2))  # the port is another's by now
        made.opened(50_003, at(1))
        assert len(made._owners) == 2
        made.detected(USE, 50_001)
        made.detected(USE, 50_999)
        await made.drain()

    asyncio.run(main())
    assert (len(anne.desktop.toasts), len(bert.desktop.toasts)) == (1, 0)


def test_counters_of_a_service_are_shown_where_policy_says_personal_and_nobody_else_was_there(
    tmp_path: Path, owners: dict[int, int]
) -> None:
    agent, made = service(tmp_path, anne=Far(Desktop()))
    assert not made.login(ANNE).alone
    page = msgspec.structs.replace(RULES.policy.page, personal=True)
    agent.rules = msgspec.structs.replace(RULES, policy=msgspec.structs.replace(RULES.policy, page=page))
    assert made.login(ANNE).alone
    owners[2] = BERT  # who has no session
    play(made, lambda: made.detected(USE, at(2)))
    assert not made.login(ANNE).alone


# A session is away for a moment.


class Restarted(Desktop):
    """A desktop whose session loses its service when it is asked for the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.lose: Callable[[], object] | None = None

    async def busy(self) -> Busy | None:
        if self.lose is not None:
            lose, self.lose = self.lose, None
            lose()
        return await super().busy()


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.01)


def with_socket(folder: Path, test: Callable[[Agent, People, Session], Awaitable[None]], desktop: Desktop) -> Agent:
    """Play a service that has just started, and a session of this login that the test lets connect."""
    folder.chmod(0o755)
    agent, made = service(folder)
    one = Session(folder / "s.sock", folder / "login.json", desktop)

    async def main() -> None:
        await made.logins.open(folder / "s.sock")
        try:
            await test(agent, made, one)
        finally:
            await made.close()

    asyncio.run(main())
    return agent


@contextlib.asynccontextmanager
async def connected(made: People, one: Session) -> AsyncIterator[None]:
    running = asyncio.ensure_future(one.run())
    await until(lambda: made.logins.desktop(ME))
    yield
    running.cancel()
    await until(lambda: made.logins.desktop(ME) is None)


@needs_sockets
def test_a_service_that_has_just_started_waits_for_the_session_to_find_it(
    tmp_path: Path, owners: dict[int, int]
) -> None:
    """Killed and started anew while somebody searched: the page came sooner than the session."""
    owners[1] = ME

    async def test(agent: Agent, made: People, one: Session) -> None:
        made.detected(USE, at(1))
        await until(lambda: agent.kinds() == [Kind.USE])
        async with connected(made, one):
            await made.drain()

    desktop = Desktop()
    agent = with_socket(tmp_path, test, desktop)
    assert len(desktop.toasts) == 1
    assert agent.kinds() == [Kind.USE, Kind.REMINDED]


@needs_sockets
def test_a_session_that_was_just_there_is_waited_for(tmp_path: Path, owners: dict[int, int]) -> None:
    owners[1] = ME

    async def test(agent: Agent, made: People, one: Session) -> None:
        made.logins._all_expected = 0.0  # the service has run for long
        async with connected(made, one):
            pass
        made.detected(USE, at(1))
        await until(lambda: agent.kinds() == [Kind.USE])
        async with connected(made, one):
            await until(lambda: desktop.toasts)

    desktop = Desktop()
    agent = with_socket(tmp_path, test, desktop)
    assert agent.kinds() == [Kind.USE, Kind.REMINDED]


@needs_sockets
def test_a_session_that_ends_before_it_answered_is_asked_again_when_it_is_back(
    tmp_path: Path, owners: dict[int, int]
) -> None:
    owners[1] = ME

    async def test(agent: Agent, made: People, one: Session) -> None:
        async with connected(made, one):
            remote = made.logins.desktop(ME)
            assert remote is not None
            desktop.lose = remote._writer.transport.abort
            made.detected(USE, at(1))
            await until(lambda: desktop.toasts)

    desktop = Restarted()
    agent = with_socket(tmp_path, test, desktop)
    assert agent.kinds() == [Kind.USE, Kind.REMINDED]


@needs_sockets
def test_nobody_waits_for_a_session_that_is_not_to_be_expected(tmp_path: Path, owners: dict[int, int]) -> None:
    owners[1] = ME

    async def test(agent: Agent, made: People, one: Session) -> None:
        made.logins._all_expected = 0.0
        made.logins._expected[ANNE] = asyncio.get_running_loop().time() + 600
        made.detected(USE, at(1))
        await asyncio.wait_for(made.drain(), 30)
        made.logins._expected.clear()

    agent = with_socket(tmp_path, test, Desktop())
    assert agent.reasons() == ["away"]


def test_a_session_looks_for_its_service_more_often_than_the_service_waits_for_it() -> None:
    assert sessions_client.BACK_OFF[-1] <= sessions_server.RETURN_SECONDS / 4


@pytest.mark.parametrize("owner", [None, ANNE], ids=["nobody knows whose", "another's"])
def test_what_others_do_does_not_keep_my_back_off_going(
    tmp_path: Path, owners: dict[int, int], owner: int | None
) -> None:
    owners[1] = ME
    if owner is not None:
        owners[2] = owner
    desktop = Desktop()
    agent, made = here(tmp_path, desktop)

    def mine(after: timedelta) -> int:
        agent.time += after
        play(made, lambda: made.detected(USE, at(1)))
        return len(desktop.toasts)

    assert [mine(timedelta(hours=1)) for _ in range(2)] == [1, 2]
    assert mine(timedelta(minutes=40)) == 2, "it backs off"
    for _ in range(4):
        agent.time += timedelta(days=1)
        play(made, lambda: made.detected(USE, at(2)))
    assert [mine(timedelta(hours=1)), mine(timedelta(minutes=40))] == [3, 4], "left alone for days, it began anew"


def test_who_has_no_desktop_here_leaves_nothing_in_memory(tmp_path: Path, owners: dict[int, int]) -> None:
    agent, made = service(tmp_path, anne=Far(Desktop()))
    owners |= {port: 50_000 + port for port in range(1, 50)}
    for port in owners:
        play(made, lambda port=port: made.detected(USE, at(port)))  # type: ignore[misc]
    assert agent.reasons() == ["away"] * 49
    assert not agent.pipeline.reminders._people


def test_who_is_gone_is_forgotten_when_no_counter_can_be_theirs_any_more(
    tmp_path: Path, owners: dict[int, int]
) -> None:
    agent, made = service(tmp_path, anne=Far(Desktop()))
    page = msgspec.structs.replace(RULES.policy.page, personal=True)
    agent.rules = msgspec.structs.replace(RULES, policy=msgspec.structs.replace(RULES.policy, page=page))
    owners |= {1: ANNE, 2: BERT}
    period = agent.pipeline.period(NOON)
    play(made, lambda: made.detected(USE, at(1)))
    play(made, lambda: made.detected(USE, at(2)))
    made.snooze(BERT, "today")
    made.forget_gone({period})
    assert not made.login(ANNE).alone, "Bert's uses are counted still"
    agent.time += timedelta(weeks=5)
    made.forget_gone({agent.pipeline.period(agent.time)})
    assert made.login(ANNE).alone and not made.login(BERT).snoozes
    assert made.login(ANNE).recent, "she is here"
