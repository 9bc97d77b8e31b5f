"""The name-constrained authority: what the inspector may speak for, and nothing else.

A root signs one intermediate, whose key mitmproxy uses; the root's own key is forgotten.
Belongs here: making, reading and checking the two. Not here: the trust store (installer), leaves,
an intermediate that the organisation's own authority signed (external).

Sources: RFC 5280 section 4.2 for the extensions; mitmproxy/certs.py, `CertStore.from_files`, for
the shape of `mitmproxy-ca.pem`.
"""

import itertools
import os
import re
import secrets
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
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes, PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bewust.errors import AUTHORITY, BewustError
from bewust.files import replace

KEY_FILE = "mitmproxy-ca.pem"  # the name that mitmproxy looks for in its confdir
ROOT_FILE = "root.pem"
REQUEST_FILE = "request.key"  # the key of a request that waits for its certificate (importing)
INTERMEDIATE = "Bewust local intermediate {}"
NOTHING = "nothing.invalid"  # what an authority speaks for where nothing is inspected (RFC 6761: no such name)
EVERY_ADDRESS = ("0.0.0.0/0", "::/0")
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
NEVER = datetime.fromtimestamp(0, UTC)
WARNING = timedelta(days=60)
_PEM = serialization.Encoding.PEM
_KEY_FORM = serialization.PrivateFormat.TraditionalOpenSSL  # as mitmproxy writes its own
_NO_USE = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
    *("key_agreement", "encipher_only", "decipher_only"),
)
RENEW = "run `bewust authority renew`"
REQUEST = "run `bewust authority request`"
_OURS = "Bewust"  # the organisation that our own certificates name
# At least two labels, the last not a number: a bare `com` or an IP address is no host to permit.
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+(?![0-9]+\Z){_LABEL}")


class AuthorityError(BewustError, ValueError):
    """The authority cannot be made or used: names the file or host, what is wrong, the remedy."""

    exit_code = AUTHORITY

    def __init__(self, where: Path | str, wrong: str, remedy: str = RENEW) -> None:
        super().__init__(f"{where}: {wrong}; {remedy}")


class _Party(NamedTuple):
    name: x509.Name
    key: ec.EllipticCurvePrivateKey


class Authority(msgspec.Struct, frozen=True):
    """An authority as it lies in `folder`.

    `hosts` are the permitted names, lower case and without `*.`, each standing for itself and all
    names below it. `made` and `not_after` are aware, UTC. `fingerprint` is the SHA-256 of the root, in hex.
    `imported` is whether the root is somebody else's, `problem` why it cannot be used, None for one that can.
    """

    folder: Path
    hosts: tuple[str, ...]
    made: datetime
    not_after: datetime
    fingerprint: str
    imported: bool = False
    problem: str | None = None

    @property
    def remedy(self) -> str:
        """What brings a new one, as an imperative: "run `...`"."""
        return REQUEST if self.imported else RENEW

    @property
    def root_pem(self) -> Path:
        """The file with the one certificate that browsers must trust."""
        return self.folder / ROOT_FILE

    def valid(self, now: datetime) -> bool:
        """Whether it holds at `now` (aware)."""
        return self.made - CLOCK_SKEW <= now < self.not_after

    def expires_soon(self, now: datetime) -> bool:
        """Whether fewer than sixty days remain at `now` (aware)."""
        return self.not_after - now < WARNING

    def uncovered(self, hosts: Sequence[str]) -> tuple[str, ...]:
        """The names of a decrypt list, as written there, that this authority cannot speak for."""
        names = [(host, normal(host)) for host in hosts]
        return tuple(h for h, n in names if not within(n, self.hosts) or within(n, LOGIN_HOSTS))


def issue(folder: Path, hosts: Sequence[str], now: datetime) -> Authority:
    """Make a new authority for exactly `hosts` and write it into `folder`, over an older one.

    `hosts` is the decrypt list, a name or `*.name` each; `now` is aware. The key file is readable
    by its owner only. Raises AuthorityError for a list too long, or with a login host or no name; OSError.
    """
    names = checked(hosts)
    mark = secrets.token_hex(4)  # lets a trust store hold an old and a new authority
    signer = _party(f"Bewust local authority {mark}")  # the root; its key ends with this call
    owner = _party(INTERMEDIATE.format(mark))
    root = _certify(signer, 1, signer, names, now)
    intermediate = _certify(owner, 0, signer, names, now)
    store(folder, owner.key, (intermediate, root))
    return load(folder, now)


