"""`bewust keeper …`: the three commands of a keeper (docs/keepers.md). Thin: load, ask, show."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bewust.cli.console import Options, clear_errors, document, passphrase, say, warn

if TYPE_CHECKING:
    from rich.table import Table

    from bewust.statistics.formats import Opened
    from bewust.statistics.keepers import Collected, KeeperKey, Tally

PASSPHRASE = "BEWUST_KEEPER_PASSPHRASE"
SURE = 2.06  # standard deviations that 95 % of the noise of two keepers stays within
LISTED = 20  # lines that are named; a folder of something else would fill the screen
TITLES = {"any": "any AI at all", "other": "another service", "internal": "a page of your own organisation translated",
          "reminded": "a reminder shown"}  # fmt: skip

as_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object, for scripts.")
out_option = click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write.")


@click.group(name="keeper")
def keeper_group() -> None:
    """Hold one of the two keys of split releases.

    Only both keepers together can read anything. The passphrase is asked for, or taken from BEWUST_KEEPER_PASSPHRASE.
    """


def _progress[Item](items: Sequence[Item], doing: str) -> Iterable[Item]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(items, doing, console=console, transient=True, disable=not console.is_terminal)


@keeper_group.command(short_help="Make your key.")
@click.argument("name")
@out_option
@as_json_option
@click.pass_obj
def new(_options: Options, name: str, out: Path | None, as_json: bool) -> None:
    """Make the key of the keeper NAME, such as works-council, and print the lines for policy.toml.

    Two files are written: the key, which only its passphrase opens, and beside it a ledger of what it
    added up. Keep both, together. Nobody can make a lost passphrase again.
    """
    from bewust.keys import key_text
    from bewust.statistics.keepers import keyfile

    with clear_errors():
        key = keyfile.new_key(name, passphrase(PASSPHRASE, new=True), out or Path(f"{name}.key.json"))
    public = key_text(key.private.public_key())
    if as_json:
        files = {"file": str(key.path), "ledger": str(key.ledger)}
        document(json.dumps({"name": key.name, "id": key.id, "key": public, **files}))
        return
    warn(f"Written: {key.path} and {key.ledger}. Keep them together. For policy.toml:")
    say(f'[[release.keepers]]\nname = "{key.name}"\nkey = "{public}"')


@keeper_group.command(name="sum", short_help="Add up your shares of a batch.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--key", "key_file", required=True, type=click.Path(path_type=Path, dir_okay=False), help="Your key.")
@click.option("--period", help="Only this period, such as 2026-W47.")
@click.option(
    "--min-batch", type=click.IntRange(min=50), default=50, show_default=True, help="Refuse fewer reports than this."
)
@click.option("--skip-bad", is_flag=True, help="Leave out what cannot be read; the other keeper must too.")
@click.option("--check", is_flag=True, help="Only say what would be added up. Do this first, both of you.")
@out_option
@as_json_option
@click.pass_obj
def add_up(
    _options: Options, /, paths: tuple[Path, ...], *, key_file: Path, period: str | None, min_batch: int,
    skip_bad: bool, check: bool, out: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Add up your shares of all reports in PATHS, files or folders, with noise, into one file.

    A period is added up once. Asked again for the same reports, you get the same file; asked for others
    of the same period, it is refused. First use --check, and compare the manifest with the other keeper.
    """
    from bewust.files import save
    from bewust.statistics.keepers import batches, keyfile
    from bewust.statistics.keepers import sums as keeper_sums

    with clear_errors():
        key = keyfile.load_key(key_file, passphrase(PASSPHRASE))
        _complain([f"{file}: is no *.ndjson, so it was not read" for file in batches.unread(paths)])
        batch = batches.collect(_progress(list(batches.files(paths)), "Reading"))
        added, bad = _tallied(batch, key, period, min_batch, skip_bad)
        first = added.reports[0]
        said: dict[str, Any] = {
            "period": first.period,
            "reports": len(added.reports),
            "manifest": batches.manifest(added.reports),
            "epsilons": {name: block.epsilon for name, block in first.blocks.items()},
            "left_out": bad,
            "duplicates": batch.duplicates,
        }
        if check:
            said["again"] = keeper_sums.already_published(added, key)
        else:
            target = out or Path(f"{first.period}-{key.name}.sum.json")
            data, again = keeper_sums.publish_sum(added, key)
            save(target, data)
            said |= {"file": str(target), "again": again}
    document(json.dumps(said) if as_json else _words(said))


