"""`bewust simulate-day`, `texts` and `session`: tuning reminders, reading them, and showing them. Thin."""

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from bewust.cli.console import SOCKET, Options, clear_errors, document, fail, warn
from bewust.errors import READ_FAILED

if TYPE_CHECKING:
    from bewust.desktop import Toast
    from bewust.desktop.toast import Action
    from bewust.reminders.simulation import SimulatedUse


@click.command(name="simulate-day", short_help="Replay a day of detections against a policy.")
@click.argument("file", type=click.File("r", encoding="utf-8-sig"))
@click.option("--policy", "policy_file", type=click.Path(path_type=Path, dir_okay=False),
              help="A policy to try; otherwise the one of --config.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each detection, for scripts.")
@click.pass_obj
def simulate_day(options: Options, file: IO[str], policy_file: Path | None, as_json: bool) -> None:
    """Replay a day of detections against a policy, and print what a person would have seen.

    FILE has one JSON object a line, in order of time, such as {"at": "09:03", "service": "chatgpt"};
    docs/reminders.md has the rest. "-" reads standard input. Exit code 1: a line of it is none.
    """
    from bewust.config import load_rules
    from bewust.reminders import Pipeline
    from bewust.reminders.simulation import LINE, DayError, read_day, simulate

    with clear_errors():
        rules = load_rules(options.config, policy_file, options.state)
        chain = Pipeline(rules.policy, rules.texts, rules.services)
        try:
            steps = read_day(iter(lambda: file.readline(LINE), ""), rules.services)
            seen = list(simulate(steps, chain, rules.services, rules.policy.zone))
        except DayError as error:
            fail(f"{file.name}: {error}", READ_FAILED)
        except (OSError, ValueError) as error:
            fail(f"{file.name}: cannot be read as text ({error}). Name a file of JSON lines.", READ_FAILED)
    if as_json:
        for one in seen:
            document(json.dumps(_line(one), ensure_ascii=False))
        return
    from rich.console import Console

    from bewust.cli.tables.agent import day_tables

    for table in day_tables(seen):
        Console().print(table)


def _line(seen: "SimulatedUse") -> dict[str, object]:
    import msgspec

    from bewust.reminders import Reminder

    decided = seen.decided
    kind = "goes on" if decided is None else "shown" if isinstance(decided, Reminder) else "held"
    about = {} if decided is None else msgspec.to_builtins(decided)
    return {"at": f"{seen.at:%H:%M:%S}", **about, "service": seen.service, "outcome": kind}


@click.command(short_help="List every reminder text, and which are never shown.")
@click.option("--service", "service_id", metavar="ID", help="Only those for this service, as a person reads them.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for scripts.")
@click.pass_obj
def texts(options: Options, service_id: str | None, as_json: bool) -> None:
    """List every reminder text in the language of the policy: who asks it, when it is shown, and why a
    text never is.
    """
    from bewust.config import load_rules
    from bewust.config.texts import list_texts

    with clear_errors():
        rules = load_rules(options.config, state=options.state)
        if service_id is not None and service_id not in rules.services:
            raise click.BadParameter(f"{service_id!r} is not in the catalogue.", param_hint="--service")
        of = None if service_id is None else rules.services[service_id]
        rows = list(list_texts(rules.texts, rules.policy, of))
    if as_json:
        for row in rows:
            document(json.dumps(row, ensure_ascii=False))
        return
    from rich.console import Console

    from bewust.cli.tables.agent import texts_table

    Console().print(texts_table(rows))


@click.command(short_help="Show this login its reminders; for managed machines.")
@click.option("--socket", type=click.Path(path_type=Path, dir_okay=False), default=SOCKET,
              show_default=True, help="Where the service listens.")  # fmt: skip
@click.pass_obj
def session(options: Options, socket: Path) -> None:
    """Show this login its own reminders. It waits for the service, and again whenever that is gone.

    Started at every log-in on managed machines, where `bewust service` runs. It remembers which kinds of
    use were explained, and until which day no reminders are wanted, in the folder of --state.
    """
    import asyncio
    import signal

    from bewust.desktop import Desk
    from bewust.sessions import Session
    from bewust.state_files import LOGIN

    def chosen(action: "Action", toast: "Toast") -> None:
        if action == "not-today":
            one.snooze("today")

    async def main() -> None:
        running = asyncio.ensure_future(one.run())
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):  # Windows: it ends with the log-in
                asyncio.get_running_loop().add_signal_handler(number, running.cancel)
        with suppress(asyncio.CancelledError):
            await running
        await desk.close()

    desk = Desk(chosen)

    def tell(why: str) -> None:
        warn(f"bewust: {why}")

    one = Session(socket, options.state / LOGIN, desk, tell, _is_wanted)
    asyncio.run(main())


def _is_wanted() -> bool:
    """Whether this is still what a log-in runs: on Windows a later version lies elsewhere, and nobody restarts us."""
    if sys.platform == "win32":
        import subprocess

        from bewust.admin.windows.browsers import RUN, SESSION
        from bewust.admin.windows.registry import LocalMachine

        return handed_on(LocalMachine().value(RUN, SESSION), Path(sys.executable), subprocess.Popen)
    return True


def handed_on(told: tuple[object, int] | None, program: Path, start: Callable[[str], object]) -> bool:
    """Return whether `program` is of the version that a log-in is told to run; start that one where it is another."""
    if told is None:  # taken back
        return False
    command = str(told[0])
    if command.lower().startswith(f'"{program.parent}{os.sep}'.lower()):
        return True
    with suppress(OSError):
        start(command)
    return False
