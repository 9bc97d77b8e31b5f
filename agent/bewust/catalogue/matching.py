"""Services -> Matcher: compiled once, never changed, replaced whole.

Belongs here: which rules a host has and which of them a request satisfies. Not here: bodies
(detection.scanning), people and time (detection.requests). A host is looked up in one walk up its labels; after that
only that host's few rules are tried.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from bewust.catalogue.expressions import whole
from bewust.hosts import normalise_host
from bewust.model import ANY_HOST, Depth, Level, Observation, Service, Signature

_MEANING = re.compile(r"(?<!\\)(?:\\\\)*(?:[.*+?()\[\]{}|^$]|\\[A-Za-z0-9])")  # what is no plain letter
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class Rule:
    """One signature of one service, ready to be tried.

    Expressions are compiled at the first try: most of a catalogue is never asked on a given day.
    """

    __slots__ = ("_clauses", "literal", "needs_response", "service", "signature")

    def __init__(self, service: Service, signature: Signature) -> None:
        self.service = service
        self.signature = signature
        self.needs_response = signature.needs_response
        self.literal = _literal(signature.path)
        self._clauses: list[tuple[str, Clause]] | None = None

    def mismatch_reason(self, seen: Observation) -> str | None:
        """Return the first clause about requests that does not hold, such as "path" or "query udm".

        None where all of them do. The host is known to fit. Clauses are tried from the broadest to
        the narrowest, so that a later one means a nearer miss.
        """
        if self.literal is not None and self.literal != seen.path:
            return "path"  # by far the most frequent answer, so it comes without an expression
        if self._clauses is None:
            self._clauses = list(_clauses(self.signature))
        for name, holds in self._clauses:
            if not holds(seen):
                return name
        return None

    def accepts(self, seen: Observation) -> bool:
        """Whether the request satisfies every clause about requests."""
        return self.mismatch_reason(seen) is None


type Clause = Callable[[Observation], object]


def _literal(path: str | None) -> str | None:
    """Return the one path that an expression stands for, None where there are several or none."""
    if path is None or _MEANING.search(path):
        return None
    return _ESCAPE.sub(r"\1", path)


def _clauses(signature: Signature) -> Iterator[tuple[str, Clause]]:
    if signature.path is not None and _literal(signature.path) is None:
        path = whole(signature.path)
        yield "path", lambda seen: path(seen.path)
    if signature.methods:
        yield "method", lambda seen: seen.method in signature.methods
    if signature.websocket is not None:
        yield "websocket", lambda seen: seen.websocket == signature.websocket
    for name, value in signature.query.items():
        yield f"query {name}", _query(name, value)
    for name, pattern in signature.headers.items():
        yield f"header {name}", _header(name, pattern)


def _query(name: str, pattern: str | None) -> Clause:
    if pattern is None:
        return lambda seen: name not in seen.query
    match = whole(pattern)
    return lambda seen: any(map(match, seen.query.get(name, ())))


def _header(name: str, pattern: str) -> Clause:
    match = whole(pattern, ignore_case=True)
    return lambda seen: match(seen.headers.get(name, ""))


class HostRules(msgspec.Struct, frozen=True):
    """What there is to do for a host: `visits` by name, `rules` on what is decrypted.

    `by_path` are those of both that are worth a try on a path that some of them name, `elsewhere` on all others.
    """

    depth: Depth
    visits: tuple[Rule, ...]
    rules: tuple[Rule, ...]
    by_path: Mapping[str, tuple[Rule, ...]]
    elsewhere: tuple[Rule, ...]


class Matcher:
    """Answers which plan a host has and which rules a request satisfies."""

    def __init__(
        self,
        exact: Mapping[str, HostRules],
        below: Mapping[str, HostRules],
        services: Iterable[Service],
        anywhere: HostRules | None = None,
    ) -> None:
        self._exact = exact
        self._below = below
        self._anywhere = anywhere
        self.services: Mapping[str, Service] = {service.id: service for service in services}

    def host_rules(self, host: str) -> HostRules | None:
        """Return the plan of a normalised host name, None where it is not catalogued."""
        plan = self._exact.get(host)
        dot = host.find(".")
        while plan is None and dot >= 0:
            plan = self._below.get(host[dot + 1 :])
            dot = host.find(".", dot + 1)
        return plan or (self._anywhere if host else None)

    def find(self, host: str) -> HostRules | None:
        """Return the plan of a host name as it was written, with port, capitals or a last dot."""
        return self.host_rules(normalise_host(host))

    def accepted(self, seen: Observation) -> tuple[Rule, ...]:
        """Return the rules a request satisfies, visits included, in the catalogue's order."""
        plan = self.host_rules(seen.host)
        if plan is None:
            return ()
        rules = plan.by_path.get(seen.path, plan.elsewhere)
        return tuple([rule for rule in rules if rule.mismatch_reason(seen) is None])

    def hosts(self, *depths: Depth) -> tuple[str, ...]:
        """Return the hosts planned at one of these depths, sorted, `*.` in front of "names below"."""
        found = [host for host, plan in self._exact.items() if plan.depth in depths]
        found += [f"*.{host}" for host, plan in self._below.items() if plan.depth in depths]
        return tuple(sorted(found))

    def decrypted_hosts(self) -> tuple[str, ...]:
        """Return the hosts that are inspected, sorted: exactly what the authority is issued for."""
        return self.hosts(Depth.REQUEST, Depth.RESPONSE)

    def in_catalogue(self, host: str) -> str:
        """Return the catalogue's word for a host, such as "*.example.com"; "" where it has none.

        The name below a `*.` would tell what was visited; this does not.
        """
        if host in self._exact:
            return host
        labels = host.split(".")
        below = (".".join(labels[i:]) for i in range(1, len(labels)))
        return next((f"*.{name}" for name in below if name in self._below), "")