def _tallied(
    batch: "Collected", key: "KeeperKey", period: str | None, minimum: int, skip_bad: bool
) -> "tuple[Tally, list[str]]":
    """Return the batch added up and what was left out of it; name on standard error what is wrong with it."""
    import msgspec

    from bewust.statistics.keepers import batches, keyfile
    from bewust.statistics.keepers import sums as keeper_sums

    _complain([*batch.problems, *batch.duplicates])
    added = keeper_sums.tally(_progress(batches.choose(batch, key, period, minimum), "Opening"), key)
    broken = [f"{batch.where[report_id]}: {problem}" for report_id, problem in added.bad.items()]
    _complain(broken)
    bad = batch.problems + broken
    if bad and not skip_bad:
        raise keyfile.KeeperError(
            f"{len(bad)} line{'s' * (len(bad) != 1)} cannot be used, named above, so nothing was added up. Get the "
            "originals, or leave them out with --skip-bad, and tell the other keeper to leave out the same."
        )
    batches.choose(
        msgspec.structs.replace(batch, reports=added.reports), key, period, minimum
    )  # are there enough left?
    return added, bad


def _complain(lines: Sequence[str]) -> None:
    for line in lines[:LISTED]:
        warn(f"! {line}")
    if len(lines) > LISTED:
        warn(f"! and {len(lines) - LISTED} more")


def _words(said: Mapping[str, Any]) -> str:
    epsilons = said["epsilons"]
    lines = [
        f"Period:   {said['period']}",
        f"Reports:  {said['reports']}",
        f"Manifest: {said['manifest']}",
        f"Epsilon:  {', '.join(f'{name} {value}' for name, value in epsilons.items())}",
    ]
    if "file" in said:
        lines.append(f"{'The same as before' if said['again'] else 'Written'}: {said['file']}")
    elif said["again"]:
        lines.append("Just these reports were added up before: you will get the same file again.")
    else:
        lines.append("Nothing was added up yet. The other keeper must see the same manifest.")
    return "\n".join(lines)


@keeper_group.command(name="open", short_help="Put the two sums together.")
@click.argument("sums", nargs=2, type=click.Path(path_type=Path))
@out_option
@as_json_option
@click.pass_obj
def open_both(_options: Options, sums: tuple[Path, Path], out: Path | None, as_json: bool) -> None:
    """Put the SUMS of the two keepers together, write the opened batch and show what it says.

    It needs no key: whoever has both sums can do it.
    """
    from bewust.files import save
    from bewust.statistics import formats
    from bewust.statistics.keepers import sums as keeper_sums

    with clear_errors():
        opened = keeper_sums.open_sums(keeper_sums.load_sum(sums[0]), keeper_sums.load_sum(sums[1]))
        target = out or Path(f"{opened.period}.opened.json")
        line = formats.encode(opened)
        save(target, f"{line}\n".encode())
    if as_json:
        say(line)
        return
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 100)
    with console.capture() as drawn:
        console.print(_table(opened))
    say("\n".join(row.rstrip() for row in drawn.get().splitlines()))
    warn(f"Written: {target}")


def _table(opened: "Opened") -> "Table":
    """Return the estimates as a person reads them; where the noise is too large for one, it says so."""
    from rich.table import Table

    from bewust.statistics import formats

    title = f"{opened.period}: {opened.reports} workstations reported"
    table = Table(title=title, caption="95 times in 100 the true number is within the range.")
    for heading in ("workstations with", "about", "likely"):
        table.add_column(heading, justify="left" if heading == "workstations with" else "right")
    for block, cells in formats.report_cells(opened.services).items():
        found = opened.blocks[block]
        margin = SURE * found.sd
        for cell, estimate in zip(cells, found.estimates, strict=True):
            if cell:
                nearest = min(max(0, estimate), opened.reports)  # noise goes beyond what can be
                low, high = max(0, round(nearest - margin)), min(round(nearest + margin), opened.reports)
                about = str(nearest) if margin <= nearest / 2 else "too few to tell"
                table.add_row(TITLES.get(cell, cell), about, f"{low} to {high}")
    return table
