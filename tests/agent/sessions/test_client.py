"""A session stays connected, believes only the real service, and answers for its own desktop."""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from datetime import date
from pathlib import Path

import msgspec
import pytest

from bewust.desktop.toast import Toast
from bewust.model import Context, SavedUserState
from bewust.sessions import client
from bewust.sessions.client import Session, ToService, ToSession
from bewust.sessions.saved import read_saved
from support.agents import Desktop

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sessions need local sockets with credentials")
DOCUMENT = Path(__file__).parents[3] / "docs" / "session-messages.json"


class Service:
    """Plays the service: takes connections at a socket and speaks lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writers: list[asyncio.StreamWriter] = []
        self.connections = asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]()

    async def open(self) -> None:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.writers.append(writer)
            await self.connections.put((reader, writer))

        self.server = await asyncio.start_unix_server(connected, self.path)

    def close(self) -> None:
        for writer in self.writers:
            writer.transport.abort()
        self.server.close()

    async def next(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.wait_for(self.connections.get(), 60)


async def line(reader: asyncio.StreamReader) -> object:
    return json.loads(await asyncio.wait_for(reader.readline(), 60))


type Test = Callable[[Service, Session], Coroutine[None, None, None]]


def with_service(folder: Path, test: Test, desktop: Desktop) -> None:
    folder.chmod(0o755)

    async def main() -> None:
        service = Service(folder / "s.sock")
        await service.open()
        one = Session(service.path, folder / "login.json", desktop)
        running = asyncio.ensure_future(one.run())
        try:
            await test(service, one)
        finally:
            running.cancel()
            service.close()

    asyncio.run(main())


def test_it_says_what_it_remembers_answers_and_shows(tmp_path: Path) -> None:
    async def test(service: Service, one: Session) -> None:
        reader, writer = await service.next()
        assert await line(reader) == {"type": "hello", "memory": {"explained": ["chat"], "until": None, "snoozed": {}}}
        writer.write(b'{"type":"ask","id":1}\n{"type":"show","id":2,"toast":{"title":"T","message":"M"}}\n')
        answers = [await line(reader), await line(reader)]
        assert {"type": "moment", "id": 1, "busy": None} in answers
        assert {"type": "shown", "id": 2, "problem": None} in answers
        one.snooze("today")
        assert await line(reader) == {"type": "snooze", "span": "today", "context": None}
        writer.write(b'{"type":"remember","memory":{"explained":["search"],"until":"2026-11-24"}}\n')
        async with asyncio.timeout(60):
            while read_saved(tmp_path / "login.json").until is None:
                await asyncio.sleep(0.01)

    (tmp_path / "login.json").write_text('{"explained":["chat"]}')
    desktop = Desktop()
    with_service(tmp_path, test, desktop)
    assert desktop.toasts == [Toast("T", "M")]
    assert read_saved(tmp_path / "login.json") == SavedUserState((Context.SEARCH,), date(2026, 11, 24))


@pytest.mark.parametrize(
    "end", [b"", b"nonsense\n", b'{"type":"shutdown"}\n', b"x" * 100_000, b'{"type":"ask","id":"1"}\n']
)
def test_whatever_the_other_end_does_it_connects_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: bytes
) -> None:
    monkeypatch.setattr(client, "BACK_OFF", (0.01, 0.01))

    async def test(service: Service, one: Session) -> None:
        for _ in range(4):
            reader, writer = await service.next()
            assert await line(reader)
            writer.write(end)
            if not end:
                writer.close()
        assert one.problem is not None or one._writer is not None

    with_service(tmp_path, test, Desktop())


def test_it_waits_for_a_service_that_is_not_there_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "BACK_OFF", (0.01, 0.01))
    tmp_path.chmod(0o755)

    async def main() -> None:
        service = Service(tmp_path / "s.sock")
        one = Session(service.path, tmp_path / "login.json", Desktop())
        running = asyncio.ensure_future(one.run())
        await asyncio.sleep(0.1)
        assert one.problem is not None
        await service.open()
        reader, _ = await service.next()
        assert await line(reader)
        assert one.problem is None
        running.cancel()
        service.close()

    asyncio.run(main())


def test_the_schema_in_the_documentation_is_that_of_the_messages() -> None:
    schemas = {"to the service": msgspec.json.schema(ToService), "to the session": msgspec.json.schema(ToSession)}
    assert json.loads(DOCUMENT.read_text(encoding="utf-8")) == json.loads(json.dumps(schemas))


def test_a_session_imports_nothing_heavy_and_is_small() -> None:
    script = (
        "import bewust.sessions.client, bewust.desktop.desktop, bewust.cli.reminders, sys, asyncio; "
        "asyncio.run(asyncio.sleep(0));"
        "heavy = 'mitmproxy starlette uvicorn jinja2 sqlite_utils sqlite3 cryptography plyer rich'.split();"
        "print(sorted(set(heavy) & set(sys.modules)));"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmRSS')))"
    )
    import subprocess

    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    modules, kilobytes = out.splitlines()
    assert modules == "[]"
    if sys.platform == "linux":
        assert int(kilobytes) < 40_000


def test_a_session_that_is_wanted_no_more_ends(tmp_path: Path) -> None:
    told: list[str] = []
    one = Session(tmp_path / "absent", tmp_path / "login.json", Desktop(), told.append, lambda: not told)
    asyncio.run(asyncio.wait_for(one.run(), 5))
    assert len(told) == 1
