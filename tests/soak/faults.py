"""What goes wrong during a soak, and a site that can be taken away and brought back."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

from e2e.agents import RunningAgent

POLICY = 'flush = "1m"\n'


class Relay:
    """A port before a site's own; gone while `away`."""

    def __init__(self, port: int) -> None:
        self._site = port
        self.away = False
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def leave(self) -> None:
        self.away = True
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.away:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._site)
        self._writers |= {writer, back}
        try:
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        finally:
            self._writers -= {writer, back}
            writer.close()
            back.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


def faults(agent: RunningAgent, relay: Relay, config: Path) -> dict[str, Callable[[], Awaitable[None]]]:
    """Name each; every one of them is over when it returns, save that the agent may still be recovering."""
    edits = iter(range(1_000_000))

    async def blow(what: signal.Signals) -> None:
        pid = await asyncio.to_thread(agent.inspector_pid)
        os.kill(pid, what)

    async def edited() -> None:
        (config / "policy.toml").write_text(f"{POLICY}# {next(edits)}\n")

    async def half_edited() -> None:
        (config / "policy.toml").write_text(f"{POLICY}[reminders")
        await asyncio.sleep(3)
        await edited()

    async def gone() -> None:
        relay.leave()
        await asyncio.sleep(8)
        relay.away = False

    return {
        "inspector killed": lambda: blow(signal.SIGKILL), "inspector frozen": lambda: blow(signal.SIGSTOP),
        "policy edited": edited, "policy half written": half_edited, "a site gone": gone,
    }  # fmt: skip
