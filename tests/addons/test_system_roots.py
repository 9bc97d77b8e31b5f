"""Which roots vouch for sites: a file of the system, or what Windows lists laid over mitmproxy's bundle."""

import ssl
from pathlib import Path

import pytest
import trustme

from bewust.state_files import ROOTS
from bewust_addons import system_roots


def der(authority: trustme.CA) -> bytes:
    return ssl.PEM_cert_to_DER_cert(authority.cert_pem.bytes().decode())


def test_a_file_of_the_system_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.crt"
    bundle.touch()
    monkeypatch.setattr(system_roots, "FILES", ("/nonexistent", str(bundle)))
    assert system_roots.of_system(tmp_path) == str(bundle)
    monkeypatch.setattr(system_roots, "FILES", ("/nonexistent",))
    assert system_roots.of_system(tmp_path) is None


def test_windows_s_own_roots_are_laid_over_the_bundle(tmp_path: Path) -> None:
    corporate, mail, other, banned = trustme.CA(), trustme.CA(), trustme.CA(), trustme.CA()
    stores: dict[str, list[tuple[bytes, str, set[str] | bool]]] = {
        "ROOT": [
            (der(corporate), "x509_asn", True),
            (der(other), "x509_asn", {system_roots.SERVER}),
            (der(mail), "x509_asn", {"1.3.6.1.5.5.7.3.4"}),
            (der(banned), "x509_asn", True),
            (b"a message", "pkcs_7_asn", True),
        ],
        "Disallowed": [(der(banned), "x509_asn", True)],
    }
    file = system_roots.of_windows(tmp_path, lambda store: stores[store])
    assert file == str(tmp_path / ROOTS)
    context = ssl.create_default_context(cafile=file)
    loaded = set(context.get_ca_certs(binary_form=True))
    assert {der(corporate), der(other)} <= loaded
    assert not {der(mail), der(banned)} & loaded
    assert len(loaded) > 100  # the bundle


def test_a_state_folder_that_cannot_be_written_leaves_mitmproxy_s_own(tmp_path: Path) -> None:
    assert system_roots.of_windows(tmp_path / "absent", lambda store: []) is None


def test_this_system_s_own_roots_are_found(tmp_path: Path) -> None:
    found = system_roots.of_system(tmp_path)
    assert found is None or ssl.create_default_context(cafile=found).cert_store_stats()["x509_ca"] > 0
