"""Our own mistakes while running: counted by place and class, never with a text that could name what somebody did."""

import asyncio
import contextlib
import logging
import re
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path

LIMIT = 50  # different ones remembered
# Whose lines are told: this package, wherever it lies, and the inspector's.
PACKAGE, INSPECTOR = Path(__file__).parents[1], "bewust_addons"


_FILE = re.compile(r"[A-Za-z0-9_]{1,37}\.py")
_FRAME = re.compile(r'\s+File "([^"\n]+)", line ([0-9]+)')
_RAISED = re.compile(r"(?:[A-Za-z_0-9]+\.)*([A-Z][A-Za-z]{1,60})(?::.*)?")


def place_of(error: BaseException | None) -> str:
    """Return the line of ours that an exception came from, and a library's where it is deeper: "a:1, b:2"."""
    frames = traceback.extract_tb(error.__traceback__) if error is not None else []
    return _place([(frame.filename, frame.lineno or 0) for frame in frames])


def _place(frames: list[tuple[str, int]]) -> str:
    found = [(Path(file), line) for file, line in frames if _FILE.fullmatch(Path(file).name)]
    found = [frame for frame in found if frame[0].name != Path(__file__).name]  # where it was caught
    ours = [frame for frame in found if frame[0].is_relative_to(PACKAGE) or INSPECTOR in frame[0].parts[:-1]]
    return ", ".join(f"{file.stem}:{line}" for file, line in dict.fromkeys([*ours[-1:], *found[-1:]]))


def last_error(written: str) -> tuple[str, str]:
    """Return class and place of the last exception in what a Python process wrote to standard error; "" for none.

    Nothing else of it: its text could name what somebody did.
    """
    trace = written.rpartition("Traceback (most recent call last):")[2].splitlines()
    frames = [(match[1], int(match[2])) for match in map(_FRAME.match, trace) if match]
    raised = [match[1] for match in map(_RAISED.fullmatch, trace) if match]
    return (raised[0], _place(frames)) if frames and raised else ("", "")


class Failures(dict[str, int]):
    """How often what went wrong where: "visit: KeyError (app:12)" -> n."""

    def record(self, where: str, error: str, place: str = "") -> None:
        """Count one; `error` is a class name, `place` as `place_of` returns it."""
        key = f"{where}: {error}" + (f" ({place})" if place else "")
        if key in self or len(self) < LIMIT:
            self[key] = self.get(key, 0) + 1

    @contextlib.contextmanager
    def guard(self, where: str) -> Iterator[None]:
        """Count an exception of ours and go on: browsing never breaks."""
        try:
            yield
        except Exception as error:  # noqa: BLE001
            self.record(where, type(error).__name__, place_of(error))

    @contextlib.contextmanager
    def capture_loop_errors(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Count what the event loop and the libraries would write to standard error, for as long as that lasts."""
        loop.set_exception_handler(self._on_loop_error)
        logged = _Logged(self)
        logging.getLogger().addHandler(logged)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(logged)

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, about: Mapping[str, object]) -> None:
        error = about.get("exception")
        self.record("loop", type(error).__name__, place_of(error if isinstance(error, BaseException) else None))


class _Logged(logging.Handler):
    """Counts what a library logs as an error; without a handler Python would write all of it to standard error."""

    def __init__(self, failures: Failures) -> None:
        super().__init__(logging.ERROR)
        self._failures = failures

    def emit(self, record: logging.LogRecord) -> None:
        """Count it by its class, without its text."""
        kind = record.exc_info[0] if record.exc_info else None
        if kind is not None and kind.__module__.startswith("h11"):
            return  # a client broke its own connection to the page
        self._failures.record(
            record.name, kind.__name__ if kind else "error", place_of(record.exc_info[1] if record.exc_info else None)
        )
