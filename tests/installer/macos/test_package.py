"""A package made of a small folder: an xar archive whose parts agree with each other and with the folder."""

import gzip
import shutil
import stat
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from installer.macos.payload import entries
from installer.payload import PackageError

from bewust import __version__
from installer.macos import package, staging
from support.mac_binaries import Bill, xar

pytestmark = pytest.mark.skipif(not shutil.which("bsdtar"), reason="bsdtar is not installed")
TIME = 1767225600


def made(folder: Path) -> tuple[Path, Path]:
    """The package and the folder it is of."""
    stage, scripts, target = folder / "stage", folder / "scripts", folder / "bewust.pkg"
    staging.stage(stage)
    (stage / "Applications/Bewust.app/Contents/Resources/link").symlink_to("LICENSE")
    staging.scripts(scripts, bundled=True)
    package.write(target, stage, scripts, work=folder / "work", time=TIME)
    return target, stage


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return made(tmp_path_factory.mktemp("one"))


def test_the_parts_are_those_of_a_product_archive(one: tuple[Path, Path]) -> None:
    parts = xar(one[0])
    assert set(parts) == {"Distribution", *(f"bewust.pkg/{p}" for p in ("PackageInfo", "Bom", "Payload", "Scripts"))}


def test_bill_and_payload_are_of_the_same_files(one: tuple[Path, Path]) -> None:
    parts = xar(one[0])
    bill = Bill(parts["bewust.pkg/Bom"]).paths()
    staged = {entry.path: entry for entry in entries(one[1])}
    assert bill.keys() == staged.keys()
    raw = gzip.decompress(parts["bewust.pkg/Payload"])
    listed = subprocess.run(["bsdtar", "-tf", "-"], input=raw, capture_output=True, check=True, timeout=20)
    assert {path.rstrip("/") for path in listed.stdout.decode().splitlines()} == staged.keys()
    for path, about in bill.items():
        assert about["uid"] == 0 and about["gid"] in (0, 80)
        assert not about["mode"] & 0o022 or path == "./Applications" or stat.S_ISLNK(about["mode"])
        assert not about["mode"] & 0o7000


def test_what_runs_is_roots_and_executable(one: tuple[Path, Path]) -> None:
    raw = gzip.decompress(xar(one[0])["bewust.pkg/Scripts"])
    said = subprocess.run(["bsdtar", "-tvf", "-"], input=raw, capture_output=True, check=True, timeout=20)
    lines = {line.split()[-1]: line for line in said.stdout.decode().splitlines()}
    assert set(lines) == {"./", "./preinstall", "./postinstall"} or set(lines) == {".", "./preinstall", "./postinstall"}
    for name in ("./preinstall", "./postinstall"):
        assert lines[name].startswith("-rwxr-xr-x")
        assert lines[name].split()[2:4] in (["0", "0"], ["root", "root"])


def test_package_info_counts_what_is_there_and_names_scripts_that_are(one: tuple[Path, Path]) -> None:
    root = ElementTree.fromstring(xar(one[0])["bewust.pkg/PackageInfo"])
    assert root.attrib == {
        "format-version": "2", "identifier": "nl.bewust.pkg", "version": __version__, "install-location": "/",
        "auth": "root", "relocatable": "false",
    }  # fmt: skip
    payload, bundle, scripts = root.find("payload"), root.find("bundle"), root.find("scripts")
    assert payload is not None and bundle is not None and scripts is not None
    assert payload.get("numberOfFiles") == str(len(entries(one[1])))
    assert {script.get("file") for script in scripts} == {"./preinstall", "./postinstall"}
    assert (one[1] / (bundle.get("path") or "")).is_dir() and bundle.get("id") == "nl.bewust"


def test_the_distribution_is_for_one_kind_of_mac_and_the_whole_machine(one: tuple[Path, Path]) -> None:
    root = ElementTree.fromstring(xar(one[0])["Distribution"])
    options, domains, version = root.find("options"), root.find("domains"), root.find(".//os-version")
    assert options is not None and domains is not None and version is not None
    assert options.get("hostArchitectures") == "arm64" and options.get("customize") == "never"
    assert domains.get("enable_localSystem") == "true"
    assert domains.get("enable_currentUserHome") == domains.get("enable_anywhere") == "false"
    assert version.get("min") == "13.0"
    # Each choice is one that is there, and the package is the part beside it.
    choices = {choice.get("id") for choice in root.findall("choice")}
    assert {line.get("choice") for line in root.iter("line")} == choices
    (whole,) = [ref for ref in root.findall("pkg-ref") if ref.text]
    assert whole.text == "#bewust.pkg"
    assert {ref.get("id") for ref in root.iter("pkg-ref")} == {whole.get("id")} == {"nl.bewust.pkg"}


def test_the_same_folder_gives_the_same_package_parts(one: tuple[Path, Path], tmp_path: Path) -> None:
    assert xar(made(tmp_path)[0]) == xar(one[0])


def test_another_reader_lists_the_archive(one: tuple[Path, Path]) -> None:
    said = subprocess.run(["bsdtar", "-tf", one[0]], capture_output=True, check=True, text=True, timeout=20)
    assert {line.rstrip("/") for line in said.stdout.splitlines()} == {*xar(one[0]), "bewust.pkg"}


def test_without_bsdtar_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PackageError, match="Install libarchive-tools"):
        made(tmp_path)
