"""The result pages that are served: made up, of the build of a real one, with no AI answer in them."""

import gzip
import random
from collections.abc import Iterator
from pathlib import Path

import brotli
import zstandard

from e2e.world import DECOYS

WORDS = [
    "tide",
    "dyke",
    "bicycle",
    "harbour",
    "polder",
    "canal",
    "lantern",
    "meadow",
    "stork",
    "windmill",
    "the",
    "a",
    "of",
    "and",
    "in",
    "to",
    "with",
]


def write(folder: Path) -> None:
    """Write page.* of 100 KB and long.* of 1 MB, in three encodings each."""
    folder.mkdir(exist_ok=True)
    for name, size in {"page": 100_000, "long": 1_000_000}.items():
        body = result_page(size)
        (folder / f"{name}.br").write_bytes(brotli.compress(body, quality=5))
        (folder / f"{name}.gzip").write_bytes(gzip.compress(body, 6))
        (folder / f"{name}.zstd").write_bytes(zstandard.compress(body, 3))


def result_page(size: int) -> bytes:
    """Return a page of so many bytes: two fifths script and style, the rest elements and words."""
    text = f"<!doctype html><html lang='nl'><head><title>tides</title></head><body>{DECOYS}"
    for piece in _pieces(random.Random(7)):
        text += piece
        if len(text) >= size:
            return text[: size - 14].encode() + b"</body></html>"
    raise AssertionError


def _pieces(chance: random.Random) -> Iterator[str]:
    def token() -> str:
        return "".join(chance.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", k=6))

    def words(count: int) -> str:
        return " ".join(chance.choices(WORDS, k=count))

    while True:
        script = ";".join(
            f"{token()}=function(a,b){{return a<b&&'{token()}'||\"<div class='{token()}'>\"}}" for _ in range(12)
        )
        yield f"<script nonce='{token()}'>(function(){{{script}}})();</script><style>.{token()}{{margin:0}}</style>"
        for _ in range(3):
            ids = f"class='{token()} {token()} {token()}' id='{token()}' jsname='{token()}' data-ved='0ahUKE{token()}'"
            link = f"href='https://{token()}.example/{token()}?q={token()}&amp;sa=U' ping='/url?sa=t'"
            title = f"<h3 class='{token()}'>{words(7)}</h3><br><cite>{token()}.example</cite>"
            yield f"<div {ids}><a {link}>{title}</a><!--{token()}--><span class='{token()}'>{words(22)}</span></div>"
