"""Which catalogue is in force: the shipped one, or the bundle that was imported into the state folder.

Belongs here: the folder that keeps two imported bundles, and reading from it what may be believed. Not
here: the checks before an import (config.catalogue_import). Each bundle is a file named after its own SHA-256 and is
never written again, so that an agent and its inspector cannot mean two things by one name. One small file
says which is in force and which was before; whatever changes, changes with the one rename of that file.
"""

import contextlib
import functools
import hashlib
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Literal

import msgspec

from bewust import __version__
from bewust.catalogue import loading, signed_file
from bewust.catalogue.signed_file import SUFFIX, BundleError
from bewust.files import replace
from bewust.state_files import CATALOGUE

POINTER = "in-force.json"
SPARED = 3600.0  # seconds that a file nobody names is left alone: another import may be about to name it
_REVIEWED = re.compile(r"^[ \t]*reviewed[ \t]*=[ \t]*(\d{4}-\d\d-\d\d)\b", re.MULTILINE | re.ASCII)
_ANEW = "Import the catalogue again, or do without: bewust catalogue rollback --shipped."


class Edition(msgspec.Struct, frozen=True):
    """One catalogue. `reviewed` is the day of its newest review, `made` when its bundle was signed, `key` by whom.

    `services` are its texts by file name and `path` the bundle, both None for the shipped one. `problem`
    says why it is the shipped one although another was imported.
    """

    origin: Literal["shipped", "imported"]
    version: str
    reviewed: str
    made: str = ""
    key: str = ""
    services: Mapping[str, str] | None = None
    path: Path | None = None
    problem: str | None = None

    @property
    def description(self) -> str:
        """What it is, in one line."""
        if self.origin == "shipped":
            return f"shipped with version {self.version}, reviewed until {self.reviewed}"
        return f"imported: {self.version}, made {self.made[:10]}, reviewed until {self.reviewed}, key {self.key}"


class Pointer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The SHA-256 of the bundle in force and of the one before; None stands for the shipped catalogue."""

    current: str | None = None
    previous: str | None = None


def shipped(problem: str | None = None) -> Edition:
    """Return the catalogue that came with this program."""
    return Edition("shipped", __version__, _reviewed(), problem=problem)


def active_edition(state: Path | None, keys: Sequence[str]) -> Edition:
    """Return the imported catalogue where it can be believed, otherwise the shipped one and why.

    Its signature is checked again at every reading: `keys` are those of the policy as it is now.
    """
    try:
        found = current(state).current if state is not None else None
        if state is None or found is None:
            return shipped()
        return verify(read_bundle(bundle_path(state, found)), keys, bundle_path(state, found))
    except BundleError as error:
        return shipped_because(error)


def complete_texts(folder: Path | None, countries: Sequence[str]) -> Mapping[str, str]:
    """Return the texts of a folder's services, or of ours, where they are a whole catalogue without mistakes.

    Raises BundleError or CatalogueError.
    """
    texts = loading.texts_of(folder if folder is not None else files("bewust_config"))
    if not texts:
        raise BundleError(f"{folder}: has no folder services with files *.toml in it. Name another folder.")
    loading.load(None, countries, texts)
    return texts


def shipped_because(why: object) -> Edition:
    """Return the shipped catalogue, saying why it is not the imported one."""
    return shipped(f"the imported catalogue is not used: {why} Until then the shipped catalogue is in force.")


def outdated(edition: Edition) -> str | None:
    """Return what to do where the program now comes with a catalogue that is newer than the imported one."""
    if edition.origin == "shipped" or edition.reviewed >= _reviewed():
        return None
    return (
        f"the imported catalogue was reviewed until {edition.reviewed}, the shipped one until {_reviewed()}. "
        "Import a newer one, or go back to ours: bewust catalogue rollback --shipped"
    )


def verify(data: bytes, keys: Sequence[str], path: Path) -> Edition:
    """Return the edition in the bytes of a bundle. Raises BundleError where no key of `keys` signed it."""
    found, key = signed_file.verify_and_decode(data, keys, str(path))
    reviewed = _newest(found.services)
    return Edition("imported", found.version, reviewed, found.made, key, found.services, path)


def services_of(path: Path) -> Mapping[str, str]:
    """Return the texts of a bundle whose signature was checked under this name. Raises BundleError."""
    data = read_bundle(path)
    if _name(data) != path.name:
        raise BundleError(f"{path}: is not what its name says. {_ANEW}")
    return signed_file.contents(data, str(path)).services


def read_bundle(path: Path) -> bytes:
    """Return the bytes of a bundle, and no more of them than one may have. Raises BundleError."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            return file.read(signed_file.LIMIT + 1) or b""
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}). Check its name and its owner.") from error


