"""`bewust catalogue …`: the tools of whoever keeps the catalogue. Thin: load, ask, show."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bewust.cli.console import Options, clear_errors, document, say, warn
from bewust.errors import READ_FAILED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bewust.config import Policy
    from bewust.model import Service

as_json_option = click.option("--json", "as_json", is_flag=True, help="JSON, for scripts.")


@click.group(name="catalogue")
def catalogue_group() -> None:
    """List, search and check the services recognised."""


def _loaded(options: Options) -> "tuple[Policy, Sequence[Service]]":
    from bewust.catalogue import editions, loading
    from bewust.config import policy

    rules = policy.load(options.config)
    edition = editions.active_edition(options.state, rules.catalogue.keys)
    if edition.problem is not None:
        warn(f"! {edition.problem}")
    services = loading.load(options.config, rules.countries, edition.services)
    policy.check_services(rules, services, options.config)
    return rules, services


def _show(table: object) -> None:
    from rich.console import Console

    # Whoever pipes it into a file or another program wants whole lines, and none with blanks at its end.
    console = Console(width=None if sys.stdout.isatty() else 160)
    with console.capture() as drawn:
        console.print(table)
    say("\n".join(line.rstrip() for line in drawn.get().splitlines()))


def _list(options: Options, services: "Sequence[Service]", rules: "Policy", as_json: bool) -> None:
    from bewust.cli.tables.catalogue import as_builtins, list_table

    if as_json:
        document(json.dumps([as_builtins(service, rules) for service in services]))
    else:
        _show(list_table(services, rules))


@catalogue_group.command(name="list", short_help="List the services.")
@click.option("--context", help="Only this context, such as search.")
@as_json_option
@click.pass_obj
def list_services(options: Options, context: str | None, as_json: bool) -> None:
    """List every service, with how deep the policy looks and when its rules were last reviewed."""
    from bewust.model import Context

    if context is not None and context not in list(Context):
        raise click.BadParameter(f"use one of {', '.join(Context)}.", param_hint="--context")
    with clear_errors():
        rules, services = _loaded(options)
        _list(options, [s for s in services if context in (None, s.context.value)], rules, as_json)


@catalogue_group.command(short_help="Find services by a word.")
@click.argument("word")
@as_json_option
@click.pass_obj
def search(options: Options, word: str, as_json: bool) -> None:
    """Find services by a part of their id, name, vendor, alias or host. Exit code 1 where there is none."""
    with clear_errors():
        rules, services = _loaded(options)
        wanted = word.lower()
        found = [s for s in services if any(wanted in text.lower() for text in _words(s))]
        _list(options, found, rules, as_json)
    sys.exit(0 if found else READ_FAILED)


def _words(service: "Service") -> "Sequence[str]":
    hosts = (host for signature in service.signatures for host in signature.hosts)
    return (service.id, service.name, service.vendor, *service.aliases, *hosts)


@catalogue_group.command(short_help="Show one service whole.")
@click.argument("service_id", metavar="ID")
@as_json_option
@click.pass_obj
def show(options: Options, service_id: str, as_json: bool) -> None:
    """Show one service, by its id or an alias: every rule, what it asks, where it is written."""
    from bewust.cli.tables.catalogue import as_builtins, service_table

    with clear_errors():
        rules, services = _loaded(options)
        found = [s for s in services if s.id == service_id] or [s for s in services if service_id in s.aliases]
        if not found:
            raise click.BadParameter(f"{service_id!r} is no service. Try: bewust catalogue search", param_hint="ID")
        for service in found:
            if as_json:
                document(json.dumps(as_builtins(service, rules)))
            else:
                _show(service_table(service, rules))


@catalogue_group.command(short_help="Check the catalogue; for CI.")
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False, exists=True))
@as_json_option
@click.pass_obj
def check(options: Options, folder: Path | None, as_json: bool) -> None:
    """Check the catalogue and, laid over it, a FOLDER of your own (or that of --config).

    Each finding names file, line, entry and remedy. Exit code 0: nothing to mend; 1: something is.
    """
    from datetime import date

    import msgspec

    from bewust.catalogue import editions, loading
    from bewust.catalogue import lint as catalogue_lint
    from bewust.config import policy

    overlay = folder or options.config
    with clear_errors():
        rules = policy.load(overlay)
        edition = editions.active_edition(options.state, rules.catalogue.keys)
        services, mistakes = loading.load_with_mistakes(overlay, rules.countries, edition.services)
        decrypted = rules.compiled(services).decrypted_hosts()
        found = [*map(catalogue_lint.of_mistake, mistakes), *catalogue_lint.lint(services, date.today(), decrypted)]  # noqa: DTZ011
        if not mistakes:
            policy.check_services(rules, services, overlay)
    if as_json:
        document(json.dumps(msgspec.to_builtins(found)))  # json: a folder's name on Linux may be no text
    else:
        for finding in found:
            say(str(finding))
        rules_count = sum(len(service.signatures) for service in services)
        say(
            f"{len(services)} services, {rules_count} signatures, {len(decrypted)} names decrypted: "
            f"{len(found) or 'no'} finding{'s' * (len(found) != 1)}"
        )
    sys.exit(READ_FAILED if found else 0)


@catalogue_group.command(short_help="Explain the verdict on a URL.")
@click.argument("url")
@click.option("--method", default="GET", show_default=True, help="The request's method.")
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header; repeatable.")
@click.option("--websocket", is_flag=True, help="The request opens a WebSocket.")
@as_json_option
@click.pass_obj
def explain(
    options: Options, /, url: str, *, method: str, headers: tuple[str, ...], websocket: bool, as_json: bool
) -> None:
    """Explain what becomes of a request: where it goes, which rules were tried, where each fell, and
    what would be needed for a use.
    """
    from bewust.cli.tables.catalogue import explanation, explanation_table
    from bewust.detection import observe

    if wrong := [header for header in headers if ":" not in header]:
        raise click.BadParameter(f"{wrong[0]!r} has no colon. Write 'Name: value'.", param_hint="--header")
    pairs = [(name.strip(), value.strip()) for name, _, value in (header.partition(":") for header in headers)]
    seen = observe(method, url, pairs, websocket)
    if not seen.host:
        raise click.BadParameter("give it like https://www.example.nl/x.", param_hint="URL")
    with clear_errors():
        rules, services = _loaded(options)
        found = explanation(seen, services, rules, routed=url.lower().startswith(("https:", "wss:")))
        if as_json:
            document(json.dumps(found))
        else:
            _show(explanation_table(found))


@catalogue_group.command(short_help="List the hosts that are routed.")
@click.option("--depth", type=click.Choice(["name", "request", "response"]), help="Only the hosts inspected so deep.")
@as_json_option
@click.pass_obj
def hosts(options: Options, depth: str | None, as_json: bool) -> None:
    """List exactly the names that the PAC file routes: tunnelled at depth name, decrypted at the others."""
    from bewust.catalogue.lint import MOST_NAMES
    from bewust.model import Depth

    with clear_errors():
        rules, services = _loaded(options)
        matcher = rules.compiled(services)
    wanted = [depth] if depth else [each.name.lower() for each in Depth]
    listed = {name: matcher.hosts(Depth.parse(name)) for name in wanted}
    if as_json:
        document(json.dumps(listed))
        return
    for name, found in listed.items():
        for host in found:
            say(host if depth else f"{name:<9} {host}")
    counted = ", ".join(f"{len(found)} at depth {name}" for name, found in listed.items())
    warn(f"{counted}; {len(matcher.decrypted_hosts())} of at most {MOST_NAMES} are decrypted")
