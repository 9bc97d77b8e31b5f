"""What a package puts on a Mac: each path with owner and mode, and the archive of them.

Belongs here: reading a staged folder, the cpio archive. Not here: what is staged (staging), the list of
it that the installer keeps (bom). Source: the "odc" format of cpio, as POSIX.1-1988 has it in section 10.1.2.
"""

import gzip
import io
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ADMINISTRATORS = 80
# Folders that macOS has already: written down as they are there, so that nothing of them changes.
_THEIRS = {"./Applications": (0o775, ADMINISTRATORS)}
_BLOCK = 512


class Entry(NamedTuple):
    """`path` begins with "." ; `mode` has the kind in it; `data` is what is in a file, or where a link leads."""

    path: str
    mode: int
    group: int
    data: bytes


def entries(stage: Path) -> list[Entry]:
    """Return what is staged, folders before what is in them, sorted by name. Owned by root throughout."""
    paths = sorted(stage.rglob("*"), key=lambda path: path.relative_to(stage).parts)
    return [_entry(stage, stage), *(_entry(stage, path) for path in paths)]


def _entry(stage: Path, path: Path) -> Entry:
    name = "." if path == stage else f"./{path.relative_to(stage).as_posix()}"
    if path.is_symlink():
        return Entry(name, stat.S_IFLNK | 0o755, 0, str(path.readlink()).encode())
    if path.is_dir():
        mode, group = _THEIRS.get(name, (0o755, 0))
        return Entry(name, stat.S_IFDIR | mode, group, b"")
    executable = path.stat().st_mode & 0o111
    return Entry(name, stat.S_IFREG | (0o755 if executable else 0o644), 0, path.read_bytes())


def archive(found: Sequence[Entry], time: int) -> bytes:
    """Return a gzipped cpio archive; the same entries and time give the same bytes. Raises ValueError beyond 8 GiB."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=6, mtime=time) as file:
        size = 0
        for number, entry in enumerate([*found, Entry("TRAILER!!!", 0, 0, b"")], start=1):
            name = entry.path.encode() + b"\0"
            links = 0 if entry.mode == 0 else 1
            fields = (0, number & 0o777777, entry.mode, 0, entry.group, links, 0)
            head = b"070707" + "".join(f"{field:06o}" for field in fields).encode()
            if len(entry.data) >= 8**11:
                raise ValueError(f"{entry.path}: is too large for this kind of archive")
            head += f"{time if entry.mode else 0:011o}{len(name):06o}{len(entry.data):011o}".encode()
            size += file.write(head + name + entry.data)
        file.write(b"\0" * (-size % _BLOCK))
    return out.getvalue()