def current(state: Path) -> Pointer:
    """Return what is in force and what was before. Raises BundleError."""
    file = state / CATALOGUE / POINTER
    try:
        with open(file, "rb", opener=_without_waiting) as opened:
            found = msgspec.json.decode(opened.read(signed_file.LIMIT) or b"", type=Pointer)
    except FileNotFoundError:
        return Pointer()
    except OSError as error:
        raise BundleError(f"{file}: cannot be read ({error.strerror}). Check its owner.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"{file}: was damaged ({error}). {_ANEW}") from error
    if not all(re.fullmatch(r"[0-9a-f]{64}", name) for name in (found.current, found.previous) if name is not None):
        raise BundleError(f"{file}: was damaged (it names no bundle). {_ANEW}")
    return found


def _without_waiting(path: str, flags: int) -> int:
    """Open as `open` does, but never wait for whoever would write into a pipe that lies there instead of a file."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def bundle_path(state: Path, sha256: str) -> Path:
    """Return where the bundle with this SHA-256 is kept."""
    return state / CATALOGUE / f"{sha256}{SUFFIX}"


def store_bundle(state: Path, data: bytes, then: Pointer) -> Path:
    """Keep a bundle that was checked, and put it in force after `then.current`. Raises BundleError."""
    path = state / CATALOGUE / _name(data)
    with _clear(path):
        path.parent.mkdir(exist_ok=True, mode=0o700)
        replace(path, data, synced=True)  # also where it is there: it may have been damaged since
    new = path.name.removesuffix(SUFFIX)
    set_current(state, then if then.current == new else Pointer(new, then.current))
    return path


def set_current(state: Path, to: Pointer) -> None:
    """Put another bundle in force, and remove what was kept of those before the previous. Raises BundleError."""
    file = state / CATALOGUE / POINTER
    with _clear(file):
        replace(file, msgspec.json.encode(to), synced=True)
    named = {POINTER, *(f"{name}{SUFFIX}" for name in (to.current, to.previous) if name is not None)}
    with contextlib.suppress(OSError):  # it is in force; what is left over does no harm
        now = file.stat().st_mtime  # of the clock that stamps the others too: this machine's may have been set since
        for path in file.parent.iterdir():
            if path.name not in named and path.stat().st_mtime < now - SPARED:
                path.unlink()


def unexpected_files(folder: Path) -> list[str]:
    """Return what lies in the folder of imported catalogues and is none, for `bewust prove`."""
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else [folder]:
        try:
            if path.name == POINTER:
                current(folder.parent)
            else:
                services_of(path)
        except BundleError as error:
            found.append(str(error))
    return found


@contextlib.contextmanager
def as_owner(folder: Path) -> Iterator[None]:
    """Act as the owner of a folder where the administrator does it, so that files come out as the agent's own.

    Whatever that account may have put in the way, such as a link, then leads no further than its own rights.
    """
    if sys.platform == "win32":  # files inherit who may reach them from their folder
        yield
        return
    about = folder.stat()
    if os.geteuid() != 0 or about.st_uid == 0:
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    os.setgroups([about.st_gid])
    os.setegid(about.st_gid)
    os.seteuid(about.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


@contextlib.contextmanager
def _clear(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BundleError(
            f"{path}: cannot be written ({error.strerror}). Make room, or do it as its owner or as administrator."
        ) from error


def _name(data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()}{SUFFIX}"


@functools.cache
def _reviewed() -> str:
    return _newest(loading.texts_of(files("bewust_config")))


def _newest(services: Mapping[str, str]) -> str:
    return max((day for text in services.values() for day in _REVIEWED.findall(text)), default="")
