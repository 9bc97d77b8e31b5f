"""Bytes in, marker hits out: bodies and messages searched as they come, with bounded memory.

Belongs here: bodies. Not here: hosts, requests, people. Feeding a body in any chunks gives the
verdict of the whole. Content codings are undone in decompression, HTML is read in html.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple, Protocol

from bewust.detection.decompression import CORRUPT, PIECE, Decoder, decoders
from bewust.detection.html import HtmlMatcher
from bewust.model import BodyMarker, Content

UNFOLDED = 64 << 20  # bytes decoded of one body, of all its codings together; no rule reads more than a quarter
STEP = 512  # bytes that each step counts for at least: an empty member of a gzip costs time too
SPACES = 64  # blanks allowed around the colon of a JSON key; bounds the tail to be kept
STEPS = 1 << 16  # brackets, and outermost strings, of a body that are followed; more of them is no request of a service
STRING_LIMIT = 64  # bytes kept of a string or a form field: names and texts of markers are shorter

_BLANK = rb"\s{0,%d}+" % SPACES
_FILLED = rb'(?:"[^"]|[{\[]' + _BLANK + rb"[^\s}\]]|-?\d|true)"
_STRUCTURE = re.compile(rb'["{}\[\]]')
_IN_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_NESTED = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)  # up to the next bracket or open string


type Token = tuple[int, int]  # of which content, and which of its groups


class BodyMatcher(Protocol):
    """Looks for markers in a body; each set of them stands for a token."""

    @property
    def tokens(self) -> Collection[Token]:
        """What it can find."""

    def feed(self, data: bytes, *, last: bool) -> Iterable[Token]:
        """Take the next bytes, of which `last` says that none follow; return the tokens of what was found."""


class _Open(NamedTuple):
    """A search under way, and how far it may read."""

    within: int
    search: BodyMatcher


class Scanner:
    """Looks for the markers of one or more contents in one body.

    When `done`, nothing further can change the verdict, and `hit` is the index of the first content
    in `wanted` of which every group has a marker, wherever in the body that was.
    """

    def __init__(self, wanted: Sequence[Content], encoding: str = "") -> None:
        self._decoders = decoders(encoding)
        self._missing = [set(range(len(content.groups))) for content in wanted]
        self._open = list(_searches(wanted))
        self._read = 0
        self._unfolded = 0
        self._best: int | None = None
        self.hit: int | None = None
        self.done = not self._open

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes as they came over the wire; corrupt ones end the search."""
        slices = (chunk[start : start + PIECE] for start in range(0, len(chunk), PIECE))
        try:
            for piece in _joined(chain.from_iterable(self._decode(data, self._decoders) for data in slices)):
                if self.done:
                    return
                self._search(piece)
        except CORRUPT:
            self._finish()

    def end(self) -> None:
        """Say that the body is complete."""
        self._search(b"", last=True)
        self._finish()

    def _finish(self) -> None:
        self._open = []
        self.hit, self.done = self._best, True

    def _decode(self, data: bytes, rest: Sequence[Decoder]) -> Iterator[bytes]:
        if not rest:
            yield data
            return
        for piece in rest[0].pieces(data):
            self._unfolded += max(len(piece), STEP)
            if self._unfolded > UNFOLDED:  # an inner coding can swallow any amount and give nothing
                self._finish()
                return
            yield from self._decode(piece, rest[1:])

    def _search(self, piece: bytes, *, last: bool = False) -> None:
        for within, search in self._open:
            left = within - self._read
            for index, group in search.feed(piece[:left], last=last or len(piece) >= left):
                self._missing[index].discard(group)
                if not self._missing[index] and (self._best is None or index < self._best):
                    self._best = index
        self._read += len(piece)
        self._open = [o for o in self._open if o.within > self._read and any(map(self._matters, o.search.tokens))]
        if not self._open:
            self._finish()

    def _matters(self, token: Token) -> bool:
        """Whether a token can still change the verdict: of the contents, only one before the best one can."""
        index, group = token
        return group in self._missing[index] and (self._best is None or index < self._best)


