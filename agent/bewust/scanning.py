"""Bytes in, marker hits out: incremental decoding and marker search with bounded memory.

Belongs here: bodies. Not here: hosts, requests, people. Feeding a body in any chunks gives the
verdict of the whole. The HTML part follows the tokenizer of the HTML standard (section 13.2.5) as
far as tags, attributes, comments and raw-text elements go (scripting on, as in a browser), because
names of AI answers also occur in scripts and style sheets of pages that have none.
"""

import re
import zlib
from collections.abc import Iterator, Sequence
from itertools import chain
from math import inf
from typing import Protocol

import brotli
import zstandard

from bewust.model import Marker, Response

PIECE = 64 << 10  # bytes decoded at a time, so that a compressed bomb never unfolds at once
ZSTD_SLICE = 128  # bytes; zstd can turn 3 bytes into 128 KiB, and its decoder takes no output limit
SPACES = 64  # blanks allowed around the colon of a JSON key; bounds the tail to be kept

_ATTRIBUTES = (
    rb"(?:[\s/]++|[^\s/>][^\s/>=]*+"
    rb"(?:\s*+=\s*+(?:\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z)|[^\s\"'>][^\s>]*+))?+)*+"
)
_RAW = rb"(?i:script|style|textarea|title|xmp|iframe|noembed|noframes|noscript)"
_TAG = rb"/?[a-zA-Z][^\s/>]*+" + _ATTRIBUTES + rb">"
_BOGUS = rb"(?:!(?!--)|\?|/(?![a-zA-Z]))[^>]*+>"
_PLAIN = re.compile(rb"(?:[^<]++|<(?!" + _RAW + rb"[\s/>])(?:" + _TAG + rb"|" + _BOGUS + rb"|(?=[^a-zA-Z/!?])))*+")
_TAGS = re.compile(rb"<(?:[a-zA-Z][^\s/>]*+(" + _ATTRIBUTES + rb")>|" + _TAG + rb"|" + _BOGUS + rb")")
_RAW_OPEN = re.compile(rb"<(" + _RAW + rb")" + _ATTRIBUTES + rb">")
_ATTRIBUTE = re.compile(rb"([^\s/>][^\s/>=]*+)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'>][^\s>]*+)))?+")
_COMMENT_ABRUPT, _COMMENT_END = re.compile(rb"-?>"), re.compile(rb"--!?>")  # "<!-->" is a whole comment
# In a script's own "<!--", a script tag has an end tag that does not end the outer script.
_SCRIPT = re.compile(rb"(?i)<(?:/script(?=[\s/>])|!(?=--))")
_SCRIPT_ESCAPED = re.compile(rb"(?i)</?script(?=[\s/>])|-->")
_SCRIPT_DOUBLE = re.compile(rb"(?i)</script(?=[\s/>])|-->")
_IN_SCRIPT = {
    (_SCRIPT, b"<!"): _SCRIPT_ESCAPED,
    (_SCRIPT_ESCAPED, b"-->"): _SCRIPT,
    (_SCRIPT_ESCAPED, b"<script"): _SCRIPT_DOUBLE,
    (_SCRIPT_DOUBLE, b"-->"): _SCRIPT,
    (_SCRIPT_DOUBLE, b"</script"): _SCRIPT_ESCAPED,
}
_BLANKS = re.compile(r"[ \t\n\f\r]+")  # what separates tokens in HTML; a no-break space does not
_PATIENCE = 64 << 10  # an open tag longer than this is tried again only when it has grown a quarter


class UnknownEncodingError(ValueError):
    """A Content-Encoding that nothing here decodes; the body cannot be looked into."""


