"""The private key of whoever makes catalogues, as a file: PEM, which only its passphrase opens.

Belongs here: making and opening it. Not here: what is signed (signed_file).
"""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bewust.catalogue.signed_file import BundleError
from bewust.files import read, write
from bewust.keys import encrypted_pem, opened_pem


def new_key(path: Path, passphrase: str) -> Ed25519PrivateKey:
    """Make a key that its owner only can read. Never overwrites. Raises BundleError, PassphraseError, FileError."""
    private = Ed25519PrivateKey.generate()
    pem = encrypted_pem(private, passphrase)
    if os.path.lexists(path):
        raise BundleError(f"{path}: is there already, and is never overwritten. Choose another name with --out.")
    write(path, pem)
    return private


def load_key(path: Path, passphrase: str) -> Ed25519PrivateKey:
    """Return the key in a file. Raises BundleError, PassphraseError, FileError."""
    pem = read(path)
    if b"BEGIN ENCRYPTED PRIVATE KEY" not in pem:
        raise BundleError(f"{path}: is no key with a passphrase. Make one: bewust catalogue keygen.")
    private = opened_pem(pem, passphrase, str(path))
    if not isinstance(private, Ed25519PrivateKey):
        raise BundleError(f"{path}: is a key for something else. Make one: bewust catalogue keygen.")
    return private
