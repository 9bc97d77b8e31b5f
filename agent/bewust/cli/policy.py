"""`bewust policy …`: what is in force, whether a new policy is right, and examples to begin with. Thin."""

import json
from pathlib import Path

import click

from bewust.cli.console import Options, clear_errors, document, say

EXAMPLES = ("gemeente", "ministerie", "stille-pilot")


@click.group(name="policy")
def policy_group() -> None:
    """Show, check and begin an organisation's policy."""


@policy_group.command(short_help="Show what counts, and where it was set.")
@click.option("--origin", "with_origin", is_flag=True, help="Also where each value comes from.")
@click.option("--json", "as_json", is_flag=True, help="One JSON list with the origins, for scripts.")
@click.pass_obj
def show(options: Options, with_origin: bool, as_json: bool) -> None:
    """Show every key that is set, with what counts: ours, the organisation's folder and what the platform
    manages, laid over each other as an agent would that starts now.

    Where a mistake keeps a running agent at what was last right, this names the mistake, as does
    `bewust status`.
    """
    import msgspec

    from bewust.config.review import values

    with clear_errors():
        found = values(options.config)
    if as_json:
        document(json.dumps(msgspec.to_builtins(found)))
        return
    from rich.console import Console

    from bewust.cli.tables.agent import policy_table

    Console().print(policy_table(found, with_origin))


@policy_group.command(short_help="Check a policy before it is rolled out.")
@click.argument("place", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for scripts.")
@click.pass_obj
def check(options: Options, place: Path, as_json: bool) -> None:
    """Check a policy, laid over ours: what it would do, what it probably does not mean, or its one mistake.

    FILE is a policy, or a folder as for --config. Exit code 0: it is right, whatever is noted; 3: a mistake.
    """
    import msgspec

    from bewust.authority.authority import NAMES_AT_MOST
    from bewust.config.review import review

    with clear_errors():
        found = review(place, options.config, options.state)
    if as_json:
        document(json.dumps(msgspec.to_builtins(found)))
        return
    say(f"{place} is right.")
    say(f"keys set: {found.keys}; services decided: {found.decided}; names decrypted: {found.names} of {NAMES_AT_MOST}")
    for note in found.notes:
        say(f"note: {note}")


@policy_group.command(short_help="Print the JSON Schema, for editors.")
def schema() -> None:
    """Print the JSON Schema of a policy file, for editors; docs/policy.md shows how to use it."""
    from bewust.config import json_schema

    document(json_schema.text())


@policy_group.command(short_help="Print a policy to begin with, in Dutch.")
@click.argument("name", type=click.Choice(EXAMPLES))
def example(name: str) -> None:
    """Print a policy to begin with, explained in Dutch: for a municipality (gemeente), a ministry
    (ministerie), or a pilot that shows nothing (stille-pilot).
    """
    from importlib.resources import files

    document(files("bewust_config").joinpath("policies", f"{name}.toml").read_text("utf-8"))
