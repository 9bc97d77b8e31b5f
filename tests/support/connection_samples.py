"""What several tests share."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable

from support.http1 import GET, head_of
from support.proxies import Serve, Stage, stage

ASK = GET.replace(b"Connection: close\r\n", b"")


YES = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def kept(connection: ssl.SSLSocket) -> None:
    """Answer each request, for as long as there are any."""
    while head_of(connection):
        connection.sendall(YES)


def asked(connection: ssl.SSLSocket) -> bytes:
    """Ask once more; what came, b"" where the connection has ended."""
    try:
        connection.sendall(ASK)
        return connection.recv(65536)
    except OSError:
        return b""


type Test = Callable[[Stage], Awaitable[None]]


def play(test: Test, inspector: Serve | None = None) -> None:
    async def main() -> None:
        async with stage(inspector) as made:
            await asyncio.wait_for(test(made), 30)

    asyncio.run(main())


def answering(then: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> Serve:
    """An inspector that takes CONNECT and then does as told."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            await then(reader, writer)
        finally:
            writer.close()

    return serve


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(b"inspected:" + data)


async def hush(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(-1)
