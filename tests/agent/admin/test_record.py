"""The record survives, and one that is none is said so."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from bewust.admin import record
from bewust.admin.record import PreviousValue, Record
from bewust.admin.steps import Choices
from bewust.errors import AdminError


def test_what_is_written_is_read(tmp_path: Path) -> None:
    kept = Record(Choices(9999, "http://p.example:1"), ["/a"], {"/x": PreviousValue(None, "left")}, True)
    record.save(tmp_path, kept, ExitStack())
    assert record.load(tmp_path) == kept
    assert (tmp_path / record.FILE).stat().st_mode & 0o777 == 0o600


def test_one_of_an_older_version_with_a_list_of_files_is_read(tmp_path: Path) -> None:
    (tmp_path / record.FILE).write_text('{"folders": ["/a"], "files": ["/a/f"]}')
    assert record.load(tmp_path).folders == ["/a"]


def test_the_choices_go_into_the_record_and_the_file_and_out_again(tmp_path: Path) -> None:
    kept, policy = Record(), tmp_path / "10-install.toml"
    for upstream in ("http://p.example:1", ""):
        record.choose(kept, Choices(9999, upstream), policy, ExitStack())
        assert kept.choices == Choices(9999, upstream)
        assert policy.exists() == bool(upstream)


def test_none_is_an_empty_one(tmp_path: Path) -> None:
    assert record.load(tmp_path) == Record()


@pytest.mark.parametrize("text", ["", "[]", '{"folders": 3}', "\x00"])
def test_a_broken_one_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / record.FILE).write_text(text)
    with pytest.raises(AdminError, match=r"installed\.json: is no record"):
        record.load(tmp_path)