def _joined(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield pieces of bounded size that are worth a search each."""
    waiting: list[bytes] = []
    size = 0
    try:
        for piece in pieces:
            waiting.append(piece)
            size += len(piece)
            if size >= PIECE:
                yield b"".join(waiting)
                waiting, size = [], 0
    except CORRUPT:
        yield b"".join(waiting)
        raise
    if size:
        yield b"".join(waiting)


def _searches(wanted: Sequence[Content]) -> Iterator[_Open]:
    """Yield the searches that contents need; HTML and fields are read once for all that read equally far."""
    shared: dict[tuple[bool, int], dict[Token, list[BodyMarker]]] = {}
    for index, content in enumerate(wanted):
        for group, markers in enumerate(content.groups):
            for kind, of_kind in _ALONE.items():
                if those := [marker for marker in markers if marker.place == kind]:
                    yield _Open(content.within, of_kind((index, group), those))
            for marker in markers:
                if marker.place not in _ALONE:
                    sets = shared.setdefault((marker.place == "field", content.within), {})
                    sets.setdefault((index, group), []).append(marker)
    for (fields, within), sets in shared.items():
        yield _Open(within, FieldMatcher(sets) if fields else HtmlMatcher(sets))


class JsonKeyMatcher:
    """JSON keys with a value that is not empty, in any text: JSON, event streams, scripts."""

    def __init__(self, token: Token, markers: Sequence[BodyMarker]) -> None:
        self.tokens = (token,)
        keys = b"|".join(map(_key, markers))
        self._pattern = re.compile(rb"(?<!\\)(?:" + keys + rb")")
        self._keep = max(len(marker.value) for marker in markers) + 3 * SPACES + 8
        self._tail = b""

    def feed(self, data: bytes, *, last: bool) -> Sequence[Token]:
        """Take the next bytes; return the token once a key was found."""
        text = self._tail + data
        if self._pattern.search(text):
            return self.tokens
        self._tail = text[-self._keep :]
        return ()


def _key(marker: BodyMarker) -> bytes:
    name, _, text = marker.value.encode().partition(b":")
    value = b'"' + re.escape(text) + b'"' if text else _FILLED
    return b'"' + re.escape(name) + b'"' + _BLANK + b":" + _BLANK + value


class FieldMatcher:
    """Fields of the body itself: keys of the outermost JSON object, or fields of a form.

    What is nested, and what is in texts, does not count: a chat's own words may hold anything. `sets` are markers by
    the token that any of them stands for: the body is read once for all of them.
    """

    def __init__(self, sets: Mapping[Token, Sequence[BodyMarker]]) -> None:
        self.tokens = tuple(sets)
        self._keys = [JsonKeyMatcher(token, markers) for token, markers in sets.items()]
        named = [(token, *m.value.encode().partition(b":")[::2]) for token, markers in sets.items() for m in markers]
        self._named = {name: [(token, text) for token, each, text in named if each == name] for _, name, _ in named}
        names = b"|".join(map(re.escape, self._named))
        self._form_field = re.compile(rb"(?:\A|&)(%b)=([^&]++)" % names)
        self._is_form: bool | None = None
        self._rest = b""
        self._depth = 0
        self._string: int | None = None  # bytes of the string that were kept, None outside of one
        self._entered = False
        self._steps = 0

    def feed(self, data: bytes, *, last: bool) -> Sequence[Token]:
        """Take the next bytes; return the tokens whose field was found."""
        if self._is_form is None:
            data = data.lstrip(b"\xef\xbb\xbf \t\r\n")  # a mark of UTF-8, and blanks
            if not data:
                return ()
            self._is_form = data[:1] not in b"{["
        if self._is_form:
            return self._form(data, last)
        outline = self._outline(data)
        return [token for keys in self._keys for token in keys.feed(outline, last=last)]

    def _form(self, data: bytes, last: bool) -> Sequence[Token]:
        data = self._rest + data
        whole = len(data) if last else max(data.rfind(b"&"), 0)
        self._rest = data[whole:][: 4 * STRING_LIMIT]
        return [
            token
            for field in self._form_field.finditer(data, 0, whole)
            for token, text in self._named[field[1]]
            if text in (b"", field[2])
        ]

    def _outline(self, data: bytes) -> bytes:
        """Return the outermost object alone: strings cut short, and of what is nested whether it is empty."""
        data, self._rest = self._rest + data, b""
        kept: list[bytes] = []
        at = 0
        while at < len(data) and self._steps < STEPS:
            self._steps += 1
            at = self._skip_string(data, at, kept) if self._string is not None else self._step(data, at, kept)
        return b"".join(kept)

    def _skip_string(self, data: bytes, at: int, kept: list[bytes]) -> int:
        found = _IN_STRING.match(data, at)
        assert found is not None and self._string is not None
        if self._depth <= 1 and self._string < STRING_LIMIT:
            room = STRING_LIMIT - self._string
            self._string += len(found[0])
            # Cut short, it must not end in half an escape, which would hide the closing quote.
            kept.append(found[0] if len(found[0]) <= room else found[0][:room].rstrip(b"\\"))
        if found.end() == len(data):
            return len(data)
        if data[found.end()] == ord("\\"):  # an escape cut in two
            self._rest = data[found.end() :]
            return len(data)
        self._string = None
        if self._depth <= 1:
            kept.append(b'"')
        return found.end() + 1

    def _step(self, data: bytes, at: int, kept: list[bytes]) -> int:
        nested = self._depth > 1 and not self._entered
        found = _STRUCTURE.search(data, _NESTED.match(data, at).end() if nested else at)  # type: ignore[union-attr]
        end = found.start() if found else len(data)
        if self._depth <= 1:
            kept.append(data[at:end])
        elif self._entered and (data[at:end].strip() or (found and found[0] not in b"}]")):
            kept.append(b".")
            self._entered = False
        if found is None:
            return end
        match found[0]:
            case b'"':
                self._string = 0
            case b"{" | b"[":
                self._depth += 1
                self._entered = self._depth == 2
            case _:
                self._depth = max(0, self._depth - 1)
        if self._depth <= 1 or self._entered:
            kept.append(found[0])
        return found.end()


class SseMatcher:
    """Names of server-sent events."""

    def __init__(self, token: Token, markers: Sequence[BodyMarker]) -> None:
        self.tokens = (token,)
        names = b"|".join(re.escape(marker.value.encode()) for marker in markers)
        self._pattern = re.compile(rb"[\r\n]event:[ \t]?(?:" + names + rb")[\r\n]")
        self._keep = max(len(marker.value) for marker in markers) + 16
        self._tail = b"\n"

    def feed(self, data: bytes, *, last: bool) -> Sequence[Token]:
        """Take the next bytes; return the token once an event was named."""
        text = self._tail + data + (b"\n" if last else b"")
        if self._pattern.search(text):
            return self.tokens
        self._tail = text[-self._keep :]
        return ()


_ALONE: dict[str, type[JsonKeyMatcher] | type[SseMatcher]] = {"key": JsonKeyMatcher, "event": SseMatcher}
