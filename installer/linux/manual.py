"""The man page, the completion and the package's changelog, from the command itself.

Belongs here: roff and the shapes that Debian asks for. The words are those of `bewust --help`.
"""

import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime

import click
from click.shell_completion import BashComplete

from bewust.cli.main import main
from installer import payload


def page(version: str) -> str:
    """Return bewust(1): every command with its options."""
    lines = [
        f'.TH BEWUST 1 "" "Bewust {version}" "User Commands"',
        ".SH NAME", r"bewust \- reminds people to use generative AI conscientiously",
        ".SH SYNOPSIS", r".B bewust", r"[\fIOPTIONS\fR] \fICOMMAND\fR [\fIARGUMENTS\fR]",
        ".SH DESCRIPTION", _text(main.help or ""),
        ".SH OPTIONS", *_options(main, click.Context(main, info_name="bewust")),
        ".SH COMMANDS", *_commands(main, click.Context(main, info_name="bewust")),
        ".SH EXIT STATUS", _text((main.epilog or "").replace("\b\n", "").removeprefix("Exit codes: ")),
        ".SH FILES",
        ".TP", r"\fI/etc/bewust/policy.toml\fR, \fI/etc/bewust/policy.d/*.toml\fR", "What the organisation decided.",
        ".TP", r"\fI/var/lib/bewust\fR", "The authority and the counters, for the service's account alone.",
        ".TP", r"\fI/var/log/bewust-admin.log\fR", "What was changed on this machine.",
        ".SH SEE ALSO", r".BR systemctl (1),", r".BR journalctl (1)",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _commands(group: click.Group, above: click.Context) -> Iterator[str]:
    for name in group.list_commands(above):
        command = group.get_command(above, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=above)
        usage = " ".join(command.collect_usage_pieces(context))
        path = context.command_path.removeprefix("bewust ")
        yield from (".SS", f"{_escaped(path)} {_escaped(usage)}".rstrip(), _text(command.help or ""))
        yield from _options(command, context)
        if isinstance(command, click.Group):
            yield from _commands(command, context)


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and "--help" not in record[0]:
            yield from (".TP", rf"\fB{_escaped(record[0])}\fR", _escaped(record[1]))


def _text(words: str) -> str:
    """Return paragraphs as roff."""
    paragraphs = re.split(r"\n\s*\n", words.strip().replace("\b", ""))
    return "\n.PP\n".join(_escaped(" ".join(paragraph.split())) for paragraph in paragraphs)


def _escaped(words: str) -> str:
    words = words.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{words}" if words.startswith((".", "'")) else words


def completion() -> str:
    """Return the completion for bash, which asks the command itself."""
    return str(BashComplete(main, {}, "bewust", "_BEWUST_COMPLETE").source())


def changelog(version: str) -> str:
    """Return a changelog as Debian wants it, with the time of the last commit: the same source, the same file."""
    stamp = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=payload.ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    when = format_datetime(datetime.fromtimestamp(int(stamp or 0), UTC))
    return (
        f"bewust ({version}-1) unstable; urgency=medium\n\n  * CHANGELOG.md of the project says what is new.\n\n"
        f" -- Bewust <bewust@example.org>  {when}\n"
    )
