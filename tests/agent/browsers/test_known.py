"""A further browser is one row: each consumer of the table covers two fictional ones, and Vivaldi."""

import json
import plistlib
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bewust.admin.linux import browsers as linux_browsers
from bewust.admin.macos import profile
from bewust.admin.record import Record
from bewust.admin.steps import Choices
from bewust.admin.windows import browsers as windows_browsers
from bewust.browsers import known, launch, policies, reading
from bewust.browsers import linux as browsers_linux
from bewust.browsers.known import KNOWN, Browser, Family, Linux, MacOS, Windows
from installer.linux import build
from support import windows_registry as hive
from support.linux_machine import machine, put, unconstrained

PAC = "http://127.0.0.1:8787/proxy.pac"
ROOT = Path(__file__).parents[3]
NEW = [
    Browser(
        "zon", "Zon", Family.CHROMIUM, ("zon-browser",), (Linux(("opt/zon/zon",), "etc/zon/policies/managed"),),
        Windows(r"SOFTWARE\Policies\Zon", "zon.exe"), MacOS("nl.zon.Browser", "Zon.app"),
    ),
    Browser(
        "maan", "Maan", Family.FIREFOX, ("maan-esr", "maan"),
        (Linux(("usr/bin/maan",), "etc/maan/policies", older=("usr/lib/maan/distribution/policies.json",)),),
        Windows(r"SOFTWARE\Policies\Zon\Maan", "maan.exe", "Maan/distribution/policies.json"),
        MacOS("nl.zon.maan", "Maan.app"),
    ),
]  # fmt: skip
VIVALDI = next(one for one in KNOWN if one.id == "vivaldi")
every = pytest.mark.parametrize("row", [*NEW, VIVALDI], ids=lambda row: row.name)


@pytest.fixture(autouse=True)
def further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "KNOWN", (*KNOWN, *NEW))


@dataclass
class LinuxPlace:
    root: Path
    root_pem: Path
    pac_url: str = PAC
    choices: Choices = field(default_factory=Choices)
    record: Record = field(default_factory=Record)

    def remember(self, back: ExitStack) -> None: ...


class WindowsPlace(hive.Place):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.pac_url, self.choices, self.session = PAC, Choices(), "x"
        self.root_pem, self.programs = folder / "root.pem", folder


def key_of(row: Browser) -> str:
    return "ProxySettings" if row.family is Family.CHROMIUM else "Proxy"


def ours(row: Browser) -> policies.Table:
    return policies.chromium_proxy(PAC) if row.family is Family.CHROMIUM else policies.firefox_proxy(PAC)


@pytest.mark.parametrize("row", NEW, ids=lambda row: row.name)
def test_on_linux_it_is_set_read_and_taken_back(tmp_path: Path, row: Browser) -> None:
    root = machine(tmp_path / "root", *row.linux[0].programs)
    place = LinuxPlace(root, root / "root.pem")
    place.root_pem.write_bytes(unconstrained())
    before = sorted(root.rglob("*"))
    (step,) = linux_browsers.steps(place)
    assert step.name == f"policies of {row.name}"
    assert step.done() is not None
    step.do(ExitStack())
    assert step.done() is None
    (found,) = reading.effective_policies(root, "linux")
    assert (found.browser, found.policies[key_of(row)]) == (row.name, ours(row))
    step.undo()
    assert sorted(root.rglob("*")) == before


def test_an_older_file_of_a_firefox_is_read_too(tmp_path: Path) -> None:
    (linux,) = NEW[1].linux
    put(machine(tmp_path, *linux.programs) / linux.older[0], {"policies": {"A": 1}})
    assert [found.policies for found in reading.effective_policies(tmp_path, "linux")] == [{"A": 1}]


@every
def test_on_windows_it_is_set_read_and_taken_back(tmp_path: Path, row: Browser) -> None:
    place = WindowsPlace(tmp_path)
    (step,) = (step for step in windows_browsers.steps(place) if step.name == f"policies of {row.name}")
    step.do(ExitStack())
    assert step.done() is None and row.windows is not None
    place.registry.put(rf"{reading.APP_PATHS}\{row.windows.program}", "", "x")
    (found,) = reading.effective_policies(Path("/"), "win32", place.registry)
    assert (found.browser, dict(found.policies[key_of(row)])) == (row.name, ours(row))
    step.undo()
    assert not place.registry.exists(row.windows.key)


