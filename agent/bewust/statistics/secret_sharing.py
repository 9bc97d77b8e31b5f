"""A presence vector in two shares, each sealed to one keeper: alone, either is nothing but chance.

Belongs here: the split and the sealing, which every workstation does; opening one share, which its
keeper does. Not here: what is shared (randomise), adding up (statistics.keepers.sums). OpenDP must not be imported
here.

Sources: RFC 9180 for HPKE, section 8.1 of it for `info` as the place of what a single message is
bound to: the public API of cryptography has no `aad` (pyca/cryptography#14203).
"""

import base64
import secrets
import struct
from collections.abc import Sequence

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from bewust.keys import PublicKeyError, key_id
from bewust.statistics.formats import BOUNDS, WIDTH, ReportError, SplitReport, blocks_of, header

MODULUS = 1 << 64  # shares and sums are integers modulo this, far above any number of workstations
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_INFO = b"bewust share\n"
_SHARE = struct.Struct(f"<{WIDTH}Q")
_SEALED = 32 + _SHARE.size + 16  # bytes: a key of its own, the share, a tag


def make_shares(presence: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return two vectors of WIDTH integers below MODULUS whose sum modulo MODULUS is `presence`.

    Each of the two alone is uniform. Raises ValueError for what is no presence vector.
    """
    if len(presence) != WIDTH or any(bit not in (0, 1) for bit in presence):
        raise ValueError(f"a presence vector has {WIDTH} bits")
    mask = list(_SHARE.unpack(secrets.token_bytes(_SHARE.size)))
    return mask, [(bit - hidden) % MODULUS for bit, hidden in zip(presence, mask, strict=True)]


def seal_report(draft: SplitReport, presence: Sequence[int], keys: Sequence[X25519PublicKey]) -> SplitReport:
    """Return the draft with the presence vector in it, a share sealed to each of the two keys.

    Of the draft, `keepers` and `shares` are replaced; all the rest is sealed in, so that a change of
    any of it makes both shares unreadable. Each call draws anew: two reports of one vector in one
    period would cost twice, so callers keep what they got. Raises ValueError for a vector that is
    none or exceeds a bound of BOUNDS, PublicKeyError for keys that are not two different ones.
    """
    _check_bounds(presence)
    if len(keys) != 2 or len({key_id(key) for key in keys}) != 2:
        raise PublicKeyError("shares need two different keys. Each keeper makes one of their own: bewust keeper new.")
    bound = msgspec.structs.replace(draft, keepers=(key_id(keys[0]), key_id(keys[1])), shares=("", ""))
    info = _INFO + header(bound)
    one, other = (
        base64.b64encode(_SUITE.encrypt(_SHARE.pack(*share), key, info)).decode()
        for share, key in zip(make_shares(presence), keys, strict=True)
    )
    return msgspec.structs.replace(bound, shares=(one, other))


def _check_bounds(presence: Sequence[int]) -> None:
    """Refuse a vector that the noise would not cover: nobody can see that in a share any more."""
    for name, block in blocks_of(presence).items():
        if sum(block) > BOUNDS[name]:
            raise ValueError(f"block {name} has more than {BOUNDS[name]} ones")


def open_share(report: SplitReport, which: int, private: X25519PrivateKey) -> list[int]:
    """Return share 0 or 1 of a report: WIDTH integers below MODULUS.

    Raises ReportError for a share that is sealed to another key, damaged, or moved to another report.
    """
    mine = key_id(private.public_key())
    if report.keepers[which] != mine:
        raise ReportError(f"is sealed to the key {report.keepers[which][:40]!r}, not to {mine}")
    text = report.shares[which]
    try:
        sealed = base64.b64decode(text, validate=True)
    except ValueError:
        raise ReportError("has a share that is no base64") from None
    # The last character of base64 has bits that mean nothing; they too must be as Bewust wrote them.
    if len(sealed) != _SEALED or base64.b64encode(sealed).decode() != text:
        raise ReportError("has a share of another size than Bewust writes")
    try:
        return list(_SHARE.unpack(_SUITE.decrypt(sealed, private, _INFO + header(report))))
    except (InvalidTag, ValueError):
        raise ReportError("cannot be opened: it was changed after it was sealed") from None
