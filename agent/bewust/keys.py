"""Keys as they are written: public ones as a text, private ones as PEM that only a passphrase opens.

Belongs here: any key of 32 bytes, and what a passphrase must be. Not here: what a key is for (bundle: signing;
sharing: sealing), or files.
"""

import base64
import hashlib

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from bewust.errors import BewustError

MIN_DIFFERENT = 6  # characters; "aaaaaaaaaaaaaaaa" is long too
MIN_PASSPHRASE = 16  # characters; PKCS8 stretches a passphrase by 2048 rounds only
_SIZE = 32  # bytes; RFC 7748 and RFC 8032


class PublicKeyError(BewustError, ValueError):
    """A public key cannot be used: says what is wrong with it and what to do."""


class PassphraseError(BewustError, ValueError):
    """A passphrase can be guessed, or does not open the key: says which and what to do."""


def key_text(public: Ed25519PublicKey | X25519PublicKey) -> str:
    """Return a public key as it stands in policy.toml: its 32 bytes in base64."""
    return base64.b64encode(public.public_bytes_raw()).decode()


def key_id(public: Ed25519PublicKey | X25519PublicKey) -> str:
    """Return what a public key is called wherever it is shown: 16 hex digits of its SHA-256."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


def key_bytes(text: str) -> bytes:
    """Return the 32 bytes that `key_text` wrote. Raises ValueError with what is wrong, without a remedy."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raise ValueError(f"key {text[:60]!r} is not base64") from None
    if len(raw) != _SIZE:
        raise ValueError(f"key {text[:60]!r} has {len(raw)} bytes instead of {_SIZE}")
    return raw


def keeper_key(text: str) -> X25519PublicKey:
    """Return the public key of a keeper that `key_text` wrote. Raises PublicKeyError."""
    remedy = "Copy the line that `bewust keeper new` wrote"
    try:
        public = X25519PublicKey.from_public_bytes(key_bytes(text))
    except ValueError as error:
        raise PublicKeyError(f"{error}. {remedy}.") from None
    try:
        X25519PrivateKey.generate().exchange(public)
    except ValueError:  # one of the few points that make every secret the same, known one
        raise PublicKeyError(f"key {text[:60]!r} protects nothing. {remedy}.") from None
    return public


def publisher_key(text: str) -> Ed25519PublicKey:
    """Return the public key of whoever signs catalogues that `key_text` wrote. Raises PublicKeyError."""
    try:
        return Ed25519PublicKey.from_public_bytes(key_bytes(text))
    except ValueError as error:
        raise PublicKeyError(f"{error}. Copy the line that `bewust catalogue keygen` wrote.") from None


def check_passphrase(passphrase: str) -> None:
    """Refuse one that can be guessed. Raises PassphraseError."""
    if len(passphrase) < MIN_PASSPHRASE:
        raise PassphraseError(
            f"the passphrase is shorter than {MIN_PASSPHRASE} characters. Take five or six random words."
        )
    if len(set(passphrase)) < MIN_DIFFERENT:
        raise PassphraseError("the passphrase repeats a few characters. Take five or six random words.")


def encrypted_pem(private: Ed25519PrivateKey | X25519PrivateKey, passphrase: str) -> bytes:
    """Return a private key as PEM that only the passphrase opens. Raises PassphraseError for one that is weak."""
    check_passphrase(passphrase)
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase.encode()),
    )


def opened_pem(pem: bytes, passphrase: str, file: str) -> object:
    """Return the private key in a PEM of `encrypted_pem`. Raises PassphraseError, naming the file."""
    try:
        return serialization.load_pem_private_key(pem, passphrase.encode())
    except (ValueError, TypeError):  # TypeError: an empty passphrase
        raise PassphraseError(f"{file}: does not open. The passphrase is wrong, or the file was damaged.") from None
