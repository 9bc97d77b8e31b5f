"""Who is reminded on this machine: their desktops, what they were shown lately, what they asked for.

Belongs here: asking a desktop, then having the pipeline decide, counting it, and only then showing it.
Not here: the decision. All of it is memory; when a person logs out it is gone.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Container, Coroutine
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from bewust.config import Rules
from bewust.desktop import Toast
from bewust.model import Context, Detection, SavedUserState, Span
from bewust.page import Login, Recent
from bewust.proxy.front import LOOPBACK
from bewust.reminders import Pipeline, Reminder, Suppressed
from bewust.sessions import Desktop, Logins, saved
from bewust.state_files import LOGIN
from bewust.statistics import Key, SuppressionKey
from bewust.system import owner_of
from bewust.system.socket_owner import ASKING, KNOWN, Address, me

ME = me()  # who, where the agent serves the person who started it
NOBODY = -1  # who, where no owner of a connection is known: counted, never reminded
OWNERS_LIMIT = 4096  # connections whose owner is remembered; far more than are open at a time
RECENT_REMINDERS = 20  # reminders that a person can look up
LEFT_SECONDS = 60.0  # a session that is back within these never went
ASK_SECONDS = 6.0  # the desktop's own limit is five


class Agent(Protocol):
    """What is needed of the agent."""

    rules: Rules
    port: int
    pipeline: Pipeline

    def now(self) -> datetime:
        """Return the time in the organisation's zone."""

    def count(self, keys: tuple[Key | SuppressionKey, ...]) -> None:
        """Add one to each counter."""

    def guard(self, where: str) -> AbstractContextManager[None]:
        """Count an exception of ours by its class and go on."""


