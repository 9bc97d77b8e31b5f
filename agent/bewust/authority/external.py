"""An intermediate that the organisation's own authority signed, in place of an authority of ours.

Belongs here: asking for one, and taking one only where it is limited as ours would be. Not here: how it
lies in its folder (authority). For where a root cannot be trusted machine by machine, as on macOS
(docs/authority.md), and for organisations that want one root of their own everywhere.

Sources: RFC 2986 for the request; RFC 5280 section 4.2 for the extensions.
"""

import os
import ssl
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from bewust.authority import authority
from bewust.authority.authority import (
    EVERY_ADDRESS,
    LOGIN_HOSTS,
    NAMES_AT_MOST,
    REQUEST_FILE,
    Authority,
    AuthorityError,
)
from bewust.files import replace

type Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

# Two years, and the sixty days in which the former one is still in use.
LONGEST = authority.VALID + authority.WARNING + authority.CLOCK_SKEW
AT_MOST = 4  # certificates from the intermediate up to the root: they travel in every handshake
_ASK = "have it signed again as the request says (bewust authority request)"
_GIVE = "give it with the certificate"


def signing_request(folder: Path, hosts: Sequence[str]) -> bytes:
    """Return a certificate request (PEM) for exactly `hosts`, as `authority.issue` takes them.

    Its key stays in `folder`, beside an authority that stays in use, until the certificate is there;
    asked again, the same key asks. Raises AuthorityError for such a list; OSError.
    """
    names = authority.checked(hosts)
    file = folder / REQUEST_FILE
    key = _waiting_key(file) if file.exists() else ec.generate_private_key(ec.SECP256R1())
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    replace(file, key.private_bytes(pem, form, serialization.NoEncryption()), synced=True)
    public = key.public_key()
    mark = x509.SubjectKeyIdentifier.from_public_key(public).digest.hex()[:8]
    builder = x509.CertificateSigningRequestBuilder(authority.subject(authority.INTERMEDIATE.format(mark)))
    for extension, critical in authority.profile(public, 0, names):
        builder = builder.add_extension(extension, critical)
    return builder.sign(key, hashes.SHA256()).public_bytes(pem)


def import_intermediate(folder: Path, files: Sequence[Path], hosts: Sequence[str], now: datetime) -> Authority:
    """Put what `files` hold in force as the authority in `folder`, over an older one; return it.

    Together they hold, as PEM in any order: the intermediate, its signers up to and with the root, and
    the key unless `request` made it here. `hosts` is the decrypt list, of which the intermediate may
    cover a part; `now` is aware. Raises AuthorityError and changes nothing where it is not limited to
    that, has no chain or no key, or is not valid at `now`; OSError.
    """
    found: dict[x509.Certificate, Path] = {}
    keys = []
    for file in files:
        raw = _read(file)
        if b"PRIVATE KEY-----" in raw:
            keys.append(_key(file, raw))
        if b"BEGIN CERTIFICATE-----" in raw:
            found |= dict.fromkeys(_certificates(file, raw), file)
    if len(keys) > 1:
        raise AuthorityError(files[0], "and the other files hold more than one key", "give the intermediate's only")
    waiting = folder / REQUEST_FILE
    if not keys and not waiting.exists():
        raise AuthorityError(files[0], "holds no key, and none was made here for a request", _GIVE)
    key = keys[0] if keys else _waiting_key(waiting)
    chain = _chain(files[0], key, list(found))
    path = found[chain[0]]
    _check_limits(path, chain[0], hosts)
    for depth, one in enumerate(chain):
        _check_signer(found[one], one, depth)
        _check_validity(found[one], one, now)
    if chain[0].not_valid_after_utc - chain[0].not_valid_before_utc > LONGEST:
        raise AuthorityError(path, f"is valid for more than {LONGEST.days} days", _ASK)
    _try(path, key, chain, authority.permitted(path, chain[0])[0], now)
    authority.store(folder, key, chain)
    if not keys:
        waiting.unlink()
    return authority.load(folder, now)


def root_in(file: Path) -> x509.Certificate:
    """Return the one certificate in a PEM file, a root of somebody's. Raises AuthorityError."""
    (found,) = _certificates(file, _read(file), 1)
    basic = _extension(found, x509.BasicConstraints)
    if basic is None or not basic.ca or not _self_signed(found):
        raise AuthorityError(file, "is no root", "give the certificate that signed itself")
    return found


