"""Recordings -> Observations, for `bewust inspect`: HAR 1.2, a single page, mitmproxy flow files.

Belongs here: file formats and their errors. Not here: detection, which is the same as for live
traffic. Flow files come as lines of `Exchange` from a process of their own
(bewust_addons/flowfile.py), because nothing in this package imports mitmproxy.
"""

import base64
import binascii
import gzip
import re
import subprocess
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from bewust.catalogue import Matcher, Rule
from bewust.detection.bodies import answered, framed, media_type, scan
from bewust.detection.requests import RequestFindings, detect, detection, observe
from bewust.errors import BewustError
from bewust.model import Detection, Observation
from bewust.system.environment import allowed

_UNREADABLE = (
    "is no HAR and no flow file mitmproxy can read to its end",
    "Save the flows again with the mitmproxy version Bewust uses.",
)
SIZE_LIMIT = 1 << 30  # bytes after decompression; a day's HAR is a few hundred MiB
GZIP = b"\x1f\x8b"
# JSON escapes: a pair of surrogates, half of one, any other. Chromium writes halves, of emoji that a
# page cut in two, and msgspec rightly refuses them.
_ESCAPES = re.compile(rb"(\\u[dD][89abAB]..\\u[dD][c-fC-F]..)|(\\u[dD][89a-fA-F]..)|\\.", re.DOTALL)


class RecordingError(BewustError, ValueError):
    """A file that cannot be read: names it, says why and what to do."""

    def __init__(self, file: str, problem: str, remedy: str) -> None:
        super().__init__(f"{file}: {problem}. {remedy}")


class Exchange(msgspec.Struct, frozen=True):
    """One entry: its request, and its response as far as it was recorded.

    `type` is the response's bare media type; `encoding` and `sent_encoding` are the codings that
    `body` (the response's) and `sent` (the request's) still carry. `frames` are WebSocket messages,
    True in front of those the browser sent. `problem` says why an entry could not be read, and then
    nothing else counts.
    """

    entry: int
    seen: Observation
    type: str = ""
    encoding: str = ""
    status: int = 0
    body: bytes = b""
    sent: bytes = b""
    sent_encoding: str = ""
    frames: tuple[tuple[bool, bytes], ...] = ()
    problem: str = ""


# Whatever a browser was seen to leave out, or to write as null, may be so.


class _Header(msgspec.Struct):
    name: str
    value: str | None = ""


class _Content(msgspec.Struct):
    mimeType: str | None = ""
    text: str | None = ""
    encoding: str | None = ""


class _Param(msgspec.Struct):
    name: str
    value: str | None = ""


class _PostData(msgspec.Struct):
    text: str | None = ""
    params: list[_Param] | None = None


class _HarRequest(msgspec.Struct):
    method: str
    url: str
    headers: list[_Header] | None = None
    postData: _PostData | None = None


class _HarResponse(msgspec.Struct):
    status: float | None = 0
    content: _Content | None = None


class _Message(msgspec.Struct):
    type: str | None = ""
    data: str | None = ""


class _Entry(msgspec.Struct):
    request: _HarRequest
    response: _HarResponse | None = None
    kind: str | None = msgspec.field(default=None, name="_resourceType")
    messages: list[_Message] | None = msgspec.field(default=None, name="_webSocketMessages")


class _Log(msgspec.Struct):
    entries: list[msgspec.Raw]


class _Har(msgspec.Struct):
    log: _Log


def read(path: Path) -> Iterator[Exchange]:
    """Yield the entries of a HAR (plain or gzipped) or a mitmproxy flow file, by what is in it."""
    if _head(path).isdigit():  # a flow file is netstrings; no JSON document of entries starts so
        yield from _flows(path)
        return
    data = contents(path).removeprefix(b"\xef\xbb\xbf")
    try:
        try:
            har = msgspec.json.decode(data, type=_Har)
        except msgspec.DecodeError:
            har = msgspec.json.decode(_ESCAPES.sub(_whole, data), type=_Har)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordingError(
            str(path), f"is no HAR 1.2 ({error})", "Export it anew from the browser's network panel."
        ) from error
    for number, raw in enumerate(har.log.entries):
        yield _exchange(number, raw)


def page(path: Path, url: str) -> Iterator[Exchange]:
    """Yield one saved page (plain or gzipped) as if a GET of `url` had brought it."""
    seen = observe("GET", url)
    if not seen.host:
        raise RecordingError(str(path), f"{url!r} is not the URL of a page", "Give it like https://www.example.nl/x.")
    yield Exchange(0, seen, type="text/html", status=200, body=contents(path))


