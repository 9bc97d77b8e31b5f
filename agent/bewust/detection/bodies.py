"""Bodies and WebSocket messages -> the rule that they satisfy; for live traffic and recordings alike.

Belongs here: which of the rules that wait can be decided by what. Not here: file formats (recordings), markers
(scanning).
"""

from collections.abc import Sequence

from bewust.catalogue import Rule
from bewust.detection.decompression import UnknownEncodingError
from bewust.detection.scanning import Scanner
from bewust.model import Content


def scan(open_rules: Sequence[tuple[Rule, Content]], body: bytes, encoding: str = "") -> Rule | None:
    """Return the first rule whose markers are in a whole body or message."""
    try:
        scanner = Scanner([content for _, content in open_rules], encoding)
    except UnknownEncodingError:
        return None
    scanner.feed(body)
    scanner.end()
    return None if scanner.hit is None else open_rules[scanner.hit][0]


def answered(pending: Sequence[Rule], media_type: str, status: int) -> list[tuple[Rule, Content]]:
    """Return the rules that read a response of this kind: a success of the media type they name."""
    if not 200 <= status < 300:
        return []
    wanted = [(rule, rule.signature.response) for rule in pending]
    return [(rule, content) for rule, content in wanted if content and media_type in content.types]


def framed(pending: Sequence[Rule], sent: bool) -> list[tuple[Rule, Content]]:
    """Return the rules that read a WebSocket message in this direction."""
    frames = [(rule, rule.signature.frame) for rule in pending]
    return [(rule, frame.content) for rule, frame in frames if frame and frame.sent == sent]


def media_type(header: str) -> str:
    """Return the bare media type of a Content-Type header."""
    return header.partition(";")[0].strip().lower()
