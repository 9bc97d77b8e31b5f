"""What a login remembers is small, private, and never in the way when it is broken."""

import stat
from datetime import date
from pathlib import Path

import pytest

from bewust.model import Context, SavedUserState
from bewust.sessions.saved import read_saved, write_saved

KEPT = SavedUserState((Context.CHAT, Context.SEARCH), date(2026, 11, 24), {Context.SEARCH: date(2026, 11, 30)})


def test_what_is_written_is_read_and_only_its_owner_can(tmp_path: Path) -> None:
    path = tmp_path / "new" / "login.json"
    assert write_saved(path, KEPT) is None
    assert read_saved(path) == KEPT
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [p.name for p in path.parent.iterdir()] == ["login.json"]


def test_it_holds_no_service_and_no_hour(tmp_path: Path) -> None:
    write_saved(tmp_path / "login.json", KEPT)
    assert (tmp_path / "login.json").read_text() == (
        '{"explained":["chat","search"],"until":"2026-11-24","snoozed":{"search":"2026-11-30"}}'
    )


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'{"explained":["chatgpt"]}', b'{"more":1}', b'{"until":"2026-11-24T10:00"}', b"\xff"]
)
def test_a_file_that_is_none_of_ours_is_as_good_as_none(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "login.json").write_bytes(text)
    assert read_saved(tmp_path / "login.json") == SavedUserState()
    assert read_saved(tmp_path / "none.json") == SavedUserState()


def test_where_it_cannot_be_written_the_reason_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "login.json").mkdir()
    problem = write_saved(tmp_path / "login.json", KEPT)
    assert problem is not None and str(tmp_path / "login.json") in problem
    assert [p.name for p in tmp_path.iterdir()] == ["login.json"]
