"""`bewust admin`: what an installer or an administrator runs. Thin."""

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from bewust.console import ADMIN, clear_errors, fail, say

if TYPE_CHECKING:
    from bewust.admin.steps import Machine

_UPSTREAM = re.compile(r"http://[A-Za-z0-9.\-]+:[0-9]{1,5}")


@click.group(name="admin", short_help="Set this machine up, or take it all back; as root.")
def admin_group() -> None:
    """Set this machine up for Bewust, or take it all back; as root.

    It makes the authority, starts the service, has every login show its reminders, and tells the browsers
    that are present. All of it or nothing: where a step fails, the machine is left as it was.
    """


@admin_group.command(short_help="Set this machine up; harmless to repeat.")
@click.option("--port", type=click.IntRange(1024, 65535),
              help="Loopback port of the agent; otherwise the one of before, at first 8787.")  # fmt: skip
@click.option("--upstream", metavar="URL",
              help="The organisation's own proxy, http://NAME:PORT, to go through; none: direct.")  # fmt: skip
def install(port: int | None, upstream: str | None) -> None:
    """Set this machine up. Harmless to repeat: what is in force is left alone.

    A proxy that somebody else set is never overwritten: without --upstream that is refused, and said why.
    """
    _install(port, upstream)


@admin_group.command(short_help="Bring a machine to this version.")
def upgrade() -> None:
    """Bring a machine that is set up to this version, and tell browsers that were installed since.

    The authority stays, unless other hosts are looked into now or it ends soon; so do choices and counters.
    """
    _install(None, None)


def _install(port: int | None, upstream: str | None) -> None:
    from bewust.admin.steps import Choices, install

    if upstream not in (None, "none") and not _UPSTREAM.fullmatch(upstream or ""):
        raise click.BadParameter("write it like http://proxy.example:3128, or none.", param_hint="--upstream")
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
    from bewust.admin.steps import uninstall

    with _logged() as machine:
        failed = uninstall(machine, purge)
    if failed:
        fail("; ".join(failed), ADMIN)
    say("Bewust is gone from this machine's settings." if not purge else "Bewust left nothing behind.")


@admin_group.command(short_help="Show what is in force, step by step.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for scripts.")
def status(as_json: bool) -> None:
    """Show which steps of an installation are in force. Exit code 1: one is not."""
    from bewust.admin.steps import status

    with clear_errors():
        found = status(_machine())
    if as_json:
        say(json.dumps(found, ensure_ascii=False))
    else:
        for name, wrong in found.items():
            say(f"{name:<28} {'in force' if wrong is None else wrong}")
    sys.exit(int(any(wrong is not None for wrong in found.values())))


@contextmanager
def _logged() -> "Iterator[Machine]":
    from bewust.admin.steps import logging_to

    with clear_errors():
        machine = _machine()
        if hasattr(os, "geteuid") and os.geteuid() != 0:
            fail("this changes the machine for everybody, so run it as root (sudo bewust admin ...)", ADMIN)
        os.umask(0o022)
        with logging_to(machine.log):
            yield machine


def _machine() -> "Machine":
    if sys.platform == "linux":
        from bewust.admin.linux import Linux

        return Linux()
    return fail(f"`bewust admin` is not there for {sys.platform} yet; docs/support.md says what to do instead", ADMIN)
