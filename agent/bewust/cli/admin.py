"""`bewust admin`: what an installer or an administrator runs. Thin."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bewust.cli.console import clear_errors, document, fail, say
from bewust.errors import ADMIN, CONFIG

if TYPE_CHECKING:
    from bewust.admin import Machine

_AS_WHOM = "as an administrator" if sys.platform == "win32" else "as root (sudo bewust admin ...)"


@click.group(name="admin", short_help="Set this machine up, or take it all back; as root.")
def admin_group() -> None:
    """Set this machine up for Bewust, or take it all back; as root or an administrator.

    It makes the authority, starts the service, has every login show its reminders, and tells the browsers
    that are present. All of it or nothing: where a step fails, the machine is left as it was.
    """


@admin_group.command(short_help="Set this machine up; harmless to repeat.")
@click.option(
    "--port",
    type=click.IntRange(1024, 65535),
    help="Loopback port of the agent; otherwise the one of before, at first 8787.",
)
@click.option(
    "--upstream", metavar="URL", help="The organisation's own proxy, http://NAME:PORT, to go through; none: direct."
)
def install(port: int | None, upstream: str | None) -> None:
    """Set this machine up. Harmless to repeat: what is in force is left alone.

    A proxy that somebody else set is never overwritten: without --upstream that is refused, and said why.
    """
    _install(port, upstream)


@admin_group.command(short_help="Bring a machine to this version.")
def upgrade() -> None:
    """Bring a machine that is set up to this version, and tell browsers that were installed since.

    The authority stays, unless other hosts are inspected now or it ends soon; so do choices and counters.
    """
    _install(None, None)


def _install(port: int | None, upstream: str | None) -> None:
    from bewust.admin import Choices, install
    from bewust.config import checks

    if upstream not in (None, "none") and (wrong := checks.upstream(upstream or "")):
        raise click.BadParameter(f"{wrong} Or write none: direct.", param_hint="--upstream")
    with _logged() as machine:
        before = machine.choices
        chosen = Choices(
            before.port if port is None else port,
            before.upstream if upstream is None else upstream.removeprefix("none"),
        )
        remark = install(type(machine)(chosen))
    say("Bewust is set up." + (f" {remark[:1].upper()}{remark[1:]}." if remark else " A handshake through it holds."))


@admin_group.command(short_help="Take back everything that install did.")
@click.option("--purge", is_flag=True, help="Also remove the authority, the counters and the settings.")
def uninstall(purge: bool) -> None:
    """Take back everything that install did: policies, trust, processes, files, in that order.

    The authority, the counters and the organisation's settings stay for a later installation, unless
    --purge is given. It goes on where a step fails, and then says which did.
    """
    from bewust.admin import uninstall

    with _logged() as machine:
        failed = uninstall(machine, purge)
    if failed:
        fail("; ".join(failed), ADMIN)
    say("Bewust is gone from this machine's settings." if not purge else "Bewust left nothing behind.")


@admin_group.command(short_help="Show what is in force, step by step.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for scripts.")
def status(as_json: bool) -> None:
    """Show which steps of an installation are in force. Exit code 1: one is not."""
    from bewust.admin import status

    with clear_errors():
        found = status(_machine())
    if as_json:
        document(json.dumps(found, ensure_ascii=False))
    else:
        for name, wrong in found.items():
            say(f"{name:<28} {'in force' if wrong is None else wrong}")
    sys.exit(int(any(wrong is not None for wrong in found.values())))


@admin_group.command(short_help="Write the profile that prepares Macs.")
@click.option("--organisation-root", "root", type=click.Path(path_type=Path, dir_okay=False),
              help="The organisation's root (PEM), if its Macs do not trust it already.")  # fmt: skip
@click.option("--policy", "policy_file", type=click.Path(path_type=Path, dir_okay=False),
              help="A policy.toml, to be handed over as managed preferences.")  # fmt: skip
@click.option("--port", default=8787, show_default=True, type=click.IntRange(1024, 65535),
              help="Loopback port of the agent on those Macs.")  # fmt: skip
@click.option("--safari", is_flag=True, help="Also set the proxy of the whole system, which Safari follows.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it there, not to standard output.")
def profile(root: Path | None, policy_file: Path | None, port: int, safari: bool, out: Path | None) -> None:
    """Write the configuration profile that prepares Macs: trust, proxies, notifications, background items.

    Run it anywhere; device management signs and sends the result. A later one takes its place. The
    organisation's name in it is page.organisation of the policy.
    """
    import plistlib

    import tomli

    from bewust.admin.macos.profile import profile as made
    from bewust.authority import external
    from bewust.config import policy

    with clear_errors():
        rules = policy.load(policy_file)
        try:
            settings = tomli.loads(policy_file.read_text("utf-8")) if policy_file else {}
            found = external.root_in(root) if root else None
            try:
                whole = made(rules.page.organisation or "Bewust", port, found, settings, safari)
            except ValueError as error:
                fail(f"{policy_file}: a text in it cannot stand in a profile ({error}). Change it.", CONFIG)
            if out is not None:
                out.write_bytes(whole)
        except OSError as error:
            fail(f"{error.filename}: {error.strerror}. Check its name and who may use it.", ADMIN)
    if out is None:
        say(whole.decode().rstrip("\n"))
    else:
        count = len(plistlib.loads(whole)["PayloadContent"])
        say(f"{out}: {count} payloads. Have device management sign and send it before the package (docs/macos.md).")


@contextmanager
def _logged() -> "Iterator[Machine]":
    from bewust.admin.steps import logging_to

    with clear_errors():
        machine = _machine()
        if not _may_change_it():
            fail(f"this changes the machine for everybody, so run it {_AS_WHOM}", ADMIN)
        os.umask(0o022)
        with logging_to(machine.log):
            yield machine


def _may_change_it() -> bool:
    if sys.platform == "win32":
        from bewust.admin.windows.system import Real

        return Real().is_administrator()
    return os.geteuid() == 0


def _machine() -> "Machine":
    if sys.platform == "linux":
        from bewust.admin.linux import Linux

        return Linux()
    if sys.platform == "darwin":
        from bewust.admin.macos import MacOS

        return MacOS()
    if sys.platform == "win32":
        from bewust.admin.windows import Windows

        return Windows()
    return fail(f"`bewust admin` is not there for {sys.platform} yet; docs/support.md says what to do instead", ADMIN)
