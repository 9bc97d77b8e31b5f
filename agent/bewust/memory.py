"""The one small file of a person's own login: what must outlive a restart, and nothing else.

Belongs here: reading and writing it, and a file that only its owner reads. Not here: what it means
(reminders). A file that cannot be read is as good as none: all it costs is an explanation read twice.
"""

import contextlib
import os
from pathlib import Path

import msgspec

from bewust.model import Memory

FILE = "login.json"


def remembered(path: Path) -> Memory:
    """Return what the file says; nothing where there is none, or another thing."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Memory)
    except (OSError, ValueError):
        return Memory()


def write_memory(path: Path, memory: Memory) -> str | None:
    """Write the file; return what went wrong, in words."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace(path, msgspec.json.encode(memory))
    except OSError as error:
        return f"{path}: cannot be written ({error.strerror}). Make room, or check its owner."
    return None


def replace(path: Path, data: bytes, *, synced: bool = False) -> None:
    """Write a file that only this person can read, replacing it whole; `synced` also when the power fails.

    Raises OSError.
    """
    fresh = path.with_name(f"{path.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(data)
            if synced:
                file.flush()
                os.fsync(file.fileno())
        os.replace(fresh, path)
        if synced and os.name == "posix":  # elsewhere a folder cannot be opened
            folder = os.open(path.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise
