"""Whether each browser is told what it must be told, and what follows from that.

Belongs here: policies against what ours would be. Not here: reading them (browsers.reading), or what happens on the
wire (route).

Two things that hide traffic elsewhere cannot do so here, so for these there is nothing to test but that
the browser follows our PAC:

HTTP/3. A host that a PAC sends to an HTTP proxy is never reached over QUIC. Chromium: net/http/
http_stream_factory_job.cc, DoInitConnectionImpl ("QUIC can not be spoken to non-QUIC proxies"). Firefox:
netwerk/protocol/http/AlternateServices.cpp, UpdateAltServiceMapping, which ignores h3 when a proxy is used.

Names. With an HTTP proxy the browser does not look the name up; it writes it into CONNECT (RFC 9110,
section 9.3.6; Chromium's net/docs/proxy.md on HTTP proxies). So DNS over HTTPS changes nothing, and
Encrypted Client Hello hides the name from the network, not from the agent that was told it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate

from bewust.admin.linux.browsers import encoded
from bewust.browsers import EffectivePolicy, linux, policies
from bewust.doctor.finding import ADMIN, DoctorContext, Finding, Verdict, broken, degraded, ok, unknown

AGAIN = f"Run: {ADMIN} install"
PAC_OF_OURS = re.compile(r"http://127\.0\.0\.1:[0-9]+/proxy\.pac")


def check_browsers(here: DoctorContext, browsers: Sequence[EffectivePolicy]) -> Iterator[Finding]:
    """Yield what was found for each browser."""
    if not browsers:
        yield unknown(
            "policy",
            "browsers",
            "No browser was found where browsers are usually installed.",
            "If there is one, look at its own list of policies: chrome://policy or about:policies.",
        )
    for told in browsers:
        found = policy(here, told)
        yield found
        if here.managed or found.verdict is Verdict.OK:
            yield trust(here, told)
            yield from uses_our_pac(told, found.verdict is Verdict.OK)


def policy(here: DoctorContext, told: EffectivePolicy) -> Finding:
    """Return whether the browser is told our proxy, and not another."""
    if told.wrong:
        return broken("policy", told.browser, told.wrong, "Mend that file, then restart the browser.")
    wanted = policies.firefox_proxy(here.pac_url) if told.firefox else policies.chromium_proxy(here.pac_url)
    key = "Proxy" if told.firefox else "ProxySettings"
    if told.policies.get(key) == wanted:
        read = "reads it at its start: restart it after a change" if told.firefox else "reads changes as it runs"
        return ok("policy", told.browser, f"It is told to ask our PAC file ({told.origin[key]}); it {read}.")
    for name in ("Proxy",) if told.firefox else policies.CHROMIUM_PROXY:
        if name in told.policies:
            return _foreign(told, name)
    if not here.managed:
        return degraded(
            "policy",
            told.browser,
            "It is not told about Bewust, as this machine was not set up for it.",
            f"{AGAIN}; or try it in a window of its own: bewust browse",
        )
    return broken("policy", told.browser, "It is not told about Bewust.", AGAIN)


def _foreign(told: EffectivePolicy, name: str) -> Finding:
    where, value = told.origin.get(name, "a policy"), told.policies[name]
    inner = dict(value) if isinstance(value, Mapping) else {}
    address = str(inner.get("AutoConfigURL") or inner.get("ProxyPacUrl") or "")
    if PAC_OF_OURS.fullmatch(address):
        return broken(
            "policy", told.browser, f"It is told another port than the agent's ({where}).", f"{AGAIN}, then restart it"
        )
    ours = "" if told.firefox else f" and counts over {linux.OURS}"
    return broken(
        "policy",
        told.browser,
        f"Somebody else tells it which proxy to use: {where} sets {name}{ours}.",
        "Have Bewust go through that proxy (bewust admin install --upstream http://NAME:PORT), or remove the setting.",
    )


def trust(here: DoctorContext, told: EffectivePolicy) -> Finding:
    """Return whether the browser trusts the root of this machine, and no older one instead."""
    try:
        pem = here.root_pem.read_bytes()
        der = load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    except (OSError, ValueError):
        return unknown("trust", told.browser, f"{here.root_pem}: cannot be read, so nothing to compare.", AGAIN)
    listed = _installed(told) if told.firefox else told.policies.get("CACertificates")
    wanted = str(here.root_pem) if told.firefox else encoded(pem)
    if isinstance(listed, list) and wanted in listed:
        return ok("trust", told.browser, "It is told to trust this machine's authority, the one that is in use.")
    if here.roots is not None and der in here.roots:
        return ok("trust", told.browser, "This machine's own store trusts the authority that is in use.")
    if here.roots is None and not told.origin.get("CACertificates") and _elsewhere(told):
        return unknown(
            "trust",
            told.browser,
            "It takes its roots from the system's store, which we cannot list here.",
            "Look for Bewust's root there, and compare its SHA-256 with: bewust authority show",
        )
    return broken(
        "trust", told.browser, "It is not told to trust the authority that is in use, so its pages would fail.", AGAIN
    )


def _installed(told: EffectivePolicy) -> Any:
    certificates = told.policies.get("Certificates")
    return certificates.get("Install") if isinstance(certificates, Mapping) else None


def _elsewhere(told: EffectivePolicy) -> bool:
    """Whether the roots may be managed outside the browser's policies: then they are not ours to see."""
    certificates = told.policies.get("Certificates")
    if told.firefox:
        return isinstance(certificates, Mapping) and bool(certificates.get("ImportEnterpriseRoots"))
    return any(where.endswith(".plist") for where in told.origin.values())


def uses_our_pac(told: EffectivePolicy, told_ours: bool) -> Iterator[Finding]:
    """Yield what holds because the browser sends catalogued hosts to an HTTP proxy, and holds only then."""
    if told_ours:
        yield ok(
            "http3", told.browser, "HTTP/3 is not used for a host that the PAC sends to a proxy; nothing to switch."
        )
        yield ok(
            "names",
            told.browser,
            "The browser itself tells the proxy the name: neither DNS over HTTPS nor Encrypted Client Hello hides it.",
        )
        return
    remedy = "Mend its policy first (above)."
    yield unknown("http3", told.browser, "Without our PAC it may use HTTP/3, which the agent never sees.", remedy)
    yield unknown("names", told.browser, "Without our PAC the agent is told no names.", remedy)
