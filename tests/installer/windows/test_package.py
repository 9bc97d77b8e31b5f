"""The .msi of a small folder, as msiinfo shows it: what is told to Windows Installer."""

import re
import subprocess
from pathlib import Path

import click
import pytest
from installer.payload import PackageError

from bewust.cli.admin import install, uninstall
from installer.windows import package


def stage(folder: Path, version: str) -> Path:
    for name in ("python/python.exe", "python/a.pyd", "site/bewust/__init__.py", "bewust.cmd", "LICENSE.txt"):
        (folder / version / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / version / name).write_text(name)
    return folder


def made(folder: Path, version: str) -> Path:
    (folder / version / "work").mkdir(parents=True)
    target = folder / f"{version}.msi"
    package.write(target, stage(folder / version / "stage", version), version, folder / version / "work")
    return target


@pytest.fixture(scope="module")
def msi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("msi"), "0.2.0")


def table(msi: Path, name: str) -> list[list[str]]:
    said = subprocess.run(["msiinfo", "export", str(msi), name], capture_output=True, text=True, check=True).stdout
    return [line.split("\t") for line in said.splitlines()[3:]]


def properties(msi: Path) -> dict[str, str]:
    return dict(table(msi, "Property"))


def sequence(msi: Path) -> dict[str, tuple[int, str]]:
    return {name: (int(number), condition) for name, condition, number in table(msi, "InstallExecuteSequence")}


def test_every_option_of_install_is_a_property_that_passes_to_the_system(msi: Path) -> None:
    options = {word for one in install.params if isinstance(one, click.Option) for word in one.opts}
    assert set(package.OPTIONS.values()) == options
    assert {word for one in uninstall.params if isinstance(one, click.Option) for word in one.opts} == {"--purge"}
    secure = set(properties(msi)["SecureCustomProperties"].split(";"))
    assert secure == {*package.OPTIONS, "PURGE", "WIX_UPGRADE_DETECTED", "WIX_DOWNGRADE_DETECTED"}
    assert all(name == name.upper() for name in secure)  # only such are public


def test_it_is_for_the_whole_machine_without_a_question_or_a_restart(msi: Path) -> None:
    found = properties(msi)
    assert found["ALLUSERS"] == "1" and found["REBOOT"] == "ReallySuppress" and found["ProductVersion"] == "0.2.0"
    said = subprocess.run(["msiinfo", "suminfo", str(msi)], capture_output=True, text=True, check=True).stdout
    assert "Template: x64;1033" in said
    # No component of 32 bits (256 in its attributes says 64).
    assert all(int(row[3]) & 256 for row in table(msi, "Component"))


def test_another_version_is_another_product_and_an_upgrade_of_this_one(tmp_path: Path, msi: Path) -> None:
    later = made(tmp_path, "0.3.0")
    assert properties(later)["UpgradeCode"] == properties(msi)["UpgradeCode"]
    assert properties(later)["ProductCode"] == package.product_code("0.3.0") != properties(msi)["ProductCode"]
    # Two versions share nothing: what fails takes nothing of the other away.
    one, two = ({row[1] for row in table(file, "Component")} for file in (msi, later))
    assert not one & two
    detected = {row[-1]: row for row in table(msi, "Upgrade")}
    assert detected["WIX_UPGRADE_DETECTED"][2] == detected["WIX_DOWNGRADE_DETECTED"][1] == "0.2.0"


def test_what_runs_runs_as_the_system_and_can_be_rolled_back(msi: Path) -> None:
    kinds = {row[0]: int(row[1]) for row in table(msi, "CustomAction")}
    ran = {name: kind for name, kind in kinds.items() if not name.startswith("Set")}
    assert set(ran) == {"InstallBewust", "UninstallBewust", "UndoBewust", "RestoreBewust"}
    for name, kind in ran.items():
        assert kind & 1024 and kind & 2048 and kind & 63 == 34, name  # deferred, as the system, a program
        assert not kind & 64, name  # its exit code counts
        assert bool(kind & 256) == (name in ("UndoBewust", "RestoreBewust"))
    order = sequence(msi)
    assert order["InstallFiles"][0] < order["UndoBewust"][0] < order["InstallBewust"][0] < order["InstallFinalize"][0]
    assert order["InstallInitialize"][0] < order["RestoreBewust"][0] < order["UninstallBewust"][0]
    assert order["UninstallBewust"][0] < order["RemoveFiles"][0]


def test_the_old_version_goes_when_the_new_one_is_in_force_and_takes_nothing_back(msi: Path) -> None:
    order = sequence(msi)
    assert order["RemoveExistingProducts"][0] > order["InstallFinalize"][0]
    assert "NOT UPGRADINGPRODUCTCODE" in order["UninstallBewust"][1]
    assert "(NOT INFORCE OR INFORCE >< HOME)" in order["UninstallBewust"][1]
    assert ["INFORCE", "InForce"] in table(msi, "AppSearch")


def test_programs_are_run_from_where_they_were_put(msi: Path) -> None:
    for name, _, folder, target, *_ in table(msi, "CustomAction"):
        if not name.startswith("Set"):
            assert folder == "HOME" and target.startswith('"[HOME]python\\python.exe" -m bewust.cli.main admin ')
    targets = {row[0]: row[3].split(" admin ")[1] for row in table(msi, "CustomAction") if " admin " in row[3]}
    assert targets["InstallBewust"] == "install [PORTOPTION] [UPSTREAMOPTION]"
    assert targets["UninstallBewust"] == "uninstall [PURGEOPTION]"


def test_every_file_is_in_it_and_a_folder_is_one_component(msi: Path) -> None:
    names = {row[2].rpartition("|")[2] for row in table(msi, "File")}
    assert names == {"python.exe", "a.pyd", "__init__.py", "bewust.cmd", "LICENSE.txt"}
    assert len(table(msi, "Component")) == 3
    assert ["Path", "=-*Path", "[~];[HOME]", "Command"] in table(msi, "Environment")


def test_every_query_is_for_a_table_that_is_there(msi: Path) -> None:
    listed = subprocess.run(["msiinfo", "tables", str(msi)], capture_output=True, text=True, check=True).stdout.split()
    assert {name for query in package.queries() for name in re.findall(r"(?:INTO|UPDATE) `(\w+)`", query)} <= set(
        listed
    )


def test_a_tool_that_is_missing_or_complains_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = stage(tmp_path / "stage", "0.2.0")
    with pytest.raises(PackageError, match=r"^wixl: "):  # there is no such folder to write into
        package.write(tmp_path / "none" / "x.msi", empty, "0.2.0", tmp_path)
    monkeypatch.setenv("PATH", str(empty))
    with pytest.raises(PackageError, match="wixl: is not installed"):
        package.write(tmp_path / "x.msi", empty, "0.2.0", tmp_path)
