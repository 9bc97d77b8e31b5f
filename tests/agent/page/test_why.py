"""Each reminder with what caused it, in words that accuse nobody; and the way to the data-breach desk."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from bewust.model import Context, Level
from bewust.page import why
from support.pages import Fake, busy, reminder, view


def recent(agent: Fake) -> list[dict[str, Any]]:
    found: Any = why.facts(view(agent))["recent"]
    return [dict(one) for one in found]


def test_what_was_recognised_how_and_when(tmp_path: Path) -> None:
    agent = Fake(tmp_path)
    busy(agent)
    search, chat, internal = recent(agent)
    assert search["at"] == "24 november 2026 om 09:12 uur" and search["name"] == "Google Zoeken"
    assert search["recognised"] == "Op de pagina met zoekresultaten stond een antwoord dat door AI is gemaakt."
    assert "herkenningspunt" in search["how"] and "iets anders" in search["chosen"]
    assert "verbinding met ChatGPT" in chat["recognised"]
    assert "Alleen aan de naam" in chat["how"] and "op zichzelf" in chat["chosen"]
    assert "uw eigen organisatie" in internal["recognised"]


def test_what_the_organisation_decided_and_what_the_supplier_agreed_to(tmp_path: Path) -> None:
    agent = Fake(tmp_path)
    busy(agent)
    search, chat, _ = recent(agent)
    assert "nog niets vastgelegd" in search["status"] and not search["alternative"] and not search["more"]
    assert "geen contract" in chat["status"] and chat["alternative"] == "de chatdienst van de gemeente"
    assert [said for _, said in chat["conditions"]] == ["niet toegezegd", "niet bekend", "toegezegd"]
    assert chat["more"] == "https://voorbeeld.nl/chatgpt"
    assert any("digitale dienst van de Australische regering" in name for name in chat["sources"])
    assert any("Vereniging van Nederlandse Gemeenten" in name for name in search["sources"])


@pytest.mark.parametrize("context", Context)
@pytest.mark.parametrize("level", [Level.USE, Level.VISIT])
def test_no_sentence_says_that_somebody_did_something(tmp_path: Path, context: Context, level: Level) -> None:
    agent = Fake(tmp_path)
    agent.remind(reminder("chatgpt", context, "Titel", level))
    said = recent(agent)[0]["recognised"].lower()
    assert "u hebt" not in said and "u heeft" not in said and "niet toegestaan" not in said


def test_nobody_sees_what_another_was_shown(tmp_path: Path) -> None:
    agent = Fake(tmp_path)
    busy(agent)
    agent.person = None
    assert recent(agent) == []


def test_a_service_that_left_the_catalogue_does_not_hide_the_reminder(tmp_path: Path) -> None:
    agent = Fake(tmp_path)
    agent.remind(reminder("long-gone", Context.CHAT, "Titel"))
    assert recent(agent)[0]["name"] == "long-gone"


def oops(agent: Fake, breach: str, desk: str = "") -> dict[str, Any]:
    policy = agent.rules.policy
    policy = msgspec.structs.replace(
        policy, page=msgspec.structs.replace(policy.page, breach=breach), fill={**policy.fill, "meldpunt": desk}
    )
    agent.rules = msgspec.structs.replace(agent.rules, policy=policy)
    return dict(why.mistaken_page(view(agent)))


@pytest.mark.parametrize("address", ["mailto:datalek@voorbeeld.nl", "mailto:datalek@voorbeeld.nl?cc=fg@voorbeeld.nl"])
def test_a_letter_is_prepared_with_its_subject_and_text(tmp_path: Path, address: str) -> None:
    found = oops(Fake(tmp_path), address)
    link = urlsplit(found["link"])
    assert found["mail"] and link.path == "datalek@voorbeeld.nl" and link.query.count("subject=") == 1
    fields = parse_qs(link.query)
    assert fields["subject"] == [found["subject"]]
    assert fields["body"] == [found["body"].replace("\n", "\r\n")]
    assert ("cc" in fields) == ("cc=" in address)


def test_other_ways_to_report(tmp_path: Path) -> None:
    agent = Fake(tmp_path)
    link = oops(agent, "https://voorbeeld.nl/datalek", "de servicedesk")
    assert (link["link"], link["mail"], link["desk"]) == ("https://voorbeeld.nl/datalek", False, "de servicedesk")
    nothing = oops(agent, "")
    assert not nothing["link"] and not nothing["desk"] and "Soort gegevens" in nothing["body"]
