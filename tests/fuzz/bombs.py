"""Answers that unfold to a thousand times their size."""

import gzip
from collections.abc import Callable, Mapping

import brotli
import zstandard

SIZE = 64 << 20  # bytes when unfolded


def _answer(coding: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n"
    )
    return head.encode() + b"Connection: close\r\n\r\n" + body


_made = {
    "gzip": gzip.compress(b"<p>" * (SIZE // 3), 9),
    "br": brotli.compress(b"<p>" * (SIZE // 3), quality=3),
    "zstd": zstandard.compress(b"<p>" * (SIZE // 3)),
}
_made["gzip, gzip"] = gzip.compress(_made["gzip"], 9)
BOMBS: Mapping[str, Callable[[], bytes]] = {
    coding: lambda coding=coding, body=body: _answer(coding, body)  # type: ignore[misc]
    for coding, body in _made.items()
}
