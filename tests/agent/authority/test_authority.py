"""The authority: what is written, what is read back, and what is refused."""

import os
import ssl
import stat
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from bewust.authority import authority as authority_authority
from bewust.authority.authority import (
    KEY_FILE,
    LOGIN_HOSTS,
    NAMES_AT_MOST,
    ROOT_FILE,
    AuthorityError,
    issue,
    load,
    load_usable,
    needed,
    published,
)

NOW = datetime.now(UTC)
HOSTS = ("www.google.com", "www.bing.com", "*.translate.goog")
BARE = ("www.google.com", "www.bing.com", "translate.goog")
posix = pytest.mark.skipif(os.name != "posix", reason="file modes mean nothing here")


def certificates(folder: Path) -> list[x509.Certificate]:
    """The intermediate and the root, as mitmproxy will read them."""
    return x509.load_pem_x509_certificates((folder / KEY_FILE).read_bytes())


def test_an_authority_reads_back_as_it_was_issued(tmp_path: Path) -> None:
    issued = issue(tmp_path, HOSTS, NOW)
    assert issued == load(tmp_path)
    assert issued.hosts == BARE
    assert issued.root_pem == tmp_path / ROOT_FILE
    assert timedelta(days=729) < issued.not_after - NOW <= timedelta(days=730)
    root = x509.load_pem_x509_certificate(issued.root_pem.read_bytes())
    assert issued.fingerprint == root.fingerprint(hashes.SHA256()).hex()


LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,12}[a-z0-9])?", fullmatch=True)
HOST = st.builds("{}.{}.nl".format, LABEL, LABEL)


@settings(max_examples=30)
@given(hosts=st.lists(HOST, min_size=1, max_size=NAMES_AT_MOST))
def test_every_list_of_hosts_survives_the_round_trip(hosts: list[str]) -> None:
    with TemporaryDirectory() as folder:
        issue(Path(folder), hosts, NOW)
        authority = load(Path(folder), NOW)
    assert authority.hosts == tuple(dict.fromkeys(hosts))
    assert authority.uncovered(hosts) == ()
    assert authority.uncovered(["below." + host for host in hosts]) == ()
    assert authority.uncovered(["un" + hosts[0] + ".eu"]) == ("un" + hosts[0] + ".eu",)


@posix
def test_the_folder_and_the_key_are_the_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "authority"
    issue(folder, HOSTS, NOW)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {KEY_FILE: 0o600, ROOT_FILE: 0o644}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_roots_key_is_nowhere(tmp_path: Path) -> None:
    issue(tmp_path, HOSTS, NOW)
    intermediate, root = certificates(tmp_path)
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert written.count(b"PRIVATE KEY-----") == 2  # one key: its begin and its end
    key = serialization.load_pem_private_key((tmp_path / KEY_FILE).read_bytes(), None)
    assert key.public_key() == intermediate.public_key() != root.public_key()


def test_a_write_that_fails_leaves_the_old_authority_and_no_scrap_of_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = issue(tmp_path, HOSTS, NOW)

    def full(source: str, target: str, **folders: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("bewust.files.os.replace", full)
    with pytest.raises(OSError, match="no space"):
        issue(tmp_path, HOSTS, NOW)
    assert load(tmp_path) == old
    assert {path.name for path in tmp_path.iterdir()} == {KEY_FILE, ROOT_FILE}


def test_renewing_replaces_both_files_and_is_told_apart(tmp_path: Path) -> None:
    first = issue(tmp_path, HOSTS, NOW)
    names = [certificate.subject for certificate in certificates(tmp_path)]
    second = issue(tmp_path, ("www.bing.com",), NOW)
    assert second.fingerprint != first.fingerprint
    assert load(tmp_path).hosts == ("www.bing.com",)
    assert not set(names) & {certificate.subject for certificate in certificates(tmp_path)}


@pytest.mark.parametrize(("index", "path_length"), [(0, 0), (1, 1)], ids=["intermediate", "root"])
def test_both_certificates_carry_the_profile(tmp_path: Path, index: int, path_length: int) -> None:
    issue(tmp_path, HOSTS, NOW)
    certificate = certificates(tmp_path)[index]
    extensions = certificate.extensions
    constraints = extensions.get_extension_for_class(x509.NameConstraints)
    basic = extensions.get_extension_for_class(x509.BasicConstraints)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert constraints.critical and basic.critical and usage.critical
    assert constraints.value.permitted_subtrees == [x509.DNSName(host) for host in BARE]
    excluded = {str(name.value) for name in constraints.value.excluded_subtrees or ()}
    assert excluded == {"0.0.0.0/0", "::/0", *LOGIN_HOSTS}
    assert basic.value == x509.BasicConstraints(ca=True, path_length=path_length)
    assert usage.value.key_cert_sign and usage.value.crl_sign
    assert not usage.value.digital_signature
    purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)


