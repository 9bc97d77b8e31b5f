"""What each browser of this machine is told by policy, all sources laid together as the browser does.

Belongs here: a reader for each platform. Not here: what we would tell (admin.policies), or what to make
of it (browsing). Sources: the administrators' pages of Chrome, Edge and Firefox on where each platform
keeps policies. Only Linux's was tried on a real browser; the other two are read as documented.
"""

import json
import plistlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from bewust.browsers import known, linux
from bewust.browsers import policies as browsers_policies
from bewust.browsers.known import Family
from bewust.errors import AdminError
from bewust.system.registry import Reader, local_machine


class EffectivePolicy(msgspec.Struct, frozen=True):
    """One browser's policies. `origin` names the file or key that each is from; `wrong` why none could be read."""

    browser: str
    firefox: bool
    policies: Mapping[str, Any]
    origin: Mapping[str, str]
    wrong: str = ""


def effective_policies(
    root: Path, platform: str = sys.platform, registry: Reader | None = None
) -> list[EffectivePolicy]:
    """Return the browsers that are found below `root`, "/" but for tests, and what each is told."""
    if platform == "win32":
        return list(_windows(registry or local_machine()))
    return list(_macos(root) if platform == "darwin" else _linux(root))


# Linux: files.


def _linux(root: Path) -> Iterator[EffectivePolicy]:
    for one in linux.installed(root):
        if one.browser.family is Family.CHROMIUM:
            yield _read(one.name, False, lambda folder=root / one.build.folder: _folder(folder))  # type: ignore[misc]
        else:
            files = [one.file(root), *(root / path for path in one.build.older)]
            yield _read(one.name, True, lambda files=files: _firefox_file(files))  # type: ignore[misc]


def _read(
    browser: str, firefox: bool, read: Callable[[], tuple[Mapping[str, Any], Mapping[str, str]]]
) -> EffectivePolicy:
    try:
        return EffectivePolicy(browser, firefox, *read())
    except AdminError as error:
        return EffectivePolicy(browser, firefox, {}, {}, str(error))
    except OSError as error:
        return EffectivePolicy(browser, firefox, {}, {}, f"{error.filename}: cannot be read ({error.strerror}).")


def _folder(folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Of one key the file that comes last counts; a list is laid together where that is asked for."""
    table: dict[str, Any] = {}
    origin: dict[str, str] = {}
    lists: dict[str, list[Any]] = {}
    for file in sorted(folder.glob("*.json")):
        for key, value in linux.read(file).items():
            table[key], origin[key] = value, str(file)
            if isinstance(value, list):
                lists.setdefault(key, []).extend(value)
    merged = table.get(browsers_policies.MERGED)
    for key in merged if isinstance(merged, list) else ():
        if isinstance(key, str) and key in lists:
            table[key] = lists[key]
    return table, origin


def _firefox_file(files: Iterable[Path]) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    for file in files:
        if file.is_file():
            found = linux.read(file).get("policies", {})
            if not isinstance(found, dict):
                raise AdminError(f"{file}: policies is no object.")
            return found, dict.fromkeys(found, str(file))
    return {}, {}


# Windows: the registry.

APP_PATHS = r"SOFTWARE\Microsoft\Windows\CurrentVersion\App Paths"


def _windows(registry: Reader | None) -> Iterator[EffectivePolicy]:
    if registry is None:
        raise AdminError("the registry is Windows's. Look on a Windows machine.")
    present = {name.lower() for name in _keys(registry, APP_PATHS)}
    for browser in known.KNOWN:
        if browser.windows is not None and browser.windows.program in present:
            key, firefox = browser.windows.key, browser.family is Family.FIREFOX
            yield _read(browser.name, firefox, lambda key=key: _key(registry, key))  # type: ignore[misc]


def _key(registry: Reader, key: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    found = _tree(registry, key)
    return found, {name: rf"HKLM\{key}\{name}" for name in found}


def _values(registry: Reader, key: str) -> dict[str, Any]:
    with suppress(FileNotFoundError):
        return {name: value for name, value, _ in registry.values(key)}
    return {}


def _keys(registry: Reader, key: str) -> Sequence[str]:
    with suppress(FileNotFoundError):
        return registry.keys(key)
    return []


def _tree(registry: Reader, key: str) -> Any:
    """Return a key as a policy: numbered values are a list, texts that are JSON are what they say."""
    values = {name: _decoded(value) for name, value in _values(registry, key).items()}
    below = _keys(registry, key)
    if values and not below and all(name.isdecimal() for name in values):
        return [values[name] for name in sorted(values, key=int)]
    return values | {name: _tree(registry, rf"{key}\{name}") for name in below}


def _decoded(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


# macOS: managed preferences.

MANAGED = "Library/Managed Preferences"


def _macos(root: Path) -> Iterator[EffectivePolicy]:
    for browser in known.KNOWN:
        if browser.macos is not None and (root / "Applications" / browser.macos.application).exists():
            file = root / MANAGED / f"{browser.macos.domain}.plist"
            yield _read(browser.name, browser.family is Family.FIREFOX, lambda file=file: _preferences(file))  # type: ignore[misc]


def _preferences(file: Path) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    try:
        found = plistlib.loads(file.read_bytes())
    except FileNotFoundError:
        return {}, {}
    except (ValueError, plistlib.InvalidFileException) as error:
        raise AdminError(f"{file}: is no property list ({error}).") from error
    if not isinstance(found, dict):
        raise AdminError(f"{file}: holds no dictionary.")
    table: dict[str, Any] = {}
    for key, value in found.items():  # Firefox takes Proxy__Mode for Mode in Proxy
        parts, place = key.split("__"), table
        for part in parts[:-1]:
            inner = place.setdefault(part, {})
            place = inner if isinstance(inner, dict) else {}
        place[parts[-1]] = value
    return table, dict.fromkeys(table, str(file))
