"""The papers say what the configuration does: each number is compared with the module that acts on it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bewust.config import languages as config_languages
from bewust.config import texts
from bewust.config.rules import Rules, load_rules
from bewust.keys import key_text
from bewust.model import Depth
from bewust.papers import facts
from bewust.papers.rendering import PAPERS, markdown
from bewust.statistics import storage

KEYS = [key_text(X25519PrivateKey.generate().public_key()) for _ in range(2)]
SPLIT = f"""mechanism = "split"
[release]
folder = "/srv/berichten"
[[release.keepers]]
name = "security"
key = "{KEYS[0]}"
[[release.keepers]]
name = "ondernemingsraad"
key = "{KEYS[1]}"
"""


def rules(folder: Path, policy: str = "") -> Rules:
    (folder / "policy.toml").write_text(policy, encoding="utf-8")
    return load_rules(folder)


def told(of: Rules, language: str = "nl") -> dict[str, object]:
    return facts.facts(of, texts.load(language), language)


def paper(of: Rules, name: str = "dpia-annex", language: str = "nl") -> str:
    return markdown(name, language, told(of, language))


def test_every_table_and_column_of_the_store_is_named(tmp_path: Path) -> None:
    storage.build(storage.Contents(), tmp_path / "x.db")
    with closing(sqlite3.connect(tmp_path / "x.db")) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {(table, row[1]) for table in tables for row in database.execute(f"PRAGMA table_info({table})")}
    named = told(load_rules(None))["tables"]
    assert isinstance(named, list)
    assert {(table, column) for table, column, _ in named} == columns


def test_every_service_is_in_one_column_and_every_decrypted_name_in_the_table() -> None:
    of = load_rules(None)
    found = told(of)
    totals, hosts, rungs = found["totals"], found["hosts"], found["rungs"]
    assert isinstance(totals, list) and isinstance(hosts, list) and isinstance(rungs, list)
    assert sum(totals) == found["services"] == sum(service.counts for service in of.services.values())
    assert tuple(host for host, _, _ in hosts) == of.matcher.decrypted_hosts()
    assert all(names for _, _, names in hosts)
    assert sum(totals[1:3]) == found["into"] == sum(len(rung.looked) for rung in rungs)


def test_bewust_itself_has_a_reason_for_each_step_it_takes() -> None:
    for language in config_languages.known():
        rungs = told(load_rules(None), language)["rungs"]
        assert isinstance(rungs, list)
        for rung in rungs:
            assert rung.reasons
            assert not rung.unreasoned, rung.context
            assert not any(one.deeper for one in rung.looked)


def test_what_a_lower_step_leaves_is_what_the_matcher_then_has(tmp_path: Path) -> None:
    text = paper(load_rules(None))
    assert ("| Google Zoeken | antwoord | `service.google-ai-overview.depth` | `request`: nog herkend aan het verzoek, "
            "niet meer aan de pagina; `name`: wordt niet meer gezien |") in text  # fmt: skip
    lower = rules(tmp_path, '[service.google-ai-overview]\ndepth = "request"')
    assert "| Google Zoeken | verzoek | `service.google-ai-overview.depth` |" in paper(lower)
    gone = rules(tmp_path, '[service.google-ai-overview]\ndepth = "name"')
    assert "service.google-ai-overview.depth" not in paper(gone)
    assert gone.policy.known(gone.services["google-ai-overview"]) is None


def test_an_organisation_that_looks_deeper_gives_the_reason_itself(tmp_path: Path) -> None:
    text = paper(rules(tmp_path, '[service.notion-ai]\ndepth = "request"'))
    assert "Dieper dan Bewust zelf instelt, door een besluit van uw organisatie: Notion AI." in text
    assert "#### Schrijven en kantoorwerk" in text
    assert "Uw organisatie heeft daarvoor gekozen. **\\[in te vullen: waarom dat nodig is" in text
    assert "Dieper dan Bewust zelf instelt" not in paper(load_rules(None))


def test_where_nothing_is_decrypted_the_papers_say_so(tmp_path: Path) -> None:
    of = load_rules(None)
    looked = [s.id for s in of.services.values() if s.counts and (of.policy.known(s) or 0) > Depth.NAME]
    shallow = rules(tmp_path, "".join(f'[service.{key}]\ndepth = "name"\n' for key in looked))
    text = paper(shallow)
    assert "Er wordt nergens dieper gekeken dan de naam." in text
    assert "| Naam | Tot en met | Voor |" not in text
    for name in PAPERS:
        assert paper(shallow, name)


@pytest.mark.parametrize(
    ("policy", "name", "said"),
    [
        ('[page]\norganisation = "Gemeente X"', "dpia-annex", "| Verwerkingsverantwoordelijke | Gemeente X |"),
        ("[page]\ndelete = false", "dpia-annex", "zelf wissen is uitgezet"),
        ("[page]\npersonal = true", "dpia-annex", "dat elke beheerde werkplek één gebruiker heeft"),
        ("[reminders]\nsilent = true", "works-council", "Nu is een stille proef ingesteld"),
        ("[reminders]\nenabled = false", "handbook", "Nu niets: herinneringen staan uit."),
        ("[reminders]\nquiet = ['18:00-08:00']", "handbook", "- Tussen 18:00 en 08:00 uur komen"),
        ('[page]\nbreach = "mailto:lek@x.nl"', "handbook", "Meld het meteen bij lek@x.nl."),
        ('[fill]\nmeldpunt = "de servicedesk"', "handbook", "Meld het meteen bij de servicedesk."),
        ('[page]\nguidelines = "https://x.nl/ai"', "handbook", "Lees onze regels voor AI: https://x.nl/ai"),
        ('[service.chatgpt]\nstatus = "uncontracted"', "handbook", "| ChatGPT | geen contract | – |"),
        ('internal_hosts = ["a.example", "b.example"]', "dpia-annex", "apart wordt geteld: 2."),
        ('inspected_hosts = ["ai.example.org"]', "dpia-annex", "(`inspected_hosts`): ai.example.org."),
        ('flush = "30m"', "dpia-annex", "worden elke 30 minuten naar de schijf geschreven"),
        ('[release]\nyearly = "20"', "works-council", "onder een grens van 20 (het privacybudget)."),
        ('[release]\nfolder = "/srv/x"', "dpia-annex", "in de map /srv/x."),
        (SPLIT, "works-council", "twee sleutelhouders: security en ondernemingsraad."),
        (SPLIT, "dpia-annex", "| Is er AI gebruikt? | 0,2 | hooguit 54 |"),
        (SPLIT, "algorithm-register", "epsilon is 1 per bericht en hooguit 53 per jaar"),
    ],
)  # fmt: skip
def test_a_setting_is_in_the_paper_and_without_it_is_not(tmp_path: Path, policy: str, name: str, said: str) -> None:
    assert said in paper(rules(tmp_path, policy), name)
    assert said not in paper(load_rules(None), name)


def test_what_never_arrives_is_claimed_only_while_it_is_so(tmp_path: Path) -> None:
    assert "uw intranet" in paper(load_rules(None), "works-council")
    own = 'internal_hosts = ["ai.example.org"]\ninspected_hosts = ["ai.example.org"]'
    assert "uw intranet" not in paper(rules(tmp_path, own), "works-council")


def test_the_mark_changes_with_what_is_in_force_and_with_nothing_else(tmp_path: Path) -> None:
    plain = facts.fingerprint(load_rules(None))
    assert facts.fingerprint(rules(tmp_path)) == plain
    assert facts.fingerprint(rules(tmp_path, 'flush = "30m"')) != plain
    assert facts.fingerprint(rules(tmp_path, '[service.kagi]\ndepth = "name"')) != plain
