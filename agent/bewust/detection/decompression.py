"""Content codings, undone as the bytes come: gzip, deflate, brotli, zstd.

Belongs here: turning wire bytes into pieces of bounded size. Not here: what is looked for in them.
"""

import zlib
from collections.abc import Iterator
from typing import Protocol

import brotli
import zstandard

from bewust.errors import BewustError

PIECE = 64 << 10  # bytes decoded at a time, so that a compressed bomb never unfolds at once
CODINGS = 3  # over each other at most; servers use one
ZSTD_SLICE = 128  # bytes; zstd can turn 3 bytes into 128 KiB, and its decoder takes no output limit
CORRUPT = (zlib.error, brotli.error, zstandard.ZstdError)  # what a decoder raises on corrupt data


class UnknownEncodingError(BewustError, ValueError):
    """A Content-Encoding that nothing here decodes; the body cannot be inspected."""


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
    if len(made) > CODINGS:
        raise UnknownEncodingError(f"{len(made)} codings")
    return tuple(made)
