"""Composition root of the inspector: mitmproxy's layers with the few hooks the job needs.

`python -m bewust_addons.main` is started by the front's process. It reads one Start line and then
Ping lines from standard input, writes Message lines to standard output, and ends when its input
does: an inspector never outlives its front. It logs nothing; what mitmproxy would log as an error
becomes a Failed message without the text.
"""

import asyncio
import gc
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from bewust.catalogue import Matcher, editions, loading
from bewust.config import policy
from bewust.proxy.messages import Alive, Detected, Failed, Message, Ping, Seen, Start
from bewust.system import core_dumps
from bewust.system.error_counts import place_of
from bewust_addons import parent_pipe, system_roots
from bewust_addons.access import NoLoopbackEventLoop
from bewust_addons.patches import imports

if TYPE_CHECKING:
    from mitmproxy.proxy.server_hooks import ServerConnectionHookData

    from bewust_addons.connection import ConnectionSetup

TOGETHER_SECONDS = 0.02  # a page tells two or three things; to write and to wake the front for each costs more
KEY_LOGS = ("SSLKEYLOGFILE", "MITMPROXY_SSLKEYLOGFILE")  # mitmproxy would write each connection's secrets there
PIPE_LIMIT = 1 << 20  # bytes waiting for a front that does not read; beyond it messages are dropped


class MessageWriter:
    """Messages out, one JSON object a line; never blocks the event loop."""

    def __init__(self, transport: parent_pipe.Writing) -> None:
        self._transport = transport
        self._encoder = msgspec.json.Encoder()
        self._waiting: list[bytes] = []

    def send(self, message: Message) -> None:
        """Queue a message. Detected and Seen wait up to TOGETHER_SECONDS, others flush; dropped when the pipe is
        full.
        """
        if self._transport.get_write_buffer_size() >= PIPE_LIMIT:
            return
        self._waiting.append(self._encoder.encode(message))
        if not isinstance(message, Detected | Seen):
            self._write()
        elif len(self._waiting) == 1:
            asyncio.get_running_loop().call_later(TOGETHER_SECONDS, self._write)

    def _write(self) -> None:
        if self._waiting:
            self._transport.write(b"\n".join([*self._waiting, b""]))
            self._waiting.clear()


class ErrorReporter(logging.Handler):
    """Turns an error that mitmproxy logs into a count, without its text."""

    def __init__(self, lines: MessageWriter) -> None:
        super().__init__(logging.ERROR)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Report where and which class of exception; the gate's own refusals are no error."""
        if record.msg is not None and "No TLS context was provided" in str(record.msg):
            return
        error = record.exc_info[1] if record.exc_info else None
        self._lines.send(Failed(record.name, type(error).__name__ if error else "error", place_of(error)))


class Resolver:
    """For the demonstration and the tests: real names lead to addresses on loopback."""

    def __init__(self, addresses: dict[str, str]) -> None:
        self._addresses = addresses

    def server_connect(self, data: "ServerConnectionHookData") -> None:
        """Replace the address of a mapped name before the connection is made."""
        target = self._addresses.get(data.server.address[0]) if data.server.address else None
        if target is not None:
            host, _, port = target.rpartition(":")
            data.server.address = (host, int(port))


def build(start: Start, matcher: Matcher, rules: policy.Policy, lines: MessageWriter) -> "ConnectionSetup":
    """Return what the inspector's connections share. Imports mitmproxy, and only here."""
    imports.skip()
    from bewust_addons import server as inspector_server
    from bewust_addons.recognition import Recognition, decrypts
    from bewust_addons.tls_gate import TlsGate

    gate = TlsGate(decrypts(matcher), lines.send, rules.demoted_for.total_seconds())
    addons: list[object] = [gate, Recognition(matcher, rules.internal_hosts, lines.send, gate.demote)]
    if start.resolver:
        addons.append(Resolver(dict(start.resolver)))
    proxy = urlsplit(rules.network.upstream)
    return inspector_server.build(
        addons, start.secret, (proxy.hostname, proxy.port or 80) if proxy.hostname else None, confdir=start.authority,
        upstream_cert=False, http2_ping_keepalive=0,
        ssl_verify_upstream_trusted_ca=start.trust or system_roots.of_system(Path(start.authority).parent),
    )  # fmt: skip


def own_proxy(upstream: str) -> tuple[str, ...]:
    """Return where on this machine the organisation's own proxy may listen: beside us, as some products do."""
    port = urlsplit(upstream).port
    return () if port is None else (f"127.0.0.1:{port}", f"::1:{port}")


async def run() -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, NoLoopbackEventLoop)
    reader, writing = await parent_pipe.open_pipes()
    lines = MessageWriter(writing)
    logging.getLogger().handlers = [ErrorReporter(lines)]
    start = msgspec.json.decode(await reader.readline(), type=Start)
    overlay = Path(start.config) if start.config else None
    rules = policy.unpacked(start.policy)
    base = editions.services_of(Path(start.imported)) if start.imported else None
    loop.allowed = (*start.resolver.values(), *own_proxy(rules.network.upstream))
    services, _ = loading.load_with_mistakes(overlay, rules.countries, base)  # the front has told every mistake
    setup = build(start, rules.compiled(services), rules, lines)
    from bewust_addons.server import listen, tidy

    server, port = await listen(setup)
    tidying = asyncio.ensure_future(tidy(setup))
    gc.collect()
    gc.freeze()  # what lives until the end is looked through no more
    lines.send(Alive(port))
    while line := await reader.readline():
        msgspec.json.decode(line, type=Ping)
        lines.send(Alive(port))
    tidying.cancel()
    server.close()


def main() -> None:
    """Run with nothing on disk readable by others, and without core dumps."""
    os.umask(0o077)
    for name in KEY_LOGS:
        os.environ.pop(name, None)
    core_dumps.forbid()
    with asyncio.Runner(loop_factory=NoLoopbackEventLoop) as runner:
        runner.run(run())


if __name__ == "__main__":
    main()
