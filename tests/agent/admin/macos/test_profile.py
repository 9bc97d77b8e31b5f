"""The profile for Macs: of the form that Apple's schema asks for, and the same for the same organisation."""

import plistlib
import shutil
import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import tomli
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from bewust.admin.macos.profile import BUNDLE, profile
from bewust.browsers.known import KNOWN, Family
from bewust.config import platform_policy
from support.organisation_authority import Organisation

CHROMIUMS = [one.macos.domain for one in KNOWN if one.family is Family.CHROMIUM and one.macos is not None]
# What github.com/apple/device-management, mdm/profiles, release branch, says is required of each payload on macOS,
# and of what kind; for the domains of browsers what their makers' policy lists say. Read on 2026-11-24.
EVERY = {"PayloadIdentifier": str, "PayloadUUID": str, "PayloadType": str, "PayloadVersion": int}
REQUIRED: dict[str, dict[str, type]] = {
    "Configuration": {"PayloadContent": list},
    "com.apple.security.root": {"PayloadContent": bytes},
    "com.apple.servicemanagement": {"Rules": list},
    "com.apple.notificationsettings": {"NotificationSettings": list},
    "com.apple.proxy.http.global": {"ProxyType": str, "ProxyPACURL": str},
    **{domain: {"ProxySettings": dict} for domain in CHROMIUMS},
    "org.mozilla.firefox": {"EnterprisePoliciesEnabled": bool, "Certificates": dict, "Proxy": dict},
    BUNDLE: {},
}
RULE_TYPES = {"BundleIdentifier", "BundleIdentifierPrefix", "Label", "LabelPrefix", "TeamIdentifier"}


@cache
def root() -> x509.Certificate:
    return Organisation(datetime.now(UTC)).certificate


def read(raw: bytes) -> dict[str, dict[str, Any]]:
    """The payloads by type, the profile itself among them."""
    whole = plistlib.loads(raw)
    found = [whole, *whole["PayloadContent"]]
    assert len({one["PayloadType"] for one in found}) == len(found)
    return {one["PayloadType"]: one for one in found}


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), min_size=1, max_size=40)
PORTS = st.integers(1024, 65535)


@given(name=NAMES, port=PORTS, with_root=st.booleans(), safari=st.booleans(), named=st.booleans())
def test_every_profile_is_of_the_form_that_apple_asks_for(
    name: str, port: int, with_root: bool, safari: bool, named: bool
) -> None:
    settings = {"page": {"organisation": name}} if named else {}
    raw = profile(name, port, root() if with_root else None, settings, safari)
    payloads = read(raw)
    for kind, payload in payloads.items():
        for key, wanted in (EVERY | REQUIRED[kind]).items():
            assert type(payload[key]) is wanted, (kind, key)
        assert payload["PayloadVersion"] == 1
        assert payload["PayloadIdentifier"].startswith(f"{BUNDLE}.")
        assert str(UUID(payload["PayloadUUID"])).upper() == payload["PayloadUUID"]
    for key in ("PayloadUUID", "PayloadIdentifier"):
        assert len({payload[key] for payload in payloads.values()}) == len(payloads)
    assert set(REQUIRED) - set(payloads) == {
        *([] if with_root else ["com.apple.security.root"]),
        *([] if safari else ["com.apple.proxy.http.global"]),
        *([] if named else [BUNDLE]),
    }
    assert payloads["Configuration"]["PayloadOrganization"] == name
    assert (
        raw.count(f"http://127.0.0.1:{port}/proxy.pac".encode()) == sum(one.macos is not None for one in KNOWN) + safari
    )


@given(names=st.lists(NAMES, min_size=2, max_size=2, unique=True), ports=st.tuples(PORTS, PORTS))
def test_a_newer_profile_takes_the_place_of_an_older_one_of_the_same_organisation(
    names: list[str], ports: tuple[int, int]
) -> None:
    first, again, other = (
        read(profile(name, port, root(), {}, True))
        for name, port in [(names[0], ports[0]), (names[0], ports[1]), (names[1], ports[0])]
    )
    for kind in first:
        for key in ("PayloadUUID", "PayloadIdentifier"):
            assert first[kind][key] == again[kind][key]
        assert first[kind]["PayloadUUID"] != other[kind]["PayloadUUID"]
    assert profile(names[0], ports[0], root(), {}, True) == profile(names[0], ports[0], root(), {}, True)