def test_a_list_is_full_at_the_limit_and_overfull_above_it(tmp_path: Path) -> None:
    names = [f"h{number}.example.nl" for number in range(NAMES_AT_MOST + 1)]
    assert len(issue(tmp_path, names[:-1], NOW).hosts) == NAMES_AT_MOST
    with pytest.raises(AuthorityError, match="151 names, and 150 is the most"):
        issue(tmp_path, names, NOW)


@pytest.mark.parametrize(
    ("hosts", "wrong"),
    [
        (("com",), "not a host name"),
        (("*",), "not a host name"),
        (("",), "not a host name"),
        (("www.*.com",), "not a host name"),
        (("10.0.0.1",), "not a host name"),
        (("::1",), "not a host name"),
        (("www.bing.com:443",), "not a host name"),
        (("bücher.example",), "not a host name"),
        (("www.bing.com\n",), "not a host name"),
        (("accounts.google.com",), "login host"),
        (("*.Accounts.Google.com.",), "login host"),
        (("eu.login.live.com",), "login host"),
    ],
)
def test_a_list_that_may_not_be_issued(tmp_path: Path, hosts: Sequence[str], wrong: str) -> None:
    with pytest.raises(AuthorityError, match=wrong):
        issue(tmp_path / "authority", hosts, NOW)
    assert not (tmp_path / "authority").exists()


def test_where_nothing_is_looked_into_it_may_speak_for_a_name_that_nobody_has(tmp_path: Path) -> None:
    made = issue(tmp_path, (), NOW)
    assert made.hosts == ("nothing.invalid",)
    assert published(made.root_pem, ()).hosts == made.hosts
    assert not needed(tmp_path, (), NOW) and needed(tmp_path, HOSTS, NOW)
    assert made.uncovered(("www.google.nl",)) == ("www.google.nl",)


def test_one_that_cannot_be_used_covers_nothing_and_says_why(tmp_path: Path) -> None:
    assert load_usable(issue(tmp_path, HOSTS, datetime.now(UTC)).folder).problem is None
    (tmp_path / "mitmproxy-ca.pem").write_text("damaged")
    found = load_usable(tmp_path)
    assert "bewust authority renew" in str(found.problem)
    assert found.uncovered(HOSTS) == tuple(HOSTS)
    assert not found.valid(datetime.now(UTC))
    assert load_usable(tmp_path / "absent").problem


def test_browsers_take_it_between_its_days_and_no_longer(tmp_path: Path) -> None:
    made = issue(tmp_path, HOSTS, NOW)
    assert [made.valid(NOW + timedelta(days=day)) for day in (-2, -0.9, 0, 729, 731)] == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_a_host_above_a_login_host_covers_all_but_the_login(tmp_path: Path) -> None:
    authority = issue(tmp_path, ("google.com",), NOW)
    asked = ("www.google.com", "accounts.google.com", "x.accounts.google.com", "*.google.com")
    assert authority.uncovered(asked) == asked[1:3]


def test_what_is_uncovered_is_named_as_the_list_writes_it(tmp_path: Path) -> None:
    authority = issue(tmp_path, HOSTS, NOW)
    asked = ("WWW.google.com.", "*.kagi.com", "a.translate.goog", "google.com", "ww.bing.com")
    assert authority.uncovered(asked) == ("*.kagi.com", "google.com", "ww.bing.com")
    assert authority.uncovered(["notwww.google.com"]) == ("notwww.google.com",)


def test_the_warning_comes_sixty_days_before_the_end(tmp_path: Path) -> None:
    authority = issue(tmp_path, HOSTS, NOW)
    assert not authority.expires_soon(authority.not_after - timedelta(days=60))
    assert authority.expires_soon(authority.not_after - timedelta(days=59, hours=23))


def test_an_expired_authority_is_refused_with_its_date(tmp_path: Path) -> None:
    end = issue(tmp_path, HOSTS, NOW).not_after
    load(tmp_path, end - timedelta(seconds=1))
    with pytest.raises(AuthorityError, match=rf"{KEY_FILE}: expired on {end:%Y-%m-%d}; run `bewust"):
        load(tmp_path, end)


