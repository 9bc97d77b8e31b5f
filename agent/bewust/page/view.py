"""What every page is made from: the agent, who asks, and the language; and words that several pages share.

Belongs here: names of services, sources and periods, and what may be shown to whom.
"""

import re
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from markupsafe import Markup

from bewust.config import Chooser
from bewust.hosts import APART, is_internal
from bewust.model import Depth, Service
from bewust.page.shown import AgentView, Login, Status
from bewust.page.words import Words
from bewust.statistics.counters import period_end, period_start, weeks_of

type Known = Literal["name", "into", "unseen"]


# Where Google's and Microsoft's mail, documents and calendars are.
def soft_hyphenate(name: str) -> Markup:
    """Return the name of a site, so that it breaks after a dot or a hyphen where it is too long for its line."""
    return Markup("<wbr>").join(re.split(r"(?<=[.-])", name))


class View(msgspec.Struct, frozen=True):
    """One look at one page. `login` is None for whoever is not known to use this machine now."""

    agent: AgentView
    status: Status
    login: Login | None
    words: Words
    chooser: Chooser

    @property
    def single_user(self) -> bool:
        """Whether what this machine counts may be shown: nobody else uses it."""
        return self.login is not None and self.login.alone

    @property
    def may_delete(self) -> bool:
        """Whether this person may delete the counters of this period."""
        return self.single_user and self.agent.rules.policy.page.delete

    @property
    def inspecting(self) -> bool:
        """Whether anything is decrypted at this moment."""
        return self.status.inspector == "running"

    @property
    def since(self) -> datetime:
        """When the agent started."""
        return datetime.fromisoformat(self.status.since)

    def service(self, key: str) -> Service | None:
        """Return a service; None where it has left the catalogue since."""
        return self.agent.rules.services.get(key)

    def name(self, key: str) -> str:
        """Return what people call a service; its id where it has left the catalogue."""
        service = self.service(key)
        return key if service is None else self.chooser.name(service)

    def depth(self, service: Service) -> Known:
        """Return what is known of a service under this policy: its name, what is done, or nothing."""
        known = self.agent.rules.policy.known(service)
        if known is None:
            return "unseen"
        return "name" if known is Depth.NAME else "into"

    @property
    def mail_apart(self) -> bool:
        """Whether nothing is inspected where mail, documents and calendars are."""
        plans = [self.agent.rules.matcher.host_rules(host) for host in APART]
        return all(plan is None or plan.depth is Depth.NAME for plan in plans)

    @property
    def intranet_apart(self) -> bool:
        """Whether none of the organisation's own sites is inspected."""
        rules = self.agent.rules
        return not any(is_internal(h, rules.policy.internal_hosts) for h in rules.matcher.decrypted_hosts())

    def period(self, period: str) -> str:
        """Return a period with its first and last day, such as periode 12 van 2026 (2 november 2026 tot ...)."""
        return self.words(
            f"format.period_{weeks_of(period)}", n=int(period[6:]), year=period[:4],
            first=self.words.day(period_start(period)), last=self.words.day(period_end(period) - timedelta(days=1)),
        )  # fmt: skip

    def length(self, period: str) -> str:
        """Return how long a period is, such as vier weken."""
        return self.words(f"format.weeks_{weeks_of(period)}")

    def sources(self, text: str) -> list[str]:
        """Return who asks for what a reminder says, with their names in full."""
        parts = [part.strip() for part in text.split(",")]
        known = [[part] if self._key(part) in self.words else part.split() for part in parts]
        found = [self.words(self._key(p)) if self._key(p) in self.words else p for ps in known for p in ps]
        return list(dict.fromkeys(found))

    @staticmethod
    def _key(source: str) -> str:
        return f"source.{source.lower().replace(' ', '-')}"
