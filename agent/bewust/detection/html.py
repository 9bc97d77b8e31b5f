"""Structural statements about HTML: attributes of elements, and comments, found as the bytes come.

It follows the tokenizer of the HTML standard (section 13.2.5) as far as tags, attributes, comments
and raw-text elements go (scripting on, as in a browser), because names of AI answers also occur in
scripts and style sheets of pages that have none.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import cache

from bewust.model import BodyMarker

_ATTRIBUTES = (
    rb"(?:[ \t\n\f\r/]++|[^ \t\n\f\r/>][^ \t\n\f\r/>=]*+"
    rb"(?:[ \t\n\f\r]*+=[ \t\n\f\r]*+(?:\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z)|[^ \t\n\f\r\"'>][^ \t\n\f\r>]*+))?+)*+"
)
_RAW_NAMES = ("script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes", "noscript")
_RAW = rb"(?=[stxinSTXIN])(?i:%b)" % "|".join(_RAW_NAMES).encode()
_SIMPLE = rb"(?: [a-zA-Z-]++=(?:\"[^\"]*+\"|'[^']*+'|[a-zA-Z0-9_-]++))*+>"  # as most are; only faster
_TAG = rb"/?[a-zA-Z][^ \t\n\f\r/>]*+" + _ATTRIBUTES + rb">"
_BOGUS = rb"(?:!(?!--)|\?|/(?![a-zA-Z]))[^>]*+>"
_COMMENT = rb"(?:-?>|[^-]*+(?:-(?!-!?>)[^-]*+)*+--!?>)"  # from behind its "<!--"
_TAGS = re.compile(
    rb"<(?:[a-zA-Z][^ \t\n\f\r/>]*+(" + _ATTRIBUTES + rb")>|" + _TAG + rb"|!--" + _COMMENT + rb"|" + _BOGUS + rb")"
)
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
_NOTHING: Set[tuple[int, int]] = frozenset()
_PATIENCE = (
    4 << 10
)  # bytes; an open tag longer than this is tried again only when it has doubled: the cost stays linear


def _whole(name: str) -> bytes:
    """A raw text element up to its end tag; of scripts only one without a comment, within which end tags mislead."""
    first, rest = f"[{name[0]}{name[0].upper()}]".encode(), name[1:].encode()
    inside = b"|!--" if name == "script" else b""
    end = rb"/%b(?i:%b)[\s/>]" % (first, rest)
    head = rb"%b(?i:%b)(?:%b|%b>)" % (first, rest, _SIMPLE, _ATTRIBUTES)
    return head + rb"(?:[^<]++|<(?!%b%b))*+(?=<%b)" % (end, inside, end)


@cache
def _passed(comments: tuple[bytes, ...]) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """What is passed over in one go: text, whole tags, whole comments but those that begin as one of `comments`.

    The second takes whole raw text elements too.
    """
    wanted = b"".join(b"(?!" + re.escape(prefix) + b")" for prefix in comments)
    comment = rb"!--" + wanted + _COMMENT
    tag = rb"/[a-zA-Z][a-zA-Z0-9]*+>|(?!" + _RAW + rb"[ \t\n\f\r/>])(?:[a-zA-Z][a-zA-Z0-9]*+" + _SIMPLE
    tag += rb"|" + _TAG + rb"|" + comment + rb"|" + _BOGUS + rb"|(?=[^a-zA-Z/!?]))"
    raw = b"|".join(map(_whole, _RAW_NAMES))
    one, other = (re.compile(rb"(?:[^<]*+<(?:%b))*+[^<]*+" % each) for each in (tag, tag + b"|" + raw))
    return one, other


class HtmlMatcher:
    """Attributes and comments of HTML; scripts, style sheets and other raw text are passed over.

    `sets` are markers by the token that any of them stands for.
    """

    def __init__(self, sets: Mapping[tuple[int, int], Sequence[BodyMarker]]) -> None:
        self.tokens = tuple(sets)
        each = [(token, marker) for token, markers in sets.items() for marker in markers]
        self._comments = [(m.value.encode(), token) for token, m in each if m.place == "comment"]
        self._elements = [((m, *m.also), token) for token, m in each if m.place != "comment"]
        self._names = {statement.place.encode() for statements, _ in self._elements for statement in statements}
        self._values = tuple({max(m.value for m in statements).encode() for statements, _ in self._elements})
        self._plain, self._far = _passed(tuple(sorted({prefix for prefix, _ in self._comments})))
        self._longest = max([2, *(len(prefix) for prefix, _ in self._comments)])
        self._closing: re.Pattern[bytes] | None = None
        self._near: Sequence[int] = ()
        self._buffer = b""
        self._need = 0

    def feed(self, data: bytes, *, last: bool) -> set[tuple[int, int]]:
        """Take the next bytes, of which `last` says that none follow; return the tokens that were found."""
        self._buffer += data
        found: set[tuple[int, int]] = set()
        if len(self._buffer) < self._need and not last:
            return found
        self._near = self._occurrences()
        position = 0
        while (step := self._step(position, last)) is not None:
            position, here = step
            found |= here
        self._buffer = self._buffer[position:]
        self._need = len(self._buffer) * 2 if len(self._buffer) > _PATIENCE else 0
        return found

    def _step(self, start: int, last: bool) -> tuple[int, Set[tuple[int, int]]] | None:
        """Go on from `start`: return the new position and what was found on the way; None to wait."""
        if self._closing is not None:
            return self._leave(start)
        if (far := self._far.match(self._buffer, start, self._first_near(start))) and far.end() > start:
            return far.end(), _NOTHING
        if (plain := self._plain.match(self._buffer, start)) and plain.end() > start:
            return plain.end(), self._in_tags(plain[0])
        if self._buffer.startswith(b"<!--", start):
            return self._enter_comment(start, last)
        if raw := _RAW_OPEN.match(self._buffer, start):
            name = raw[1].lower()
            self._closing = _SCRIPT if name == b"script" else re.compile(b"(?i)</" + name + rb"(?=[\s/>])")
            return raw.end(), _NOTHING
        return None

    def _occurrences(self) -> Sequence[int]:
        """Where in the buffer a value is, in a tag or not: all that is before the first is passed over in one go."""
        if b"" in self._values:
            return range(len(self._buffer))
        found: list[int] = []
        for value in self._values:
            at = self._buffer.find(value)
            while at >= 0:
                found.append(at)
                at = self._buffer.find(value, at + 1)
        return sorted(found)

    def _first_near(self, start: int) -> int:
        """Return where the first of them is from `start` on; the end where there is none."""
        index = bisect_left(self._near, start)
        return self._near[index] if index < len(self._near) else len(self._buffer)

    def _leave(self, start: int) -> tuple[int, Set[tuple[int, int]]] | None:
        """Find the end of the comment or raw text; keep only what could be the start of it."""
        assert self._closing is not None
        if found := self._closing.search(self._buffer, start):
            self._closing = _IN_SCRIPT.get((self._closing, found[0].lower()))
            passed = self._closing is not None or found[0].endswith(b">")
            return found.end() if passed else found.start(), _NOTHING
        keep = max(start, len(self._buffer) - 16)
        return (keep, _NOTHING) if keep > start else None

    def _enter_comment(self, start: int, last: bool) -> tuple[int, Set[tuple[int, int]]] | None:
        start += len(b"<!--")
        if whole := _COMMENT_ABRUPT.match(self._buffer, start):
            return whole.end(), _NOTHING
        head = self._buffer[start : start + self._longest]
        if len(head) < self._longest and not last:
            return None
        self._closing = _COMMENT_END
        return start, {token for prefix, token in self._comments if head.startswith(prefix)}

    def _in_tags(self, region: bytes) -> Set[tuple[int, int]]:
        return {token for tag in _TAGS.finditer(region) if tag[1] for token in self._fitting(tag[1])}

    def _fitting(self, attributes: bytes) -> Iterator[tuple[int, int]]:
        found: dict[str, str] = {}
        for match in _ATTRIBUTE.finditer(attributes):
            name = match[1].lower()
            if name in self._names:  # of an attribute that is there twice, the first counts
                text = (match[2] or match[3] or match[4] or b"").decode("utf-8", "replace")
                found.setdefault(name.decode(), text)
        for statements, token in self._elements:
            if all(holds(statement, found.get(statement.place)) for statement in statements):
                yield token


def holds(marker: BodyMarker, value: str | None) -> bool:
    """Whether an attribute's value satisfies a marker; tokens are split as HTML splits classes.

    None stands for an attribute that is not there.
    """
    if value is None:
        return False
    if marker.test == "~=":
        return marker.value in _BLANKS.split(value)
    return value.startswith(marker.value) if marker.test == "^=" else value == marker.value
