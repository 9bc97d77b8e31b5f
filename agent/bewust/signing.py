"""The private key of whoever makes catalogues, as a file: PEM, which only its passphrase opens.

Belongs here: making and opening it. Not here: what is signed (bundle).
"""

import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bewust import vault
from bewust.bundle import BundleError
from bewust.vault import KeeperError


def new_key(path: Path, passphrase: str) -> Ed25519PrivateKey:
    """Make a key that its owner only can read. Never overwrites. Raises BundleError."""
    private = Ed25519PrivateKey.generate()
    try:
        vault.check_passphrase(passphrase)
        if os.path.lexists(path):
            raise BundleError(f"{path}: is there already, and is never overwritten. Choose another name with --out.")
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(passphrase.encode()),
        )  # fmt: skip
        vault.write(path, pem)
    except KeeperError as error:
        raise BundleError(str(error)) from error
    return private


def load_key(path: Path, passphrase: str) -> Ed25519PrivateKey:
    """Return the key in a file. Raises BundleError."""
    try:
        pem = vault.read(path)
    except KeeperError as error:
        raise BundleError(str(error)) from error
    if b"BEGIN ENCRYPTED PRIVATE KEY" not in pem:
        raise BundleError(f"{path}: is no key with a passphrase. Make one: bewust catalogue keygen.")
    try:
        private = serialization.load_pem_private_key(pem, passphrase.encode())
    except (ValueError, TypeError):  # TypeError: an empty passphrase
        raise BundleError(f"{path}: does not open. The passphrase is wrong, or the file was damaged.") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise BundleError(f"{path}: is a key for something else. Make one: bewust catalogue keygen.")
    return private


def save(path: Path, data: bytes) -> None:
    """Write a bundle, never over another file. Raises BundleError."""
    try:
        vault.save(path, data)
    except KeeperError as error:
        raise BundleError(str(error)) from error