def examine(exchange: Exchange, matcher: Matcher, internal_hosts: Sequence[str] = ()) -> Detection | None:
    """Return the strongest verdict on an entry: use before visit before ignore."""
    findings: RequestFindings = detect(exchange.seen, matcher, internal_hosts)
    rule = _waiting(exchange, findings.pending) if findings.pending else None
    return findings.detection if rule is None else detection(rule, exchange.seen, internal_hosts)


def _waiting(exchange: Exchange, pending: Sequence[Rule]) -> Rule | None:
    """Return the first rule that what was sent, said or answered satisfies, in that order."""
    if exchange.sent:
        bodies = [(rule, rule.signature.body) for rule in pending if rule.signature.body]
        if rule := scan(bodies, exchange.sent, exchange.sent_encoding):
            return rule
    for sent, data in exchange.frames:
        if rule := scan(framed(pending, sent), data):
            return rule
    status = exchange.status or 200  # a HAR may leave it out
    return scan(answered(pending, exchange.type, status), exchange.body, exchange.encoding) if exchange.body else None


def _exchange(number: int, raw: msgspec.Raw) -> Exchange:
    try:
        entry = msgspec.json.decode(raw, type=_Entry)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Exchange(number, Observation(host=""), problem=str(error))
    headers = [(header.name, header.value or "") for header in entry.request.headers or ()]
    upgrade = any(n.lower() == "upgrade" and v.lower() == "websocket" for n, v in headers)
    response = entry.response or _HarResponse()
    content = response.content or _Content()
    status = response.status or 0
    return Exchange(
        number,
        observe(entry.request.method, entry.request.url, headers, websocket=upgrade or entry.kind == "websocket"),
        type=media_type(content.mimeType or ""),
        status=int(status) if 100 <= status < 600 else 0,
        body=_body(content),
        sent=_sent(entry.request.postData),
        frames=tuple((m.type == "send", _bytes_of(m.data)) for m in entry.messages or ()),
    )


def _whole(escape: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if escape[2] else escape[0]


def _body(content: _Content) -> bytes:
    text = content.text or ""
    if (content.encoding or "").lower() == "base64":
        try:
            return base64.b64decode(text)
        except (binascii.Error, ValueError):
            return b""
    return _bytes_of(text)


def _sent(data: _PostData | None) -> bytes:
    """Return a request's body; browsers give that of a form as text, as parameters, or as both."""
    if data is None:
        return b""
    return _bytes_of(data.text or urlencode([(p.name, p.value or "") for p in data.params or ()], errors="replace"))


def _bytes_of(text: str | None) -> bytes:
    return (text or "").encode("utf-8", "replace")


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(1)
    except OSError as error:
        raise RecordingError(str(path), f"cannot be read ({error.strerror})", "Check the name and mode.") from error


def contents(path: Path) -> bytes:
    """Return what a file holds, unpacked where it is gzipped. Raises RecordingError."""
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)
        if data.startswith(GZIP):
            with gzip.open(path) as inflate:
                data = inflate.read(SIZE_LIMIT + 1)
    except EOFError as error:
        raise RecordingError(str(path), "is a gzip cut short", "Copy or download it again.") from error
    except (zlib.error, gzip.BadGzipFile) as error:
        raise RecordingError(str(path), f"is a damaged gzip ({error})", "Copy or download it again.") from error
    except OSError as error:
        raise RecordingError(str(path), f"cannot be read ({error.strerror})", "Check the name and mode.") from error
    if len(data) > SIZE_LIMIT:
        raise RecordingError(str(path), "is larger than 1 GiB", "Export a shorter recording.")
    return data


def _flows(path: Path) -> Iterator[Exchange]:
    # -P: the folder in which somebody starts us must not be able to offer another mitmproxy.
    command = [sys.executable, "-P", "-m", "bewust_addons.flowfile", str(path.resolve())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=allowed()) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.endswith(b"\n"):  # else the child died while writing it
                yield decoded(line, str(path))
    if child.returncode:
        raise RecordingError(str(path), *_UNREADABLE)


def decoded(line: bytes, file: str) -> Exchange:
    """Return the exchange in a line of a flow file's. mitmproxy checks no types, so some may hold anything."""
    try:
        return msgspec.json.decode(line, type=Exchange)
    except msgspec.DecodeError as error:
        raise RecordingError(file, *_UNREADABLE) from error
