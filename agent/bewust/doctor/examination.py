"""All checks in the order in which they are shown, and the machine they look at.

Belongs here: what comes first, and finding the agent of this machine. Not here: any check.
"""

import os
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bewust.admin import record
from bewust.admin.steps import PORT
from bewust.browsers import reading
from bewust.catalogue import CatalogueError
from bewust.config import PolicyError, Rules, TextsError, load_rules, platform_policy
from bewust.daemon import running_agent
from bewust.doctor import browsing, desktop, machine, route, trust
from bewust.doctor.finding import DoctorContext, Finding, broken, ok, unknown
from bewust.errors import AdminError

# As admin.linux and admin.windows have them; an absolute one takes the place of the root it is put behind.
if sys.platform == "win32":
    FOLDER, CONFIG = str(platform_policy.folder().parent), str(platform_policy.folder())
    LOG = str(Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "Logs", "Bewust", "admin.log"))
else:
    FOLDER, CONFIG, LOG = "var/lib/bewust", "etc/bewust", "var/log/bewust-admin.log"

type Step = tuple[str, Callable[[DoctorContext], Iterator[Finding]]]


def _one(check: Callable[[DoctorContext], Finding]) -> Callable[[DoctorContext], Iterator[Finding]]:
    def checked(here: DoctorContext) -> Iterator[Finding]:
        yield check(here)

    return checked


def steps(platform: str = sys.platform, toast: bool = False) -> list[Step]:
    """Return what is looked at, each with words for who waits."""
    return [
        ("the agent", machine.check_service),
        ("the browsers", lambda here: browsing.check_browsers(here, reading.effective_policies(here.root, platform))),
        ("the authority", trust.check_trust),
        ("the way of requests", route.check_route),
        (
            "the desktop",
            _one(lambda here: desktop.shown() if toast and here.user != 0 else desktop.check_desktop(here, platform)),
        ),
        ("the store", machine.check_store),
        ("the clock", _one(machine.clock)),
        ("versions", machine.check_versions),
    ]


def run_checks(check: Callable[[DoctorContext], Iterator[Finding]], here: DoctorContext) -> Iterator[Finding]:
    """Yield what a check finds; one that itself fails is told of, and does not end the others."""
    try:
        yield from check(here)
    except Exception as error:  # noqa: BLE001 - a doctor that dies helps nobody
        yield unknown("doctor", "doctor", f"A check could not be made ({type(error).__name__}).",
                      "Send a support bundle: bewust support-bundle")  # fmt: skip


def settings(config: Path | None, state: Path | None) -> tuple[Rules, Finding]:
    """Return the organisation's settings, over the catalogue imported into `state`, and that they are right.

    Where they are not, ours, and why.
    """
    try:
        rules = load_rules(config, state=state)
        if rules.edition.problem is not None:
            return rules, unknown("settings", "settings", rules.edition.problem,
                                  "Look as root, or import the catalogue anew: bewust catalogue import.")  # fmt: skip
        return rules, ok("settings", "settings", "Policy, catalogue and texts can be read.")
    except (PolicyError, CatalogueError, TextsError) as error:
        return load_rules(None), broken(
            "settings", "settings", str(error), "Mend that entry; bewust catalogue check helps."
        )


def is_managed(root: Path) -> bool:
    """Whether `bewust admin install` set this machine up: everybody may see the root that it published."""
    return (root / FOLDER / "root.pem").is_file()


def port(root: Path, state: Path, platform: str = sys.platform) -> int:
    """Return the agent's port: as it runs, as it was chosen, as browsers are told; else the usual one."""
    running = running_agent(state)
    if running is not None:
        return running.port
    try:
        if (root / FOLDER / record.FILE).is_file():
            return record.load(root / FOLDER).choices.port
    except (AdminError, OSError):  # only root may read it
        pass
    for browser in reading.effective_policies(root, platform):
        proxy = browser.policies.get("Proxy") or browser.policies.get("ProxySettings")
        address = proxy.get("AutoConfigURL") or proxy.get("ProxyPacUrl") if isinstance(proxy, Mapping) else ""
        if isinstance(address, str) and browsing.PAC_OF_OURS.fullmatch(address):
            return int(address.split(":")[2].partition("/")[0])
    return PORT


def machine_roots(platform: str = sys.platform) -> frozenset[bytes] | None:
    """Return the certificates that the machine's store trusts, as DER; None where Python cannot list them."""
    if platform == "win32":
        listed: Callable[[str], list[tuple[Any, ...]]] = getattr(ssl, "enum_certificates")  # noqa: B009
        return frozenset(entry[0] for entry in listed("ROOT"))
    return None
