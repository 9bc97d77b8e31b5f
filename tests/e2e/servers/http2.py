"""A site that speaks HTTP/2: what h2 allows, and frames of its own where a case wants more."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Literal

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes
from hyperframe.frame import Frame, GoAwayFrame, SettingsFrame

from e2e.servers.http1 import IDLE, PAGE, Http1
from e2e.servers.origin import Connection

type Headers = Sequence[tuple[str, str]]
ALL = 2**31 - 1  # a stream id that no stream has
PLAIN: Headers = (("content-type", "text/html"), ("cache-control", "no-store"))


class Session:
    """One connection; `last` is the highest stream that is still answered, once GOAWAY has been said."""

    def __init__(self, connection: Connection, site: "Http2") -> None:
        self.connection, self.site = connection, site
        config = H2Configuration(
            client_side=False, header_encoding="utf-8", validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )  # fmt: skip
        self.h2 = H2Connection(config)
        self.streams: dict[int, Stream] = {}
        self.asked = 0
        self.last = ALL
        self.more = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    async def flush(self) -> None:
        await self.connection.send(self.h2.data_to_send())

    async def frame(self, frame: Frame) -> None:
        """Send a frame that h2 does not know of."""
        await self.connection.send(self.h2.data_to_send() + frame.serialize())

    async def goaway(self, last: int, code: int = 0) -> None:
        """Say that no stream above `last` is answered; the connection ends when the others are."""
        self.last = last
        await self.frame(GoAwayFrame(0, last_stream_id=last, error_code=code))

    @property
    def busy(self) -> bool:
        return any(not task.done() for task in self._tasks)

    async def run(self) -> None:
        self.h2.initiate_connection()
        if self.site.settings:  # h2 keeps to them in its own way, which is no real server's
            await self.frame(
                SettingsFrame(0, settings={int(code): value for code, value in self.site.settings.items()})
            )
        await self.flush()
        try:
            while data := await self._read():
                await self._receive(data)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self) -> bytes:
        """What comes next; nothing where either end has ended the connection, or this one was idle for too long."""
        while True:
            try:
                async with asyncio.timeout(self.site.idle):
                    return await self.connection.reader.read(1 << 16)
            except TimeoutError:
                if not self.busy:
                    await self._end()
                    return b""

    async def _end(self) -> None:
        if self.site.end == "goaway":
            highest = max(self.streams, default=0)
            await self.frame(GoAwayFrame(0, last_stream_id=highest, error_code=0))
        elif self.site.end == "reset":
            self.connection.reset()

    async def _receive(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            if isinstance(event, RequestReceived) and event.stream_id <= self.last:
                self.asked += 1
                if self._crowded():
                    self.h2.reset_stream(event.stream_id, ErrorCodes.REFUSED_STREAM)
                    continue
                stream = self.streams[event.stream_id] = Stream(self, event.stream_id, event.headers, self.asked)
                self._begin(stream)
            elif isinstance(event, DataReceived):
                self._give_back(event)
                if event.stream_id in self.streams:
                    self.streams[event.stream_id].received += event.data
            elif isinstance(event, StreamEnded) and event.stream_id in self.streams:
                self.streams[event.stream_id].ended.set()
            elif isinstance(event, StreamReset | ConnectionTerminated | WindowUpdated):
                async with self.more:
                    self.more.notify_all()
        await self.flush()

    def _crowded(self) -> bool:
        most = self.site.settings.get(SettingCodes.MAX_CONCURRENT_STREAMS, ALL)
        return sum(not task.done() for task in self._tasks) >= most

    def _give_back(self, event: DataReceived) -> None:
        """Let as much come again, at once: the windows are small in some cases."""
        if event.flow_controlled_length:
            self.h2.increment_flow_control_window(event.flow_controlled_length)
            if event.stream_ended is None:
                self.h2.increment_flow_control_window(event.flow_controlled_length, event.stream_id)

    def _begin(self, stream: "Stream") -> None:
        task = asyncio.ensure_future(self._answer(stream))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, stream: "Stream") -> None:
        with suppress(ProtocolError, OSError):  # it was cancelled, or all of it has gone
            await self.site.answers.get(stream.path, page)(stream)
        if self.last != ALL and all(task is asyncio.current_task() or task.done() for task in self._tasks):
            self.connection.writer.close()


class Stream:
    """One request and its answer; `nth` of its connection, from 1."""

    def __init__(self, session: Session, number: int, headers: object, nth: int) -> None:
        self.session, self.number, self.nth = session, number, nth
        self.headers: list[tuple[str, str]] = [(str(name), str(value)) for name, value in headers]  # type: ignore[attr-defined]
        known = dict(self.headers)
        self.method, self.target = known[":method"], known.get(":path", "")
        self.path = self.target.partition("?")[0]
        self.received = b""
        self.ended = asyncio.Event()

    async def body(self) -> bytes:
        await self.ended.wait()
        return self.received

    async def head(self, headers: Headers = PLAIN, status: int = 200, *, end: bool = False) -> None:
        self.session.h2.send_headers(self.number, [(":status", str(status)), *headers], end_stream=end)
        await self.session.flush()

    async def trailers(self, headers: Headers) -> None:
        self.session.h2.send_headers(self.number, list(headers), end_stream=True)
        await self.session.flush()

    async def data(self, data: bytes, *, end: bool = True) -> None:
        """Send as the other side's windows allow."""
        h2 = self.session.h2
        left = memoryview(data)
        while left:
            size = min(h2.local_flow_control_window(self.number), h2.max_outbound_frame_size, len(left))
            if size:
                h2.send_data(self.number, left[:size].tobytes())
                left = left[size:]
                await self.session.flush()
            else:
                async with self.session.more:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(1):
                            await self.session.more.wait()
        if end:
            h2.end_stream(self.number)
            await self.session.flush()

    async def reset(self, code: ErrorCodes) -> None:
        self.session.h2.reset_stream(self.number, code)
        await self.session.flush()


type Answer = Callable[[Stream], Awaitable[None]]


class Http2:
    """`answers` by path, a page for any other; a connection without a request for `idle` seconds ends as `end` says."""

    def __init__(
        self,
        answers: Mapping[str, Answer] | None = None,
        *,
        idle: float = IDLE,
        end: Literal["goaway", "close", "reset"] = "goaway",
        settings: Mapping[SettingCodes, int] | None = None,
    ) -> None:
        self.answers, self.idle, self.end = answers or {}, idle, end
        self.settings = dict(settings or {})

    async def serve(self, connection: Connection) -> None:
        with suppress(ProtocolError):
            await Session(connection, self).run()


class Either:
    """A site that speaks both."""

    def __init__(self, first: Http1, second: Http2) -> None:
        self._first, self._second = first, second

    async def serve(self, connection: Connection) -> None:
        chosen = self._second if connection.tls.selected_alpn_protocol() == "h2" else self._first
        await chosen.serve(connection)


async def page(stream: Stream) -> None:
    """The site's ordinary page."""
    await answer(PAGE)(stream)


def answer(body: bytes, headers: Headers = PLAIN, status: int = 200, *, length: int | None = None) -> Answer:
    """A whole answer; `length` is what Content-Length says, by default the truth."""

    async def sent(stream: Stream) -> None:
        await stream.body()
        size = len(body) if length is None else length
        await stream.head([*headers, ("content-length", str(size))], status)
        await stream.data(b"" if stream.method == "HEAD" else body)

    return sent
