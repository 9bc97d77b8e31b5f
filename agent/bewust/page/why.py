"""Why somebody saw a reminder: what was recognised, what the organisation decided, who advises it."""

from collections.abc import Mapping
from urllib.parse import quote

from bewust.config.policy import Decision
from bewust.model import Depth, Level, Service
from bewust.page.shown import Recent
from bewust.page.view import View
from bewust.page.words import Words


def facts(view: View) -> Mapping[str, object]:
    """Return what the page Why is made from; nothing of anybody else."""
    recent = view.login.recent if view.login is not None else ()
    return {"recent": [_shown(view, one) for one in recent]}


def _shown(view: View, recent: Recent) -> Mapping[str, object]:
    reminder, words = recent.reminder, view.words
    service = view.service(reminder.service)
    decided = view.agent.rules.policy.decision(reminder.service)
    return {
        "at": words.moment(recent.at),
        "name": view.name(reminder.service),
        "vendor": service.vendor if service is not None else "",
        "title": reminder.title,
        "message": reminder.message,
        "recognised": words(f"recognised.{_recognised(recent)}", name=view.name(reminder.service)),
        "how": words(f"recognised.{_how(view, service, reminder.level)}"),
        "chosen": words(f"recognised.{'embedded' if service is not None and service.embedded else 'chosen'}"),
        "status": words(f"status.{decided.status}.long"),
        "conditions": conditions(view.words, decided),
        "alternative": decided.alternative,
        "more": decided.more,
        "sources": view.sources(reminder.source),
    }


def _recognised(recent: Recent) -> str:
    reminder = recent.reminder
    if reminder.internal:
        return "internal"
    return "visit" if reminder.level is Level.VISIT else f"use_{reminder.context}"


def _how(view: View, service: Service | None, level: Level) -> str:
    by_name = service is None or view.agent.rules.policy.depth_of(service) is Depth.NAME or level is Level.VISIT
    return "how_name" if by_name else "how_content"


def conditions(words: Words, decided: Decision) -> list[tuple[str, str]]:
    """Return each condition with what the supplier agreed to."""
    said = {"data_sharing": decided.data_sharing, "retention": decided.retention, "training": decided.training}
    return [(words(f"condition.{name}"), words(f"agreement.{what}")) for name, what in said.items()]


def mistaken_page(view: View) -> Mapping[str, object]:
    """Return what the page about data entered by accident is made from; it is the same for everybody."""
    policy, words = view.agent.rules.policy, view.words
    subject, body = words("oops.subject"), words("oops.body")
    link = policy.page.breach
    mail = link.startswith("mailto:")
    if mail:
        prepared = f"subject={quote(subject)}&body={quote(body.replace('\n', '\r\n'))}"
        link += f"{'&' if '?' in link else '?'}{prepared}"
    desk = policy.fill.get("meldpunt", "").strip()
    return {"subject": subject, "body": body, "link": link, "mail": mail, "desk": desk}
