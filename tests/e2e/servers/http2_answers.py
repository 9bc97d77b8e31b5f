"""What the sites of HTTP/2 answer: one name, one way of theirs."""

import asyncio
import json
from collections.abc import Mapping
from hashlib import sha256

from h2.errors import ErrorCodes

from e2e.servers.http1 import PAGE
from e2e.servers.http1_answers import LARGE
from e2e.servers.http2 import ALL, PLAIN, Answer, Stream, answer, page

# Of connections.


async def gone_on_reuse(stream: Stream) -> None:
    """The second request on a connection meets its end: the time-out of the site was faster."""
    if stream.nth > 1:
        stream.session.connection.reset()
    else:
        await page(stream)


async def reset_midway(stream: Stream) -> None:
    await stream.head()
    await stream.data(PAGE, end=False)
    await asyncio.sleep(0.1)
    await stream.reset(ErrorCodes.INTERNAL_ERROR)


async def long(stream: Stream) -> None:
    """An answer in ten pieces, half a second long."""
    await stream.body()
    await stream.head()
    for _ in range(10):
        await stream.data(PAGE * 100, end=False)
        await asyncio.sleep(0.05)
    await stream.data(b"", end=True)


async def refused_once(stream: Stream) -> None:
    """Not processed, so that it may be asked again: the first of a connection to come here."""
    refused = vars(stream.session).setdefault("refused", [])
    if refused:
        await page(stream)
    else:
        refused.append(stream.number)
        await stream.reset(ErrorCodes.REFUSED_STREAM)


async def goaway_after(stream: Stream) -> None:
    """A whole answer; after the second of a connection nothing more is taken."""
    await page(stream)
    if stream.nth == 2:
        await stream.session.goaway(stream.number)


async def goaway_midway(stream: Stream) -> None:
    """Nothing more is taken, while this answer and those before it are under way."""
    await stream.body()
    await stream.head()
    await stream.data(PAGE * 100, end=False)
    await asyncio.sleep(0.1)
    await stream.session.goaway(max(stream.session.streams))
    await asyncio.sleep(0.2)
    await stream.data(PAGE * 100)


async def goaway_announced(stream: Stream) -> None:
    """The graceful way of two words: first that an end is near, then where it is (RFC 9113, 6.8)."""
    await stream.body()
    await stream.head()
    await stream.data(PAGE, end=False)
    await stream.session.goaway(ALL)
    await asyncio.sleep(0.2)
    await stream.session.goaway(max(stream.session.streams))
    await stream.data(PAGE * 100)


async def goaway_unprocessed(stream: Stream) -> None:
    """The second request of a connection is told that it was not processed."""
    if stream.nth > 1:
        await stream.session.goaway(stream.number - 2)
    else:
        await page(stream)


async def before_upload(stream: Stream) -> None:
    """A whole answer before all was heard, and that the rest is not needed."""
    await stream.head()
    await stream.data(PAGE)
    if not stream.ended.is_set():
        await stream.reset(ErrorCodes.NO_ERROR)


async def needs_http1(stream: Stream) -> None:
    await stream.reset(ErrorCodes.HTTP_1_1_REQUIRED)


async def misdirected(stream: Stream) -> None:
    """This connection is not for a second name."""
    names = vars(stream.session).setdefault("names", [dict(stream.headers).get(":authority")])
    if dict(stream.headers).get(":authority") == names[0]:
        await page(stream)
    else:
        await answer(b"elsewhere", status=421)(stream)


async def vanishes(stream: Stream) -> None:
    """Answer, and be gone without a word."""
    await page(stream)
    await asyncio.sleep(0.1)  # the other end acknowledges
    stream.session.connection.vanish()
    await asyncio.Event().wait()


# Of messages.

HINTS = [("link", "</style.css>; rel=preload; as=style")]


async def early(stream: Stream) -> None:
    await stream.head(HINTS, 103)
    await asyncio.sleep(0.05)
    await page(stream)


async def many_early(stream: Stream) -> None:
    for _ in range(20):
        await stream.head(HINTS, 103)
    await page(stream)


