"""The whole agent under malformed traffic from both sides, over loopback: python -m fuzz.proxy SECONDS [SEED].

A random mutator instead of a coverage-guided one: what is tried is two real processes. Every so often an
ordinary client must be served, nobody may have ended, memory must be bounded, and standard error be empty. Says
what it did as libFuzzer does (run).
"""

import contextlib
import random
import re
import socket
import ssl
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h2.config
import h2.connection
import httpx
import msgspec

from e2e.agents import RunningAgent, ports_of
from e2e.conftest import settings
from e2e.world import World
from fuzz.bombs import BOMBS

SECONDS = 2.0  # for one connection; a peer that only waits is no finding
EVERY = 25  # connections between two looks at the agent
AGENT_MB, INSPECTOR_MB = 160, 260  # resident; idle they have about 50 and 70
WORKERS = 6
MITMPROXYS = ("mitmproxy", "bewust_addons.connection")  # where an exception of mitmproxy's ends one connection
HOST = "www.google.nl"
STRANGE = (b"\x00", b"\xff" * 4, b"\r\n\r\n", b"\r\n", b":", b" ", b"0" * 20, b"-1", b"\x7f\xff\xff\xff", b"chunked",
           b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"A" * 70_000, "é".encode(),
           b"HTTP/9.9")  # fmt: skip


def mutated(chance: random.Random, data: bytes) -> bytes:
    """A few random changes; now and then none, so that what comes after is reached."""
    made = bytearray(data)
    for _ in range(chance.choice((0, 1, 1, 2, 3, 8))):
        at = chance.randrange(len(made) + 1)
        to = min(len(made), at + chance.choice((1, 1, 2, 4, 40)))
        match chance.randrange(5):
            case 0:
                made[at:to] = chance.randbytes(to - at)
            case 1:
                del made[at:to]
            case 2:
                made[at:at] = made[at:to] * chance.choice((1, 2, 200))
            case 3:
                made[at:at] = chance.choice(STRANGE)
            case 4:
                del made[at:]
    return bytes(made)


# What is said, before it is changed.

REQUESTS = (
    b"GET /search?q=inline HTTP/1.1\r\nHost: www.google.nl\r\nAccept-Encoding: gzip, br\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: www.google.nl\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n"
    b"\r\n",
    b"POST /echo HTTP/1.1\r\nHost: www.google.nl\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    b"HEAD / HTTP/1.0\r\nHost: www.google.nl\r\nConnection: close\r\n\r\n",
)
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: www.google.nl\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13"
    b"\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
UPGRADED = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
SENT_FRAMES = b"\x81\x85\x01\x02\x03\x04" + bytes(a ^ b for a, b in zip(b"hello", b"\x01\x02\x03\x04\x01", strict=True))
FRAMES = b"\x81\x05hello\x01\x02he\x80\x03llo\x89\x00\x82\x7e\x01\x00" + bytes(256) + b"\x88\x02\x03\xe8"
RESPONSES = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 20\r\n\r\n<p id=b_cs_canvas>a<",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n4;x\r\n<p a\r\n0\r\nT: 1\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 403 No\r\ncf-mitigated: challenge\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {}\n\n",
)


def of_http2(client: bool) -> bytes:
    """The frames of one small exchange, from one side."""
    made = h2.connection.H2Connection(h2.config.H2Configuration(client_side=client, header_encoding="utf-8"))
    made.initiate_connection()
    if client:
        headers = [(":method", "GET"), (":scheme", "https"), (":authority", HOST), (":path", "/search?q=inline")]
        made.send_headers(1, headers, end_stream=True)
        made.ping(b"12345678")
        return made.data_to_send()
    opened = h2.connection.H2Connection()
    opened.initiate_connection()
    opened.send_headers(1, [(":method", "GET"), (":scheme", "https"), (":authority", HOST), (":path", "/")], True)
    made.receive_data(opened.data_to_send())
    made.send_headers(1, [(":status", "200"), ("content-type", "text/html")])
    made.send_data(1, b"<p class=mZJni>", end_stream=True)
    return made.data_to_send()


def client_hello() -> bytes:
    context, incoming, outgoing = ssl.create_default_context(), ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=HOST).do_handshake()
    return outgoing.read()


