"""A keeper's key and its ledger, as files: what a keeper holds, and must not lose.

Belongs here: making, opening and remembering, one run at a time. Not here: what is added up (keeping).
"""

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bewust import memory
from bewust.errors import BewustError
from bewust.keys import key_id, key_text
from bewust.sharing import generate

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

MIN_DIFFERENT = 6  # characters; "aaaaaaaaaaaaaaaa" is long too
MIN_PASSPHRASE = 16  # characters; PKCS8 stretches a passphrase by 2048 rounds only
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")  # it becomes part of file names and of policy.toml


class KeeperError(BewustError, ValueError):
    """A keeper's work cannot be done: names the file or batch, what is wrong, the remedy. Nothing was changed."""


class KeeperKey(msgspec.Struct, frozen=True):
    """A keeper's key as it lies in `path`; its ledger lies beside it."""

    name: str
    id: str
    private: X25519PrivateKey
    path: Path

    @property
    def ledger(self) -> Path:
        """The file that remembers what this key added up."""
        return self.path.with_name(f"{self.path.name}.ledger")


class _KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: Literal["bewust-key/1"]
    name: str
    id: str
    public: str
    private: str


class Remembered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sum of one batch, as it was written, and the manifest of its reports."""

    manifest: str
    sum: str


class Ledger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a key added up, by period: each once."""

    schema: Literal["bewust-ledger/1"]
    keeper: str
    periods: dict[str, Remembered]


def new_key(name: str, passphrase: str, path: Path) -> KeeperKey:
    """Make a key and its empty ledger, readable by their owner only. Never overwrites. Raises KeeperError."""
    if not _NAME.fullmatch(name):
        raise KeeperError(f"{name!r} is no name for a keeper. Use at most 40 letters, digits, - and _.")
    check_passphrase(passphrase)
    private = generate()
    key = KeeperKey(name, key_id(private.public_key()), private, path)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase.encode()),
    )  # fmt: skip
    file = _KeyFile("bewust-key/1", name, key.id, key_text(private.public_key()), pem.decode())
    for each in (path, key.ledger):
        if os.path.lexists(each):
            raise KeeperError(f"{each}: is there already, and is never overwritten. Choose another name with --out.")
    write(path, msgspec.json.encode(file) + b"\n")
    write(key.ledger, msgspec.json.encode(Ledger("bewust-ledger/1", key.id, {})) + b"\n")
    return key


def check_passphrase(passphrase: str) -> None:
    """Refuse one that can be guessed. Raises KeeperError."""
    if len(passphrase) < MIN_PASSPHRASE:
        raise KeeperError(f"the passphrase is shorter than {MIN_PASSPHRASE} characters. Take five or six random words.")
    if len(set(passphrase)) < MIN_DIFFERENT:
        raise KeeperError("the passphrase repeats a few characters. Take five or six random words.")


def load_key(path: Path, passphrase: str) -> KeeperKey:
    """Return the key in a file. Raises KeeperError."""
    try:
        file = msgspec.json.decode(read(path), type=_KeyFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise KeeperError(f"{path}: is no key of a keeper ({error}). Name the file that `keeper new` wrote.") from error
    if "ENCRYPTED" not in file.private:
        raise KeeperError(f"{path}: has no passphrase, so whoever found it can use it. Make a new one: keeper new.")
    try:
        private = serialization.load_pem_private_key(file.private.encode(), passphrase.encode())
    except (ValueError, TypeError):  # TypeError: an empty passphrase
        raise KeeperError(f"{path}: does not open. The passphrase is wrong, or the file was damaged.") from None
    key = KeeperKey(file.name, file.id, private, path) if isinstance(private, X25519PrivateKey) else None
    if key is None or _public_of(key) != (file.name, file.id, file.public):
        raise KeeperError(f"{path}: does not fit its own id, public key or name. Take a copy that was not changed.")
    return key


def _public_of(key: KeeperKey) -> tuple[str, str, str]:
    """Return what a key file must say for the private key in it; no name where it is none."""
    public = key.private.public_key()
    return key.name if _NAME.fullmatch(key.name) else "", key_id(public), key_text(public)


def load_ledger(key: KeeperKey) -> Ledger:
    """Return the ledger of a key. A missing one is no empty one: a batch could be added up twice."""
    remedy = "Put the ledger of this key beside it, from the latest copy."
    if not os.path.lexists(key.ledger):
        raise KeeperError(f"{key.ledger}: is not there. {remedy}")
    try:
        ledger = msgspec.json.decode(read(key.ledger), type=Ledger)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise KeeperError(f"{key.ledger}: is no ledger ({error}). {remedy}") from error
    if ledger.keeper != key.id:
        raise KeeperError(f"{key.ledger}: is the ledger of key {ledger.keeper[:40]!r}, not of {key.id}. {remedy}")
    return ledger


@contextlib.contextmanager
def alone(key: KeeperKey) -> Iterator[None]:
    """Hold a key, so that two runs cannot draw noise for one batch. The system lets go when the process ends."""
    try:
        held = key.path.open("rb")
    except OSError as error:
        raise KeeperError(f"{key.path}: cannot be read ({error.strerror}). Put the key back.") from error
    with held:
        try:
            if sys.platform == "win32":
                msvcrt.locking(held.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise KeeperError(f"{key.path}: another run uses this key. Let it end, and try again.") from None
        yield


def save(path: Path, data: bytes) -> None:
    """Write a result, never over another one; the same bytes may be there. Raises KeeperError."""
    if not os.path.lexists(path):
        write(path, data)
    elif path.is_dir() or read(path) != data:
        raise KeeperError(f"{path}: is there already, and is something else. Keep it elsewhere, or use --out.")


def read(path: Path) -> bytes:
    """Return what a file holds. Raises KeeperError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise KeeperError(f"{path}: cannot be read ({error.strerror}). Check its name and its owner.") from error


def write(path: Path, data: bytes) -> None:
    """Put a file that only its owner reads in place, whole or not at all, also when the power fails."""
    try:
        memory.replace(path, data, synced=True)
    except OSError as error:
        raise KeeperError(f"{path}: cannot be written ({error.strerror}). Make room, or check its owner.") from error