def compile_services(
    services: Sequence[Service], depth_of: Callable[[Service], Depth], also: Collection[str] = ()
) -> Matcher:
    """Compile the rules that the depth of their service allows.

    A host is routed only for a rule that counts: one with nothing but housekeeping is left alone,
    and its depth is the least at which its deepest counting rule can be decided. Rules for any host
    (`*`) hold on hosts that are inspected anyway, as deep as those are, and on those of `also`;
    `*` there means every host, as for recordings.
    """
    exact: dict[str, list[Rule]] = {}
    below: dict[str, list[Rule]] = {}
    for service in services:
        for signature in service.signatures:
            if signature.depth > depth_of(service):
                continue
            rule = Rule(service, signature)
            for host in signature.hosts:
                table, name = (below, host[2:]) if host.startswith("*.") else (exact, host)
                table.setdefault(name, []).append(rule)
    anywhere = exact.pop(ANY_HOST, [])
    for host in also if anywhere else ():
        if host != ANY_HOST:
            table, name = (below, host[2:]) if host.startswith("*.") else (exact, host)
            table.setdefault(name, [])
    for host, rules in exact.items():
        rules.extend(_covering(host, below))
    covered = {host: rules + _covering(host, below) for host, rules in below.items()}
    return Matcher(
        _plans(exact, anywhere, also),
        _plans({f"*.{host}": rules for host, rules in covered.items()}, anywhere, also),
        services,
        _plan(anywhere) if ANY_HOST in also else None,
    )


def _covering(host: str, below: Mapping[str, list[Rule]]) -> list[Rule]:
    labels = host.split(".")
    return [rule for i in range(1, len(labels)) for rule in below.get(".".join(labels[i:]), ())]


def _plans(table: Mapping[str, list[Rule]], anywhere: Sequence[Rule], also: Collection[str]) -> dict[str, HostRules]:
    plans = {}
    for host, rules in table.items():
        plan = _plan(rules)
        if host in also or ANY_HOST in also:
            plan = _plan([*rules, *anywhere])
        elif plan is not None and plan.depth > Depth.NAME:
            plan = _plan([*rules, *(rule for rule in anywhere if rule.signature.depth <= plan.depth)])
        if plan is not None:
            plans[host.removeprefix("*.")] = plan
    return plans


def _plan(rules: Sequence[Rule]) -> HostRules | None:
    counting = [rule for rule in rules if rule.signature.level is not Level.IGNORE]
    if not counting:
        return None
    visits = tuple(rule for rule in counting if rule.signature.level is Level.VISIT)
    others = tuple(rule for rule in rules if rule.signature.level is not Level.VISIT)
    every = visits + others
    elsewhere = tuple(rule for rule in every if rule.literal is None)
    literals = {rule.literal for rule in every if rule.literal is not None}
    by_path = {at: tuple(rule for rule in every if rule.literal in (None, at)) for at in literals}
    return HostRules(max(rule.signature.depth for rule in counting), visits, others, by_path, elsewhere)
