"""What an agent is started with: its folders, its port, and all that an organisation can set.

Belongs here: loading it together and preparing the state folder. Not here: running.
"""

import contextlib
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from bewust import authority, catalogue, policy, reminders, routing
from bewust.matching import Matcher
from bewust.model import Service
from bewust.policy import Policy
from bewust.reminders import Texts

RUN_FILE = "run.json"
_OURS = ("authority", "counters.db", "lock", RUN_FILE)


class AgentError(RuntimeError):
    """The agent cannot start: says why and what to do."""


class Settings(msgspec.Struct, frozen=True):
    """How one agent is run. `resolver` and `trust` are for demonstrations and tests (model.Start)."""

    state: Path
    config: Path | None = None
    port: int = 8787
    resolver: Mapping[str, str] = {}
    trust: Path | None = None


class Rules(msgspec.Struct, frozen=True):
    """Catalogue, policy and texts as they were loaded together; replaced whole."""

    policy: Policy
    services: Mapping[str, Service]
    matcher: Matcher
    texts: Texts


class Running(msgspec.Struct, frozen=True):
    """What a running agent leaves in its state folder so that the commands find it."""

    port: int
    token: str
    pid: int


def load_rules(config: Path | None) -> Rules:
    """Load what an organisation can set, all of it or nothing. Raises the room's own error."""
    rules = policy.load(config)
    services = catalogue.load(config, rules.countries)
    policy.check_services(rules, services, policy.name(config))
    matcher = rules.compiled(services)
    return Rules(rules, {s.id: s for s in services}, matcher, reminders.load(rules.language, config))


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
    fresh = path.with_suffix(".new")
    try:
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(data)
        os.replace(fresh, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise AgentError(f"{path}: cannot be written ({error.strerror}). Make room, or check its owner.") from error
