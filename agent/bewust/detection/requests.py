"""Observation + Matcher -> Detection, and what counts as one use.

Belongs here: which of several matching rules speaks, what is internal, where one activity ends.
The time is an argument. People are opaque numbers that live in memory only.
"""

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from bewust.catalogue import Matcher, Rule
from bewust.hosts import is_internal, normalise_host
from bewust.model import (
    LEVELS_BY_WEIGHT,
    OBSERVED_HEADERS,
    Context,
    Depth,
    Detection,
    Level,
    Observation,
)

FIELDS_LIMIT = 1000  # query fields; the limit urllib itself recommends against hostile queries
_SCHEMES = ("http", "https", "ws", "wss")


class RequestFindings(msgspec.Struct, frozen=True):
    """What the request line alone decides, and the rules that a body or a message can still decide."""

    detection: Detection | None
    pending: tuple[Rule, ...]


_NOTHING = RequestFindings(None, ())


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


def detect(seen: Observation, matcher: Matcher, internal_hosts: Sequence[str] = ()) -> RequestFindings:
    """Return the strongest verdict of the request, and the rules still open.

    Use goes before visit before ignore; among equals the catalogue's order decides. Housekeeping of
    a service is no visit to it: where a request is recognised as such, the service's rules by name
    alone are silent (docs/decisions/0007). What a browser fetches ahead of its user (`Sec-Purpose:
    prefetch`) is no use: nobody saw it.
    """
    rules = matcher.accepted(seen)
    if not rules:
        return _NOTHING
    if is_prefetch(seen):
        rules = tuple(rule for rule in rules if rule.signature.level is not Level.USE)
    pending = tuple([rule for rule in rules if rule.needs_response])
    if len(pending) == len(rules):
        return RequestFindings(None, pending)
    kept = {rule.service.id for rule in rules if rule.signature.level is Level.IGNORE}
    sure = [rule for rule in rules if not rule.needs_response and not (rule.service.id in kept and _by_name(rule))]
    for level in LEVELS_BY_WEIGHT:
        for rule in sure:
            if rule.signature.level is level:
                return RequestFindings(detection(rule, seen, internal_hosts), () if level is Level.USE else pending)
    return RequestFindings(None, pending)


def is_prefetch(seen: Observation) -> bool:
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
