"""What the page knows of an agent and of the login that asks: the contract between both.

Belongs here: types. The page never learns more of a person than this, and keeps nothing of it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from bewust.config import Rules
from bewust.config.off_switch import Stopped
from bewust.model import Context, Span
from bewust.proxy.connection import Route
from bewust.reminders import Reminder
from bewust.reminders.schedule import Snooze
from bewust.statistics import Contents, Key
from bewust.statistics.formats import Report


class Status(msgspec.Struct, frozen=True):
    """What `bewust status` shows. Lists of hosts are the catalogue's, never what was visited.

    `silent` are services without a use in so many opportunities of this period; `reviews` are the
    signatures that inspect something, by the date of their last review. `sessions` is how many logins
    of a managed machine are connected, `refusals` how often a site or a program refused us since the start.
    `stopped` says why nothing is done now, by an administrator or for a while, and `resumes` until when.
    """

    version: str
    pid: int
    port: int
    since: str
    today: str
    inspector: str
    inspector_starts: int
    tunnelled: tuple[str, ...]
    decrypted: tuple[str, ...]
    demoted: Mapping[str, str]
    connections: Mapping[Route, int]
    authority_since: str
    authority_until: str
    authority_fingerprint: str
    uncovered: tuple[str, ...]
    silent: Mapping[str, int]
    reviews: Mapping[str, list[str]]
    toasts_shown: int
    toasts_failed: int
    failures: Mapping[str, int]
    problems: tuple[str, ...]
    catalogue: str
    sessions: int = 0
    refusals: int = 0
    stopped: Stopped = ""
    resumes: str = ""


class Recent(msgspec.Struct, frozen=True):
    """A reminder that a login was shown, and when, in the organisation's zone; in memory only."""

    at: datetime
    reminder: Reminder


class Login(msgspec.Struct, frozen=True):
    """The login that a connection belongs to; `who` is opaque. `recent` is newest first.

    `alone` says that no other person uses this machine, so that its counters may be shown.
    """

    who: int
    recent: Sequence[Recent] = ()
    snoozes: Sequence[Snooze] = ()
    alone: bool = False


class AgentView(Protocol):
    """The agent, as far as the page goes; `token` proves that a command is the person's own."""

    @property
    def rules(self) -> Rules:
        """Policy, catalogue and texts as they are active now."""

    @property
    def port(self) -> int:
        """Where the agent listens."""

    @property
    def token(self) -> str:
        """What proves that a command is the person's own."""

    @property
    def stopped(self) -> Stopped:
        """Why nothing is inspected, counted or reminded of now; empty where it is."""

    def status(self) -> Status:
        """Return what is true now."""

    def counts(self) -> Mapping[Key, int]:
        """Return every counter as it is now."""

    def contents(self) -> Contents:
        """Return all that the store keeps."""

    def draft(self) -> Report | None:
        """Return what this period's report would be if it ended now; drawn for this look alone."""

    def names_covered(self) -> Sequence[str]:
        """Return the names that the certificate authority is limited to."""

    async def login(self, client: tuple[str, int]) -> Login | None:
        """Return the login that connected from an address of this machine; None where that is not known."""

    def snooze(self, who: int, span: Span, context: Context | None) -> None:
        """Hold back a person's reminders for a while."""

    def pause(self, seconds: float) -> None:
        """Stop everything for a while; 0 ends it."""

    def forget(self) -> None:
        """Delete this period's counters."""
