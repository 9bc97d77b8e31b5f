"""What the tests of bodies share: markers, codings, and a scanner driven to its end."""

import gzip
import zlib
from collections.abc import Callable
from itertools import pairwise

import brotli
import pytest
import zstandard
from hypothesis import strategies as st

from bewust.catalogue.entries import parse_marker
from bewust.detection.scanning import Scanner
from bewust.model import Content

MARKERS = ("class~=mZJni", "id^=folsrch", "comment^=Sv6Kpe[", "comment^=TgQPHd|[")
HIT = b'<div class="mZJni">'


def wanted(*markers: str, within: int = 2 << 20) -> Content:
    """One group: any of the markers."""
    return Content((tuple(map(parse_marker, markers or MARKERS)),), within)


PAGE = wanted()


def verdict(chunks: list[bytes], encoding: str = "", *contents: Content) -> int | None:
    scanner = Scanner(contents or [PAGE], encoding)
    for chunk in chunks:
        scanner.feed(chunk)
    scanner.end()
    assert scanner.done
    return scanner.hit


def hits(body: bytes, *contents: Content) -> bool:
    return verdict([body], "", *contents) is not None


def cut(body: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(n, len(body)) for n in at), len(body)]
    return [body[a:b] for a, b in pairwise(edges)]


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "identity": ("identity", bytes),
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZIP", gzip.compress),
    "two gzip members": ("gzip", lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:])),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstandard.ZstdCompressor().compress),
    "two zstd frames": ("zstd", lambda data: zstandard.compress(data[:9]) + zstandard.compress(data[9:])),
    "gzip, br": ("gzip, br", lambda data: brotli.compress(gzip.compress(data))),
    "zstd, deflate": ("zstd, deflate", lambda data: zlib.compress(zstandard.compress(data))),
}  # fmt: skip
packed = pytest.mark.parametrize(("encoding", "pack"), PACKERS.values(), ids=PACKERS)


# Pieces of pages, put together at random.

FRAGMENTS = st.sampled_from(
    [
        "<!--", "-->", "--!>", "<!", "<!-", "->", "-", "!", ">", "<", "/", "</", "<?", "=", " ", "\n", "\0", "é",
        '"', "'", "<script>", "<script", "</script", "</script>", "</SCRIPT >", "<scripty>", "<style>", "</style>",
        "<title>", "</title>", "<textarea ", "</textarea\n>", "<noscript>", "</noscript>", "<div ", "<DIV a='",
        '<p b="',
        "class=", "class='mZJni'", ' class="x mZJni y"', "mZJni", "id=", "id=folsrch1", "id='", "folsrch",
        "Sv6Kpe[", "<!--Sv6Kpe[", "<!--TgQPHd|[[", "</div>", "</p class=mZJni>", "<br/>", "<div class=mZJni>", "a",
    ]
)  # fmt: skip
HTMLISH = st.lists(FRAGMENTS, max_size=25).map("".join)
