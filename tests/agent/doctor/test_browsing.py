"""Each browser's policy and trust, against machines that were really set up and then spoiled."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bewust.admin import steps
from bewust.browsers import reading
from bewust.browsers.reading import EffectivePolicy
from bewust.doctor import browsing
from bewust.doctor.finding import DoctorContext, Finding, Verdict
from support.doctor import here, verdicts
from support.linux_machine import Played, machine, put

FIREFOX_POLICY = "etc/firefox/policies/policies.json"
FOLDER = "etc/chromium/policies/managed"
Spoil = Callable[[Path], object]


@pytest.fixture
def there(tmp_path: Path) -> DoctorContext:
    """A machine with two browsers that was set up."""
    root = machine(tmp_path / "root", "usr/bin/chromium", "usr/bin/firefox")
    steps.install(Played(root))
    return here(tmp_path, root=root, root_pem=root / "var/lib/bewust/root.pem", managed=True)


def found(there: DoctorContext) -> dict[tuple[str, str], Finding]:
    findings = list(browsing.check_browsers(there, reading.effective_policies(there.root, "linux")))
    verdicts(iter(findings))
    return {(finding.about, finding.id): finding for finding in findings}


def test_a_machine_that_was_set_up_is_in_order(there: DoctorContext) -> None:
    everything = found(there)
    assert {one.verdict for one in everything.values()} == {Verdict.OK}
    assert {id for _, id in everything} == {"policy", "trust", "http3", "names"}
    assert "restart it" in everything["Firefox", "policy"].what


def others(root: Path) -> None:
    put(root / FOLDER / "zzz.json", {"ProxySettings": {"ProxyMode": "direct"}})


def other_port(root: Path) -> None:
    file = root / FIREFOX_POLICY
    file.write_text(file.read_text().replace(":8787/", ":9999/"))


def an_older_root(root: Path) -> None:
    for file in (root / FIREFOX_POLICY, root / FOLDER / "zz-bewust.json"):
        table = json.loads(file.read_text())
        inner = table.get("policies", table)
        if "Certificates" in inner:
            inner["Certificates"]["Install"] = ["/old.pem"]
        else:
            inner["CACertificates"] = ["b2xk"]
        put(file, table)


SPOILED: dict[str, tuple[Spoil, tuple[str, str], str]] = {
    "removed": (lambda root: (root / FOLDER / "zz-bewust.json").unlink(), ("Chromium", "policy"), "not told about"),
    "shadowed": (others, ("Chromium", "policy"), "zzz.json"),
    "another port": (other_port, ("Firefox", "policy"), "another port"),
    "no JSON": (lambda root: (root / FIREFOX_POLICY).write_text("{"), ("Firefox", "policy"), "is not JSON"),
    "an older root": (an_older_root, ("Chromium", "trust"), "not told to trust"),
    "an older root of Firefox": (an_older_root, ("Firefox", "trust"), "not told to trust"),
}


@pytest.mark.parametrize("case", SPOILED)
def test_what_was_spoiled_is_broken_and_named(there: DoctorContext, case: str) -> None:
    spoil, where, words = SPOILED[case]
    spoil(there.root)
    finding = found(there)[where]
    assert finding.verdict is Verdict.BROKEN and words in finding.what
    if where[1] == "policy":
        assert found(there)[where[0], "http3"].verdict is Verdict.UNKNOWN


def test_a_machine_that_was_never_set_up_is_less_than_broken(tmp_path: Path) -> None:
    root = machine(tmp_path / "root", "usr/bin/chromium")
    assert verdicts(browsing.check_browsers(here(tmp_path), reading.effective_policies(root, "linux"))) == {
        "policy": Verdict.DEGRADED
    }
    assert verdicts(browsing.check_browsers(here(tmp_path), [])) == {"policy": Verdict.UNKNOWN}


def test_without_a_root_there_is_nothing_to_compare(there: DoctorContext) -> None:
    there.root_pem.unlink()
    assert found(there)["Firefox", "trust"].verdict is Verdict.UNKNOWN


def test_the_systems_store_counts_where_it_can_be_listed(there: DoctorContext) -> None:
    der = x509.load_pem_x509_certificate(there.root_pem.read_bytes()).public_bytes(Encoding.DER)
    imports: dict[str, Any] = {"Certificates": {"ImportEnterpriseRoots": 1}}
    firefox = EffectivePolicy("Firefox", True, imports, {"Certificates": "HKLM"})
    chrome = EffectivePolicy("Chrome", False, {}, {"ProxySettings": "com.google.Chrome.plist"})
    listing = msgspec.structs.replace(there, roots=frozenset({der}))
    without = msgspec.structs.replace(there, roots=frozenset({b"another"}))
    assert [browsing.trust(listing, one).verdict for one in (firefox, chrome)] == [Verdict.OK] * 2
    assert [browsing.trust(without, one).verdict for one in (firefox, chrome)] == [Verdict.BROKEN] * 2
    assert [browsing.trust(there, one).verdict for one in (firefox, chrome)] == [Verdict.UNKNOWN] * 2
