"""Bytes in, marker hits out: incremental decoding and marker search with bounded memory.

Belongs here: bodies. Not here: hosts, requests, people. Feeding a body in any chunks gives the
verdict of the whole. The HTML part follows the tokenizer of the HTML standard (section 13.2.5) as
far as tags, attributes, comments and raw-text elements go, because names of AI answers also occur
in scripts and style sheets of pages that have none.
"""

import re
import zlib
from collections.abc import Iterator, Sequence
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
_RAW = rb"(?i:script|style|textarea|title|xmp|iframe|noembed|noframes)"
_TAG = rb"/?[a-zA-Z][^\s/>]*+" + _ATTRIBUTES + rb">"
_BOGUS = rb"[!?/](?!--)(?![a-zA-Z])[^>]*+>|[!?][a-zA-Z][^>]*+>"
_PLAIN = re.compile(rb"(?:[^<]++|<(?!" + _RAW + rb"[\s/>])(?:" + _TAG + rb"|" + _BOGUS + rb"|(?=[^a-zA-Z/!?])))*+")
_TAGS = re.compile(
    rb"<(?:([a-zA-Z][^\s/>]*+)(" + _ATTRIBUTES + rb")>|/[a-zA-Z][^\s/>]*+" + _ATTRIBUTES + rb">|" + _BOGUS + rb")"
)
_RAW_OPEN = re.compile(rb"<(" + _RAW + rb")" + _ATTRIBUTES + rb">")
_ATTRIBUTE = re.compile(rb"([^\s/>][^\s/>=]*+)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'>][^\s>]*+)))?+")
_COMMENT_END = re.compile(rb"--!?>")
_PATIENCE = 64 << 10  # an open tag longer than this is tried again only when it has grown a quarter


class UnknownEncodingError(ValueError):
    """A Content-Encoding that nothing here decodes; the body cannot be looked into."""


class Decoder(Protocol):
    """Decodes a body as it comes."""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` decodes to, in pieces of bounded size; raises on corrupt data."""


class _Identity:
    def pieces(self, data: bytes) -> Iterator[bytes]:
        yield data


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
        while data:
            if self._inner.eof:
                self._inner = zlib.decompressobj(self._bits)
            yield self._inner.decompress(data, PIECE)
            data = self._inner.unconsumed_tail or self._inner.unused_data


class _Brotli:
    def __init__(self) -> None:
        self._inner = brotli.Decompressor()

    def pieces(self, data: bytes) -> Iterator[bytes]:
        yield self._inner.process(data, output_buffer_limit=PIECE)
        while not self._inner.can_accept_more_data():
            yield self._inner.process(b"", output_buffer_limit=PIECE)


class _Zstd:
    def __init__(self) -> None:
        self._inner = zstandard.ZstdDecompressor(max_window_size=8 << 20).decompressobj()

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
    return tuple(made) or (_Identity(),)


class Scanner:
    """Looks for the markers of one or more responses in one body.

    `hit` is the index of the first response of which a marker was found, None until then; `done`
    tells that nothing further can change that.
    """

    def __init__(self, wanted: Sequence[Response], encoding: str = "") -> None:
        self._decoders = decoders(encoding)
        self._searches: list[tuple[int, int, _Search]] = []
        for index, response in enumerate(wanted):
            markup = [marker for marker in response.markers if marker.place != "key"]
            keys = [marker.value for marker in response.markers if marker.place == "key"]
            if markup:
                self._searches.append((index, response.within, _Markup(markup)))
            if keys:
                self._searches.append((index, response.within, _Keys(keys)))
        self._read = 0
        self.hit: int | None = None
        self.done = not self._searches

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes as they came over the wire; corrupt ones end the search."""
        if self.done:
            return
        try:
            for piece in self._decode(chunk, self._decoders):
                self._search(piece)
                if self.done:
                    return
        except (zlib.error, brotli.error, zstandard.ZstdError):
            self.done = True

    def end(self) -> None:
        """Say that the body is complete."""
        if not self.done:
            for index, _, search in self._searches:
                if search.feed(b"", last=True):
                    self.hit = index
                    break
            self.done = True

    def _decode(self, data: bytes, rest: Sequence[Decoder]) -> Iterator[bytes]:
        for piece in rest[0].pieces(data):
            if len(rest) > 1:
                yield from self._decode(piece, rest[1:])
            elif piece:
                yield piece

    def _search(self, piece: bytes) -> None:
        for index, within, search in self._searches:
            left = within - self._read
            if left > 0 and search.feed(piece[:left], last=len(piece) >= left):
                self.hit, self.done = index, True
                return
        self._read += len(piece)
        self.done = all(self._read >= within for _, within, _ in self._searches)


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
        self._longest = max(map(len, self._comments), default=0)
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
        match = _PLAIN.match(self._buffer, start)
        end = match.end() if match else start
        if end > start:
            return end, self._in_tags(start, end)
        if self._buffer.startswith(b"<!--", start):
            return self._enter_comment(start, last)
        if raw := _RAW_OPEN.match(self._buffer, start):
            self._closing = re.compile(rb"</" + raw[1] + rb"(?=[\s/>])", re.IGNORECASE)
            return raw.end(), False
        return None

    def _leave(self, start: int) -> tuple[int, bool] | None:
        """Find the end of the comment or raw text; keep only what could be the start of it."""
        assert self._closing is not None
        if found := self._closing.search(self._buffer, start):
            self._closing = None
            return found.end() if found[0].endswith(b">") else found.start(), False
        keep = max(start, len(self._buffer) - 16)
        return (keep, False) if keep > start else None

    def _enter_comment(self, start: int, last: bool) -> tuple[int, bool] | None:
        head = self._buffer[start + 4 : start + 4 + self._longest]
        ended = _COMMENT_END.search(self._buffer, start + 2)
        if len(head) < self._longest and not ended and not last:
            return None
        hit = bool(self._comments) and head.startswith(self._comments)
        self._closing = _COMMENT_END
        return start + 2, hit

    def _in_tags(self, start: int, end: int) -> bool:
        region = self._buffer[start:end]
        # Almost every stretch of a page has none of the names: one fast look spares the tags.
        if not any(value in region for value in self._values):
            return False
        return any(tag[1] and self._fits(tag[2]) for tag in _TAGS.finditer(region))

    def _fits(self, attributes: bytes) -> bool:
        known: set[bytes] = set()
        for found in _ATTRIBUTE.finditer(attributes):
            name = found[1].lower()
            if name in known or name not in self._attributes:
                known.add(name)
                continue
            known.add(name)
            value = found[2] or found[3] or found[4] or b""
            text = value.decode("utf-8", "replace")
            if any(holds(marker, text) for marker in self._attributes[name]):
                return True
        return False


def holds(marker: Marker, value: str) -> bool:
    """Whether an attribute's value satisfies a marker; tokens are split as HTML splits classes."""
    if marker.test == "~=":
        return marker.value in value.split()
    return value.startswith(marker.value) if marker.test == "^=" else value == marker.value
