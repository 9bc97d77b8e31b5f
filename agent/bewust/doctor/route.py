"""Whether a real request takes the right way: the PAC, and handshakes through the agent.

Belongs here: what is tried on loopback and, by handshakes alone, on the network. No request is sent: a
site learns that somebody shook hands, as from any browser's preconnect. An uncatalogued host is never
contacted: that the PAC does not send it to us is all there is to see.
"""

import http.client
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from bewust.browsers import handshake, linux
from bewust.browsers.handshake import Answer, ForeignIssuer
from bewust.doctor.finding import SEE, DoctorContext, Finding, broken, degraded, ok, unknown
from bewust.proxy import pac

PART, SECOND = "routing", "other products"
SECONDS = 5
# Words in the issuer of what these put in a site's place; their documents call the certificate so.
INTERCEPTORS = (
    "Zscaler", "Netskope", "Cisco Umbrella", "Cisco Secure", "Palo Alto", "Fortinet", "FortiGate", "Sophos",
    "Kaspersky", "ESET", "Avast", "AVG", "McAfee", "Trellix", "Skyhigh", "Symantec Web", "Broadcom", "Forcepoint",
    "Barracuda", "iboss", "Gateway CA - Cloudflare", "Cloudflare Gateway", "Cloudflare for Teams", "Check Point",
    "Menlo Security", "Bitdefender", "mitmproxy",
)  # fmt: skip
COMBINE = (
    "Exempt Bewust's catalogued hosts there (bewust catalogue hosts), or keep both: Bewust verifies with the "
    "system's roots, so that product's root must be in the system's store."
)


def check_route(here: DoctorContext) -> Iterator[Finding]:
    """Yield what was found on the way that requests take."""
    if here.status and here.status.get("stopped"):
        yield degraded("pac", PART, "Everything is stopped: nothing is inspected, counted or reminded of.",
                       "End a pause with bewust resume; remove an administrator's file off.")  # fmt: skip
        yield from _untried("Everything is stopped.", "See to that first (above).")
        yield other_proxy(here)
        return
    served = fetched(here)
    if isinstance(served, Finding):
        yield served
    else:
        yield from _pac(here, served)
    if not here.network:
        yield from _untried("No handshake was tried.", "Run it without --no-network.")
    elif isinstance(served, Finding):
        yield from _untried("Without the agent there is nothing to try.", "See to that first (above).")
    else:
        yield decrypted(here)
        yield from by_name(here)
    yield other_proxy(here)


def _untried(why: str, remedy: str) -> Iterator[Finding]:
    yield unknown("decrypted", PART, why, remedy)
    yield unknown("by-name", PART, why, remedy)
    yield unknown("interceptor", SECOND, why, remedy)


def fetched(here: DoctorContext) -> str | Finding:
    """Return the PAC file as the agent serves it, or what is wrong."""
    start = f"Look why: {SEE}" if here.managed else "Start it: bewust run"
    connection = http.client.HTTPConnection("127.0.0.1", here.port, timeout=SECONDS)
    try:
        connection.request("GET", "/proxy.pac")
        answer = connection.getresponse()
        kind, body = answer.getheader("content-type", ""), answer.read(1 << 20)
    except ConnectionRefusedError:
        return broken("pac", PART, f"No agent listens at port {here.port}; browsing goes on, unseen.", start)
    except (OSError, http.client.HTTPException):
        return broken("pac", PART, f"What listens at port {here.port} does not answer.", start)
    finally:
        connection.close()
    if answer.status != 200 or not kind.startswith(pac.PAC_TYPE):
        return broken("pac", PART, f"What listens at port {here.port} is not Bewust.",
                      "Find who holds that port (ss -ltnp), or take another: bewust admin install --port")  # fmt: skip
    return body.decode("utf-8", "replace")


def _pac(here: DoctorContext, served: str) -> Iterator[Finding]:
    """Yield whether the PAC is the very one that our settings make; what such a one answers is tested, not tried."""
    network = here.rules.policy.network
    if not served.startswith(pac.HEAD):
        yield broken("pac", PART, "The PAC file is not of this version.", "Start the agent anew.")
    elif served != pac.pac(here.rules.matcher, here.port, network.upstream, network.direct):
        yield degraded("pac", PART, "The PAC file lists other hosts than the settings that we read.",
                       "Wait half a minute for the agent to read them; else start it anew.")  # fmt: skip
        yield unknown(
            "direct", PART, "Where that PAC sends uncatalogued hosts is not known.", "Mend the PAC first (above)."
        )
    else:
        yield ok("pac", PART, f"The PAC file is served at port {here.port}, and lists the catalogued hosts of now.")
        way = "by the organisation's proxy" if network.upstream else "directly"
        yield ok("direct", PART, f"An uncatalogued host does not come to the agent; the browser goes there {way}.")


