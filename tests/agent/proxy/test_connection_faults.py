"""Whatever call of a connection fails, the browser is not left hanging, no socket is left, and the front serves on."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from bewust.proxy import connection, front, outbound, quota, relay
from support.connection_samples import answering, echo
from support.proxies import BY_NAME, DECRYPTED, Stage, connect, stage, until

OURS = {module.__file__ for module in (front, connection, outbound, relay)}
# What ends a connection is the last there is: nothing could clean up after it.
ENDING = {"abort", "end", "failed", "ends_if_it_fails", "_ending", "_mend"}
SECONDS = 5.0  # for a browser to be served or to be told that it is not; far more than it takes


class Injected(Exception):
    """What the call of our choice raises."""


class Faults:
    """Raises in the n-th call that our four modules make, and counts them."""

    def __init__(self, at: int) -> None:
        self.at, self.calls, self.where = at, 0, ""

    def __enter__(self) -> "Faults":
        sys.setprofile(self._called)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _called(self, frame: FrameType, event: str, called: Any) -> None:
        if event not in ("call", "c_call"):
            return
        caller = frame if event == "c_call" else frame.f_back
        if caller is None or caller.f_code.co_filename not in OURS or caller.f_code.co_name in ENDING:
            return
        # Nor what is called: the end itself, and a loop that no longer calls anybody is no fault of one connection.
        if event == "call" and frame.f_code.co_name in {*ENDING, "connection_lost", "call_soon"}:
            return
        if getattr(called, "__name__", "") in ("isinstance", "len", "discard"):
            return
        if event == "call" and frame.f_code.co_filename == contextlib.__file__:
            return
        self.calls += 1
        if self.calls == self.at:
            name = getattr(called, "__qualname__", None) or frame.f_code.co_qualname
            self.where = f"{caller.f_code.co_qualname}:{caller.f_lineno} {name}"
            raise Injected


async def visit(made: Stage, head: bytes) -> str:
    """Be a browser: how it went. TimeoutError where it is left hanging."""
    async with asyncio.timeout(SECONDS):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
        except OSError:
            return "not connected"
        try:
            writer.write(head)
            if head.startswith(b"GET"):
                said = await reader.read(5)
                return "served" if said == b"page:" else "ended"
            if b" 200 " not in await reader.readuntil(b"\r\n\r\n"):
                return "refused"
            writer.write(b"hello")
            writer.write_eof()
            await reader.readuntil(b"hello")
            await reader.read()
            return "served"
        except (OSError, asyncio.IncompleteReadError):
            return "ended"
        finally:
            writer.transport.abort()


def sockets() -> int:
    """How many this process has, of all kinds."""
    return len(os.listdir("/dev/fd"))


@asynccontextmanager
async def played(way: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Stage, bytes]]:
    """A front and what a browser says to it to go this way."""
    async with stage(answering(echo)) as made:
        asyncio.get_running_loop().set_exception_handler(lambda loop, about: None)
        if way == "crowded":
            monkeypatch.setattr(quota, "LOOK_SECONDS", 0.0)
            monkeypatch.setattr(front.Front, "crowded", True)
        if way == "failed-open":
            made.front.inspector_down()
        if way == "through a proxy":
            made.front.upstream = f"http://127.0.0.1:{made.inspector_port}"
        host = BY_NAME if way in ("spliced", "through a proxy") else DECRYPTED
        yield made, b"GET /proxy.pac HTTP/1.1\r\n\r\n" if way == "page" else connect(host)


# asyncio leaves a socket whose protocol could not even be made to the collector, which says so.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="only POSIX lists what a process has open")
@pytest.mark.parametrize("way", ["handed", "spliced", "failed-open", "through a proxy", "page", "crowded"])
def test_whatever_call_fails_nothing_hangs_and_nothing_is_left(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with played(way, monkeypatch) as (made, head):
            await visit(made, head)
            with Faults(0) as none:
                assert await visit(made, head) == "served"
            await quiet(made)
            before = sockets()
            for at in range(1, none.calls + 1):
                with Faults(at) as faults:
                    try:
                        await visit(made, head)
                    except TimeoutError:
                        pytest.fail(f"call {at}, {faults.where}: the browser is left hanging")
                try:
                    await quiet(made)
                    await until(lambda: sockets() <= before)
                except TimeoutError:
                    pytest.fail(
                        f"call {at}, {faults.where}: {sockets() - before} sockets are left, {made.front.routes()}"
                    )
            assert none.calls > 20, "nothing of ours was called"
            assert await visit(made, head) == "served", "the front serves on"

    asyncio.run(main())


async def quiet(made: Stage) -> None:
    there = made.front
    await until(lambda: not (there.links or there.waiting or [page for page in there.pages if not page.is_closing()]))
