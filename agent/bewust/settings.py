"""What an agent is started with: its folders, its port, and all that an organisation can set.

Belongs here: loading it together and preparing the state folder. Not here: running.
"""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from bewust import authority, catalogue, editions, layers, managed, memory, policy, texts
from bewust.editions import Edition
from bewust.errors import CANNOT_START, BewustError
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
_OURS = ("authority", "counters.db", "lock", RUN_FILE, LAST_GOOD, memory.FILE, editions.FOLDER, "roots.pem")
NOT_IMPORTED = (
    "no authority was imported. A Mac trusts no root that an installer brings, so the organisation's own signs "
    "one: bewust authority request, then bewust authority import (docs/authority.md)."
)
type Fingerprint = tuple[tuple[str, int, int], ...]  # name, time and size of each file
# What is read of an organisation's folder.
_PARTS = ("policy.toml", "policy.d/[!.]*.toml", "services/*.toml", "texts/*.toml", "theme.css")


class AgentError(BewustError, RuntimeError):
    """The agent cannot start: says why and what to do."""

    exit_code = CANNOT_START


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
    fingerprint just before; `problem` says why a newer one is not in force. `edition` is the catalogue that
    it was laid over.
    """

    policy: Policy
    services: Mapping[str, Service]
    matcher: Matcher
    texts: Texts
    edition: Edition
    folder: Path | None = None
    seen: Fingerprint = ()
    problem: str | None = None


class Running(msgspec.Struct, frozen=True):
    """What a running agent leaves in its state folder so that the commands find it."""

    port: int
    token: str
    pid: int


def load_rules(config: Path | None, policy_file: Path | None = None, state: Path | None = None) -> Rules:
    """Load what an organisation can set, all of it or nothing; a `policy_file` goes before the folder's own.

    It is laid over the catalogue that was imported into `state`; where that is no good, over the shipped one.
    Raises the room's own error.
    """
    seen = fingerprint(config, state)
    decided = policy.load(policy_file or config)
    edition = editions.in_force(state, decided.catalogue.keys)
    try:
        rules = together(decided, edition, config, policy_file)
    except (CatalogueError, PolicyError, TextsError):
        wrong = _out_of_date(edition)
        if wrong is None:
            raise
        rules = together(decided, editions.unused(wrong), config, policy_file)
    return msgspec.structs.replace(rules, seen=seen)


def together(decided: Policy, edition: Edition, config: Path | None, policy_file: Path | None = None) -> Rules:
    """Put an edition, the organisation's folder and its policy together. Raises the room's own error."""
    services, mistakes = catalogue.gather(config, decided.countries, edition.services)
    if edition.problem is not None:  # what only the imported one knew must not keep an agent from starting
        told = " ".join([edition.problem, *map(str, mistakes)])
        decided, edition = _about(decided, services), msgspec.structs.replace(edition, problem=told)
    elif mistakes:
        raise mistakes[0]
    policy.check_services(decided, services, policy_file or config)
    matcher = decided.compiled(services)
    spoken = texts.load(decided.language, config)
    if edition.problem is not None:
        known = {service.id for service in services}
        spoken = msgspec.structs.replace(spoken, names={k: v for k, v in spoken.names.items() if k in known})
    texts.check(spoken, decided, services, f"texts/{decided.language}.toml")
    return Rules(decided, {s.id: s for s in services}, matcher, spoken, edition, config)


def _out_of_date(edition: Edition) -> Exception | None:
    """Return why an imported catalogue does not go together with this program alone, as after an upgrade."""
    try:
        together(policy.load(), edition, None)
    except (CatalogueError, PolicyError, TextsError) as error:
        return error
    return None


def _about(decided: Policy, services: Iterable[Service]) -> Policy:
    """Return a policy without what it says of services that are not there."""
    known = {service.id for service in services}
    named = tuple(name for name in decided.release.services if name in known)
    release = msgspec.structs.replace(decided.release, services=named)
    kept_of = {name: decision for name, decision in decided.service.items() if name in known}
    return msgspec.structs.replace(decided, release=release, service=kept_of)


def in_force(config: Path | None, state: Path) -> Rules:
    """Load what an organisation has set; where that is broken, what was last right, and say so.

    Raises the room's own error where nothing was ever right.
    """
    try:
        return load_rules(config, state=state)
    except (CatalogueError, PolicyError, TextsError) as error:
        if config is None or not (state / LAST_GOOD).is_dir():
            raise
        problem = f"{error} Until that is mended, what was last right stays in force."
        return msgspec.structs.replace(load_rules(state / LAST_GOOD, state=state), problem=problem)


def kept(rules: Rules, state: Path) -> Rules:
    """Copy what is right into the state folder, and return the rules as read from there.

    The inspector reads the copy, so that a file that breaks later cannot keep it from starting.
    """
    copy = state / LAST_GOOD
    if rules.folder is None or rules.problem is not None or fingerprint(rules.folder, state) != rules.seen:
        return rules  # none, or being written just now and soon read again
    return msgspec.structs.replace(rules, folder=copy) if _copied(rules.folder, copy) else rules


def fingerprint(config: Path | None, state: Path | None = None) -> Fingerprint:
    """Return name, time and size of every file that is read of an organisation's folder, and of what was imported.

    For the machine's own folder also something of what the platform manages.
    """
    found = [managed.mark()] if config == managed.folder() else []
    imported = sorted((state / editions.FOLDER).glob("*")) if state is not None else []
    for path in [*(_files(config) if config is not None else ()), *imported]:
        with contextlib.suppress(OSError):  # gone since it was listed
            about = path.stat()
            found.append((str(path), about.st_mtime_ns, about.st_size))
    return tuple(one for one in found if one is not None)


def mark_of_authority(state: Path) -> tuple[int, int] | None:
    """Return what changes when the authority in a state folder is replaced; None where there is none."""
    try:
        about = (state / "authority" / authority.KEY_FILE).stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size


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
    """Create the state folder and, on the first start, the authority; return it, usable or not."""
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
            return authority.issue(folder, rules.matcher.decrypted_hosts(), local_now(rules))
    except OSError as error:
        raise AgentError(
            f"{settings.state}: cannot be made ({error.strerror}). Choose another with --state."
        ) from error
    return authority.usable(folder)


def renewed(settings: Settings, rules: Rules) -> None:
    """Make another authority where the one that is there does not do, unless the organisation signed it.

    As an installer asks for; never otherwise. Raises AuthorityError, AgentError.
    """
    folder = settings.state / "authority"
    hosts = rules.matcher.decrypted_hosts()
    if not folder.exists() or authority.was_imported(folder) or not authority.needed(folder, hosts, local_now(rules)):
        return
    try:
        authority.issue(folder, hosts, local_now(rules))
    except OSError as error:
        raise AgentError(f"{folder}: cannot be written ({error.strerror}). Check who may write there.") from error


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
