"""The ready-made policies: right as they are, and so is every decision that they show behind a #."""

import re
from pathlib import Path

import pytest

from bewust.cli.policy import EXAMPLES
from bewust.config import policy
from bewust.config.review import review

FOLDER = Path(__file__).parents[2] / "config" / "bewust_config" / "policies"


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_right_and_leaves_nothing_to_note(name: str) -> None:
    found = review(FOLDER / f"{name}.toml", None)
    assert found.keys > 5
    assert found.notes == ()
    assert found.decided == 0, "a status is the organisation's own decision"


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_an_example_shows_behind_a_hash_is_right_too(name: str, tmp_path: Path) -> None:
    text = (FOLDER / f"{name}.toml").read_text("utf-8").partition("# mechanism")[0]  # for there are keys to be made
    shown, count = re.subn(r"^# (?=\[|[a-z_]+ = )", "", text, flags=re.MULTILINE)
    assert count or name == "stille-pilot"
    file = tmp_path / "policy.toml"
    file.write_text(shown, encoding="utf-8")
    assert review(file, None).notes == ()


def test_the_pilot_shows_nothing_and_sends_nothing() -> None:
    found = policy.load(FOLDER / "stille-pilot.toml")
    assert found.reminders.silent
    assert found.release.folder == ""


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_reads_well_in_any_editor(name: str) -> None:
    lines = (FOLDER / f"{name}.toml").read_text("utf-8").splitlines()
    assert max(map(len, lines)) <= 120