def _read(file: Path) -> bytes:
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise AuthorityError(file, f"cannot be read ({error.strerror})", "check its name and who may read it") from None
    if b"-----BEGIN " not in raw:
        raise AuthorityError(file, "is not PEM", "convert it (openssl x509 -inform DER, openssl pkcs12 -nodes)")
    return raw


def _certificates(file: Path, raw: bytes, count: int | None = None) -> list[x509.Certificate]:
    found = authority.certificates(file, raw, count)
    try:
        for one in found:
            one.public_key(), one.extensions  # each is decoded only when asked for
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise AuthorityError(file, f"holds a certificate that cannot be understood ({error})", _ASK) from None
    return found


def _key(file: Path, raw: bytes) -> Key:
    try:
        key = serialization.load_pem_private_key(raw, password=None)
    except TypeError:
        raise AuthorityError(file, "holds a key under a password", "take the password off first") from None
    except (ValueError, UnsupportedAlgorithm):
        raise AuthorityError(file, "holds no readable key", _GIVE) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise AuthorityError(file, "holds a key that browsers do not take", "use EC P-256 or P-384, or RSA")
    return key


def _waiting_key(file: Path) -> Key:
    raw = _read(file)
    if os.name == "posix" and file.stat().st_mode & 0o077:
        raise AuthorityError(file, "holds a key that others than its owner can reach", "remove it, and request anew")
    return _key(file, raw)


def _chain(where: Path, key: Key, found: list[x509.Certificate]) -> list[x509.Certificate]:
    """Return the key's certificate and its signers up to the root; all that were found must be among them."""
    owned = [one for one in found if one.public_key() == key.public_key()]
    if len(owned) != 1:
        wrong = f"with the other files has {len(owned)} certificates for the key, and one is needed"
        raise AuthorityError(where, wrong, "check that the certificate is the answer to this machine's request")
    chain, left = owned, [one for one in found if one not in owned]
    while not _self_signed(chain[-1]):
        signer = next((one for one in left if authority.signed(chain[-1], one)), None)
        if signer is None:
            wrong = f"who signed {chain[-1].subject.rfc4514_string()!r} is missing"
            raise AuthorityError(where, wrong, "give the certificates up to and with the root")
        left.remove(signer)
        chain = [*chain, signer]
    if left:
        wrong = f"{left[0].subject.rfc4514_string()!r} has no part in the chain"
        raise AuthorityError(where, wrong, "leave it out")
    if not 2 <= len(chain) <= AT_MOST:
        wrong = f"the chain has {len(chain)} certificates, and two to {AT_MOST} will do"
        raise AuthorityError(where, wrong, "have the key's certificate signed by the organisation's authority")
    return chain


def _self_signed(certificate: x509.Certificate) -> bool:
    return certificate.issuer == certificate.subject and authority.signed(certificate, certificate)


def _check_validity(path: Path, certificate: x509.Certificate, now: datetime) -> None:
    if certificate.not_valid_after_utc <= now:
        raise AuthorityError(path, f"expired on {certificate.not_valid_after_utc:%Y-%m-%d}", _ASK)
    if certificate.not_valid_before_utc > now + timedelta(minutes=5):
        begin = certificate.not_valid_before_utc
        raise AuthorityError(path, f"is valid from {begin:%Y-%m-%d %H:%M} UTC only", "check this machine's clock")


def _check_signer(path: Path, certificate: x509.Certificate, depth: int) -> None:
    """Refuse what browsers would refuse, with words instead of a warning page."""
    key = certificate.public_key()
    strong = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1)
    if not strong and not (isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048):
        raise AuthorityError(path, "has a key that browsers do not take", "use EC P-256 or P-384, or RSA from 2048 on")
    good = isinstance(certificate.signature_hash_algorithm, hashes.SHA256 | hashes.SHA384 | hashes.SHA512)
    if not good and not _self_signed(certificate):  # nobody looks at how a root signed itself
        raise AuthorityError(path, "is signed with a hash that browsers do not take", "sign it with SHA-256")
    basic = _extension(certificate, x509.BasicConstraints)
    if basic is None or not basic.ca:
        raise AuthorityError(path, "is no authority (BasicConstraints)", _ASK)
    if basic.path_length is not None and basic.path_length < depth:
        name = certificate.subject.rfc4514_string()
        wrong = f"{name!r} may not sign an authority: its path length is {basic.path_length}"
        raise AuthorityError(path, wrong, "have it signed by one that may")


