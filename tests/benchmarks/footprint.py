"""What the agent takes on a workstation: memory, the time to start, the processor while nobody browses.

Memory is the resident set (RSS) in MB of 10^6 bytes, shared libraries counted in full.
"""

import contextlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.rig import BY_NAME, DECRYPTED, LOOPBACK, MANY, Bewust, Proxy, World, bewust, cpu, end, memory, tree
from benchmarks.rivals import free_port
from bewust.daemon.state import Settings
from e2e import desktop

SETTLE = 3.0  # seconds until what a start left behind has been given back
TIDY = 12.0  # the same of a load: the inspector tidies up every ten
IDLE = 20.0  # seconds for which an idle agent is watched
type Tell = Callable[[str], None]
# (kind, path, host, how many, how many at a time, other options): the load mix of the goals
type Ask = tuple[str, str, str, int, int, Mapping[str, str | int]]
MIX: Sequence[Ask] = (
    ("kept", "/json", DECRYPTED, 1000, 8, {}),
    ("new", "/json", MANY, 400, 8, {}),
    ("kept", "/search?q=tides&page=long.br", DECRYPTED, 200, 4, {}),
    ("kept", "/bytes/100000000", DECRYPTED, 3, 1, {}),
    ("ws", "/ws", DECRYPTED, 5000, 8, {"size": 10_000}),
    ("sse", "/sse/40/50", DECRYPTED, 100, 100, {}),
    ("h2", "/bytes/100000000", DECRYPTED, 1, 1, {"slow": 1300}),
)
LONG: Mapping[str, Sequence[Ask]] = {
    "100,000 flows": [("kept", "/json", DECRYPTED, 50_000, 8, {}), ("h2", "/json", DECRYPTED, 50_000, 8, {})],
    "1,000 WebSockets, 10,000 messages": [("ws", "/ws", DECRYPTED, 10_000, 1000, {})],
    "a download of 2 GB": [("kept", "/bytes/2000000000", DECRYPTED, 1, 1, {})],
}


def idle(world: World, tell: Tell) -> list[Figure]:
    """Memory and processor time of an agent that nobody uses, and of a session."""
    tell("an idle agent")
    with _agent(world, "idle") as agent:
        time.sleep(SETTLE)
        pids = list(tree(agent.process.pid))
        found = [
            Figure("idle-front", "idle: front and app", (memory(agent.process.pid),), 40, unit="MB"),
            Figure("idle-inspector", "idle: inspector", (memory(agent.inspector_pid()),), 62, unit="MB"),
        ]
        before = sum(map(cpu, pids))
        time.sleep(IDLE)
        share = (sum(map(cpu, pids)) - before) / IDLE * 100
    return [*found, _session(world), Figure("idle-cpu", "idle: processor", (share,), 0.1, unit="% of a core")]


def _session(world: World) -> Figure:
    about = ("idle-session", "idle: session")
    missing = [name for name in desktop.NEEDED if not shutil.which(name)]
    if missing:
        return Figure(*about, (), 30, unit="MB", note=f"not installed: {', '.join(missing)}")
    path = world.folder / "session.sock"
    settings = Settings(world.folder / "service", port=0, resolver=world.resolver, trust=world.root_pem, socket=path)
    with desktop.Desktop() as screen, Bewust(settings) as agent:
        command = [
            sys.executable,
            "-m",
            "bewust.cli.main",
            "--state",
            world.folder / "own",
            "session",
            "--socket",
            path,
        ]
        process = subprocess.Popen(list(map(str, command)), env=screen.env)
        try:
            _until(lambda: agent.status()["sessions"] == 1)
            time.sleep(SETTLE)
            return Figure(*about, (memory(process.pid),), 30, unit="MB")
        finally:
            end(process)


def loaded(world: World, tell: Tell) -> list[Figure]:
    """The inspector's memory after the load mix."""
    with _agent(world, "loaded") as agent:
        proxy, pid = Proxy("bewust", agent.root_pem, agent.port, by_name=True), agent.inspector_pid()
        for kind, path, host, count, clients, options in MIX:
            tell(f"the load mix: {count} of {kind} {path}")
            seconds = 6 if options.get("slow") else 0
            world.load(proxy, host, seconds, 300, kind=kind, path=path, count=count, clients=clients, **options)
        time.sleep(TIDY)
        assert pid == agent.inspector_pid(), "the inspector was started again"
        return [Figure("memory-mix", "inspector after the load mix", (memory(pid),), 80, unit="MB")]


def endured(world: World, tell: Tell) -> list[Figure]:
    """How much the agent grows by what takes minutes."""
    found = []
    with _agent(world, "endured") as agent:
        proxy, pid = Proxy("bewust", agent.root_pem, agent.port, by_name=True), agent.inspector_pid()
        world.load(proxy, DECRYPTED, 1)  # what the first connection takes is not what a million take
        for words, loads in LONG.items():
            time.sleep(TIDY)
            before = memory(agent.process.pid) + memory(pid)
            for kind, path, host, count, clients, options in loads:
                tell(f"{words}: {count} of {kind}")
                world.load(proxy, host, 0, 1200, kind=kind, path=path, count=count, clients=clients, **options)
            time.sleep(TIDY)
            grown = memory(agent.process.pid) + memory(pid) - before
            found.append(Figure("memory-long", f"agent grew by {words}", (grown,), 10, unit="MB"))
    return found


def starts(world: World, tell: Tell, rounds: int) -> list[Figure]:
    """How long until a page comes through, until the inspector is ready, and until the help is there."""
    browsing: list[float] = []
    ready: list[float] = []
    helped: list[float] = []
    with _agent(world, "starts"):
        pass  # the first start of all makes an authority
    for turn in range(rounds):
        tell(f"start {turn + 1} of {rounds}")
        for found, seconds in zip((browsing, ready), _start(world), strict=True):
            found.append(seconds)
        began = time.monotonic()
        subprocess.run([Path(sys.executable).with_name("bewust"), "--help"], check=True, stdout=subprocess.DEVNULL)
        helped.append(time.monotonic() - began)
    return [
        Figure("start-port", "start: port open and browsing", tuple(browsing), 0.5, unit="s"),
        Figure("start-inspector", "start: inspector ready", tuple(ready), 1.3, unit="s"),
        Figure("start-help", "bewust --help", tuple(helped), 0.15, unit="s"),
    ]


def _start(world: World) -> tuple[float, float]:
    """Return the seconds until a site can be reached, and until the inspector looks."""
    port = free_port()
    settings = Settings(world.folder / "starts", port=port, resolver=world.resolver, trust=world.root_pem)
    agent, began = Bewust(settings), time.monotonic()
    agent.process = subprocess.Popen(agent.command(), stdout=subprocess.DEVNULL, text=True)
    try:
        _until(lambda: _opens(port, BY_NAME))
        browsing = time.monotonic() - began
        _until(agent.started)
        _until(lambda: agent.status()["inspector"] == "running")
        return browsing, time.monotonic() - began
    finally:
        end(agent.process)


@contextmanager
def _agent(world: World, name: str) -> Iterator[Bewust]:
    with bewust(world, world.folder / name) as agent:
        yield agent


def _opens(port: int, host: str) -> bool:
    with socket.create_connection((LOOPBACK, port), timeout=5) as browser:
        browser.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
        return browser.recv(4096).startswith(b"HTTP/1.1 200")


def _until(holds: Callable[[], bool]) -> None:
    for _ in range(6000):
        with contextlib.suppress(OSError):
            if holds():
                return
        time.sleep(0.005)
    raise AssertionError("it did not come about")
