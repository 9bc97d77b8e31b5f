"""A front between a browser (plain streams), a site and an inspector, all played on loopback."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from bewust.catalogue import loading
from bewust.catalogue.matching import compile_services
from bewust.config import policy
from bewust.proxy.front import Front

RULES = policy.load()
MATCHER = compile_services(loading.load(countries=RULES.countries), RULES.depth_of)
DECRYPTED, BY_NAME = "www.google.nl", "chatgpt.com"

type Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Listener:
    """Records what the front tells."""

    def __init__(self) -> None:
        self.visits: list[str] = []
        self.clients: list[tuple[str, int]] = []
        self.refused: set[str] = set()

    def opened(self, peer: int, client: tuple[str, int] | None) -> None:
        assert peer and client is not None and client[0] == "127.0.0.1"
        self.clients.append(client)

    def visited(self, host: str, client: tuple[str, int] | None) -> None:
        self.visits.append(host)

    def should_inspect(self, host: str) -> bool:
        return host not in self.refused


class Page(asyncio.Protocol):
    """Stands for the page's server."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(b"page:" + data)


class Stage:
    """`said` is what reached the site, one entry a connection."""

    front: Front
    port: int
    inspector_port: int

    def __init__(self) -> None:
        self.listener = Listener()
        self.said: list[bytearray] = []
        self.reply = b""
        self.writers: list[asyncio.StreamWriter] = []

    async def site(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.said.append(mine := bytearray())
        self.writers.append(writer)
        writer.write(self.reply)
        while data := await reader.read(1 << 16):
            mine += data
            writer.write(b"site:" + data)
        writer.write(b"end")
        writer.close()

    async def browser(self, head: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        writer.write(head)
        return reader, writer

    async def connect(self, host: str, early: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A tunnel that has been answered."""
        reader, writer = await self.browser(connect(host) + early)
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert answer.startswith(b"HTTP/1.1 200 ")
        return reader, writer


def connect(target: str) -> bytes:
    name = target if ":" in target else f"{target}:443"
    return f"CONNECT {name} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode()


@asynccontextmanager
async def stage(inspector: Serve | None = None) -> AsyncIterator[Stage]:
    """A front with a site behind every name, and an inspector where one is given."""
    made = Stage()
    servers = [await asyncio.start_server(made.site, "127.0.0.1", 0)]
    address = f"127.0.0.1:{servers[0].sockets[0].getsockname()[1]}"
    names = (DECRYPTED, BY_NAME, "www.example.org")
    made.front = Front(MATCHER, made.listener, Page, dict.fromkeys(names, address))
    made.port = await made.front.open(0)
    if inspector is not None:
        servers.append(await asyncio.start_server(inspector, "127.0.0.1", 0))
        made.inspector_port = servers[1].sockets[0].getsockname()[1]
        made.front.inspector_up(made.inspector_port)
    try:
        yield made
    finally:
        await made.front.close()
        for server in servers:
            server.close()
        for writer in made.writers:
            writer.close()
        await asyncio.sleep(0.01)


async def until(what: Callable[[], object]) -> None:
    """Wait a little until something holds."""
    async with asyncio.timeout(10):
        while not what():
            await asyncio.sleep(0.01)
