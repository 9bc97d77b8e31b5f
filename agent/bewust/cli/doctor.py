"""`bewust doctor` and `bewust support-bundle`: for whoever asks why it does not work. Thin."""

import json
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bewust.cli.console import NoAgentError, Options, ask, clear_errors, document, fail, say
from bewust.errors import READ_FAILED

if TYPE_CHECKING:
    from bewust.doctor import DoctorContext, Finding

ROOT = Path("/")
BUNDLE = Path("bewust-support.zip")


@click.command(short_help="Look whether everything works, and what to do.")
@click.option("--json", "as_json", is_flag=True, help="One JSON list of findings, for scripts.")
@click.option("--no-network", is_flag=True, help="Shake no hands with sites; what that would tell stays unknown.")
@click.option("--toast", is_flag=True, help="Show a toast for real.")
@click.pass_context
def doctor(context: click.Context, as_json: bool, no_network: bool, toast: bool) -> None:
    """Look whether everything works, and say what to do where it does not.

    It looks at the browsers' policies, the authority, the way of requests, other products that intercept,
    the desktop, the store, the clock and the versions, and changes nothing. Of sites it sees no more than
    a handshake. What you may not see is unknown; as root it sees the service, as an employee the desktop.

    \b
    Exit codes of this command: 0 all is well, or could not be looked at;
    1 something is degraded; 2 something is broken, or a mistake in usage.
    """
    from bewust.cli.tables.doctor import findings_table, summary
    from bewust.doctor.finding import exit_code

    _, findings = _examined(context, network=not no_network, toast=toast)
    if as_json:
        import msgspec

        document(json.dumps([msgspec.to_builtins(finding) for finding in findings], ensure_ascii=False))
    else:
        from rich.console import Console

        Console().print(findings_table(findings))
        say(summary(findings))
    sys.exit(exit_code(findings))


@click.command(name="support-bundle", short_help="Collect what support needs, redacted.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=BUNDLE, show_default=True,
              help="Where to write it; a file that is there already is never replaced.")  # fmt: skip
@click.option("--yes", is_flag=True, help="Write it without asking.")
@click.option("--no-network", is_flag=True, help="Shake no hands with sites; what that would tell stays unknown.")
@click.pass_context
def support_bundle(context: click.Context, out: Path, yes: bool, no_network: bool) -> None:
    """Collect what support needs in one zip, and show every line of it before it is written.

    What the doctor finds, versions, the steps of the installation and its log, the policy and the agent's
    status: without names of people, machines and organisations, without addresses, and without counters.
    It is sent to nobody: that is for you to do.
    """
    from bewust.doctor import bundle, examination

    if out.exists():
        fail(f"{out}: is there already. Move it, or name another with --out.", READ_FAILED)
    here, findings = _examined(context, network=not no_network)
    files = bundle.collect(here, findings, _installation(), here.root / examination.LOG)
    for name, text in files.items():
        say(f"--- {name}")
        say(text.rstrip("\n"))
    if not yes:
        click.confirm(f"Write these {len(files)} files to {out}?", abort=True)
    try:
        bundle.write(out, files)
    except OSError as error:
        fail(f"{out}: cannot be written ({error.strerror}). Name another with --out.", READ_FAILED)
    say(f"Written: {out}, which only you can read. Look at it once more before you send it.")


def _examined(context: click.Context, *, network: bool, toast: bool = False) -> "tuple[DoctorContext, list[Finding]]":
    """Look at everything, saying on a terminal what is being looked at."""
    from rich.console import Console

    from bewust.doctor import examination

    with clear_errors():
        here, first = _here(context, network)
        findings = [first]
        console = Console(stderr=True)
        with console.status("") if console.is_terminal else nullcontext() as waiting:
            for words, check in examination.steps(toast=toast):
                if waiting is not None:
                    waiting.update(f"Looking at {words}")
                findings += examination.run_checks(check, here)
    return here, findings


def _here(context: click.Context, network: bool) -> "tuple[DoctorContext, Finding]":
    """Find the agent that is meant: the one of --state, else the machine's, else this person's own."""
    from bewust.config.rules import local_now
    from bewust.doctor import examination, finding

    options: Options = context.obj
    chosen = context.parent is not None and context.parent.params.get("state") is not None
    theirs = ROOT / examination.FOLDER
    managed = examination.is_managed(ROOT) and (not chosen or options.state == theirs / "state")
    state = theirs / "state" if managed else options.state
    config = options.config
    if config is None and managed and (ROOT / examination.CONFIG).is_dir():
        config = ROOT / examination.CONFIG
    rules, first = examination.settings(config, state)
    status, why, user = None, "", _user()
    try:
        status = ask(state, "/status.json")
    except NoAgentError:
        unreadable = managed and user != 0 and (sys.platform == "win32" or not os.access(state, os.X_OK))
        why = (
            "What the agent says of itself is for root to ask, or an administrator."
            if unreadable
            else f"No agent runs with {state}."
        )
    here = finding.DoctorContext(
        root=ROOT, state=state, root_pem=theirs / "root.pem" if managed else state / "authority" / "root.pem",
        port=examination.port(ROOT, state), managed=managed, rules=rules, now=local_now(rules), status=status, why=why,
        environment=dict(os.environ), user=user, network=network,
        roots=examination.machine_roots(), run=finding.run,
    )  # fmt: skip
    return here, first


def _user() -> int:
    """Return who asks, as a user id: 0 is who may see everything."""
    if sys.platform == "win32":
        from bewust.admin.windows.system import Real

        return 0 if Real().is_administrator() else 1000
    return os.geteuid()


def _installation() -> dict[str, str | None] | str:
    """Return the steps of the installation and what is not in force, or why they cannot be seen."""
    if sys.platform != "linux":
        return "bewust admin status"
    from bewust.admin import status
    from bewust.admin.linux import Linux
    from bewust.errors import AdminError

    try:
        return status(Linux(root=ROOT))
    except (AdminError, OSError) as error:
        return f"cannot be seen by you: {error}"
