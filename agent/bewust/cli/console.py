"""What every command shares: its options, its exit codes, and one line for every error."""

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import click

from bewust.errors import NOT_RUNNING, BewustError

# Where a service and its sessions meet.
SOCKET = (
    rf"{os.environ.get('PROGRAMDATA', r'C:\ProgramData')}\Bewust\run\session"
    if sys.platform == "win32"
    else "/run/bewust/session.sock"
)
EPILOG = """\b
Exit codes: 0 done; 1 a file could not be read, or a check found something;
2 usage; 3 a mistake in the catalogue, the policy or the texts; 4 the agent
cannot start; 5 no agent runs; 6 no browser; 7 the authority cannot be used;
8 the machine could not be changed, and is as it was."""


class Options:
    """What holds for every command: `config` is the folder that was given, or what `otherwise` finds when asked."""

    def __init__(self, state: Path, config: Path | None, otherwise: Callable[[], Path | None] = lambda: None) -> None:
        self.state = state
        self._config = config
        self._otherwise = otherwise

    @property
    def config(self) -> Path | None:
        """The organisation's folder, None where there is none."""
        return self._config or self._otherwise()


class LanguageCode(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """The code of a language there is a folder for, or one of `more`. They are looked for only when it is given."""

    name = "code"

    def __init__(self, *more: str) -> None:
        self._more = more

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the code, or refuse it with those there are."""
        from bewust.config import languages as config_languages

        with clear_errors():
            codes = [*config_languages.known(), *self._more]
        if value not in codes:
            self.fail(f"{value!r} is not one of {', '.join(codes)}.", param, ctx)
        return value


class NoAgentError(BewustError, RuntimeError):
    """No agent runs that could be asked."""

    exit_code = NOT_RUNNING

    def __init__(self, state: Path, detail: str = "") -> None:
        super().__init__(f"no agent runs with the state folder {state}{detail}. Start one: bewust run")


@contextlib.contextmanager
def clear_errors() -> Iterator[None]:
    """Turn an error of ours into one line and its own exit code."""
    try:
        yield
    except BewustError as error:
        fail(str(error), error.exit_code)


def fail(problem: str, code: int) -> NoReturn:
    """Write one line to standard error and end with an exit code."""
    # One line, whatever a file put into it: what does not print is shown as its code.
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in problem)
    warn(f"bewust: {line}")
    sys.exit(code)


def ask(state: Path, path: str, method: str = "GET") -> Any:
    """Ask the running agent over loopback, proving with its token that we are its person.

    Raises NoAgentError, also where an agent was killed and only what it wrote about itself is left.
    """
    from bewust.daemon import running_agent

    running = running_agent(state)
    if running is None:
        raise NoAgentError(state)
    from http.client import HTTPConnection, HTTPException

    connection = HTTPConnection("127.0.0.1", running.port, timeout=5)
    try:
        connection.request(method, path, headers={"Authorization": f"Bearer {running.token}"})
        with connection.getresponse() as answer:
            if answer.status != 200:  # somebody else's port by now
                raise NoAgentError(state)
            return json.loads(answer.read())
    except (OSError, HTTPException, ValueError):
        raise NoAgentError(state, f": process {running.pid}, the last one, does not answer") from None
    finally:
        connection.close()


def passphrase(variable: str, new: bool = False) -> str:
    """Return the passphrase of a key: from the environment, otherwise asked for, a `new` one twice."""
    if (given := os.environ.get(variable)) is not None:
        return given
    return str(click.prompt("Passphrase", hide_input=True, confirmation_prompt=new, err=True))


def fit_terminal() -> None:
    """Have what a terminal or a locale has no sign for written as "?", instead of ending in an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def say(line: str) -> None:
    """Write a line for a person to standard output."""
    click.echo(_as_text(line), file=sys.stdout)  # named: click would else write UTF-8 to an ASCII terminal


def warn(line: str) -> None:
    """Write a line to standard error."""
    click.echo(_as_text(line), file=sys.stderr)


def document(text: str) -> None:
    """Write what programs read, JSON or TOML: in a file or a pipe always UTF-8, whatever the locale is."""
    text = _as_text(text).removesuffix("\n")
    if sys.stdout.isatty():
        say(text)
    else:
        click.echo(text.encode())


def _as_text(line: str) -> str:
    return line.encode("utf-8", "replace").decode()  # a file name on Linux may be no text


class Folder(click.Path):
    """A folder whose name goes to other processes as JSON, so it must be text."""

    def __init__(self, *, exists: bool = False) -> None:
        super().__init__(path_type=Path, file_okay=False, exists=exists)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the folder as a Path; a usage error where its name is no UTF-8."""
        if _as_text(os.fsdecode(value)) != os.fsdecode(value):
            self.fail(f"{_as_text(os.fsdecode(value))!r}: its name is not UTF-8. Use a folder with another name.")
        return super().convert(value, param, ctx)
