"""What an entry of the catalogue may say: the schema, its checks, and their messages.

Belongs here: one entry as it is written -> one frozen Service. Not here: which files there are and
how they are laid over each other (loading). Every mistake is one `CatalogueError` that names the
file, the entry and the remedy.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Literal

import msgspec

from bewust.catalogue.expressions import ExpressionError, check, glob
from bewust.durations import parse_duration
from bewust.errors import CONFIG, BewustError
from bewust.hosts import normalise_host
from bewust.model import (
    ANY_HOST,
    OBSERVED_HEADERS,
    BodyMarker,
    Confidence,
    Content,
    Context,
    Level,
    Service,
    Signature,
    WebSocketMatch,
)

DEFAULT_GAPS = {Context.SEARCH: 10.0, Context.TRANSLATION: 60.0}
STAND_ALONE_GAP = 30 * 60.0  # a service that a person chose, whatever its context
LONGEST_GAP = 24 * 3600.0  # seconds; Activities remembers a day
LONGEST_READ = 16 << 20  # bytes of a body that a rule may read; what is kept of it can be as much
LONGEST_VALUE = 63  # bytes of a name or text in a marker; scanning keeps no more of a string

_SIZES = {"KiB": 1 << 10, "MiB": 1 << 20}
_MARKER = re.compile(r"([A-Za-z][\w:-]*)(~=|\^=|=)(.*)", re.DOTALL)
_NAMED = {"comment": "^=", "key": "=", "field": "=", "event": "="}  # places that are no attribute


class CatalogueError(BewustError, ValueError):
    """A mistake in the catalogue: `file`, `entry` (where in it), what is wrong, what to do.

    `line` is 0 where it is not known.
    """

    exit_code = CONFIG

    def __init__(self, file: str, entry: str, problem: str, remedy: str, line: int = 0) -> None:
        super().__init__(f"{file}: {entry}: {problem}. {remedy}")
        self.file, self.entry, self.problem, self.remedy, self.line = file, entry, problem, remedy, line


class _RawContent(msgspec.Struct, forbid_unknown_fields=True):
    type: str | list[str] = []
    markers: list[str] = []
    all: list[str | list[str]] = []
    within: str = "2 MiB"


class _RawFrame(msgspec.Struct, forbid_unknown_fields=True, rename={"sender": "from"}):
    sender: Literal["browser", "site"]
    markers: list[str] = []
    all: list[str | list[str]] = []
    within: str = "64 KiB"


class _RawSignature(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    level: Level
    file: str
    line: int
    hosts: list[str] = []
    methods: list[str] = []
    path: str | None = None
    path_regex: str | None = None
    query: dict[str, str | bool] = {}
    headers: dict[str, str] = {}
    websocket: bool | None = None
    body: _RawContent | None = None
    frame: _RawFrame | None = None
    response: _RawContent | None = None
    confidence: Confidence | None = None
    reviewed: date | None = None


class _RawService(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    name: str
    vendor: str
    context: Context
    evidence: str
    reviewed: date
    signature: list[_RawSignature]
    embedded: bool = False
    gap: str | None = None
    confidence: Confidence = Confidence.LOW
    hosts: list[str] = []
    aliases: list[str] = []


def build_service(entry: dict[str, Any], countries: Sequence[str]) -> Service:
    """Return the service that an entry describes; `file` and `line` of it and its signatures are in it."""
    file, line = entry.pop("file"), entry.pop("line", 0)
    where = f"service {entry['id']!r}"

    def wrong(problem: str, remedy: str) -> CatalogueError:
        return CatalogueError(file, where, problem, remedy, line)

    try:
        raw = msgspec.convert(entry, _RawService)
    except msgspec.ValidationError as error:
        raise wrong(str(error), "Correct that key; docs/catalogue.md lists them all.") from error
    ids = [signature.id for signature in raw.signature]
    if not ids or len(set(ids)) < len(ids):
        raise wrong("has no signature, or one id twice", "Give each signature its own id.")
    if not raw.evidence.strip():
        raise wrong("has no evidence", "Say in a sentence where the rules come from.")
    gap = DEFAULT_GAPS.get(raw.context, STAND_ALONE_GAP) if raw.embedded else STAND_ALONE_GAP
    if raw.gap is not None:
        gap = parse_duration(raw.gap)
        if not 0 < gap <= LONGEST_GAP:
            raise wrong(f"gap {raw.gap!r} is no duration of at most a day", 'Write it like "10s" or "30m".')
    return Service(
        id=raw.id, name=raw.name, vendor=raw.vendor, context=raw.context, embedded=raw.embedded,
        gap=gap, evidence=raw.evidence, reviewed=raw.reviewed.isoformat(), aliases=tuple(raw.aliases),
        signatures=tuple(_signature(signature, raw, where, countries) for signature in raw.signature),
        file=file, line=line,
    )  # fmt: skip


def _wrong(raw: _RawSignature, where: str, problem: str, remedy: str) -> CatalogueError:
    return CatalogueError(raw.file, where, problem, remedy, raw.line)


def _signature(raw: _RawSignature, owner: _RawService, service: str, countries: Sequence[str]) -> Signature:
    where = f"{service}, signature {raw.id!r} (line {raw.line})"
    if raw.path is not None and raw.path_regex is not None:
        raise _wrong(raw, where, "has path and path_regex", "Keep one of them.")
    for name, value in raw.query.items():
        if value is True:
            raise _wrong(raw, where, f"query {name} = true", 'Write "*", or false for "not there".')
    for name in raw.headers:
        if name.lower() not in OBSERVED_HEADERS:
            raise _wrong(raw, where, f"header {name!r} is not one that a rule may read",
                                 f"Use one of {', '.join(sorted(OBSERVED_HEADERS))}.")  # fmt: skip
    if [raw.body, raw.frame, raw.response].count(None) < 2:
        raise _wrong(raw, where, "has more than one of body, frame and response", "Make a signature of each.")
    return Signature(
        id=raw.id, level=raw.level, hosts=_hosts(raw, owner.hosts, where, countries),
        methods=tuple(method.upper() for method in raw.methods), path=_path(raw, where),
        query={name: glob(v) if isinstance(v, str) else None for name, v in raw.query.items()},
        headers={name.lower(): glob(value) for name, value in raw.headers.items()},
        websocket=True if raw.frame else raw.websocket,
        body=_content(raw, raw.body, where), response=_content(raw, raw.response, where), frame=_frame(raw, where),
        confidence=raw.confidence or owner.confidence, reviewed=(raw.reviewed or owner.reviewed).isoformat(),
        file=raw.file, line=raw.line,
    )  # fmt: skip


def _path(raw: _RawSignature, where: str) -> str | None:
    if raw.path_regex is None:
        return None if raw.path is None else glob(raw.path)
    try:
        check(raw.path_regex)
    except ExpressionError as error:
        remedy = "Correct the expression; it is RE2's language, without references back and looks ahead."
        raise _wrong(raw, where, f"path_regex {error}", remedy) from error
    return raw.path_regex


def _hosts(raw: _RawSignature, shared: Sequence[str], where: str, countries: Sequence[str]) -> tuple[str, ...]:
    hosts: list[str] = []
    for written in raw.hosts or shared:
        expanded = [written.replace("{country}", c) for c in countries] if "{country}" in written else [written]
        for host in expanded:
            name = host.removeprefix("*.")
            if host != ANY_HOST and (normalise_host(name) != name or "." not in name):
                raise _wrong(raw, where, f"host {written!r} is not a normalised host name",
                                     'Write a bare lower-case name, or "*.name" for the names below it.')  # fmt: skip
            hosts.append(host)
    if not hosts:
        raise _wrong(raw, where, "names no host", "List at least one in hosts.")
    if ANY_HOST in hosts and (raw.body is None and raw.response is None):
        raise _wrong(raw, where, 'is for any host ("*") without reading a body',
                             "A path alone proves nothing on an unknown host: add body or response.")  # fmt: skip
    return tuple(dict.fromkeys(hosts))


def _content(raw: _RawSignature, content: _RawContent | None, where: str) -> Content | None:
    if content is None:
        return None
    types = [content.type] if isinstance(content.type, str) else content.type
    if raw.response is content and not types:
        raise _wrong(raw, where, "reads a response of any type", 'Write type = "text/html", say.')
    if raw.body is content and any(m.split("=")[0] not in _NAMED for m in _flat(content)):
        raise _wrong(raw, where, "asks for markup in a request", "In a body write field=name or key=name.")
    return _made(raw, content, where, tuple(kind.lower() for kind in types))


def _frame(raw: _RawSignature, where: str) -> WebSocketMatch | None:
    if raw.frame is None:
        return None
    return WebSocketMatch(raw.frame.sender == "browser", _made(raw, raw.frame, where, ()))


def _flat(content: _RawContent | _RawFrame) -> Iterable[str]:
    for item in (*content.markers, *content.all):
        yield from [item] if isinstance(item, str) else item


def _made(raw: _RawSignature, content: _RawContent | _RawFrame, where: str, types: tuple[str, ...]) -> Content:
    if raw.level is not Level.USE:
        raise _wrong(raw, where, "reads a body without being a use", "Only a use may need to look that deep.")
    size = re.fullmatch(r"([1-9][0-9]{0,3})\s*(KiB|MiB)", content.within)
    written = ([content.markers] if content.markers else []) + [
        [item] if isinstance(item, str) else item for item in content.all
    ]
    if not size or not written or not all(written):
        raise _wrong(raw, where, "needs markers and a limit", 'Write markers = ["class~=name"] and within = "2 MiB".')
    if int(size[1]) * _SIZES[size[2]] > LONGEST_READ:
        raise _wrong(raw, where, f"reads {content.within} of a body", "Read at most 16 MiB; most need 2.")
    groups = tuple(tuple(parse_marker(text, raw.file, where, raw.line) for text in group) for group in written)
    return Content(groups, int(size[1]) * _SIZES[size[2]], types)


def parse_marker(text: str, file: str = "marker", where: str = "marker", line: int = 0) -> BodyMarker:
    """Return the marker that a text means, such as `class~=token`, `key=name` or `id=x & data-y^=`."""

    def wrong(problem: str, remedy: str) -> CatalogueError:
        return CatalogueError(file, where, f"marker {text!r} {problem}", remedy, line)

    statements = []
    for part in text.split(" & "):
        match = _MARKER.fullmatch(part)
        place, test, value = (match[1].lower(), match[2], match[3]) if match else ("", "", "")
        empty = not value and (test != "^=" or place in _NAMED)  # an empty beginning: the attribute is there
        if empty or _NAMED.get(place, test) != test or not value.isascii() or len(value) > LONGEST_VALUE:
            raise wrong(
                "is none",
                'Write "class~=token", "id^=prefix", "comment^=prefix", "key=name", "field=name" or "event=name", '
                "of at most 63 characters.",
            )
        if test == "~=" and re.search(r"\s", value):
            raise wrong("has a space in a token", "Use ^= or =.")
        statements.append(BodyMarker(place, test, value))
    first, *others = statements
    if others and any(statement.place in _NAMED for statement in statements):
        raise wrong("joins what is no attribute", 'Join attributes of one element, like "class~=a & class~=b".')
    return msgspec.structs.replace(first, also=tuple(others)) if others else first
