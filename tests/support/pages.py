"""What the tests of the page share: an agent of which only the page is real, served on loopback."""

import asyncio
import contextlib
import http.client
import random
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

from bewust.config import texts
from bewust.config.off_switch import Stopped
from bewust.config.policy import PERIOD_WEEKS
from bewust.config.rules import Rules, load_rules
from bewust.config.texts import Chooser
from bewust.model import Context, Depth, HeldReason, Kind, Level
from bewust.page.application import Page
from bewust.page.shown import Login, Recent, Status
from bewust.page.view import View
from bewust.page.words import languages
from bewust.reminders.schedule import Reminder, Snooze
from bewust.statistics import formats, randomise, staleness
from bewust.statistics.counters import Key, SuppressionKey, period_keys, period_of, period_start
from bewust.statistics.formats import Report
from bewust.statistics.storage import Contents, Store

NOW = "2026-11-24T09:12:00+01:00"
SINCE = "2026-11-24T08:05:00+01:00"  # when the computer was started that day
WHO = 1000
POLICY = """
internal_hosts = ["intranet.voorbeeld.nl"]
[page]
organisation = "Gemeente Voorbeeld"
guidelines = "https://voorbeeld.nl/ai"
breach = "mailto:datalek@voorbeeld.nl"
[fill]
meldpunt = "de servicedesk"
contact = "het CIO-office"
[reminders]
quiet = ["18:00-08:00"]
[reminders.context.search]
gap = "2h"
daily = 1
[service.chatgpt]
status = "uncontracted"
alternative = "de chatdienst van de gemeente"
data_sharing = "refused"
training = "agreed"
more = "https://voorbeeld.nl/chatgpt"
[service.deepl]
status = "conditional"
"""

type Answer = tuple[int, dict[str, str], str]


def reminder(
    service: str, context: Context, title: str, level: Level = Level.USE, internal: bool = False
) -> Reminder:  # fmt: skip
    message = "Dit antwoord is door AI gemaakt. Open de bronnen voordat u het gebruikt."
    return Reminder(service, "R19", title, message, context, level, internal, "VNG AU, kabinet 2025")


def real(agent: "Fake", service: str, text: str, level: Level = Level.USE, internal: bool = False) -> Reminder:
    """A reminder with one of our own texts, as the agent itself would make it."""
    chooser, about = Chooser(agent.rules.policy, agent.rules.texts), agent.rules.services[service]
    (said,) = [one for one in agent.rules.texts.text if one.id == text]
    assert said.applies_to(about, level, agent.rules.policy.decision(service).status) and said.internal == internal
    assert chooser.missing_placeholder(about, said) is None
    return Reminder(
        service, text, chooser.title(about, internal), chooser.message(about, said), about.context, level, internal,
        said.source,
    )  # fmt: skip


class Fake:
    """A `Shown` whose person, counters and rules the test sets; the answers come from real rooms."""

    def __init__(self, folder: Path, policy: str = POLICY) -> None:
        self.config = folder / "config"
        self.config.mkdir(parents=True, exist_ok=True)
        (self.config / "policy.toml").write_text(policy, encoding="utf-8")
        self.rules: Rules = load_rules(self.config)
        self.port = 0
        self.token = "the agent's own token"
        self.now = datetime.fromisoformat(NOW).astimezone(self.rules.policy.zone)
        self.period = period_of(self.now, PERIOD_WEEKS[self.rules.policy.mechanism])
        self.store = Store(folder, ())
        named = [service for service in self.rules.policy.release.services if service in self.rules.services]
        self.store.open_period(period_keys(self.period, self.rules.services.values()), named)
        self.person: Login | None = Login(WHO, alone=True)
        self.inspector = "running"
        self.demoted: dict[str, str] = {}
        self.problems: tuple[str, ...] = ()
        self.stopped: Stopped = ""
        self.resumes = ""
        self.silent: dict[str, int] = {}
        self.asked: list[object] = []

    def use(self, service: str, kind: Kind = Kind.USE, times: int = 1) -> None:
        self.store.add([Key(self.period, service, kind)] * times)

    def remind(self, *reminders: Reminder) -> None:
        recent = tuple(Recent(self.now - timedelta(minutes=9 * n), one) for n, one in enumerate(reminders))
        self.person = Login(WHO, recent, alone=True)

    def status(self) -> Status:
        matcher = self.rules.matcher
        decrypted = matcher.decrypted_hosts()
        return Status(
            version="0.1.0", pid=1, port=self.port, since=SINCE, today=NOW[:10], inspector=self.inspector,
            inspector_starts=1, tunnelled=tuple(h for h in matcher.hosts(*Depth) if h not in decrypted),
            decrypted=tuple(h for h in decrypted if h not in self.demoted), demoted=self.demoted,
            connections={"spliced": 3}, authority_since="2026-10-01",
            authority_until="2028-09-30", authority_fingerprint=":".join(["AB"] * 32),
            uncovered=(), silent=self.silent,
            reviews=staleness.reviews(self.rules.services.values(), self.rules.policy),
            toasts_shown=0, toasts_failed=0, failures={}, problems=self.problems, catalogue="shipped",
            stopped=self.stopped, resumes=self.resumes,
        )  # fmt: skip

    def counts(self) -> Mapping[Key, int]:
        return self.store.counts()

    def contents(self) -> Contents:
        return self.store.contents()

    def draft(self) -> Report | None:
        kept = self.store.contents()
        return randomise.randomise_period(
            kept.counts, self.period, kept.domains[self.period], self.rules.policy, _die(1)
        )

    def seal(self, period: str) -> str:
        """Put a report of an earlier period into the store; return its line."""
        assert period_start(period) < period_start(self.period)
        line = formats.encode(
            randomise.randomise_period(
                self.counts(), period, self.rules.policy.release.services, self.rules.policy, _die(2)
            )
        )
        self.store.close_period(period, line, self.rules.policy.epsilons)
        return line

    def names_covered(self) -> Sequence[str]:
        return [host.removeprefix("*.") for host in self.rules.matcher.decrypted_hosts()]

    async def login(self, client: tuple[str, int]) -> Login | None:
        assert client[1] > 0
        return self.person

    def snooze(self, who: int, span: str, context: Context | None) -> None:
        self.asked.append((who, span, context))
        assert self.person is not None
        others = tuple(s for s in self.person.snoozes if s.context != context)
        new = () if span == "end" else (Snooze(self.now + timedelta(hours=1), context),)
        self.person = Login(who, self.person.recent, others + new, self.person.alone)

    def pause(self, seconds: float) -> None:
        self.stopped = "paused" if seconds else ""
        self.resumes = (self.now + timedelta(seconds=seconds)).isoformat(timespec="seconds") if seconds else ""

    def forget(self) -> None:
        self.asked.append("forget")
        self.store.clear()


