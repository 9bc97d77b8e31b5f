"""An afternoon of one person: python -m soak.afternoon [HOURS], by default twenty minutes.

Two browsers are led through the same pages at the same time, one with Bewust and one without: thirty hosts that are
inspected, eight tabs, some of them left for longer than any site waits. Between the pages the machine sleeps, the
network goes and comes back, a portal is in the way, the inspector is killed, the policy is edited. Ends with a table,
and with 1 where a page came without Bewust and not with it. SEED=n for another afternoon, BROWSER=firefox.
"""

import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from bewust.config.rules import load_or_last_good
from bewust.daemon.state import Settings
from e2e.agents import RunningAgent
from e2e.curl import curl
from e2e.servers.clients import CLIENTS, Browser
from e2e.servers.origin import Authority
from soak.faults import POLICY
from soak.network import Network
from soak.run import files, resident

MINUTES = 20.0
HOSTS, TABS = 30, 8
PAGES = 12  # between one event and the next
EVENT_SECONDS = 15.0  # how long the machine sleeps, the network is away: longer than every time-out of the sites
RECOVERY_PAGES = 6
KILL_SECONDS = 2.0  # after the inspector was killed in which one page may fail (docs/faults.md)
FORGOTTEN_SECONDS = 900.0  # in which a host is inspected again that failed because of the network
SPARE_FILES = 8
GROWTH_MB = 25.0
FETCH = "fetch('/', {cache: 'no-store', signal: AbortSignal.timeout(15000)}).then(answer => answer.status)"


@dataclass
class Seen:
    """What became of pages: `worse` came without Bewust and not with it."""

    asked: int = 0
    both: int = 0
    neither: int = 0
    better: int = 0
    worse: list[str] = field(default_factory=list)
    while_away: Counter[str] = field(default_factory=Counter)
    cut: int = 0
    events: Counter[str] = field(default_factory=Counter)
    recovery: dict[str, list[float]] = field(default_factory=dict)


class Person:
    """One browser in a thread of its own, and what it shows."""

    def __init__(self, name: str, network: Network, agent: RunningAgent | None) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._browser: Browser = CLIENTS[name](network, agent)  # type: ignore[assignment]

    def __enter__(self) -> "Person":
        self._thread.submit(self._browser.__enter__).result()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.submit(self._browser.__exit__, None, None, None).result()
        self._thread.shutdown()

    def visit(self, tab: int, url: str) -> Future[str]:
        """Go to a page in a tab, or where `url` is empty have the page that is there fetch itself again."""
        return self._thread.submit(self._visit, tab, url)

    def _visit(self, tab: int, url: str) -> str:
        """ "came", or why not."""
        try:
            self._browser.tab(tab)
            if not url:
                status = self._browser.evaluate(FETCH)
            else:
                self._browser.goto(url)
                status, _, title, _ = self._browser.look()
                status = status if title == "Here" else f"{status} {title}"
        except (TimeoutError, ConnectionError) as error:
            return str(error)[:160]
        return "came" if status == 200 else f"status {status}"

    def pids(self) -> list[int]:
        """Its processes: all whose home is this browser's own."""
        return [pid for pid, environment in environments() if self._browser.home in environment]


def environments() -> Iterator[tuple[int, list[bytes]]]:
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                yield int(process.name), (process / "environ").read_bytes().split(b"\0")


