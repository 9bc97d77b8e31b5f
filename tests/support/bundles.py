"""What the tests of imported catalogues share: a key, bundles, and an organisation that believes the key."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bewust.catalogue import loading, signed_file
from bewust.catalogue.signed_file import Bundle
from bewust.keys import key_text

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(32))
SHIPPED = loading.texts_of(files("bewust_config"))
NEW = (
    '[[service]]\nid = "newcomer"\nname = "Newcomer"\nvendor = "New"\ncontext = "chat"\nreviewed = 2026-11-24\n'
    'evidence = "Invented for the tests."\n[[service.signature]]\nid = "name"\nlevel = "visit"\n'
    'hosts = ["newcomer.example"]\n'
)
WITH_NEW = {**SHIPPED, "newcomer.toml": NEW}


def signed(
    services: Mapping[str, str] = WITH_NEW,
    made: str = "2026-12-01T10:00:00Z",
    version: str = "2026-12",
    private: Ed25519PrivateKey = PRIVATE,
) -> bytes:
    return signed_file.sign(Bundle("bewust-catalogue/1", version, made, services), private)


def organisation(folder: Path, more: str = "", keys: tuple[Ed25519PrivateKey, ...] = (PRIVATE,)) -> Path:
    """An organisation's folder whose policy believes `keys`."""
    config = folder / "config"
    config.mkdir(exist_ok=True)
    listed = ", ".join(f'"{key_text(key.public_key())}"' for key in keys)
    (config / "policy.toml").write_text(f"[catalogue]\nkeys = [{listed}]\n{more}", encoding="utf-8")
    return config


def delivered(folder: Path, data: bytes, name: str = "new.bewust-catalogue") -> Path:
    file = folder / name
    file.write_bytes(data)
    return file


def files_of(state: Path) -> dict[str, bytes]:
    """Every file below the folder and what is in it."""
    return {str(path.relative_to(state)): path.read_bytes() for path in state.rglob("*") if path.is_file()}
