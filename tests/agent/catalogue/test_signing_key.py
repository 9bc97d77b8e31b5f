"""A key to sign with opens for its passphrase only, and nothing is written over."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bewust.catalogue import signing_key
from bewust.errors import BewustError
from support.keepers import PASSPHRASE, posix


@posix
def test_a_new_key_is_for_its_owner_and_opens_for_its_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    made = signing_key.new_key(path, PASSPHRASE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert signing_key.load_key(path, PASSPHRASE).private_bytes_raw() == made.private_bytes_raw()


def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("of value")
    with pytest.raises(BewustError, match="is never overwritten"):
        signing_key.new_key(tmp_path / "key.pem", PASSPHRASE)
    assert (tmp_path / "key.pem").read_text() == "of value"


@pytest.mark.parametrize(("passphrase", "error"), [("short", "shorter than 16"), ("abab" * 8, "repeats a few")])
def test_a_passphrase_that_can_be_guessed_makes_no_key(tmp_path: Path, passphrase: str, error: str) -> None:
    with pytest.raises(BewustError, match=error):
        signing_key.new_key(tmp_path / "key.pem", passphrase)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(BewustError, match="cannot be written"):
        signing_key.new_key(tmp_path / "gone" / "key.pem", PASSPHRASE)


def pem(path: Path, encryption: serialization.KeySerializationEncryption) -> None:
    path.write_bytes(
        X25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )
    )


def test_what_is_no_key_to_sign_with_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    with pytest.raises(BewustError, match="cannot be read"):
        signing_key.load_key(path, PASSPHRASE)
    pem(path, serialization.NoEncryption())
    with pytest.raises(BewustError, match="is no key with a passphrase"):
        signing_key.load_key(path, PASSPHRASE)
    pem(path, serialization.BestAvailableEncryption(PASSPHRASE.encode()))
    with pytest.raises(BewustError, match="is a key for something else"):
        signing_key.load_key(path, PASSPHRASE)
    for wrong in ("another passphrase", ""):
        with pytest.raises(BewustError, match="The passphrase is wrong"):
            signing_key.load_key(path, wrong)
