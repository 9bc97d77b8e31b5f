"""An intermediate of the organisation's: asked for, taken where it is limited as ours would be, else refused."""

import os
import ssl
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from bewust.authority.authority import KEY_FILE, LOGIN_HOSTS, REQUEST_FILE, ROOT_FILE, AuthorityError, issue, load
from bewust.authority.external import LONGEST, import_intermediate, root_in, signing_request
from support.organisation_authority import SIGNS, Extensions, Organisation, imported, key_pem, pem

NOW = datetime.now(UTC)
HOSTS = ("*.translate.goog", "www.bing.com", "www.google.com")
BARE = ("translate.goog", "www.bing.com", "www.google.com")
EXCLUDED = [*map(x509.DNSName, LOGIN_HOSTS), *(x509.IPAddress(ip_network(n)) for n in ("0.0.0.0/0", "::/0"))]
posix = pytest.mark.skipif(os.name != "posix", reason="file modes mean nothing here")


@pytest.fixture(scope="module")
def organisation() -> Organisation:
    return Organisation(NOW)


def answered(folder: Path, organisation: Organisation, **how: Any) -> Path:
    """The organisation's answer to a request made in `folder`, with its chain, in one file."""
    made = organisation.sign(signing_request(folder, HOSTS), **how)
    file = folder.parent / "answer.pem"
    file.write_bytes(pem(made, *organisation.chain))
    return file


def test_the_request_asks_for_our_own_limits_and_nothing_more(tmp_path: Path) -> None:
    asked = x509.load_pem_x509_csr(signing_request(tmp_path, HOSTS))
    own = issue(tmp_path / "own", HOSTS, NOW)
    ours, _ = x509.load_pem_x509_certificates((own.folder / KEY_FILE).read_bytes())
    of_the_signer = (x509.AuthorityKeyIdentifier, x509.SubjectKeyIdentifier)
    wanted = {(e.critical, e.value) for e in ours.extensions if not isinstance(e.value, of_the_signer)}
    assert wanted <= {(e.critical, e.value) for e in asked.extensions}
    assert len(asked.extensions) == len(wanted) + 1  # the identifier of its own key
    assert asked.is_signature_valid


@posix
def test_the_key_stays_here_and_asks_again(tmp_path: Path) -> None:
    folder = tmp_path / "authority"
    first, second = (x509.load_pem_x509_csr(signing_request(folder, HOSTS)) for _ in range(2))
    assert first.public_key() == second.public_key()
    assert stat.S_IMODE((folder / REQUEST_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path.name for path in folder.iterdir()] == [REQUEST_FILE]
    with pytest.raises(AuthorityError, match="waits for its certificate; run `bewust authority import`"):
        load(folder)


def test_what_was_asked_for_is_taken(tmp_path: Path, organisation: Organisation) -> None:
    folder = tmp_path / "authority"
    taken = import_intermediate(folder, [answered(folder, organisation)], HOSTS, NOW)
    assert taken == load(folder)
    assert taken.hosts == BARE
    assert taken.imported and "authority request" in taken.remedy
    assert taken.uncovered(HOSTS) == ()
    assert taken.made <= NOW < taken.not_after
    assert taken.fingerprint == organisation.certificate.fingerprint(hashes.SHA256()).hex()
    assert sorted(path.name for path in folder.iterdir()) == [KEY_FILE, ROOT_FILE]


def test_until_then_the_former_authority_stays_in_use(tmp_path: Path, organisation: Organisation) -> None:
    own = issue(tmp_path / "authority", HOSTS, NOW)
    file = answered(own.folder, organisation)
    assert load(own.folder) == own and not own.imported
    assert import_intermediate(own.folder, [file], HOSTS, NOW).imported


def test_files_come_in_any_order_and_with_authorities_between(tmp_path: Path) -> None:
    root = Organisation(NOW)
    issuing = Organisation(NOW, above=root, path_length=1)
    made = issuing.sign(signing_request(tmp_path / "authority", HOSTS))
    files = [tmp_path / "root.pem", tmp_path / "rest.pem"]
    files[0].write_bytes(pem(root.certificate))
    files[1].write_bytes(pem(issuing.certificate, made, root.certificate))
    taken = import_intermediate(tmp_path / "authority", files, HOSTS, NOW)
    chain = x509.load_pem_x509_certificates((taken.folder / KEY_FILE).read_bytes())
    assert chain == [made, issuing.certificate, root.certificate]
    assert x509.load_pem_x509_certificates(taken.root_pem.read_bytes()) == [root.certificate]


@pytest.mark.parametrize("make", [lambda: ec.generate_private_key(ec.SECP384R1()),
                                  lambda: rsa.generate_private_key(65537, 2048)], ids=["ec", "rsa"])  # fmt: skip
def test_a_key_that_the_organisation_made_comes_along(tmp_path: Path, organisation: Organisation, make: Any) -> None:
    key = make()
    asked = signing_request(tmp_path / "elsewhere", HOSTS)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    other: Extensions = {x509.SubjectKeyIdentifier: (identifier, False)}
    made = organisation.sign(asked, other=other, public=key.public_key())
    file = tmp_path / "all.pem"
    file.write_bytes(key_pem(key) + pem(made, organisation.certificate))
    folder = tmp_path / "authority"
    signing_request(folder, HOSTS)  # one that waits is not used, and not lost
    assert import_intermediate(folder, [file], HOSTS, NOW).hosts == BARE
    assert (folder / REQUEST_FILE).exists()


LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,12}[a-z0-9])?", fullmatch=True)