class Afternoon:
    def __init__(self, network: Network, agent: RunningAgent, config: Path, people: tuple[Person, Person]) -> None:
        self.network, self.agent, self.config = network, agent, config
        self.without, self.with_ = people
        self.chance = random.Random(int(os.environ.get("SEED", "1")))
        self.hosts = list(network.sites)
        self.seen = Seen()
        self._began = time.monotonic()
        self._killed = -KILL_SECONDS
        self._shown: dict[int, bool] = {}  # tabs with a page in both browsers
        self._edits = 0
        self.events: Mapping[str, Callable[[], None]] = {
            "sleep": lambda: self._sleep(lost=False), "sleep, another network after": lambda: self._sleep(lost=True),
            "network gone": self._gone, "network silent": self._silent, "connections lost": self._lost,
            "captive portal": self._portal, "inspector killed": self._kill, "inspector frozen": self._freeze,
            "policy edited": self._edit, "long idle": self._idle,
        }  # fmt: skip

    def run(self, seconds: float) -> None:
        """Pages, an event, pages, another: a shuffled round of all of them after the other."""
        self._began = time.monotonic()
        round_: list[str] = []
        for host in self.hosts:
            self.visit(self.chance.randrange(TABS), host)
        while time.monotonic() - self._began < seconds:
            for _ in range(PAGES):
                self._browse()
            if not round_:
                round_ = list(self.events)
                self.chance.shuffle(round_)
            name = round_.pop()
            self.progress(name)
            self.events[name]()
            self.seen.events[name] += 1
            self._recover(name)

    def _browse(self) -> None:
        """What a person does next: read, open a page, or come back to a tab."""
        time.sleep(self.chance.choice((0.0, 0.1, 0.3, 1.0, 4.0)))
        tab = self.chance.randrange(TABS)
        self.visit(tab, "" if self._shown.get(tab) and self.chance.random() < 0.5 else self.chance.choice(self.hosts))

    def visit(self, tab: int, host: str) -> bool:
        """Have both browsers do the same; whether it came to the same."""
        away, killed = self.network.away or self.network.portal, self._killed
        url = f"https://{host}/" if host else ""
        began = time.monotonic()
        without, with_ = (one.visit(tab, url) for one in (self.without, self.with_))
        results = without.result(), with_.result()
        came = [result == "came" for result in results]
        if host:
            self._shown[tab] = all(came)
        self.seen.asked += 1
        away = away or self.network.away or self.network.portal
        recently = max(killed, self._killed) + KILL_SECONDS > began
        self._judge(came, away, recently, f"{host or f'tab {tab}'} at {began - self._began:.0f} s: {results}")
        return came[0] <= came[1]

    def _judge(self, came: list[bool], away: bool, recently: bool, what: str) -> None:
        seen = self.seen
        if away:
            seen.while_away[f"{'came' if came[0] else 'failed'} without, {'came' if came[1] else 'failed'} with"] += 1
        elif came == [True, False] and recently and seen.cut < self._kills():
            seen.cut += 1
        elif came == [True, False]:
            seen.worse.append(what)
            print(f"\n  WITHOUT AND NOT WITH: {what}", flush=True)
        else:
            seen.both += came == [True, True]
            seen.neither += came == [False, False]
            seen.better += came == [False, True]

    def _kills(self) -> int:
        return self.seen.events["inspector killed"] + self.seen.events["inspector frozen"] + 1

    def _recover(self, name: str) -> None:
        """Ask until some pages in a row come as they would without Bewust; note how long that took."""
        began, in_a_row, last = time.monotonic(), 0, 0.0
        while in_a_row < RECOVERY_PAGES and time.monotonic() - began < 120:
            if self.visit(self.chance.randrange(TABS), self.chance.choice(self.hosts)):
                in_a_row += 1
            else:
                in_a_row, last = 0, time.monotonic() - began
        self.seen.recovery.setdefault(name, []).append(last)

    # What happens of an afternoon.

    def _sleep(self, *, lost: bool) -> None:
        """The whole machine stops: front, inspector and both browsers; the sites do not."""
        pids = [*self.without.pids(), *self.with_.pids(), self.agent.process.pid]
        with contextlib.suppress(AssertionError):
            pids.append(self.agent.inspector_pid())
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        if lost:
            self.network.do(self.network.goodbye())
        time.sleep(EVENT_SECONDS)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def _gone(self) -> None:
        self.network.do(self.network.refuse())
        self._browse_for(EVENT_SECONDS)
        self.network.do(self.network.back())

    def _silent(self) -> None:
        self.network.do(self.network.swallow())
        self._browse_for(EVENT_SECONDS)
        self.network.do(self.network.back())

    def _lost(self) -> None:
        self.network.do(self.network.goodbye())

    def _portal(self) -> None:
        self.network.do(self.network.capture(True))
        self._browse_for(2 * EVENT_SECONDS)
        self.network.do(self.network.capture(False))

    def _browse_for(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._browse()

    def _kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def _signal(self, what: signal.Signals) -> None:
        with contextlib.suppress(AssertionError, ProcessLookupError):  # it is being restarted just now
            os.kill(self.agent.inspector_pid(), what)
        self._killed = time.monotonic()

    def _edit(self) -> None:
        """Have the rules read anew, which takes another inspector."""
        self._edits += 1
        (self.config / "policy.toml").write_text(f"{POLICY}# {self._edits}\n")

    def _idle(self) -> None:
        time.sleep(2 * EVENT_SECONDS)

    def progress(self, name: str) -> None:
        at, seen = time.monotonic() - self._began, self.seen
        line = (
            f"{at:5.0f} s  {seen.asked} asked, {seen.both} came, {len(seen.worse)} not with Bewust alone; next: {name}"
        )
        print(f"\r{line:100}", end="" if sys.stdout.isatty() else "\n", flush=True)


@dataclass
class Size:
    """Of the agent and its inspector, at rest."""

    mb: tuple[float, float]
    files: tuple[int, int]


def size(agent: RunningAgent) -> Size:
    pids = agent.process.pid, agent.inspector_pid()
    return Size((resident(pids[0]), resident(pids[1])), (files(pids[0]), files(pids[1])))


def afternoon(seconds: float, base: Path) -> list[str]:
    """Return everything that is wrong."""
    config = base / "config"
    config.mkdir()
    (config / "policy.toml").write_text(POLICY)
    rules = load_or_last_good(config, base)
    hosts = tuple(host for host in rules.matcher.decrypted_hosts() if "*" not in host)[:HOSTS]
    assert len(hosts) == HOSTS, f"the catalogue has only {len(hosts)}"
    authority = Authority()
    with contextlib.ExitStack() as stack:
        stack.callback(authority.close)
        network = stack.enter_context(Network(authority, hosts))
        settings = Settings(base / "state", config, port=0, resolver=network.resolver, trust=authority.root_pem)
        agent = stack.enter_context(RunningAgent(settings))
        name = os.environ.get("BROWSER") or "chromium"
        before = size(agent)
        with Person(name, network, None) as without, Person(name, network, agent) as with_:
            made = Afternoon(network, agent, config, (without, with_))
            made.run(seconds)
        wrong = [*made.seen.worse]
        after = settled(agent, before)
        left, waited = by_name(agent, hosts)
        demoted = agent.status()["demoted"]
        report(made.seen, before, after)
    print(f"hosts that are still not inspected    {len(left)} of {HOSTS}, {waited:.0f} s after the end")
    if left:
        wrong.append(f"the network's doing is taken for the site's: {demoted}")
    if max(b - a for a, b in zip(before.files, after.files, strict=True)) > SPARE_FILES:
        wrong.append(f"file descriptors: {before.files} at the start, {after.files} at the end")
    if after.mb[0] - before.mb[0] > GROWTH_MB:
        wrong.append(f"the agent grew by {after.mb[0] - before.mb[0]:.0f} MB")
    return wrong


def settled(agent: RunningAgent, before: Size) -> Size:
    """Wait for all to come to rest, and measure."""
    until = time.monotonic() + 90
    while True:
        with contextlib.suppress(AssertionError, OSError):
            after = size(agent)
            if max(b - a for a, b in zip(before.files, after.files, strict=True)) <= SPARE_FILES:
                return after
            if time.monotonic() > until:
                return after
        time.sleep(1)


def by_name(agent: RunningAgent, hosts: tuple[str, ...]) -> tuple[list[str], float]:
    """Wait until every host is inspected again; those that are not, and how long that took."""
    began, left = time.monotonic(), list(hosts)
    while True:
        left = [host for host in left if curl(agent.port, f"https://{host}/", agent.root_pem, seconds=20) != "200"]
        waited = time.monotonic() - began
        if not left or waited > FORGOTTEN_SECONDS:
            return left, waited
        time.sleep(10)


def report(seen: Seen, before: Size, after: Size) -> None:
    print(f"\n\npages asked                             {seen.asked}")
    print(f"  came with and without Bewust          {seen.both}")
    print(f"  came without Bewust and not with it   {len(seen.worse)}")
    print(f"  came with Bewust and not without it   {seen.better}")
    print(f"  came neither with it nor without      {seen.neither}")
    print(f"  as the inspector was killed, cut      {seen.cut}")
    print(f"  while the network was away            {seen.while_away.total()}  {dict(seen.while_away)}")
    print(
        f"memory, MB: agent {before.mb[0]:.0f} -> {after.mb[0]:.0f}, inspector {before.mb[1]:.0f} -> {after.mb[1]:.0f}"
    )
    print(f"open files and sockets: agent {before.files[0]} -> {after.files[0]}, "
          f"inspector {before.files[1]} -> {after.files[1]}")  # fmt: skip
    for name, times in sorted(seen.recovery.items()):
        print(f"  {name:30} {len(times):3} times, pages as without Bewust after {max(times):.1f} s at most")


def main() -> None:
    seconds = float(sys.argv[1]) * 3600 if len(sys.argv) > 1 else MINUTES * 60
    with tempfile.TemporaryDirectory(prefix="afternoon-") as folder:
        wrong = afternoon(seconds, Path(folder))
    print(*(wrong or ["nothing that comes without Bewust failed with it"]), sep="\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
