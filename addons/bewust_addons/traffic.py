"""Flows, streams, WebSockets -> Observations -> messages.

The hooks are thin: guard, translate, delegate. They never change or hold a body, and an exception
of ours lets the flow pass. Nothing of a flow is kept after it, and no URL leaves this file.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Concatenate, cast

from mitmproxy.http import HTTPFlow, Request
from mitmproxy.tcp import TCPFlow

from bewust.catalogue import normalise_host
from bewust.detection import detect, detection, observe
from bewust.matching import Matcher, Rule
from bewust.model import OBSERVED_HEADERS, Depth, Detected, Failed, Level, Message, Observation, Seen
from bewust.recordings import fits, media_type
from bewust.scanning import Scanner, UnknownEncodingError

PENDING = "bewust"  # where a flow carries what its response can still decide

type Report = Callable[[Message], None]


def guarded[**P](hook: Callable[Concatenate["Traffic", P], None]) -> Callable[Concatenate["Traffic", P], None]:
    """Count an exception of ours and let the flow pass; mitmproxy would only log it, with a URL."""

    @functools.wraps(hook)
    def inner(self: "Traffic", *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            hook(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - browsing never breaks
            self.failed(hook.__name__, error)

    return cast(Callable[Concatenate["Traffic", P], None], inner)


class Traffic:
    """The addon that recognises; `demote` is the gate's, for sites that refuse us over HTTP."""

    def __init__(
        self, matcher: Matcher, internal_hosts: Sequence[str], report: Report, demote: Callable[[str, str], None]
    ) -> None:
        self._matcher = matcher
        self._internal = internal_hosts
        self._report = report
        self._demote = demote

    @guarded
    def requestheaders(self, flow: HTTPFlow) -> None:
        """Decide what the request alone decides. The body streams on unread."""
        if flow.response is not None or flow.error is not None:
            return  # somebody else's; mitmproxy refuses to stream towards an answer that is there
        flow.request.stream = True
        seen = _observation(flow.request)
        findings = detect(seen, self._matcher, self._internal)
        if findings.detection is not None and findings.detection.level is Level.USE:
            self._report(Detected(_peer(flow), findings.detection))
        elif findings.pending:
            flow.metadata[PENDING] = (seen, findings.pending)

    @guarded
    def responseheaders(self, flow: HTTPFlow) -> None:
        """Let the body stream; where a rule is open, read along."""
        assert flow.response is not None
        flow.response.stream = True
        if flow.response.status_code == 403 and "cf-mitigated" in flow.response.headers:
            self._demote(normalise_host(flow.request.pretty_host), "the site challenges us")
        pending: tuple[Observation, Sequence[Rule]] | None = flow.metadata.pop(PENDING, None)
        if pending is None:
            return
        seen, rules = pending
        kind = media_type(flow.response.headers.get("content-type", ""))
        open_rules = [r for r in rules if fits(r.signature.response, kind, flow.response.status_code)]
        if not open_rules:
            return
        for service in {rule.service.id for rule in open_rules}:
            self._report(Seen(_peer(flow), service))
        try:
            reading = Reading(self, _peer(flow), seen, open_rules, flow.response.headers.get("content-encoding", ""))
        except UnknownEncodingError:
            return
        flow.response.stream = reading

    @guarded
    def websocket_message(self, flow: HTTPFlow) -> None:
        """Forget all messages but the one under way; mitmproxy would keep them all (issue 6620)."""
        assert flow.websocket is not None
        del flow.websocket.messages[:-1]

    @guarded
    def tcp_message(self, flow: TCPFlow) -> None:
        """The same for connections that are no HTTP."""
        del flow.messages[:-1]

    def found(self, peer: int, rule: Rule, seen: Observation) -> None:
        """Report a rule whose markers were in the response."""
        self._report(Detected(peer, detection(rule, seen, self._internal)))

    def failed(self, where: str, error: Exception) -> None:
        """Report an exception of ours by its class; its text could hold a URL."""
        self._report(Failed(where, type(error).__name__))


class Reading:
    """Reads along with one response body; mitmproxy calls it with each chunk, and b"" at the end."""

    __slots__ = ("_peer", "_rules", "_scanner", "_seen", "_traffic")

    def __init__(self, traffic: Traffic, peer: int, seen: Observation, rules: Sequence[Rule], encoding: str) -> None:
        self._traffic = traffic
        self._peer = peer
        self._seen = seen
        self._rules = rules
        self._scanner: Scanner | None = Scanner([r.signature.response for r in rules if r.signature.response], encoding)

    def __call__(self, chunk: bytes) -> bytes:
        """Return the chunk as it came; look at a decoded copy until something is decided."""
        scanner = self._scanner
        if scanner is None:
            return chunk
        try:
            if chunk:
                scanner.feed(chunk)
            else:
                scanner.end()
            if scanner.hit is not None:
                self._traffic.found(self._peer, self._rules[scanner.hit], self._seen)
            if scanner.done:
                self._scanner = None
        except Exception as error:  # noqa: BLE001 - browsing never breaks
            self._scanner = None
            self._traffic.failed("reading", error)
        return chunk


def decrypts(matcher: Matcher) -> Callable[[str], bool]:
    """Return the test for "this host is looked into": its plan needs more than its name."""

    def test(host: str) -> bool:
        plan = matcher.plan(host)
        return plan is not None and plan.depth > Depth.NAME

    return test


def _observation(request: Request) -> Observation:
    headers = [(name, request.headers[name]) for name in OBSERVED_HEADERS if name in request.headers]
    websocket = request.headers.get("upgrade", "").lower() == "websocket"
    return observe(request.method, request.pretty_url, headers, websocket=websocket)


def _peer(flow: HTTPFlow) -> int:
    peername = flow.client_conn.peername
    return peername[1] if peername else 0
