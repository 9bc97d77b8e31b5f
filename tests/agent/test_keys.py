"""Public keys as text: both kinds come back as they were, and what is none says what it is."""

import base64
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from bewust.keys import key_bytes, key_id, key_text


@pytest.mark.parametrize("kind", [Ed25519PrivateKey, X25519PrivateKey])
def test_a_key_is_read_as_it_was_written(kind: type[Ed25519PrivateKey] | type[X25519PrivateKey]) -> None:
    public = kind.generate().public_key()
    assert key_bytes(key_text(public)) == public.public_bytes_raw()
    assert len(key_text(public)) == 44 and len(key_id(public)) == 16 and int(key_id(public), 16)


@given(st.binary(max_size=70))
def test_only_32_bytes_are_a_key(raw: bytes) -> None:
    text = base64.b64encode(raw).decode()
    if len(raw) == 32:
        assert key_bytes(text) == raw
    else:
        with pytest.raises(ValueError, match=f"has {len(raw)} bytes instead of 32$"):
            key_bytes(text)


@dataclass
class Wrong:
    text: str
    shown: str


@pytest.mark.parametrize(
    "wrong", [Wrong("é", "'é'"), Wrong("not a key", "'not a key'"), Wrong("!" * 5000, "'" + "!" * 60 + "'")],
    ids=["no ASCII", "words", "long"],
)  # fmt: skip
def test_what_is_no_base64_is_shown_but_not_whole(wrong: Wrong) -> None:
    with pytest.raises(ValueError, match=r"is not base64$") as caught:
        key_bytes(wrong.text)
    assert wrong.shown in str(caught.value)
