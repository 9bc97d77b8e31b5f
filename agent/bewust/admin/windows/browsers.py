"""What browsers are told by the registry of a Windows machine, and that each log-in runs a session.

Every browser that is known there is told, found or not: installed for one person only it cannot be seen, and a policy
of a browser that is not there does nothing. Belongs here: which values. Not here: setting
them (registry), nor what they are on every platform (browsers.policies). The root is trusted by the machine's own
store (roots), which Chromiums follow. Sources: Chrome Enterprise's and Mozilla's lists of policies
for their keys; Microsoft's "Run and RunOnce Registry Keys".
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

from bewust.admin.record import Record
from bewust.admin.steps import Choices
from bewust.admin.windows import registry as windows_registry
from bewust.admin.windows.registry import Registry, Value, is_ours, read
from bewust.browsers import known, linux, policies
from bewust.browsers.known import Family
from bewust.errors import AdminError

REMEDY = "Have Bewust go through that proxy (bewust admin install --upstream http://NAME:PORT), or remove it."
RUN, SESSION = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Run", "Bewust"
# Where a proxy for everybody on a machine stands, and the switch that makes it everybody's.
INTERNET = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Internet Settings"
INTERNET_POLICIES = r"SOFTWARE\Policies\Microsoft\Windows\CurrentVersion\Internet Settings"


class Place(Protocol):
    """What these steps need of the machine."""

    pac_url: str
    choices: Choices
    record: Record
    root_pem: Path
    programs: Path  # %ProgramFiles%
    session: str

    @property
    def registry(self) -> Registry:
        """The machine's registry."""

    def remember(self, back: ExitStack) -> None:
        """Write the record down."""


class RegistryValues:
    """A step that sets values below one key. Subclasses say which."""

    name: str
    key: str

    def __init__(self, place: Place) -> None:
        self._place = place

    def wanted(self) -> list[Value]:
        """Return the values as they must be."""
        raise NotImplementedError

    def claimed(self) -> str | None:
        """Return in words who else decided about the proxy, where that is in our way."""
        return None

    def done(self) -> str | None:
        """Return what is not as we would set it."""
        if found := self.claimed():
            return found
        for value in self.wanted():
            if read(self._place.registry, value.key, value.name) != value.data:
                return f"{value}: is not there, or is another"
        return None

    def do(self, back: ExitStack) -> None:
        """Set them, unless somebody else decided about the proxy."""
        if found := self.claimed():
            raise AdminError(f"{found}. {REMEDY}")
        windows_registry.set_value(self._place, self.wanted(), back)

    def undo(self) -> None:
        """Put back what was there."""
        windows_registry.restore(self._place, [self.key])


class ChromiumPolicies(RegistryValues):
    """One browser of Chromium's kind."""

    def __init__(self, place: Place, name: str, told: known.Windows) -> None:
        super().__init__(place)
        self.name, self.key = f"policies of {name}", told.key

    def wanted(self) -> list[Value]:
        """Return ProxySettings; where it stands, Chromium reads none of the other values about a proxy."""
        settings = policies.chromium_proxy(self._place.pac_url)
        return [Value(self.key, "ProxySettings", json.dumps(settings))]

    def claimed(self) -> str | None:
        """Return which value sends it another way, unless we are told to go through that proxy."""
        if self._place.choices.upstream:
            return None
        for name in policies.CHROMIUM_PROXY:
            data = read(self._place.registry, self.key, name)
            value = Value(self.key, name, data or "")
            if data is not None and data != self.wanted()[0].data and not is_ours(self._place.record, value):
                return f"{value}: is set, so this browser has a proxy already"
        return None


