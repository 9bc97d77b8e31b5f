"""All an organisation can set is loaded together; the state folder is this person's alone."""

import os
import stat
from pathlib import Path

import pytest

from bewust.catalogue import editions
from bewust.catalogue.entries import CatalogueError
from bewust.config import platform_policy
from bewust.config import rules as config_rules
from bewust.config.platform_policy import Layer
from bewust.config.policy import PolicyError
from bewust.config.rules import Rules, fingerprint, load_or_last_good, load_rules, save_last_good
from bewust.config.texts import TextsError
from bewust.model import Depth
from bewust.state_files import LAST_GOOD
from support import bundles

posix = pytest.mark.skipif(os.name != "posix", reason="file modes are of POSIX")


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load_rules(None)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Rules.


def test_catalogue_policy_and_texts_belong_together(rules: Rules) -> None:
    assert rules.services.keys() == rules.matcher.services.keys()
    assert "www.google.nl" in rules.matcher.hosts(Depth.RESPONSE)
    assert "chatgpt.com" in rules.matcher.hosts(Depth.NAME)
    assert rules.texts.titles["chat"] == "{dienst}: AI-chat"


def test_an_organisations_folder_is_laid_over_all_three(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(
        'language = "en"\ncountries = ["be"]\n[service.ours]\nstatus = "contracted"\n[service.chatgpt]\n'
        'depth = "request"\n'
    )
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "ours.toml").write_text(
        '[[service]]\nid = "ours"\nname = "Ours"\nvendor = "Us"\ncontext = "chat"\nevidence = "We built it."\n'
        'reviewed = 2026-11-23\n[[service.signature]]\nid = "name"\nlevel = "visit"\nhosts = ["chat.example.nl"]\n'
    )
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "en.toml").write_text('[titles]\nchat = "Chat"\n')
    theirs = load_rules(tmp_path)
    assert theirs.services["ours"].name == "Ours"
    assert theirs.matcher.hosts(Depth.REQUEST) != ()
    assert "www.google.be" in theirs.matcher.hosts(*Depth)
    assert "www.google.nl" not in theirs.matcher.hosts(*Depth)
    assert (theirs.texts.titles["chat"], len(theirs.texts.text)) == ("Chat", 35)


@pytest.mark.parametrize(
    ("file", "text", "error"),
    [
        pytest.param("policy.toml", "language = 1", PolicyError, id="policy"),
        pytest.param("policy.toml", '[service.nobody]\nstatus = "contracted"', PolicyError, id="unknown service"),
        pytest.param("policy.toml", 'language = "fy"', TextsError, id="a language without texts"),
        pytest.param("services/x.toml", "service = 1", CatalogueError, id="catalogue"),
        pytest.param("texts/nl.toml", "text = 1", TextsError, id="texts"),
    ],
)
def test_a_mistake_in_one_of_them_loads_none(tmp_path: Path, file: str, text: str, error: type[Exception]) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    with pytest.raises(error, match=Path(file).name if error is not TextsError else "toml"):
        load_rules(tmp_path)


