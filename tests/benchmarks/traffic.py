"""What goes through a proxy, and how much faster than through another: side by side, interleaved.

Every cell is asked in every round, in random order; a ratio is taken within one round. Belongs here: the
kinds of traffic and what was promised about each. Not here: processes (rig, rivals).
"""

import json
import random
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple
from urllib.request import urlopen

from benchmarks import rivals
from benchmarks.figures import Figure
from benchmarks.rig import BY_NAME, DECRYPTED, ELSEWHERE, Proxy, World, bewust

DIRECT, US = "direct", "bewust"
MITM, ADDON, SPLICE, BUMP = "mitmdump", "mitmdump + addon", "squid splice", "squid bump"


class Work(NamedTuple):
    """One kind of traffic; `goals` says beside whom, and at least how many times as fast."""

    row: str
    words: str
    host: str
    kind: str
    path: str
    goals: Mapping[str, float]
    beside: Sequence[str] = (DIRECT, MITM, SPLICE)
    clients: int = 8


PAC_WORK = Work("pac", "a host that is not catalogued, through the PAC", ELSEWHERE, "kept", "/json", {}, (DIRECT,))
SSE = Work("sse", "server-sent events, decrypted", DECRYPTED, "sse", "/sse/60/5", {}, (DIRECT, MITM, BUMP), clients=1)
_BUMPED = (DIRECT, MITM, ADDON, BUMP)
_PAGE = {MITM: 2.0, ADDON: 3.5}
WORKS = [
    PAC_WORK,
    Work("splice-h1", "spliced small JSON, kept connections", BY_NAME, "kept", "/json", {MITM: 9, SPLICE: 0.65}),
    Work("splice-h2", "the same over HTTP/2", BY_NAME, "h2", "/json", {MITM: 9, SPLICE: 0.65}),
    Work("splice-10mb", "spliced 10 MB download", BY_NAME, "kept", "/bytes/10000000", {SPLICE: 1.1}, clients=1),
    Work("splice-new", "new spliced connections", BY_NAME, "new", "/json", {MITM: 7, SPLICE: 0.7}),
    Work("splice-ws", "spliced WebSocket echo", BY_NAME, "ws", "/ws", {MITM: 6}),
    Work("decrypt-h1", "decrypted small JSON, kept connections", DECRYPTED, "kept", "/json", {MITM: 2.5}, _BUMPED),
    Work("decrypt-h2", "the same over HTTP/2", DECRYPTED, "h2", "/json", {MITM: 2.0}, (DIRECT, MITM, ADDON)),
    *(
        Work(
            f"page-{e}",
            f"scanned page of 100 KB, {e}",
            DECRYPTED,
            "kept",
            f"/search?q=tides&page=page.{e}",
            _PAGE,
            _BUMPED,
        )
        for e in ("br", "gzip", "zstd")
    ),
    SSE,
]


class Cell(NamedTuple):
    """One proxy, one kind of traffic, one round: answers a second, and CPU seconds of the proxy an answer."""

    rate: float
    cpu: float
    first: float = 0.0
    later: float = 0.0


type Cells = dict[str, dict[str, list[Cell]]]  # row -> name of the proxy -> a cell a round


def measure(world: World, wanted: Sequence[Work], rounds: int, seconds: float, tell: Callable[[str], None]) -> Cells:
    """Measure all kinds of traffic that are wanted."""
    cells: Cells = {}
    with ExitStack() as stack:
        proxies = _start(world, stack, {name for work in wanted for name in work.beside})
        for turn in range(rounds):
            for work in wanted:
                names = [name for name in (*work.beside, US) if name in proxies]
                for name in random.sample(names, len(names)):
                    tell(f"round {turn + 1} of {rounds}: {work.words}, {name}")
                    cell = _cell(world, work, proxies[name], seconds)
                    cells.setdefault(work.row, {}).setdefault(name, []).append(cell)
    return cells


