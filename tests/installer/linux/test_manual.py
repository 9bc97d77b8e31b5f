"""The man page says what the command says, in roff that renders."""

import re
import shutil
import subprocess

import click
import pytest

from bewust.cli.main import main
from installer.linux import manual


def commands(group: click.Group, above: str = "") -> list[str]:
    found = []
    for name, command in group.commands.items():
        found.append(f"{above}{name}")
        if isinstance(command, click.Group):
            found += commands(command, f"{above}{name} ")
    return found


def test_every_command_is_in_it() -> None:
    page = manual.page("1.2.3").replace("\\-", "-")
    assert '.TH BEWUST 1 "" "Bewust 1.2.3"' in page
    for name in commands(main):
        assert re.search(rf"^\.SS\n{re.escape(name)}( |$)", page, re.MULTILINE), name
    assert "--state" in page and "Exit codes:" not in page and "\b" not in page


def test_no_line_is_taken_for_a_request() -> None:
    requests = {line.split()[0] for line in manual.page("1").splitlines() if line.startswith((".", "'"))}
    assert requests <= {".TH", ".SH", ".SS", ".TP", ".PP", ".B", ".BR"}


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed")
def test_it_renders_without_a_warning() -> None:
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww"], input=manual.page("1"), capture_output=True, text=True, check=True
    )
    assert done.stderr == "" and "NAME" in done.stdout


def test_the_completion_asks_the_command_itself() -> None:
    text = manual.completion()
    assert "_BEWUST_COMPLETE=bash_complete" in text
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_the_changelog_is_one_of_debian() -> None:
    lines = manual.changelog("1.2.3").splitlines()
    assert lines[0] == "bewust (1.2.3-1) unstable; urgency=medium"
    assert re.fullmatch(r" -- Bewust <\S+@\S+>  \w{3}, \d{2} \w{3} \d{4} [\d:]{8} [+-]\d{4}", lines[-1])
