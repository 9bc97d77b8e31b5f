"""Files put back byte for byte, with mode and time, whatever was there."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from bewust.admin import files
from support.linux_machine import tree


@pytest.mark.parametrize("before", ["nothing", "file", "link"])
def test_what_was_there_is_put_back(tmp_path: Path, before: str) -> None:
    path = tmp_path / "a" / "b" / "file"
    if before != "nothing":
        path.parent.mkdir(parents=True)
    if before == "file":
        path.write_bytes(b"theirs")
        path.chmod(0o640)
    elif before == "link":
        (tmp_path / "target").write_bytes(b"elsewhere")
        path.symlink_to("../../target")
    then = tree(tmp_path)
    with ExitStack() as back:
        assert files.write(path, b"ours", 0o644, back)
        assert path.read_bytes() == b"ours" and path.stat().st_mode & 0o777 == 0o644 and not path.is_symlink()
        assert not files.write(path, b"ours", 0o644, back), "it was there already"
    assert tree(tmp_path) == then


def test_a_removed_file_comes_back_and_a_missing_one_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with ExitStack() as back:
        assert files.remove(tmp_path / "file", back)
        assert not files.remove(tmp_path / "file", back)
    assert (tmp_path / "file").read_bytes() == b"x"


def test_folders_of_ours_go_unless_others_use_them(tmp_path: Path) -> None:
    with ExitStack() as back:
        files.mkdirs(tmp_path / "a" / "b", 0o700, back)
        assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    assert tree(tmp_path) == {}
    for folder in ("a/b", "c/d"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "c" / "theirs").write_bytes(b"")
    files.removed_if_empty([tmp_path / part for part in ("a", "a/b", "c", "c/d", "gone")])
    assert sorted(tree(tmp_path)) == ["c", "c/theirs"]


def test_a_write_that_fails_leaves_no_crumbs(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(OSError), ExitStack() as back:
        files.write(tmp_path / "file", b"x", 0o644, back)
    assert sorted(tree(tmp_path)) == ["file"]