def load_usable(folder: Path) -> Authority:
    """Read the authority in `folder`; one that cannot be used covers nothing and says why."""
    try:
        return load(folder)
    except AuthorityError as error:
        return Authority(folder, (), NEVER, NEVER, "", is_external(folder), str(error))


def load(folder: Path, now: datetime | None = None) -> Authority:
    """Read the authority in `folder` and check it as of `now` (aware; by default the clock).

    Raises AuthorityError for a file that is missing or unreadable, a key that others may read or
    that does not match, certificates that are no chain, unconstrained or expired.
    """
    path = folder / KEY_FILE
    key, (intermediate, *above) = _read_key_file(path)
    (root,) = certificates(folder / ROOT_FILE, _read(folder / ROOT_FILE), 1)
    if key.public_key() != intermediate.public_key():
        raise AuthorityError(path, "the key does not match its certificate")
    if above[-1] != root:
        raise AuthorityError(folder / ROOT_FILE, f"is not the root in {KEY_FILE}")
    for below, signer in itertools.pairwise((intermediate, *above)):
        if not signed(below, signer):
            wrong = "the root did not sign the intermediate" if signer == root else "its certificates are no chain"
            raise AuthorityError(path, wrong)
    imported = not _by_us(root)
    not_after = min(one.not_valid_after_utc for one in (intermediate, *above))
    if not_after <= (now or datetime.now(UTC)):
        raise AuthorityError(path, f"expired on {not_after:%Y-%m-%d}", REQUEST if imported else RENEW)
    hosts = permitted(path, intermediate)
    made = intermediate.not_valid_before_utc + (timedelta() if imported else CLOCK_SKEW)
    return Authority(folder, hosts, made, not_after, root.fingerprint(hashes.SHA256()).hex(), imported)


def needed(folder: Path, hosts: Sequence[str], now: datetime) -> bool:
    """Whether the authority in `folder` is none, ends soon, or is ours and for other names than
    the decrypt list's; the organisation may sign a part of the list."""
    try:
        found = load(folder, now)
    except AuthorityError:
        return True
    return found.expires_soon(now) or (not found.imported and set(found.hosts) != set(checked(hosts)))


def check_root(pem: bytes, hosts: Sequence[str]) -> x509.Certificate:
    """Return the root in `pem`, if it can speak for no name outside the decrypt list `hosts`.

    Raises AuthorityError for what is no such root: whoever installs it trusts nobody's word for it.
    """
    where = Path(ROOT_FILE)
    (root,) = certificates(where, pem, 1)
    wide = [name for name in permitted(where, root) if not within(name, checked(hosts))]
    if wide:
        raise AuthorityError(where, f"may speak for {wide[0]}, which is not inspected")
    return root


def published(file: Path, hosts: Sequence[str]) -> Authority:
    """Read the root that browsers trust, without the key, which only the service may read.

    Raises AuthorityError where it is missing, or can speak for a name outside the decrypt list `hosts`.
    Whether it has ended is for the caller to say.
    """
    root = check_root(_read(file), hosts)
    made = root.not_valid_before_utc + CLOCK_SKEW
    names = permitted(file, root)
    return Authority(file.parent, names, made, root.not_valid_after_utc, root.fingerprint(hashes.SHA256()).hex())


def is_external(folder: Path) -> bool:
    """Whether the root in `folder` is somebody else's, also when the authority has expired; no root is nobody's."""
    try:
        (root,) = certificates(folder / ROOT_FILE, _read(folder / ROOT_FILE), 1)
    except AuthorityError:
        return False
    return not _by_us(root)


