"""The names of the state folder stand in one place, and everything that knows them knows the same."""

import sqlite3
from pathlib import Path

import pytest

from bewust.config import languages as config_languages
from bewust.config.rules import load_rules
from bewust.daemon.state import Settings, install_state
from bewust.state_files import LOCK, OTHERS, OURS, STORE
from bewust.statistics.audit import audit_state


@pytest.mark.parametrize("language", config_languages.known())
def test_the_papers_say_of_every_file_what_it_is(language: str) -> None:
    said = config_languages.words(language, "papers")
    assert {key.removeprefix("file.") for key in said if key.startswith("file.")} == set(OTHERS)


def test_nothing_of_ours_is_a_strangers_to_the_proof_or_at_the_start(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)  # others read it, so that a start looks what else is in it
    for name in set(OTHERS) - {"authority"}:
        (tmp_path / name).write_bytes(b"") if "." in name or name == LOCK else (tmp_path / name).mkdir()
    with sqlite3.connect(tmp_path / STORE) as empty:
        empty.execute("PRAGMA user_version")
    empty.close()
    assert not [finding for finding in audit_state(tmp_path, ()).findings if "nothing of Bewust's" in finding]
    install_state(Settings(tmp_path), load_rules(None))
    assert {path.name for path in tmp_path.iterdir()} == OURS
