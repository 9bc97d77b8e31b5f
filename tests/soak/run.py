"""A long run of a real agent under fifty busy employees, with faults: python -m soak.run [HOURS], by default a sixth.

A busy employee is taken to do some 250 things an hour with what the catalogue knows (daemon.people), so this is 3.5 a
second. In the first half of every ten minutes something goes wrong every half minute (faults); the second half is
quiet, and memory is compared in it. Ends with a report, and with 1 where a count was lost or invented, memory or file
descriptors grew, an answer was wrong, or anything was written to standard error.
"""

import asyncio
import contextlib
import re
import ssl
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import linear_regression

import msgspec

from bewust.state_files import STORE
from bewust.statistics import storage
from e2e.agents import RunningAgent
from e2e.conftest import settings
from e2e.world import World
from soak.faults import POLICY, Relay, faults
from soak.people import PEOPLE, Person, Tally

MINUTES = 10.0
DEEDS_AN_HOUR = 250.0
CYCLE, FAULT_SECONDS, LOOK_SECONDS = 600.0, 30.0, 5.0
WARM_SECONDS = 90.0  # of an inspector: its certificates are made, its expressions compiled
GROWTH_MB = 10.0  # of resident memory, over the quiet half of a cycle, or of the agent over the whole run
SPARE_FILES = 8  # more than at the start, at rest
# Activities that begin anew with every sign of use, so that each can be counted.
SERVICES = "".join(
    f'[[service]]\nid = "{name}"\ngap = "0.000001s"\n'
    for name in ("google-ai-overview", "duck-ai", "chrome-translate", "chatgpt")
)


class Look(msgspec.Struct):
    """One look: seconds since the start, and of each process its id and MiB resident."""

    at: float
    agent_mb: float
    inspector: int
    inspector_mb: float


def resident(pid: int) -> float:
    with contextlib.suppress(OSError):
        if found := re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()):
            return int(found[1]) / 1024
    return 0.0


def files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def growth(looks: Sequence[tuple[float, float]]) -> float:
    """MiB from the first to the last, along the straight line through all: one spike is no leak."""
    if len(looks) < 6:
        return 0.0
    return linear_regression(*zip(*looks, strict=True)).slope * (looks[-1][0] - looks[0][0])


