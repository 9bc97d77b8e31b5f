"""The record survives, and one that is none is said so."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from bewust.admin import record
from bewust.admin.record import Before, Record
from bewust.admin.steps import AdminError, Choices


def test_what_is_written_is_read(tmp_path: Path) -> None:
    kept = Record(Choices(9999, "http://p.example:1"), ["/a"], ["/a/f"], {"/x": Before(None, "left")}, True)
    record.save(tmp_path, kept, ExitStack())
    assert record.load(tmp_path) == kept
    assert (tmp_path / record.FILE).stat().st_mode & 0o777 == 0o600


def test_none_is_an_empty_one(tmp_path: Path) -> None:
    assert record.load(tmp_path) == Record()


@pytest.mark.parametrize("text", ["", "[]", '{"folders": 3}', "\x00"])
def test_a_broken_one_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / record.FILE).write_text(text)
    with pytest.raises(AdminError, match=r"installed\.json: is no record"):
        record.load(tmp_path)