@settings(max_examples=15)
@given(hosts=st.lists(st.builds("{}.{}.nl".format, LABEL, LABEL), min_size=1, max_size=20, unique=True), data=st.data())
def test_a_part_of_the_list_is_taken_and_the_rest_is_known_by_name(hosts: list[str], data: st.DataObject) -> None:
    part = data.draw(st.lists(st.sampled_from(hosts), min_size=1, unique=True))
    with TemporaryDirectory() as name:
        folder = Path(name, "authority")
        organisation = Organisation(NOW)
        file = Path(name, "answer.pem")
        file.write_bytes(pem(organisation.sign(signing_request(folder, part)), organisation.certificate))
        taken = import_intermediate(folder, [file], hosts, NOW)
    assert set(taken.hosts) == set(part)
    # A name may also be below one that was signed for.
    assert set(taken.uncovered(hosts)) == {h for h in hosts if not any(h == p or h.endswith("." + p) for p in part)}


def constraints(permitted: list[x509.GeneralName], excluded: list[x509.GeneralName]) -> x509.NameConstraints:
    return x509.NameConstraints(permitted, excluded)


PERMITTED: list[x509.GeneralName] = [x509.DNSName(name) for name in BARE]
TOO_WIDE: dict[str, tuple[Extensions, str]] = {
    "no constraints": ({x509.NameConstraints: None}, "is not limited to hosts"),
    "constraints that may be ignored": (
        {x509.NameConstraints: (constraints(PERMITTED, EXCLUDED), False)}, "is not limited to hosts"),
    "every name": ({x509.NameConstraints: (constraints([x509.DNSName("")], EXCLUDED), True)}, "not limited to hosts"),
    "a top domain": ({x509.NameConstraints: (constraints([x509.DNSName("nl")], EXCLUDED), True)}, "not limited to"),
    "one more host": (
        {x509.NameConstraints: (constraints([*PERMITTED, x509.DNSName("mijn.overheid.nl")], EXCLUDED), True)},
        "permits mijn.overheid.nl, which the decrypt list does not have"),
    "the domain above": (
        {x509.NameConstraints: (constraints([x509.DNSName("google.com")], EXCLUDED), True)}, "permits google.com"),
    "mail": (
        {x509.NameConstraints: (constraints([*PERMITTED, x509.RFC822Name("voorbeeld.nl")], EXCLUDED), True)},
        "permits more than host names"),
    "addresses": ({x509.NameConstraints: (constraints(PERMITTED, EXCLUDED[:-1]), True)}, "does not exclude ::/0"),
    "logins": (
        {x509.NameConstraints: (constraints(PERMITTED, EXCLUDED[1:]), True)}, "not exclude accounts.google.com"),
    "and not": (
        {x509.NameConstraints: (constraints(PERMITTED, [*EXCLUDED, x509.DNSName("bing.com")]), True)},
        "permits www.bing.com, and excludes it"),
    "further authorities": (
        {x509.BasicConstraints: (x509.BasicConstraints(ca=True, path_length=1), True)}, "path length must be 0"),
    "endless authorities": (
        {x509.BasicConstraints: (x509.BasicConstraints(ca=True, path_length=None), True)}, "path length must be 0"),
    "no authority": (
        {x509.BasicConstraints: (x509.BasicConstraints(ca=False, path_length=None), True)}, "path length must be 0"),
    "may be ignored": (
        {x509.BasicConstraints: (x509.BasicConstraints(ca=True, path_length=0), False)}, "path length must be 0"),
    "signs no certificates": (
        {x509.KeyUsage: (x509.KeyUsage(**SIGNS | {"key_cert_sign": False}), True)}, "must say keyCertSign"),
    "any purpose": ({x509.ExtendedKeyUsage: None}, "is not for TLS servers only"),
    "clients too": (
        {x509.ExtendedKeyUsage: (x509.ExtendedKeyUsage(
            [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), False)}, "not for TLS servers only"),
    "code": (
        {x509.ExtendedKeyUsage: (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False)},
        "not for TLS servers only"),
    "no identifier": ({x509.SubjectKeyIdentifier: None}, "has no SubjectKeyIdentifier"),
}  # fmt: skip


@pytest.mark.parametrize("case", TOO_WIDE)
def test_one_that_could_do_more_is_refused(tmp_path: Path, organisation: Organisation, case: str) -> None:
    other, wrong = TOO_WIDE[case]
    own = issue(tmp_path / "authority", HOSTS, NOW)
    with pytest.raises(AuthorityError, match=wrong) as caught:
        import_intermediate(own.folder, [answered(own.folder, organisation, other=other)], HOSTS, NOW)
    assert "answer.pem: " in str(caught.value) and "; " in str(caught.value)
    assert load(own.folder) == own  # nothing was changed
    assert (own.folder / REQUEST_FILE).exists()


@pytest.mark.parametrize(
    ("how", "wrong"),
    [
        ({"days": LONGEST.days + 1}, f"valid for more than {LONGEST.days} days"),
        ({"days": 1, "start": NOW - timedelta(days=2)}, "expired on"),
        ({"start": NOW + timedelta(days=1)}, "UTC only; check this machine's clock"),
    ],
)
def test_one_at_the_wrong_time_is_refused(
    tmp_path: Path, organisation: Organisation, how: dict[str, Any], wrong: str
) -> None:
    folder = tmp_path / "authority"
    with pytest.raises(AuthorityError, match=wrong):
        import_intermediate(folder, [answered(folder, organisation, **how)], HOSTS, NOW)


def test_one_for_the_longest_time_is_taken(tmp_path: Path, organisation: Organisation) -> None:
    folder = tmp_path / "authority"
    taken = import_intermediate(folder, [answered(folder, organisation, days=LONGEST.days)], HOSTS, NOW)
    assert taken.not_after > NOW + timedelta(days=730)


@posix
def test_an_imported_one_that_has_expired_asks_for_the_organisation(tmp_path: Path, organisation: Organisation) -> None:
    folder = tmp_path / "authority"
    taken = import_intermediate(folder, [answered(folder, organisation)], HOSTS, NOW)
    with pytest.raises(AuthorityError, match=r"expired on .*; run `bewust authority request`"):
        load(folder, taken.not_after)


def refused(folder: Path, contents: list[bytes | None], wrong: str) -> None:
    files = [folder.parent / f"{number}.pem" for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        if content is not None:
            file.write_bytes(content)
    with pytest.raises(AuthorityError, match=wrong):
        import_intermediate(folder, files, HOSTS, NOW)


def test_files_that_are_no_chain_are_refused(tmp_path: Path, organisation: Organisation) -> None:
    folder = tmp_path / "authority"
    asked = signing_request(folder, HOSTS)
    good = organisation.sign(asked)
    root, other = organisation.certificate, Organisation(NOW)
    refused(folder, [pem(good)], "who signed .* is missing; give the certificates up to and with the root")
    refused(folder, [pem(good), pem(other.certificate)], "who signed .* is missing")
    refused(folder, [pem(good, root), pem(other.certificate)], "has no part in the chain; leave it out")
    refused(folder, [pem(root)], "has 0 certificates for the key")
    refused(folder, [pem(good, organisation.sign(asked), root)], "has 2 certificates for the key")
    deep = Organisation(NOW, above=Organisation(NOW, above=Organisation(NOW, above=organisation)))
    refused(folder, [pem(deep.sign(asked), *deep.chain)], "the chain has 5 certificates")
    short = Organisation(NOW, above=organisation, path_length=0)
    refused(folder, [pem(short.sign(asked), *short.chain)], "may not sign an authority: its path length is 0")
    weak = organisation.sign(asked, digest=hashes.SHA224)
    refused(folder, [pem(weak, root)], "signed with a hash that browsers do not take")


def test_a_chain_that_a_client_would_refuse_is_refused(tmp_path: Path, organisation: Organisation) -> None:
    folder = tmp_path / "authority"
    asked = signing_request(folder, HOSTS)
    issuing = Organisation(NOW, above=organisation)
    # An authority between that is limited to names of the organisation's own.
    narrow = x509.NameConstraints([x509.DNSName("voorbeeld.nl")], None)
    builder = x509.CertificateBuilder(organisation.name, issuing.name, issuing.key.public_key(), 7)
    builder = builder.not_valid_before(NOW - timedelta(days=1)).not_valid_after(NOW + timedelta(days=900))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    between = builder.add_extension(narrow, critical=True).sign(organisation.key, hashes.SHA256())
    chain = pem(issuing.sign(asked), between, organisation.certificate)
    refused(folder, [chain], "a client that trusts the root refuses the chain .permitted subtree violation")


def test_files_that_cannot_be_used_are_named_with_the_remedy(tmp_path: Path, organisation: Organisation) -> None:
    folder = tmp_path / "authority"
    rest = pem(organisation.certificate)
    refused(folder, [None], "0.pem: cannot be read .*; check its name")
    refused(folder, [b"\x30\x82" * 9], "0.pem: is not PEM; convert it")
    refused(folder, [b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"], "holds no readable certifi")
    refused(folder, [rest], "holds no key, and none was made here")
    key = ec.generate_private_key(ec.SECP256R1())
    refused(folder, [key_pem(key, b"geheim"), rest], "holds a key under a password")
    refused(folder, [key_pem(key), key_pem(key), rest], "more than one key")
    refused(folder, [key_pem(ed25519.Ed25519PrivateKey.generate()), rest], "a key that browsers do not take")
    refused(folder, [key_pem(key).replace(b"M", b"-"), rest], "holds no readable key")
    small = rsa.generate_private_key(65537, 1024)
    asked = signing_request(tmp_path / "elsewhere", HOSTS)
    refused(
        folder, [key_pem(small), pem(organisation.sign(asked, public=small.public_key())), rest],
        "has a key that browsers do not take; use EC",
    )  # fmt: skip
    assert not folder.exists()


@posix
def test_a_waiting_key_that_others_can_reach_is_not_used(tmp_path: Path, organisation: Organisation) -> None:
    folder = tmp_path / "authority"
    file = answered(folder, organisation)
    (folder / REQUEST_FILE).chmod(0o644)
    with pytest.raises(AuthorityError, match="others than its owner can reach; remove it"):
        import_intermediate(folder, [file], HOSTS, NOW)


def test_no_message_repeats_a_key(tmp_path: Path) -> None:
    secret = key_pem(ec.generate_private_key(ec.SECP256R1())).splitlines()[1].decode()
    file = tmp_path / "key.pem"
    file.write_text(f"-----BEGIN PRIVATE KEY-----\n{secret}\n-----END EC PRIVATE KEY-----\n")
    with pytest.raises(AuthorityError) as caught:
        import_intermediate(tmp_path / "authority", [file], HOSTS, NOW)
    assert secret not in str(caught.value)


def test_a_client_that_trusts_only_the_organisation_holds_to_the_limits(tmp_path: Path) -> None:
    root = imported(tmp_path / "authority", HOSTS)
    context = ssl.create_default_context(cafile=root)
    assert context.cert_store_stats()["x509_ca"] == 1
    found = load(tmp_path / "authority")
    assert found.root_pem.read_bytes() == root.read_bytes()


def test_a_root_is_told_from_what_it_signed(tmp_path: Path, organisation: Organisation) -> None:
    file = tmp_path / "root.pem"
    file.write_bytes(pem(organisation.certificate))
    assert root_in(file) == organisation.certificate
    for content, wrong in [
        (pem(organisation.sign(signing_request(tmp_path / "authority", HOSTS))), "is no root; give"),
        (pem(*[organisation.certificate] * 2), "holds 2 certificates instead of 1"),
        (b"", "is not PEM"),
    ]:
        file.write_bytes(content)
        with pytest.raises(AuthorityError, match=wrong):
            root_in(file)


def test_openssl_signs_a_request_as_the_document_says(tmp_path: Path) -> None:
    folder = tmp_path / "authority"
    (tmp_path / "request.csr").write_bytes(signing_request(folder, HOSTS))
    organisation = Organisation(NOW)
    (tmp_path / "ca.key").write_bytes(key_pem(organisation.key))
    (tmp_path / "ca.pem").write_bytes(pem(organisation.certificate))
    text = (Path(__file__).parents[3] / "docs" / "authority.md").read_text(encoding="utf-8")
    start = text.index("openssl x509 -req")
    command = text[start : text.index("```", start)].replace("\\\n", " ").split()
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=30)
    now = datetime.now(UTC)  # openssl's, and not when this file was read: that may be a long time ago
    taken = import_intermediate(folder, [tmp_path / "intermediate.pem", tmp_path / "ca.pem"], HOSTS, now)
    assert taken.hosts == BARE
