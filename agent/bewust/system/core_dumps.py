"""No memory of this process in a file: a dump would hold requests, cookies and the authority's key.

RLIMIT_CORE alone does not do it: Linux ignores it where core_pattern is a pipe (core(5)), as with systemd-coredump
and apport. PR_SET_DUMPABLE (prctl(2)) is obeyed there too, and keeps other processes of the same account from
reading this one's memory. A process that it starts has to ask for itself again.
"""

import contextlib
import ctypes
import sys

_PR_SET_DUMPABLE = 4
_WER_FAULT_REPORTING_FLAG_NOHEAP = 1


def forbid() -> None:
    """Have the system write no dump of this process: none on Linux and macOS, on Windows none with its heap.

    Windows has no way to forbid a dump that an administrator set up (LocalDumps); docs/security.md says so.
    """
    if sys.platform == "win32":
        with contextlib.suppress(AttributeError, OSError):
            ctypes.windll.wer.WerSetFlags(_WER_FAULT_REPORTING_FLAG_NOHEAP)
        return
    import resource  # noqa: PLC0415 - not on Windows

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
