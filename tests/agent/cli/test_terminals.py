"""Every command on a terminal that knows ASCII alone, and with names that are no text: never a traceback."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bewust.cli.main import main

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a terminal there knows all signs, and a name is text")
ASCII = {"LC_ALL": "C", "LANG": "", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
NO_TEXT = os.fsdecode(b"h\xe9l")  # Latin-1, as on a disk of twenty years ago
# What a command needs to do something; {} is a folder of its own, {odd} a file whose name is no text.
ARGUMENTS = {
    "inspect": ["{odd}"], "catalogue search": ["één"], "catalogue show": ["chatgpt"], "catalogue check": ["{odd}"],
    "catalogue explain": ["https://één.example/é"], "catalogue import": ["{odd}"],
    "catalogue bundle": ["--key", "{odd}", "--out", "{odd}"], "catalogue keygen": ["--out", "{odd}"],
    "authority request": ["--out", "{odd}"], "authority import": ["{odd}"], "export": ["--preview"],
    "keeper new": ["één", "--out", "{odd}"], "keeper sum": ["{odd}", "--key", "{odd}"], "keeper open": ["{odd}"],
    "fleet report": ["{odd}"], "fleet simulate": ["--workstations", "1", "--out", "{}/fleet"],
    "policy check": ["{odd}"], "policy example": ["gemeente"], "simulate-day": ["{odd}"],
    "papers": ["--out", "{}/papers"],
    "support-bundle": ["--out", "{odd}"], "admin profile": ["--out", "{odd}"], "browse": ["https://één.example/"],
}  # fmt: skip
# Those that go on for ever, or change this machine; what these write is written by the others too.
LEFT_OUT = {"run", "service", "session", "admin install", "admin upgrade", "admin uninstall"}


def commands(of: click.Command = main, name: str = "") -> Iterator[str]:
    """Yield every command."""
    if isinstance(of, click.Group):
        for each, below in of.commands.items():
            yield from commands(below, f"{name} {each}".strip())
    else:
        yield name


EVERY = sorted(set(commands()) - LEFT_OUT)


def bewust(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG"))}
    return subprocess.run(
        [sys.executable, "-m", "bewust.cli.main", *arguments],
        cwd=folder,
        capture_output=True,
        check=False,
        timeout=120,
        env={**environment, **ASCII, "BEWUST_PASSPHRASE": "é" * 20, "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("command", EVERY)
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_command_on_an_ascii_terminal_and_a_file_whose_name_is_no_text(
    tmp_path: Path, command: str, form: str
) -> None:
    odd = tmp_path / NO_TEXT
    odd.write_bytes('één = "é\n'.encode())
    given = [part.replace("{odd}", str(odd)).replace("{}", str(tmp_path)) for part in ARGUMENTS.get(command, [])]
    more = ["--json"] if form == "json" else []
    done = bewust(tmp_path, "--state", str(tmp_path / "state"), *command.split(), *given, *more)
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    # How click says that a command is used wrongly is its own: UTF-8, also to an ASCII terminal.
    assert done.returncode == 2 or done.stderr.isascii(), done.stderr
    if form == "json" and done.returncode == 0:
        for line in done.stdout.decode("utf-8").splitlines():
            json.loads(line)
    elif command not in ("policy example", "policy schema"):
        assert done.stdout.isascii(), done.stdout


def test_what_a_command_is_for_can_be_read_on_every_terminal() -> None:
    helped = CliRunner().invoke(main, ["--help"]).output
    assert helped.isascii()
    for command in commands():
        assert CliRunner().invoke(main, [*command.split(), "--help"]).output.isascii(), command


def test_what_programs_read_is_whole_whatever_the_terminal_knows(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in bewust(tmp_path, "texts", "--json").stdout.decode("utf-8").splitlines()]
    assert any("ë" in str(row) or "é" in str(row) for row in rows)
    assert "�" not in bewust(tmp_path, "policy", "example", "gemeente").stdout.decode("utf-8")


@pytest.mark.parametrize("option", ["--state", "--config"])
@pytest.mark.parametrize("command", ["run", "status"])
def test_a_folder_whose_name_is_no_text_is_one_clear_error(tmp_path: Path, option: str, command: str) -> None:
    (folder := tmp_path / NO_TEXT).mkdir()
    done = bewust(tmp_path, option, str(folder), command)
    assert done.returncode == 2
    assert b"its name is not UTF-8. Use a folder with another name." in done.stderr
    assert list(folder.iterdir()) == []


def test_a_home_whose_name_is_no_text_is_one_clear_error(tmp_path: Path) -> None:
    (home := tmp_path / NO_TEXT).mkdir()
    done = bewust(home, "status")
    assert done.returncode == 2
    assert b"its name is not UTF-8" in done.stderr
