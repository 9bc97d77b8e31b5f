"""Values below HKEY_LOCAL_MACHINE that a step sets, and puts back as they were.

Belongs here: one value at a time, by a record of what was there before. Not here: which values (browsers).
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from typing import NamedTuple, Protocol

from bewust.admin.record import Data, InstalledValue, Record
from bewust.errors import AdminError

TEXT, NUMBER = 1, 4  # REG_SZ, REG_DWORD


class Value(NamedTuple):
    """One value: of which key, under which name, and what. A number is a REG_DWORD, else it is a text."""

    key: str
    name: str
    data: Data

    def __str__(self) -> str:
        return rf"HKLM\{self.key}\{self.name}"


class Registry(Protocol):
    """What is done to the registry below HKEY_LOCAL_MACHINE. Every method raises OSError."""

    def value(self, key: str, name: str) -> tuple[object, int] | None:
        """Return data and type of a value, None where it or its key is absent."""

    def names(self, key: str) -> list[str]:
        """Return the names of the values of a key, [] where it is absent."""

    def exists(self, key: str) -> bool:
        """Whether a key is there."""

    def put(self, key: str, name: str, data: Data) -> None:
        """Set a value, making its key and those above it."""

    def drop(self, key: str, name: str) -> None:
        """Remove a value that is there."""

    def drop_if_empty(self, key: str) -> None:
        """Remove a key that has no values and no keys below it; harmless where it has, or is absent."""


class Place(Protocol):
    """What these steps need of the machine."""

    record: Record

    @property
    def registry(self) -> Registry:
        """The machine's registry."""

    def remember(self, back: ExitStack) -> None:
        """Write the record down."""


def set_value(place: Place, wanted: Iterable[Value], back: ExitStack) -> None:
    """Set values, having recorded what was there. AdminError for one that is of a type that cannot be put back."""
    for value in wanted:
        registry, laid = place.registry, place.record.laid_values
        now = read(registry, value.key, value.name)
        before = laid.get(str(value))
        if now == value.data and before is not None:
            continue
        was = before.before if before is not None and now == before.left else now
        if was == value.data:  # nobody else says this: it is ours, of an installation whose record is lost
            was = None
        laid[str(value)] = InstalledValue(value.key, value.name, was, value.data)
        made = [key for key in _above(value.key) if not registry.exists(key)]
        place.record.keys = list(dict.fromkeys([*place.record.keys, *made]))
        place.remember(back)
        for key in reversed(made):
            back.callback(registry.drop_if_empty, key)
        back.callback(_restore, registry, value, now)
        registry.put(*value)


def restore(place: Place, below: Iterable[str]) -> None:
    """Put back the values of these keys, and of keys below them; what others changed since stays as it is."""
    registry, folders = place.registry, [key.lower() for key in below]

    def ours(key: str) -> bool:
        return any(key.lower() == folder or key.lower().startswith(folder + "\\") for folder in folders)

    for where, laid in list(place.record.laid_values.items()):
        if ours(laid.key):
            if read(registry, laid.key, laid.name) == laid.left:
                _restore(registry, Value(laid.key, laid.name, laid.left), laid.before)
            del place.record.laid_values[where]
    for key in sorted(place.record.keys, key=len, reverse=True):
        if ours(key) or any(folder.startswith(key.lower() + "\\") for folder in folders):
            registry.drop_if_empty(key)
    place.record.keys = [key for key in place.record.keys if registry.exists(key)]
    with ExitStack() as done:
        place.remember(done)
        done.pop_all()


def is_ours(record: Record, value: Value) -> bool:
    """Whether we set a value to what it is, now or by an older choice."""
    laid = record.laid_values.get(str(value))
    return laid is not None and laid.left == value.data


def read(registry: Registry, key: str, name: str) -> Data | None:
    """Return a value; None where it is absent. AdminError where it is of a type that we could not put back."""
    found = registry.value(key, name)
    if found is None:
        return None
    data, kind = found
    if kind == TEXT and isinstance(data, str):
        return data
    if kind == NUMBER and isinstance(data, int):
        return data
    raise AdminError(f"{Value(key, name, '')}: is of a type that no browser reads there. Remove it.")


def _restore(registry: Registry, value: Value, before: Data | None) -> None:
    if before is not None:
        registry.put(value.key, value.name, before)
    elif registry.value(value.key, value.name) is not None:
        registry.drop(value.key, value.name)


def _above(key: str) -> Iterator[str]:
    """Yield a key and those above it, the deepest first, but for the one below HKEY_LOCAL_MACHINE."""
    while "\\" in key:
        yield key
        key = key.rpartition("\\")[0]


if sys.platform == "win32":
    import winreg

    from bewust.system import registry as reading

    class LocalMachine(reading.LocalMachine):
        """The machine's own registry."""

        def value(self, key: str, name: str) -> tuple[object, int] | None:
            with suppress(FileNotFoundError), reading.opened(key) as k:
                return winreg.QueryValueEx(k, name)
            return None

        def names(self, key: str) -> list[str]:
            with suppress(FileNotFoundError):
                return [name for name, _, _ in self.values(key)]
            return []

        def exists(self, key: str) -> bool:
            with suppress(FileNotFoundError), reading.opened(key):
                return True
            return False

        def put(self, key: str, name: str, data: Data) -> None:
            access = winreg.KEY_WOW64_64KEY | winreg.KEY_WRITE
            with winreg.CreateKeyEx(winreg.HKEY_LOCAL_MACHINE, key, 0, access) as k:
                winreg.SetValueEx(k, name, 0, NUMBER if isinstance(data, int) else TEXT, data)

        def drop(self, key: str, name: str) -> None:
            with reading.opened(key, winreg.KEY_WRITE) as k:
                winreg.DeleteValue(k, name)

        def drop_if_empty(self, key: str) -> None:
            with suppress(FileNotFoundError):
                if not self.keys(key) and not self.values(key):
                    winreg.DeleteKeyEx(winreg.HKEY_LOCAL_MACHINE, key, winreg.KEY_WOW64_64KEY, 0)
