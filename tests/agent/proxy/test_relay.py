"""Bytes pass unchanged between two ends, a slow reader slows its writer, and ends end together."""

import asyncio
import hashlib
import random
import socket
import struct
import sys
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from unittest.mock import Mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bewust.proxy import relay as proxy_relay
from bewust.proxy.relay import (
    BUFFER,
    IDLE,
    INTERVAL,
    KEEPALIVE,
    PROBES,
    SPARE_BUFFERS,
    Buffer,
    ConnectClient,
    RelayProtocol,
)

type Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
RESET = struct.pack("ii", 1, 0)


class Near(RelayProtocol):
    """Joins every connection it accepts to one that it makes itself."""

    def __init__(self, relay: "Relay") -> None:
        super().__init__(relay.buffer)
        self.relay = relay

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.relay.joined.append(self)
        assert self.transport is not None
        self.transport.pause_reading()
        self.task = asyncio.ensure_future(self.join())

    async def join(self) -> None:
        loop = asyncio.get_running_loop()
        _, far = await loop.create_connection(lambda: RelayProtocol(self.buffer), "127.0.0.1", self.relay.target)
        far.other, self.other = self, far
        assert self.transport is not None and far.transport is not None
        for transport in (self.transport, far.transport):  # so that little is sent at once
            raw: socket.socket = transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        self.transport.resume_reading()


class Relay:
    """A relay to one port; a context manager."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.buffer = Buffer()
        self.joined: list[Near] = []

    async def __aenter__(self) -> "Relay":
        self.server = await asyncio.get_running_loop().create_server(lambda: Near(self), "127.0.0.1", 0)
        self.port: int = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        for near in self.joined:
            near.abort()
            if near.other is not None:
                near.other.abort()


@asynccontextmanager
async def listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], receive_buffer: int = 0
) -> AsyncIterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    if receive_buffer:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    server = await asyncio.start_server(serve, sock=listener, limit=1 << 12)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def connect(port: int) -> Streams:
    return await asyncio.open_connection("127.0.0.1", port, limit=1 << 12)


async def say(writer: asyncio.StreamWriter, data: bytes, sizes: Callable[[], int]) -> None:
    """Say all of it in pieces, then end this half."""
    at = 0
    while at < len(data):
        size = sizes()
        writer.write(data[at : at + size])
        await writer.drain()
        at += size
    writer.write_eof()


async def hear(reader: asyncio.StreamReader, pause: Callable[[], float] = lambda: 0.0) -> str:
    """Hear to the end, taking breaks; return a checksum."""
    heard = hashlib.sha256()
    while data := await reader.read(1 << 16):
        heard.update(data)
        await asyncio.sleep(pause())
    return heard.hexdigest()


def checksum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def both_ways(up: bytes, down: bytes, sizes: Callable[[], int], pause: Callable[[], float]) -> None:
    heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, got = await asyncio.gather(say(writer, down, sizes), hear(reader, pause))
        heard.set_result(got)
        writer.close()

    async with listening(serve) as port, Relay(port) as relay:
        reader, writer = await connect(relay.port)
        _, got = await asyncio.gather(say(writer, up, sizes), hear(reader, pause))
        assert got == checksum(down)
        assert await asyncio.wait_for(heard, 10) == checksum(up)
        writer.close()


@pytest.mark.parametrize("size", [0, 1, 4095, BUFFER - 1, BUFFER, BUFFER + 1, 3 << 20])
def test_bytes_pass_unchanged_both_ways(size: int) -> None:
    data = random.Random(size).randbytes(size)
    asyncio.run(both_ways(data, data[::-1], lambda: 50_000, lambda: 0.0))


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=3000), st.binary(max_size=3000), st.lists(st.integers(1, 700), min_size=1, max_size=5))
def test_bytes_pass_unchanged_in_any_chunking(up: bytes, down: bytes, sizes: list[int]) -> None:
    turn = iter(range(10**9))
    asyncio.run(both_ways(up, down, lambda: sizes[next(turn) % len(sizes)], lambda: 0.0))


def test_many_connections_with_slow_readers_never_mix_their_bytes_up() -> None:
    """All share one read buffer; what a slow reader has not taken must not be written over."""
    dice = random.Random(7)
    count = 24
    bodies = [dice.randbytes(dice.choice([0, 17, 100_000, 500_000])) for _ in range(count)]

    async def main() -> None:
        async def echo_of_another(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            number = (await reader.readexactly(1))[0]
            down = say(writer, bodies[(number + 1) % count], lambda: dice.randint(1, 90_000))
            _, got = await asyncio.gather(down, hear(reader, lambda: dice.choice([0, 0, 0, 0.001])))
            assert got == checksum(bodies[number]), "what came up was changed"
            right.append(number)
            writer.close()

        right: list[int] = []
        async with listening(echo_of_another, receive_buffer=32768) as port, Relay(port) as relay:

            async def one(number: int) -> None:
                reader, writer = await connect(relay.port)
                raw: socket.socket = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
                up = say(writer, bytes([number]) + bodies[number], lambda: dice.randint(1, 90_000))
                _, got = await asyncio.gather(up, hear(reader, lambda: dice.choice([0, 0, 0, 0.001])))
                assert got == checksum(bodies[(number + 1) % count]), "what came down was changed"
                writer.close()

            await asyncio.gather(*map(one, range(count)))
            for _ in range(200):
                if len(right) == count:
                    break
                await asyncio.sleep(0.01)
        assert sorted(right) == list(range(count))

    asyncio.run(asyncio.wait_for(main(), 60))


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accept, read no more than the stream's own small limit, and stay to the end of the test."""
    try:
        await asyncio.Event().wait()
    finally:
        writer.transport.abort()