def test_a_decision_about_an_unknown_service_names_the_file_it_stands_in(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text('[service.nobody]\nstatus = "contracted"')
    with pytest.raises(PolicyError) as error:
        load_rules(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / 'policy.toml'}: service.nobody: ")


def test_now_is_the_organisations_time(rules: Rules) -> None:
    now = config_rules.local_now(rules)
    assert str(now.tzinfo) == "Europe/Amsterdam"


# What an organisation changes while the agent runs, and breaks.

GOOD = (
    '[[service]]\nid = "ours"\nname = "Ours"\nvendor = "Us"\ncontext = "chat"\nevidence = "We built it ourselves."\n'
    'reviewed = 2026-11-23\n[[service.signature]]\nid = "name"\nlevel = "visit"\nhosts = ["chat.example.nl"]\n'
)


def organisation(folder: Path, text: str = GOOD) -> Path:
    config = folder / "config"
    (config / "services").mkdir(parents=True, exist_ok=True)
    (config / "services" / "ours.toml").write_text(text)
    return config


def test_what_is_right_is_copied_and_read_from_the_copy(tmp_path: Path) -> None:
    config, state = organisation(tmp_path), tmp_path / "state"
    state.mkdir()
    (config / "policy.toml").write_text('language = "en"\n')
    rules = save_last_good(load_or_last_good(config, state), state)
    assert (rules.folder, rules.problem) == (state / LAST_GOOD, None)
    assert load_rules(rules.folder).services.keys() == rules.services.keys()
    assert load_rules(rules.folder).policy.language == "en"
    assert all(path.stat().st_mode & 0o077 == 0 for path in state.rglob("*"))
    assert save_last_good(load_or_last_good(config, state), state).folder == state / LAST_GOOD, "and again"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("services/ours.toml", GOOD[:-20]),
        ("services/new.toml", GOOD),
        ("policy.toml", "languages = 1"),
        ("texts/nl.toml", "[[text]]"),
    ],
    ids=["half a catalogue file", "an id twice", "a policy", "texts"],
)
def test_what_is_broken_leaves_what_was_last_right_in_force_and_names_the_file(
    tmp_path: Path, name: str, text: str
) -> None:
    config, state = organisation(tmp_path), tmp_path / "state"
    state.mkdir()
    save_last_good(load_or_last_good(config, state), state)
    (config / name).parent.mkdir(exist_ok=True)
    (config / name).write_text(text)
    rules = load_or_last_good(config, state)
    assert "ours" in rules.services
    assert rules.problem is not None
    assert str(config / name) in rules.problem
    assert rules.problem.endswith("what was last right stays in force.")
    assert save_last_good(rules, state).folder == state / LAST_GOOD
    assert "ours" in load_or_last_good(config, state).services, "the copy is not replaced by what is broken"


def test_what_was_never_right_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError):
        load_or_last_good(organisation(tmp_path, "[[service"), tmp_path / "state")


def test_a_folder_that_changed_since_it_was_read_is_not_copied(tmp_path: Path) -> None:
    config, state = organisation(tmp_path), tmp_path / "state"
    state.mkdir()
    rules = load_or_last_good(config, state)
    (config / "services" / "ours.toml").write_text("[[service")
    assert save_last_good(rules, state).folder == config
    assert not (state / LAST_GOOD).exists()


def test_a_state_folder_that_cannot_be_written_still_gives_rules(tmp_path: Path) -> None:
    config = organisation(tmp_path)
    (tmp_path / "state").write_text("a file")
    assert save_last_good(load_or_last_good(config, tmp_path / "state"), tmp_path / "state").folder == config


def test_what_the_platform_manages_is_in_the_copy_that_the_inspector_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, state = organisation(tmp_path), tmp_path / "state"
    (config / "policy.d").mkdir()
    (config / "policy.d" / "10-fill.toml").write_text('[fill]\ncontact = "CIO"')
    state.mkdir()
    registry = {"reminders": {"silent": 1}}
    monkeypatch.setattr(platform_policy, "folder", lambda: config)
    monkeypatch.setattr(platform_policy, "layers", lambda: (Layer("registry", registry, loose=True),))
    rules = save_last_good(load_or_last_good(config, state), state)
    assert rules.folder == state / LAST_GOOD
    assert load_rules(rules.folder).policy == rules.policy
    assert (rules.policy.reminders.silent, rules.policy.fill["contact"]) == (True, "CIO")

    registry["reminders"]["silent"] = 7
    broken = load_or_last_good(config, state)
    assert broken.problem is not None
    assert broken.problem.startswith("registry: Expected `bool`")
    assert broken.policy == rules.policy, "what was last right stays in force"


def test_a_fingerprint_changes_with_what_is_managed_over_the_machines_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = organisation(tmp_path)
    before = fingerprint(config)
    monkeypatch.setattr(platform_policy, "mark", lambda: ("registry", 1, 1))
    assert fingerprint(config) == before
    monkeypatch.setattr(platform_policy, "folder", lambda: config)
    assert fingerprint(config) == (("registry", 1, 1), *before)


def test_a_machine_without_a_folder_of_its_own_has_our_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform_policy, "folder", lambda: tmp_path / "gone")
    rules = load_or_last_good(tmp_path / "gone", tmp_path)
    assert rules.policy == load_rules(None).policy
    assert save_last_good(rules, tmp_path).folder == tmp_path / LAST_GOOD


