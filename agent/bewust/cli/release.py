"""`bewust export` and `bewust prove`: what leaves the machine, and the proof of what is kept. Thin."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bewust.cli.console import Options, clear_errors, document, fail, say, warn
from bewust.errors import READ_FAILED
from bewust.state_files import STORE

if TYPE_CHECKING:
    from bewust.config import Policy
    from bewust.statistics import Contents
    from bewust.statistics.audit import Proof


@click.command(short_help="Write, or preview, what leaves this machine.")
@click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False),
              help="Folder to write to; otherwise the policy's release.folder.")  # fmt: skip
@click.option("--preview", is_flag=True, help="Show the exact bytes and what they mean; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="The reports alone, one a line, for scripts.")
@click.pass_obj
def export(options: Options, folder: Path | None, preview: bool, as_json: bool) -> None:
    """Write the sealed reports that are not in the folder yet. A report is sealed once, when its period
    ends; asked again, the same bytes are written or nothing is.

    With --preview nothing is written. Where no period has ended yet, a draft of the present one is
    shown: its coins are thrown anew when it is sealed.
    """
    from bewust.config import policy
    from bewust.statistics import delivery, formats, storage

    with clear_errors():
        rules = policy.load(options.config)
        file = options.state / STORE
        kept = storage.contents(file) if file.exists() else storage.Contents()
        lines = dict(kept.sealed)
        if preview and not lines:
            lines = _draft(kept, rules)
        if preview or as_json:
            for line in lines.values():
                say(line)
                for sentence in [] if as_json else delivery.describe(formats.decode(line)):
                    say(f"  {sentence}")
            if preview and not lines and not as_json:
                say("Nothing is kept yet, so nothing would leave.")
            return
        target = folder or (Path(rules.release.folder) if rules.release.folder else None)
        if target is None:
            raise click.UsageError("name a folder: --to DIR, or release.folder in the policy.")
        written = delivery.deliver(kept.sealed, target)
        say(f"{len(written)} new, {len(kept.sealed) - len(written)} there already, in {target}")


def _draft(kept: "Contents", rules: "Policy") -> dict[str, str]:
    """Return what the present period would release if it ended now; a draft of a draw, and no more."""
    import secrets

    from bewust.statistics import formats, retention

    draft = retention.draft(kept, rules, secrets.randbelow)
    if draft is None:
        return {}
    warn(f"No period has ended yet. This is a draft of {draft.period}, drawn for this look alone:")
    return {draft.period: formats.encode(draft)}


@click.command(short_help="Prove what is kept: for the works council.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for scripts.")
@click.pass_obj
def prove(options: Options, as_json: bool) -> None:
    """Look through everything the agent has on disk for what should not be there, and print a receipt:
    each table and column, how many rows, what it means. Exit code 0: nothing found; 1: something.
    """
    import msgspec

    from bewust.catalogue import editions, loading
    from bewust.config import policy
    from bewust.statistics import audit_state as proof

    with clear_errors():
        rules = policy.load(options.config)
        edition = editions.active_edition(options.state, rules.catalogue.keys)
        services = {s.id for s in loading.load(options.config, rules.countries, edition.services)}
        exports = Path(rules.release.folder) if rules.release.folder else None
        if not options.state.is_dir():
            fail(f"{options.state}: does not exist. Name the agent's folder with --state.", READ_FAILED)
        found = proof(options.state, services, exports)
    if as_json:
        document(json.dumps(msgspec.to_builtins(found)))
    else:
        _print(options.state, found)
    sys.exit(READ_FAILED if found.findings else 0)


def _print(state: Path, found: "Proof") -> None:
    from rich.console import Console

    from bewust.cli.tables.agent import receipt_table

    Console().print(receipt_table(found.receipt))
    for finding in found.findings:
        say(f"found: {finding}")
    if not found.findings:
        say(f"{state} holds this and nothing else: the store is byte for byte what its rows make.")
