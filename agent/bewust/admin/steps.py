"""Steps that change a machine: all of them or none, and each one can be taken back.

Belongs here: order, what happens when one fails, the log. Not here: any platform.
"""

import contextlib
import logging
import logging.handlers
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import msgspec

from bewust.errors import AdminError

_log = logging.getLogger(__name__)
PORT = 8787
LOG_BYTES = 1 << 20  # of the log file; one older one is kept


class Choices(msgspec.Struct, frozen=True):
    """What an administrator chose; kept by an upgrade. `upstream` is the organisation's own proxy, "" for none."""

    port: int = PORT
    upstream: str = ""


class Step(Protocol):
    """One change of a machine. `name` is for the log: "proxy policies"."""

    name: str

    def done(self) -> str | None:
        """Return None where the step is in force, else in words what is not."""

    def do(self, back: ExitStack) -> None:
        """Bring it about; harmless where it is. What restores the state of before goes onto `back`.

        Raises AdminError or OSError.
        """

    def undo(self) -> None:
        """Take back what is ours, and nothing else; harmless where there is nothing."""


class Machine(Protocol):
    """A platform's own steps, in the order in which they are brought about.

    That order is files, processes, trust, policies: nothing is routed to a port before somebody
    listens there and is trusted. Taking back goes the other way round.
    """

    log: Path
    choices: Choices

    def __init__(self, chosen: Choices | None = None) -> None:
        """`chosen` None: what was chosen before, or the defaults."""

    def steps(self) -> Sequence[Step]:
        """Return the steps of this platform."""

    def verify(self) -> str | None:
        """Try the result with a real handshake; None: it holds. In words why it could not be tried.

        Raises AdminError where it was tried and failed.
        """

    def purge(self) -> None:
        """After everything was taken back: remove the authority, the counters and the settings too."""


def install(machine: Machine) -> str | None:
    """Bring every step about; what a failure leaves is what was there before. Return verify's words.

    Raises AdminError.
    """
    try:
        with ExitStack() as back:
            for step in machine.steps():
                with _named(step.name):
                    step.do(back)
                _log.info("%s: done", step.name)
            with _named("verification"):
                remark = machine.verify()
            _log.info("verification: %s", remark or "a handshake through the agent holds")
            back.pop_all()
            return remark
    except OSError as error:  # what a step raises is told by _named
        with _named(f"{error.__context__ or 'it failed'} And putting back what was there"):
            raise
    raise AssertionError("an ExitStack whose callbacks swallow nothing")


def uninstall(machine: Machine, purge: bool) -> list[str]:
    """Take back every step, the last first, and go on where one fails; return what failed."""
    failed = []
    for step in reversed(machine.steps()):
        try:
            with _named(step.name):
                step.undo()
            _log.info("%s: taken back", step.name)
        except AdminError as error:
            _log.error("%s", error)
            failed.append(str(error))
    if purge and not failed:
        with _named("purge"):
            machine.purge()
        _log.info("purged")
    return failed


def status(machine: Machine) -> dict[str, str | None]:
    """Return for each step None where it is in force, else what is not."""
    found: dict[str, str | None] = {}
    for step in machine.steps():
        try:
            found[step.name] = step.done()
        except (AdminError, OSError) as error:
            found[step.name] = str(error)
    return found


@contextlib.contextmanager
def _named(name: str) -> Iterator[None]:
    """Turn what the system says into one line that names the step; log it."""
    try:
        yield
    except OSError as error:
        _log.error("%s: %s", name, error)
        where = f"{error.filename}: " if error.filename else ""
        raise AdminError(f"{name}: {where}{error.strerror or error}. Mend that, and run the same again.") from error
    except AdminError as error:
        _log.error("%s: %s", name, error)
        raise


@contextlib.contextmanager
def logging_to(file: Path) -> Iterator[None]:
    """Log into one file for as long as a verb runs; it says what was changed, and nothing of a person.

    A file that cannot be written is no reason not to install: then there is no log.
    """
    root = logging.getLogger(__package__)
    handler: logging.Handler
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(file, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8")
    except OSError:
        handler = logging.NullHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root.setLevel(logging.INFO)
    root.propagate = False
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
