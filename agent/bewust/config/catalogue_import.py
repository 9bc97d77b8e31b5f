"""Puts another catalogue in force: a bundle that was delivered, or the one that was in force before.

Belongs here: the checks before anything is written, all of them, in one place. Not here: the format
(catalogue.signed_file), or how it is kept (catalogue.editions). Where a check fails, nothing on disk was touched.
"""

from pathlib import Path

import msgspec

from bewust.authority import AuthorityError, authority
from bewust.catalogue import BundleError, Edition, editions, loading
from bewust.catalogue.editions import Pointer
from bewust.catalogue.signed_file import Bundle
from bewust.config import policy
from bewust.config.rules import Rules, assemble_rules


class Change(msgspec.Struct, frozen=True):
    """What is in force now and what was before; `services` are how many there are, the organisation's own too.

    `uncovered` are hosts that it wants to inspect and the authority does not cover. `again`: it was in
    force already.
    """

    now: Edition
    before: Edition
    services: int
    uncovered: tuple[str, ...] = ()
    again: bool = False


def import_catalogue(file: Path, config: Path | None, state: Path, *, older: bool = False) -> Change:
    """Import a bundle: check it with all that the organisation set, keep it, put it in force.

    Raises BundleError, or the error of whatever does not go together with it.
    """
    data = editions.read_bundle(file)
    with editions.as_owner(_state(state)):
        decided = policy.load(config)
        if not decided.catalogue.keys:
            raise BundleError(
                "[catalogue] keys of the policy is empty, so no bundle is believed. Put the public key there of "
                "whoever makes your catalogue."
            )
        edition = editions.verify(data, decided.catalogue.keys, file)
        before = editions.active_edition(state, decided.catalogue.keys)
        if not older:
            _check_newer(edition, before)
        checked = assemble_rules(decided, edition, config)
        present, _ = loading.load_with_mistakes(config, decided.countries, before.services)
        if len(checked.services) * 2 < len(present):
            raise BundleError(
                f"{file}: with it there would be {len(checked.services)} services instead of {len(present)}. "
                "A bundle is a whole catalogue: make it of all files."
            )
        path = editions.store_bundle(state, data, _kept(state) or Pointer())  # where it was damaged nothing is in force
    now = msgspec.structs.replace(edition, path=path)
    return Change(now, before, len(checked.services), _uncovered(checked, state), again=path == before.path)


def roll_back(config: Path | None, state: Path, *, to_shipped: bool = False) -> Change:
    """Put in force what was before the last import, or the shipped catalogue, with the same checks but its age.

    Raises BundleError, or the error of whatever does not go together with it.
    """
    with editions.as_owner(_state(state)):
        decided = policy.load(config)
        before = editions.active_edition(state, decided.catalogue.keys)
        kept = _kept(state) if to_shipped else editions.current(state)
        if kept == Pointer():
            raise BundleError(f"{state}: nothing was imported, so there is nothing to go back to.")
        wanted = None if kept is None or to_shipped else kept.previous
        if kept is not None and wanted == kept.current:
            raise BundleError(f"{state}: the shipped catalogue is in force already.")
        edition = editions.shipped()
        if wanted is not None:
            path = editions.bundle_path(state, wanted)
            edition = editions.verify(editions.read_bundle(path), decided.catalogue.keys, path)
        checked = assemble_rules(decided, edition, config)
        editions.set_current(state, Pointer(wanted, kept.current if kept is not None else None))
    return Change(edition, before, len(checked.services), _uncovered(checked, state))


def make(folder: Path | None, version: str, made: str) -> Bundle:
    """Return a bundle, not signed yet, of the catalogue in a folder (None: the shipped one).

    `made` is a time in UTC. Raises BundleError or CatalogueError.
    """
    return Bundle("bewust-catalogue/1", version, made, editions.complete_texts(folder, policy.every_country()))


def _kept(state: Path) -> Pointer | None:
    try:
        return editions.current(state)
    except BundleError:
        return None


def _state(state: Path) -> Path:
    if not state.is_dir():
        raise BundleError(f"{state}: does not exist. Start the agent once, or name its folder with --state.")
    return state


def _check_newer(edition: Edition, before: Edition) -> None:
    """Refuse what was made before what is in force: somebody may send a catalogue of long ago once more."""
    if before.origin == "imported":
        age, old, new = "made", before.made, edition.made
    else:
        age, old, new = "reviewed until", before.reviewed, edition.reviewed
    if new < old:
        raise BundleError(f"{edition.path}: was {age} {new}, and the catalogue in force {old}. If you do want the "
                          "older one, say --older.")  # fmt: skip


def _uncovered(rules: Rules, state: Path) -> tuple[str, ...]:
    try:
        return authority.load(state / "authority").uncovered(rules.matcher.decrypted_hosts())
    except AuthorityError:  # none yet, or a broken one, which the agent says for itself
        return ()
