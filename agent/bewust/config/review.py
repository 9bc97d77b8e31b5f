"""What is to be said of a policy: each value with its origin, and of a new file what it would do.

Belongs here: looking. Not here: what is a mistake (policy, texts), and printing (cli.tables.agent, cli.policy).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from bewust.authority import authority
from bewust.config import languages as config_languages
from bewust.config import layers, policy, texts
from bewust.config.policy import Policy, PolicyError
from bewust.config.rules import Rules, load_rules
from bewust.model import Status

DEFAULT = "default"  # the origin of what is as we ship it


class PolicyValue(msgspec.Struct, frozen=True):
    """A dotted key that some layer sets, what counts, and the file or registry key it comes from."""

    key: str
    value: Any
    origin: str


class Review(msgspec.Struct, frozen=True):
    """What a policy would do. `keys`: how many it sets; `decided`: services with a status; `names`: how many are
    decrypted; `notes`: what is right but probably not meant.
    """

    keys: int
    decided: int
    names: int
    notes: tuple[str, ...]


def values(overlay: Path | None) -> list[PolicyValue]:
    """Return every key that a layer sets, in the order of the files. Raises PolicyError."""
    found = policy.read(overlay)
    policy.load_over(found)
    table: dict[str, Any] = {}
    for layer in found:
        table = layers.merge(table, layer.table)
    origins = {key: layer.name for layer in found for key, _ in layers.leaves(layer.table)}
    origins |= {key: DEFAULT for key, name in origins.items() if name == layers.OURS}
    return [PolicyValue(key, value, origins[key]) for key, value in layers.leaves(table)]


def review(place: Path, config: Path | None, state: Path | None = None) -> Review:
    """Check a policy file, with the catalogue and texts of `config`, or a folder with its own.

    Where this policy believes the catalogue that was imported into `state`, it is checked with that one.
    Raises the error of the part where the mistake is, a PolicyError also for names that no authority can hold.
    """
    config_languages.check()
    folder, file = (place, None) if place.is_dir() else (config, place)
    rules = load_rules(folder, file, state)
    if rules.edition.problem is not None:  # then what it says of unknown services would be passed over
        rules = load_rules(folder, file)
    own = list(layers.organisation_layers(place))
    names = {host.removeprefix("*.") for host in rules.matcher.decrypted_hosts()}
    for problem in _unconstrainable(names):
        raise PolicyError(f"{place}: {problem}")
    return Review(
        keys=len({key for layer in own for key, _ in layers.leaves(layer.table)}),
        decided=sum(decided.status is not Status.UNKNOWN for decided in rules.policy.service.values()),
        names=len(names),
        notes=tuple(_notes(rules, {key for layer in own for key in layer.table.get("fill", {})})),
    )


def _unconstrainable(names: set[str]) -> Iterator[str]:
    if len(names) > authority.NAMES_AT_MOST:
        yield (
            f"{len(names)} names would be decrypted, and {authority.NAMES_AT_MOST} is the most. List fewer countries "
            'or inspected_hosts, or set depth = "name" for some services.'
        )
    for name in sorted(names):
        if any(f".{name}".endswith(f".{host}") for host in authority.LOGIN_HOSTS):
            yield f"{name} would be decrypted, and is a login host. Remove it from inspected_hosts."


def _notes(rules: Rules, fill: set[str]) -> Iterator[str]:
    said = " ".join(text.text for text in rules.texts.text)
    file = f"texts/{rules.policy.language}.toml"
    for name in sorted(fill):
        if f"{{{name}}}" not in said:
            yield f"fill.{name}: no text of {file} has {{{name}}}."
    never: dict[str, list[str]] = {}
    for row in texts.list_texts(rules.texts, rules.policy):
        if row["never"]:
            never.setdefault(row["never"], []).append(row["id"])
    for why, ids in never.items():
        yield f"{', '.join(ids)}: never shown: {why}."
    lacking = list(_without_alternative(rules.policy))
    if lacking and "{alternatief}" in said:
        yield f"{', '.join(lacking)}: uncontracted without an alternative, so no reminder says so."


def _without_alternative(rules: Policy) -> Iterator[str]:
    for id_, decided in rules.service.items():
        if decided.status is Status.UNCONTRACTED and not decided.alternative.strip():
            yield id_
