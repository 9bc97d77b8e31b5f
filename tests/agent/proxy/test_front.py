"""All connections at once: inspector up and down, many at a time, and a clean close."""

import asyncio
import contextlib
import hashlib
import os
import random
import socket
from collections.abc import AsyncIterator

import pytest

from bewust.proxy import connection
from bewust.proxy.connection import ClientConnection
from bewust.proxy.front import Front
from bewust.proxy.outbound import ServerConnection
from support.connection_samples import answering, hush, play
from support.proxies import BY_NAME, DECRYPTED, MATCHER, Listener, Page, Stage, connect, stage, until


def test_when_the_inspector_is_back_only_what_failed_open_reconnects() -> None:
    async def test(made: Stage) -> None:
        failed, _ = await made.connect(DECRYPTED)
        named, writer = await made.connect(BY_NAME)
        assert made.front.routes() == {"failed-open": 1, "spliced": 1}
        made.front.inspector_up(1)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(failed.read(), 5) == b""
        writer.write(b"hi")
        assert await named.readexactly(7) == b"site:hi"
        assert made.front.routes() == {"spliced": 1}

    play(test)


def test_when_the_inspector_is_lost_what_it_began_is_aborted_and_the_rest_falls_back() -> None:
    async def began(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(5) == b"begin":
            writer.write(b"begun")
        await hush(reader, writer)

    async def test(made: Stage) -> None:
        begun, writer = await made.connect(DECRYPTED)
        writer.write(b"begin")
        await begun.readexactly(5)
        waiting, other = await made.connect(DECRYPTED)
        other.write(b"hello")
        await asyncio.sleep(0.05)
        made.front.inspector_down()
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(begun.read(), 5) == b""
        assert await waiting.readexactly(10) == b"site:hello"

    play(test, answering(began))


def test_many_connections_at_once_never_mix_their_bytes() -> None:
    """The read buffer is shared; what a slow reader has not taken must stay its own."""

    async def one(made: Stage, number: int) -> None:
        chance = random.Random(number)
        reader, writer = await made.connect("www.example.org")
        sent, got = hashlib.sha256(), hashlib.sha256()
        blocks = [chance.randbytes(chance.randrange(1, 200_000)) for _ in range(6)]

        async def write() -> None:
            for block in blocks:
                sent.update(block)
                writer.write(block)
                await writer.drain()
            writer.write_eof()

        writing = asyncio.ensure_future(write())
        raw = bytearray()
        while data := await reader.read(chance.randrange(1, 60_000)):
            raw += data
            if chance.random() < 0.2:
                await asyncio.sleep(0.005)
        await writing
        got.update(raw.removesuffix(b"end"))
        assert got.digest() == sent.digest()

    async def main() -> None:
        async with stage() as made:

            async def mirror(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                made.writers.append(writer)
                while data := await reader.read(1 << 16):
                    writer.write(data)
                    await writer.drain()
                writer.write(b"end")
                writer.write_eof()

            server = await asyncio.start_server(mirror, "127.0.0.1", 0)
            made.front._resolver = {"www.example.org": f"127.0.0.1:{server.sockets[0].getsockname()[1]}"}
            await asyncio.gather(*(one(made, number) for number in range(25)))
            server.close()

    asyncio.run(main())


def test_closing_ends_every_connection_and_frees_the_port() -> None:
    async def main() -> None:
        async with stage() as made:
            reader, _ = await made.connect(BY_NAME)
            await made.front.close()
            with contextlib.suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(), 5) == b""
            assert not made.front.links
            with contextlib.suppress(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", made.port)
                raise AssertionError("the port is still open")

    asyncio.run(main())


@pytest.mark.parametrize("name", ["localhost", "rebound.example", "127.0.0.1"])
def test_a_name_that_leads_here_is_refused_before_a_byte_is_passed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(made: Stage) -> None:
        def resolved(*asked: object, **kind: object) -> list[tuple[object, ...]]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", site))]

        site = int(made.front._resolver[BY_NAME].rpartition(":")[2])
        monkeypatch.setattr(socket, "getaddrinfo", resolved)
        reader, _ = await made.browser(connect(f"{name}:{site}") + b"secret")
        assert (await asyncio.wait_for(reader.read(100), 10)).startswith(b"HTTP/1.1 403 ")
        assert b"".join(made.said) == b""

    play(test)


def test_it_listens_on_loopback_only() -> None:
    async def test(made: Stage) -> None:
        assert made.front._server is not None
        assert {socket.getsockname()[0] for socket in made.front._server.sockets} == {"127.0.0.1"}

    play(test)


@contextlib.asynccontextmanager
async def proxy(made: Stage, answer: bytes = b"HTTP/1.1 200 OK\r\nVia: corp\r\n\r\n") -> AsyncIterator[list[str]]:
    """The organisation's own proxy: what it was asked for, and the site's stage behind every name."""
    asked: list[str] = []
    site = made.front._resolver[BY_NAME].rpartition(":")[2]

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split()[1].decode())
        there, back = await asyncio.open_connection("127.0.0.1", int(site))
        made.writers += [writer, back]
        writer.write(answer + b"early" if b" 200 " in answer else answer)
        await asyncio.gather(pump(reader, back), pump(there, writer))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        made.front.upstream = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield asked
        await made.front.close()


def test_through_the_organisations_own_proxy_nothing_is_resolved_here_and_no_byte_is_lost() -> None:
    async def test(made: Stage) -> None:
        async with proxy(made) as asked:
            reader, writer = await made.connect(BY_NAME, early=b"hi")
            assert await reader.readexactly(12) == b"earlysite:hi"
            writer.write(b"x" * 100_000)
            assert len(await reader.readexactly(100_000)) == 100_000
            assert asked == [f"{BY_NAME}:443"]
            assert made.listener.visits == [BY_NAME], "what came back counts as it does without a proxy"

    play(test)


def test_a_proxy_that_refuses_is_a_bad_gateway_and_this_machine_is_never_asked_for() -> None:
    async def test(made: Stage) -> None:
        async with proxy(made, b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n") as asked:
            for host, status in ((BY_NAME, b" 502 "), ("127.0.0.1", b" 403 "), ("localhost", b" 403 ")):
                reader, _ = await made.browser(connect(host))
                assert status in await asyncio.wait_for(reader.readline(), 10)
            assert asked == [f"{BY_NAME}:443"]

    play(test)


@pytest.mark.parametrize("ends", ["it takes too long", "the front closes", "inspection is back"])
def test_a_proxy_that_hangs_keeps_no_socket_of_ours(ends: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends the waiting for its answer."""
    if ends == "it takes too long":
        monkeypatch.setattr(connection, "DIAL_SECONDS", 0.2)
    there = 0

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal there
        there += 1
        with contextlib.suppress(ConnectionError):
            await reader.read(-1)
        there -= 1
        writer.transport.abort()

    async def test(made: Stage) -> None:
        async with await asyncio.start_server(hang, "127.0.0.1", 0) as proxy:
            made.front.upstream = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
            made.front.pause_handover()
            browsers = [await made.browser(connect(DECRYPTED)) for _ in range(20)]
            await until(lambda: there == 20)
            if ends == "it takes too long":
                for reader, _ in browsers:
                    assert b" 502 " in await reader.readline()
            elif ends == "the front closes":
                await made.front.close()
            else:
                made.front.inspector_up(made.inspector_port)
                for reader, _ in browsers:
                    assert b" 200 " in await reader.readline()
            await until(lambda: not there)

    play(test, answering(hush))


def test_a_port_that_is_held_for_us_stays_open_when_we_go() -> None:
    async def main() -> None:
        held = socket.create_server(("127.0.0.1", 0))
        port = held.getsockname()[1]
        async with stage() as made:
            other = type(made.front)(made.front.matcher, made.listener, made.front.page)
            assert await other.open(1, socket.socket(fileno=os.dup(held.fileno()))) == port
            await other.close()
        _, writer = await asyncio.open_connection("127.0.0.1", port)  # waits in the queue for the next one
        writer.close()
        held.close()

    asyncio.run(main())


def test_a_name_is_reached_at_another_address_where_the_first_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        both = [
            (family, socket.SOCK_STREAM, 6, "", (address, port))
            for family, address in ((socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1"))
        ]

        def look_up(*asked: object, **how: object) -> object:
            return both

        front = Front(MATCHER, Listener(), Page)
        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        browser = ClientConnection(front)
        end = await front._reach("site.test", port, lambda: ServerConnection(browser, direct=True), None)
        assert end.port_at("peername") == port
        end.abort()
        both.pop()
        with pytest.raises(OSError, match=r"refused|failed"):
            await front._reach("site.test", port, lambda: ServerConnection(browser, direct=True), None)
        server.close()

    asyncio.run(main())
