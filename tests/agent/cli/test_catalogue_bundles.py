"""`bewust catalogue keygen`, `bundle`, `import`, `rollback`, `version`: the whole way, for people and for scripts."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bewust import __version__
from bewust.cli.catalogue_bundles import PASSPHRASE as VARIABLE
from bewust.cli.main import main
from bewust.keys import key_id, key_text
from support.bundles import NEW, PRIVATE, SHIPPED, STRANGER, delivered, files_of, organisation, signed
from support.keepers import PASSPHRASE


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a test works: with a state folder, the passphrase of its keys, and a policy that believes PRIVATE."""
    monkeypatch.setenv(VARIABLE, PASSPHRASE)
    (tmp_path / "state").mkdir(mode=0o700)
    organisation(tmp_path)
    return tmp_path


def run(place: Path, *arguments: str | Path, group: str = "catalogue") -> Result:
    options = ["--state", str(place / "state"), "--config", str(place / "config")]
    return CliRunner().invoke(main, [*options, group, *map(str, arguments)], prog_name="bewust")


def answered(place: Path, *arguments: str | Path, code: int = 0) -> str:
    result = run(place, *arguments)
    assert result.exit_code == code, result.output
    return result.stdout


def told(place: Path, *arguments: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answered(place, *arguments, "--json"))
    return found


