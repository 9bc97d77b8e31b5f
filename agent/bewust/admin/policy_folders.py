"""The browsers of a Linux machine and where each reads its policy.

Belongs here: paths, and what is set there by others. Not here: what we set (policies). Sources: the
administrators' pages of Chromium, Chrome, Edge, Brave and Firefox for their folders; the snap and
flatpak ones are documented there too and were not tried (docs/support.md).
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from bewust.admin.steps import AdminError

OURS = "zz-bewust.json"  # of two files that set one key the last by name counts


class Chromium(NamedTuple):
    """A browser of Chromium's kind. Paths are without the leading slash; any of `programs` means present."""

    name: str
    programs: tuple[str, ...]
    folder: str


CHROMIUMS = (
    Chromium("Chromium", ("usr/bin/chromium", "usr/bin/chromium-browser"), "etc/chromium/policies/managed"),
    Chromium("Chromium (snap)", ("snap/bin/chromium",), "etc/chromium-browser/policies/managed"),
    Chromium("Google Chrome", ("opt/google/chrome/chrome",), "etc/opt/chrome/policies/managed"),
    Chromium("Microsoft Edge", ("opt/microsoft/msedge/msedge",), "etc/opt/edge/policies/managed"),
    Chromium("Brave", ("opt/brave.com/brave/brave",), "etc/brave/policies/managed"),
)
FIREFOX = ("usr/bin/firefox", "usr/bin/firefox-esr", "snap/bin/firefox")
FIREFOX_POLICY = "etc/firefox/policies/policies.json"
# Read by Firefox only where the one above is absent, so what is in it must move along.
FIREFOX_OLDER = (
    "usr/lib/firefox/distribution/policies.json",
    "usr/lib/firefox-esr/distribution/policies.json",
    "usr/share/firefox/distribution/policies.json",
    "usr/share/firefox-esr/distribution/policies.json",
)


def chromiums(root: Path) -> list[Chromium]:
    """Return those that are installed, and those that left while our file stayed: it must be found to be taken back."""

    def here(browser: Chromium) -> bool:
        signs = (*browser.programs, f"{browser.folder}/{OURS}")
        return any((root / sign).exists() for sign in signs)

    return [browser for browser in CHROMIUMS if here(browser)]


def has_firefox(root: Path) -> bool:
    """Whether a Firefox is installed."""
    return any((root / program).exists() for program in FIREFOX)


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
