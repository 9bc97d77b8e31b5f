"""An agent from its start until it is told to stop: by a signal, by Ctrl-C, or by the system's service manager."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from typing import Protocol

from bewust.system import core_dumps


class Runnable(Protocol):
    """Anything that runs until it is cancelled, such as an Agent."""

    async def run(self, started: Callable[[], None]) -> None:
        """Serve until cancelled, and then stop cleanly."""


async def serve(
    agent: Runnable,
    started: Callable[[], None] = lambda: None,
    on_stop: Callable[[Callable[[], None]], None] = lambda stop: None,
) -> None:
    """Run an agent until it is interrupted or terminated, and let it stop cleanly.

    `on_stop` is told how to end it from another thread.
    """
    core_dumps.forbid()
    loop = asyncio.get_running_loop()
    serving = asyncio.ensure_future(agent.run(started))
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: asyncio.run cancels on Ctrl-C
            loop.add_signal_handler(number, serving.cancel)

    def stop() -> None:
        with contextlib.suppress(RuntimeError):  # it has ended just now
            loop.call_soon_threadsafe(serving.cancel)

    on_stop(stop)
    with contextlib.suppress(asyncio.CancelledError):
        await serving
