"""The `bewust` command: the only print and the only exit codes, which `bewust --help` explains."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bewust import __version__
from bewust.cli.admin import admin_group
from bewust.cli.authority import authority_group
from bewust.cli.catalogue import catalogue_group
from bewust.cli.catalogue_bundles import bundle, import_, keygen, rollback, version
from bewust.cli.console import (
    EPILOG,
    SOCKET,
    Folder,
    NoAgentError,
    Options,
    ask,
    clear_errors,
    document,
    fail,
    fit_terminal,
    say,
    warn,
)
from bewust.cli.doctor import doctor, support_bundle
from bewust.cli.fleet import fleet_group
from bewust.cli.keepers import keeper_group
from bewust.cli.papers import papers
from bewust.cli.policy import policy_group
from bewust.cli.release import export, prove
from bewust.cli.reminders import session, simulate_day, texts
from bewust.errors import NOT_RUNNING, READ_FAILED
from bewust.state_files import STORE

if TYPE_CHECKING:
    from bewust.daemon import Agent
    from bewust.reminders import Reminder, Suppressed


def _default_state() -> Path:
    from platformdirs import user_state_path

    return user_state_path("bewust", appauthor=False)


def _machine_folder() -> Path:
    from bewust.config.platform_policy import folder

    return folder()


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, epilog=EPILOG)
@click.version_option(__version__, prog_name="bewust")
@click.option("--state", type=Folder(), envvar="BEWUST_STATE", help="Folder for the authority and the counters.")
@click.option(
    "--config",
    type=Folder(exists=True),
    envvar="BEWUST_CONFIG",
    help="The organisation's folder, laid over our catalogue, policy and texts; otherwise this machine's own.",
)
@click.pass_context
def main(context: click.Context, state: Path | None, config: Path | None) -> None:
    """Reminds you, at the right moment, to use generative AI conscientiously.

    Start with `bewust run` in one terminal and `bewust browse` in another.
    """
    fit_terminal()
    context.obj = Options(state or Folder().convert(_default_state(), None, context), config, _machine_folder)


@main.command(short_help="Run the agent in the foreground.")
@click.option("--port", default=8787, show_default=True, type=click.IntRange(0, 65535),
              help="Loopback port of the proxy, the PAC and the page; 0 takes any.")  # fmt: skip
@click.pass_obj
def run(options: Options, port: int) -> None:
    """Run the agent in the foreground; Ctrl-C stops it.

    The first start makes an authority for this machine and a state folder that only you can read.
    """
    import asyncio

    from bewust.config import load_or_last_good
    from bewust.daemon import Agent, Settings
    from bewust.daemon.serve import serve

    with clear_errors():
        settings = Settings(state=options.state, config=options.config, port=port)
        agent = Agent(settings, load_or_last_good(options.config, options.state), on_reminder=_tell)
        asyncio.run(serve(agent, lambda: _welcome(agent)))
        say("Stopped; the counters are on disk.")


@main.command(short_help="Run the agent for every login of this machine.")
@click.option("--port", default=8787, show_default=True, type=click.IntRange(0, 65535),
              help="Loopback port of the proxy, the PAC and the page; 0 takes any.")  # fmt: skip
@click.option("--socket", type=click.Path(path_type=Path, dir_okay=False), default=SOCKET,
              show_default=True, help="Where sessions connect; only this account may write to its folder.")  # fmt: skip
@click.option("--log", type=click.Path(path_type=Path, dir_okay=False), default="service.log", hidden=True,
              help="On Windows, where what it says is written when the system runs it.")  # fmt: skip
@click.pass_obj
def service(options: Options, port: int, socket: Path, log: Path) -> None:
    """Run the agent under an account of its own, for every login of this machine.

    It shows no reminders itself: each login runs a `bewust session`, which gets its own and no others.
    Whose a connection is macOS does not tell us yet; there nobody is reminded by a service.
    """
    from bewust.system import windows_service
    from bewust.system.windows_service import Control

    def served(arguments: list[str], control: Control) -> None:
        import asyncio

        from bewust.config import load_or_last_good
        from bewust.daemon import Agent, Settings
        from bewust.daemon.serve import serve
        from bewust.daemon.state import renew_authority

        def started() -> None:
            say(f"Bewust serves port {agent.port} and sessions at {socket}.")
            control.started()

        with clear_errors():
            settings = Settings(state=options.state, config=options.config, port=port, socket=socket)
            rules = load_or_last_good(options.config, options.state)
            if windows_service.RENEW in arguments:
                renew_authority(settings, rules)
            agent = Agent(settings, rules)
            asyncio.run(serve(agent, started, control.on_stop))
            say("Stopped; the counters are on disk.")

    if sys.platform == "win32" and windows_service.ran(served, log):
        return
    served([], Control())


def _welcome(agent: "Agent") -> None:
    page = f"http://127.0.0.1:{agent.port}/"
    say(f"Bewust runs. Page: {page}  PAC: {page}proxy.pac")
    say(f"Its authority (trust it yourself only in a test): {agent.authority.root_pem}")
    say("Try it without changing anything on this machine: bewust browse. Ctrl-C stops.")
    for problem in agent.answers.status().problems:
        say(f"! {problem}")


def _tell(decided: "Reminder | Suppressed") -> None:
    from bewust.reminders import Reminder

    if isinstance(decided, Reminder):
        say(f"  {decided.title}\n    {decided.message}")


@main.command(short_help="Open a browser that trusts and uses the agent.")
@click.argument("url", default="")
@click.option("--browser", help="Name or path of the browser; otherwise the first one found.")
@click.pass_obj
def browse(options: Options, url: str, browser: str | None) -> None:
    """Open an isolated browser that trusts and uses the running agent.

    Its profile is a temporary folder that is removed when the browser is closed, the terminal is closed or
    the person logs out. Others on this machine do not see the address in a list of processes (on a Mac they
    do, while this runs: type it in the window there).
    """
    from bewust.authority.authority import load
    from bewust.browsers import launch

    launch.hide_argument(url)
    try:
        with clear_errors(), launch.told_to_end(), launch.private_profile() as (folder, descriptors):
            port = ask(options.state, "/status.json")["port"]
            command, environment = launch.command(
                launch.find(browser),
                folder,
                pac_url=f"http://127.0.0.1:{port}/proxy.pac",
                root_pem=load(options.state / "authority").root_pem,
                url=url,
            )
            code = launch.run(command, environment, descriptors)
    except launch.Ended as ended:
        sys.exit(128 + ended.number)
    sys.exit(READ_FAILED if code else 0)


@main.command(short_help="Show what the agent does, and its last errors.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for scripts.")
@click.pass_obj
def status(options: Options, as_json: bool) -> None:
    """Show whether the agent runs, what it tunnels and decrypts, since when, and its last errors."""
    with clear_errors():
        answer = ask(options.state, "/status.json")
    if as_json:
        document(json.dumps(answer))
        return
    from rich.console import Console

    from bewust.cli.tables.agent import status_table

    Console().print(status_table(answer))


@main.command(short_help="Stop everything for a while.")
@click.option("--for", "span", default="1h", show_default=True, help="How long, like 15m; the policy has a limit.")
@click.pass_obj
def pause(options: Options, span: str) -> None:
    """Stop everything for a while: nothing is inspected, counted or reminded of. `bewust resume` ends it.

    An administrator stops it for good with a file named off in the configuration folder.
    """
    from bewust.durations import parse_duration

    seconds = int(parse_duration(span))
    if seconds <= 0:
        raise click.BadParameter('write it like "15m" or "1h".', param_hint="--for")
    with clear_errors():
        answer = ask(options.state, f"/pause?seconds={seconds}", "POST")
    if not answer["stopped"]:
        fail("the policy allows no pause (its key pause). Ask whoever manages this machine.", READ_FAILED)
    say(f"Paused until {answer['resumes']}." if answer["resumes"] else "An administrator has stopped it already.")


@main.command(short_help="End a pause.")
@click.pass_obj
def resume(options: Options) -> None:
    """End a pause."""
    with clear_errors():
        answer = ask(options.state, "/pause?seconds=0", "POST")
    if answer["stopped"]:
        fail(f"an administrator has stopped it. Remove the file off from {options.config}.", READ_FAILED)
    say("It works again.")


@main.command(short_help="Show every number that is kept.")
@click.option("--json", "as_json", is_flag=True, help="One JSON list, for scripts.")
@click.option("--all", "everything", is_flag=True, help="Also the counters that are zero.")
@click.option("--held", is_flag=True, help="Instead: why reminders were held back, of all services together.")
@click.pass_obj
def stats(options: Options, as_json: bool, everything: bool, held: bool) -> None:
    """Show every number that is kept: live from a running agent, else from its file."""
    from bewust.statistics import counters, storage

    file = options.state / STORE
    try:
        rows = ask(options.state, "/held.json" if held else "/counts.json")
    except NoAgentError as error:
        if not file.exists():
            fail(f"{options.state}: holds no counters yet, and {error}", NOT_RUNNING)
        try:
            kept = storage.contents(file)
        except storage.StoreError as problem:
            fail(str(problem), READ_FAILED)
        warn("No agent runs; these are the counters as they were last written.")
        rows = counters.by_service(kept.held) if held else counters.by_service(kept.counts)
    rows = [row for row in rows if row["n"] or everything]
    if as_json:
        document(json.dumps(rows))
        return
    from rich.console import Console

    from bewust.cli.tables.agent import stats_table, suppressed_table

    Console().print(suppressed_table(rows) if held else stats_table(rows))


@main.command(short_help="Recognise services in recordings.")
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each entry that matched.")
@click.option("--page", "page_url", metavar="URL", help="FILE is one saved page (.gz too) that came from URL.")
@click.option("--policy", "policy_file", type=click.Path(path_type=Path, dir_okay=False),
              help="Look only as deep as this policy says; otherwise as deep as there is evidence.")  # fmt: skip
@click.pass_obj
def inspect(
    options: Options, files: tuple[str, ...], as_json: bool, page_url: str | None, policy_file: Path | None
) -> None:
    """Recognise services in recordings, as in live traffic.

    FILES are HAR 1.2 (plain or gzipped) or mitmproxy flow files. Exit code 0: all were read; 1: one
    could not be, the others were.
    """
    from bewust.cli import inspect as cli_inspect
    from bewust.detection import observe

    if page_url is not None and not observe("GET", page_url).host:
        raise click.BadParameter("give it like https://www.example.nl/x.", param_hint="--page")
    with clear_errors():
        bench = cli_inspect.RecordingInspector.load(options.config, policy_file, options.state)
        report = cli_inspect.as_json if as_json else cli_inspect.as_text
        failed = report(bench, files, page_url, out=document if as_json else say, complain=warn)
    sys.exit(READ_FAILED if failed else 0)


main.add_command(catalogue_group)
for _command in (import_, rollback, version, bundle, keygen):
    catalogue_group.add_command(_command)
for _command in (
    *(admin_group, authority_group, export, prove, keeper_group, fleet_group, policy_group),
    *(session, simulate_day, texts, papers, doctor, support_bundle),
):
    main.add_command(_command)

if __name__ == "__main__":
    main()