def store(folder: Path, key: PrivateKeyTypes, chain: Sequence[x509.Certificate]) -> None:
    """Write an authority, the key's certificate first and the root last. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    key_pem = key.private_bytes(_PEM, _KEY_FORM, serialization.NoEncryption())
    replace(folder / KEY_FILE, key_pem + b"".join(one.public_bytes(_PEM) for one in chain), synced=True)
    replace(folder / ROOT_FILE, chain[-1].public_bytes(_PEM), synced=True)
    (folder / ROOT_FILE).chmod(0o644)


def signed(below: x509.Certificate, signer: x509.Certificate) -> bool:
    """Whether `signer` signed the certificate below it."""
    try:
        below.verify_directly_issued_by(signer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _by_us(root: x509.Certificate) -> bool:
    return [one.value for one in root.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == [_OURS]


def normal(host: str) -> str:
    """Return a name of the decrypt list as a certificate writes it."""
    return host.lower().removeprefix("*.").removesuffix(".")


def within(name: str, domains: Sequence[str]) -> bool:
    """Whether a name is one of the domains or below one."""
    return any(name == domain or name.endswith("." + domain) for domain in domains)


def checked(hosts: Sequence[str]) -> tuple[str, ...]:
    """Return the normalised names, each once, in the given order. Raises AuthorityError."""
    names = tuple(dict.fromkeys(map(normal, hosts))) or (NOTHING,)
    if len(names) > NAMES_AT_MOST:
        wrong = f"has {len(names)} names, and {NAMES_AT_MOST} is the most"
        raise AuthorityError("decrypt list", wrong, "choose fewer country hosts in policy.toml")
    for name in names:
        if not _HOST.fullmatch(name):
            raise AuthorityError(repr(name), "is not a host name", "write it as www.example.com")
        if within(name, LOGIN_HOSTS):
            raise AuthorityError(name, "is a login host", "take it off the decrypt list")
    return names


def subject(common_name: str) -> x509.Name:
    """Return the name of a certificate of ours."""
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, _OURS)
    return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _party(common_name: str) -> _Party:
    return _Party(subject(common_name), ec.generate_private_key(ec.SECP256R1()))


def profile(
    public: CertificatePublicKeyTypes, path_length: int, names: Sequence[str]
) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    """Return what limits a certificate of ours: each extension, and whether it is critical."""
    # IP addresses are excluded by name, because a list of DNS names alone leaves them free.
    excluded: list[x509.GeneralName] = [x509.DNSName(name) for name in LOGIN_HOSTS]
    excluded += [x509.IPAddress(ip_network(every)) for every in EVERY_ADDRESS]
    return (
        (x509.BasicConstraints(ca=True, path_length=path_length), True),
        (x509.KeyUsage(key_cert_sign=True, crl_sign=True, **dict.fromkeys(_NO_USE, False)), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.NameConstraints([x509.DNSName(name) for name in names], excluded), True),
        (x509.SubjectKeyIdentifier.from_public_key(public), False),
    )


def _certify(owner: _Party, path_length: int, signer: _Party, names: Sequence[str], now: datetime) -> x509.Certificate:
    """The owner's certificate; both carry the constraints, as Java skips those of a root."""
    public = owner.key.public_key()
    builder = x509.CertificateBuilder(signer.name, owner.name, public, x509.random_serial_number())
    builder = builder.not_valid_before(now - CLOCK_SKEW).not_valid_after(now + VALID)
    for extension, critical in profile(public, path_length, names):
        builder = builder.add_extension(extension, critical)
    signer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key())
    return builder.add_extension(signer_id, critical=False).sign(signer.key, hashes.SHA256())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AuthorityError(path, f"cannot be read ({error.strerror})") from None


def _read_key_file(path: Path) -> tuple[PrivateKeyTypes, list[x509.Certificate]]:
    """The key, and its certificate with those above it, the root last."""
    try:
        raw = _read(path)
    except AuthorityError:
        if (path.parent / REQUEST_FILE).exists():
            wrong = "is not there yet: the request waits for its certificate"
            raise AuthorityError(path, wrong, "run `bewust authority import`") from None
        raise
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise AuthorityError(path, "holds a key that others than its owner can reach")
    try:
        key = serialization.load_pem_private_key(raw, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise AuthorityError(path, "holds no readable key") from None
    found = certificates(path, raw)
    if len(found) < 2:
        raise AuthorityError(path, "holds 1 certificate, and no root")
    return key, found


def certificates(path: Path, raw: bytes, count: int | None = None) -> list[x509.Certificate]:
    """Return the certificates in `raw`, which `path` holds: `count` where that is given. Raises AuthorityError."""
    try:
        found = x509.load_pem_x509_certificates(raw)
    except ValueError:
        raise AuthorityError(path, "holds no readable certificate") from None
    if count is not None and len(found) != count:
        raise AuthorityError(path, f"holds {len(found)} certificates instead of {count}")
    return found


def permitted(path: Path, certificate: x509.Certificate, remedy: str = RENEW) -> tuple[str, ...]:
    """Return the names that a certificate is limited to. Raises AuthorityError where it is not limited."""
    critical = [extension.value for extension in certificate.extensions if extension.critical]
    constraints = [value for value in critical if isinstance(value, x509.NameConstraints)]
    names = [name for value in constraints for name in value.permitted_subtrees or ()]
    hosts = tuple(name.value for name in names if isinstance(name, x509.DNSName))
    if not hosts or not all(map(_HOST.fullmatch, hosts)):  # an empty name permits every name
        raise AuthorityError(path, "is not limited to hosts", remedy)
    return hosts
