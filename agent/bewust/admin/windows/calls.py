"""What every call of Windows needs: its libraries, their types, and its errors as OSError."""

import sys
from typing import Any

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    ADVAPI32 = ctypes.WinDLL("advapi32", use_last_error=True)
    CRYPT32 = ctypes.WinDLL("crypt32", use_last_error=True)
    KERNEL32 = ctypes.WinDLL("kernel32", use_last_error=True)
    PSAPI = ctypes.WinDLL("psapi", use_last_error=True)
    HANDLE, TEXT, NUMBER, POINTER, BOOL = (
        wintypes.HANDLE, wintypes.LPCWSTR, wintypes.DWORD, wintypes.LPVOID, wintypes.BOOL,
    )  # fmt: skip

    def declare(functions: tuple[tuple[Any, Any, list[Any]], ...]) -> None:
        """Tell ctypes each function's result and arguments."""
        for function, result, arguments in functions:
            function.restype, function.argtypes = result, arguments

    def checked(succeeded: object) -> None:
        """Raise OSError with the last error of this thread where a call failed."""
        if not succeeded:
            raise ctypes.WinError(ctypes.get_last_error())

    def code(number: int) -> None:
        """Raise OSError for a call that returns its error."""
        if number:
            raise ctypes.WinError(number)
