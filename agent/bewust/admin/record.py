"""What an installation changed that it must know again: kept by root, trusted by root, holding nothing of a person.

Belongs here: the small file. Not here: acting on it. It lies beside the state folder and
not in it, since what the service's account can write root must not follow.
"""

from contextlib import ExitStack
from pathlib import Path

import msgspec

from bewust.admin import files
from bewust.admin.steps import Choices
from bewust.errors import AdminError

FILE = "installed.json"


class PreviousValue(msgspec.Struct, frozen=True):
    """A file of others as it was before we laid our keys into it, and as we left it; `text` None: it was not there."""

    text: str | None
    left: str


type Data = str | int  # of a registry value


class InstalledValue(msgspec.Struct, frozen=True):
    """A registry value as it was before us, None where it was not there, and as we left it."""

    key: str
    name: str
    before: Data | None
    left: Data


class Record(msgspec.Struct):
    """`folders` we made, `laid` by path: others' files with keys of ours.

    On Windows also `keys` of the registry that we made, values that we set, by name, and the SHA-1 of each root that
    we had trusted.
    """

    choices: Choices = Choices()
    folders: list[str] = []
    laid: dict[str, PreviousValue] = {}
    account: bool = False  # whether we made the service's account
    keys: list[str] = []
    laid_values: dict[str, InstalledValue] = {}
    roots: list[str] = []


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


def choose(record: Record, choices: Choices, policy: Path, back: ExitStack) -> None:
    """Put an administrator's choices into the record and into `policy`, the file of ours. Raises OSError."""
    if choices.upstream:
        head = "# Written by bewust admin install --upstream; removed with it."
        files.write(policy, f'{head}\n[network]\nupstream = "{choices.upstream}"\n'.encode(), 0o644, back)
    else:
        files.remove(policy, back)
    record.choices = choices
