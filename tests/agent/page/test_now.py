"""What is said to be decrypted is what is decrypted; what tells of visits is for who is alone."""

from pathlib import Path
from typing import Any

import msgspec

from bewust.model import Context
from bewust.page import now
from bewust.page.shown import Login
from support.pages import WHO, Fake, view


def facts(agent: Fake, language: str = "nl") -> dict[str, Any]:
    return dict(now.facts(view(agent, language)))


def hosts(found: dict[str, Any]) -> set[str]:
    return {host for _, on, _ in found["into"] for host in on}


def test_the_hosts_that_are_decrypted_and_what_is_looked_for_there(tmp_path: Path) -> None:
    agent = Fake(tmp_path)
    found = facts(agent)
    assert hosts(found) == set(agent.rules.matcher.decrypted_hosts()) == set(found["decrypted"])
    (google,) = [row for row in found["into"] if "www.google.nl" in row[1]]
    assert google[0] == "Google AI-modus en Google Zoeken" and google[2] == "now.reads_response"
    assert "OpenAI-compatible service" in found["anywhere"]  # once, and not beside every host


def test_nothing_is_decrypted_while_the_inspector_is_down(tmp_path: Path) -> None:
    agent = Fake(tmp_path)
    agent.inspector = "starting or down; browsing goes on undecrypted"
    found = facts(agent)
    assert not found["into"] and "www.google.nl" in found["listed"]


def test_a_demoted_host_shows_only_to_who_is_alone(tmp_path: Path) -> None:
    agent = Fake(tmp_path)
    agent.demoted = {"duck.ai": "the site refuses our TLS", "kagi.com": "another reason"}
    found = facts(agent)
    assert found["demoted"] == [("duck.ai", "de site weigert de verbinding van Bewust"), ("kagi.com", "another reason")]
    assert "duck.ai" not in hosts(found)
    for person in (Login(WHO), None):
        agent.person = person
        found = facts(agent)
        assert not found["demoted"] and "duck.ai" in hosts(found)


def test_a_host_that_the_rules_no_longer_have_is_shown_all_the_same(tmp_path: Path) -> None:
    agent = Fake(tmp_path)
    status = msgspec.structs.replace(agent.status(), decrypted=("gone.example",))
    agent.status = lambda: status  # type: ignore[method-assign]
    assert facts(agent)["into"] == [("", ["gone.example"], "now.reads_request")]


def test_snoozes_in_words_and_how_to_take_them_back(tmp_path: Path) -> None:
    agent = Fake(tmp_path)
    agent.snooze(WHO, "hour", None)
    agent.snooze(WHO, "hour", Context.SEARCH)
    every, search = facts(agent)["snoozes"]
    assert every["context"] == "" and "alle soorten AI, tot 24 november 2026 om 10:12 uur" in every["words"]
    assert search["context"] == "search" and "zoeken" in search["words"]
    agent.person = None
    assert facts(agent)["snoozes"] == []


def test_the_certificate(tmp_path: Path) -> None:
    agent = Fake(tmp_path)
    found = facts(agent, "en")
    assert found["until"] == "30 September 2028" and "www.google.nl" in found["covered"]
    assert found["made"] == "1 October 2026"


def test_the_length_of_a_period_follows_the_mechanism(tmp_path: Path) -> None:
    assert facts(Fake(tmp_path))["weeks"] == "vier weken"