class FirefoxPolicies(RegistryValues):
    """One of Firefox's kind: values below one key, over the file that may lie beside the program.

    Of that file the registry takes the place of whole policies, so what it says of certificates moves along.
    """

    def __init__(self, place: Place, name: str, told: known.Windows) -> None:
        super().__init__(place)
        self.name, self.key = f"policies of {name}", told.key
        self._proxy, self._install = rf"{told.key}\Proxy", rf"{told.key}\Certificates\Install"
        self._beside = place.programs / told.file if told.file else None

    def wanted(self) -> list[Value]:
        """Return the proxy, and the root among the certificates to be installed."""
        told = policies.firefox_proxy(self._place.pac_url)
        proxy = [Value(self._proxy, name, int(x) if isinstance(x, bool) else x) for name, x in told.items()]
        return [*proxy, *self._certificates()]

    def _certificates(self) -> Iterator[Value]:
        registry, root = self._place.registry, str(self._place.root_pem)
        there = {name: read(registry, self._install, name) for name in registry.names(self._install)}
        file = self._file().get("Certificates")
        theirs = file.get("Install", []) if isinstance(file, dict) else []
        for certificate in [root, *(one for one in theirs if isinstance(one, str))]:
            taken = next((name for name, data in there.items() if data == certificate), None)
            name = taken or str(next(n for n in range(1, len(there) + 2) if str(n) not in there))
            there[name] = certificate
            yield Value(self._install, name, certificate)

    def claimed(self) -> str | None:
        """Return where another proxy is set, unless we are told to go through it."""
        if self._place.choices.upstream:
            return None
        ours = {value.name: value for value in self.wanted() if value.key == self._proxy}
        for name in self._place.registry.names(self._proxy):
            data = read(self._place.registry, self._proxy, name)
            value = Value(self._proxy, name, data or "")
            if (name not in ours or data != ours[name].data) and not is_ours(self._place.record, value):
                return f"{value}: is set, so this browser has a proxy already"
        if "Proxy" in self._file():
            return f"{self._beside}: sets Proxy, so this browser has a proxy already"
        return None

    def _file(self) -> dict[str, Any]:
        found = linux.read(self._beside).get("policies", {}) if self._beside is not None else {}
        return found if isinstance(found, dict) else {}


def steps(place: Place) -> list[ChromiumPolicies | FirefoxPolicies]:
    """Return a step for each browser that has policies on Windows."""
    kinds: dict[Family, type[ChromiumPolicies | FirefoxPolicies]] = {
        Family.CHROMIUM: ChromiumPolicies, Family.FIREFOX: FirefoxPolicies,
    }  # fmt: skip
    return [kinds[one.family](place, one.name, one.windows) for one in known.KNOWN if one.windows is not None]


class RunSessions(RegistryValues):
    """`bewust session` at every log-in. One that runs asks for this whenever the service goes (reminder_commands)."""

    name, key = "sessions", RUN

    def wanted(self) -> list[Value]:
        """Return the command; who is logged in gets it with the next log-in."""
        return [Value(RUN, SESSION, self._place.session)]


class RequireNoOtherProxy:
    """Not a change but a condition: no proxy is set for everybody, or we are told to follow it."""

    name = "no other proxy"

    def __init__(self, place: Place) -> None:
        self._place = place

    def done(self) -> str | None:
        """Return which value claims the way to the web."""
        registry = self._place.registry
        if self._place.choices.upstream:
            return None
        keys = [INTERNET_POLICIES]
        if read(registry, INTERNET_POLICIES, "ProxySettingsPerUser") == 0:
            keys.append(INTERNET)
        for key in keys:
            if url := read(registry, key, "AutoConfigURL"):
                return f"{Value(key, 'AutoConfigURL', '')}: is {url}, for everybody on this machine"
            if read(registry, key, "ProxyEnable") == 1 and (proxy := read(registry, key, "ProxyServer")):
                return f"{Value(key, 'ProxyServer', '')}: is {proxy}, for everybody on this machine"
        return None

    def do(self, back: ExitStack) -> None:
        """Refuse where one is set."""
        if found := self.done():
            raise AdminError(f"{found}. {REMEDY}")

    def undo(self) -> None:
        """Nothing was changed."""