class People:
    """Everybody who is reminded. `here` is the desktop of the one person of a foreground agent.

    `shown` and `failed` count toasts since the start; `problem` is the last reason for a failure,
    None after a success.
    """

    def __init__(
        self, agent: Agent, here: Desktop | None, state: Path, tell: Callable[[Reminder | Suppressed], None]
    ) -> None:
        self._agent = agent
        self._tell = tell
        self._owners: dict[int, asyncio.Task[int | None]] = {}
        self._recent: dict[int, deque[Recent]] = {}
        self._used: dict[int, str] = {}  # the last period in which each person was here, as far as known
        self._working: set[asyncio.Task[None]] = set()
        self._memory = state / LOGIN
        self.here = here
        self.logins = Logins(came=self._on_login, left=self._on_logout, snooze=self.snooze)
        self.shown = self.failed = 0
        self.problem: str | None = None
        if here is not None:
            self._on_login(ME, saved.read_saved(self._memory))

    def begin(self, work: Coroutine[None, None, None]) -> None:
        """Do something off the way of what is counted; `close` ends it."""
        task = asyncio.get_running_loop().create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def drain(self) -> None:
        """Return when all that was begun is done."""
        while self._working:
            await asyncio.wait(self._working)

    async def close(self) -> None:
        """End what is under way, and every session."""
        for task in self._working:
            task.cancel()
        await self.logins.close()
        if self.here is not None:
            await self.here.close()

    # Reminding.

    def opened(self, peer: int, client: Address | None) -> None:
        """Ask whose a connection is while it is there; the inspector will call it by the port `peer`."""
        self._owners.pop(peer, None)
        if client is not None:
            self._owners[peer] = asyncio.get_running_loop().create_task(self.owner_of_connection(client))
        while len(self._owners) > OWNERS_LIMIT:
            del self._owners[next(iter(self._owners))]

    def detected(self, found: Detection, whose: int | Address | None) -> None:
        """Count what begins, then see to a reminder of whose connection it was: a port of `opened`, or an address.

        For one person it is counted at once; else when it is known whose activity this begins.
        """
        if self.here is not None:
            about = self._counted(ME, found)
            if about is not None:
                self.begin(self._remind_here(about, whose))
        else:
            self.begin(self._of_somebody(found, whose))

    def _counted(self, who: int, found: Detection) -> Detection | None:
        outcome = self._agent.pipeline.detected(who, found, self._agent.now())
        self._agent.count(outcome.counts)
        return outcome.about

    async def _of_somebody(self, found: Detection, whose: int | Address | None) -> None:
        with self._agent.guard("owner"):
            who = await self._owner(whose)
            if who is not None:
                self._note(who)  # with a session or without: the counters are theirs too
            about = self._counted(NOBODY if who is None else who, found)
            if about is not None:
                await self.remind(who, about)

    async def _remind_here(self, about: Detection, whose: int | Address | None) -> None:
        with self._agent.guard("reminder"):
            # Another login on this machine can use this proxy too, and must not remind this one.
            await self.remind(await self._owner(whose) if KNOWN else ME, about)

    async def _owner(self, whose: int | Address | None) -> int | None:
        """Return whose a connection is; None where it had ended or the system does not tell."""
        if isinstance(whose, tuple):
            return await self.owner_of_connection(whose)
        asked = None if whose is None else self._owners.get(whose)
        return None if asked is None else await asyncio.shield(asked)

    async def owner_of_connection(self, client: Address) -> int | None:
        """Return who connected to this agent from an address of this machine; None where that is not known."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(ASKING, owner_of, client, (LOOPBACK, self._agent.port))

    async def remind(self, who: int | None, about: Detection) -> None:
        """Decide on a reminder for what began; where nobody knows whose it was, nobody is reminded."""
        desktop = None if who is None else await self._desktop(who)
        held = None if desktop is None else await self._held(desktop)
        if held == "away" and who is not None and desktop is not None and self.here is None:
            # It was asked, and its session ended before it answered: ask the one that comes after it.
            after = await self._desktop(who)
            if after is not None and after is not desktop:
                desktop, held = after, await self._held(after)
        agent = self._agent
        outcome = agent.pipeline.remind(who if desktop is not None else None, about, agent.now(), held)
        agent.count(outcome.counts)
        reminder = outcome.reminder
        decided = reminder or outcome.held
        if decided is not None:
            self._tell(decided)
        if reminder is not None and who is not None and desktop is not None:
            self._recent.setdefault(who, deque(maxlen=RECENT_REMINDERS)).appendleft(Recent(agent.now(), reminder))
            self._remember(who)
            self.problem = await desktop.show(self.toast(reminder))
            self.shown += self.problem is None
            self.failed += self.problem is not None

    async def _held(self, desktop: Desktop) -> Literal["busy", "away"] | None:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                return "busy" if await desktop.busy() is not None else None
        except TimeoutError:
            return "away"

    async def _desktop(self, who: int) -> Desktop | None:
        if self.here is not None:
            return self.here if who == ME else None
        return await self.logins.returned(who)

    def toast(self, reminder: Reminder) -> Toast:
        """Return a reminder as a toast: its sentence, and one thing that can be done."""
        words, page = self._agent.rules.texts.words, f"http://{LOOPBACK}:{self._agent.port}/why"
        return Toast(
            reminder.title, reminder.message,
            why=words.get("why", "{url}").replace("{url}", page), url=page,
            open=words.get("open", ""), not_today=words.get("not_today", ""),
        )  # fmt: skip

    # What people ask for.

    def snooze(self, who: int, span: Span, context: Context | None = None) -> None:
        """Hold back a person's reminders for a while."""
        self._note(who)
        self._agent.pipeline.reminders.snooze(who, span, self._agent.now(), context)
        self._remember(who)

    def login(self, who: int) -> Login:
        """Return what a person may see of themself, and whether the counters are theirs alone."""
        alone = who == ME if self.here is not None else self._is_alone(who)
        snoozes = self._agent.pipeline.reminders.snoozes(who, self._agent.now())
        return Login(who, tuple(self._recent.get(who, ())), snoozes, alone)

    def _is_alone(self, who: int) -> bool:
        return self._agent.rules.policy.page.personal and {*self._used, *self.logins.present} == {who}

    def _remember(self, who: int) -> None:
        kept = self._agent.pipeline.reminders.memory(who, self._agent.now())
        if self.here is not None:
            self.problem = saved.write_saved(self._memory, kept) or self.problem
        elif (remote := self.logins.desktop(who)) is not None:
            remote.remember(kept)

    # Who comes and goes.

    def _note(self, who: int) -> None:
        """Note that somebody is here in this period."""
        self._used[who] = self._agent.pipeline.period(self._agent.now())

    def forget_gone(self, periods: Container[str]) -> None:
        """Forget who was here in none of these periods, and is not now: no counter that is left can be theirs."""
        for who in [who for who, period in self._used.items() if period not in periods]:
            del self._used[who]
            if who not in self.logins.present and (self.here is None or who != ME):
                self._drop(who)

    def _on_login(self, who: int, remembered: SavedUserState) -> None:
        self._note(who)
        self._agent.pipeline.reminders.recall(who, remembered)

    def _on_logout(self, who: int) -> None:
        self._note(who)
        self.begin(self._forget(who))

    async def _forget(self, who: int) -> None:
        await asyncio.sleep(LEFT_SECONDS)
        if self.logins.desktop(who) is None:
            self._drop(who)

    def _drop(self, who: int) -> None:
        self._recent.pop(who, None)
        self._agent.pipeline.reminders.forget(who)
