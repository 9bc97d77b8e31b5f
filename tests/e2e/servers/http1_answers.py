"""What the sites of HTTP/1 answer: one name, one way of theirs."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Mapping
from hashlib import sha256

import brotli
import zstandard

from e2e.servers.http1 import PAGE, Answer, Request, Then, answer, page, raw

HTML = "Content-Type: text/html"
OK = b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Type: text/html\r\n"
LARGE = b"".join(b"%07d\n" % number for number in range(1_000_000))
LENGTH = b"Content-Length: %d\r\n" % len(PAGE)


def chunked(body: bytes, size: int = 7) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


CHUNKS = chunked(PAGE) + b"0\r\n\r\n"

# Of connections.

closing = answer(PAGE, HTML, "Connection: close", then=Then.CLOSE)


async def gone_on_reuse(request: Request) -> Then:
    """The second request on a connection meets its end: the time-out of the site was faster."""
    return Then.RESET if request.nth > 1 else await page(request)


def midway(then: Then) -> Answer:
    """Half of what was announced, and the end."""
    return raw(OK + b"Content-Length: 100000\r\n\r\n", PAGE, 0.1, then=then)


chunks_cut = raw(OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(PAGE), 0.1, then=Then.CUT)

# Of messages.

http10 = raw(b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n" + PAGE, then=Then.CLOSE)
http10_kept = raw(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + LENGTH + b"\r\n" + PAGE)
no_length = raw(OK + b"\r\n", PAGE, 0.1, PAGE, then=Then.CLOSE)
no_length_cut = raw(OK + b"\r\n", PAGE, 0.1, PAGE, then=Then.CUT)
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload; as=style\r\n\r\n"
early = raw(HINTS, 0.05, OK + LENGTH + b"\r\n" + PAGE)
many_early = raw(HINTS * 20 + OK + LENGTH + b"\r\n" + PAGE)
uninvited = raw(b"HTTP/1.1 100 Continue\r\n\r\n" + OK + LENGTH + b"\r\n" + PAGE)
processing = raw(b"HTTP/1.1 102 Processing\r\n\r\n", 0.05, OK + LENGTH + b"\r\n" + PAGE)
trailers = raw(OK + b"Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS[:-2] + b"X-Sum: 42\r\n\r\n")


async def tagged(request: Request) -> Then:
    """A page with an entity tag, and 304 for who has it."""
    if request.header("if-none-match") == '"1"':
        return await raw(b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\nX-Kept: yes\r\n\r\n')(request)
    return await answer(PAGE, HTML, 'ETag: "1"', "Cache-Control: no-cache")(request)


async def ranged(request: Request) -> Then:
    """Part of a thousand bytes, or that there is no such part."""
    whole = bytes(range(250)) * 4
    first, _, last = request.header("range").removeprefix("bytes=").partition("-")
    if not request.header("range"):
        return await answer(PAGE, HTML, "Accept-Ranges: bytes")(request)
    start = int(first) if first else len(whole) - int(last)
    end = min(int(last or len(whole)) + 1 if first else len(whole), len(whole))
    if start >= len(whole):
        return await answer(b"", f"Content-Range: bytes */{len(whole)}", status="416 Range Not Satisfiable")(request)
    lines = f"Content-Range: bytes {start}-{end - 1}/{len(whole)}", "Content-Type: application/octet-stream"
    return await answer(whole[start:end], *lines, status="206 Partial Content")(request)


def nothing(status: int) -> Answer:
    return raw(
        b"HTTP/1.1 %d Nothing\r\nX-Is: here\r\n%b\r\n" % (status, b"Content-Length: 0\r\n" if status == 205 else b"")
    )


slow_head = raw(
    *(bit for byte in b"HTTP/1.1 200 OK\r\nX-A: b\r\n" for bit in (bytes([byte]), 0.02)), LENGTH + b"\r\n" + PAGE
)
late = raw(1.0, OK + LENGTH + b"\r\n" + PAGE)
slow_body = raw(OK + LENGTH + b"\r\n", *(bit for byte in PAGE[:30] for bit in (bytes([byte]), 0.02)), PAGE[30:])


def huge(kilobytes: int) -> Answer:
    """One line of many kilobytes."""
    return answer(PAGE, HTML, "X-Huge: " + "h" * (1000 * kilobytes))


many_lines = answer(PAGE, HTML, *(f"X-Line-{number}: {number}" for number in range(500)))


async def asked(request: Request) -> Then:
    """What was asked, as it arrived: the names as they are compared, in their order."""
    own = {"connection", "accept-encoding"}  # of one hop; accept-encoding is compared by what a site makes of it
    heard = {"method": request.method, "target": request.target,
             "headers": [pair for pair in request.headers if pair[0] not in own],
             "body": sha256(await request.body()).hexdigest()}  # fmt: skip
    return await answer(json.dumps(heard).encode(), "Content-Type: application/json")(request)


cookies = answer(
    PAGE, HTML, "Set-Cookie: a=1", "Set-Cookie: b=2; Secure", "Set-Cookie: c=d=e; HttpOnly", "Vary: a", "Vary: b"
)


def plain(status: int) -> Answer:
    return answer(PAGE, HTML, status=f"{status} Some Reason")


redirect = answer(b"", "Location: /?arrived", status="302 Found")


async def upload(request: Request) -> Then:
    """What arrived of an upload."""
    body = await request.body()
    return await answer(f"{len(body)} {sha256(body).hexdigest()}".encode(), HTML)(request)


async def continuing(request: Request) -> Then:
    """The same, after a word that it may come."""
    if request.header("expect"):
        await request.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    return await upload(request)


async def unwanted(request: Request) -> Then:
    """An answer before the upload, and the end."""
    await request.send(b"HTTP/1.1 417 Expectation Failed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    return Then.CLOSE


async def large(request: Request) -> Then:
    """Eight megabytes that do not repeat."""
    return await answer(LARGE, HTML)(request)


async def events(request: Request) -> Then:
    """Five events, then the end."""
    await request.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    for number in range(5):
        await request.send(chunked(b"id: %d\ndata: event %d\n\n" % (number, number), 1000))
        await asyncio.sleep(0.05)
    await request.send(b"0\r\n\r\n")
    return Then.STAY


def deflated(body: bytes) -> bytes:
    made = zlib.compressobj(wbits=-15)
    return made.compress(body) + made.flush()


def coded(coding: str, body: bytes) -> Answer:
    return answer(body, HTML, f"Content-Encoding: {coding}")


LONG = (
    b"<!doctype html><link rel=icon href='data:,'>" + b"<p class='mZJni'>Some words of a page that repeats.</p>" * 3000
)
CODED: Mapping[str, Answer] = {
    "/search-gzip": coded("gzip", gzip.compress(LONG)),
    "/search-br": coded("br", brotli.compress(LONG)),
    "/search-zstd": coded("zstd", zstandard.compress(LONG)),
    "/search-deflate": coded("deflate", zlib.compress(LONG)),
    "/search-raw-deflate": coded("deflate", deflated(LONG)),
    "/search-twice": coded("gzip, gzip", gzip.compress(gzip.compress(LONG))),
    "/search-identity": coded("identity", LONG),
    "/search": answer(LONG, HTML),
}
MISCODED: Mapping[str, Answer] = {
    "/search": coded("gzip", PAGE),
    "/search-short": coded("gzip", gzip.compress(LONG)[:-9]),
    "/search-more": coded("gzip", gzip.compress(LONG) + b"more"),
    "/search-unknown": coded("x-unknown", LONG),
    "/search-br": coded("br", b"\xff" * 100),
    "/search-zstd": coded("zstd", b"\xff" * 100),
    "/search-empty": coded("gzip", b""),
    "/search-capital": coded("GZIP", gzip.compress(LONG)),
}

chunk_size_wrong = raw(OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\nwords\r\n0\r\n\r\n", then=Then.CLOSE)
odd_informational = raw(b"HTTP/1.1 1..\r\n\r\n" + OK + LENGTH + b"\r\n" + PAGE, then=Then.CLOSE)

# Of heads: what browsers accept and what they do not; which is which they say themselves.

KEPT = b"Keep-Alive: timeout=5, max=2\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\n"
OFFERED = b'Alt-Svc: h3=":443"; ma=5\r\nUpgrade: h2c\r\nConnection: upgrade\r\n'
HEADS: Mapping[str, Answer] = {
    "length-twice": raw(OK + LENGTH + LENGTH + b"\r\n" + PAGE),
    "length-list": raw(OK + b"Content-Length: %d, %d\r\n\r\n" % (len(PAGE), len(PAGE)) + PAGE),
    "length-differs": raw(OK + LENGTH + b"Content-Length: 5\r\n\r\n" + PAGE, then=Then.CLOSE),
    "length-and-chunked": raw(OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS),
    "length-is-no-number": raw(OK + b"Content-Length: some\r\n\r\n" + PAGE, then=Then.CLOSE),
    "length-below-zero": raw(OK + b"Content-Length: -5\r\n\r\n" + PAGE, then=Then.CLOSE),
    "length-with-plus": raw(OK + b"Content-Length: +%d\r\n\r\n" % len(PAGE) + PAGE, then=Then.CLOSE),
    "chunked-capital": raw(OK + b"Transfer-Encoding: Chunked\r\n\r\n" + CHUNKS),
    "chunked-twice": raw(OK + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n" + CHUNKS, then=Then.CLOSE),
    "chunked-identity": raw(OK + b"Transfer-Encoding: identity\r\n\r\n" + PAGE, then=Then.CLOSE),
    "chunk-extension": raw(OK + b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nwords\r\n0005 \r\nother\r\n0\r\n\r\n"),
    "blank-line-before": raw(b"\r\n" + OK + LENGTH + b"\r\n" + PAGE),
    "words-before": raw(b"junk\r\n" + OK + LENGTH + b"\r\n" + PAGE, then=Then.CLOSE),
    "no-colon": raw(OK + b"a line without\r\n" + LENGTH + b"\r\n" + PAGE),
    "blank-in-name": raw(OK + b"X Odd: 1\r\n" + LENGTH + b"\r\n" + PAGE),
    "blank-before-colon": raw(OK + b"X-Odd : 1\r\n" + LENGTH + b"\r\n" + PAGE),
    "odd-name": raw(OK + b"X(Odd)[1]/\"@: 1\r\n" + LENGTH + b"\r\n" + PAGE),
    "empty-name": raw(OK + b": 1\r\n" + LENGTH + b"\r\n" + PAGE),
    "empty-value": raw(OK + b"X-Empty:\r\nX-Blank:   \r\n" + LENGTH + b"\r\n" + PAGE),
    "name-is-utf-8": raw(OK + "X-é: 1\r\n".encode() + LENGTH + b"\r\n" + PAGE),
    "value-is-utf-8": raw(OK + "X-Odd: é€\r\n".encode() + LENGTH + b"\r\n" + PAGE),
    "value-is-latin-1": raw(OK + b"X-Odd: \xe9\xff\x80\r\n" + LENGTH + b"\r\n" + PAGE),
    "value-has-nul": raw(OK + b"X-Odd: a\0b\r\n" + LENGTH + b"\r\n" + PAGE, then=Then.CLOSE),
    "value-has-control": raw(OK + b"X-Odd: a\x01\x7fb\r\n" + LENGTH + b"\r\n" + PAGE),
    "value-has-cr": raw(OK + b"X-Odd: a\rb\r\n" + LENGTH + b"\r\n" + PAGE, then=Then.CLOSE),
    "folded": raw(OK + b"X-Odd: a\r\n b\r\n" + LENGTH + b"\r\n" + PAGE),
    "newlines-alone": raw((OK + LENGTH + b"\r\n").replace(b"\r\n", b"\n") + PAGE),
    "no-reason": raw(OK.replace(b" OK", b"") + LENGTH + b"\r\n" + PAGE),
    "reason-is-odd": raw(OK.replace(b" OK", b" \xe9 (so) \t!") + LENGTH + b"\r\n" + PAGE),
    "status-999": raw(OK.replace(b"200 OK", b"999 So") + LENGTH + b"\r\n" + PAGE),
    "status-is-no-number": raw(OK.replace(b"200 OK", b"2xx OK") + LENGTH + b"\r\n" + PAGE, then=Then.CLOSE),
    "version-1-2": raw(OK.replace(b"1.1", b"1.2") + LENGTH + b"\r\n" + PAGE),
    "no-head-at-all": raw(PAGE, then=Then.CLOSE),
    "nothing-at-all": raw(then=Then.CLOSE),
    "head-cut": raw(OK[:40], then=Then.CLOSE),
    "more-than-length": raw(OK + LENGTH + b"\r\n" + PAGE + b"and some more"),
    "keep-alive": raw(OK + KEPT + LENGTH + b"\r\n" + PAGE),
    "alternative": raw(OK + OFFERED + LENGTH + b"\r\n" + PAGE),
}  # fmt: skip
