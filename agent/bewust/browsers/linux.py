"""The browsers of a Linux machine, and what is set in the policy files that each reads.

Belongs here: which are there, and what others set. Not here: their folders (known), what we set (policies). The snap
ones were not tried (docs/support.md).
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from bewust.browsers import known
from bewust.browsers.known import Browser, Family, Linux
from bewust.errors import AdminError

OURS = "zz-bewust.json"  # of two files that set one key the last by name counts
FIREFOX = "policies.json"


class Installed(NamedTuple):
    """A browser and the way it is installed here."""

    browser: Browser
    build: Linux

    @property
    def name(self) -> str:
        """What people call it, such as Chromium (snap)."""
        return f"{self.browser.name} ({self.build.variant})" if self.build.variant else self.browser.name

    def is_there(self, root: Path) -> bool:
        """Whether one of its programs is."""
        return any((root / program).exists() for program in self.build.programs)

    def file(self, root: Path) -> Path:
        """Return the file that we write: our own among those of others, or Firefox's only one."""
        return root / self.build.folder / (OURS if self.browser.family is Family.CHROMIUM else FIREFOX)


def every() -> list[Installed]:
    """Return every way that a known browser is installed on Linux."""
    return [Installed(browser, build) for browser in known.KNOWN for build in browser.linux]


def installed(root: Path) -> list[Installed]:
    """Return the browsers that are there."""
    return [one for one in every() if one.is_there(root)]


def to_set(root: Path) -> list[Installed]:
    """Return those, and the ones that left while our file stayed: it must be found to be taken back."""
    return [one for one in every() if one.is_there(root) or one.file(root).exists()]


def set_by_others(folder: Path) -> tuple[dict[str, Any], dict[str, Path]]:
    """Return what other files in a policy folder set, and which file each key is from. Raises AdminError, OSError."""
    table: dict[str, Any] = {}
    origin: dict[str, Path] = {}
    for file in sorted(folder.glob("*.json")):  # Chromium reads them in this order
        if file.name != OURS:
            found = read(file)
            table |= found
            origin |= dict.fromkeys(found, file)
    return table, origin


def read(file: Path) -> dict[str, Any]:
    """Return the object in a JSON file, {} where there is none. Raises AdminError, OSError."""
    try:
        found = json.loads(file.read_text("utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise AdminError(
            f"{file}: is not JSON ({error}), so no browser follows it either. Mend it, and run the same again."
        ) from error
    if not isinstance(found, dict):
        raise AdminError(f"{file}: holds no JSON object. Mend it, and run the same again.")
    return found


def machine_proxy(root: Path) -> Path | None:
    """Return a file that sends this machine's traffic through a proxy; None where we find none.

    Browsers without a policy follow it, and would no longer once they follow our PAC.
    """
    for file in [root / "etc/environment", *sorted((root / "etc/profile.d").glob("*.sh"))]:
        if any(_sets_proxy(line) for line in _lines(file)):
            return file
    for file in sorted((root / "etc/dconf/db").glob("*.d/*")):
        lines = [line.replace(" ", "") for line in _lines(file)]
        if "[system/proxy]" in lines and any(line in ("mode='manual'", "mode='auto'") for line in lines):
            return file
    return None


def _sets_proxy(line: str) -> bool:
    name, _, value = line.strip().removeprefix("export ").partition("=")
    return name.strip().lower() in ("http_proxy", "https_proxy", "all_proxy") and bool(value.strip().strip("\"'"))


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return []
