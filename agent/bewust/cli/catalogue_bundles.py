"""`bewust catalogue import`, `rollback`, `version`, `bundle`, `keygen`: catalogues by themselves. Thin."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bewust.cli.console import Options, clear_errors, document, passphrase, say, warn

if TYPE_CHECKING:
    from bewust.catalogue import Edition
    from bewust.config.catalogue_import import Change

PASSPHRASE = "BEWUST_SIGNING_PASSPHRASE"
as_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object, for scripts.")


@click.command(short_help="Make a key to sign catalogues with.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default="catalogue-key.pem",
              show_default=True, help="File to write; never over another.")  # fmt: skip
@as_json_option
def keygen(out: Path, as_json: bool) -> None:
    """Make a key to sign catalogues with, and print the lines for policy.toml that make machines believe it.

    The passphrase is asked for, or taken from BEWUST_SIGNING_PASSPHRASE. Keep the key off workstations.
    """
    from bewust.catalogue import signing_key
    from bewust.keys import key_id, key_text

    with clear_errors():
        public = signing_key.new_key(out, passphrase(PASSPHRASE, new=True)).public_key()
    if as_json:
        document(json.dumps({"file": str(out), "id": key_id(public), "key": key_text(public)}))
        return
    warn(f"Written: {out}. For policy.toml:")
    say(f'[catalogue]\nkeys = ["{key_text(public)}"]')


@click.command(short_help="Sign a whole catalogue into one file.")
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--key", "key_file", required=True, type=click.Path(path_type=Path, dir_okay=False),
              help="Your key, which `bewust catalogue keygen` made.")  # fmt: skip
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False),
              help="File to write, such as 2026-12.bewust-catalogue; never over another.")  # fmt: skip
@click.option("--version", help="What to call this edition; otherwise the day of today.")
@as_json_option
def bundle(folder: Path | None, key_file: Path, out: Path, version: str | None, as_json: bool) -> None:
    """Sign the catalogue in FOLDER, or the shipped one, into one file for `bewust catalogue import`.

    FOLDER has a folder services with all the files: a bundle takes the place of the shipped services.
    """
    from datetime import UTC, datetime

    from bewust.catalogue import signing_key
    from bewust.catalogue.signed_file import sign
    from bewust.config import catalogue_import
    from bewust.files import save
    from bewust.keys import key_id

    now = datetime.now(UTC)
    with clear_errors():
        made = catalogue_import.make(folder, version or f"{now:%Y-%m-%d}", f"{now:%Y-%m-%dT%H:%M:%SZ}")
        private = signing_key.load_key(key_file, passphrase(PASSPHRASE))
        save(out, sign(made, private))
    if as_json:
        key = key_id(private.public_key())
        document(json.dumps({"file": str(out), "version": made.version, "files": len(made.services), "key": key}))
    else:
        say(f"Written: {out}, version {made.version}, {len(made.services)} files.")


@click.command(name="import", short_help="Put a signed catalogue in force.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--older", is_flag=True, help="Also where it is older than the one in force.")
@as_json_option
@click.pass_obj
def import_(options: Options, file: Path, older: bool, as_json: bool) -> None:
    """Check the bundle in FILE, keep it in the state folder, and put it in force instead of the shipped services.

    A running agent takes it within half a minute. Believed are the keys of the policy only. Where
    anything is wrong, nothing is changed.
    """
    from bewust.config.catalogue_import import import_catalogue

    with clear_errors():
        change = import_catalogue(file, options.config, options.state, older=older)
    _tell(change, as_json)


@click.command(short_help="Go back to the catalogue of before.")
@click.option("--shipped", is_flag=True, help="To the one that came with the program, whatever was before.")
@as_json_option
@click.pass_obj
def rollback(options: Options, shipped: bool, as_json: bool) -> None:
    """Put in force what was before the last import; once more, and the import is back."""
    from bewust.config.catalogue_import import roll_back

    with clear_errors():
        change = roll_back(options.config, options.state, to_shipped=shipped)
    _tell(change, as_json)


@click.command(short_help="Tell which catalogue is in force.")
@as_json_option
@click.pass_obj
def version(options: Options, as_json: bool) -> None:
    """Tell which catalogue is in force: the shipped one, or an imported one, of when and signed by whom."""
    from bewust.catalogue import editions
    from bewust.config import policy

    with clear_errors():
        edition = editions.active_edition(options.state, policy.load(options.config).catalogue.keys)
    if as_json:
        document(json.dumps(_facts(edition)))
        return
    say(edition.description)
    for problem in (edition.problem, editions.outdated(edition)):
        if problem is not None:
            warn(f"! {problem}")


def _facts(edition: "Edition") -> dict[str, str | None]:
    return {name: getattr(edition, name) for name in ("origin", "version", "reviewed", "made", "key", "problem")}


def _tell(change: "Change", as_json: bool) -> None:
    if as_json:
        about = {"services": change.services, "uncovered": change.uncovered, "again": change.again}
        document(json.dumps({"now": _facts(change.now), "before": _facts(change.before), **about}))
        return
    say(f"{'In force already' if change.again else 'In force'}: {change.now.description} ({change.services} services).")
    if not change.again:
        say(f"Before: {change.before.description}.")
    if change.uncovered:
        warn(
            f"! {', '.join(change.uncovered)}: outside the authority of this machine, so known by name only until "
            "`bewust authority renew` or the installer's upgrade makes a new one"
        )
