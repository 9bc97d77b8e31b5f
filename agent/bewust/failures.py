"""Our own mistakes while running: counted by place and class, never with a text that could name what somebody did."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Mapping

LIMIT = 50  # different ones remembered


class Failures(dict[str, int]):
    """How often what went wrong where: "visit: KeyError" -> n."""

    def note(self, where: str, error: str) -> None:
        """Count one; `error` is a class name."""
        key = f"{where}: {error}"
        if key in self or len(self) < LIMIT:
            self[key] = self.get(key, 0) + 1

    @contextlib.contextmanager
    def guard(self, where: str) -> Iterator[None]:
        """Count an exception of ours and go on: browsing never breaks."""
        try:
            yield
        except Exception as error:  # noqa: BLE001
            self.note(where, type(error).__name__)

    @contextlib.contextmanager
    def heard(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Count what the event loop and the libraries would write to standard error, for as long as that lasts."""
        loop.set_exception_handler(self._complained)
        logged = _Logged(self)
        logging.getLogger().addHandler(logged)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(logged)

    def _complained(self, loop: asyncio.AbstractEventLoop, about: Mapping[str, object]) -> None:
        self.note("loop", type(about.get("exception")).__name__)


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
        self._failures.note(record.name, kind.__name__ if kind else "error")
