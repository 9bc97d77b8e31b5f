"""What is not seen is said for each service under this policy; what comes from counts is for who is alone."""

from pathlib import Path
from typing import Any

import pytest

from bewust.model import Context
from bewust.page import unseen
from bewust.page.shown import Login
from support.pages import WHO, Fake, view


def facts(agent: Fake) -> dict[str, Any]:
    return dict(unseen.facts(view(agent)))


def test_each_service_is_in_one_list_and_in_the_table(tmp_path: Path) -> None:
    agent = Fake(tmp_path)
    found = facts(agent)
    assert "ChatGPT" in found["names"]["name"]
    assert "Google Zoeken" in found["names"]["into"]
    assert "Microsoft 365 Copilot" in found["names"]["name"] or "Microsoft 365 Copilot" in found["names"]["unseen"]
    counted = [service for service in agent.rules.services.values() if service.counts]
    assert sum(map(len, found["names"].values())) == len(counted)
    assert sum(sum(counts) for _, counts in found["by_context"]) == len(counted)
    chat = dict(found["by_context"])[Context.CHAT]
    assert sum(chat) == sum(service.context is Context.CHAT for service in counted)


def test_a_policy_that_looks_less_deep_moves_a_service(tmp_path: Path) -> None:
    less = facts(Fake(tmp_path, '[service.google-ai-overview]\ndepth = "name"'))
    assert "Google Zoeken" in less["names"]["unseen"]


def test_the_age_of_what_is_known(tmp_path: Path) -> None:
    agent = Fake(tmp_path)
    day, marks, age = facts(agent)["reviews"][0]
    assert day.endswith("2026") and marks > 0 and age >= 0
    assert sum(n for _, n, _ in facts(agent)["reviews"]) == sum(map(len, agent.status().reviews.values()))


@pytest.mark.parametrize(("person", "shown"), [(Login(WHO, alone=True), True), (Login(WHO), False), (None, False)])
def test_what_comes_from_counts_and_visits_is_for_who_is_alone(
    tmp_path: Path, person: Login | None, shown: bool
) -> None:
    agent = Fake(tmp_path)
    agent.silent = {"duckduckgo-search-assist": 240}
    agent.demoted = {"duck.ai": "the site refuses our TLS"}
    agent.person = person
    found = facts(agent)
    assert found["silent"] == (["DuckDuckGo"] if shown else [])
    assert found["demoted"] == ([("duck.ai", "de site weigert de verbinding van Bewust")] if shown else [])
