"""The one small file of a person's own login: what must outlive a restart, and nothing else.

Belongs here: reading and writing it. Not here: what it means (reminders.schedule). A file that cannot be read is as
good
as none: all it costs is an explanation read twice.
"""

from pathlib import Path

import msgspec

from bewust.files import replace
from bewust.model import SavedUserState


def read_saved(path: Path) -> SavedUserState:
    """Return what the file says; nothing where there is none, or another thing."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=SavedUserState)
    except (OSError, ValueError):
        return SavedUserState()


def write_saved(path: Path, memory: SavedUserState) -> str | None:
    """Write the file; return what went wrong, in words."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace(path, msgspec.json.encode(memory))
    except OSError as error:
        return f"{path}: cannot be written ({error.strerror}). Make room, or check its owner."
    return None
