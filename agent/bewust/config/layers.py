"""The layers of a policy, the lowest first: ours, the organisation's folder, what the platform manages.

Belongs here: which files there are, in which order, laid over each other, and which layer a key comes
from. Not here: what a key may say (policy), how a platform is asked (platform_policy). LayerError for what
cannot be read.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from bewust.config import platform_policy
from bewust.config.platform_policy import Layer, LayerError

OURS = "policy.toml"
FOLDER = "policy.d"
KEPT = "managed.json"  # in a copy of the machine's folder: what its platform managed then
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def read_layers(overlay: Path | None = None) -> tuple[Layer, ...]:
    """Return our policy and the layers of `overlay` over it: a folder, or a single file. Raises LayerError."""
    return (_ours(), *([] if overlay is None else organisation_layers(overlay)))


def organisation_layers(overlay: Path) -> Iterator[Layer]:
    """Yield the layers of a folder, or of a single file. Raises LayerError."""
    if overlay == platform_policy.folder():
        yield from _folder(overlay)
        yield from platform_policy.layers()
    elif overlay.is_dir():
        yield from _folder(overlay)
        if (overlay / KEPT).is_file():
            yield from deserialise(platform_policy.read(overlay / KEPT))
    else:
        yield _file(overlay)


def serialise(overlay: Path | None) -> bytes | None:
    """Return what a copy of the folder must hold besides its files; None for nothing. Raises LayerError."""
    found = platform_policy.layers() if overlay == platform_policy.folder() else ()
    return msgspec.json.encode(found) if found else None


def deserialise(data: bytes) -> list[Layer]:
    """Return the layers that were packed. Raises LayerError."""
    try:
        return msgspec.json.decode(data, type=list[Layer])
    except ValueError as error:
        raise LayerError(f"{KEPT}: is damaged ({error}). Remove it.") from error


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with another over it: tables are joined, anything else is replaced."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        result[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def leaves(table: Mapping[str, Any], below: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value that is no table, with its dotted key."""
    for key, value in table.items():
        dotted = below + _quoted(key)
        if isinstance(value, dict):
            yield from leaves(value, f"{dotted}.")
        else:
            yield dotted, value


def origin(found: Sequence[Layer], dotted: str) -> str:
    """Return the name of the layer that a dotted key, of a value or a table, comes from; the highest of several."""
    return next((layer.name for layer in reversed(found) if dotted in _paths(layer.table)), OURS)


def _paths(table: Mapping[str, Any], below: str = "") -> Iterator[str]:
    for key, value in table.items():
        dotted = below + _quoted(key)
        yield dotted
        if isinstance(value, dict):
            yield from _paths(value, f"{dotted}.")


def _quoted(key: str) -> str:
    if _BARE.fullmatch(key):
        return key
    return msgspec.json.encode(key).decode().replace("\x7f", "\\u007f")  # what TOML and JSON do not agree on


def _ours() -> Layer:
    return Layer(OURS, platform_policy.toml(files("bewust_config").joinpath(OURS).read_text("utf-8"), OURS))


def _folder(folder: Path) -> Iterator[Layer]:
    if _exists(folder / OURS):
        yield _file(folder / OURS)
    if not _exists(folder / FOLDER):
        return
    try:
        names = sorted(path.name for path in (folder / FOLDER).iterdir())
    except OSError as error:
        raise LayerError(f"{folder / FOLDER}: cannot be read ({error.strerror}). Check its owner and mode.") from error
    for name in names:
        if name.endswith(".toml") and not name.startswith("."):  # with a dot: what an editor is writing
            yield _file(folder / FOLDER / name)


def _exists(path: Path) -> bool:
    """Whether anything has that name; a link to nowhere, or a folder that may not be read, is a mistake of somebody."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise LayerError(f"{path}: cannot be read ({error.strerror}). Check its owner and mode.") from error
    return True


def _file(file: Path) -> Layer:
    try:
        text = platform_policy.read(file).decode("utf-8-sig")  # Windows editors write a BOM
    except UnicodeDecodeError as error:
        raise LayerError(f"{file}: is not TOML ({error}). Save it as UTF-8.") from error
    return Layer(str(file), platform_policy.toml(text, str(file)))
