"""Everybody gets their own reminders and no others, whatever a malicious login sends, holds or floods."""

import asyncio
import json
import os
import socket
import stat
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from bewust.daemon.people import ME
from bewust.desktop.toast import NOBODY, REFUSED, Toast
from bewust.model import Context, SavedUserState, Span
from bewust.sessions import local_socket
from bewust.sessions import server as sessions_server
from bewust.sessions.client import LINE_LIMIT, Hello, Session
from bewust.sessions.server import NO_ANSWER, Logins
from support.agents import Desktop
from support.other_accounts import ANNE, BERT, needs_root, play, played, said

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sessions need local sockets with credentials")
TOAST = Toast("AI-antwoord in Google Zoeken", "Open de bronnen.")
HELLO = msgspec.json.encode(Hello()) + b"\n"
# What another login does first.
CONNECT = "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.settimeout(10)"
GREET = CONNECT + """; s.sendall(b'{"type":"hello"}\\n')"""


class House:
    """The service's end, and what it was told."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "session.sock"
        self.came: list[tuple[int, SavedUserState]] = []
        self.left: list[int] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.snoozed: list[tuple[int, Span, Context | None]] = []
        self.logins = Logins(
            came=lambda who, memory: self.came.append((who, memory)),
            left=self.left.append,
            snooze=lambda who, span, context: self.snoozed.append((who, span, context)),
        )


def in_house(folder: Path, test: Callable[[House], Awaitable[object]]) -> House:
    for parent in (folder, *list(folder.parents)[:3]):
        parent.chmod(0o755)  # another login has to reach the socket

    async def main() -> House:
        house = House(folder)
        await house.logins.open(house.path)
        try:
            await test(house)
        finally:
            await house.logins.close()
            for writer in house.writers:
                writer.transport.abort()
            await asyncio.sleep(0)
        return house

    return asyncio.run(main())


async def until(holds: Callable[[], object]) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


async def connect(house: House, *lines: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await local_socket.connect(house.path, LINE_LIMIT)
    house.writers.append(writer)
    writer.writelines(lines)
    return reader, writer


async def ended(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(5):
            while await reader.read(65536):
                pass
    except ConnectionError:
        pass
    return True


def test_a_real_session_is_asked_and_shown_to_and_can_snooze(tmp_path: Path) -> None:
    desktop = Desktop(busy="presentation")

    async def test(house: House) -> None:
        one = Session(house.path, tmp_path / "login.json", desktop)
        running = asyncio.ensure_future(one.run())
        await until(lambda: house.logins.desktop(ME))
        remote = house.logins.desktop(ME)
        assert remote is not None
        assert await remote.busy() == "presentation"
        assert await remote.show(TOAST) is None
        one.snooze("today")
        await until(lambda: house.snoozed)
        remote.remember(SavedUserState((Context.CHAT,)))
        await until((tmp_path / "login.json").exists)
        running.cancel()
        await until(lambda: house.left)

    house = in_house(tmp_path, test)
    assert desktop.toasts == [TOAST]
    assert house.snoozed == [(ME, "today", None)]
    assert (house.came, house.left) == ([(ME, SavedUserState())], [ME])
    assert "chat" in (tmp_path / "login.json").read_text()


def test_anyone_may_connect_and_only_the_service_may_change_the_folder(tmp_path: Path) -> None:
    async def test(house: House) -> None:
        assert stat.S_IMODE(house.path.stat().st_mode) == 0o666

    in_house(tmp_path, test)


@needs_root
def test_a_reminder_reaches_the_login_it_is_for_and_nobody_else(tmp_path: Path) -> None:
    async def test(house: House) -> None:
        listen = GREET + "; print('in', flush=True)\n" + "f = s.makefile(); print(f.readline())"
        anne, bert = play(ANNE, listen, house.path), play(BERT, listen, house.path)
        await until(lambda: house.logins.desktop(ANNE) and house.logins.desktop(BERT))
        remote = house.logins.desktop(ANNE)
        assert remote is not None
        asking = asyncio.ensure_future(remote.show(TOAST))
        heard = json.loads((await asyncio.to_thread(said, anne)).splitlines()[1])
        assert heard["toast"]["title"] == TOAST.title
        assert await asking == NO_ANSWER
        bert.kill()
        out, _ = await asyncio.to_thread(bert.communicate)
        assert out == "in\n", "not a byte of another's"

    in_house(tmp_path, test)


@needs_root
def test_nobody_can_snooze_or_answer_for_another(tmp_path: Path) -> None:
    """Bert says whatever he likes about Anne; he is Bert by the word of the system."""

    async def test(house: House) -> None:
        listen = GREET + "; print('in', flush=True); sys.stdin.read()"
        anne = play(ANNE, listen, house.path)
        await until(lambda: house.logins.desktop(ANNE))
        remote = house.logins.desktop(ANNE)
        assert remote is not None
        asking = asyncio.ensure_future(remote.busy())
        forged = (
            GREET + """; s.sendall(b'{"type":"snooze","span":"today"}\\n')
