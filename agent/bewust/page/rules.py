"""The organisation's policy in plain words, from what is in force now. Never a path of the file system."""

from collections.abc import Mapping
from fractions import Fraction

from bewust.config import languages as config_languages
from bewust.config.policy import PERIOD_WEEKS, Decision, ReminderRules
from bewust.model import Status
from bewust.page import kept, why
from bewust.page.view import View
from bewust.page.words import Words
from bewust.statistics.retention import SEALED_DAYS


def facts(view: View) -> Mapping[str, object]:
    """Return what the page Rules is made from."""
    policy, words = view.agent.rules.policy, view.words
    epsilon = sum(map(Fraction, policy.epsilons.values()), Fraction(0))
    services = view.agent.rules.services.values()
    kinds = {service.id: view.depth(service) for service in services if service.counts}
    return {
        "policy": policy,
        "language": _language(words, policy.language),
        "sentences": schedule(policy.reminders, words),
        "decided": [_decided(view, key, found) for key, found in policy.service.items() if says_something(found)],
        "into": sorted((view.name(key) for key, kind in kinds.items() if kind == "into"), key=str.casefold),
        "named": sum(kind == "name" for kind in kinds.values()),
        "weeks": words(f"format.weeks_{PERIOD_WEEKS[policy.mechanism]}"),
        "epsilon": f"{float(epsilon):g}",
        "yearly": f"{float(policy.yearly_epsilon):g}",
        "odds": kept.odds(epsilon),
        "named_in_release": words.listed(view.name(service) for service in policy.release.services),
        "sealed_days": SEALED_DAYS,
        "flush": words.duration(policy.flush),
    }


def _language(words: Words, code: str) -> str:
    """Return what a language is called: in the words of the page, else by its speakers, else its code."""
    if f"language.{code}" in words:
        return words(f"language.{code}")
    return config_languages.language(code).name if code in config_languages.known() else code


def schedule(rules: ReminderRules, words: Words) -> list[str]:
    """Return when a reminder may come, a sentence for each rule."""
    if not rules.enabled:
        return [words("schedule.disabled")]
    said = [words("schedule.silent")] if rules.silent else []
    said += [
        words("schedule.gap", time=words.duration(rules.gap)),
        words("schedule.internal", time=words.duration(rules.internal_gap)),
        words("schedule.daily", most=rules.daily, each=rules.daily_context),
    ]
    steps = [words("schedule.next_day") if step.next_day else words.duration(step) for step in rules.back_off]
    if steps:
        said.append(words("schedule.back_off", steps=words("schedule.then").join(steps)))
        said.append(words("schedule.recovery", time=words.duration(rules.recovery)))
    said.append(words("schedule.by_name"))
    for hours in rules.quiet:
        begin, end = hours.split("-")
        said.append(words("schedule.quiet", begin=begin, end=end))
    for context, own in rules.context.items():
        what = words(f"context.{context}")
        if own.gap is not None:
            said.append(words("schedule.context_gap", what=what, time=words.duration(own.gap)))
        if own.daily is not None:
            said.append(words("schedule.context_daily", what=what, most=own.daily))
    return said


def says_something(decided: Decision) -> bool:
    """Whether a decision is about more than how deep to look."""
    conditions = {decided.data_sharing, decided.retention, decided.training}
    return bool(
        decided.status is not Status.UNKNOWN or decided.alternative or decided.more or conditions != {"unknown"}
    )


def _decided(view: View, key: str, decided: Decision) -> Mapping[str, object]:
    return {
        "name": view.name(key),
        "status": view.words(f"status.{decided.status}.short"),
        "alternative": decided.alternative,
        "conditions": why.conditions(view.words, decided),
        "more": decided.more,
    }
