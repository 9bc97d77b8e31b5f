"""A whole catalogue in one signed file, to be delivered apart from the program.

Belongs here: the format, signing, and what is believed of a file. Not here: where a bundle is kept
(editions), or the checks before it is used (config.catalogue_import). A bundle is the line MAGIC, 64 bytes of an
Ed25519 signature (RFC 8032) over MAGIC and all that follows it, and one JSON object. Nothing is read of the
object before the signature was found right. The names of files in it never become names on a disk.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bewust.catalogue.loading import FILE_LIMIT
from bewust.errors import BewustError
from bewust.keys import key_id, publisher_key

SUFFIX = ".bewust-catalogue"
MAGIC = b"bewust-catalogue/1\n"
LIMIT = 8 << 20  # bytes; the shipped catalogue is 0.2 MiB
MOST_FILES = 4096
_SIGNATURE = 64  # bytes
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}\.toml")  # it is shown in errors and detections
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,39}")
_MADE = re.compile(r"\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\dZ", re.ASCII)


class BundleError(BewustError, ValueError):
    """A bundle or a key for one cannot be used: names the file, what is wrong, the remedy. Nothing was changed."""


class Bundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A catalogue as its maker signed it: `services` are the texts by file name, `made` is UTC to the second."""

    schema: Literal["bewust-catalogue/1"]
    version: str
    made: str
    services: Mapping[str, str]


def sign(bundle: Bundle, private: Ed25519PrivateKey) -> bytes:
    """Return the file of a bundle. Raises BundleError for what `opened` would refuse."""
    payload = msgspec.json.encode(bundle)
    _check(bundle, "the bundle")
    data = MAGIC + private.sign(MAGIC + payload) + payload
    if len(data) > LIMIT:
        raise BundleError(f"the bundle is larger than {LIMIT >> 20} MiB. Leave out what is no service.")
    return data


def verify_and_decode(data: bytes, keys: Iterable[str], file: str) -> tuple[Bundle, str]:
    """Return what a file holds and the id of the key that signed it, one of `keys`. Raises BundleError."""
    signature, payload = _split(data, file)
    for text in keys:
        public = publisher_key(text)
        try:
            public.verify(signature, MAGIC + payload)
        except InvalidSignature:
            continue
        return _decoded(payload, file), key_id(public)
    raise BundleError(
        f"{file}: its signature fits no key of [catalogue] keys in the policy. It was changed on its way, or is of "
        "somebody else: get it anew from whoever makes your catalogue."
    )


def contents(data: bytes, file: str) -> Bundle:
    """Return what a file holds, whoever signed it; for bytes that were believed before. Raises BundleError."""
    return _decoded(_split(data, file)[1], file)


def _split(data: bytes, file: str) -> tuple[bytes, bytes]:
    if len(data) > LIMIT:
        raise BundleError(f"{file}: is larger than {LIMIT >> 20} MiB, so it is no catalogue. Name the right file.")
    start = len(MAGIC) + _SIGNATURE
    if not data.startswith(MAGIC) or len(data) <= start:
        raise BundleError(f"{file}: is no bundle, or was cut short. Name the file that `bewust catalogue bundle` made.")
    return data[len(MAGIC) : start], data[start:]


def _decoded(payload: bytes, file: str) -> Bundle:
    try:
        bundle = msgspec.json.decode(payload, type=Bundle)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"{file}: holds no catalogue ({error}). Make it with: bewust catalogue bundle.") from error
    _check(bundle, file)
    return bundle


def _check(bundle: Bundle, file: str) -> None:
    if not _VERSION.fullmatch(bundle.version):
        raise BundleError(
            f"{file}: {bundle.version[:60]!r} is no version. Use at most 40 letters, digits, . _ + and -."
        )
    if not _MADE.fullmatch(bundle.made):
        raise BundleError(f"{file}: {bundle.made[:60]!r} is no time. Make it with: bewust catalogue bundle.")
    if not 0 < len(bundle.services) <= MOST_FILES:
        raise BundleError(f"{file}: has {len(bundle.services)} files; from 1 to {MOST_FILES} are allowed.")
    for name, text in bundle.services.items():
        if not _FILE_NAME.fullmatch(name):
            raise BundleError(f"{file}: {name[:60]!r} is no name of a file. Use letters, digits, . _ and -, and .toml.")
        if len(text.encode("utf-8", "replace")) > FILE_LIMIT:
            raise BundleError(f"{file}: {name} is larger than 1 MiB. Split it by vendor.")
