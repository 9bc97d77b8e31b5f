"""Flows, streams, WebSockets -> Observations -> messages.

The hooks are thin: guard, translate, delegate. They never change or hold a body, and an exception
of ours lets the flow pass. Nothing of a flow is kept after it, and no URL leaves this file.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Concatenate, cast

from mitmproxy.http import Headers, HTTPFlow, Request
from mitmproxy.tcp import TCPFlow

from bewust.catalogue import Matcher, Rule
from bewust.detection import Scanner, UnknownEncodingError, detect, detection, observe
from bewust.detection.bodies import answered, framed, media_type, scan
from bewust.hosts import normalise_host
from bewust.model import OBSERVED_HEADERS, Content, Depth, Level, Observation
from bewust.proxy.messages import Detected, Failed, Message, Seen
from bewust.system.error_counts import place_of

PENDING = "bewust"  # where a flow carries what its response can still decide

_WANTED = {name.encode(): name for name in (*OBSERVED_HEADERS, "upgrade")}

type Report = Callable[[Message], None]


def guarded[**P](hook: Callable[Concatenate["Recognition", P], None]) -> Callable[Concatenate["Recognition", P], None]:
    """Count an exception of ours and let the flow pass; mitmproxy would only log it, with a URL."""

    @functools.wraps(hook)
    def inner(self: "Recognition", *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            hook(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - browsing never breaks
            self.failed(hook.__name__, error)

    return cast(Callable[Concatenate["Recognition", P], None], inner)


class Recognition:
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
        """Decide what the request line alone decides. The body streams on, read along where a rule asks for it."""
        if flow.response is not None or flow.error is not None:
            return  # somebody else's; mitmproxy refuses to stream towards an answer that is there
        flow.request.stream = True
        seen = _observation(flow.request)
        findings = detect(seen, self._matcher, self._internal)
        if findings.detection is not None and findings.detection.level is Level.USE:
            self._report(Detected(_peer(flow), findings.detection))
        elif findings.pending:
            flow.metadata[PENDING] = (seen, findings.pending)
            bodies = [(rule, rule.signature.body) for rule in findings.pending if rule.signature.body]
            if bodies:
                flow.request.stream = self._reading(flow, bodies, flow.request.headers) or True

    @guarded
    def responseheaders(self, flow: HTTPFlow) -> None:
        """Let the body stream; where a rule is open, read along."""
        assert flow.response is not None
        flow.response.stream = True
        if flow.response.status_code == 403 and "cf-mitigated" in flow.response.headers:
            self._demote(normalise_host(flow.request.pretty_host), "the site challenges us")
        if PENDING not in flow.metadata:
            return
        kind = media_type(flow.response.headers.get("content-type", ""))
        open_rules = answered(flow.metadata[PENDING][1], kind, flow.response.status_code)
        if not open_rules:
            return
        for service in {rule.service.id for rule, _ in open_rules}:
            self._report(Seen(_peer(flow), service))
        flow.response.stream = self._reading(flow, open_rules, flow.response.headers) or True

    def _reading(
        self, flow: HTTPFlow, open_rules: Sequence[tuple[Rule, Content]], headers: Headers
    ) -> "ResponseTap | None":
        """Return what reads along with a body, None where its coding is one that nothing undoes."""
        try:
            scanner = Scanner([content for _, content in open_rules], headers.get("content-encoding", ""))
        except UnknownEncodingError:
            return None
        return ResponseTap(self, flow, [rule for rule, _ in open_rules], scanner)

    @guarded
    def websocket_message(self, flow: HTTPFlow) -> None:
        """Look at a message where a rule asks for it, and forget all but the one under way.

        mitmproxy would keep them all (its issue 6620).
        """
        assert flow.websocket is not None
        del flow.websocket.messages[:-1]
        if PENDING in flow.metadata:
            message = flow.websocket.messages[-1]
            rule = scan(framed(flow.metadata[PENDING][1], message.from_client), message.content)
            if rule is not None:
                self.found(flow, rule)

    @guarded
    def tcp_message(self, flow: TCPFlow) -> None:
        """The same for connections that are no HTTP."""
        del flow.messages[:-1]

    def found(self, flow: HTTPFlow, rule: Rule) -> None:
        """Report a rule that a body or a message satisfied; after that the others are silent."""
        seen, _ = flow.metadata.pop(PENDING, (None, ()))
        if seen is not None:
            self._report(Detected(_peer(flow), detection(rule, seen, self._internal)))

    def failed(self, where: str, error: Exception) -> None:
        """Report an exception of ours by its class and line; its text could hold a URL."""
        self._report(Failed(where, type(error).__name__, place_of(error)))


class ResponseTap:
    """Reads along with one body; mitmproxy calls it with each chunk, and b"" at the end."""

    __slots__ = ("_flow", "_rules", "_scanner", "_traffic")

    def __init__(self, traffic: Recognition, flow: HTTPFlow, rules: Sequence[Rule], scanner: Scanner) -> None:
        self._traffic = traffic
        self._flow = flow
        self._rules = rules
        self._scanner: Scanner | None = scanner

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
                self._traffic.found(self._flow, self._rules[scanner.hit])
            if scanner.done:
                self._scanner = None
        except Exception as error:  # noqa: BLE001 - browsing never breaks
            self._scanner = None
            self._traffic.failed("reading", error)
        return chunk


def decrypts(matcher: Matcher) -> Callable[[str], bool]:
    """Return the test for "this host is inspected": its plan needs more than its name."""

    def test(host: str) -> bool:
        plan = matcher.host_rules(host)
        return plan is not None and plan.depth > Depth.NAME

    return test


def _observation(request: Request) -> Observation:
    headers: dict[str, str] = {}
    for raw, value in request.headers.fields:  # one walk: a look-up by name is one each, in mitmproxy's own
        name = _WANTED.get(raw.lower())
        if name is not None:
            text = value.decode("utf-8", "surrogateescape")
            headers[name] = f"{headers[name]}, {text}" if name in headers else text
    websocket = headers.get("upgrade", "").lower() == "websocket"
    return observe(request.method, request.pretty_url, headers.items(), websocket=websocket)


def _peer(flow: HTTPFlow) -> int:
    peername = flow.client_conn.peername
    return peername[1] if peername else 0
