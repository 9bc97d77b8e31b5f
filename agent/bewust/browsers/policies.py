"""What browsers are told by policy, as values: which proxy, and which root to trust.

Belongs here: our keys, laid into a policy that others may have filled, and taken out of it again. Not
here: files and registries. Sources: the policy lists of Chrome Enterprise (ProxySettings,
CACertificates, PolicyListMultipleSourceMergeList) and Firefox (Proxy, Certificates).
"""

from collections.abc import Mapping
from typing import Any

# Any of these, set by somebody else, is somebody else's decision about the way to the web.
CHROMIUM_PROXY = ("ProxySettings", "ProxyMode", "ProxyServer", "ProxyServerMode", "ProxyPacUrl", "ProxyBypassList")
MERGED = "PolicyListMultipleSourceMergeList"

type Table = dict[str, Any]


def chromium_proxy(pac_url: str) -> Table:
    """Return the value of ProxySettings; not mandatory, so that a dead agent costs nobody a page."""
    return {"ProxyMode": "pac_script", "ProxyPacUrl": pac_url, "ProxyPacMandatory": False}


def chromium(pac_url: str, root: str, others: Mapping[str, Any]) -> Table:
    """Return our own policy file of a Chromium. `root` is base64 of the DER; `others` what others set.

    Of one key the file that comes last counts; certificates of several files are laid together, which
    must be asked for, and asking is such a key itself: so what others asked for is asked for again.
    """
    table: Table = {"ProxySettings": chromium_proxy(pac_url), "CACertificates": [root]}
    merged = others.get(MERGED)
    theirs = [key for key in merged if isinstance(key, str)] if isinstance(merged, list) else []
    table[MERGED] = list(dict.fromkeys([*theirs, "CACertificates"]))
    return table


def foreign_proxy(others: Mapping[str, Any], pac_url: str) -> str | None:
    """Return the key by which somebody else sends a Chromium's traffic another way; None where nobody does.

    Mode `system` and `direct` by ProxySettings count too: they were decided.
    """
    for key in CHROMIUM_PROXY:
        if key in others and others[key] != chromium_proxy(pac_url):
            return key
    return None


def firefox_proxy(pac_url: str) -> Table:
    """Return Firefox's Proxy policy; locked, as it is the organisation's."""
    return {"Mode": "autoConfig", "AutoConfigURL": pac_url, "Locked": True}


def foreign_firefox_proxy(policies: Mapping[str, Any], pac_url: str) -> bool:
    """Whether Firefox has a proxy policy that is not ours."""
    return "Proxy" in policies and policies["Proxy"] != firefox_proxy(pac_url)


def with_ours(policies: Mapping[str, Any], pac_url: str, root_file: str) -> Table:
    """Return Firefox's policies with ours laid in; all that is not ours stays as it is."""
    table = dict(policies)
    table["Proxy"] = firefox_proxy(pac_url)
    certificates = table.get("Certificates")
    certificates = dict(certificates) if isinstance(certificates, dict) else {}
    installed = certificates.get("Install")
    installed = list(installed) if isinstance(installed, list) else []
    if root_file not in installed:
        installed.append(root_file)
    table["Certificates"] = certificates | {"Install": installed}
    return table


def without_ours(policies: Mapping[str, Any], pac_url: str, root_file: str, proxy_before: Table | None) -> Table:
    """Return Firefox's policies without ours; `proxy_before` is the proxy policy that ours stood in for."""
    table = dict(policies)
    if table.get("Proxy") == firefox_proxy(pac_url):
        del table["Proxy"]
        if proxy_before is not None:
            table["Proxy"] = proxy_before
    certificates = table.get("Certificates")
    if isinstance(certificates, dict) and isinstance(certificates.get("Install"), list):
        left = [file for file in certificates["Install"] if file != root_file]
        rest = {key: value for key, value in certificates.items() if key != "Install"}
        table["Certificates"] = rest | ({"Install": left} if left else {})
        if not table["Certificates"]:
            del table["Certificates"]
    return table
