"""The agent and what it stands on: service, store, clock, versions.

Belongs here: what the agent says of itself, and what can be seen beside it. Not here: the way of
requests (route).
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from bewust import __version__
from bewust.authority import authority
from bewust.doctor.finding import AS_ROOT, RESTART, SEE, DoctorContext, Finding, broken, degraded, ok, unknown
from bewust.state_files import STORE
from bewust.statistics import staleness, storage

PART, KEPT, UP_TO_DATE = "agent", "store", "versions"
UNITS = ("bewust.socket", "bewust.service")
ENOUGH, TOO_LITTLE = 200 << 20, 20 << 20  # bytes free; the store itself is under 1 MiB
STALE_DAYS = 180
AHEAD_YEARS = 10


def check_service(here: DoctorContext, platform: str = sys.platform) -> Iterator[Finding]:
    """Yield what runs, and what the agent says of itself."""
    yield from _units(here, platform)
    if here.status is None:
        yield unknown("agent", PART, here.why, _start(here))
        return
    yield ok("agent", PART, f"An agent of version {here.status['version']} answers at port {here.status['port']}.")
    if here.status["inspector"] == "running":
        yield ok("inspector", PART, "The inspector runs.")
    else:
        yield degraded("inspector", PART, "The inspector does not run, so nothing is inspected; browsing goes on.",
                       "It is started again by itself; if it stays so, send a support bundle.")  # fmt: skip
    for problem in here.status["problems"]:
        yield degraded(
            "problem", PART, str(problem), "Do what it says; bewust status shows it for as long as it holds."
        )
    if here.status["failures"]:
        yield degraded("own-errors", PART, f"Errors of its own since it started: {', '.join(here.status['failures'])}.",
                       "Send a support bundle: bewust support-bundle")  # fmt: skip
    else:
        yield ok("own-errors", PART, "It has met no error of its own since it started.")


def _start(here: DoctorContext) -> str:
    return (
        AS_ROOT if here.managed and here.user != 0 else f"Look why: {SEE}" if here.managed else "Start it: bewust run"
    )


def _units(here: DoctorContext, platform: str) -> Iterator[Finding]:
    if not here.managed:
        return
    if platform == "win32":
        yield _windows(here)
        return
    if not (here.root / "run/systemd/system").is_dir():
        yield unknown("service", PART, "systemd does not run here.", "Look how the agent is started on this machine.")
        return
    for unit in UNITS:
        if here.run(["systemctl", "is-active", unit]) is None:
            yield broken("service", PART, f"{unit} does not run.", f"Look why: journalctl -u {unit}")
            return
    yield ok("service", PART, "The service runs, and systemd holds its port.")
    yield _session(here)


def _windows(here: DoctorContext) -> Finding:
    said = here.run(["sc", "query", "Bewust"])
    if said is None or not re.search(r":\s*4\b", said):  # its state; the word beside it is translated
        return broken("service", PART, "The service Bewust does not run.", f"Look why: {SEE}")
    return ok("service", PART, "The service runs.")


def _session(here: DoctorContext) -> Finding:
    unit = "bewust-session.service"
    connected = (here.status or {}).get("sessions", 0)
    if connected:
        return ok("session", PART, "Logins are connected, and get their reminders.")
    if here.user == 0 or here.run(["systemctl", "--user", "is-active", "default.target"]) is None:
        return unknown("session", PART, "No login of a person was there to look at.",
                       "Run it as the employee, in their own login session.")  # fmt: skip
    if here.run(["systemctl", "--user", "is-active", unit]) is None:
        return broken("session", PART, "This login's session does not run, so it gets no reminders.",
                      f"Look why: journalctl --user -u {unit}")  # fmt: skip
    return ok("session", PART, "This login's session runs.")


def check_store(here: DoctorContext) -> Iterator[Finding]:
    """Yield whether the counters can be read and written."""
    yield _store(here)
    folder = next(path for path in (here.state, *here.state.parents) if _is_folder(path))
    free = shutil.disk_usage(folder).free
    if free < ENOUGH:
        much = f"{free >> 20} MiB free where the store is."
        few = broken if free < TOO_LITTLE else degraded
        yield few("disk-space", KEPT, much, "Make room on that disk.")
    else:
        yield ok("disk-space", KEPT, "There is room on the disk of the store.")


def _store(here: DoctorContext) -> Finding:
    file = here.state / STORE
    try:
        next(here.state.iterdir(), None)
        there = file.exists()
    except PermissionError:
        return unknown("store", KEPT, "The store is the service's own, and not yours to read.", AS_ROOT)
    except OSError:
        return unknown("store", KEPT, "Nothing was counted yet.", "Start the agent, and look again.")
    if not os.access(here.state, os.W_OK):
        return unknown("store", KEPT, f"{here.state}: is not yours to write.", AS_ROOT)
    if not there:
        return ok("store", KEPT, "Nothing was written yet, and it can be.")
    try:
        storage.contents(file)
    except storage.StoreError as error:
        return broken(
            "store", KEPT, str(error), "Start the agent anew: it moves that file aside and loses nothing else."
        )
    return ok("store", KEPT, f"The counters can be read, are of schema {storage.SCHEMA} or older, and can be written.")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def clock(here: DoctorContext) -> Finding:
    """Return whether the clock can be right: not before what was made earlier, not far behind it either."""
    newest = max((service.reviewed for service in here.rules.services.values()), default="2026-01-01")
    remedy = "Set the clock, or see to time synchronisation (timedatectl)."
    if here.now.date() < date.fromisoformat(newest):
        return broken("clock", "clock", f"It says {here.now.date()}, before the catalogue was made ({newest}).", remedy)
    made = _made(here)
    if made is not None and here.now < made - authority.CLOCK_SKEW:
        return broken("clock", "clock", f"It says {here.now.date()}, before the authority was made.", remedy)
    if here.now.date() > date.fromisoformat(newest) + timedelta(days=365 * AHEAD_YEARS):
        return broken("clock", "clock", f"It says {here.now.date()}, {AHEAD_YEARS} years after the catalogue.", remedy)
    return ok("clock", "clock", f"It can be right, and the zone {here.rules.policy.timezone} is known.")


def _made(here: DoctorContext) -> datetime | None:
    try:
        return authority.published(here.root_pem, here.rules.matcher.decrypted_hosts()).made
    except (authority.AuthorityError, OSError):
        return None


def check_versions(here: DoctorContext) -> Iterator[Finding]:
    """Yield whether program, agent, catalogue and signatures are of now."""
    if here.status is None:
        yield unknown("version", UP_TO_DATE, "No running agent's version could be asked.", _start(here))
    elif here.status["version"] == __version__:
        yield ok("version", UP_TO_DATE, f"Agent and command are both {__version__}.")
    else:
        yield degraded(
            "version",
            UP_TO_DATE,
            f"The agent that runs is {here.status['version']}, this command {__version__}.",
            "Start the agent anew" + (f": {RESTART}" if here.managed else "."),
        )
    newest = max((service.reviewed for service in here.rules.services.values()), default="")
    days = staleness.age(newest, here.now.date()) if newest else STALE_DAYS + 1
    if days > STALE_DAYS:
        yield degraded("catalogue", UP_TO_DATE, f"Nothing in the catalogue was reviewed for {days} days.",
                       "Install a newer version of Bewust.")  # fmt: skip
    else:
        yield ok("catalogue", UP_TO_DATE, f"The catalogue was last reviewed on {newest}.")
    if here.status is not None:
        yield _signatures(here.status)


def _signatures(status: Mapping[str, Any]) -> Finding:
    """Which they are is not said here: that follows from the counters, and a support bundle holds none."""
    if status["silent"]:
        return degraded("signatures", UP_TO_DATE, "Some signatures found nothing in many opportunities: perhaps stale.",
                        "See which: bewust status; then install a newer version of Bewust.")  # fmt: skip
    return ok("signatures", UP_TO_DATE, "No signature looks stale.")
