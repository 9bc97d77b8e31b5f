"""The organisation's proxy, as it may answer."""

import asyncio

import pytest

from bewust_addons.upstream_proxy import UpstreamConnect


class Kept(asyncio.Protocol):
    """What takes over the connection."""

    def __init__(self) -> None:
        self.transport: asyncio.BaseTransport | None = None
        self.data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data


async def ask(*pieces: bytes, host: str = "www.google.nl") -> tuple[bytes, Kept]:
    """Ask a proxy that answers in pieces; return what it was asked, and who has the connection."""
    heard = asyncio.get_running_loop().create_future()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.set_result(await reader.readuntil(b"\r\n\r\n"))
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.02)
        writer.close()

    kept = Kept()
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        asked = UpstreamConnect(kept, host, 443)
        await asyncio.get_running_loop().create_connection(lambda: asked, *server.sockets[0].getsockname())
        await asked.answered
        await asyncio.sleep(0.1)
        assert kept.transport is not None
        kept.transport.close()
    return await heard, kept


def test_it_is_asked_by_name_and_what_follows_its_answer_is_the_sites() -> None:
    heard, kept = asyncio.run(ask(b"HTTP/1.1 200 Connec", b"tion established\r\nX: y\r\n\r\nearly", b" and late"))
    assert heard == b"CONNECT www.google.nl:443 HTTP/1.1\r\nHost: www.google.nl:443\r\n\r\n"
    assert kept.data == b"early and late"


def test_an_address_of_ipv6_is_written_in_brackets() -> None:
    heard, _ = asyncio.run(ask(b"HTTP/1.0 200 OK\r\n\r\n", host="2001:db8::1"))
    assert heard.startswith(b"CONNECT [2001:db8::1]:443 ")


@pytest.mark.parametrize("answer", [b"HTTP/1.1 407 Who\r\n\r\n", b"HTTP/1.1 200", bytes(20_000), b""])
def test_a_refusal_an_end_and_nonsense_are_errors(answer: bytes) -> None:
    with pytest.raises(OSError):
        asyncio.run(ask(answer))


def test_who_gives_up_on_a_proxy_that_hangs_leaves_no_socket_and_no_error() -> None:
    """It may answer all the same, later."""
    complaints: list[dict[str, object]] = []

    async def main() -> list[bytes]:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, about: complaints.append(about))
        go, heard = asyncio.Event(), []

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            await go.wait()
            writer.write(b"HTTP/1.1 200 OK\r\n\r\nearly")
            heard.append(await reader.read())
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            asked = []
            for _ in range(5):
                asked.append(UpstreamConnect(Kept(), "www.google.nl", 443))
                await loop.create_connection(lambda: asked[-1], *server.sockets[0].getsockname())
            for one in asked:
                one.answered.cancel()
            await asyncio.sleep(0)
            go.set()
            async with asyncio.timeout(10):
                while len(heard) < 5:
                    await asyncio.sleep(0.01)
        return heard

    assert asyncio.run(main()) == [b""] * 5
    assert complaints == []
