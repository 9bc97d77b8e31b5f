"""Another catalogue comes in force only where all of it goes together; otherwise nothing was touched."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bewust.authority import authority
from bewust.catalogue import editions
from bewust.catalogue.editions import POINTER
from bewust.catalogue.entries import CatalogueError
from bewust.catalogue.signed_file import BundleError
from bewust.config import catalogue_import, policy, texts
from bewust.config.catalogue_import import import_catalogue, roll_back
from bewust.config.policy import PolicyError
from bewust.config.rules import load_rules
from bewust.config.texts import TextsError
from bewust.state_files import CATALOGUE
from support.bundles import NEW, SHIPPED, STRANGER, WITH_NEW, delivered, files_of, organisation, signed

LATER = "2026-12-02T10:00:00Z"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    made = tmp_path / "state"
    made.mkdir(mode=0o700)
    return made


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return organisation(tmp_path)


def known(config: Path, state: Path) -> bool:
    return "newcomer" in load_rules(config, state=state).services


# Import.


def test_a_good_bundle_is_in_force_and_says_what_it_replaced(tmp_path: Path, config: Path, state: Path) -> None:
    before = load_rules(config, state=state)
    change = import_catalogue(delivered(tmp_path, signed()), config, state)
    assert (change.now.version, change.before.origin, change.again) == ("2026-12", "shipped", False)
    assert change.services == len(before.services) + 1
    rules = load_rules(config, state=state)
    assert rules.edition == change.now
    assert rules.matcher.host_rules("newcomer.example") is not None


def test_the_same_one_again_changes_nothing(tmp_path: Path, config: Path, state: Path) -> None:
    file = delivered(tmp_path, signed())
    import_catalogue(file, config, state)
    before = files_of(state)
    assert import_catalogue(file, config, state).again
    assert files_of(state) == before


def test_an_organisations_folder_is_laid_over_an_imported_one(tmp_path: Path, state: Path) -> None:
    config = organisation(tmp_path, '[service.newcomer]\nstatus = "contracted"\n')
    (config / "services").mkdir()
    (config / "services" / "ours.toml").write_text('[[service]]\nid = "newcomer"\nname = "Ours"\n')
    with pytest.raises(CatalogueError):
        load_rules(config, state=state)
    import_catalogue(delivered(tmp_path, signed()), config, state)
    newcomer = load_rules(config, state=state).services["newcomer"]
    assert (newcomer.name, newcomer.vendor) == ("Ours", "New")


def broken(services: Mapping[str, str] = WITH_NEW, **files: str) -> bytes:
    return signed({**services, **{f"{name}.toml": text for name, text in files.items()}})


SMALL = {"google.toml": SHIPPED["google.toml"]}
REFUSED: dict[str, tuple[bytes, str, type[Exception], str]] = {
    "no bundle": (b"[[service]]", "", BundleError, "is no bundle"),
    "somebody else's": (signed(private=STRANGER), "", BundleError, "fits no key"),
    "no toml": (broken(newcomer="x = ["), "", CatalogueError, "newcomer.toml: file: is not TOML"),
    "an id twice": (broken(again=NEW), "", CatalogueError, "is there twice"),
    "a rule that is none": (
        broken(newcomer=NEW.replace("newcomer.example", "a b")), "", CatalogueError, "newcomer.toml: service 'new"),
    "too few": (signed(SMALL), '[release]\nservices = []\n', PolicyError, "is not in the catalogue"),
    "a service the policy is about is gone": (
        signed({n: t for n, t in WITH_NEW.items() if n != "deepl.toml"}), '[release]\nservices = ["deepl"]\n',
        PolicyError, "policy.toml: release.services: 'deepl' is not in the catalogue"),
    "older than the shipped one": (
        signed({n: t.replace("reviewed = 2026", "reviewed = 2025") for n, t in WITH_NEW.items()}), "", BundleError,
        "was reviewed until 2025-.*say --older"),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED)
def test_what_does_not_hold_is_refused_and_nothing_is_written(tmp_path: Path, state: Path, why: str) -> None:
    data, more, error, says = REFUSED[why]
    with pytest.raises(error, match=says):
        import_catalogue(delivered(tmp_path, data), organisation(tmp_path, more), state)
    assert list(state.iterdir()) == []


def test_far_fewer_services_than_now_are_refused(
    tmp_path: Path, config: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for room, name in ((policy, "check_services"), (texts, "check")):  # which would refuse most of them before
        monkeypatch.setattr(room, name, lambda *_: None)
    with pytest.raises(BundleError, match=r"there would be \d+ services instead of \d+\. A bundle is a whole"):
        import_catalogue(delivered(tmp_path, signed(SMALL)), config, state)
    assert list(state.iterdir()) == []


def test_texts_are_loaded_with_it_too(tmp_path: Path, state: Path) -> None:
    config = organisation(tmp_path)
    (config / "texts").mkdir()
    (config / "texts" / "nl.toml").write_text("text = 1")
    with pytest.raises(TextsError):
        import_catalogue(delivered(tmp_path, signed()), config, state)
    assert list(state.iterdir()) == []


@pytest.mark.parametrize("config_there", [True, False])
def test_where_the_policy_lists_no_key_nothing_is_imported_and_it_says_where_to(
    tmp_path: Path, state: Path, config_there: bool
) -> None:
    config = organisation(tmp_path, keys=()) if config_there else None
    with pytest.raises(BundleError, match=r"\[catalogue\] keys of the policy is empty, so no bundle is believed\. Put"):
        import_catalogue(delivered(tmp_path, signed()), config, state)
    assert list(state.iterdir()) == []


def test_a_state_folder_that_is_not_there_is_not_made(tmp_path: Path, config: Path) -> None:
    with pytest.raises(BundleError, match=r"does not exist\. Start the agent once"):
        import_catalogue(delivered(tmp_path, signed()), config, tmp_path / "gone")
    with pytest.raises(BundleError, match=r"does not exist\. Start the agent once"):
        roll_back(config, tmp_path / "gone")
    assert not (tmp_path / "gone").exists()


def test_an_old_bundle_sent_once_more_is_refused_unless_it_is_wanted(tmp_path: Path, config: Path, state: Path) -> None:
    old, new = delivered(tmp_path, signed(SHIPPED), "old"), delivered(tmp_path, signed(made=LATER), "new")
    import_catalogue(new, config, state)
    before = files_of(state)
    with pytest.raises(BundleError, match=f"was made 2026-12-01T10:00:00Z, and the catalogue in force {LATER}"):
        import_catalogue(old, config, state)
    assert files_of(state) == before
    import_catalogue(old, config, state, older=True)
    assert not known(config, state)


BUNDLE = signed({**SMALL, "newcomer.toml": NEW})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.integers(0, len(BUNDLE) - 1), st.integers(0, 255))
def test_no_changed_or_shortened_bundle_changes_anything(
    tmp_path: Path, config: Path, state: Path, at: int, change: int
) -> None:
    data = BUNDLE[:at] + bytes([BUNDLE[at] ^ change]) + BUNDLE[at + 1 :] if change else BUNDLE[:at]
    with pytest.raises(BundleError):
        import_catalogue(delivered(tmp_path, data), config, state)
    assert list(state.iterdir()) == []


def test_hosts_outside_the_authority_are_named_and_not_refused(tmp_path: Path, config: Path, state: Path) -> None:
    authority.issue(state / "authority", ["www.google.nl"], datetime.now(UTC))
    embedded = NEW.replace('context = "chat"', 'context = "search"\nembedded = true').replace(
        '"visit"', '"use"\npath = "/ask"'
    )
    change = import_catalogue(delivered(tmp_path, broken(newcomer=embedded)), config, state)
    assert "newcomer.example" in change.uncovered and "www.google.nl" not in change.uncovered
    assert known(config, state)


# Back again.


def test_it_goes_back_and_forth(tmp_path: Path, config: Path, state: Path) -> None:
    import_catalogue(delivered(tmp_path, signed()), config, state)
    assert roll_back(config, state).now.origin == "shipped"
    assert not known(config, state)
    change = roll_back(config, state)
    assert (change.now.version, change.before.origin) == ("2026-12", "shipped")
    assert known(config, state)


def test_it_goes_back_to_the_import_before(tmp_path: Path, config: Path, state: Path) -> None:
    import_catalogue(delivered(tmp_path, signed()), config, state)
    import_catalogue(delivered(tmp_path, signed(SHIPPED, LATER, "2027-01")), config, state)
    assert roll_back(config, state).now.version == "2026-12"
    assert roll_back(config, state, to_shipped=True).now.origin == "shipped"
    assert roll_back(config, state).now.version == "2026-12"


def test_where_nothing_was_before_there_is_nothing_to_go_back_to(tmp_path: Path, config: Path, state: Path) -> None:
    for to_shipped in (True, False):
        with pytest.raises(BundleError, match="nothing was imported"):
            roll_back(config, state, to_shipped=to_shipped)
    import_catalogue(delivered(tmp_path, signed()), config, state)
    roll_back(config, state)
    with pytest.raises(BundleError, match="the shipped catalogue is in force already"):
        roll_back(config, state, to_shipped=True)


def test_it_does_not_go_back_to_what_does_not_go_together(tmp_path: Path, config: Path, state: Path) -> None:
    import_catalogue(delivered(tmp_path, signed()), config, state)
    organisation(tmp_path, '[service.newcomer]\nstatus = "contracted"\n')
    before = files_of(state)
    with pytest.raises(PolicyError, match=r"service\.newcomer: is not in the catalogue"):
        roll_back(config, state)
    assert files_of(state) == before


def test_it_does_not_go_back_to_what_is_no_longer_believed(tmp_path: Path, config: Path, state: Path) -> None:
    import_catalogue(delivered(tmp_path, signed()), config, state)
    import_catalogue(delivered(tmp_path, signed(made=LATER)), config, state)
    kept = editions.current(state).previous
    assert kept is not None
    editions.bundle_path(state, kept).write_bytes(signed(private=STRANGER))
    with pytest.raises(BundleError, match="fits no key"):
        roll_back(config, state)
    assert known(config, state)


@pytest.mark.parametrize("by", ["an import", "going back to the shipped one"])
def test_a_damaged_folder_is_mended_by_either_way(tmp_path: Path, config: Path, state: Path, by: str) -> None:
    file = delivered(tmp_path, signed())
    import_catalogue(file, config, state)
    (state / CATALOGUE / POINTER).write_text("{")
    with pytest.raises(BundleError, match=r"was damaged.*rollback --shipped"):
        roll_back(config, state)
    if by == "an import":
        import_catalogue(file, config, state)
    else:
        roll_back(config, state, to_shipped=True)
    assert load_rules(config, state=state).edition.problem is None


# Making one.


def test_a_bundle_of_ours_is_the_shipped_catalogue() -> None:
    made = catalogue_import.make(None, "2026-12", LATER)
    assert (made.services, made.version, made.made) == (SHIPPED, "2026-12", LATER)


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_every_shipped_file_may_be_in_a_bundle(name: str) -> None:
    assert signed({name: SHIPPED[name]})