async def trailers(stream: Stream) -> None:
    await stream.head()
    await stream.data(PAGE, end=False)
    await stream.trailers([("x-sum", "42")])


async def tagged(stream: Stream) -> None:
    """A page with an entity tag, and 304 for who has it."""
    if dict(stream.headers).get("if-none-match") == '"1"':
        await stream.head([("etag", '"1"'), ("x-kept", "yes")], 304, end=True)
    else:
        await answer(PAGE, [("content-type", "text/html"), ("etag", '"1"'), ("cache-control", "no-cache")])(stream)


def nothing(status: int) -> Answer:
    async def sent(stream: Stream) -> None:
        await stream.head([("x-is", "here")], status, end=True)

    return sent


async def late(stream: Stream) -> None:
    await asyncio.sleep(1)
    await page(stream)


def huge(kilobytes: int) -> Answer:
    return answer(PAGE, [*PLAIN, ("x-huge", "h" * (1000 * kilobytes))])


many_lines = answer(PAGE, [*PLAIN, *((f"x-line-{number}", str(number)) for number in range(300))])


async def asked(stream: Stream) -> None:
    """What was asked, as it arrived; the order of the fields that begin with ":" means nothing."""
    heard = [pair for pair in stream.headers if pair[0] != "accept-encoding"]
    known = sorted(pair for pair in heard if pair[0][0] == ":") + [pair for pair in heard if pair[0][0] != ":"]
    said = {"headers": known, "body": sha256(await stream.body()).hexdigest()}
    await answer(json.dumps(said).encode(), [("content-type", "application/json")])(stream)


async def upload(stream: Stream) -> None:
    body = await stream.body()
    await answer(f"{len(body)} {sha256(body).hexdigest()}".encode())(stream)


async def large(stream: Stream) -> None:
    await answer(LARGE)(stream)


async def events(stream: Stream) -> None:
    await stream.head([("content-type", "text/event-stream")])
    for number in range(5):
        await stream.data(b"id: %d\ndata: event %d\n\n" % (number, number), end=False)
        await asyncio.sleep(0.05)
    await stream.data(b"", end=True)


def headed(*headers: tuple[str, str]) -> Answer:
    return answer(PAGE, [*PLAIN, *headers])


async def no_status(stream: Stream) -> None:
    stream.session.h2.send_headers(stream.number, [("content-type", "text/html")])
    await stream.data(PAGE)


def status(said: str, *, then: bool = False) -> Answer:
    async def sent(stream: Stream) -> None:
        await stream.body()
        stream.session.h2.send_headers(stream.number, [(":status", said), *PLAIN])
        await (page(stream) if then else stream.data(PAGE))

    return sent


odd_informational = status("1..", then=True)

HEADS: Mapping[str, Answer] = {
    "value-ends-in-blank": headed(("x-odd", "a ")),
    "value-begins-with-blank": headed(("x-odd", " a")),
    "value-is-empty": headed(("x-odd", "")),
    "value-is-utf-8": headed(("x-odd", "é€")),
    "value-has-newline": headed(("x-odd", "a\nb")),
    "value-has-nul": headed(("x-odd", "a\0b")),
    "name-is-capital": headed(("X-Odd", "a")),
    "name-has-blank": headed(("x odd", "a")),
    "name-is-empty": headed(("", "a")),
    "name-is-odd": headed(('x(odd)[1]/"@', "a")),
    "connection": headed(("connection", "keep-alive")),
    "transfer-encoding": headed(("transfer-encoding", "chunked")),
    "pseudo-unknown": headed((":odd", "1")),
    "length-twice": answer(PAGE, [*PLAIN, ("content-length", str(len(PAGE)))]),
    "length-too-large": answer(PAGE, length=len(PAGE) + 5),
    "length-too-small": answer(PAGE, length=5),
    "length-is-no-number": headed(("content-length", "some")),
    "no-status": no_status,
    "status-is-no-number": status("2xx"),
    "status-999": status("999"),
    "switching": status("101"),
}
