"""An agent of one person, and a desktop that shows everything."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from bewust.config.rules import load_rules
from bewust.daemon.app import Agent
from bewust.daemon.people import ME
from bewust.daemon.state import Settings
from bewust.desktop.busy import Busy
from bewust.desktop.toast import Toast
from bewust.model import Detection, Level
from bewust.proxy.messages import Detected, Message
from bewust.reminders.schedule import Reminder, Suppressed

USE = Detected(1, Detection("google-ai-overview", Level.USE, "inline", "google.toml", 1))


RULES = load_rules(None)


class Desktop:
    """One that is never busy and shows everything; `toasts` is what it showed."""

    def __init__(self, busy: Busy | None = None, problem: str | None = None) -> None:
        self.toasts: list[Toast] = []
        self._busy, self._problem = busy, problem

    async def busy(self) -> Busy | None:
        return self._busy

    async def show(self, toast: Toast) -> str | None:
        self.toasts.append(toast)
        return self._problem

    async def close(self) -> None:
        pass


def agent(
    folder: Path,
    tell: Callable[[Reminder | Suppressed], None] = lambda decided: None,
    port: int = 0,
    desktop: Desktop | None = None,
) -> Agent:
    return mine(Agent(Settings(folder / "state", port=port), RULES, on_reminder=tell, desktop=desktop or Desktop()))


def mine(made: Agent) -> Agent:
    """An agent to which every connection is of the person who started it."""

    async def owner(whose: object) -> int:
        return ME

    made.people._owner = owner  # type: ignore[method-assign]
    return made


def tell(made: Agent, *messages: Message) -> None:
    """Have the inspector say so, and wait for all that follows from it."""

    async def main() -> None:
        for message in messages:
            made.on_inspector_message(message)
            await made.people.drain()

    asyncio.run(main())
