"""Public keys as they are written, and what they are called.

Belongs here: any key of 32 bytes. Not here: what it is for (bundle: signing; sharing: sealing).
"""

import base64
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

_SIZE = 32  # bytes; RFC 7748 and RFC 8032


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
