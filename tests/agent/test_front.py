"""All connections at once: inspector up and down, many at a time, and a clean close."""

import asyncio
import contextlib
import hashlib
import random

import pytest

from agent.fronts import BY_NAME, DECRYPTED, Stage, stage
from agent.test_link import answering, hush, play
from bewust.front import _is_here


def test_when_the_inspector_is_back_only_what_failed_open_reconnects() -> None:
    async def test(made: Stage) -> None:
        failed, _ = await made.connect(DECRYPTED)
        named, writer = await made.connect(BY_NAME)
        assert made.front.ways() == {"failed-open": 1, "spliced": 1}
        made.front.inspector_up(1)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(failed.read(), 5) == b""
        writer.write(b"hi")
        assert await named.readexactly(7) == b"site:hi"
        assert made.front.ways() == {"spliced": 1}

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


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("::ffff:127.0.0.1", True), ("0.0.0.0", True),
        ("fe80::1%eth0", True), ("169.254.169.254", True), ("192.0.2.1", False), ("2001:db8::1", False),
    ],
)  # fmt: skip
def test_addresses_of_this_machine_are_known_in_every_form(address: str, here: bool) -> None:
    assert _is_here(address) is here


def test_it_listens_on_loopback_only() -> None:
    async def test(made: Stage) -> None:
        assert made.front._server is not None
        assert {socket.getsockname()[0] for socket in made.front._server.sockets} == {"127.0.0.1"}

    play(test)