def decrypted(here: DoctorContext) -> Finding:
    """Return whether hosts that are to be inspected are, by who shakes hands for them."""
    hosts = handshake.inspected(here.rules.matcher, here.rules.policy.release.services)
    answers = _all(here, hosts)
    if answers is None:
        return unknown("decrypted", PART, f"{here.root_pem}: cannot be read.", "Mend the authority first (above).")
    return _decrypted(here, answers)


def _decrypted(here: DoctorContext, answers: Mapping[str, Answer]) -> Finding:
    ours = [host for host, answer in answers.items() if answer is Answer.OURS]
    other = [host for host, answer in answers.items() if answer is Answer.OTHER]
    why = "Look why: bewust status" + (f", and {SEE}" if here.managed else "")
    if ours and not other:
        return ok("decrypted", PART, f"Inspected by our authority: {', '.join(ours)}.")
    if ours:
        return degraded("decrypted", PART, f"Passed by undecrypted, not inspected: {', '.join(other)}.",
                        f"It may have refused us, and is tried again after a day. {why}")  # fmt: skip
    if other:
        return broken("decrypted", PART, f"Nothing is inspected: {', '.join(other)} passed by undecrypted.", why)
    return unknown("decrypted", PART, f"None of {', '.join(answers)} could be reached through the agent.",
                   "Look whether this machine reaches the web, then run it again.")  # fmt: skip


def by_name(here: DoctorContext) -> Iterator[Finding]:
    """Yield whether hosts known by name pass untouched, and whether somebody else touches them."""
    hosts = handshake.by_name(here.rules.matcher, here.rules.policy.release.services)
    answers = _all(here, hosts) or {}
    ours = [host for host, answer in answers.items() if answer is Answer.OURS]
    passed = [host for host, answer in answers.items() if answer is Answer.OTHER]
    if ours:
        yield broken("by-name", PART, f"Inspected though it should be known by name only: {', '.join(ours)}.",
                     "Start the agent anew; if it stays so, send a support bundle.")  # fmt: skip
    seen = [found for host in passed[:1] if (found := handshake.foreign_issuer(here.port, host)) is not None]
    if not passed or not seen:
        if not ours:
            yield unknown("by-name", PART, f"None of {', '.join(hosts)} could be reached through the agent.",
                          "Look whether this machine reaches the web, then run it again.")  # fmt: skip
        yield unknown(
            "interceptor", SECOND, "No certificate was seen that could tell.", "Run it again when the web is there."
        )
        return
    if not ours:
        yield ok("by-name", PART, f"Passed by undecrypted, as it should: {', '.join(passed)}.")
    yield interceptor(passed[0], seen[0])


def interceptor(host: str, seen: ForeignIssuer) -> Finding:
    """Return whether what came for a host that we do not touch was put there by another product."""
    name = next((name for name in INTERCEPTORS if re.search(rf"\b{name}\b", seen.issuer, re.IGNORECASE)), None)
    if name is not None:
        return degraded("interceptor", SECOND, f"{name} answers for {host} in its place.", COMBINE)
    if not seen.trusted:
        return degraded("interceptor", SECOND, f"What answers for {host} is not vouched for by this machine's roots.",
                        "Look who intercepts on the way. " + COMBINE)  # fmt: skip
    return ok(
        "interceptor", SECOND, f"{host} has a certificate of {seen.issuer or 'its own'}: nobody we know intercepts it."
    )


def other_proxy(here: DoctorContext) -> Finding:
    """Return whether this machine's traffic is sent another way by somebody else."""
    if here.rules.policy.network.upstream:
        return ok("other-proxy", SECOND, "Bewust goes through the organisation's proxy.")
    names = sorted(
        name
        for name, value in here.environment.items()
        if name.lower() in ("http_proxy", "https_proxy", "all_proxy") and value
    )
    file = linux.machine_proxy(here.root)
    if file is None and not names:
        return ok("other-proxy", SECOND, "No other proxy is set for this machine.")
    where = str(file) if file is not None else f"the environment ({', '.join(names)})"
    return degraded("other-proxy", SECOND, f"Another proxy is set by {where}; the agent does not go through it.",
                    "If it is needed: bewust admin install --upstream http://NAME:PORT; else remove it.")  # fmt: skip


def _all(here: DoctorContext, hosts: list[str]) -> dict[str, Answer] | None:
    """Return who answers for each host, all asked at once; None where our root cannot be read."""
    try:
        here.root_pem.read_bytes()
    except OSError:
        return None
    with ThreadPoolExecutor(len(hosts)) as pool:
        return dict(
            zip(hosts, pool.map(lambda host: handshake.tls_probe(here.port, host, here.root_pem), hosts), strict=True)
        )
