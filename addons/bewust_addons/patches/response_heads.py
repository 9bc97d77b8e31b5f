"""Heads of answers as browsers read them: lenient in what is odd, strict in where a body ends.

mitmproxy refuses what could smuggle a request, in both directions. A request is what a site must read as we do, and
stays with mitmproxy's rules. An answer goes to the browser of the person who asked; whatever we pass on is written
anew with one length, so that the browser finds the end of the body where we do. What is dropped is what Chromium and
Firefox drop (a line without a colon, a name that is no token), and what they refuse is refused (RFC 9112, section 6.3).
"""

import re
from collections.abc import Iterable, Sequence

from mitmproxy.http import Headers, Response
from mitmproxy.net.http.validate import parse_transfer_encoding

type Fields = list[tuple[bytes, bytes]]

_STATUS_LINE = re.compile(rb"(?i)HTTP(?:/(\d+)\.(\d+))?[ \t]+(\d{3})(?:[ \t]+(.*))?")
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-zA-Z]+")
_FRAMING = frozenset((b"content-length", b"transfer-encoding"))
# Of a connection, and so not allowed in HTTP/2 (RFC 9113, section 8.2.2); browsers do without them.
_OF_CONNECTION = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))
_LENGTH = re.compile(rb"[0-9]{1,18}")  # any more would not fit into the browser's 64 bits
_WITHOUT_BODY = (204, 304)
_ONE_LINE = re.compile(rb"[\r\0]")  # browsers take a CR alone for the end of a line (RFC 9110, section 5.5)
WHITE = b" \t"


def read_response_head(lines: Sequence[bytes]) -> Response:
    """Return the response of an HTTP/1 head, without its blank line. ValueError: no browser could read it, either."""
    found = _STATUS_LINE.fullmatch(lines[0])
    if found is None:
        raise ValueError(f"Bad HTTP response line: {lines[0]!r}")
    major, minor, status, reason = found.groups()
    version = b"HTTP/1.1" if major is not None and (int(major[-3:]), int(minor[-3:])) >= (1, 1) else b"HTTP/1.0"
    code = int(status)
    fields = with_one_length(header_fields(lines[1:]), code, chunks=version == b"HTTP/1.1")
    return Response(
        version, code, _ONE_LINE.sub(b" ", reason or b""), Headers(fields), None, None, 0, None
    )  # nobody asks when


def header_fields(lines: Iterable[bytes]) -> Fields:
    """Return names and values of an HTTP/1 head or trailer; what is no header line is dropped."""
    fields: Fields = []
    for line in lines:
        if line[:1] in (b" ", b"\t"):  # continues the line before, which nobody sends any more
            if fields:
                name, value = fields[-1]
                fields[-1] = name, b"%b %b" % (value, _value(line))
            continue
        name, colon, value = line.partition(b":")
        name = name.rstrip(WHITE)
        if colon and _TOKEN.fullmatch(name):
            fields.append((name, _value(value)))
    return fields


def _value(raw: bytes) -> bytes:
    return _ONE_LINE.sub(b" ", raw).strip(WHITE)


def http2_fields(headers: Iterable[tuple[bytes, bytes]], *, trailers: bool = False) -> Fields:
    """Return the fields of an HTTP/2 answer as a browser takes them, ":status" first, or of its trailers.

    ValueError: the stream is malformed, and browsers end it.
    """
    status = b""
    fields: Fields = []
    for raw_name, raw_value in headers:
        name, value = bytes(raw_name), bytes(raw_value).strip(WHITE)
        if any(forbidden in value for forbidden in b"\r\n\0"):
            raise ValueError(f"a header value with a forbidden byte: {name!r}")
        if name.startswith(b":"):
            if name != b":status" or status or fields or trailers:
                raise ValueError(f"a pseudo-header that does not belong here: {name!r}")
            status = value
        elif name.lower() not in _OF_CONNECTION and _TOKEN.fullmatch(name):
            fields.append((name, value))
    if trailers:
        return fields
    if not re.fullmatch(rb"[1-9][0-9]{2}", status):
        raise ValueError(f"no status: {status!r}")
    return [(b":status", status), *with_one_length(fields, int(status), chunks=False)]


def with_one_length(fields: Fields, status: int, *, chunks: bool) -> Fields:
    """Return the fields with one way to find the end of the body, at most. ValueError: lengths that contradict.

    `chunks`: whether the protocol has chunks, as HTTP/1.1 has and HTTP/1.0 has not.
    """
    framing = [(name.lower(), value) for name, value in fields if name.lower() in _FRAMING]
    codings = b",".join(value for name, value in framing if name == b"transfer-encoding")
    lengths = [value for name, value in framing if name == b"content-length"]
    chunked = (
        chunks
        and status >= 200
        and status not in _WITHOUT_BODY
        and b"chunked" in (each.strip(WHITE).lower() for each in codings.split(b","))
    )
    if chunked:
        if lengths or not _is_plain(codings):
            fields = [*without(fields, *_FRAMING), (b"Transfer-Encoding", b"chunked")]
        return fields
    if len(framing) > len(lengths):
        fields = without(fields, b"transfer-encoding")
    if len(lengths) == 1 and _LENGTH.fullmatch(lengths[0]) and (lengths[0] == b"0" or lengths[0][:1] != b"0"):
        return fields
    if lengths:
        different = {each.strip(WHITE) for value in lengths for each in value.split(b",")}
        if len(different) > 1:
            raise ValueError("several lengths that differ")
        (length,) = different
        fields = without(fields, b"content-length")
        if _LENGTH.fullmatch(length):
            fields.append((b"Content-Length", b"%d" % int(length)))
    return fields


def without(fields: Fields, *names: bytes) -> Fields:
    """Return the fields but those of these names, in lower case."""
    return [field for field in fields if field[0].lower() not in names]


def _is_plain(codings: bytes) -> bool:
    try:
        return parse_transfer_encoding(codings).endswith("chunked")
    except ValueError:
        return False
