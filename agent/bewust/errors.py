"""The base of every error of ours, and the exit codes of `bewust`.

Imports nothing of ours: a command turns an error into one line and a code without knowing which part raised it.
"""

from typing import ClassVar, Final

READ_FAILED: Final = 1
CONFIG: Final = 3
CANNOT_START: Final = 4
NOT_RUNNING: Final = 5
NO_BROWSER: Final = 6
AUTHORITY: Final = 7
ADMIN: Final = 8


class BewustError(Exception):
    """Something that a person can mend: its text names the file or entry, what is wrong, and the remedy.

    `exit_code` is that of the command which ends with it.
    """

    exit_code: ClassVar[int] = READ_FAILED


class AgentError(BewustError):
    """The agent cannot start: says why and what to do."""

    exit_code = CANNOT_START


class AdminError(BewustError, RuntimeError):
    """The machine cannot be changed so: says why and what to do."""

    exit_code = ADMIN
