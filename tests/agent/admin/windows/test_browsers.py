"""What browsers are told by the registry; and what others told them is respected."""

import copy
import json
from contextlib import ExitStack
from pathlib import Path

import pytest

from bewust.admin.steps import Choices
from bewust.admin.windows import browsers
from bewust.admin.windows.browsers import (
    INTERNET,
    INTERNET_POLICIES,
    RUN,
    ChromiumPolicies,
    FirefoxPolicies,
    RequireNoOtherProxy,
    RunSessions,
)
from bewust.browsers import reading
from bewust.browsers.known import KNOWN
from bewust.errors import AdminError
from support import windows_registry as hive

PAC = "http://127.0.0.1:8787/proxy.pac"
CHROME, FIREFOX = (one.windows for one in KNOWN if one.id in ("chrome", "firefox") and one.windows is not None)


class Place(hive.Place):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.pac_url, self.choices = PAC, Choices()
        self.root_pem, self.programs = folder / "root.pem", folder
        self.beside = folder / "Mozilla Firefox/distribution/policies.json"
        self.beside.parent.mkdir(parents=True)
        self.session = '"pythonw.exe" -m bewust.cli.main session'


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def steps(place: Place) -> list[browsers.RegistryValues]:
    return [*browsers.steps(place), RunSessions(place)]


def test_every_browser_is_told_and_the_registry_is_then_as_before(place: Place) -> None:
    place.registry.put(RUN, "Others", "x.exe")
    before = copy.deepcopy(place.registry.held)
    for step in steps(place):
        assert step.done() is not None
        step.do(ExitStack())
        step.do(ExitStack())
        assert step.done() is None
    assert place.registry.value(RUN, "Bewust") == (place.session, 1)
    for step in reversed(steps(place)):
        step.undo()
        step.undo()
    assert place.registry.held == before


def test_the_doctor_reads_them_as_they_were_meant(place: Place) -> None:
    for step in steps(place):
        step.do(ExitStack())
    for program in ("chrome.exe", "firefox.exe"):
        place.registry.put(rf"{reading.APP_PATHS}\{program}", "", "x")
    chrome, firefox = reading.effective_policies(Path("/"), "win32", place.registry)
    proxy = {"ProxyMode": "pac_script", "ProxyPacUrl": PAC, "ProxyPacMandatory": False}
    assert chrome.policies == {"ProxySettings": proxy}
    assert firefox.policies["Proxy"] == {"Mode": "autoConfig", "AutoConfigURL": PAC, "Locked": 1}
    assert firefox.policies["Certificates"] == {"Install": [str(place.root_pem)]}


@pytest.mark.parametrize("name", ["ProxySettings", "ProxyMode", "ProxyPacUrl"])
def test_another_proxy_is_never_overwritten_unless_we_go_through_it(place: Place, name: str) -> None:
    place.registry.put(CHROME.key, name, "direct")
    before = copy.deepcopy(place.registry.held)
    step = ChromiumPolicies(place, "Google Chrome", CHROME)
    with pytest.raises(AdminError, match=rf"Chrome\\{name}: is set, .* --upstream"):
        step.do(ExitStack())
    assert step.done() is not None and place.registry.held == before
    place.choices = Choices(upstream="http://proxy.example:3128")
    step.do(ExitStack())
    assert step.done() is None
    step.undo()
    assert place.registry.held == before


def test_our_own_policy_for_another_port_is_no_other_proxy(place: Place) -> None:
    for step in steps(place):
        step.do(ExitStack())
    place.pac_url = "http://127.0.0.1:9999/proxy.pac"
    for step in steps(place):
        step.do(ExitStack())
        assert step.done() is None
    for step in steps(place):
        step.undo()
    assert not any("Policies\\" in key for key in place.registry.held)


def test_firefox_keeps_what_others_told_it(place: Place) -> None:
    install = rf"{FIREFOX.key}\Certificates\Install"
    place.registry.put(install, "1", r"C:\corporate.pem")
    place.registry.put(FIREFOX.key, "DisableTelemetry", 1)
    place.beside.write_text(json.dumps({"policies": {"Certificates": {"Install": ["file.pem"]}, "Homepage": {}}}))
    before = copy.deepcopy(place.registry.held)
    step = FirefoxPolicies(place, "Firefox", FIREFOX)
    step.do(ExitStack())
    assert {name: data for name, (data, _) in place.registry.held[install].items()} == {
        "1": r"C:\corporate.pem", "2": str(place.root_pem), "3": "file.pem",
    }  # fmt: skip
    step.undo()
    assert place.registry.held == before


def test_another_proxy_of_firefox_is_never_overwritten(place: Place) -> None:
    place.beside.write_text(json.dumps({"policies": {"Proxy": {"Mode": "system"}}}))
    with pytest.raises(AdminError, match=r"policies.json: sets Proxy"):
        FirefoxPolicies(place, "Firefox", FIREFOX).do(ExitStack())
    place.beside.unlink()
    place.registry.put(rf"{FIREFOX.key}\Proxy", "HTTPProxy", "proxy.example:3128")
    with pytest.raises(AdminError, match="HTTPProxy: is set"):
        FirefoxPolicies(place, "Firefox", FIREFOX).do(ExitStack())
    assert not place.registry.exists(rf"{FIREFOX.key}\Certificates")


@pytest.mark.parametrize(
    ("values", "claimed"),
    [
        ([(INTERNET, "AutoConfigURL", "http://x/")], False),  # one person's leftovers: it is nobody else's
        ([(INTERNET, "AutoConfigURL", "http://x/"), (INTERNET_POLICIES, "ProxySettingsPerUser", 0)], True),
        ([(INTERNET_POLICIES, "ProxyServer", "x:1"), (INTERNET_POLICIES, "ProxyEnable", 1)], True),
        ([(INTERNET_POLICIES, "ProxyServer", "x:1"), (INTERNET_POLICIES, "ProxyEnable", 0)], False),
    ],
)
def test_a_proxy_for_everybody_on_the_machine_is_seen(
    place: Place, values: list[tuple[str, str, str | int]], claimed: bool
) -> None:
    for key, name, data in values:
        place.registry.put(key, name, data)
    step = RequireNoOtherProxy(place)
    assert (step.done() is not None) is claimed
    if claimed:
        with pytest.raises(AdminError, match="for everybody on this machine"):
            step.do(ExitStack())
    place.choices = Choices(upstream="http://proxy.example:3128")
    step.do(ExitStack())
    step.undo()
