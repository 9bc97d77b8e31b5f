"""What the agent answers to the page and to the commands. Belongs here: reading, and the few things a
person may ask for. Not here: HTTP (page.application), or running (app).
"""

import os
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from bewust import __version__
from bewust.authority import Authority
from bewust.authority import authority as authority_authority
from bewust.catalogue import editions
from bewust.config import OffSwitch, Rules
from bewust.config.off_switch import Stopped
from bewust.daemon.people import ME, People
from bewust.model import Context, Depth, Span
from bewust.page import Login, Status
from bewust.proxy import Front, Inspector
from bewust.proxy.messages import Demoted
from bewust.reminders import Pipeline
from bewust.statistics import Contents, Key, Store, retention, staleness
from bewust.statistics.formats import Report
from bewust.system import Clock
from bewust.system.error_counts import Failures
from bewust.system.socket_owner import Address


class Agent(Protocol):
    """What is read of the agent."""

    rules: Rules
    port: int
    token: str
    since: datetime
    clock: Clock
    switch: OffSwitch
    stopped: Stopped
    authority: Authority
    uncovered: tuple[str, ...]
    demoted: dict[str, tuple[Demoted, float]]
    refusals: int
    failures: Failures
    rescued: str | None
    unsealed: str | None
    undelivered: str | None
    front: Front
    inspector: Inspector
    people: People
    pipeline: Pipeline
    store: Store

    def now(self) -> datetime:
        """Return the time in the organisation's zone."""

    def should_inspect(self, host: str) -> bool:
        """Whether a host of the decrypt list is inspected now."""

    def is_excluded(self, host: str) -> bool:
        """Whether a host was demoted, and not too long ago."""

    async def flush(self) -> None:
        """Write the counters as they are now."""

    def pause(self, seconds: float) -> None:
        """Stop everything for so long, as far as the policy allows; 0 ends it."""


class Answers:
    """Answers about one agent; what the page is shown of it."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    @property
    def rules(self) -> Rules:
        """Policy, catalogue and texts as they are active now."""
        return self._agent.rules

    @property
    def port(self) -> int:
        """Where the agent listens."""
        return self._agent.port

    @property
    def token(self) -> str:
        """What proves that a command is the person's own."""
        return self._agent.token

    @property
    def stopped(self) -> Stopped:
        """Why nothing is inspected, counted or reminded of now; empty where it is."""
        return self._agent.stopped

    def status(self) -> Status:
        """Return what is true now."""
        agent, services = self._agent, self.rules.services.values()
        decrypted = self.rules.matcher.decrypted_hosts()
        by_name = tuple(h for h in self.rules.matcher.hosts(*Depth) if h not in decrypted)
        return Status(
            version=__version__,
            pid=os.getpid(),
            port=self.port,
            since=agent.since.isoformat(timespec="seconds"),
            today=agent.now().date().isoformat(),
            inspector=self._inspector(),
            inspector_starts=agent.inspector.starts,
            tunnelled=by_name,
            decrypted=tuple(h for h in decrypted if agent.should_inspect(h)),
            demoted={
                self.rules.matcher.in_catalogue(h): d.reason
                for h, (d, _) in agent.demoted.items()
                if agent.is_excluded(h)
            },
            refusals=agent.refusals,
            connections=agent.front.routes(),
            authority_since=agent.authority.made.astimezone(agent.rules.policy.zone).date().isoformat(),
            authority_until=agent.authority.not_after.date().isoformat(),
            authority_fingerprint=agent.authority.fingerprint,
            uncovered=agent.uncovered,
            silent=staleness.stale_signatures(services, self.counts(), agent.pipeline.period(agent.now())),
            reviews=staleness.reviews(services, self.rules.policy),
            toasts_shown=agent.people.shown,
            toasts_failed=agent.people.failed,
            failures=dict(agent.failures),
            problems=tuple(p for p in self._problems() if p),
            catalogue=agent.rules.edition.description,
            sessions=agent.people.logins.count,
            stopped=agent.stopped,
            resumes=(agent.now() + timedelta(seconds=agent.switch.left)).isoformat(timespec="seconds")
            if agent.stopped == "paused"
            else "",
        )

    def _inspector(self) -> str:
        if self._agent.inspector.alive:
            return "running"
        wanted = self._agent.inspector.enabled
        return "starting or down; browsing goes on undecrypted" if wanted else "not needed; nothing is inspected"

    def counts(self) -> Mapping[Key, int]:
        """Return every counter as it is now."""
        return self._agent.store.counts()

    # What the page asks for.

    def contents(self) -> Contents:
        """Return all that the store keeps."""
        return self._agent.store.contents()

    def draft(self) -> Report | None:
        """Return what this period's report would be if it ended now; drawn for this look alone."""
        return retention.draft(self._agent.store.contents(), self._agent.rules.policy, secrets.randbelow)

    def names_covered(self) -> Sequence[str]:
        """Return the names that the certificate authority is limited to."""
        return [host for host in self._agent.authority.hosts if host != authority_authority.NOTHING]

    async def login(self, client: Address) -> Login | None:
        """Return the login that connected from an address of this machine; None where that is not known."""
        who = await self._agent.people.owner_of_connection(client)
        if who is None or (self._agent.people.here is not None and who != ME):
            return None
        return self._agent.people.login(who)

    def snooze(self, who: int, span: Span, context: Context | None) -> None:
        """Hold back a person's reminders for a while."""
        self._agent.people.snooze(who, span, context)

    def pause(self, seconds: float) -> None:
        """Stop everything for a while; 0 ends it."""
        self._agent.pause(seconds)

    def forget(self) -> None:
        """Delete this period's counters."""
        self._agent.store.clear()
        self._agent.people.forget_gone(())
        self._agent.people.begin(self._agent.flush())

    def _problems(self) -> list[str | None]:
        agent = self._agent
        return [
            agent.rules.problem,
            agent.rules.edition.problem,
            editions.outdated(agent.rules.edition),
            agent.rescued,
            agent.unsealed,
            agent.undelivered,
            agent.store.problem,
            agent.inspector.problem,
            f"toasts: {agent.people.problem}" if agent.people.problem else None,
            self._of_authority(),
            "this machine's clock jumped; until it has stayed so for a day, what is counted keeps its old time"
            if agent.clock.jumped
            else None,
        ]

    def _of_authority(self) -> str | None:
        found, now = self._agent.authority, datetime.now(UTC)
        if found.problem is not None:
            return f"nothing is inspected: {found.problem}"
        if not found.valid(now):
            days = f"from {found.made.date()} to {found.not_after.date()}"
            return f"nothing is inspected: the authority holds {days}; {found.remedy}, or set this machine's clock"
        if self._agent.uncovered:
            hosts = ", ".join(self._agent.uncovered)
            return f"{hosts}: outside the authority, so known by name only; {found.remedy}"
        return f"the authority ends on {found.not_after.date()}; {found.remedy}" if found.expires_soon(now) else None