def test_a_fingerprint_changes_with_every_file_that_is_read_and_with_no_other(tmp_path: Path) -> None:
    config = organisation(tmp_path)
    before = fingerprint(config)
    (config / "notes.md").write_text("x")
    assert fingerprint(config) == before
    (config / "policy.toml").write_text("")
    assert fingerprint(config) != before
    before = fingerprint(config)
    (config / "policy.d").mkdir()
    (config / "policy.d" / "x.toml").write_text("")
    assert fingerprint(config) != before
    assert fingerprint(None) == fingerprint(tmp_path / "nowhere") == ()


# An imported catalogue.


@pytest.fixture
def state(tmp_path: Path) -> Path:
    made = tmp_path / "state"
    made.mkdir(mode=0o700)
    return made


def imported(state: Path, data: bytes) -> Path:
    return editions.store_bundle(state, data, editions.current(state))


def test_an_imported_catalogue_takes_the_place_of_the_shipped_one(tmp_path: Path, state: Path) -> None:
    config = bundles.organisation(tmp_path)
    path = imported(state, bundles.signed())
    rules = load_or_last_good(config, state)
    assert (rules.edition.path, rules.edition.problem, rules.problem) == (path, None, None)
    assert rules.matcher.host_rules("newcomer.example") is not None
    assert "newcomer" not in load_rules(config).services, "only of a state folder"


@pytest.mark.parametrize(
    "data",
    [
        bundles.signed(private=bundles.STRANGER),
        bundles.signed({**bundles.WITH_NEW, "newcomer.toml": bundles.NEW.replace("level =", "grade =")}),
        bundles.signed({name: text for name, text in bundles.WITH_NEW.items() if name != "deepl.toml"}),
    ],
    ids=["not believed", "of another version", "without what our policy now names"],
)
def test_a_bad_import_is_left_out_with_all_that_only_it_knew_and_the_agent_starts(
    tmp_path: Path, state: Path, data: bytes
) -> None:
    more = '[service.newcomer]\nstatus = "contracted"\n[service.chatgpt]\nstatus = "contracted"\n'
    config = bundles.organisation(tmp_path, more + '[release]\nservices = ["newcomer", "deepl", "chatgpt"]\n')
    (config / "services").mkdir()
    (config / "services" / "ours.toml").write_text('[[service]]\nid = "newcomer"\nname = "Ours"\n')
    (config / "texts").mkdir()
    (config / "texts" / "nl.toml").write_text('[names]\nnewcomer = "De nieuwe"\n')
    imported(state, data)
    rules = load_or_last_good(config, state)
    assert rules.problem is None, "the organisation's folder is not to blame, and is in force"
    assert rules.edition.origin == "shipped"
    assert rules.edition.problem is not None
    assert "the imported catalogue is not used: " in rules.edition.problem
    assert str(config / "services" / "ours.toml") in rules.edition.problem, "and what that leaves out is told"
    assert rules.policy.decision("chatgpt").status == "contracted"
    assert rules.policy.release.services == ("deepl", "chatgpt")
    assert "newcomer" not in rules.services


def test_a_mistake_of_the_organisation_is_not_the_imports_fault(tmp_path: Path, state: Path) -> None:
    config = bundles.organisation(tmp_path)
    imported(state, bundles.signed())
    save_last_good(load_or_last_good(config, state), state)
    bundles.organisation(tmp_path, '[service.typo]\nstatus = "contracted"\n')
    rules = load_or_last_good(config, state)
    assert rules.problem is not None and "service.typo" in rules.problem
    assert (rules.edition.problem, "newcomer" in rules.services) == (None, True)


def test_an_import_changes_the_fingerprint_and_the_copy_is_made_all_the_same(tmp_path: Path, state: Path) -> None:
    config = bundles.organisation(tmp_path)
    before = fingerprint(config, state)
    path = imported(state, bundles.signed())
    assert fingerprint(config, state) != before
    assert fingerprint(config) == before
    assert save_last_good(load_or_last_good(config, state), state).folder == state / LAST_GOOD
    first = fingerprint(config, state)
    path.write_bytes(b"")
    assert fingerprint(config, state) != first
