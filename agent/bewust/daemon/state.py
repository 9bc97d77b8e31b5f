"""How one agent is run, and its state folder: made, held, and what a running agent leaves in it for the commands.

Imports little, because every command that asks a running agent imports it.
"""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bewust.errors import AgentError
from bewust.files import locked, replace
from bewust.state_files import AUTHORITY, LOCK, OURS, RUN

if TYPE_CHECKING:
    from bewust.authority import Authority
    from bewust.config import Rules

NOT_IMPORTED = (
    "no authority was imported. A Mac trusts no root that an installer brings, so the organisation's own signs "
    "one: bewust authority request, then bewust authority import (docs/authority.md)."
)


class Settings(msgspec.Struct, frozen=True):
    """How one agent is run. `resolver` and `trust` are for demonstrations and tests (model.Start)."""

    state: Path
    config: Path | None = None
    port: int = 8787
    resolver: Mapping[str, str] = {}
    trust: Path | None = None
    socket: Path | None = None  # where sessions connect; None: the one person who started it is served


class Running(msgspec.Struct, frozen=True):
    """What a running agent leaves in its state folder so that the commands find it."""

    port: int
    token: str
    pid: int


def authority_fingerprint(state: Path) -> tuple[int, int] | None:
    """Return what changes when the authority in a state folder is replaced; None where there is none."""
    from bewust.authority import authority  # noqa: PLC0415 - a command that asks an agent needs no certificates

    try:
        about = (state / AUTHORITY / authority.KEY_FILE).stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size


def install_state(settings: Settings, rules: "Rules") -> "Authority":
    """Create the state folder and, on the first start, the authority; return it, usable or not."""
    from bewust.authority import authority  # noqa: PLC0415 - a command that asks an agent needs no certificates

    folder = settings.state / AUTHORITY
    try:
        settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        others = [entry for entry in settings.state.iterdir() if entry.name not in OURS]
        if others and settings.state.stat().st_mode & 0o077 and not folder.exists():
            raise AgentError(
                f"{settings.state}: is in use for other things, and would be closed to others. "
                "Choose an empty folder with --state."
            )
        settings.state.chmod(0o700)
        if not folder.exists():
            if sys.platform == "darwin" and settings.socket is not None:
                raise AgentError(NOT_IMPORTED)
            return authority.issue(folder, rules.matcher.decrypted_hosts(), datetime.now(rules.policy.zone))
    except OSError as error:
        raise AgentError(
            f"{settings.state}: cannot be made ({error.strerror}). Choose another with --state."
        ) from error
    return authority.load_usable(folder)


def renew_authority(settings: Settings, rules: "Rules") -> None:
    """Make another authority where the one that is there does not do, unless the organisation signed it.

    As an installer asks for; never otherwise. Raises AuthorityError, AgentError.
    """
    from bewust.authority import authority  # noqa: PLC0415 - a command that asks an agent needs no certificates

    folder = settings.state / AUTHORITY
    hosts = rules.matcher.decrypted_hosts()
    if (
        not folder.exists()
        or authority.is_external(folder)
        or not authority.needed(folder, hosts, datetime.now(rules.policy.zone))
    ):
        return
    try:
        authority.issue(folder, hosts, datetime.now(rules.policy.zone))
    except OSError as error:
        raise AgentError(f"{folder}: cannot be written ({error.strerror}). Check who may write there.") from error


def running_agent(state: Path) -> Running | None:
    """Return what an agent wrote about itself; one that was killed has left it too."""
    try:
        return msgspec.json.decode((state / RUN).read_bytes(), type=Running)
    except (OSError, ValueError):
        return None


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only this person can read, replacing it whole. Raises AgentError."""
    try:
        replace(path, data)
    except OSError as error:
        raise AgentError(f"{path}: cannot be written ({error.strerror}). Make room, or check its owner.") from error


@contextlib.contextmanager
def exclusive_lock(state: Path) -> Iterator[None]:
    """Hold the state folder: two agents on one would overwrite each other's counters. Raises AgentError."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(state / LOCK, create=True))
        except BlockingIOError as error:
            raise AgentError(
                f"{state}: another agent is using this folder (bewust status). Stop it, or choose another with --state."
            ) from error
        yield
