"""Files of the machine, written whole or not at all, and put back as they were when a step fails.

Belongs here: bytes, modes and folders. Not here: what is in them. A symbolic link is never followed
into another file: what it is put in place of is the link.
"""

import contextlib
import os
import shutil
from contextlib import ExitStack
from pathlib import Path

from bewust.files import replace


def write(path: Path, data: bytes, mode: int, back: ExitStack) -> bool:
    """Put `data` at `path`, making the folders above it; True where that changed anything. Raises OSError."""
    with contextlib.suppress(OSError):
        if not path.is_symlink() and path.read_bytes() == data and (path.stat().st_mode & 0o777) == mode:
            return False
    for folder in reversed([p for p in path.parents if not p.exists()]):
        folder.mkdir(0o755)
        folder.chmod(0o755)  # whatever the umask of who calls
        back.callback(_rmdir, folder)
    backup(path, back)
    replace(path, data, mode=mode)
    return True


def remove(path: Path, back: ExitStack) -> bool:
    """Remove a file; True where it was there. Raises OSError."""
    if not path.exists() and not path.is_symlink():
        return False
    backup(path, back)
    path.unlink()
    return True


def mkdirs(folder: Path, mode: int, back: ExitStack) -> None:
    """Make a folder of ours, and those above it. Raises OSError."""
    if not folder.is_dir():
        for above in reversed([p for p in folder.parents if not p.exists()]):
            above.mkdir(0o755)
            back.callback(_rmdir, above)
        folder.mkdir(mode)
        back.callback(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(mode)


def removed_if_empty(folders: list[Path]) -> None:
    """Remove those of the folders that are empty, the deepest first: only what we made is given here."""
    for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
        _rmdir(folder)


def backup(path: Path, back: ExitStack) -> None:
    """Have the file as it is now put back, owner and mode too, when `back` unwinds."""
    if path.is_symlink():
        back.callback(_relink, path, str(path.readlink()))
    elif path.exists():
        about = path.stat()
        back.callback(_restore, path, path.read_bytes(), about)
    else:
        back.callback(path.unlink, missing_ok=True)


def backup_tree(folder: Path, back: ExitStack) -> None:
    """Have the files right in a folder put back as they were, with owner and mode."""
    for path in folder.iterdir():
        if path.is_file() and not path.is_symlink():
            backup(path, back)


def _restore(path: Path, data: bytes, about: os.stat_result) -> None:
    replace(
        path, data, mode=about.st_mode & 0o7777, owner=(about.st_uid, about.st_gid),
        times=(about.st_atime_ns, about.st_mtime_ns),
    )  # fmt: skip


def _relink(path: Path, target: str | None) -> None:
    if target is None:
        path.unlink(missing_ok=True)
        return
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    os.replace(fresh, path)


def _rmdir(folder: Path) -> None:
    with contextlib.suppress(OSError):  # it is gone, or others put something into it
        folder.rmdir()
