"""All that an organisation can set: catalogue, policy and texts, loaded together and replaced whole.

Belongs here: loading it, and the copy of what was last right. Not here: the state folder and how an agent is run
(daemon.state).
"""

import contextlib
import os
import shutil
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from bewust.catalogue import CatalogueError, Edition, Matcher, editions, loading
from bewust.config import layers, platform_policy
from bewust.config import policy as config_policy
from bewust.config import texts as config_texts
from bewust.config.policy import Policy, PolicyError
from bewust.config.texts import Texts, TextsError
from bewust.files import replace
from bewust.model import Service
from bewust.state_files import CATALOGUE, LAST_GOOD

type Fingerprint = tuple[tuple[str, int, int], ...]  # name, time and size of each file
# What is read of an organisation's folder.
_PARTS = ("policy.toml", "policy.d/[!.]*.toml", "services/*.toml", "texts/*.toml", "theme.css")


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


def load_rules(config: Path | None, policy_file: Path | None = None, state: Path | None = None) -> Rules:
    """Load what an organisation can set, all of it or nothing; a `policy_file` goes before the folder's own.

    It is laid over the catalogue that was imported into `state`; where that is no good, over the shipped one.
    Raises PolicyError, CatalogueError or TextsError.
    """
    seen = fingerprint(config, state)
    decided = config_policy.load(policy_file or config)
    edition = editions.active_edition(state, decided.catalogue.keys)
    try:
        rules = assemble_rules(decided, edition, config, policy_file)
    except (CatalogueError, PolicyError, TextsError):
        wrong = _out_of_date(edition)
        if wrong is None:
            raise
        rules = assemble_rules(decided, editions.shipped_because(wrong), config, policy_file)
    return msgspec.structs.replace(rules, seen=seen)


def assemble_rules(decided: Policy, edition: Edition, config: Path | None, policy_file: Path | None = None) -> Rules:
    """Put an edition, the organisation's folder and its policy together. Raises PolicyError, CatalogueError or
    TextsError.
    """
    services, mistakes = loading.load_with_mistakes(config, decided.countries, edition.services)
    if edition.problem is not None:  # what only the imported one knew must not keep an agent from starting
        told = " ".join([edition.problem, *map(str, mistakes)])
        decided, edition = _without_unknown_services(decided, services), msgspec.structs.replace(edition, problem=told)
    elif mistakes:
        raise mistakes[0]
    config_policy.check_services(decided, services, policy_file or config)
    matcher = decided.compiled(services)
    spoken = config_texts.load(decided.language, config)
    if edition.problem is not None:
        known = {service.id for service in services}
        spoken = msgspec.structs.replace(spoken, names={k: v for k, v in spoken.names.items() if k in known})
    config_texts.check(spoken, decided, services, f"texts/{decided.language}.toml")
    return Rules(decided, {s.id: s for s in services}, matcher, spoken, edition, config)


def _out_of_date(edition: Edition) -> Exception | None:
    """Return why an imported catalogue does not go together with this program alone, as after an upgrade."""
    try:
        assemble_rules(config_policy.load(), edition, None)
    except (CatalogueError, PolicyError, TextsError) as error:
        return error
    return None


def _without_unknown_services(decided: Policy, services: Iterable[Service]) -> Policy:
    """Return a policy without what it says of services that are not there."""
    known = {service.id for service in services}
    named = tuple(name for name in decided.release.services if name in known)
    release = msgspec.structs.replace(decided.release, services=named)
    kept_of = {name: decision for name, decision in decided.service.items() if name in known}
    return msgspec.structs.replace(decided, release=release, service=kept_of)


def load_or_last_good(config: Path | None, state: Path) -> Rules:
    """Load what an organisation has set; where that is broken, what was last right, and say so.

    Raises PolicyError, CatalogueError or TextsError where nothing was ever right.
    """
    try:
        return load_rules(config, state=state)
    except (CatalogueError, PolicyError, TextsError) as error:
        if config is None or not (state / LAST_GOOD).is_dir():
            raise
        problem = f"{error} Until that is mended, what was last right stays in force."
        return msgspec.structs.replace(load_rules(state / LAST_GOOD, state=state), problem=problem)


def save_last_good(rules: Rules, state: Path) -> Rules:
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
    found = [platform_policy.mark()] if config == platform_policy.folder() else []
    imported = sorted((state / CATALOGUE).glob("*")) if state is not None else []
    for path in [*(_files(config) if config is not None else ()), *imported]:
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
            replace(target, path.read_bytes())
        fresh.mkdir(exist_ok=True, mode=0o700)  # an organisation's folder may hold nothing yet
        if (laid_over := layers.serialise(config)) is not None:
            replace(fresh / layers.KEPT, laid_over)
        shutil.rmtree(copy, ignore_errors=True)
        os.replace(fresh, copy)
    except (OSError, ValueError):  # the last: what the platform manages changed just now
        shutil.rmtree(fresh, ignore_errors=True)
        return False
    return True


def local_now(rules: Rules) -> datetime:
    """Return the time in the organisation's zone."""
    return datetime.now(rules.policy.zone)
