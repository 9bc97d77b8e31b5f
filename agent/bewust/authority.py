"""The name-constrained authority: what the inspector may speak for, and nothing else.

A root signs one intermediate, whose key mitmproxy uses; the root's own key is forgotten.
Belongs here: making, reading and checking the two. Not here: the trust store (installer), leaves.

Sources: RFC 5280 section 4.2 for the extensions; mitmproxy/certs.py, `CertStore.from_files`, for
the shape of `mitmproxy-ca.pem`; DESIGN.md sections 4 and 7 for the limits.
"""

import os
import re
import secrets
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import NamedTuple

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

KEY_FILE = "mitmproxy-ca.pem"  # the name that mitmproxy looks for in its confdir
ROOT_FILE = "root.pem"
LOGIN_HOSTS = (
    "accounts.google.com",
    "auth.openai.com",
    "login.live.com",
    "login.microsoft.com",
    "login.microsoftonline.com",
)
NAMES_AT_MOST = 150  # the chain, names and all, travels in every handshake
VALID = timedelta(days=730)
CLOCK_SKEW = timedelta(days=1)
WARNING = timedelta(days=60)
_PEM = serialization.Encoding.PEM
_KEY_FORM = serialization.PrivateFormat.TraditionalOpenSSL  # as mitmproxy writes its own
_NO_USE = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
    *("key_agreement", "encipher_only", "decipher_only"),
)
RENEW = "run `bewust authority renew`"
# At least two labels, the last not a number: a bare `com` or an IP address is no host to permit.
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+(?![0-9]+\Z){_LABEL}")


class AuthorityError(ValueError):
    """The authority cannot be made or used: names the file or host, what is wrong, the remedy."""

    def __init__(self, where: Path | str, wrong: str, remedy: str = RENEW) -> None:
        super().__init__(f"{where}: {wrong}; {remedy}")


class _Party(NamedTuple):
    name: x509.Name
    key: ec.EllipticCurvePrivateKey


class Authority(msgspec.Struct, frozen=True):
    """An authority as it lies in `folder`.

    `hosts` are the permitted names, lower case and without `*.`, each standing for itself and all
    names below it. `made` and `not_after` are aware, UTC. `fingerprint` is the SHA-256 of the root, in hex.
    """

    folder: Path
    hosts: tuple[str, ...]
    made: datetime
    not_after: datetime
    fingerprint: str

    @property
    def root_pem(self) -> Path:
        """The file with the one certificate that browsers must trust."""
        return self.folder / ROOT_FILE

    def expires_soon(self, now: datetime) -> bool:
        """Whether fewer than sixty days remain at `now` (aware)."""
        return self.not_after - now < WARNING

    def uncovered(self, hosts: Sequence[str]) -> tuple[str, ...]:
        """The names of a decrypt list, as written there, that this authority cannot speak for."""
        names = [(host, _normal(host)) for host in hosts]
        return tuple(h for h, n in names if not _within(n, self.hosts) or _within(n, LOGIN_HOSTS))


def issue(folder: Path, hosts: Sequence[str], now: datetime) -> Authority:
    """Make a new authority for exactly `hosts` and write it into `folder`, over an older one.

    `hosts` is the decrypt list, a name or `*.name` each; `now` is aware. The key file is readable
    by its owner only. Raises AuthorityError for a list that is empty, too long, or holds a login
    host or no host name; OSError where the folder cannot be written.
    """
    names = _checked(hosts)
    mark = secrets.token_hex(4)  # lets a trust store hold an old and a new authority
    signer = _party(f"Bewust local authority {mark}")  # the root; its key ends with this call
    owner = _party(f"Bewust local intermediate {mark}")
    root = _certify(signer, 1, signer, names, now)
    intermediate = _certify(owner, 0, signer, names, now)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    root_pem = root.public_bytes(_PEM)
    key_pem = owner.key.private_bytes(_PEM, _KEY_FORM, serialization.NoEncryption())
    _write(folder / KEY_FILE, key_pem + intermediate.public_bytes(_PEM) + root_pem, 0o600)
    _write(folder / ROOT_FILE, root_pem, 0o644)
    return load(folder, now)


def load(folder: Path, now: datetime | None = None) -> Authority:
    """Read the authority in `folder` and check it as of `now` (aware; by default the clock).

    Raises AuthorityError for a file that is missing or unreadable, a key that others may read or
    that does not match, certificates that are no chain, unconstrained or expired.
    """
    path = folder / KEY_FILE
    key, (intermediate, chained_root) = _read_key_file(path)
    (root,) = _certificates(folder / ROOT_FILE, _read(folder / ROOT_FILE), 1)
    if key.public_key() != intermediate.public_key():
        raise AuthorityError(path, "the key does not match its certificate")
    if chained_root != root:
        raise AuthorityError(folder / ROOT_FILE, f"is not the root in {KEY_FILE}")
    try:
        intermediate.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        raise AuthorityError(path, "the root did not sign the intermediate") from None
    not_after = min(intermediate.not_valid_after_utc, root.not_valid_after_utc)
    if not_after <= (now or datetime.now(UTC)):
        raise AuthorityError(path, f"expired on {not_after:%Y-%m-%d}")
    hosts = _permitted(path, intermediate)
    made = intermediate.not_valid_before_utc + CLOCK_SKEW
    return Authority(folder, hosts, made, not_after, root.fingerprint(hashes.SHA256()).hex())