class Soak:
    def __init__(self, agent: RunningAgent, world: World, relay: Relay, config: Path) -> None:
        self.agent, self.relay, self.config = agent, relay, config
        self.tally = Tally()
        self.looks: list[Look] = []
        self.struck: Counter[str] = Counter()
        self._roots = (agent.root_pem, world.root_pem)
        self._began = time.monotonic()

    def trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self._roots[0]))
        context.load_verify_locations(self._roots[1])
        return context

    async def run(self, seconds: float) -> None:
        people = [Person(number, self.agent.port, self.trust, self.tally) for number in range(PEOPLE)]
        self._began = time.monotonic()
        living = [asyncio.create_task(one.live(3600 / DEEDS_AN_HOUR)) for one in people]
        watching = [asyncio.create_task(work) for work in (self._look(), self._strike(seconds))]
        done, _ = await asyncio.wait([*living, *watching], timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        for task in (*living, *watching):
            task.cancel()
        await asyncio.gather(*living, *watching, return_exceptions=True)
        for one in people:
            await one.http.aclose()
        for task in done:
            task.result()

    async def _look(self) -> None:
        while True:
            at, pid = time.monotonic() - self._began, 0
            assert self.agent.alive(), "the agent has ended"
            with contextlib.suppress(AssertionError, OSError):
                pid = self.agent.inspector_pid()
            self.looks.append(Look(at, resident(self.agent.process.pid), pid, resident(pid) if pid else 0.0))
            last, done = self.looks[-1], self.tally.done.total()
            line = f"{at:5.0f} s  {done} done, {self.tally.passed} passed by, {self.tally.broken.total()} broken off; "
            line += f"agent {last.agent_mb:.0f} MB, inspector {last.inspector_mb:.0f} MB; {self.struck.total()} faults"
            print(f"\r{line}", end="" if sys.stdout.isatty() else "\n", flush=True)
            await asyncio.sleep(LOOK_SECONDS)

    async def _strike(self, seconds: float) -> None:
        ways = faults(self.agent, self.relay, self.config)
        cycle = min(CYCLE, seconds)
        for number in range(1_000_000):
            await asyncio.sleep(FAULT_SECONDS)
            if (time.monotonic() - self._began) % cycle < cycle / 2:
                name = list(ways)[number % len(ways)]
                with contextlib.suppress(AssertionError, ProcessLookupError):  # it is being restarted just now
                    await ways[name]()
                    self.struck[name] += 1

    def leaks(self) -> list[str]:
        """Where memory grew; of the agent in the quiet halves: two catalogues are there while one replaces another."""
        half = min(CYCLE, self.looks[-1].at) / 2
        quiet = [(look.at, look.agent_mb) for look in self.looks if look.at % (2 * half) > half]
        found = {"agent": growth(quiet)}
        for pid in {look.inspector for look in self.looks} - {0}:
            lived = [(look.at, look.inspector_mb) for look in self.looks if look.inspector == pid]
            found[f"inspector {pid}"] = growth([one for one in lived if one[0] > lived[0][0] + WARM_SECONDS])
        self.grown = found
        return [f"{name}: {mb:+.1f} MB" for name, mb in found.items() if mb > GROWTH_MB]


def settled(agent: RunningAgent, at_start: tuple[int, int]) -> list[str]:
    """Wait for all to come to rest; what is left open then, and since when more than at the start."""
    end = time.monotonic() + 20
    while True:
        now = files(agent.process.pid), files(agent.inspector_pid())
        more = [n - before for n, before in zip(now, at_start, strict=True)]
        if max(more) <= SPARE_FILES or time.monotonic() > end:
            break
        time.sleep(1)
    print(f"file descriptors at rest: agent {at_start[0]} -> {now[0]}, inspector {at_start[1]} -> {now[1]}")
    return [f"file descriptors: {more} more than at the start"] if max(more) > SPARE_FILES else []


def soak(seconds: float, base: Path) -> list[str]:
    """Return everything that is wrong."""
    config = base / "config"
    (config / "services").mkdir(parents=True)
    (config / "policy.toml").write_text(POLICY)
    (config / "services" / "soak.toml").write_text(SERVICES)
    errors = base / "stderr"
    with World() as world, asyncio.Runner() as runner, errors.open("wb") as said:
        relay = Relay(world.port)
        world.resolver["www.bing.com"] = runner.run(relay.open())
        started = msgspec.structs.replace(settings(world, base), config=config)
        with RunningAgent(started, errors=said) as agent:
            at_start = files(agent.process.pid), files(agent.inspector_pid())
            made = Soak(agent, world, relay, config)
            runner.run(made.run(seconds))
            wrong = settled(agent, at_start) + made.leaks()
            counted, status = agent.counts(), agent.status()
            wrong += made.tally.differences(counted) + made.tally.wrong[:20]
            report(made, counted, status["failures"], status["inspector_starts"])
            if agent.stop() != 0:
                wrong.append("the agent did not stop cleanly")
        kept = storage.read(started.state / STORE)
        stored = {(key.service, str(key.kind)): n for key, n in kept.items() if n}
        if stored != counted:
            wrong.append(f"the file holds {stored}, not {counted}")
    if errors.stat().st_size:
        wrong.append(f"standard error: {errors.read_text('utf-8', 'replace')[:1000]}")
    return wrong


def report(made: Soak, counted: dict[tuple[str, str], int], failures: dict[str, int], starts: int) -> None:
    tally = made.tally
    print(f"\ndone: {dict(tally.done)}\npassed by: {tally.passed}\nbroken off: {dict(tally.broken)}")
    print(f"faults: {dict(made.struck)}, inspector started {starts} times, failures counted: {failures}")
    for key in sorted({*tally.surely, *tally.perhaps}):
        print(f"{' '.join(key)}: {counted.get(key, 0)} counted, {tally.surely[key]} sure, {tally.perhaps[key]} perhaps")
    print("memory grew by (MB):", {name: round(mb, 1) for name, mb in made.grown.items()})


def main() -> None:
    seconds = float(sys.argv[1]) * 3600 if len(sys.argv) > 1 else MINUTES * 60
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        wrong = soak(seconds, Path(folder))
    print(*(wrong or ["nothing lost, nothing invented, no leak"]), sep="\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
