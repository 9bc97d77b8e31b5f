"""The end of an agent: asked for, it is a clean one."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable

import pytest

from bewust.daemon.serve import serve


class Agent:
    def __init__(self) -> None:
        self.said: list[str] = []

    async def run(self, started: Callable[[], None]) -> None:
        started()
        try:
            await asyncio.sleep(60)
        finally:
            self.said.append("stopped cleanly")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(number: signal.Signals) -> None:
    agent = Agent()
    asyncio.run(serve(agent, lambda: os.kill(os.getpid(), number)))
    assert agent.said == ["stopped cleanly"]


def test_another_thread_ends_it_and_may_do_so_late() -> None:
    agent = Agent()
    stops: list[Callable[[], None]] = []
    asyncio.run(serve(agent, lambda: threading.Thread(target=stops[0]).start(), stops.append))
    assert agent.said == ["stopped cleanly"]
    stops[0]()


def test_what_keeps_it_from_starting_is_told() -> None:
    class Broken(Agent):
        async def run(self, started: Callable[[], None]) -> None:
            raise OSError("no port")

    with pytest.raises(OSError, match="no port"):
        asyncio.run(serve(Broken()))