for n in range(1, 9):
    s.sendall(b'{"type":"moment","id":%d,"busy":"locked"}\\n' % n)
time.sleep(0.3)"""
        )  # fmt: skip
        await asyncio.to_thread(said, play(BERT, forged, house.path))
        with pytest.raises(TimeoutError):
            await asking
        anne.communicate()

    house = in_house(tmp_path, test)
    assert house.snoozed == [(BERT, "today", None)]


@needs_root
def test_one_login_with_a_hundred_connections_leaves_room_for_others(tmp_path: Path) -> None:
    async def test(house: House) -> None:
        many = """
kept = []
for n in range(100):
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(sys.argv[1]); s.sendall(b'{"type":"hello"}\\n')
    except OSError:
        pass
    kept.append(s)
print('in', flush=True); sys.stdin.read()
"""
        bert = play(BERT, many, house.path)
        assert bert.stdout is not None
        assert await asyncio.to_thread(bert.stdout.readline) == "in\n"
        await until(lambda: house.logins.desktop(BERT))
        await connect(house, HELLO)
        await until(lambda: house.logins.desktop(ME))
        assert house.logins._open[BERT] <= sessions_server.SESSIONS_EACH
        bert.communicate()

    in_house(tmp_path, test)


@needs_root
def test_one_login_that_connects_without_end_keeps_nobody_out(tmp_path: Path) -> None:
    async def test(house: House) -> None:
        flood = """
print('in', flush=True)
while True:
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(sys.argv[1]); s.sendall(b'{"type":"hello"}\\n')
    except OSError:
        pass
    s.close()