def _die(seed: int) -> randomise.Random:
    return random.Random(seed).randrange


class Served:
    """The page of a `Shown` on a port of loopback, as the front serves it, from `with` to the end of it."""

    def __init__(self, agent: Fake) -> None:
        self.agent = agent
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        page = Page(self.agent)
        making = self._loop.create_server(page.protocol, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(making, self._loop).result(10)
        self.agent.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        self._server.close_clients()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.agent.port}"

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.agent.port, timeout=10)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(connection):
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, found, answer.read().decode()

    def post(self, path: str, fields: Mapping[str, str], **headers: str) -> Answer:
        kind = {"Content_Type": "application/x-www-form-urlencoded"}
        return self.ask(path, "POST", urlencode(fields).encode(), **{**kind, **headers})

    def token(self, path: str) -> str:
        """The form token on a page, as its first form carries it."""
        match = re.search(r'name="token" value="([0-9a-f]+)"', self.ask(path)[2])
        assert match, f"{path} has no form"
        return match[1]


@contextlib.contextmanager
def served(folder: Path, policy: str = POLICY) -> Iterator[Served]:
    with Served(Fake(folder, policy)) as here:
        yield here


def view(agent: Fake, language: str = "nl") -> View:
    """One look of the fake's person, for tests of what a page is made from."""
    chooser = Chooser(agent.rules.policy, texts.load(language, agent.rules.folder))
    return View(agent, agent.status(), agent.person, languages()[language], chooser)


# service, (uses or visits, of which reminded); what began and reminded nobody was held back. One search a
# day may remind, as POLICY says; a service known by name once a day.
DAYS: Mapping[str, tuple[Kind, int, int]] = {
    "google-ai-overview": (Kind.USE, 42, 12), "chatgpt": (Kind.VISIT, 17, 9), "edge-translate": (Kind.USE, 4, 2),
}  # fmt: skip
HELD: Mapping[HeldReason, int] = {"context-daily": 25, "snoozed": 5, "by-name": 5, "gap": 5}


def busy(agent: Fake) -> None:
    """Give an agent something in every part of every page, and nothing that contradicts another part."""
    agent.seal("2026-P11")
    for service, (kind, began, reminded) in DAYS.items():
        agent.use(service, kind, began)
        agent.use(service, Kind.REMINDED, reminded)
        agent.use(service, Kind.HELD, began - reminded)
    agent.use("google-ai-overview", Kind.SEEN, 310)
    agent.use("edge-translate", Kind.INTERNAL)
    agent.store.add([SuppressionKey(agent.period, reason) for reason, n in HELD.items() for _ in range(n)])
    agent.remind(
        real(agent, "google-ai-overview", "R19"),
        real(agent, "chatgpt", "R11", Level.VISIT),
        real(agent, "edge-translate", "R27", internal=True),
    )
    agent.demoted = {"duck.ai": "the site refuses our TLS"}
    agent.silent = {"duckduckgo-search-assist": 240}
    agent.use("duckduckgo-search-assist", Kind.SEEN, 240)