def refused(place: Path, *arguments: str | Path, code: int = 1) -> str:
    result = run(place, *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("bewust: ")
    return line


def test_the_whole_way_from_a_key_to_a_catalogue_in_force_and_back(place: Path) -> None:
    key, out = place / "key.pem", place / "new.bewust-catalogue"
    lines = answered(place, "keygen", "--out", key)
    (place / "config" / "policy.toml").write_text(lines)
    (place / "ours" / "services").mkdir(parents=True)
    for name, text in {**SHIPPED, "newcomer.toml": NEW}.items():
        (place / "ours" / "services" / name).write_text(text, encoding="utf-8")
    said = answered(place, "bundle", place / "ours", "--key", key, "--out", out, "--version", "2026-12")
    assert said == f"Written: {out}, version 2026-12, {len(SHIPPED) + 1} files.\n"
    first, second = answered(place, "import", out).splitlines()
    assert first.startswith("In force: imported: 2026-12, made ") and first.endswith(" services).")
    assert second.startswith(f"Before: shipped with version {__version__}, ")
    assert " newcomer " in answered(place, "search", "newcomer")
    assert answered(place, "import", out).startswith("In force already: imported: 2026-12")
    assert answered(place, "version").startswith("imported: 2026-12, made ")
    assert answered(place, "rollback").startswith(f"In force: shipped with version {__version__}, ")
    assert "0 services" in answered(place, "search", "newcomer", code=1)


def test_the_same_for_scripts(place: Path) -> None:
    made = told(place, "keygen", "--out", place / "key.pem")
    assert set(made) == {"file", "id", "key"}
    (place / "config" / "policy.toml").write_text(f'[catalogue]\nkeys = ["{made["key"]}"]\n')
    out = place / "ours.bewust-catalogue"
    about = told(place, "bundle", "--key", place / "key.pem", "--out", out)
    assert (about["file"], about["files"], about["key"]) == (str(out), len(SHIPPED), made["id"])
    change = told(place, "import", out)
    assert (change["now"]["key"], change["before"]["origin"], change["again"]) == (made["id"], "shipped", False)
    assert change["uncovered"] == []
    assert told(place, "version") == change["now"]
    assert told(place, "rollback", "--shipped")["now"]["origin"] == "shipped"


def test_a_bundle_that_is_refused_is_one_line_and_changes_nothing(place: Path) -> None:
    stranger = delivered(place, signed(private=STRANGER))
    assert "its signature fits no key of [catalogue] keys" in refused(place, "import", stranger)
    assert "cannot be read" in refused(place, "import", place / "gone")
    broken = delivered(place, signed({**SHIPPED, "x.toml": "x = ["}))
    assert "x.toml: file: is not TOML" in refused(place, "import", broken, code=3)
    assert files_of(place / "state") == {}


def test_an_older_one_is_taken_only_where_it_is_asked_for(place: Path) -> None:
    answered(place, "import", delivered(place, signed(made="2026-12-02T10:00:00Z"), "new"))
    old = delivered(place, signed(), "old")
    assert "--older" in refused(place, "import", old)
    assert told(place, "import", "--older", old)["now"]["made"] == "2026-12-01T10:00:00Z"


def test_hosts_outside_the_authority_are_told(place: Path) -> None:
    from datetime import UTC, datetime

    from bewust.authority import authority

    authority.issue(place / "state" / "authority", ["www.google.nl"], datetime.now(UTC))
    result = run(place, "import", delivered(place, signed()))
    assert result.exit_code == 0
    assert "www.google.com" in result.stderr and "`bewust authority renew`" in result.stderr


def test_a_damaged_import_is_told_by_version_and_by_the_lists(place: Path) -> None:
    answered(place, "import", delivered(place, signed()))
    (file,) = (place / "state" / "catalogue").glob("*.bewust-catalogue")
    file.write_bytes(signed(private=STRANGER))
    for arguments in (["version"], ["hosts", "--depth", "response"], ["list"]):
        result = run(place, *arguments)
        assert result.exit_code == 0
        assert "the imported catalogue is not used: " in result.stderr
    assert told(place, "version")["problem"].startswith("the imported catalogue is not used: ")
    proof = run(place, group="prove")
    assert proof.exit_code == 1 and "is not what its name says" in proof.stdout


def test_an_import_is_part_of_the_proof(place: Path) -> None:
    answered(place, "import", delivered(place, signed()))
    proof = run(place, group="prove")
    assert (proof.exit_code, "catalogue" in proof.stdout) == (0, True), proof.output


def test_the_authority_is_renewed_for_the_catalogue_in_force(place: Path) -> None:
    embedded = NEW.replace('context = "chat"', 'context = "search"\nembedded = true').replace(
        '"visit"', '"use"\npath = "/ask"'
    )
    answered(place, "import", delivered(place, signed({**SHIPPED, "newcomer.toml": embedded})))
    assert run(place, "renew", group="authority").exit_code == 0
    assert "  newcomer.example\n" in run(place, "show", group="authority").stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["bundle", "--key", "gone.pem", "--out", "b"], "cannot be read"),
        (["bundle", "--key", "other.pem", "--out", "b"], "is no key with a passphrase"),
        (["bundle", "empty", "--key", "gone.pem", "--out", "b"], "has no folder services"),
        (["bundle", "--key", "gone.pem", "--out", "b", "--version", "a b"], "cannot be read"),
        (["keygen", "--out", "other.pem"], "is never overwritten"),
        (["rollback"], "nothing was imported"),
    ],
    ids=["no key", "another key", "no catalogue", "a version", "a key", "back"],
)
def test_what_cannot_be_done_is_one_line_with_a_remedy(
    place: Path, arguments: list[str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    (place / "other.pem").write_text("x")
    (place / "empty").mkdir()
    assert says in refused(place, *arguments)
    assert not (place / "b").exists()


def test_nothing_is_signed_into_a_file_that_is_there(place: Path) -> None:
    answered(place, "keygen", "--out", place / "key.pem")
    (place / "b").write_text("of value")
    line = refused(place, "bundle", "--key", place / "key.pem", "--out", place / "b")
    assert "is there already" in line
    assert (place / "b").read_text() == "of value"


def test_the_key_of_these_tests_is_the_one_that_is_shown(place: Path) -> None:
    answered(place, "import", delivered(place, signed()))
    assert key_id(PRIVATE.public_key()) in answered(place, "version")
    assert key_text(PRIVATE.public_key()) not in answered(place, "version")
