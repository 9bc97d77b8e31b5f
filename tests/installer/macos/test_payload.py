"""The archive of what is put on a Mac, read by the system's own cpio and bsdtar."""

import gzip
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from installer.macos.payload import Entry, archive, entries

missing = [name for name in ("cpio", "bsdtar") if not shutil.which(name)]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")
TIME = 1767225600


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    root = tmp_path / "stage"
    for name, text, mode in (("Applications/A.app/é run", "#!/bin/sh\n", 0o700), ("Library/b/c.plist", "", 0o600)):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
    (root / "Library/link").symlink_to("b/c.plist")
    return root


def test_everything_is_roots_and_executable_only_where_it_was(stage: Path) -> None:
    found = {entry.path: entry for entry in entries(stage)}
    assert list(found) == [".", "./Applications", "./Applications/A.app", "./Applications/A.app/é run", "./Library",
                           "./Library/b", "./Library/b/c.plist", "./Library/link"]  # fmt: skip
    assert found["./Applications/A.app/é run"].mode == stat.S_IFREG | 0o755
    assert found["./Library/b/c.plist"].mode == stat.S_IFREG | 0o644
    assert found["./Library"].mode == stat.S_IFDIR | 0o755
    assert found["./Library/link"].data == b"b/c.plist"
    # As macOS has it: a package that said otherwise would change who may install applications.
    assert (found["./Applications"].mode & 0o777, found["./Applications"].group) == (0o775, 80)
    assert {entry.group for path, entry in found.items() if path != "./Applications"} == {0}


def test_cpio_lists_owner_and_mode_of_each(stage: Path) -> None:
    raw = gzip.decompress(archive(entries(stage), TIME))
    assert raw.startswith(b"070707") and len(raw) % 512 == 0
    said = subprocess.run(
        ["cpio", "--list", "--verbose", "--numeric-uid-gid", "--quiet"],
        input=raw, capture_output=True, check=True, timeout=20, env={**os.environ, "LC_ALL": "C.UTF-8"},
    ).stdout.decode()  # fmt: skip
    lines = said.splitlines()
    assert len(lines) == 8
    assert [line.split()[2:4] for line in lines] == [["0", "0"], ["0", "80"], *[["0", "0"]] * 6]
    assert lines[3].startswith("-rwxr-xr-x") and lines[6].startswith("-rw-r--r--")
    assert lines[7].startswith("lrwxr-xr-x") and lines[7].endswith("./Library/link -> b/c.plist")


def test_bsdtar_unpacks_what_was_packed(stage: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    command = ["bsdtar", "-xf", "-", "-C", str(target), "--no-same-owner"]
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    subprocess.run(command, input=archive(entries(stage), TIME), check=True, timeout=20, env=environment)
    assert [(e.path, e.mode, e.data) for e in entries(target)] == [(e.path, e.mode, e.data) for e in entries(stage)]
    assert (target / "Library/b/c.plist").stat().st_mtime == TIME


def test_the_same_folder_gives_the_same_bytes(stage: Path) -> None:
    first = archive(entries(stage), TIME)
    os.utime(stage / "Library/b/c.plist", (1, 1))
    assert archive(entries(stage), TIME) == first


def test_what_does_not_fit_is_said() -> None:
    class Large(bytes):
        def __len__(self) -> int:
            return 8**11

    with pytest.raises(ValueError, match=r"\./large: is too large"):
        archive([Entry("./large", stat.S_IFREG | 0o644, 0, Large())], TIME)
