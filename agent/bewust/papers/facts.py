"""The configuration in force -> what the papers say of it, in one language.

Belongs here: every number and name in them. Not here: sentences (templates, words), escaping (rendering). It is
read from the modules that act on it, so that a paper cannot say something else than what happens.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction

import msgspec

from bewust import __version__, state_files
from bewust.authority import authority
from bewust.config import Chooser, Policy, Rules, Texts, policy
from bewust.config.policy import PERIOD_WEEKS
from bewust.hosts import APART, is_internal
from bewust.model import ANY_HOST, Context, Depth, Kind, Service, Status
from bewust.page import kept, why
from bewust.page import rules as page_rules
from bewust.page.words import Words
from bewust.statistics import audit, formats, randomise
from bewust.statistics.keepers import batches
from bewust.statistics.retention import SEALED_DAYS


class ServiceDepth(msgspec.Struct, frozen=True):
    """A service that is inspected. `after` is, for each lower depth, what would be left of it.

    `deeper` says that the organisation set a depth that Bewust's own policy does not have.
    """

    id: str
    name: str
    depth: str
    after: tuple[tuple[str, str], ...]
    deeper: bool


class ContextDepth(msgspec.Struct, frozen=True):
    """Why the services of one context are inspected; `reasons` are of the lower steps that do not do.

    `unreasoned` are the steps for which Bewust itself has no reason: its own policy does not take them there.
    """

    context: str
    looked: tuple[ServiceDepth, ...]
    reasons: tuple[tuple[str, str], ...]
    unreasoned: tuple[str, ...]


def facts(rules: Rules, texts: Texts, language: str) -> dict[str, object]:
    """Return all that the templates of a language ask for. Texts give the names of services."""
    t, w = Words(language), Words(language, "papers")
    chooser = Chooser(rules.policy, texts)
    counting = [service for service in rules.services.values() if service.counts]
    services = sorted(counting, key=lambda service: chooser.name(service).casefold())
    return {
        "t": t, "version": __version__, "mark": fingerprint(rules), "policy": rules.policy,
        "page": rules.policy.page, "organisation": rules.policy.page.organisation.strip(),
        **{key: rules.policy.fill.get(key, "").strip() for key in ("contact", "meldpunt", "training")},
        **_depths(rules, services, chooser, t, w), **_hosts(rules, chooser, t, w), **_release(rules.policy, t),
        **_kept(rules.policy, t, w), **_apart(rules, w), **_decided(rules, services, chooser, t),
        "schedule": page_rules.schedule(rules.policy.reminders, t),
        "authority": {"years": authority.VALID.days // 365,
                      "most": authority.NAMES_AT_MOST, "logins": authority.LOGIN_HOSTS},
    }  # fmt: skip


def fingerprint(rules: Rules) -> str:
    """Return a short mark of the configuration: papers with the same mark say the same of it."""
    known = sorted((s.id, s.name, s.context, rules.policy.known(s)) for s in rules.services.values())
    told = [
        __version__,
        policy.as_table(rules.policy),
        rules.texts.names,
        known,
        [rules.matcher.hosts(depth) for depth in Depth],
    ]
    return hashlib.sha256(msgspec.json.encode(told, order="deterministic")).hexdigest()[:12]


def _word(w: Words, depth: Depth | None) -> str:
    return w(f"depth.{'unseen' if depth is None else depth.name.lower()}")


def _depths(rules: Rules, services: Iterable[Service], chooser: Chooser, t: Words, w: Words) -> Mapping[str, object]:
    """Return how many services of each context are looked at how deep, and why those that are inspected."""
    known = {service.id: rules.policy.known(service) for service in services}
    steps = (*Depth, None)
    counted = {context: [s for s in services if s.context is context] for context in Context}
    rows = [
        (t(f"context.{context}"), [sum(known[s.id] is step for s in found) for step in steps])
        for context, found in counted.items()
        if found
    ]
    rungs = list(_rungs(counted, rules.policy, chooser, t, w))
    return {
        "rows": rows,
        "totals": [sum(counts[place] for _, counts in rows) for place in range(len(steps))],
        "services": len(known),
        "rungs": rungs,
        "into": sum(len(rung.looked) for rung in rungs),
        "into_names": [one.name for rung in rungs for one in rung.looked],
        "deeper": [one for rung in rungs for one in rung.looked if one.deeper],
        "unseen_names": [chooser.name(s) for s in services if known[s.id] is None],
    }


def _rungs(
    counted: Mapping[Context, Iterable[Service]], mine: Policy, chooser: Chooser, t: Words, w: Words
) -> Iterator[ContextDepth]:
    ours = policy.load()
    for context, services in counted.items():
        found = [service for service in services if (mine.known(service) or 0) > Depth.NAME]
        if not found:
            continue
        deepest = max(mine.known(service) or Depth.NAME for service in found)
        keys = {step: f"why.{context}.{step.name.lower()}" for step in Depth if step < deepest}
        yield ContextDepth(
            _capital(t(f"context.{context}")),
            tuple(_looked(service, mine, ours, chooser, w) for service in found),
            tuple((w(f"the.{step.name.lower()}"), w(key)) for step, key in keys.items() if key in w),
            tuple(w(f"the.{step.name.lower()}") for step, key in keys.items() if key not in w),
        )


def _looked(service: Service, mine: Policy, ours: Policy, chooser: Chooser, w: Words) -> ServiceDepth:
    depth = mine.known(service) or Depth.NAME
    after = []
    for lower in reversed([step for step in Depth if step < depth]):
        left = mine.known(service, lower)
        after.append((lower.name.lower(), w(f"after.{'unseen' if left is None else left.name.lower()}")))
    return ServiceDepth(
        service.id, chooser.name(service), _word(w, depth), tuple(after), depth > (ours.known(service) or Depth.NAME)
    )


def _hosts(rules: Rules, chooser: Chooser, t: Words, w: Words) -> Mapping[str, object]:
    """Return the decrypt list: each name with how deep, and for which services."""
    listed = rules.matcher.decrypted_hosts()
    found = []
    for host in listed:
        plan = rules.matcher.host_rules(host.replace("*", "any"))
        if plan is not None:
            own = [r.service for r in plan.rules if ANY_HOST not in r.signature.hosts and r.service.counts]
            found.append((host, _word(w, plan.depth), t.listed(map(chooser.name, own))))
    anywhere = [
        s
        for s in rules.services.values()
        if (rules.policy.known(s) or 0) > Depth.NAME and any(ANY_HOST in signature.hosts for signature in s.signatures)
    ]
    return {
        "hosts": found,
        "anywhere": t.listed(chooser.name(s) for s in anywhere),
        "named_hosts": len(rules.matcher.hosts(Depth.NAME)),
    }


def _apart(rules: Rules, w: Words) -> Mapping[str, object]:
    """Return examples of what never reaches the agent, as far as that is so under these rules."""
    internal = rules.policy.internal_hosts
    untouched = {
        "bank": True,
        "mail": all(rules.matcher.host_rules(host) is None for host in APART),
        "intranet": not any(is_internal(host, internal) for host in rules.matcher.hosts(*Depth)),
    }
    return {"apart": [w(f"apart.{what}") for what, holds in untouched.items() if holds]}


def _release(mine: Policy, t: Words) -> Mapping[str, object]:
    """Return what leaves a machine, and how strongly it is protected."""
    epsilons = {block: Fraction(epsilon) for block, epsilon in mine.epsilons.items()}
    local = mine.mechanism == "local"
    turned = {
        block: round(100 * randomise.flip_probability(block, epsilon)) if local else ""
        for block, epsilon in epsilons.items()
    }
    blocks = [(t(f"block.{b}"), _decimal(e, t), kept.odds(e), turned[b]) for b, e in epsilons.items()]
    total = sum(epsilons.values(), Fraction())
    return {
        "local": local,
        "blocks": blocks,
        "epsilon": _decimal(total, t),
        "yearly": _decimal(mine.yearly_epsilon, t),
        "odds": kept.odds(total),
        "weeks": t(f"format.weeks_{PERIOD_WEEKS[mine.mechanism]}"),
        "batch": batches.MIN_BATCH,
        "questions": formats.WIDTH,
        "most_named": formats.SERVICES,
        "most_yes": formats.BOUNDS["service"],
    }


def _decimal(number: Fraction, t: Words) -> str:
    return f"{float(number):g}".replace(".", t.form.decimal)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _kept(mine: Policy, t: Words, w: Words) -> Mapping[str, object]:
    """Return what is stored: every table and column, every file, and for how long."""
    return {
        "tables": [
            (table, column, w(f"column.{table}.{column}"))
            for table, columns in audit.ROW_MEANINGS.items()
            for column in columns
        ],
        "files": [(name, w(f"file.{name}")) for name in state_files.OTHERS],
        "kinds": [(t(f"kind.{kind}.short"), t(f"kind.{kind}.long")) for kind in Kind],
        "sealed_days": SEALED_DAYS,
        "flush": t.duration(mine.flush),
    }


def _decided(rules: Rules, services: Iterable[Service], chooser: Chooser, t: Words) -> Mapping[str, object]:
    """Return what the organisation decided about services."""
    rows = []
    for service in services:
        found = rules.policy.decision(service.id)
        if page_rules.says_something(found):
            status = t(f"status.{found.status}.short") if found.status is not Status.UNKNOWN else ""
            rows.append((chooser.name(service), status, found.alternative, why.conditions(t, found), found.more))
    named = [chooser.name(rules.services[key]) for key in rules.policy.release.services if key in rules.services]
    return {"decided": rows, "named": named}
