"""What `bewust catalogue` shows, as tables for people and as plain values for scripts."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from bewust.catalogue import HostRules, Rule, compile_services
from bewust.catalogue.explaining import Trial, clauses, nearest, reason, required_content, trials
from bewust.config import Policy
from bewust.detection import detect
from bewust.detection.requests import is_prefetch
from bewust.model import ANY_HOST, Depth, Observation, Service, Signature

_WHERE = {
    Depth.NAME: "known by name: passed through undecrypted",
    Depth.REQUEST: "inspected as far as requests",
    Depth.RESPONSE: "inspected as far as responses",
}


def list_table(services: Sequence[Service], rules: Policy) -> Table:
    """Return a row a service, in the width of a terminal."""
    table = Table(box=SIMPLE, padding=0)
    for column in ("id", "name", "context", "depth", "reviewed"):
        table.add_column(column, overflow="fold", no_wrap=column in ("context", "depth", "reviewed"))
    for service in services:
        context = f"{service.context.value}{'*' if service.embedded else ''}"
        table.add_row(Text(service.id), Text(service.name), context, _depth(service, rules), service.reviewed)
    signatures = sum(len(service.signatures) for service in services)
    table.caption = f"{len(services)} services, {signatures} signatures; * embedded in something else"
    return table


def _depth(service: Service, rules: Policy) -> str:
    return rules.depth_of(service).name.lower()


def service_table(service: Service, rules: Policy) -> Table:
    """Return one service whole: its facts, then each signature with what it asks."""
    table = _facts()
    for label, value in (
        ("service", f"{service.name} ({service.id})"),
        ("vendor", service.vendor),
        ("context", service.context.value + (", embedded in something else" if service.embedded else "")),
        ("status", rules.decision(service.id).status.value),
        ("depth", f"{_depth(service, rules)} (policy)"),
        ("one use", f"signs less than {service.gap:g} seconds apart"),
        ("evidence", service.evidence),
        ("aliases", ", ".join(service.aliases) or "none"),
        ("written", f"{service.file}:{service.line}"),
    ):
        table.add_row(label, Text(value))
    for signature in service.signatures:
        about = f"{signature.level.value}, confidence {signature.confidence.value}, reviewed {signature.reviewed}, "
        table.add_row()
        table.add_row("signature", Text(f"{signature.id} ({about}line {signature.line})", style="bold"))
        for name, wanted in clauses(signature):
            table.add_row(Text(f"  {name}"), Text(wanted))
    return table


def _facts() -> Table:
    """Return an empty table of two columns, labels and values, that loses nothing in a narrow terminal."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(overflow="fold", max_width=30)
    table.add_column(overflow="fold")
    return table


def as_builtins(service: Service, rules: Policy) -> dict[str, Any]:
    """Return a service as JSON can hold it."""
    return {
        "id": service.id, "name": service.name, "vendor": service.vendor, "context": service.context.value,
        "embedded": service.embedded, "gap": service.gap, "evidence": service.evidence, "reviewed": service.reviewed,
        "aliases": list(service.aliases), "depth": _depth(service, rules), "file": service.file, "line": service.line,
        "status": rules.decision(service.id).status.value,
        "signatures": [_signature(signature) for signature in service.signatures],
    }  # fmt: skip


def _signature(signature: Signature) -> dict[str, Any]:
    asks = {name: wanted for name, wanted in clauses(signature) if name != "hosts"}
    return {
        "id": signature.id, "level": signature.level.value, "hosts": list(signature.hosts), "asks": asks,
        "depth": signature.depth.name.lower(), "confidence": signature.confidence.value,
        "reviewed": signature.reviewed, "line": signature.line,
    }  # fmt: skip


