r"""What belongs to the machine: its own configuration folder, and what the platform manages over it.

Group policy writes into the Windows registry, an MDM profile becomes a property list on macOS; Linux has
no more than the folder. Belongs here: reading both as plain tables, each with a name for error messages.
Not here: what a key means. HKEY_CURRENT_USER and a person's own preferences are never read.

Sources: Microsoft's registry-based policies are kept below HKLM\Software\Policies; Apple's configuration
profiles appear in /Library/Managed Preferences, where only the system writes.
"""

import hashlib
import os
import plistlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from xml.parsers.expat import ExpatError

import tomli

from bewust.errors import CONFIG, BewustError
from bewust.system.registry import Reader, local_machine

KEY = r"Software\Policies\Bewust"
REGISTRY = rf"registry HKLM\{KEY}"
TEXT = "policy"  # the registry value that holds TOML
PLIST = Path("/Library/Managed Preferences/nl.bewust.plist")
_READABLE = {1: "REG_SZ", 2: "REG_EXPAND_SZ", 4: "REG_DWORD", 7: "REG_MULTI_SZ"}


class LayerError(BewustError, ValueError):
    """A layer of the policy cannot be read: names the file or registry value, what is wrong, the remedy."""

    exit_code = CONFIG


class Layer(NamedTuple):
    """One part of a policy: where it was written, and what. `loose`: numbers and texts stand for yes and no."""

    name: str
    table: dict[str, Any]
    loose: bool = False


def folder(platform: str = sys.platform, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the machine's own configuration folder, which need not exist; only an administrator writes there."""
    if platform == "win32":
        return Path(environment.get("ProgramData", r"C:\ProgramData"), "Bewust", "config")
    return Path("/Library/Application Support/Bewust" if platform == "darwin" else "/etc/bewust")


def layers() -> tuple[Layer, ...]:
    """Return what this machine's platform manages, the last one counting most. Raises LayerError."""
    registry = local_machine()
    if registry is not None:
        return of_registry(registry)
    return of_plist(PLIST) if sys.platform == "darwin" else ()


def mark() -> tuple[str, int, int] | None:
    """Return a name, a digest and a length that change with what the platform manages; None where nothing is."""
    registry = local_machine()
    try:
        if registry is not None:
            data = repr(sorted(registry.values(KEY), key=repr)).encode()
            name = REGISTRY
        elif sys.platform == "darwin":
            data, name = PLIST.read_bytes(), str(PLIST)
        else:
            return None
    except OSError:
        return None
    return name, int.from_bytes(hashlib.sha256(data).digest()[:8]), len(data)


def of_registry(registry: Reader) -> tuple[Layer, ...]:
    """Return the TOML of the value `policy`, and over it the other values, whose names are dotted keys.

    REG_DWORD is a number or yes and no, REG_SZ a text, REG_MULTI_SZ a list. Raises LayerError.
    """
    try:
        values = list(registry.values(KEY))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise LayerError(f"{REGISTRY}: cannot be read ({error.strerror}). Check who may read that key.") from error
    found, table = [], dict[str, Any]()
    for name, data, kind in sorted(values, key=lambda value: value[0]):
        where = f"{REGISTRY}: {name}"
        if kind not in _READABLE:
            raise LayerError(f"{where}: is of a type that is not read. Use one of {', '.join(_READABLE.values())}.")
        if name.lower() == TEXT:
            lines = data if isinstance(data, list) else [str(data)]  # an editor of group policy keeps lines apart
            found.append(Layer(where, toml("\n".join(lines), where)))
        elif name:  # the nameless one is what regedit shows as (Default)
            _put(table, name, data, where)
    return (*found, Layer(REGISTRY, table, loose=True)) if table else tuple(found)


def of_plist(file: Path) -> tuple[Layer, ...]:
    """Return the dictionary of a property list, xml or binary; nothing where there is no file. Raises LayerError."""
    if not os.path.lexists(file):
        return ()
    data = read(file)
    try:
        table = plistlib.loads(data)
    except (ValueError, OverflowError, RecursionError, ExpatError) as error:
        raise LayerError(f"{file}: is no property list ({error}). Correct the profile that it comes from.") from error
    if not isinstance(table, dict):
        raise LayerError(f"{file}: is no dictionary. Correct the profile that it comes from.")
    # A profile leaves its own identifiers beside the settings.
    return (Layer(str(file), {key: value for key, value in table.items() if not str(key).startswith("Payload")}),)


def toml(text: str, where: str) -> dict[str, Any]:
    """Return the table that a text is; `where` names it in the error. Raises LayerError."""
    try:
        return tomli.loads(text)
    except (ValueError, RecursionError) as error:  # not only TOMLDecodeError: also a number too long
        raise LayerError(f"{where}: is not TOML ({error}). Mend the line it names.") from error


def read(file: Path) -> bytes:
    """Return what a file holds, and of no pipe or device, which might never end. Raises LayerError."""
    try:
        if file.exists() and not file.is_file():
            raise LayerError(f"{file}: is no ordinary file. Put one there, not a folder, a pipe or a device.")
        return file.read_bytes()
    except OSError as error:
        raise LayerError(f"{file}: cannot be read ({error.strerror}). Check the name, owner and mode.") from error


def _put(table: dict[str, Any], dotted: str, data: Any, where: str) -> None:
    *path, last = dotted.split(".")
    for part in path:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise LayerError(f"{where}: {part} has a value of its own. Remove one of the two.")
    if last in table:
        raise LayerError(f"{where}: there are values below it too. Remove it, or those.")
    table[last] = data