class Origin:
    """A site that says `answer`, over TLS unless it is `garbled`, whatever it is asked."""

    def __init__(self, leaf: Path, garbled: bool = False) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(leaf)
        self._garbled = garbled
        self.http2 = False
        self.answer = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection:
            connection.settimeout(SECONDS)
            if not self._garbled:
                self._context.set_alpn_protocols(["h2"] if self.http2 else ["http/1.1"])
                connection = self._context.wrap_socket(connection, server_side=True)
            connection.recv(1 << 16)
            connection.sendall(self.answer)
            with contextlib.suppress(TimeoutError):
                connection.recv(1 << 16)
            connection.close()


class Fuzzer:
    """One worker, with two sites of its own; `heard` is how often each kind got an answer at all."""

    def __init__(self, agent: RunningAgent, sites: "Sites", seed: int) -> None:
        self.agent, self.sites = agent, sites
        self.chance = random.Random(seed)
        self.runs = 0
        self.heard: Counter[str] = Counter()
        self.trust = ssl.create_default_context(cafile=str(agent.root_pem))
        self.kinds: Sequence[Callable[[], None]] = (
            self.heads, self.doors, self.records, self.requests, self.frames, self.messages, self.responses,
            self.origin_frames, self.origin_messages, self.origin_records, self.bombs,
        )  # fmt: skip

    def some(self, data: bytes) -> bytes:
        return mutated(self.chance, data)

    # One connection each.

    def heads(self) -> None:
        self._say(self._plain(), self.some(self.chance.choice((*REQUESTS, _connect(HOST), _connect("chatgpt.com")))))

    def doors(self) -> None:
        """The inspector's own port, where only the front should be."""
        (port,) = ports_of(self.agent.inspector_pid())
        with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
            said = self._say(connection, self.some(_connect(HOST) + client_hello()))
            assert b" 200 " not in said[:20], "a stranger was let in"

    def records(self) -> None:
        with self._tunnel(HOST) as tunnel:
            self._say(tunnel, self.some(client_hello()))

    def requests(self) -> None:
        with self._tls(HOST) as tunnel:
            self._say(tunnel, self.some(b"".join(self.chance.choices(REQUESTS, k=2))))

    def frames(self) -> None:
        with self._tls(HOST, "h2") as tunnel:
            self._say(tunnel, self.some(of_http2(client=True)))

    def messages(self) -> None:
        with self._tls(HOST) as tunnel:
            tunnel.sendall(UPGRADE)
            tunnel.recv(1 << 16)
            self._say(tunnel, self.some(SENT_FRAMES * 3))

    def responses(self) -> None:
        self._answered(self.some(self.chance.choice((*RESPONSES, *(make() for make in BOMBS.values()), UPGRADED))))

    def origin_frames(self) -> None:
        self._answered(self.some(of_http2(client=False)), "h2")

    def origin_messages(self) -> None:
        self._answered(UPGRADED + self.some(FRAMES * 2), request=UPGRADE)

    def origin_records(self) -> None:
        self.sites.garbled.answer = self.some(b"\x16\x03\x03\x00\x3a\x02\x00\x00\x36\x03\x03" + bytes(48))
        with self._tls(self.sites.garbled_name) as tunnel:
            self._say(tunnel, REQUESTS[0])

    def bombs(self) -> None:
        """What nobody changed comes through whole, however much it unfolds to."""
        whole = self.chance.choice(list(BOMBS.values()))()
        got = self._answered(whole, wait=10)
        assert not got or got.partition(b"\r\n\r\n")[2] == whole.partition(b"\r\n\r\n")[2], (
            f"{len(got)} of {len(whole)} bytes"
        )

    def _answered(
        self, answer: bytes, alpn: str = "http/1.1", request: bytes = REQUESTS[0], wait: float = 0.2
    ) -> bytes:
        hostile, name = self.sites.hostile, self.sites.hostile_name
        hostile.answer, hostile.http2 = answer, alpn == "h2"
        with self._tls(name, alpn) as tunnel:
            request = request.replace(HOST.encode(), name.encode())
            return self._say(tunnel, of_http2(client=True) if alpn == "h2" else request, wait)

    def _plain(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.agent.port), timeout=SECONDS)

    @contextlib.contextmanager
    def _tunnel(self, host: str) -> Iterator[socket.socket]:
        with self._plain() as plain:
            plain.sendall(_connect(host))
            plain.recv(4096)
            yield plain

    @contextlib.contextmanager
    def _tls(self, host: str, alpn: str = "http/1.1") -> Iterator[socket.socket]:
        with self._tunnel(host) as plain:
            self.trust.set_alpn_protocols([alpn])
            with self.trust.wrap_socket(plain, server_hostname=host) as tunnel:
                yield tunnel

    def _say(self, connection: socket.socket, data: bytes, wait: float = 0.2) -> bytes:
        got = b""
        with contextlib.suppress(TimeoutError, ConnectionError, ssl.SSLError):
            connection.sendall(data)
            connection.settimeout(wait)
            while some := connection.recv(1 << 20):
                got += some
        self.heard[sys._getframe(1).f_code.co_name] += bool(got)
        return got

    def run(self) -> None:
        """Try one batch."""
        for _ in range(EVERY):
            with contextlib.suppress(OSError, ValueError):  # ssl's errors too: what was refused is refused
                self.chance.choice(self.kinds)()
            self.runs += 1


