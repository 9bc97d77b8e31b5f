"""The Windows service: what its control manager asks of a process, and hears from it.

Belongs here: that conversation, and asking the manager for the process of a service. Not here: what is served
(daemon.app), installing one (admin.windows_services). Sources: "Service programs" and "Service control handler
function"
in Microsoft's documentation.
"""

import os
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TextIO

NAME = "Bewust"
RENEW = "renew"  # the argument of a start that is to bring the authority up to date
END_SECONDS = 30.0  # for a clean stop; measured: under 2 s
LOG_BYTES = 1 << 20  # of the log, which is then begun anew; one older one is kept

STOPPED, STARTING, STOPPING, RUNNING = 1, 2, 3, 4
_STOP, _INTERROGATE, _SHUTDOWN = 1, 4, 5
_ACCEPTED = 0x1 | 0x4  # stop, shutdown
_HINT = 60_000  # ms without a sign of life, until when we ask for patience
_SPECIFIC = 1066  # ERROR_SERVICE_SPECIFIC_ERROR: the code is our own
_UNKNOWN = 120  # ERROR_CALL_NOT_IMPLEMENTED


class Control:
    """One run of the service. `tell` takes a state and an exit code to the manager, where there is one."""

    def __init__(self, tell: Callable[[int, int], None] = lambda state, code: None) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._stop: Callable[[], None] | None = None
        self._stopping = False

    def started(self) -> None:
        """Tell that it serves now."""
        with self._lock:
            if not self._stopping:
                self._tell(RUNNING, 0)

    def on_stop(self, stop: Callable[[], None]) -> None:
        """Have `stop` called, from another thread, when the manager wants an end; at once if it did already."""
        with self._lock:
            self._stop, stopping = stop, self._stopping
        if stopping:
            stop()

    def asked(self, control: int) -> int:
        """Answer one control of the manager."""
        if control in (_STOP, _SHUTDOWN):
            with self._lock:
                self._stopping, stop = True, self._stop
                self._tell(STOPPING, 0)
            if stop is not None:
                stop()
        return 0 if control in (_STOP, _SHUTDOWN, _INTERROGATE) else _UNKNOWN


type Work = Callable[[list[str], Control], None]  # what is served, given the arguments of the start


def worked(work: Work, arguments: list[str], control: Control, log: Path) -> int:
    """Do the work with all that it says in a log, since nobody sees a service; return its exit code."""
    with _opened(log) as file, redirect_stdout(file), redirect_stderr(file):
        try:
            work(arguments, control)
        except SystemExit as ended:
            return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        except BaseException:  # noqa: BLE001 - whatever it is, the manager must hear that it ended
            traceback.print_exc(file=file)
            return 1
    return 0


def _opened(log: Path) -> TextIO:
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.is_file() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".old"))
    return log.open("a", encoding="utf-8", buffering=1)


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)
    _MAIN = ctypes.WINFUNCTYPE(None, wintypes.DWORD, ctypes.POINTER(wintypes.LPWSTR))
    _HANDLER = ctypes.WINFUNCTYPE(wintypes.DWORD, wintypes.DWORD, wintypes.DWORD, wintypes.LPVOID, wintypes.LPVOID)
    _NOT_BY_THE_MANAGER = 1063  # ERROR_FAILED_SERVICE_CONTROLLER_CONNECT
    _CONNECT, _QUERY_STATUS = 0x1, 0x4

    class _Status(ctypes.Structure):
        _fields_ = [(name, wintypes.DWORD) for name in (
            "type", "state", "accepted", "exit_code", "specific", "check_point", "hint", "pid", "flags",
        )]  # fmt: skip

    class _Entry(ctypes.Structure):
        _fields_ = [("name", wintypes.LPWSTR), ("main", _MAIN)]

    _advapi32.RegisterServiceCtrlHandlerExW.argtypes = [wintypes.LPCWSTR, _HANDLER, wintypes.LPVOID]
    _advapi32.RegisterServiceCtrlHandlerExW.restype = wintypes.HANDLE
    _advapi32.SetServiceStatus.argtypes = [wintypes.HANDLE, ctypes.POINTER(_Status)]
    for _open in (_advapi32.OpenSCManagerW, _advapi32.OpenServiceW):
        _open.restype = wintypes.HANDLE
    _advapi32.OpenSCManagerW.argtypes = [wintypes.LPCWSTR, wintypes.LPCWSTR, wintypes.DWORD]
    _advapi32.OpenServiceW.argtypes = [wintypes.HANDLE, wintypes.LPCWSTR, wintypes.DWORD]
    _advapi32.CloseServiceHandle.argtypes = [wintypes.HANDLE]
    _advapi32.QueryServiceStatusEx.argtypes = [
        wintypes.HANDLE, ctypes.c_int, wintypes.LPVOID, wintypes.DWORD, wintypes.LPDWORD,
    ]  # fmt: skip

    def ran(work: Work, log: Path) -> bool:
        """Be the service until it ends; False where this process was not started as one. Raises OSError."""

        def tell(state: int, code: int) -> None:
            moving = state in (STARTING, STOPPING)
            status = _Status(
                type=0x10, state=state, accepted=_ACCEPTED if state == RUNNING else 0,
                exit_code=_SPECIFIC if code else 0, specific=code, check_point=moving, hint=_HINT * moving,
            )  # fmt: skip
            _advapi32.SetServiceStatus(handles[0], ctypes.byref(status))

        @_HANDLER
        def handler(control: int, kind: int, data: int, context: int) -> int:
            if control in (_STOP, _SHUTDOWN):
                limit = threading.Timer(END_SECONDS, end)
                limit.daemon = True
                limit.start()
            return held.asked(control)

        def end() -> None:
            """End what does not end by itself; it has written its counters long before."""
            tell(STOPPED, 0)
            os._exit(0)

        @_MAIN
        def main(count: int, arguments: object) -> None:
            handles.append(_advapi32.RegisterServiceCtrlHandlerExW(NAME, handler, None))
            tell(STARTING, 0)
            tell(STOPPED, worked(work, [arguments[n] for n in range(1, count)], held, log))  # type: ignore[index]

        handles: list[int] = []
        held = Control(tell)
        table = (_Entry * 2)(_Entry(NAME, main), _Entry(None, _MAIN()))
        if _advapi32.StartServiceCtrlDispatcherW(table):
            return True
        if ctypes.get_last_error() == _NOT_BY_THE_MANAGER:
            return False
        raise ctypes.WinError(ctypes.get_last_error())

    def process() -> int | None:
        """Return the id of the process of our service, None where it does not run. Raises OSError.

        Anybody who is logged in may ask.
        """
        manager = _advapi32.OpenSCManagerW(None, None, _CONNECT)
        if not manager:
            raise ctypes.WinError(ctypes.get_last_error())
        try:
            service = _advapi32.OpenServiceW(manager, NAME, _QUERY_STATUS)
            if not service:
                raise ctypes.WinError(ctypes.get_last_error())
            try:
                status, size = _Status(), wintypes.DWORD(0)
                if not _advapi32.QueryServiceStatusEx(
                    service, 0, ctypes.byref(status), ctypes.sizeof(status), ctypes.byref(size)
                ):
                    raise ctypes.WinError(ctypes.get_last_error())
                return status.pid or None
            finally:
                _advapi32.CloseServiceHandle(service)
        finally:
            _advapi32.CloseServiceHandle(manager)
