"""Whether the authority that browsers trust is limited as it must be, and how long it lasts.

Belongs here: the published root, which everybody may read. Not here: who trusts it (browsing).
"""

from collections.abc import Iterator

from bewust.authority import AuthorityError, authority
from bewust.doctor.finding import ADMIN, AS_ROOT, DoctorContext, Finding, broken, degraded, ok, unknown

PART = "authority"


def check_trust(here: DoctorContext) -> Iterator[Finding]:
    """Yield what was found of the root."""
    renew = f"{ADMIN} upgrade" if here.managed else "bewust authority renew, and start the agent anew"
    hosts = here.rules.matcher.decrypted_hosts()
    try:
        here.root_pem.stat()
    except PermissionError:
        yield unknown("authority", PART, f"{here.root_pem}: may not be read by you.", AS_ROOT)
        return
    except OSError:
        if here.managed:
            yield broken("authority", PART, f"{here.root_pem}: is missing.", f"Run: {renew}")
        else:
            yield unknown("authority", PART, "There is no authority yet.", "Start the agent once: bewust run")
        return
    try:
        found = authority.published(here.root_pem, hosts)
    except AuthorityError as error:
        yield broken("authority", PART, f"{error}.", f"Run: {renew}")
        return
    yield ok(
        "authority",
        PART,
        f"The root may speak for {len(found.hosts)} names and nothing else (SHA-256 {found.fingerprint[:16]}...).",
    )
    if missing := found.uncovered(hosts):
        yield degraded(
            "authority-names",
            PART,
            f"It does not cover {', '.join(missing)}: known by name only.",
            f"Run: {renew}",
        )
    else:
        yield ok("authority-names", PART, "It covers every host that is to be inspected.")
    yield _end(here, found, f"Run: {renew}")


def _end(here: DoctorContext, found: authority.Authority, remedy: str) -> Finding:
    day = found.not_after.date()
    if found.not_after <= here.now:
        return broken("authority-end", PART, f"It ended on {day}, so browsers refuse what is inspected.", remedy)
    if found.expires_soon(here.now):
        return degraded("authority-end", PART, f"It ends on {day}, in less than {authority.WARNING.days} days.", remedy)
    return ok("authority-end", PART, f"It is valid until {day}.")
