"""Services -> Matcher: compiled once, never changed, replaced whole.

Belongs here: which rules a host has and which of them a request satisfies. Not here: bodies
(scanning), people and time (detection). A host is looked up in one walk up its labels; after that
only that host's few rules are tried.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from bewust.catalogue import normalise_host
from bewust.model import Depth, Level, Observation, Service, Signature


class Rule:
    """One signature of one service, ready to be tried."""

    __slots__ = ("_headers", "_path", "_query", "service", "signature")

    def __init__(self, service: Service, signature: Signature) -> None:
        self.service = service
        self.signature = signature
        self._path = _compiled(signature.path)
        self._query = [(name, _compiled(value)) for name, value in signature.query.items()]
        self._headers = [(name, re.compile(v, re.DOTALL | re.I)) for name, v in signature.headers.items()]

    def accepts(self, seen: Observation) -> bool:
        """Whether the request satisfies every clause about requests; the host is known to fit."""
        signature = self.signature
        if signature.methods and seen.method not in signature.methods:
            return False
        if self._path is not None and not self._path.fullmatch(seen.path):
            return False
        if signature.websocket is not None and signature.websocket != seen.websocket:
            return False
        for name, wanted in self._query:
            values = seen.query.get(name, ())
            if bool(values) if wanted is None else not any(map(wanted.fullmatch, values)):
                return False
        return all(wanted.fullmatch(seen.headers.get(name, "")) for name, wanted in self._headers)


class Plan(msgspec.Struct, frozen=True):
    """What there is to do for a host: `visits` by name, `rules` on what is decrypted."""

    depth: Depth
    visits: tuple[Rule, ...]
    rules: tuple[Rule, ...]


class Matcher:
    """Answers which plan a host has and which rules a request satisfies."""

    def __init__(self, exact: Mapping[str, Plan], below: Mapping[str, Plan], services: Iterable[Service]) -> None:
        self._exact = exact
        self._below = below
        self.services: Mapping[str, Service] = {service.id: service for service in services}

    def plan(self, host: str) -> Plan | None:
        """Return the plan of a normalised host name, None where it is not catalogued."""
        plan = self._exact.get(host)
        dot = host.find(".")
        while plan is None and dot >= 0:
            plan = self._below.get(host[dot + 1 :])
            dot = host.find(".", dot + 1)
        return plan

    def find(self, host: str) -> Plan | None:
        """Return the plan of a host name as it was written, with port, capitals or a last dot."""
        return self.plan(normalise_host(host))

    def accepted(self, seen: Observation) -> tuple[Rule, ...]:
        """Return the rules a request satisfies, visits included, in the catalogue's order."""
        plan = self.find(seen.host)
        if plan is None:
            return ()
        return tuple(rule for rule in plan.visits + plan.rules if rule.accepts(seen))

    def hosts(self, *depths: Depth) -> tuple[str, ...]:
        """Return the hosts planned at one of these depths, sorted, `*.` in front of "names below"."""
        found = [host for host, plan in self._exact.items() if plan.depth in depths]
        found += [f"*.{host}" for host, plan in self._below.items() if plan.depth in depths]
        return tuple(sorted(found))


def compile_services(services: Sequence[Service], depth_of: Callable[[Service], Depth]) -> Matcher:
    """Compile the rules that the depth of their service allows.

    A host is routed only for a rule that counts: one with nothing but housekeeping is left alone,
    and its depth is the least at which its deepest counting rule can be decided.
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
    for host, rules in exact.items():
        rules.extend(_covering(host, below))
    covered = {host: rules + _covering(host, below) for host, rules in below.items()}
    return Matcher(_plans(exact), _plans(covered), services)


def _covering(host: str, below: Mapping[str, list[Rule]]) -> list[Rule]:
    labels = host.split(".")
    return [rule for i in range(1, len(labels)) for rule in below.get(".".join(labels[i:]), ())]


def _plans(table: Mapping[str, list[Rule]]) -> dict[str, Plan]:
    plans = {}
    for host, rules in table.items():
        counting = [rule for rule in rules if rule.signature.level is not Level.IGNORE]
        if counting:
            depth = max(rule.signature.depth for rule in counting)
            visits = [rule for rule in counting if rule.signature.level is Level.VISIT]
            others = [rule for rule in rules if rule.signature.level is not Level.VISIT]
            plans[host] = Plan(depth, tuple(visits), tuple(others))
    return plans


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    return None if pattern is None else re.compile(pattern, re.DOTALL)
