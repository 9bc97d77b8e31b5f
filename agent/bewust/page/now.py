"""What is true at this moment: on or off, what is looked at, the certificate, and snoozes."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from bewust.config.policy import PERIOD_WEEKS
from bewust.model import ANY_HOST, Context, Depth
from bewust.page.view import View

# Why a host is known by name only for a while, as the inspector says it.
REASONS = {
    "a program does not accept our certificate, and it alone is let through": "client",
    "the site's certificate cannot be verified": "certificate",
    "the site refuses our TLS": "site",
}


def facts(view: View) -> Mapping[str, object]:
    """Return what the page Now is made from."""
    status, rules = view.status, view.agent.rules
    # Which sites were demoted tells that somebody was there; whoever is not alone sees the list as it is set.
    listed = rules.matcher.decrypted_hosts()
    decrypted = (status.decrypted if view.single_user else listed) if view.inspecting else ()
    return {
        "into": _looked_into(view, decrypted),
        "decrypted": decrypted,
        "anywhere": view.words.listed(_anywhere(view)),
        "listed": listed,
        "named": status.tunnelled,
        "demoted": [(host, reason(view, why)) for host, why in status.demoted.items()] if view.single_user else [],
        "demoted_for": view.words.duration(rules.policy.demoted_for),
        "until": view.words.day(date.fromisoformat(status.authority_until)),
        "made": view.words.day(date.fromisoformat(status.authority_since)),
        "covered": view.agent.names_covered(),
        "resumes": view.words.moment(datetime.fromisoformat(status.resumes)) if status.resumes else "",
        "snoozes": [_snooze(view, *pair) for pair in _snoozes(view)],
        "contexts": list(Context),
        "weeks": view.words(f"format.weeks_{PERIOD_WEEKS[rules.policy.mechanism]}"),
    }


def _looked_into(view: View, hosts: Sequence[str]) -> list[tuple[str, list[str], str]]:
    """Return what is looked for, on which hosts, and the key of what is read for that; the longest first."""
    found: dict[tuple[str, str], list[str]] = {}
    for host in hosts:
        found.setdefault(_looked_for(view, host), []).append(host)
    rows = [(services, on, reads) for (services, reads), on in found.items()]
    return sorted(rows, key=lambda row: (-len(row[1]), row[0].casefold()))


def _looked_for(view: View, host: str) -> tuple[str, str]:
    plan = view.agent.rules.matcher.host_rules(host)
    if plan is None:  # the rules changed since the inspector was started
        return "", "now.reads_request"
    own = [rule.service for rule in plan.rules if ANY_HOST not in rule.signature.hosts and rule.service.counts]
    names = dict.fromkeys(view.chooser.name(service) for service in own)
    return view.words.listed(names), f"now.reads_{Depth(plan.depth).name.lower()}"


def _anywhere(view: View) -> list[str]:
    """Return what is looked for on every host that is inspected."""
    services = view.agent.rules.services.values()
    found = [s for s in services if s.counts and any(ANY_HOST in signature.hosts for signature in s.signatures)]
    return [view.chooser.name(service) for service in found if view.depth(service) == "into"]


def reason(view: View, why: str) -> str:
    """Return why a host is not inspected, in the reader's language where it is one that we know."""
    return view.words(f"reason.{REASONS[why]}") if why in REASONS else why


def _snoozes(view: View) -> list[tuple[Context | None, str]]:
    snoozes = view.login.snoozes if view.login is not None else ()
    return [(snooze.context, view.words.moment(snooze.until)) for snooze in snoozes]


def _snooze(view: View, context: Context | None, until: str) -> Mapping[str, str]:
    scope = view.words("snooze.all") if context is None else view.words(f"context.{context}")
    return {"context": context or "", "what": scope, "words": view.words("snooze.holds", what=scope, until=until)}
