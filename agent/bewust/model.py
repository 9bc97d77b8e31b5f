"""The words of the design as frozen values.

Belongs here: what a value is. Not here: how it is parsed, decided upon or kept. Nothing in this
file can hold a URL except `Observation`, which lives for one request and is never stored or sent.
"""

from collections.abc import Mapping
from datetime import date
from enum import IntEnum, StrEnum
from typing import Literal

import msgspec


class Level(StrEnum):
    """How much a signature proves; `ignore` marks housekeeping that must not count."""

    USE = "use"
    VISIT = "visit"
    IGNORE = "ignore"


LEVELS_BY_WEIGHT = (Level.USE, Level.VISIT, Level.IGNORE)


class Context(StrEnum):
    """What kind of use a service is for."""

    CHAT = "chat"
    SEARCH = "search"
    TRANSLATION = "translation"
    OFFICE = "office"
    CODE = "code"
    MEDIA = "media"
    MEETING = "meeting"
    BROWSER = "browser"
    API = "api"


class Confidence(StrEnum):
    """How well a signature is supported.

    `high`: a real capture or several independent sources; `medium`: one source that saw it live, or
    code that does it; `low`: the name of the host and nothing more.
    """

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Depth(IntEnum):
    """How deep the agent may look; ordered, so that the deepest of several is their maximum."""

    NAME = 1
    REQUEST = 2
    RESPONSE = 3

    @classmethod
    def parse(cls, word: str) -> "Depth":
        """Turn `name`, `request` or `response` into a depth; raises KeyError for another word."""
        return cls[word.upper()]


class Status(StrEnum):
    """What the organisation decided about a service."""

    CONTRACTED = "contracted"
    CONDITIONAL = "conditional"
    UNCONTRACTED = "uncontracted"
    UNKNOWN = "unknown"


Span = Literal["hour", "today", "week", "end"]  # how long somebody wants no reminders; "end" takes it back


# Why a reminder was kept back, in the order in which the reasons are looked at. `silent` comes last:
# in a pilot it counts what would have been shown. `away`: nobody's desktop could be reached.
HeldReason = Literal[
    "disabled", "away", "busy", "snoozed", "quiet", "daily", "context-daily", "gap", "back-off", "by-name", "text",
    "silent",
]  # fmt: skip


class Kind(StrEnum):
    """What a counter counts: a closed list.

    A further one needs its line here, where it is counted, and its two words in each language of the page
    (kind.<name>); everything else that lists kinds takes them from here.
    """

    VISIT = "visit"
    USE = "use"
    INTERNAL = "internal"
    REMINDED = "reminded"
    HELD = "held"
    SEEN = "seen"


class BodyMarker(msgspec.Struct, frozen=True):
    """A structural statement about a body, never a bare substring.

    `place` is an attribute name; or `comment` (an HTML comment), `key` (a JSON key, at any depth),
    `field` (a key of the outermost JSON object, or a field of a form), `event` (the name of a
    server-sent event). `test` is `~=` (a token of the value), `^=` (its prefix; an empty one means
    that the attribute is there) or `=` (all of it). The value of a key or a field is its name, which
    must not be empty there, or "name:text". `also` are further statements about the same element.
    """

    place: str
    test: str
    value: str
    also: tuple["BodyMarker", ...] = ()

    def __str__(self) -> str:
        return " & ".join([f"{self.place}{self.test}{self.value}", *map(str, self.also)])


class Content(msgspec.Struct, frozen=True):
    """What must be in a body: one marker of each of `groups`, within so many decoded bytes.

    `types` are bare media types, one of which the body must have; none given means any.
    """

    groups: tuple[tuple[BodyMarker, ...], ...]
    within: int
    types: tuple[str, ...] = ()


class WebSocketMatch(msgspec.Struct, frozen=True):
    """What must be in one WebSocket message; `sent` says whether the browser or the site sent it."""

    sent: bool
    content: Content


class Signature(msgspec.Struct, frozen=True):
    """A rule that recognises a service at one level; `file` and `line` say where it was written.

    `hosts` are normalised names, `*.` in front for "names below", or `*` alone for any host that is
    inspected anyway. Every clause must hold; an absent one (empty or None) always does. `path` and
    the values of `query` and `headers` are regular expressions over the whole decoded text; a query
    value of None means "not there". At most one of `body`, `frame` and `response` is given.
    """

    id: str
    level: Level
    hosts: tuple[str, ...]
    methods: tuple[str, ...] = ()
    path: str | None = None
    query: Mapping[str, str | None] = {}
    headers: Mapping[str, str] = {}
    websocket: bool | None = None
    body: Content | None = None
    frame: WebSocketMatch | None = None
    response: Content | None = None
    confidence: Confidence = Confidence.LOW
    reviewed: str = ""
    file: str = ""
    line: int = 0

    @property
    def needs_response(self) -> bool:
        """Whether the request line and its headers are not enough to decide this rule."""
        return self.body is not None or self.frame is not None or self.response is not None

    @property
    def depth(self) -> Depth:
        """The least depth at which this rule can be decided."""
        if self.response is not None or (self.frame is not None and not self.frame.sent):
            return Depth.RESPONSE
        deeper = (
            self.methods or self.path or self.query or self.headers or self.needs_response or ANY_HOST in self.hosts
        )
        return Depth.REQUEST if deeper or self.websocket is not None else Depth.NAME


ANY_HOST = "*"


class Service(msgspec.Struct, frozen=True):
    """One thing a person uses. `gap` in seconds: uses closer together are one activity.

    `aliases` are names it has elsewhere; an outside list may have one name for what are several
    services here. `file` and `line` say where it was written; 0 where that is not known.
    """

    id: str
    name: str
    vendor: str
    context: Context
    embedded: bool
    gap: float
    evidence: str
    reviewed: str
    signatures: tuple[Signature, ...]
    aliases: tuple[str, ...] = ()
    file: str = ""
    line: int = 0

    @property
    def counts(self) -> bool:
        """Whether it has a rule that counts; a service of housekeeping only is known so as to be passed over."""
        return any(signature.level is not Level.IGNORE for signature in self.signatures)


class Observation(msgspec.Struct, frozen=True):
    """The facts a hook hands inward about one request; in memory for as long as the request.

    `path` is percent-decoded; `query` maps a name to all its decoded values; `headers` has
    lower-case names, and only those in `OBSERVED_HEADERS`.
    """

    host: str
    method: str = "GET"
    path: str = "/"
    query: Mapping[str, tuple[str, ...]] = {}
    headers: Mapping[str, str] = {}
    websocket: bool = False


# What a rule may ask of a header: never a cookie or a key, whose value would be a secret.
OBSERVED_HEADERS = frozenset(
    {"origin", "referer", "sec-purpose", "purpose", "accept", "content-type", "anthropic-version", "x-fb-friendly-name"}
)


class Detection(msgspec.Struct, frozen=True):
    """A service was recognised at a level, by the signature that is named with its file and line."""

    service: str
    level: Level
    signature: str
    file: str
    line: int
    internal: bool = False


class SavedUserState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What outlives a restart: the contexts explained, and before which day no reminders are wanted.

    `until` is that day for all of them, `snoozed` for single contexts.
    """

    explained: tuple[Context, ...] = ()
    until: date | None = None
    snoozed: Mapping[Context, date] = {}