def test_a_new_root_is_a_new_payload_and_the_rest_stays() -> None:
    first = read(profile("Voorbeeld", 8787, root(), {}, False))
    second = read(profile("Voorbeeld", 8787, Organisation(datetime.now(UTC)).certificate, {}, False))
    changed = {kind for kind in first if first[kind]["PayloadUUID"] != second[kind]["PayloadUUID"]}
    assert changed == {"com.apple.security.root"}


def test_the_root_is_the_organisations_as_der() -> None:
    payload = read(profile("Voorbeeld", 8787, root(), {}, False))["com.apple.security.root"]
    assert x509.load_der_x509_certificate(payload["PayloadContent"]) == root()
    assert b"PRIVATE" not in payload["PayloadContent"]


def test_no_browser_is_kept_from_the_web_by_a_dead_agent() -> None:
    payloads = read(profile("Voorbeeld", 8787, None, {}, True))
    for kind in CHROMIUMS:
        assert payloads[kind]["ProxySettings"]["ProxyPacMandatory"] is False
    assert payloads["com.apple.proxy.http.global"]["ProxyPACFallbackAllowed"] is True
    assert payloads["com.apple.proxy.http.global"]["ProxyType"] == "Auto"
    assert payloads["org.mozilla.firefox"]["Proxy"]["Mode"] == "autoConfig"
    assert payloads["org.mozilla.firefox"]["Certificates"] == {"ImportEnterpriseRoots": True}


def test_background_items_and_notifications_are_those_of_bewust_only() -> None:
    payloads = read(profile("Voorbeeld", 8787, None, {}, False))
    for rule in payloads["com.apple.servicemanagement"]["Rules"]:
        assert rule["RuleType"] in RULE_TYPES and not rule["RuleType"].endswith("Prefix")
        assert rule["RuleValue"] == BUNDLE or rule["RuleValue"].startswith(f"{BUNDLE}.")
    (shown,) = payloads["com.apple.notificationsettings"]["NotificationSettings"]
    assert shown["BundleIdentifier"] == BUNDLE and shown["NotificationsEnabled"] is True
    assert shown["AlertType"] in (0, 1, 2)
    assert shown["ShowInLockScreen"] is shown["ShowInNotificationCenter"] is False


def test_settings_are_handed_over_as_they_stand_in_the_policy(tmp_path: Path) -> None:
    text = (
        'timezone = "Europe/Amsterdam"\n[reminders]\ndaily = 4\nquiet = ["18:00-08:00"]\n'
        '[service.chatgpt]\nstatus = "uncontracted"\n'
    )
    settings = tomli.loads(text)
    payload = read(profile("Voorbeeld", 8787, None, settings, False))[BUNDLE]
    # macOS writes such a payload to /Library/Managed Preferences, which every layer of the policy is read from.
    file = tmp_path / "nl.bewust.plist"
    file.write_bytes(plistlib.dumps(payload, fmt=plistlib.FMT_BINARY))
    (layer,) = platform_policy.of_plist(file)
    assert layer.table == settings


@pytest.mark.skipif(not shutil.which("plistutil"), reason="plistutil is not installed")
def test_another_reader_reads_the_same(tmp_path: Path) -> None:
    raw = profile("Gemeente 's-Hertogenbosch & <Co>", 8787, root(), {"countries": ["com", "nl"]}, True)
    first, binary, back = (tmp_path / name for name in ("a.mobileconfig", "b.plist", "c.plist"))
    first.write_bytes(raw)
    subprocess.run(["plistutil", "-i", first, "-o", binary, "-f", "bin"], check=True, timeout=20)
    subprocess.run(["plistutil", "-i", binary, "-o", back, "-f", "xml"], check=True, timeout=20)
    assert plistlib.loads(binary.read_bytes()) == plistlib.loads(back.read_bytes()) == plistlib.loads(raw)
