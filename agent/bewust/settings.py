"""What an agent is started with: its folders, its port, and all that an organisation can set.

Belongs here: loading it together and preparing the state folder. Not here: running.
"""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from bewust import authority, catalogue, layers, managed, memory, policy, routing, texts
from bewust.matching import Matcher
from bewust.model import Service
from bewust.policy import Policy, PolicyError
from bewust.schema import CatalogueError
from bewust.texts import Texts, TextsError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

RUN_FILE = "run.json"
LOCK_FILE = "lock"
LAST_GOOD = "last-good"  # a copy of the organisation's folder as it was last found to be right
_OURS = ("authority", "counters.db", "lock", RUN_FILE, LAST_GOOD, memory.FILE)
NOT_IMPORTED = (
    "no authority was imported. A Mac trusts no root that an installer brings, so the organisation's own signs "
    "one: bewust authority request, then bewust authority import (docs/authority.md)."
)
type Fingerprint = tuple[tuple[str, int, int], ...]  # name, time and size of each file
# What is read of an organisation's folder.
_PARTS = ("policy.toml", "policy.d/[!.]*.toml", "services/*.toml", "texts/*.toml", "theme.css")


class AgentError(RuntimeError):
    """The agent cannot start: says why and what to do."""


class Settings(msgspec.Struct, frozen=True):
    """How one agent is run. `resolver` and `trust` are for demonstrations and tests (model.Start)."""

    state: Path
    config: Path | None = None
    port: int = 8787
    resolver: Mapping[str, str] = {}
    trust: Path | None = None
    socket: Path | None = None  # where sessions connect; None: the one person who started it is served


class Rules(msgspec.Struct, frozen=True):
    """Catalogue, policy and texts as they were loaded together; replaced whole.

    `folder` is where the organisation's part was read, None where there is none, and `seen` its
    fingerprint just before; `problem` says why a newer one is not in force.
    """

    policy: Policy
    services: Mapping[str, Service]
    matcher: Matcher
    texts: Texts
    folder: Path | None = None
    seen: Fingerprint = ()
    problem: str | None = None


class Running(msgspec.Struct, frozen=True):
    """What a running agent leaves in its state folder so that the commands find it."""

    port: int
    token: str
    pid: int


def load_rules(config: Path | None, policy_file: Path | None = None) -> Rules:
    """Load what an organisation can set, all of it or nothing; a `policy_file` goes before the folder's own.

    Raises the room's own error.
    """
    seen = fingerprint(config)
    rules = policy.load(policy_file or config)
    services = catalogue.load(config, rules.countries)
    policy.check_services(rules, services, policy_file or config)
    matcher = rules.compiled(services)
    spoken = texts.load(rules.language, config)
    texts.check(spoken, rules, services, f"texts/{rules.language}.toml")
    return Rules(rules, {s.id: s for s in services}, matcher, spoken, config, seen)


def in_force(config: Path | None, state: Path) -> Rules:
    """Load what an organisation has set; where that is broken, what was last right, and say so.

    Raises the room's own error where nothing was ever right.
    """
    try:
        return load_rules(config)
    except (CatalogueError, PolicyError, TextsError) as error:
        if config is None or not (state / LAST_GOOD).is_dir():
            raise
        problem = f"{error} Until that is mended, what was last right stays in force."
        return msgspec.structs.replace(load_rules(state / LAST_GOOD), problem=problem)


def kept(rules: Rules, state: Path) -> Rules:
    """Copy what is right into the state folder, and return the rules as read from there.

    The inspector reads the copy, so that a file that breaks later cannot keep it from starting.
    """
    copy = state / LAST_GOOD
    if rules.folder is None or rules.problem is not None or fingerprint(rules.folder) != rules.seen:
        return rules  # none, or being written just now and soon read again
    return msgspec.structs.replace(rules, folder=copy) if _copied(rules.folder, copy) else rules


def fingerprint(config: Path | None) -> Fingerprint:
    """Return name, time and size of every file that is read of an organisation's folder.

    For the machine's own folder also something of what the platform manages.
    """
    found = [managed.mark()] if config == managed.folder() else []
    for path in _files(config) if config is not None else ():
        with contextlib.suppress(OSError):  # gone since it was listed
            about = path.stat()
            found.append((str(path), about.st_mtime_ns, about.st_size))
    return tuple(one for one in found if one is not None)


def _files(config: Path) -> list[Path]:
    return sorted(path for part in _PARTS for path in config.glob(part) if path.is_file())


def _copied(config: Path, copy: Path) -> bool:
    fresh = copy.with_suffix(".new")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        for path in _files(config):
            target = fresh / path.relative_to(config)
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(target, path.read_bytes())
        fresh.mkdir(exist_ok=True, mode=0o700)  # an organisation's folder may hold nothing yet
        if (laid_over := layers.packed(config)) is not None:
            write_private(fresh / layers.KEPT, laid_over)
        shutil.rmtree(copy, ignore_errors=True)
        os.replace(fresh, copy)
    except (OSError, AgentError, ValueError):  # the last: what the platform manages changed just now
        shutil.rmtree(fresh, ignore_errors=True)
        return False
    return True


def prepare(settings: Settings, rules: Rules) -> authority.Authority:
    """Create the state folder and, on the first start, the authority; return it."""
    folder = settings.state / "authority"
    try:
        settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        others = [entry for entry in settings.state.iterdir() if entry.name not in _OURS]
        if others and settings.state.stat().st_mode & 0o077 and not folder.exists():
            raise AgentError(
                f"{settings.state}: is in use for other things, and would be closed to others. "
                "Choose an empty folder with --state."
            )
        settings.state.chmod(0o700)
        if not folder.exists():
            if sys.platform == "darwin" and settings.socket is not None:
                raise AgentError(NOT_IMPORTED)
            return authority.issue(folder, routing.decrypt_list(rules.matcher), local_now(rules))
    except OSError as error:
        raise AgentError(
            f"{settings.state}: cannot be made ({error.strerror}). Choose another with --state."
        ) from error
    return authority.load(folder)


def running_agent(state: Path) -> Running | None:
    """Return what an agent wrote about itself; one that was killed has left it too."""
    try:
        return msgspec.json.decode((state / RUN_FILE).read_bytes(), type=Running)
    except (OSError, ValueError):
        return None


def local_now(rules: Rules) -> datetime:
    """Return the time in the organisation's zone."""
    return datetime.now(rules.policy.zone)


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only this person can read, replacing it whole. Raises AgentError."""
    try:
        memory.replace(path, data)
    except OSError as error:
        raise AgentError(f"{path}: cannot be written ({error.strerror}). Make room, or check its owner.") from error


@contextlib.contextmanager
def alone(state: Path) -> Iterator[None]:
    """Hold the state folder: two agents on one would overwrite each other's counters.

    The operating system lets go of it when the process ends, however it ends.
    """
    with (state / LOCK_FILE).open("ab") as lock:
        os.chmod(lock.name, 0o600)
        try:
            if sys.platform == "win32":
                msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AgentError(
                f"{state}: another agent is using this folder (bewust status). Stop it, or choose another with --state."
            ) from error
        yield
