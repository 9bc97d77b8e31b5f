"""A keeper's key and its ledger, as files: what a keeper holds, and must not lose.

Belongs here: making, opening and remembering, one run at a time. Not here: what is added up (sums).
"""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bewust.errors import BewustError
from bewust.files import locked, read, write
from bewust.keys import encrypted_pem, key_id, key_text, opened_pem

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


class PublishedBatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sum of one batch, as it was written, and the manifest of its reports."""

    manifest: str
    sum: str


class PublishedLedger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a key added up, by period: each once."""

    schema: Literal["bewust-ledger/1"]
    keeper: str
    periods: dict[str, PublishedBatch]


def new_key(name: str, passphrase: str, path: Path) -> KeeperKey:
    """Make a key and its empty ledger, readable by their owner only. Never overwrites.

    Raises KeeperError, PassphraseError, FileError.
    """
    if not _NAME.fullmatch(name):
        raise KeeperError(f"{name!r} is no name for a keeper. Use at most 40 letters, digits, - and _.")
    private = X25519PrivateKey.generate()
    key = KeeperKey(name, key_id(private.public_key()), private, path)
    pem = encrypted_pem(private, passphrase)
    file = _KeyFile("bewust-key/1", name, key.id, key_text(private.public_key()), pem.decode())
    for each in (path, key.ledger):
        if os.path.lexists(each):
            raise KeeperError(f"{each}: is there already, and is never overwritten. Choose another name with --out.")
    write(path, msgspec.json.encode(file) + b"\n")
    write(key.ledger, msgspec.json.encode(PublishedLedger("bewust-ledger/1", key.id, {})) + b"\n")
    return key


def load_key(path: Path, passphrase: str) -> KeeperKey:
    """Return the key in a file. Raises KeeperError, PassphraseError, FileError."""
    try:
        file = msgspec.json.decode(read(path), type=_KeyFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise KeeperError(f"{path}: is no key of a keeper ({error}). Name the file that `keeper new` wrote.") from error
    if "ENCRYPTED" not in file.private:
        raise KeeperError(f"{path}: has no passphrase, so whoever found it can use it. Make a new one: keeper new.")
    private = opened_pem(file.private.encode(), passphrase, str(path))
    key = KeeperKey(file.name, file.id, private, path) if isinstance(private, X25519PrivateKey) else None
    if key is None or _public_of(key) != (file.name, file.id, file.public):
        raise KeeperError(f"{path}: does not fit its own id, public key or name. Take a copy that was not changed.")
    return key


def _public_of(key: KeeperKey) -> tuple[str, str, str]:
    """Return what a key file must say for the private key in it; no name where it is none."""
    public = key.private.public_key()
    return key.name if _NAME.fullmatch(key.name) else "", key_id(public), key_text(public)


def load_ledger(key: KeeperKey) -> PublishedLedger:
    """Return the ledger of a key. A missing one is no empty one: a batch could be added up twice."""
    remedy = "Put the ledger of this key beside it, from the latest copy."
    if not os.path.lexists(key.ledger):
        raise KeeperError(f"{key.ledger}: is not there. {remedy}")
    try:
        ledger = msgspec.json.decode(read(key.ledger), type=PublishedLedger)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise KeeperError(f"{key.ledger}: is no ledger ({error}). {remedy}") from error
    if ledger.keeper != key.id:
        raise KeeperError(f"{key.ledger}: is the ledger of key {ledger.keeper[:40]!r}, not of {key.id}. {remedy}")
    return ledger


@contextlib.contextmanager
def exclusive_lock(key: KeeperKey) -> Iterator[None]:
    """Hold a key, so that two runs cannot draw noise for one batch."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(key.path))
        except BlockingIOError:
            raise KeeperError(f"{key.path}: another run uses this key. Let it end, and try again.") from None
        except OSError as error:
            raise KeeperError(f"{key.path}: cannot be read ({error.strerror}). Put the key back.") from error
        yield