class Decoder(Protocol):
    """Decodes a body as it comes."""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` decodes to, in pieces of bounded size; raises on corrupt data."""


class _Zlib:
    """gzip (of several members too) and deflate, with or without the zlib header."""

    def __init__(self, deflate: bool) -> None:
        self._bits: int | None = None if deflate else zlib.MAX_WBITS | 16
        self._inner = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._head = b""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        if self._bits is None:
            self._head += data
            if len(self._head) < 2:
                return
            data = self._head
            # RFC 1950 section 2.2: method 8, and the two header bytes are a multiple of 31.
            framed = data[0] & 15 == 8 and (data[0] << 8 | data[1]) % 31 == 0
            self._bits = zlib.MAX_WBITS if framed else -zlib.MAX_WBITS
            self._inner = zlib.decompressobj(self._bits)
        piece = b""
        while data or len(piece) == PIECE:  # a full piece may hide what used-up input still means
            if self._inner.eof:
                self._inner = zlib.decompressobj(self._bits)
            piece = self._inner.decompress(data, PIECE)
            yield piece
            data = self._inner.unconsumed_tail or self._inner.unused_data


class _Brotli:
    def __init__(self) -> None:
        self._inner = brotli.Decompressor()

    def pieces(self, data: bytes) -> Iterator[bytes]:
        piece = b""
        while data or piece or not self._inner.can_accept_more_data():
            piece = self._inner.process(data, output_buffer_limit=PIECE)
            yield piece
            data = b""


class _Zstd:
    def __init__(self) -> None:
        inner = zstandard.ZstdDecompressor(max_window_size=8 << 20)
        self._inner = inner.decompressobj(read_across_frames=True)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), ZSTD_SLICE):
            yield self._inner.decompress(data[start : start + ZSTD_SLICE])


def decoders(encoding: str) -> tuple[Decoder, ...]:
    """Return the decoders for a Content-Encoding header, outermost first.

    Raises UnknownEncodingError. RFC 9110 section 8.4: codings are listed in the order applied.
    """
    made: list[Decoder] = []
    for name in reversed([part.strip().lower() for part in encoding.split(",")]):
        if name in ("gzip", "x-gzip", "deflate"):
            made.append(_Zlib(name == "deflate"))
        elif name == "br":
            made.append(_Brotli())
        elif name == "zstd":
            made.append(_Zstd())
        elif name not in ("", "identity"):
            raise UnknownEncodingError(name)
    return tuple(made)


class Scanner:
    """Looks for the markers of one or more responses in one body.

    When `done`, nothing further can change the verdict, and `hit` is the index of the first
    response in `wanted` of which a marker was found, wherever in the body that was.
    """

    def __init__(self, wanted: Sequence[Response], encoding: str = "") -> None:
        self._decoders = decoders(encoding)
        self._searches: list[tuple[int, int, _Search]] = []
        for index, response in enumerate(wanted):
            if markup := [marker for marker in response.markers if marker.place != "key"]:
                self._searches.append((index, response.within, _Markup(markup)))
            if keys := [marker.value for marker in response.markers if marker.place == "key"]:
                self._searches.append((index, response.within, _Keys(keys)))
        self._read = 0
        self._best: int | None = None
        self.hit: int | None = None
        self.done = not self._searches

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes as they came over the wire; corrupt ones end the search."""
        slices = (chunk[start : start + PIECE] for start in range(0, len(chunk), PIECE))
        try:
            for piece in chain.from_iterable(self._decode(data, self._decoders) for data in slices):
                if self.done:
                    return
                self._search(piece)
        except (zlib.error, brotli.error, zstandard.ZstdError):
            self._finish()

    def end(self) -> None:
        """Say that the body is complete."""
        self._search(b"", last=True)
        self._finish()

    def _finish(self) -> None:
        self._searches = []
        self.hit, self.done = self._best, True

    def _decode(self, data: bytes, rest: Sequence[Decoder]) -> Iterator[bytes]:
        if not rest:
            yield data
            return
        for piece in rest[0].pieces(data):
            yield from self._decode(piece, rest[1:])

    def _search(self, piece: bytes, *, last: bool = False) -> None:
        for index, within, search in self._searches:
            left = within - self._read
            if search.feed(piece[:left], last=last or len(piece) >= left):
                self._best = index
                break
        self._read += len(piece)
        # Of the others, only what stands before it in `wanted` can still change the verdict.
        best = inf if self._best is None else self._best
        self._searches = [s for s in self._searches if s[0] < best and s[1] > self._read]
        if not self._searches:
            self._finish()


class _Search(Protocol):
    def feed(self, data: bytes, *, last: bool) -> bool: ...


class _Keys:
    """JSON keys with a value that is not empty, in any text: JSON, event streams, scripts."""

    def __init__(self, keys: Sequence[str]) -> None:
        names = b"|".join(re.escape(key.encode()) for key in keys)
        blank = rb"\s{0,%d}+" % SPACES
        value = rb'(?:"[^"]|[{\[]' + blank + rb"[^\s}\]]|-?\d|true)"
        self._pattern = re.compile(rb'(?<!\\)"(?:' + names + rb')"' + blank + rb":" + blank + value)
        self._keep = max(map(len, keys)) + 3 * SPACES + 8
        self._tail = b""

    def feed(self, data: bytes, *, last: bool) -> bool:
        text = self._tail + data
        if self._pattern.search(text):
            return True
        self._tail = text[-self._keep :]
        return False


class _Markup:
    """Attributes and comments of HTML; scripts, style sheets and other raw text are passed over."""

    def __init__(self, markers: Sequence[Marker]) -> None:
        self._comments = tuple(m.value.encode() for m in markers if m.place == "comment")
        self._attributes: dict[bytes, list[Marker]] = {}
        for marker in markers:
            if marker.place != "comment":
                self._attributes.setdefault(marker.place.encode(), []).append(marker)
        self._values = tuple(m.value.encode() for m in markers if m.place != "comment")
        self._longest = max(map(len, [b"->", *self._comments]))
        self._closing: re.Pattern[bytes] | None = None
        self._buffer = b""
        self._need = 0

    def feed(self, data: bytes, *, last: bool) -> bool:
        self._buffer += data
        if len(self._buffer) < self._need and not last:
            return False
        position, hit = 0, False
        while not hit:
            step = self._step(position, last)
            if step is None:
                break
            position, hit = step
        self._buffer = self._buffer[position:]
        self._need = len(self._buffer) * 5 // 4 if len(self._buffer) > _PATIENCE else 0
        return hit

    def _step(self, start: int, last: bool) -> tuple[int, bool] | None:
        """Go on from `start`: return the new position and whether there was a hit; None to wait."""
        if self._closing is not None:
            return self._leave(start)
        if (plain := _PLAIN.match(self._buffer, start)) and plain.end() > start:
            return plain.end(), self._in_tags(plain[0])
        if self._buffer.startswith(b"<!--", start):
            return self._enter_comment(start, last)
        if raw := _RAW_OPEN.match(self._buffer, start):
            name = raw[1].lower()
            self._closing = _SCRIPT if name == b"script" else re.compile(b"(?i)</" + name + rb"(?=[\s/>])")
            return raw.end(), False
        return None

    def _leave(self, start: int) -> tuple[int, bool] | None:
        """Find the end of the comment or raw text; keep only what could be the start of it."""
        assert self._closing is not None
        if found := self._closing.search(self._buffer, start):
            self._closing = _IN_SCRIPT.get((self._closing, found[0].lower()))
            passed = self._closing is not None or found[0].endswith(b">")
            return found.end() if passed else found.start(), False
        keep = max(start, len(self._buffer) - 16)
        return (keep, False) if keep > start else None

    def _enter_comment(self, start: int, last: bool) -> tuple[int, bool] | None:
        start += len(b"<!--")
        if whole := _COMMENT_ABRUPT.match(self._buffer, start):
            return whole.end(), False
        head = self._buffer[start : start + self._longest]
        if len(head) < self._longest and not last:
            return None
        self._closing = _COMMENT_END
        return start, head.startswith(self._comments)

    def _in_tags(self, region: bytes) -> bool:
        # Almost every stretch of a page has none of the names: one fast look spares the tags.
        if not any(value in region for value in self._values):
            return False
        return any(tag[1] and self._fits(tag[1]) for tag in _TAGS.finditer(region))

    def _fits(self, attributes: bytes) -> bool:
        known: set[bytes] = set()
        for found in _ATTRIBUTE.finditer(attributes):
            name = found[1].lower()
            if name in known or name not in self._attributes:
                continue
            known.add(name)  # of an attribute that is there twice, the first counts
            text = (found[2] or found[3] or found[4] or b"").decode("utf-8", "replace")
            if any(holds(marker, text) for marker in self._attributes[name]):
                return True
        return False


def holds(marker: Marker, value: str) -> bool:
    """Whether an attribute's value satisfies a marker; tokens are split as HTML splits classes."""
    if marker.test == "~=":
        return marker.value in _BLANKS.split(value)
    return value.startswith(marker.value) if marker.test == "^=" else value == marker.value
