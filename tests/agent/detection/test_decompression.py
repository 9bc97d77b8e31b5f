"""Every coding is undone to its last byte, and a bomb never unfolds."""

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard

from bewust.detection.decompression import CODINGS, PIECE, UnknownEncodingError, decoders
from bewust.detection.scanning import UNFOLDED, Scanner
from support.body_samples import HIT, PAGE, raw_deflate, verdict, wanted


@pytest.mark.parametrize("repeated", range(43_600, 43_900, 7))
def test_the_last_bytes_of_raw_deflate_are_not_held_back(repeated: int) -> None:
    """It has no trailer, so the input can be used up while a full piece still hides some output."""
    body = b"<p>" * repeated
    (decoder,) = decoders("deflate")
    assert b"".join(decoder.pieces(raw_deflate(body))) == body


@pytest.mark.parametrize(
    "encoding", ["compress", "gzip, lzma", "dcb", "gzip;q=1", "gzip, br, zstd, gzip", "gzip," * 5000]
)
def test_an_encoding_that_nothing_decodes_is_refused(encoding: str) -> None:
    with pytest.raises(UnknownEncodingError):
        Scanner([PAGE], encoding)


@pytest.mark.parametrize("encoding", ["", " ", "identity", "Identity, ", ","])
def test_no_encoding_needs_no_decoder(encoding: str) -> None:
    assert decoders(encoding) == ()


@pytest.mark.timeout(20)
def test_empty_gzip_members_take_no_quadratic_time() -> None:
    assert verdict([gzip.compress(b"") * 100_000 + gzip.compress(HIT)], "gzip") == 0


def bomb_gzip() -> bytes:
    return gzip.compress(gzip.compress(bytes(300 << 20), 1), 9)


BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "gzip": ("gzip", lambda: gzip.compress(bytes(100 << 20), 1)),
    "gzip twice": ("gzip, gzip", bomb_gzip),
    "br": ("br", lambda: brotli.compress(bytes(100 << 20), quality=1)),
    "zstd": ("zstd", lambda: zstandard.compress(bytes(100 << 20))),
    "zstd without a checksum, in one block's worth of bytes": (
        "zstd",
        # RFC 8878: magic, a frame of one MiB window, then blocks that repeat one byte 128 KiB long.
        lambda: b"\x28\xb5\x2f\xfd\x00\x50" + b"\x02\x00\x10a" * 800 + b"\x03\x00\x10a",
    ),
}


@pytest.mark.parametrize(("encoding", "make"), BOMBS.values(), ids=BOMBS)
def test_a_compressed_bomb_never_unfolds(encoding: str, make: Callable[[], bytes]) -> None:
    wire = make()
    scanner = Scanner([wanted(within=64 << 20)], encoding)
    tracemalloc.start()
    scanner.feed(wire)
    scanner.end()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert scanner.done
    assert peak < 24 << 20


@pytest.mark.timeout(20)
def test_an_inner_coding_that_swallows_everything_is_given_up() -> None:
    """Members without content: a little unfolds to gigabytes between the codings, and to nothing at the end."""
    member = gzip.compress(b"", 1)
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    wire = b"".join(packer.compress(member * 50_000) for _ in range(40)) + packer.flush()
    scanner = Scanner([wanted()], "gzip, gzip")
    scanner.feed(wire)
    assert scanner.done and scanner.hit is None
    assert UNFOLDED < scanner._unfolded <= UNFOLDED + CODINGS * PIECE, "it stopped as soon as that much was decoded"