def test_a_reader_that_stops_bounds_what_is_held_for_it() -> None:
    async def main() -> None:
        async with listening(silent, receive_buffer=4096) as port, Relay(port) as relay:
            _, writer = await connect(relay.port)
            sent = 0
            with pytest.raises(TimeoutError):  # at last it is slowed down
                while sent < 64 << 20:
                    writer.write(bytes(1 << 16))
                    await asyncio.wait_for(writer.drain(), 0.5)
                    sent += 1 << 16
            far = relay.joined[0].other
            assert far is not None and far.transport is not None
            assert 0 < far.transport.get_write_buffer_size() <= BUFFER
            writer.transport.abort()

    asyncio.run(main())


def test_a_buffer_that_was_lent_is_used_again_and_few_are_kept() -> None:
    buffer = Buffer()
    lent = [buffer.acquire() for _ in range(SPARE_BUFFERS + 3)]
    assert len({id(one.obj) for one in [*lent, buffer.view]}) == SPARE_BUFFERS + 4, "two transports have the same one"
    for one in lent:
        buffer.release(one)
    again = [buffer.acquire() for _ in range(SPARE_BUFFERS + 1)][1:]
    assert {id(one.obj) for one in again} == {id(one.obj) for one in lent[:SPARE_BUFFERS]}


def test_who_writes_to_a_slow_reader_is_stopped_at_once() -> None:
    """Small pieces that go on arriving would hold a buffer each, or have to be copied."""

    async def main() -> None:
        async with listening(silent, receive_buffer=4096) as port, Relay(port) as relay:
            client = socket.create_connection(("127.0.0.1", relay.port))
            client.setblocking(False)
            while not relay.joined or relay.joined[0].other is None:
                await asyncio.sleep(0.001)
            far = relay.joined[0].other.transport
            assert far is not None
            while not far.get_write_buffer_size():  # fill the kernel's buffers
                await asyncio.get_running_loop().sock_sendall(client, bytes(16 << 10))
                await asyncio.sleep(0)
            tracemalloc.start()
            before = far.get_write_buffer_size()
            for _ in range(500):
                client.send(bytes(50))
                await asyncio.sleep(0.0002)
            held, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert far.get_write_buffer_size() <= before
            assert held < BUFFER
            client.close()

    asyncio.run(main())


def test_a_half_close_passes_on_and_the_other_half_still_speaks() -> None:
    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard = await reader.read()  # returns at the half-close only
            await asyncio.sleep(0.05)
            writer.write(b"answer to " + heard + bytes(500_000))
            writer.close()

        async with listening(serve) as port, Relay(port) as relay:
            reader, writer = await connect(relay.port)
            writer.write(b"question")
            writer.write_eof()
            assert await asyncio.wait_for(reader.read(), 5) == b"answer to question" + bytes(500_000)
            writer.close()

    asyncio.run(main())


