"""What is not seen: services known by name or not at all, and how old the knowledge of the others is."""

from collections.abc import Mapping
from datetime import date

from bewust.model import Context
from bewust.page import now
from bewust.page.view import View
from bewust.statistics import staleness

DEPTHS = ("name", "into", "unseen")


def facts(view: View) -> Mapping[str, object]:
    """Return what the page Unseen is made from."""
    sorted_out = {s.id: view.depth(s) for s in view.agent.rules.services.values() if s.counts}
    by_context = [(context, [_count(view, sorted_out, context, kind) for kind in DEPTHS]) for context in Context]
    names = {kind: _names(view, [key for key, found in sorted_out.items() if found == kind]) for kind in DEPTHS}
    today = date.fromisoformat(view.status.today)
    return {
        "by_context": [(context, counts) for context, counts in by_context if any(counts)],
        "names": names,
        "reviews": [
            (view.words.day(date.fromisoformat(day)), len(rules), staleness.age(day, today))
            for day, rules in view.status.reviews.items()
        ],
        # Each comes from a count, and so it is for somebody who is alone here.
        "silent": [view.name(key) for key in view.status.silent] if view.single_user else [],
        "uncovered": view.status.uncovered,
        "demoted": [(h, now.reason(view, why)) for h, why in view.status.demoted.items()] if view.single_user else [],
    }


def _count(view: View, sorted_out: Mapping[str, str], context: Context, kind: str) -> int:
    services = view.agent.rules.services
    return sum(found == kind and services[key].context is context for key, found in sorted_out.items())


def _names(view: View, keys: list[str]) -> list[str]:
    return sorted((view.name(key) for key in keys), key=str.casefold)