def _try(path: Path, key: Key, chain: Sequence[x509.Certificate], host: str, now: datetime) -> None:
    """Make a TLS handshake in memory, as a client that trusts the root only: what it refuses, all will."""
    own = ec.generate_private_key(ec.SECP256R1())
    leaf = (
        x509.CertificateBuilder(chain[0].subject, x509.Name([]), own.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    served = own.private_bytes(pem, form, serialization.NoEncryption())
    served += b"".join(one.public_bytes(pem) for one in (leaf, *chain))
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with tempfile.TemporaryDirectory() as folder:  # ssl reads keys from files only; this one dies with it
        file = Path(folder, "leaf.pem")
        file.write_bytes(served)
        server.load_cert_chain(file)
    client.load_verify_locations(cadata=chain[-1].public_bytes(pem).decode())
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (client.wrap_bio(down, up, server_hostname=host), server.wrap_bio(up, down, server_side=True))
    for end in (*ends, *ends):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError as error:
            wrong = f"a client that trusts the root refuses the chain ({error.verify_message})"
            raise AuthorityError(path, wrong, _ASK) from None


def _check_limits(path: Path, certificate: x509.Certificate, hosts: Sequence[str]) -> None:
    """The limits of an authority of ours, each of them: nobody can use the key for more than that."""
    basic = _critical(certificate, x509.BasicConstraints)
    if basic is None or basic.path_length != 0:
        raise AuthorityError(path, "could sign further authorities: its path length must be 0, critical", _ASK)
    usage = _critical(certificate, x509.KeyUsage)
    if usage is None or not usage.key_cert_sign:
        raise AuthorityError(path, "may not sign certificates: KeyUsage, critical, must say keyCertSign", _ASK)
    purposes = _extension(certificate, x509.ExtendedKeyUsage)
    if purposes is None or list(purposes) != [ExtendedKeyUsageOID.SERVER_AUTH]:
        raise AuthorityError(path, "is not for TLS servers only (ExtendedKeyUsage)", _ASK)
    if _extension(certificate, x509.SubjectKeyIdentifier) is None:
        raise AuthorityError(path, "has no SubjectKeyIdentifier, which strict clients want", _ASK)
    names = authority.permitted(path, certificate, _ASK)
    constraints = _critical(certificate, x509.NameConstraints)
    assert constraints is not None  # or nothing would be permitted
    if len(names) != len(constraints.permitted_subtrees or ()):
        raise AuthorityError(path, "permits more than host names", _ASK)
    if len(names) > NAMES_AT_MOST:
        raise AuthorityError(path, f"permits {len(names)} names, and {NAMES_AT_MOST} is the most", _ASK)
    wanted = set(map(authority.normal, hosts))
    if beyond := [name for name in names if name not in wanted]:
        raise AuthorityError(path, f"permits {', '.join(beyond)}, which the decrypt list does not have", _ASK)
    _check_excluded(path, constraints, names)


def _check_excluded(path: Path, constraints: x509.NameConstraints, names: Sequence[str]) -> None:
    excluded = [name.value for name in constraints.excluded_subtrees or ()]
    missing = [every for every in EVERY_ADDRESS if ip_network(every) not in excluded]
    missing += [host for host in LOGIN_HOSTS if host not in excluded]
    if missing:
        raise AuthorityError(path, f"does not exclude {', '.join(missing)}", _ASK)
    others = [name for name in excluded if isinstance(name, str) and name not in LOGIN_HOSTS]
    for name in names:
        if any(authority.within(name, (other,)) or authority.within(other, (name,)) for other in others):
            raise AuthorityError(path, f"permits {name}, and excludes it or names below it", _ASK)


def _extension[T: x509.ExtensionType](certificate: x509.Certificate, kind: type[T]) -> T | None:
    return next((one.value for one in certificate.extensions if isinstance(one.value, kind)), None)


def _critical[T: x509.ExtensionType](certificate: x509.Certificate, kind: type[T]) -> T | None:
    return next((e.value for e in certificate.extensions if e.critical and isinstance(e.value, kind)), None)
