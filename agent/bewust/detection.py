"""Observation + Matcher -> Detection, and what counts as one use.

Belongs here: which of several matching rules speaks, what is internal, where one activity ends.
The time is an argument. People are opaque numbers that live in memory only.
"""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from bewust.matching import Matcher, Rule
from bewust.model import (
    LEVELS_BY_WEIGHT,
    OBSERVED_HEADERS,
    Context,
    Depth,
    Detection,
    Level,
    Observation,
)
from bewust.schema import normalise_host

FIELDS_LIMIT = 1000  # query fields; the limit urllib itself recommends against hostile queries
_SCHEMES = ("http", "https", "ws", "wss")
ACTIVITIES_LIMIT = 10_000  # a hundred people on one terminal server, a hundred services each


class Findings(msgspec.Struct, frozen=True):
    """What the request line alone decides, and the rules that a body or a message can still decide."""

    detection: Detection | None
    pending: tuple[Rule, ...]


_NOTHING = Findings(None, ())


def observe(method: str, url: str, headers: Iterable[tuple[str, str]] = (), websocket: bool = False) -> Observation:
    """Return the facts of a request; a URL that is none gives an observation of no host.

    Where urllib and the URL standard of browsers differ about the host, the browser is right.
    """
    address, mark, rest = url.partition("?")
    try:
        parts = urlsplit(address.replace("\\", "/") + mark + rest)
        host = unquote(parts.hostname or "")
    except ValueError:  # unbalanced brackets and the like: nothing we catalogue
        return Observation(host="")
    if parts.scheme not in _SCHEMES or ":" in host:
        return Observation(host="")
    try:
        fields = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=FIELDS_LIMIT)
    except ValueError:
        fields = []
    query: dict[str, tuple[str, ...]] = {}
    for name, value in fields:
        query[name] = (*query.get(name, ()), value)
    kept = {name.lower(): value for name, value in headers if name.lower() in OBSERVED_HEADERS}
    return Observation(
        host=normalise_host(host),
        method=method.upper(),
        path=unquote(parts.path) or "/",
        query=query,
        headers=kept,
        websocket=websocket or parts.scheme in ("ws", "wss"),
    )


def detect(seen: Observation, matcher: Matcher, internal_hosts: Sequence[str] = ()) -> Findings:
    """Return the strongest verdict of the request, and the rules still open.

    Use goes before visit before ignore; among equals the catalogue's order decides. Housekeeping of
    a service is no visit to it: where a request is recognised as such, the service's rules by name
    alone are silent (docs/decisions/0007). What a browser fetches ahead of its user (`Sec-Purpose:
    prefetch`) is no use: nobody saw it.
    """
    rules = matcher.accepted(seen)
    if not rules:
        return _NOTHING
    if fetched_ahead(seen):
        rules = tuple(rule for rule in rules if rule.signature.level is not Level.USE)
    pending = tuple([rule for rule in rules if rule.waits])
    if len(pending) == len(rules):
        return Findings(None, pending)
    kept = {rule.service.id for rule in rules if rule.signature.level is Level.IGNORE}
    sure = [rule for rule in rules if not rule.waits and not (rule.service.id in kept and _by_name(rule))]
    for level in LEVELS_BY_WEIGHT:
        for rule in sure:
            if rule.signature.level is level:
                return Findings(detection(rule, seen, internal_hosts), () if level is Level.USE else pending)
    return Findings(None, pending)


def fetched_ahead(seen: Observation) -> bool:
    """Whether a browser asked before its user did: nobody may ever see the answer."""
    return "prefetch" in (seen.headers.get("sec-purpose", "") + seen.headers.get("purpose", "")).lower()


def _by_name(rule: Rule) -> bool:
    return rule.signature.level is Level.VISIT and rule.signature.depth is Depth.NAME


def detection(rule: Rule, seen: Observation, internal_hosts: Sequence[str] = ()) -> Detection:
    """Return the detection a satisfied rule stands for."""
    translates = rule.service.context is Context.TRANSLATION and rule.signature.level is Level.USE
    return Detection(
        service=rule.service.id,
        level=rule.signature.level,
        signature=rule.signature.id,
        file=rule.signature.file,
        line=rule.signature.line,
        internal=translates and is_internal(_origin(seen.headers), internal_hosts),
    )


def _origin(headers: Mapping[str, str]) -> str:
    """Return the host a request came from; "" where Origin and Referer are absent or opaque.

    An extension's origin (`chrome-extension://…`) is no host, though it looks like one of one label.
    """
    for name in ("origin", "referer"):
        try:
            parts = urlsplit(headers.get(name, ""))
            if parts.hostname and parts.scheme in _SCHEMES:
                return parts.hostname
        except ValueError:
            continue
    return ""


def is_internal(host: str, internal_hosts: Sequence[str] = ()) -> bool:
    """Whether a host is the organisation's own: listed, a private address, or of a single label."""
    if not host:
        return False
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        name = normalise_host(host)
    else:
        return address.is_private and not address.is_unspecified
    if not name:
        return False
    own = filter(None, (normalise_host(h.removeprefix("*.")) for h in internal_hosts))
    return "." not in name or any(f".{name}".endswith(f".{h}") for h in own)


class Activities:
    """Says whether a sign of use begins an activity or goes on with one."""

    def __init__(self) -> None:
        self._last: dict[tuple[int, str, str], datetime] = {}

    def begins(self, who: int, service: str, kind: str, gap: float, now: datetime) -> bool:
        """Record the sign; True where none of its kind came from this person within `gap` seconds before.

        A clock set back must not make a person look new for ever, so a gap counts both ways.
        """
        key = (who, service, kind)
        last = self._last.get(key)
        self._last[key] = now
        if len(self._last) > ACTIVITIES_LIMIT:
            self._forget(now)
        return last is None or abs(now - last) >= timedelta(seconds=gap)

    def _forget(self, now: datetime) -> None:
        """Drop what no gap can reach any more; where all of it is fresh, the oldest half."""
        newest = sorted(self._last.items(), key=lambda item: item[1])[ACTIVITIES_LIMIT // 2 :]
        self._last = {key: at for key, at in newest if now - at < timedelta(days=1)}