def test_on_windows_a_file_beside_the_program_counts(tmp_path: Path) -> None:
    put(tmp_path / "Maan/distribution/policies.json", {"policies": {"Proxy": {"Mode": "system"}}})
    (step,) = (step for step in windows_browsers.steps(WindowsPlace(tmp_path)) if step.name == "policies of Maan")
    assert "policies.json: sets Proxy" in str(step.done())


@every
def test_on_a_mac_it_is_in_the_profile_and_read_from_managed_preferences(tmp_path: Path, row: Browser) -> None:
    assert row.macos is not None
    whole = plistlib.loads(profile.profile("Voorbeeld", 8787, None, {}, False))
    (payload,) = (one for one in whole["PayloadContent"] if one["PayloadType"] == row.macos.domain)
    assert payload["PayloadIdentifier"] == f"nl.bewust.browser.{row.id}"
    assert payload[key_of(row)] == ours(row)
    (tmp_path / "Applications" / row.macos.application).mkdir(parents=True)
    preferences = tmp_path / reading.MANAGED / f"{row.macos.domain}.plist"
    preferences.parent.mkdir(parents=True)
    preferences.write_bytes(plistlib.dumps({key_of(row): ours(row)}))
    (found,) = reading.effective_policies(tmp_path, "darwin")
    assert (found.browser, found.firefox) == (row.name, row.family is Family.FIREFOX)
    assert found.policies[key_of(row)] == ours(row)


@every
def test_bewust_browse_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: Browser) -> None:
    for command in row.commands:
        (tmp_path / command).write_text("#!/bin/sh\n")
        (tmp_path / command).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = launch.find()
    assert found == tmp_path / row.commands[0]
    assert launch.is_firefox(found) == (row.family is Family.FIREFOX)


def test_the_package_is_triggered_by_it_and_the_bundle_asks_its_version() -> None:
    assert {"/opt/zon/zon", "/usr/bin/maan", "/usr/bin/chromium", "/usr/bin/chromium-browser"} <= set(build.triggers())
    assert not [program for program in build.triggers() if program.startswith("/snap")]
    definition = (ROOT / "installer/linux/nfpm.yaml").read_text("utf-8")
    assert "interest_noawait: ${BROWSERS}" in definition and "/usr/bin/" not in definition.split("rpm:")[0]
    assert "opt/zon/zon" in {program for one in browsers_linux.every() for program in one.build.programs}


# The table itself.


def test_no_two_rows_share_what_tells_them_apart() -> None:
    found = [
        [one.id for one in KNOWN], [one.name for one in KNOWN], [command for one in KNOWN for command in one.commands],
        [build.folder for one in KNOWN for build in one.linux], [one.windows.key for one in KNOWN if one.windows],
        [one.windows.program for one in KNOWN if one.windows], [one.macos.domain for one in KNOWN if one.macos],
    ]  # fmt: skip
    for values in found:
        assert len(values) == len(set(values)), values


@pytest.mark.parametrize("row", KNOWN, ids=lambda row: row.name)
def test_a_row_is_written_as_its_readers_take_it(row: Browser) -> None:
    assert json.dumps(row.id).strip('"').isidentifier() and row.id == row.id.lower()
    for way in row.linux:
        paths = (*way.programs, way.folder, *way.older)
        assert way.programs and not [path for path in paths if path.startswith("/") or path.endswith("/")]
    if row.windows is not None:
        assert row.windows.key.startswith("SOFTWARE\\Policies\\")
        assert row.windows.program == row.windows.program.lower() and row.windows.program.endswith(".exe")
    if row.macos is not None:
        assert row.macos.application.endswith(".app")


@pytest.mark.parametrize(("page", "has"), [("linux", "linux"), ("windows", "windows"), ("macos", "macos")])
def test_the_documentation_names_those_that_are_set_up(page: str, has: str) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text("utf-8")
    (line,) = [line for line in text.splitlines() if line.startswith(("| policies | ", "| browsers | "))][:1]
    for row in KNOWN:
        short = row.name.removeprefix("Google ").removeprefix("Microsoft ")
        assert (short in line) == bool(getattr(row, has)), (row.name, line)