def needed(folder: Path, hosts: Sequence[str], now: datetime) -> bool:
    """Whether the authority in `folder` is none, ends soon, or is for other names than the decrypt list's."""
    try:
        found = load(folder, now)
    except AuthorityError:
        return True
    return found.expires_soon(now) or set(found.hosts) != set(_checked(hosts))


def check_root(pem: bytes, hosts: Sequence[str]) -> x509.Certificate:
    """Return the root in `pem`, if it can speak for no name outside the decrypt list `hosts`.

    Raises AuthorityError for what is no such root: whoever installs it trusts nobody's word for it.
    """
    where = Path(ROOT_FILE)
    (root,) = _certificates(where, pem, 1)
    wide = [name for name in _permitted(where, root) if not _within(name, [_normal(host) for host in hosts])]
    if wide:
        raise AuthorityError(where, f"may speak for {wide[0]}, which is not looked into")
    return root


def _normal(host: str) -> str:
    return host.lower().removeprefix("*.").removesuffix(".")


def _within(name: str, domains: Sequence[str]) -> bool:
    return any(name == domain or name.endswith("." + domain) for domain in domains)


def _checked(hosts: Sequence[str]) -> tuple[str, ...]:
    """The normalised names, each once, in the given order; raises AuthorityError."""
    names = tuple(dict.fromkeys(map(_normal, hosts)))
    if not names:
        raise AuthorityError("decrypt list", "is empty", "name at least one host")
    if len(names) > NAMES_AT_MOST:
        wrong = f"has {len(names)} names, and {NAMES_AT_MOST} is the most"
        raise AuthorityError("decrypt list", wrong, "choose fewer country hosts in policy.toml")
    for name in names:
        if not _HOST.fullmatch(name):
            raise AuthorityError(repr(name), "is not a host name", "write it as www.example.com")
        if _within(name, LOGIN_HOSTS):
            raise AuthorityError(name, "is a login host", "take it off the decrypt list")
    return names


def _party(common_name: str) -> _Party:
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Bewust")
    name = x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    return _Party(name, ec.generate_private_key(ec.SECP256R1()))


def _certify(owner: _Party, path_length: int, signer: _Party, names: Sequence[str], now: datetime) -> x509.Certificate:
    """The owner's certificate; both carry the constraints, as Java skips those of a root."""
    # IP addresses are excluded by name, because a list of DNS names alone leaves them free.
    excluded: list[x509.GeneralName] = [x509.DNSName(name) for name in LOGIN_HOSTS]
    excluded += [x509.IPAddress(ip_network(every)) for every in ("0.0.0.0/0", "::/0")]
    constraints = x509.NameConstraints([x509.DNSName(name) for name in names], excluded)
    basic = x509.BasicConstraints(ca=True, path_length=path_length)
    usage = x509.KeyUsage(key_cert_sign=True, crl_sign=True, **dict.fromkeys(_NO_USE, False))
    public = owner.key.public_key()
    signer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key())
    return (
        x509.CertificateBuilder(signer.name, owner.name, public, x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + VALID)
        .add_extension(basic, critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(constraints, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(signer_id, critical=False)
        .sign(signer.key, hashes.SHA256())
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    """Put `content` at `path` whole or not at all, also when the power fails."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    if os.name == "posix":  # elsewhere a folder cannot be opened
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AuthorityError(path, f"cannot be read ({error.strerror})") from None


def _read_key_file(path: Path) -> tuple[PrivateKeyTypes, list[x509.Certificate]]:
    """The key, and its certificate with the root's."""
    raw = _read(path)
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise AuthorityError(path, "holds a key that others than its owner can reach")
    try:
        key = serialization.load_pem_private_key(raw, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise AuthorityError(path, "holds no readable key") from None
    return key, _certificates(path, raw, 2)


def _certificates(path: Path, raw: bytes, count: int) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(raw)
    except ValueError:
        raise AuthorityError(path, "holds no readable certificate") from None
    if len(found) != count:
        raise AuthorityError(path, f"holds {len(found)} certificates instead of {count}")
    return found


def _permitted(path: Path, certificate: x509.Certificate) -> tuple[str, ...]:
    critical = [extension.value for extension in certificate.extensions if extension.critical]
    constraints = [value for value in critical if isinstance(value, x509.NameConstraints)]
    names = [name for value in constraints for name in value.permitted_subtrees or ()]
    hosts = tuple(name.value for name in names if isinstance(name, x509.DNSName))
    if not hosts or not all(map(_HOST.fullmatch, hosts)):  # an empty name permits every name
        raise AuthorityError(path, "is not limited to hosts")
    return hosts
