"""The parts of the Linux packages that need no building; the packages themselves: make test-packages."""

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

from installer.linux import build

HERE = Path(build.__file__).parent


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """The package's scripts with their folders in a place of the test, and a `bewust` that notes what it is told."""
    program = tmp_path / "opt/bewust/0.2.0/bin/bewust"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/told\n')
    program.chmod(0o755)
    for name in ("postinst", "prerm", "postrm"):
        text = (HERE / name).read_text().replace("version=VERSION", "version=0.2.0")
        text = re.sub(r"(?<![\w.])/(opt|etc|var|run)/", rf"{tmp_path}/\1/", text).replace("userdel", "true")
        (tmp_path / name).write_text(text)
    return tmp_path


def play(scripts: Path, name: str, *words: str) -> list[str]:
    (scripts / "told").write_text("")
    subprocess.run(["sh", str(scripts / name), *words], check=True)
    return (scripts / "told").read_text().split("\n")[:-1]


# What dpkg and rpm say at each occasion: Debian Policy 6.5, RPM's scriptlet arguments.
@pytest.mark.parametrize(("words", "told"), [
    (["configure", ""], ["admin install"]),
    (["configure", "0.1.0"], ["admin upgrade"]),
    (["triggered", "/usr/bin/chromium"], ["admin upgrade"]),
    (["abort-upgrade", "0.3.0"], []),
    (["1"], ["admin install"]),
    (["2"], ["admin upgrade"]),
])  # fmt: skip
def test_each_word_of_a_package_manager_leads_to_its_verb(scripts: Path, words: list[str], told: list[str]) -> None:
    if words == ["triggered", "/usr/bin/chromium"]:
        play(scripts, "postinst", "configure", "")
    assert play(scripts, "postinst", *words) == told
    if told:
        assert (scripts / "opt/bewust/current").readlink() == Path("0.2.0")


def test_the_switch_replaces_a_former_version(scripts: Path) -> None:
    (scripts / "opt/bewust/current").symlink_to("0.1.0")
    play(scripts, "postinst", "configure", "0.1.0")
    assert (scripts / "opt/bewust/current").readlink() == Path("0.2.0")
    assert sorted(path.name for path in (scripts / "opt/bewust").iterdir()) == ["0.2.0", "current"]


def test_an_upgrade_takes_nothing_back_and_a_removal_does(scripts: Path) -> None:
    play(scripts, "postinst", "configure", "")
    assert play(scripts, "prerm", "upgrade", "0.3.0") == [] == play(scripts, "prerm", "1")
    assert play(scripts, "prerm", "remove") == ["admin uninstall"]
    assert not (scripts / "opt/bewust/current").is_symlink()


def test_only_a_purge_removes_what_was_kept(scripts: Path) -> None:
    for folder in ("etc/bewust", "var/lib/bewust", "var/log"):
        (scripts / folder).mkdir(parents=True)
    for words in (["remove"], ["upgrade"], ["1"]):
        play(scripts, "postrm", *words)
        assert (scripts / "var/lib/bewust").exists()
    play(scripts, "postrm", "purge")
    assert not (scripts / "var/lib/bewust").exists() and not (scripts / "etc/bewust").exists()


def test_the_service_may_do_nothing_that_it_need_not() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(HERE / "bewust.service")
    service = unit["Service"]
    assert service["User"] == "bewust" and service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == "" and service["NoNewPrivileges"] == "yes"
    assert service["Type"] == "notify" and int(service["WatchdogSec"]) > 3
    assert service["Restart"] == "always"


def test_every_value_of_the_definition_is_filled_in() -> None:
    named = set(re.findall(r"\$\{(\w+)\}", (HERE / "nfpm.yaml").read_text()))
    assert named == {"ARCH", "VERSION", "STAGE", "GLIBC", "BROWSERS"}


def test_the_c_library_is_the_systems_and_nothing_else_is(tmp_path: Path) -> None:
    for name in ("libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2", "libpthread.so.0"):
        assert build.SYSTEM.match(name)
    for name in ("libcrypto.so.3", "libcap.so.2", "libmount.so.1", "libcurl.so.4"):
        assert not build.SYSTEM.match(name)
    needed = dict(build._needed(Path(sys.executable).resolve(), tmp_path))
    assert all(path.is_file() for path in needed.values()) and "libc.so.6" not in needed


def test_programs_are_told_by_their_first_bytes(tmp_path: Path) -> None:
    (tmp_path / "script").write_bytes(b"#!/bin/sh\n")
    assert build.is_elf(Path(sys.executable).resolve()) and not build.is_elf(tmp_path / "script")


def test_modes_are_a_packages_whatever_the_umask(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o700)
    (tmp_path / "a" / "program").touch(0o600)
    (tmp_path / "a" / "file").touch(0o777)
    build.modes(tmp_path, {tmp_path / "a" / "program"})
    assert {p.name: oct(p.stat().st_mode & 0o777) for p in tmp_path.rglob("*")} == {
        "a": "0o755", "program": "0o755", "file": "0o644"
    }  # fmt: skip