def test_a_half_close_of_the_far_side_leaves_the_near_side_speaking() -> None:
    async def main() -> None:
        heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"all I say")
            writer.write_eof()
            heard.set_result(await reader.read())
            writer.close()

        async with listening(serve) as port, Relay(port) as relay:
            reader, writer = await connect(relay.port)
            assert await asyncio.wait_for(reader.read(), 5) == b"all I say"
            near, far = relay.joined[0], relay.joined[0].other
            assert far is not None
            writer.write(bytes(700_000))
            await writer.drain()
            writer.close()
            assert len(await asyncio.wait_for(heard, 5)) == 700_000
            async with asyncio.timeout(2):
                while near.transport is not None or far.transport is not None:
                    await asyncio.sleep(0.01)
            assert near.other is None and far.other is None, "they wait for the collector"

    asyncio.run(main())


# Who vanishes without a word. What a kernel then does is tried in tests/agent/proxy/test_vanishing.py.


def test_each_end_is_asked_after_and_a_reader_that_pauses_is_not_cut_off() -> None:
    """It is the kernel that asks; after a sleep or another network no end of a tunnel stays half open for hours."""
    near = socket.create_server(("127.0.0.1", 0))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        transport, end = await loop.create_connection(lambda: RelayProtocol(Buffer()), *near.getsockname()[:2])
        sock = transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        options = KEEPALIVE[sys.platform]
        assert {option: sock.getsockopt(socket.IPPROTO_TCP, option) for option in options} == options
        if sys.platform == "linux":
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0
        assert not end.vanished
        transport.abort()
        await asyncio.sleep(0)

    with near:
        asyncio.run(main())


def test_the_options_of_this_platform_have_the_numbers_that_python_knows() -> None:
    names = {"TCP_KEEPIDLE": IDLE, "TCP_KEEPALIVE": IDLE, "TCP_KEEPINTVL": INTERVAL, "TCP_KEEPCNT": PROBES}
    known = {getattr(socket, name): value for name, value in names.items() if hasattr(socket, name)}
    assert known and known.items() <= KEEPALIVE[sys.platform].items()


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32", "another"])
def test_an_option_that_a_system_refuses_leaves_the_connection_and_the_other_options(platform: str) -> None:
    class Refusing(socket.socket):
        def setsockopt(self, *asked: object) -> None:
            said.append(asked)
            raise OSError

    said: list[tuple[object, ...]] = []
    with Refusing() as sock:
        proxy_relay.keep_alive(sock, platform)
    assert len(said) == 1 + len(KEEPALIVE.get(platform, {}))


@pytest.mark.parametrize("who", ["near", "far"])
def test_a_reset_passes_on_as_a_reset(who: str) -> None:
    async def main() -> None:
        accepted: asyncio.Future[Streams] = asyncio.get_running_loop().create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.set_result((reader, writer))

        async with listening(serve) as port, Relay(port) as relay:
            near = await connect(relay.port)
            near[1].write(b"x")
            far = await accepted
            assert await far[0].readexactly(1) == b"x"
            breaks, hears = (near, far) if who == "near" else (far, near)
            raw: socket.socket = breaks[1].get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            breaks[1].transport.abort()
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(hears[0].read(), 5)
            hears[1].close()

    asyncio.run(main())


@given(st.lists(st.integers(1, 60), max_size=8), st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.0 403 No", b"x"]))
def test_the_answer_to_connect_is_told_from_what_follows_wherever_it_is_cut(cuts: list[int], status: bytes) -> None:
    async def main() -> None:
        got = bytearray()

        class Tunnel(ConnectClient):
            def data_after_connect(self, data: memoryview) -> None:
                got.extend(data)

        end = Tunnel(Buffer())
        end.transport = Mock(spec=asyncio.Transport)
        raw, at = status + b"\r\nVia: x\r\n\r\nand then TLS", 0
        for cut in [*cuts, len(raw)]:
            if end.answered.done():
                break
            end.received(memoryview(raw[at : at + cut]))
            at = min(at + cut, len(raw))
        assert end.answered.result() is (b" 200 " in status)
        end.transport.pause_reading.assert_called_once()
        end.flush_early_data()
        end.received(memoryview(raw[at:]))
        assert got == b"and then TLS"
        assert not end.refused()

    asyncio.run(main())


def test_a_proxy_that_leaves_or_never_ends_its_answer_gives_no_tunnel() -> None:
    async def main() -> None:
        left, endless = ConnectClient(Buffer()), ConnectClient(Buffer())
        endless.transport = Mock(spec=asyncio.Transport)
        assert left.refused() and not left.answered.result()
        endless.received(memoryview(b"y" * 20_000))
        assert not endless.answered.result()

    asyncio.run(main())
