"""The configuration profile by which a Mac's device management prepares for Bewust.

Belongs here: its payloads, as values. Not here: signing and sending it, which is device management's
(docs/macos.md). Sources: github.com/apple/device-management, mdm/profiles (TopLevel, CommonPayloadKeys
and one file a payload type); the policy lists of Chrome Enterprise and Firefox for their domains.
"""

import plistlib
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from bewust.browsers import known, policies
from bewust.browsers.known import Family
from bewust.browsers.policies import Table

BUNDLE = "nl.bewust"  # the application, and the domain of managed preferences
SERVICE, SESSION = f"{BUNDLE}.service", f"{BUNDLE}.session"  # the labels of the daemon and of the agent
_NAMESPACE = UUID("6f1b9f0e-6a0c-5d5e-9a43-0d9d6b3c2f51")  # any, but never another


def profile(
    organisation: str, port: int, root: x509.Certificate | None, settings: Mapping[str, Any], system_proxy: bool
) -> bytes:
    """Return a `.mobileconfig`: an XML property list, unsigned. The same arguments give the same bytes.

    `root` is the organisation's, None where its devices trust that already; `settings` are keys of
    policy.toml to hand over as managed preferences; `system_proxy` is for Safari. The identifiers depend
    on the organisation only, so that a newer profile takes the place of an older one; a new root's are new.
    """
    pac_url = f"http://127.0.0.1:{port}/proxy.pac"
    payloads = [_payload(organisation, *one) for one in _payloads(pac_url, root, settings, system_proxy)]
    whole = _payload(organisation, "Configuration", "profile", "Bewust", {"PayloadContent": payloads})
    whole |= {
        "PayloadOrganization": organisation,
        "PayloadScope": "System",
        "TargetDeviceType": 5,  # Mac
        "PayloadDescription": "Reminds of conscientious use of generative AI; counts anonymously; watches nobody.",
    }
    return plistlib.dumps(whole)


def _payloads(
    pac_url: str, root: x509.Certificate | None, settings: Mapping[str, Any], system_proxy: bool
) -> Sequence[tuple[str, str, str, Table]]:
    """Return type, short name, name for people and content of each payload."""
    found: list[tuple[str, str, str, Table]] = []
    if root is not None:
        mark = root.fingerprint(hashes.SHA256()).hex()[:16]
        found.append(("com.apple.security.root", f"root.{mark}", "Root certificate", _root(root)))
    for one in known.KNOWN:
        if one.macos is not None:
            chromium = one.family is Family.CHROMIUM
            told = {"ProxySettings": policies.chromium_proxy(pac_url)} if chromium else _firefox(pac_url)
            shown = f"{one.name}: proxy" if chromium else f"{one.name}: proxy and trust"
            found.append((one.macos.domain, f"browser.{one.id}", shown, told))
    if system_proxy:
        everybody = {"ProxyType": "Auto", "ProxyPACURL": pac_url, "ProxyPACFallbackAllowed": True}
        found.append(("com.apple.proxy.http.global", "proxy", "Safari: proxy", everybody))
    found.append(("com.apple.servicemanagement", "background", "Background items", {"Rules": _RULES}))
    found.append(("com.apple.notificationsettings", "notifications", "Notifications", _NOTIFICATIONS))
    if settings:
        found.append((BUNDLE, "settings", "Bewust: settings", dict(settings)))
    return found


def _payload(organisation: str, kind: str, name: str, shown: str, content: Mapping[str, Any]) -> Table:
    return {
        **content,
        "PayloadType": kind,
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{BUNDLE}.{name}",
        "PayloadUUID": str(uuid5(_NAMESPACE, f"{organisation}\n{name}")).upper(),
        "PayloadDisplayName": shown,
    }


def _root(root: x509.Certificate) -> Table:
    return {"PayloadCertificateFileName": "organisation-root.cer", "PayloadContent": root.public_bytes(Encoding.DER)}


def _firefox(pac_url: str) -> Table:
    return {
        "EnterprisePoliciesEnabled": True,
        "Certificates": {"ImportEnterpriseRoots": True},
        "Proxy": policies.firefox_proxy(pac_url),
    }


_RULES = [
    {"RuleType": "BundleIdentifier", "RuleValue": BUNDLE, "Comment": "Bewust"},
    {"RuleType": "Label", "RuleValue": SERVICE, "Comment": "Bewust: the service"},
    {"RuleType": "Label", "RuleValue": SESSION, "Comment": "Bewust: reminders at each login"},
]
# A reminder is for the one who sits there now: it stays in no list, and shows on no lock screen.
_NOTIFICATIONS = {
    "NotificationSettings": [
        {
            "BundleIdentifier": BUNDLE,
            "NotificationsEnabled": True,
            "AlertType": 1,  # a banner that goes away
            "ShowInNotificationCenter": False,
            "ShowInLockScreen": False,
            "BadgesEnabled": False,
            "SoundsEnabled": False,
        }
    ]
}
