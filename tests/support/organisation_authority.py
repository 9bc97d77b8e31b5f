"""An organisation's own certificate authority, which signs what it is asked, or something else."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM
SIGNS = dict.fromkeys(("key_cert_sign", "crl_sign"), True) | dict.fromkeys(
    ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
     "encipher_only", "decipher_only"), False)  # fmt: skip
type Extensions = Mapping[type[x509.ExtensionType], tuple[x509.ExtensionType, bool] | None]


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(PEM) for one in certificates)


def key_pem(key: Any, password: bytes | None = None) -> bytes:
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, locked))


def named(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Gemeente Voorbeeld"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


class Organisation:
    """A root, or with `above` an authority that another one signed."""

    def __init__(self, now: datetime, above: Self | None = None, path_length: int | None = None) -> None:
        self.now = now
        self.above = above
        self.key = ec.generate_private_key(ec.SECP384R1())
        self.name = named("Voorbeeld Issuing CA" if above else "Voorbeeld Root CA")
        signer = above or self
        builder = (
            x509.CertificateBuilder(signer.name, self.name, self.key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=400))
            .not_valid_after(now + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
            .add_extension(x509.KeyUsage(**SIGNS), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
        )
        if above:
            signed_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(above.key.public_key())
            builder = builder.add_extension(signed_by, critical=False)
        self.certificate = builder.sign(signer.key, hashes.SHA384())

    @property
    def chain(self) -> list[x509.Certificate]:
        """Its own certificate and those above it, the root last."""
        return [self.certificate, *(self.above.chain if self.above else [])]

    def sign(
        self,
        request: bytes,
        *,
        days: float = 700,
        start: datetime | None = None,
        other: Extensions | None = None,
        public: Any = None,
        digest: Any = hashes.SHA256,
    ) -> x509.Certificate:
        """The certificate for a request; `other` replaces or, with None, leaves out an extension by its class."""
        asked = x509.load_pem_x509_csr(request)
        assert asked.is_signature_valid
        begin = start or self.now - timedelta(hours=1)
        serial = x509.random_serial_number()
        builder = x509.CertificateBuilder(self.name, asked.subject, public or asked.public_key(), serial)
        builder = builder.not_valid_before(begin).not_valid_after(begin + timedelta(days=days))
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(signer, critical=False)
        wanted: dict[type[x509.ExtensionType], tuple[x509.ExtensionType, bool] | None]
        wanted = {type(one.value): (one.value, one.critical) for one in asked.extensions}
        for extension in (wanted | dict(other or {})).values():
            if extension is not None:
                builder = builder.add_extension(*extension)
        return builder.sign(self.key, digest())


def imported(folder: Path, hosts: Sequence[str]) -> Path:
    """Put an authority in `folder` that an organisation signed, the whole way; return its root's file."""
    from bewust.authority import external

    now = datetime.now(UTC)
    organisation = Organisation(now, above=Organisation(now))
    made = organisation.sign(external.signing_request(folder, hosts))
    answer, root = folder / "answer.pem", folder.parent / "organisation.pem"
    answer.write_bytes(pem(made, *organisation.chain))
    root.write_bytes(pem(organisation.chain[-1]))
    external.import_intermediate(folder, [answer], hosts, now)
    answer.unlink()
    return root
