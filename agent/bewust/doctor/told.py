"""What each browser of this machine is told by policy, all sources laid together as the browser does.

Belongs here: a reader for each platform. Not here: what we would tell (admin.policies), or what to make
of it (browsing). Sources: the administrators' pages of Chrome, Edge and Firefox on where each platform
keeps policies. Only Linux's was tried on a real browser; the other two are read as documented.
"""

import json
import plistlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from bewust.admin import policies, policy_folders
from bewust.admin.steps import AdminError


class Told(msgspec.Struct, frozen=True):
    """One browser's policies. `origin` names the file or key that each is from; `wrong` why none could be read."""

    browser: str
    firefox: bool
    policies: Mapping[str, Any]
    origin: Mapping[str, str]
    wrong: str = ""


class Registry(Protocol):
    """The part of the Windows registry below HKEY_LOCAL_MACHINE."""

    def values(self, key: str) -> Mapping[str, Any]:
        """Return the named values of a key, {} where it is absent."""

    def keys(self, key: str) -> list[str]:
        """Return the names of the keys right below a key, [] where it is absent."""


def browsers(root: Path, platform: str = sys.platform, registry: Registry | None = None) -> list[Told]:
    """Return the browsers that are found below `root`, "/" but for tests, and what each is told."""
    if platform == "win32":
        return list(_windows(registry or _registry()))
    return list(_macos(root) if platform == "darwin" else _linux(root))


# Linux: files.


def _linux(root: Path) -> Iterator[Told]:
    for browser in policy_folders.chromiums(root):
        yield _read(browser.name, False, lambda folder=root / browser.folder: _folder(folder))  # type: ignore[misc]
    if policy_folders.has_firefox(root):
        yield _read("Firefox", True, lambda: _firefox_file(root))


def _read(browser: str, firefox: bool, read: Callable[[], tuple[Mapping[str, Any], Mapping[str, str]]]) -> Told:
    try:
        return Told(browser, firefox, *read())
    except AdminError as error:
        return Told(browser, firefox, {}, {}, str(error))
    except OSError as error:
        return Told(browser, firefox, {}, {}, f"{error.filename}: cannot be read ({error.strerror}).")


def _folder(folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Of one key the file that comes last counts; a list is laid together where that is asked for."""
    table: dict[str, Any] = {}
    origin: dict[str, str] = {}
    lists: dict[str, list[Any]] = {}
    for file in sorted(folder.glob("*.json")):
        for key, value in policy_folders.read(file).items():
            table[key], origin[key] = value, str(file)
            if isinstance(value, list):
                lists.setdefault(key, []).extend(value)
    merged = table.get(policies.MERGED)
    for key in merged if isinstance(merged, list) else ():
        if isinstance(key, str) and key in lists:
            table[key] = lists[key]
    return table, origin


def _firefox_file(root: Path) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    for path in (policy_folders.FIREFOX_POLICY, *policy_folders.FIREFOX_OLDER):
        if (root / path).is_file():
            found = policy_folders.read(root / path).get("policies", {})
            if not isinstance(found, dict):
                raise AdminError(f"{root / path}: policies is no object.")
            return found, dict.fromkeys(found, str(root / path))
    return {}, {}


# Windows: the registry.

APP_PATHS = r"SOFTWARE\Microsoft\Windows\CurrentVersion\App Paths"
WINDOWS = (
    ("Google Chrome", "chrome.exe", r"SOFTWARE\Policies\Google\Chrome", False),
    ("Microsoft Edge", "msedge.exe", r"SOFTWARE\Policies\Microsoft\Edge", False),
    ("Brave", "brave.exe", r"SOFTWARE\Policies\BraveSoftware\Brave", False),
    ("Firefox", "firefox.exe", r"SOFTWARE\Policies\Mozilla\Firefox", True),
)


def _windows(registry: Registry) -> Iterator[Told]:
    present = {name.lower() for name in registry.keys(APP_PATHS)}
    for browser, program, key, firefox in WINDOWS:
        if program in present:
            found = _tree(registry, key)
            yield Told(browser, firefox, found, {name: rf"HKLM\{key}\{name}" for name in found})


def _tree(registry: Registry, key: str) -> Any:
    """Return a key as a policy: numbered values are a list, texts that are JSON are what they say."""
    values = {name: _decoded(value) for name, value in registry.values(key).items()}
    below = registry.keys(key)
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


def _registry() -> Registry:
    if sys.platform != "win32":
        raise AdminError("the registry is Windows's. Look on a Windows machine.")
    import winreg  # noqa: PLC0415 - Windows only

    class Real:
        def values(self, key: str) -> Mapping[str, Any]:
            return {name: value for name, value, _ in self._each(key, winreg.EnumValue)}

        def keys(self, key: str) -> list[str]:
            return list(self._each(key, winreg.EnumKey))

        def _each(self, key: str, enumerate_: Callable[[Any, int], Any]) -> Iterator[Any]:
            try:
                with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as opened:
                    number = 0
                    while True:
                        yield enumerate_(opened, number)
                        number += 1
            except OSError:  # absent, or no more
                return

    return Real()


# macOS: managed preferences.

MANAGED = "Library/Managed Preferences"
MACOS = (
    ("Google Chrome", "Applications/Google Chrome.app", "com.google.Chrome", False),
    ("Microsoft Edge", "Applications/Microsoft Edge.app", "com.microsoft.Edge", False),
    ("Firefox", "Applications/Firefox.app", "org.mozilla.firefox", True),
)


def _macos(root: Path) -> Iterator[Told]:
    for browser, application, domain, firefox in MACOS:
        if (root / application).exists():
            yield _read(browser, firefox, lambda file=root / MANAGED / f"{domain}.plist": _preferences(file))  # type: ignore[misc]


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