def explanation(
    seen: Observation, services: Sequence[Service], rules: Policy, *, routed: bool = True
) -> dict[str, Any]:
    """Return what becomes of a request under a policy, and what every rule of its host says to it.

    `routed` is False for what the PAC file sends directly whatever the host: plain http and ws.
    """
    live = rules.compiled(services)
    plan = live.find(seen.host) if routed else None
    tried = _tried(seen, services)
    findings = detect(seen, live, rules.internal_hosts) if plan and plan.depth > Depth.NAME else None
    found = findings.detection if findings else None
    by_name = [rule.service.id for rule in plan.visits if rule.signature.depth is Depth.NAME] if plan else []
    return {
        "host": seen.host,
        "depth": plan.depth.name.lower() if plan else None,
        "where": _where(plan, tried, routed),
        "verdict": f"{found.level}: {found.service}/{found.signature}" if found else None,
        "internal": bool(found and found.internal),
        "waits_for": [
            f"{_named(rule)}: {required_content(rule.signature)}" for rule in (findings.pending if findings else ())
        ],
        "visit_of": list(dict.fromkeys(by_name)),
        "tried": [_trial(trial, seen, rules) for trial in tried],
        "for_a_use": _for_a_use(tried, seen, rules),
    }


def _tried(seen: Observation, services: Sequence[Service]) -> list[Trial]:
    """Return the rules of the host, the nearest first; one for any host only where it is all there is, or holds."""
    everything = compile_services(services, lambda service: Depth.RESPONSE, (ANY_HOST,))
    known = everything.in_catalogue(seen.host)
    tried = [t for t in trials(seen, everything) if known or t.fell is None or ANY_HOST not in t.rule.signature.hosts]
    return sorted(tried, key=lambda trial: -trial.match_score)


def _where(plan: HostRules | None, tried: Sequence[Trial], routed: bool) -> str:
    if not routed:
        return "the browser goes there directly, unseen: only https and wss are routed"
    if plan is not None:
        return _WHERE[plan.depth]
    known = [trial for trial in tried if ANY_HOST not in trial.rule.signature.hosts]
    why = "nothing here counts under this policy" if known else "not in the catalogue"
    return f"{why}: the browser goes there directly, unseen"


def _trial(trial: Trial, seen: Observation, rules: Policy) -> dict[str, Any]:
    signature, service = trial.rule.signature, trial.rule.service
    why = reason(trial, seen)
    if signature.depth > rules.depth_of(service):
        why += f" (not tried: the policy looks no deeper than {_depth(service, rules)})"
    return {
        "signature": _named(trial.rule), "level": signature.level.value, "file": signature.file,
        "line": signature.line, "fell": trial.fell, "reason": why,
    }  # fmt: skip


def _named(rule: Rule) -> str:
    return f"{rule.service.id}/{rule.signature.id}"


def _for_a_use(tried: Sequence[Trial], seen: Observation, rules: Policy) -> str:
    if is_prefetch(seen):
        return "what a browser fetches ahead of its user never is one"
    trial = nearest(tried)
    if trial is None:
        return "no rule for a use is known on this host" if tried else "a service with this host in the catalogue"
    signature, service = trial.rule.signature, trial.rule.service
    needs = []
    if signature.depth > rules.depth_of(service):
        needs.append(f"policy service.{service.id}.depth at least {signature.depth.name.lower()}")
    if trial.fell is not None:
        needs.append(reason(trial, seen))
    if signature.needs_response:
        needs.append(required_content(signature))
    return f"{_named(trial.rule)}: " + ("; ".join(needs) or "nothing more, it is one")


def explanation_table(found: Mapping[str, Any]) -> Table:
    """Return an explanation for people: the verdict, then every rule of the host, the nearest first."""
    table = _facts()
    table.add_row("host", Text(f"{found['host']}: {found['where']}"))
    if found["visit_of"]:
        visits = ", ".join(found["visit_of"])
        table.add_row("by name", Text(f"a visit of {visits}, once the connection has carried 8 KiB back"))
    if found["depth"] not in (None, "name"):
        verdict = found["verdict"] or "none from the request alone"
        table.add_row("verdict", Text(verdict + (" (internal)" if found["internal"] else "")))
    for waiting in found["waits_for"]:
        table.add_row("waits for", Text(waiting))
    table.add_row("for a use", Text(found["for_a_use"]))
    for trial in found["tried"]:
        table.add_row()
        heading = f"{trial['signature']} ({trial['file']}:{trial['line']})"
        table.add_row(trial["level"], Text(heading, style="bold" if trial["fell"] is None else ""))
        table.add_row("", Text(trial["reason"]))
    return table
