r"""Reading the Windows registry below HKEY_LOCAL_MACHINE, of which everything that reads it here is a user.

Belongs here: the one reader, always of the 64-bit view, where policies are. Not here: what a key means, or setting
values (admin.windows_registry).
"""

import sys
from collections.abc import Sequence
from typing import Any, Protocol


class Reader(Protocol):
    """What is asked of the registry, so that tests can give answers of their own. Both raise OSError.

    FileNotFoundError where the key is absent.
    """

    def values(self, key: str) -> Sequence[tuple[str, Any, int]]:
        """Return name, data and type of each value of a key."""
        ...

    def keys(self, key: str) -> Sequence[str]:
        """Return the names of the keys right below a key."""
        ...


if sys.platform == "win32":
    import winreg

    class LocalMachine:
        """The machine's own registry."""

        def values(self, key: str) -> list[tuple[str, Any, int]]:
            with opened(key) as k:
                return [winreg.EnumValue(k, n) for n in range(winreg.QueryInfoKey(k)[1])]

        def keys(self, key: str) -> list[str]:
            with opened(key) as k:
                return [winreg.EnumKey(k, n) for n in range(winreg.QueryInfoKey(k)[0])]

    def opened(key: str, access: int = winreg.KEY_READ) -> winreg.HKEYType:
        """Open a key in the 64-bit view."""
        return winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key, 0, winreg.KEY_WOW64_64KEY | access)


def local_machine() -> Reader | None:
    """Return this machine's registry; None where there is none."""
    if sys.platform == "win32":
        return LocalMachine()
    return None
