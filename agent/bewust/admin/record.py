"""What an installation changed that it must know again: kept by root, trusted by root, holding nothing of a person.

Belongs here: the small file. Not here: acting on it. It lies beside the state folder and
not in it, since what the service's account can write root must not follow.
"""

from contextlib import ExitStack
from pathlib import Path

import msgspec

from bewust.admin import files
from bewust.admin.steps import AdminError, Choices

FILE = "installed.json"


class Before(msgspec.Struct, frozen=True):
    """A file of others as it was before we laid our keys into it, and as we left it; `text` None: it was not there."""

    text: str | None
    left: str


class Record(msgspec.Struct):
    """`folders` we made, `files` that are wholly ours, `laid` by path: others' files with keys of ours."""

    choices: Choices = Choices()
    folders: list[str] = []
    files: list[str] = []
    laid: dict[str, Before] = {}
    account: bool = False  # whether we made the service's account


def load(folder: Path) -> Record:
    """Return the record in `folder`, an empty one where there is none. Raises AdminError, OSError."""
    file = folder / FILE
    try:
        return msgspec.json.decode(file.read_bytes(), type=Record)
    except FileNotFoundError:
        return Record()
    except (ValueError, msgspec.ValidationError) as error:
        raise AdminError(
            f"{file}: is no record of an installation ({error}). Put back a copy of it, or remove it and install again."
        ) from error


def save(folder: Path, record: Record, back: ExitStack) -> None:
    """Write the record. Raises OSError."""
    files.write(folder / FILE, msgspec.json.format(msgspec.json.encode(record)) + b"\n", 0o600, back)
