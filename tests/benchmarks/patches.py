"""What each replacement of mitmproxy's parts buys: the layers without it beside the layers with all of them.

In memory, with TLS on both sides and without sockets; what fewer writes save in the system is not in it.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from mitmproxy.proxy import commands, events

from benchmarks.figures import Figure
from bewust_addons.patches import hooks, http1, http2, tls
from bewust_addons.patches.hooks import Hooks
from support import layer_scripts as playing

PATCHES = {"hooks": hooks, "tls": tls, "http1": http1, "http2": http2}
REQUESTS = 200
PAGE = bytes(16 << 10)
ASK = b"GET /complete/x HTTP/1.1\r\nHost: www.google.nl\r\nAccept: */*\r\nCookie: a=b\r\n\r\n"
ASK_HTTP2 = [
    (b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"www.google.nl"), (b":path", b"/complete/x"),
    (b"accept", b"*/*"), (b"cookie", b"a=b"),
]  # fmt: skip
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"4000\r\n%b\r\n" % PAGE * 6 + b"0\r\n\r\n"


class Timed(playing.World):
    """Measures the layers alone, not the other ends."""

    spent = 0.0

    def handle(self, event: events.Event) -> list[commands.Command]:
        began = time.process_time()
        found = list(self.layer.handle_event(event))
        self.spent += time.process_time() - began
        return found


def http1_json(world: playing.World, _: int) -> None:
    world.say(world.client, ASK)
    world.say(world.servers[0], ANSWER)


def http1_page(world: playing.World, _: int) -> None:
    world.say(world.client, ASK)
    world.say(world.servers[0], CHUNKS)


def http2_json(world: playing.World, number: int) -> None:
    stream = 2 * number + 1
    world.say(world.client, playing.head(stream, *ASK_HTTP2, end=True))
    world.say(world.servers[0], playing.head(stream, (b":status", b"200")) + playing.body(stream, b"{}", end=True))


WORKS: dict[str, tuple[bytes, Callable[[playing.World, int], None]]] = {
    "small JSON": (b"http/1.1", http1_json),
    "a page of 96 KB in chunks": (b"http/1.1", http1_page),
    "small JSON over HTTP/2": (b"h2", http2_json),
}


def least(alpn: bytes, ask: Callable[[playing.World, int], None], without: str) -> float:
    """Return the least time of three: what else runs on the machine only ever adds."""
    return min(spent(alpn, ask, without) for _ in range(3))


def spent(alpn: bytes, ask: Callable[[playing.World, int], None], without: str) -> float:
    """Return the processor time of the layers for the requests, with one patch left out."""
    with ExitStack() as stack:
        for name, patch in PATCHES.items():
            if name != without:
                installed = hooks.install(Hooks([playing.Streaming(alpn)])) if patch is hooks else patch.install()
                stack.enter_context(installed)
        world = Timed(alpn)
        if alpn == b"h2":
            world.say(world.client, playing.PREFACE + playing.SETTINGS)
            world.say(world.servers[0], playing.SETTINGS)
        world.spent = 0.0
        for number in range(REQUESTS):
            ask(world, number)
        return world.spent


def measured(rounds: int) -> Iterator[tuple[str, str, list[float]]]:
    """Yield work, patch and how many times as long the layers take without it."""
    for work, (alpn, ask) in WORKS.items():
        found: dict[str, list[float]] = {}
        for _ in range(rounds):
            whole = least(alpn, ask, "")
            for name in ("hooks", "tls", "http2" if alpn == b"h2" else "http1"):
                found.setdefault(name, []).append(least(alpn, ask, name) / whole)
        for name, values in found.items():
            yield work, name, values


def figures(tell: Callable[[str], None], rounds: int) -> list[Figure]:
    """Return what each patch buys; measured in a process with -O, as the inspector runs."""
    tell("the layers without each of the patches")
    done = subprocess.run(
        [sys.executable, "-O", __file__, str(rounds)], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    return [
        Figure("patch", f"layers, {work}", tuple(values), beside=f"without patches/{name}.py")
        for work, name, values in json.loads(done.stdout)
    ]


if __name__ == "__main__":
    print(json.dumps(list(measured(int(sys.argv[1])))))