def _start(world: World, stack: ExitStack, wanted: set[str]) -> dict[str, Proxy]:
    proxies = {DIRECT: Proxy(DIRECT, world.root_pem)}
    agent = stack.enter_context(bewust(world, world.folder / "state"))
    answers = _ask_pac(agent.pac_url)
    assert answers[ELSEWHERE] == "DIRECT", answers
    assert all(answers[host].startswith(f"PROXY 127.0.0.1:{agent.port};") for host in (BY_NAME, DECRYPTED)), answers
    proxies[US] = Proxy(US, agent.root_pem, agent.port, agent.process.pid, by_name=True)
    if MITM in wanted:
        proxies[MITM] = stack.enter_context(rivals.mitmdump(world))
    if ADDON in wanted:
        proxies[ADDON] = stack.enter_context(rivals.with_addon(world))
    for name in {SPLICE, BUMP} & wanted if rivals.squid_there() else ():
        proxies[name] = stack.enter_context(rivals.squid(world, name))
    return proxies


def _ask_pac(url: str) -> dict[str, str]:
    """Return what the agent's PAC answers for each host, as JavaScript."""
    with urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    hosts = json.dumps([BY_NAME, DECRYPTED, ELSEWHERE])
    text += f"\nconsole.log(JSON.stringify({hosts}.map(h => [h, FindProxyForURL('https://' + h + '/', h)])))"
    done = subprocess.run(["node", "-"], input=text, capture_output=True, text=True, check=True, timeout=30)
    return dict(json.loads(done.stdout))


def _cell(world: World, work: Work, proxy: Proxy, seconds: float) -> Cell:
    """Ask for so long. What is not inspected has the origin's certificate, and what the PAC lets go has no proxy."""
    way = proxy
    if work is PAC_WORK:
        way = Proxy(proxy.name, world.root_pem)
    elif proxy.name == SPLICE or (proxy.name == US and work.host == BY_NAME):
        way = proxy._replace(roots=world.root_pem)
    used = proxy.cpu()
    done = world.load(way, work.host, seconds, kind=work.kind, path=work.path, clients=work.clients)
    first, later = (statistics.median(times) if times else 0.0 for times in (done.first, done.later))
    return Cell(done.count / done.seconds, (proxy.cpu() - used) / done.count, first, later)


def figures(wanted: Sequence[Work], cells: Cells) -> list[Figure]:
    """Return what came of it, beside what was promised."""
    found = []
    for work in wanted:
        ours = cells[work.row][US]
        if work is SSE:
            found += _tokens(work, cells[work.row])
            continue
        if work is PAC_WORK:  # what is never asked uses no time: an idle agent's is a hundredth of this
            spent = tuple(cell.cpu * 1e6 for cell in ours)
            found.append(Figure(work.row, work.words, spent, 0.5, "our CPU a request", "µs"))
        for name in work.beside:
            theirs = cells[work.row].get(name)
            figure = Figure(work.row, work.words, (), work.goals.get(name), name, at_least=True)
            if theirs is None:
                found.append(figure._replace(note="not installed: squid-openssl"))
                continue
            pairs = list(zip(ours, theirs, strict=True))
            cpu = statistics.median(b.cpu / a.cpu for a, b in pairs) if theirs[0].cpu and ours[0].cpu else None
            found.append(figure._replace(values=tuple(a.rate / b.rate for a, b in pairs), cpu=cpu))
    return found


def _tokens(work: Work, cells: Mapping[str, list[Cell]]) -> list[Figure]:
    """Return how much later tokens come than without anything between."""
    found = []
    for name in (US, *work.beside[1:]):
        if name not in cells:
            continue
        pairs = list(zip(cells[name], cells[DIRECT], strict=True))
        for words, limit, delays in (
            ("first token", 15.0, tuple(a.first - b.first for a, b in pairs)),
            ("later tokens", 1.0, tuple(a.later - b.later for a, b in pairs)),
        ):
            who = "over direct" if name == US else f"{name}, over direct"
            goal = limit if name == US else None
            found.append(Figure(work.row, f"{words} of a decrypted SSE answer", delays, goal, who, "ms"))
    return sorted(found, key=lambda figure: figure.work)