"""
        with played(BERT, flood, house.path):
            await asyncio.sleep(0.5)
            for _ in range(3):
                before = len(house.came)
                _, writer = await connect(house, HELLO)
                await until(lambda before=before: ME in [who for who, _ in house.came[before:]])  # type: ignore[misc]
                writer.close()
                await until(lambda: not house.logins.desktop(ME))
        assert sum(who == BERT for who, _ in house.came) <= sessions_server.BURST, "nobody comes and goes so often"

    in_house(tmp_path, test)


def test_what_a_service_that_was_killed_left_there_is_no_hindrance_and_nothing_else_is_removed(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "session.sock"))
    left.close()
    house = in_house(tmp_path, lambda house: connect(house, HELLO))
    assert not house.path.exists(), "a clean stop takes it away"
    house.path.write_text("somebody's file")
    with pytest.raises(OSError):
        in_house(tmp_path, connect)
    assert house.path.read_text() == "somebody's file"


def test_without_file_descriptors_it_waits_until_there_are_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(house: House) -> None:
        server = house.logins._server
        assert isinstance(server, local_socket.SocketServer)
        listener = server._listener

        class Full:
            def __init__(self, number: int) -> None:
                self.number = number

            def fileno(self) -> int:
                return self.number

            def accept(self) -> None:
                raise OSError(24, "Too many open files")

        server._listener = Full(listener.fileno())  # type: ignore[assignment]
        await connect(house, HELLO)
        await asyncio.sleep(0.1)
        server._listener = listener
        await until(lambda: house.logins.desktop(ME))

    in_house(tmp_path, test)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([b"\n"], id="an empty line"),
        pytest.param([b"nonsense\n"], id="no JSON"),
        pytest.param([b'{"type":"snooze","span":"today"}\n'], id="no greeting"),
        pytest.param([b'{"type":"remember","memory":{}}\n'], id="what only the service says"),
        pytest.param([b'{"type":"hello","who":0}\n'], id="somebody who says who they are"),
        pytest.param([HELLO, HELLO], id="two greetings"),
        pytest.param([HELLO, b"[" * 4000 + b"\n"], id="deep"),
        pytest.param([HELLO, b"x" * 200_000], id="long"),
        pytest.param([HELLO, b'{"type":"snooze","span":"for ever"}\n'], id="a span that is none"),
        pytest.param([HELLO, b'{"type":"moment","id":"1"}\n'], id="a text for a number"),
        pytest.param([HELLO, b'{"type":"shown","id":1,"problem":"\xff"}\n'], id="not UTF-8"),
        pytest.param([HELLO, *[b'{"type":"snooze","span":"end"}\n'] * 1000], id="a flood"),
    ],
)
def test_a_session_that_misbehaves_is_ended_and_only_that_one(tmp_path: Path, lines: list[bytes]) -> None:
    async def test(house: House) -> None:
        _, good = await connect(house, HELLO)
        await until(lambda: house.logins.desktop(ME))
        reader, _ = await connect(house, *lines)
        assert await ended(reader)
        good.write(b'{"type":"snooze","span":"hour"}\n')
        await until(lambda: (ME, "hour", None) in house.snoozed)

    house = in_house(tmp_path, test)
    assert len(house.snoozed) <= sessions_server.BURST + 1


def test_one_that_says_nothing_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions_server, "HELLO_SECONDS", 0.1)

    async def test(house: House) -> None:
        reader, _ = await connect(house)
        assert await ended(reader)
        assert house.logins._open == {}

    assert in_house(tmp_path, test).came == []


def test_one_that_reads_nothing_holds_up_nobody_and_little_is_held_for_it(tmp_path: Path) -> None:
    async def test(house: House) -> None:
        _, deaf = await connect(house, HELLO)
        deaf.transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: house.logins.desktop(ME))
        remote = house.logins.desktop(ME)
        assert remote is not None
        for _ in range(20_000):
            remote.remember(SavedUserState(tuple(Context)))
            assert remote._writer.transport.get_write_buffer_size() < sessions_server.HELD_BYTES + 4096
        await until(lambda: house.left)

    in_house(tmp_path, test)


def test_one_that_does_not_answer_costs_two_seconds_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions_server, "BUSY_SECONDS", 0.1)
    monkeypatch.setattr(sessions_server, "SECONDS_TO_WAIT", -0.9)

    async def test(house: House) -> None:
        await connect(house, HELLO)
        await until(lambda: house.logins.desktop(ME))
        remote = house.logins.desktop(ME)
        assert remote is not None
        with pytest.raises(TimeoutError):
            await remote.busy()
        assert await remote.show(TOAST) == NO_ANSWER
        assert remote._asked == {}

    in_house(tmp_path, test)


def test_of_two_sessions_of_one_person_the_newest_shows_and_the_other_stays(tmp_path: Path) -> None:
    async def test(house: House) -> None:
        _, first = await connect(house, HELLO)
        await until(lambda: house.logins.desktop(ME))
        before = house.logins.desktop(ME)
        _, second = await connect(house, HELLO)
        await until(lambda: house.logins.desktop(ME) is not before)
        second.close()
        await until(lambda: house.logins.desktop(ME) is before)
        assert house.left == []
        first.close()
        await until(lambda: house.left == [ME])

    assert [who for who, _ in in_house(tmp_path, test).came] == [ME]


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757])
def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    """Somebody could put a socket of their own in the place of ours."""
    tmp_path.chmod(mode)
    with pytest.raises(PermissionError, match="this account's own"):
        asyncio.run(House(tmp_path).logins.open(tmp_path / "s.sock"))


@needs_root
def test_a_folder_of_another_account_is_refused(tmp_path: Path) -> None:
    (folder := tmp_path / "berts").mkdir()
    os.chown(folder, BERT, BERT)
    with pytest.raises(PermissionError):
        asyncio.run(House(folder).logins.open(folder / "s.sock"))


def test_a_reason_in_words_of_the_sessions_own_is_not_passed_on(tmp_path: Path) -> None:
    """It would stand under the agent's own warnings, on the page and on an administrator's screen."""

    async def test(house: House) -> None:
        reader, writer = await connect(house, HELLO)
        await until(lambda: house.logins.desktop(ME))
        remote = house.logins.desktop(ME)
        assert remote is not None
        for given, told in (("Bel 0900-1234", REFUSED), (NOBODY, NOBODY)):
            asking = asyncio.ensure_future(remote.show(TOAST))
            number = json.loads(await reader.readline())["id"]
            writer.write(json.dumps({"type": "shown", "id": number, "problem": given}).encode() + b"\n")
            assert await asking == told

    in_house(tmp_path, test)