class Sites:
    """One worker's sites under names of its own, all of them inspected."""

    def __init__(self, number: int, world: World) -> None:
        self.hostile, self.garbled = Origin(world._leaf), Origin(world._leaf, garbled=True)
        self.hostile_name, self.garbled_name = f"h{number}.translate.goog", f"g{number}.translate.goog"
        world.resolver.update({self.hostile_name: self.hostile.address, self.garbled_name: self.garbled.address})


def look(agent: RunningAgent, world: World) -> int:
    """Whether all is well; return the most MiB that one of the two processes has resident."""
    assert agent.alive(), "the agent has ended"
    both = ssl.create_default_context(cafile=str(agent.root_pem))
    both.load_verify_locations(world.root_pem)  # chatgpt.com is spliced
    proxy = f"http://127.0.0.1:{agent.port}"
    with httpx.Client(proxy=proxy, verify=both, timeout=15, trust_env=False) as client:
        for url in (f"https://{HOST}/search?q=inline", "https://chatgpt.com/healthz"):
            assert client.get(url).status_code == 200, "an ordinary client is not served"
    status = agent.status()
    assert status["inspector_starts"] == 1, f"the inspector ended: {status['problems']}"
    ours = {place: n for place, n in status["failures"].items() if not place.startswith(MITMPROXYS)}
    assert not ours, ours
    return max(_resident(agent.process.pid, AGENT_MB), _resident(agent.inspector_pid(), INSPECTOR_MB))


def _resident(pid: int, most: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found and int(found[1]) >> 10 < most, f"{found and found[1]} KiB"
    return int(found[1]) >> 10


def _connect(host: str) -> bytes:
    return f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode()


def fuzz(agent: RunningAgent, world: World, workers: Sequence[Fuzzer], seconds: float) -> int:
    """Have all workers at it, batch by batch; return the most MiB."""
    end, peak = time.monotonic() + seconds, 0
    with ThreadPoolExecutor(len(workers)) as pool:
        while time.monotonic() < end:
            for done in [pool.submit(worker.run) for worker in workers]:
                done.result()
            peak = max(peak, look(agent, world))
    return peak


def main() -> None:
    seconds, seed = float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    print(f"INFO: Seed: {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, World() as world:
        base = Path(folder)
        (base / "config").mkdir()
        (base / "config" / "policy.toml").write_text('demoted_for = "1s"\n')  # or a host is left alone for a day
        sites = [Sites(number, world) for number in range(WORKERS)]
        started = msgspec.structs.replace(settings(world, base), config=base / "config")
        said, peak = base / "stderr", 0
        with said.open("wb") as errors, RunningAgent(started, errors=errors) as agent:
            workers = [Fuzzer(agent, sites[number], seed + number) for number in range(WORKERS)]
            try:
                peak = fuzz(agent, world, workers, seconds)
                print(f"INFO: what mitmproxy itself did not expect: {agent.status()['failures']}")
                agent.stop()
                assert not said.read_bytes(), said.read_text("utf-8", "replace")[:2000]
            except Exception as error:  # noqa: BLE001 - it is told, as every finding is
                print("\n === Uncaught Python exception: ===")
                print(repr(error)[:500], traceback.format_exc(), sep="\n", flush=True)
        runs = sum(worker.runs for worker in workers)
        print(f"INFO: answered: {dict(sum((worker.heard for worker in workers), Counter()))}")
        print(f"Done {runs} runs\nstat::number_of_executed_units: {runs}\nstat::peak_rss_mb: {peak}", flush=True)


if __name__ == "__main__":
    main()
