"""A site that speaks HTTP/1, byte by byte as its case wants it."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum, auto

from e2e.servers.origin import Connection

IDLE = 60.0  # seconds
PAGE = b"<!doctype html><link rel=icon href='data:,'><title>Here</title><p>A page of the site itself.</p>"


class Then(Enum):
    """What becomes of a connection after an answer."""

    STAY = auto()
    CLOSE = auto()
    CUT = auto()  # without TLS's own goodbye
    RESET = auto()


class Request:
    """A request whose body is read when it is asked for; `nth` of its connection, from 1."""

    def __init__(self, connection: Connection, head: bytes, nth: int) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.connection, self.nth = connection, nth
        self.method, self.target = first.split(" ")[:2]
        self.path = self.target.partition("?")[0]
        self.headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        self._body: bytes | None = None

    def header(self, name: str) -> str:
        return next((value for known, value in self.headers if known == name), "")

    async def send(self, data: bytes) -> None:
        await self.connection.send(data)

    async def body(self) -> bytes:
        if self._body is None:
            self._body = await self._read()
        return self._body

    async def _read(self) -> bytes:
        reader = self.connection.reader
        if "chunked" not in self.header("transfer-encoding"):
            return await reader.readexactly(int(self.header("content-length") or 0))
        body = b""
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            body += (await reader.readexactly(size + 2))[:-2]
        while await reader.readuntil(b"\r\n") != b"\r\n":
            pass
        return body


type Answer = Callable[[Request], Awaitable[Then]]


class Http1:
    """`answers` by path, `other` for the rest; a connection that is idle for `idle` seconds ends as `end` says."""

    def __init__(
        self,
        answers: Mapping[str, Answer] | None = None,
        *,
        other: Answer | None = None,
        idle: float = IDLE,
        end: Then = Then.CLOSE,
    ) -> None:
        self._answers, self._other, self._idle, self._end = answers or {}, other or page, idle, end

    async def serve(self, connection: Connection) -> None:
        for nth in itertools.count(1):
            try:
                async with asyncio.timeout(self._idle if nth > 1 else IDLE):
                    head = await connection.reader.readuntil(b"\r\n\r\n")
            except TimeoutError:
                finish(connection, self._end)
                return
            request = Request(connection, head[:-4], nth)
            then = await self._answers.get(request.path, self._other)(request)
            if then is not Then.STAY:
                finish(connection, then)
                return
            await request.body()  # what the answer did not read


def finish(connection: Connection, then: Then) -> None:
    """End a connection; CLOSE is what happens anyway."""
    if then is Then.RESET:
        connection.reset()
    elif then is Then.CUT:
        connection.cut()


async def page(request: Request) -> Then:
    """The site's ordinary page."""
    return await answer(PAGE, "Content-Type: text/html")(request)


def raw(*pieces: bytes | float, then: Then = Then.STAY) -> Answer:
    """Exactly these bytes; a number is a pause in seconds."""

    async def sent(request: Request) -> Then:
        await request.body()
        for piece in pieces:
            if isinstance(piece, bytes):
                await request.send(piece)
            else:
                await asyncio.sleep(piece)
        return then

    return sent


def answer(body: bytes, *lines: str, status: str = "200 OK", then: Then = Then.STAY) -> Answer:
    """A well-formed answer with a length."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Cache-Control: no-store", *lines, "", ""]
    return raw("\r\n".join(head).encode() + body, then=then)
