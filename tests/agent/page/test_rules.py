"""The policy in force, in plain words: each rule that is set changes what is said."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bewust.authority import authority
from bewust.keys import key_text
from bewust.page import rules
from bewust.statistics.retention import close_periods
from bewust.statistics.storage import Store
from support.pages import POLICY, Fake, view


def facts(tmp_path: Path, policy: str = "", language: str = "nl") -> dict[str, Any]:
    return dict(rules.facts(view(Fake(tmp_path, policy), language)))


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        ("gap = '45m'", "Tussen twee herinneringen over dezelfde soort AI zit minstens 45 minuten."),
        ("internal_gap = '1h'", "naar een vertaaldienst, dan zit er minstens 1 uur tussen."),
        ("daily = 4\ndaily_context = 2", "Op een dag krijgt u er hooguit 4, en over één soort AI hooguit 2."),
        ("back_off = ['1h', 'next day']", "steeds langer: 1 uur, dan tot de volgende dag."),
        ("recovery = '2d'", "Gebruikt u een dienst 2 dagen niet, dan begint dat opnieuw."),
        ("quiet = ['18:00-08:00']", "Tussen 18:00 en 08:00 uur komen er geen herinneringen."),
        ("silent = true", "Nu niet: dit is een stille proef."),
        ("[reminders.context.search]\ngap = '2h'", "Voor zoeken geldt: minstens 2 uur ertussen."),
        ("[reminders.context.search]\ndaily = 1", "Voor zoeken geldt: hooguit 1 per dag."),
    ],
)
def test_each_rule_of_the_schedule_is_a_sentence(tmp_path: Path, policy: str, sentence: str) -> None:
    said = " ".join(facts(tmp_path, f"[reminders]\n{policy}")["sentences"])
    assert sentence in said
    assert sentence not in " ".join(facts(tmp_path)["sentences"])


def test_where_reminders_are_off_nothing_else_is_said(tmp_path: Path) -> None:
    assert facts(tmp_path, "[reminders]\nenabled = false")["sentences"] == [
        "Nooit: uw organisatie heeft herinneringen uitgezet."
    ]
    assert not any("opnieuw" in said for said in facts(tmp_path, "[reminders]\nback_off = []")["sentences"])


def test_the_services_that_something_was_decided_about(tmp_path: Path) -> None:
    decided = facts(tmp_path, POLICY)["decided"]
    assert [(one["name"], one["status"]) for one in decided] == [
        ("ChatGPT", "geen contract"), ("DeepL", "mag, onder voorwaarden"),
    ]  # fmt: skip
    assert decided[0]["alternative"] == "de chatdienst van de gemeente"
    assert [said for _, said in decided[0]["conditions"]] == ["niet toegezegd", "niet bekend", "toegezegd"]
    assert facts(tmp_path)["decided"] == []  # how deep to look alone is no decision about a service


def test_what_leaves_and_how_strongly_it_is_protected(tmp_path: Path) -> None:
    local = facts(tmp_path)
    assert (local["weeks"], local["epsilon"], local["yearly"], local["odds"]) == ("vier weken", "2", "28", 88)
    keys = [key_text(X25519PrivateKey.generate().public_key()) for _ in range(2)]
    keepers = "".join(
        f'[[release.keepers]]\nname = "{n}"\nkey = "{k}"\n' for n, k in zip(["a", "b"], keys, strict=True)
    )
    split = facts(tmp_path, f'mechanism = "split"\n{keepers}')
    assert (split["weeks"], split["epsilon"], split["yearly"], split["odds"]) == ("één week", "1", "53", 73)
    stronger = facts(tmp_path, '[release]\nservices = ["chatgpt"]\n[release.epsilon]\nservice = "1/2"')
    assert stronger["epsilon"] == "1.5" and stronger["named_in_release"] == "ChatGPT"


def test_the_language_in_the_readers_words(tmp_path: Path) -> None:
    assert (facts(tmp_path)["language"], facts(tmp_path, language="en")["language"]) == ("Nederlands", "Dutch")


def test_which_services_are_looked_into(tmp_path: Path) -> None:
    found = facts(tmp_path)
    assert "Google Zoeken" in found["into"] and "ChatGPT" not in found["into"] and found["named"] > 400
    assert found["flush"] == "15 minuten"


def test_what_is_said_of_how_long_things_are_kept_is_so(tmp_path: Path) -> None:
    assert timedelta(days=2 * 365) == authority.VALID
    store = Store(tmp_path, ())
    policy = Fake(tmp_path / "agent", "").rules.policy
    store.close_period("2026-P12", None, policy.epsilons)
    store.close_period("2026-P13", "a line", policy.epsilons)
    for day, years in [("2026-12-31", {"2026"}), ("2027-02-01", {"2026"}), ("2027-02-10", set())]:
        close_periods(store, policy, datetime.fromisoformat(f"{day}T12:00:00+01:00"), lambda n: 0)
        assert {period[:4] for period, _ in store.contents().ledger} == years, day
