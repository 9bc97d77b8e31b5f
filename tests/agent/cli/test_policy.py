"""`bewust policy`: what counts and why, a check with one line for a mistake, the schema, the examples."""

import json
from importlib.resources import files
from pathlib import Path

import pytest
import tomli
from click.testing import CliRunner, Result

from bewust.cli.main import main
from bewust.cli.policy import EXAMPLES
from bewust.config import json_schema


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)], env={"COLUMNS": "200"})


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "policy.toml").write_text('[fill]\ncontact = "[b]CIO[/b]\\u009b"\n', encoding="utf-8")
    return tmp_path


def test_the_policy_in_force_is_shown_with_its_origins(config: Path) -> None:
    plain, told = run("--config", config, "policy", "show"), run("--config", config, "policy", "show", "--origin")
    assert (plain.exit_code, told.exit_code) == (0, 0)
    assert "reminders.silent" in plain.stdout
    assert "[b]CIO[/b]\N{REPLACEMENT CHARACTER}" in plain.stdout, "brackets are shown, what moves the cursor is not"
    assert str(config / "policy.toml") not in plain.stdout
    assert str(config / "policy.toml") in "".join(told.stdout.split())
    assert "default" in told.stdout


def test_the_policy_for_scripts_is_a_list_of_keys(config: Path) -> None:
    rows = {row["key"]: row for row in json.loads(run("--config", config, "policy", "show", "--json").stdout)}
    assert rows["language"] == {"key": "language", "value": "nl", "origin": "default"}
    assert rows["fill.contact"]["origin"] == str(config / "policy.toml")


def test_a_policy_that_is_right_says_what_it_would_do(config: Path) -> None:
    file = config / "policy.toml"
    result = run("policy", "check", file)
    assert (result.exit_code, result.stderr) == (0, "")
    first, second, *notes = result.stdout.splitlines()
    assert first == f"{file} is right."
    assert second.startswith("keys set: 1; services decided: 0; names decrypted: ")
    assert notes
    assert all(note.startswith("note: R") for note in notes)
    found = json.loads(run("policy", "check", "--json", config).stdout)
    assert found["keys"] == 1
    assert len(found["notes"]) == len(notes)


@pytest.mark.parametrize("command", [["policy", "show"], ["policy", "check"]], ids=" ".join)
def test_a_mistake_is_one_line_and_3(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "policy.d").mkdir()
    file = tmp_path / "policy.d" / "10.toml"
    file.write_text("langauge = 1", encoding="utf-8")
    result = run("--config", tmp_path, *command, *([tmp_path] if command[1] == "check" else []))
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith(f"bewust: {file}: ")
    assert result.stderr.count("\n") == 1


def test_a_policy_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    result = run("policy", "check", tmp_path / "none.toml")
    assert result.exit_code == 3
    assert "cannot be read" in result.stderr


def test_the_schema_is_printed_whole() -> None:
    assert run("policy", "schema").stdout == json_schema.text()


def test_every_example_is_printed_as_it_is_and_named_in_the_help() -> None:
    shipped = {file.name.removesuffix(".toml") for file in files("bewust_config").joinpath("policies").iterdir()}
    assert set(EXAMPLES) == shipped
    for name in EXAMPLES:
        result = run("policy", "example", name)
        assert result.stdout == files("bewust_config").joinpath("policies", f"{name}.toml").read_text("utf-8")
        assert tomli.loads(result.stdout)
        assert name in run("policy", "example", "--help").stdout
    assert run("policy", "example", "provincie").exit_code == 2