@pytest.mark.parametrize("name", [KEY_FILE, ROOT_FILE])
@pytest.mark.parametrize(
    ("content", "wrong"),
    [(None, "cannot be read"), (b"", "holds no readable"), (b"\x00\xff" * 99, "holds no readable")],
)
def test_a_file_that_cannot_be_used_is_named_with_the_remedy(
    tmp_path: Path, name: str, content: bytes | None, wrong: str
) -> None:
    issue(tmp_path, HOSTS, NOW)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(AuthorityError, match=wrong) as caught:
        load(tmp_path)
    assert name in str(caught.value)
    assert str(caught.value).endswith("run `bewust authority renew`")


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    issue(tmp_path, HOSTS, NOW)
    (tmp_path / KEY_FILE).chmod(mode)
    with pytest.raises(AuthorityError, match="others than its owner"):
        load(tmp_path)


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    issue(one, HOSTS, NOW)
    issue(two, HOSTS, NOW)
    raw = (one / KEY_FILE).read_bytes()
    key = raw[: raw.index(b"-----BEGIN CERTIFICATE")]
    intermediate, root = certificates(one)
    other_intermediate, other_root = certificates(two)

    def refused(key_file: bytes, root_file: bytes, wrong: str) -> None:
        (one / KEY_FILE).write_bytes(key_file)
        (one / ROOT_FILE).write_bytes(root_file)
        with pytest.raises(AuthorityError, match=wrong):
            load(one)

    good = key + pem(intermediate) + pem(root)
    refused(key + pem(other_intermediate) + pem(other_root), pem(other_root), "does not match")
    refused(good, pem(other_root), "is not the root in")
    refused(key + pem(intermediate) + pem(other_root), pem(other_root), "did not sign")
    refused(key + pem(intermediate), pem(root), "holds 1 certificate, and no root")
    refused(good, pem(root) + pem(other_root), "holds 2 certificates instead of 1")


@pytest.mark.parametrize("permitted", [None, [], ["dns:"], ["dir"]])
def test_an_authority_that_may_speak_for_anyone_is_refused(tmp_path: Path, permitted: list[str] | None) -> None:
    names: dict[str, x509.GeneralName] = {
        "dns:": x509.DNSName(""),
        "dir": x509.DirectoryName(x509.Name([])),
    }
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "anyone")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(NOW).not_valid_after(NOW + timedelta(days=9))
    if permitted is not None:
        allowed = [names[word] for word in permitted] or None
        constraints = x509.NameConstraints(allowed, [x509.DNSName("example.nl")])
        builder = builder.add_extension(constraints, critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    form = serialization.PrivateFormat.PKCS8
    key_pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    (tmp_path / KEY_FILE).write_bytes(key_pem + pem(certificate) * 2)
    (tmp_path / KEY_FILE).chmod(0o600)
    (tmp_path / ROOT_FILE).write_bytes(pem(certificate))
    with pytest.raises(AuthorityError, match="is not limited to hosts"):
        load(tmp_path)


def test_no_message_repeats_what_is_in_the_key_file(tmp_path: Path) -> None:
    issue(tmp_path, HOSTS, NOW)
    secret = (tmp_path / KEY_FILE).read_bytes().splitlines()[1].decode()
    (tmp_path / KEY_FILE).write_text(f"-----BEGIN EC PRIVATE KEY-----\n{secret}\n")
    with pytest.raises(AuthorityError) as caught:
        load(tmp_path)
    assert secret not in str(caught.value)
    assert caught.value.__suppress_context__


def test_python_takes_the_root_into_a_strict_context(tmp_path: Path) -> None:
    authority = issue(tmp_path, HOSTS, NOW)
    context = ssl.create_default_context(cafile=authority.root_pem)
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from 3.13 on
    assert context.cert_store_stats() == {"x509": 1, "crl": 0, "x509_ca": 1}


def test_a_new_one_is_needed_where_names_or_time_are_others(tmp_path: Path) -> None:
    assert authority_authority.needed(tmp_path, HOSTS, NOW)
    authority_authority.issue(tmp_path, HOSTS, NOW)
    assert not authority_authority.needed(tmp_path, HOSTS, NOW)
    assert authority_authority.needed(tmp_path, HOSTS[:2], NOW), "narrower is another one too: exactly the list"
    assert authority_authority.needed(tmp_path, [*HOSTS, "duckduckgo.com"], NOW)
    assert authority_authority.needed(tmp_path, HOSTS, NOW + authority_authority.VALID - timedelta(days=59))


def test_a_root_that_others_hand_over_is_checked_for_its_limits(tmp_path: Path) -> None:
    issued = authority_authority.issue(tmp_path, HOSTS, NOW)
    raw = issued.root_pem.read_bytes()
    assert pem(authority_authority.check_root(raw, HOSTS)) == raw
    with pytest.raises(AuthorityError, match=r"may speak for translate\.goog"):
        authority_authority.check_root(raw, HOSTS[:2])
    for wrong in (b"", b"x", raw + raw, raw[:50]):
        with pytest.raises(AuthorityError):
            authority_authority.check_root(wrong, HOSTS)


def test_the_published_root_tells_all_but_the_key(tmp_path: Path) -> None:
    made = issue(tmp_path / "made", HOSTS, NOW)
    public = tmp_path / "public" / ROOT_FILE
    public.parent.mkdir()
    public.write_bytes(made.root_pem.read_bytes())
    found = authority_authority.published(public, HOSTS)
    assert (found.hosts, found.fingerprint, found.not_after) == (made.hosts, made.fingerprint, made.not_after)
    assert (found.made, found.root_pem) == (made.made, public)
    with pytest.raises(AuthorityError, match="not inspected"):
        authority_authority.published(public, HOSTS[:1])
    with pytest.raises(AuthorityError, match="cannot be read"):
        authority_authority.published(tmp_path / "gone", HOSTS)
