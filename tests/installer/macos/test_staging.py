"""What lies where on a Mac: places, property lists, and scripts that a shell reads."""

import plistlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bewust import __version__
from bewust.admin.macos import launchd
from bewust.admin.macos.profile import BUNDLE, SERVICE, SESSION
from bewust.errors import ADMIN
from installer.macos import staging

SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stage")
    staging.stage(folder)
    return folder


def test_all_has_its_place(stage: Path) -> None:
    files = {f"/{path.relative_to(stage)}" for path in stage.rglob("*") if path.is_file()}
    contents = "/Applications/Bewust.app/Contents"
    assert files == {
        f"{contents}/Info.plist", f"{contents}/PkgInfo", f"{contents}/MacOS/bewust",
        f"{contents}/Resources/bewust.icns", f"{contents}/Resources/LICENSE",
        "/Library/Application Support/Bewust/uninstall.sh",
        f"/Library/LaunchDaemons/{SERVICE}.plist", f"/Library/LaunchAgents/{SESSION}.plist",
        f"/private/etc/paths.d/{BUNDLE}", f"/private/etc/newsyslog.d/{BUNDLE}.conf",
    }  # fmt: skip


def test_the_application_has_no_window_and_starts_what_is_there(stage: Path) -> None:
    contents = stage / "Applications/Bewust.app/Contents"
    about = plistlib.loads((contents / "Info.plist").read_bytes())
    assert about["LSUIElement"] is True
    assert about["CFBundleIdentifier"] == BUNDLE == plistlib.loads(
        staging.inside(stage, launchd.SERVICE_FILE).read_bytes()
    )["AssociatedBundleIdentifiers"][0]  # fmt: skip
    assert (contents / "MacOS" / about["CFBundleExecutable"]).stat().st_mode & 0o111
    assert (contents / "Resources" / about["CFBundleIconFile"]).read_bytes().startswith(b"icns")
    assert about["CFBundleVersion"] == about["CFBundleShortVersionString"] == __version__
    assert re.fullmatch(r"\d+(\.\d+){0,2}", about["CFBundleVersion"])  # Apple takes no other


def test_every_property_list_can_be_read(stage: Path) -> None:
    lists = [*stage.rglob("*.plist"), *staging.HERE.glob("*.plist")]
    assert len(lists) == 5
    for path in lists:
        assert plistlib.loads(path.read_bytes())
        if shutil.which("plistutil"):
            subprocess.run(["plistutil", "-i", path, "-o", "/dev/null", "-f", "bin"], check=True, timeout=20)


def test_pkgbuild_is_told_of_the_application_that_is_there(stage: Path) -> None:
    (component,) = plistlib.loads((staging.HERE / "component.plist").read_bytes())
    assert (stage / component["RootRelativeBundlePath"] / "Contents/Info.plist").is_file()
    assert component["BundleIsRelocatable"] is False


def test_the_document_says_what_the_builder_takes() -> None:
    text = (staging.HERE.parents[1] / "docs/macos.md").read_text(encoding="utf-8")
    for option in re.findall(r"(--(?:python|sha256|keep-stage))\b", text):
        assert option in (staging.HERE / "build.py").read_text(encoding="utf-8")
    for file in re.findall(r"installer/macos/[\w.]+\.plist", text):
        assert (staging.HERE.parents[1] / file).is_file()


def test_the_package_has_what_the_steps_would_write(stage: Path) -> None:
    assert plistlib.loads(staging.inside(stage, launchd.SERVICE_FILE).read_bytes()) == launchd.service(8787)
    assert plistlib.loads(staging.inside(stage, launchd.SESSION_FILE).read_bytes()) == launchd.session()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_reads_every_script(stage: Path, tmp_path: Path, shell: str) -> None:
    staging.scripts(tmp_path / "scripts", bundled=True)
    scripts = [*stage.rglob("*.sh"), stage / "Applications/Bewust.app/Contents/MacOS/bewust",
               *(tmp_path / "scripts").iterdir()]  # fmt: skip
    assert len(scripts) == 4
    for script in scripts:
        assert script.read_text().startswith("#!/bin/sh\n")
        assert "@" not in script.read_text().replace('"$@"', "")
        assert script.stat().st_mode & 0o777 == 0o755
        subprocess.run([shell, "-n", script], check=True, timeout=20)


def played(folder: Path, **answers: str) -> dict[str, str]:
    """An environment whose commands write down how they were called, and answer."""
    for name in ("uname", "id", "launchctl", "rm", "rmdir", "pkgutil"):
        command = folder / name
        command.parent.mkdir(exist_ok=True)
        command.write_text(f'#!/bin/sh\necho "{name} $*" >> "{folder}/called"\necho "{answers.get(name, "")}"\n')
        command.chmod(0o755)
    return {"PATH": str(folder)}


def run(script: Path, environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    done = subprocess.run(["/bin/sh", script, *arguments], env=environment, capture_output=True, text=True, timeout=20)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("bundled", "machine", "code", "said"),
    [
        (True, "arm64", 0, ""),
        (True, "x86_64", 1, "this package is for arm64, and this Mac is x86_64"),
        (False, "arm64", 1, "has no Python interpreter and cannot run; build it with --python"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_touched(
    tmp_path: Path, bundled: bool, machine: str, code: int, said: str
) -> None:
    staging.scripts(tmp_path / "scripts", bundled=bundled)
    environment = played(tmp_path / "commands", uname=machine)
    found, complaint = run(tmp_path / "scripts/preinstall", environment)
    assert found == code and said in complaint
    log = tmp_path / "commands/called"
    called = log.read_text() if log.exists() else ""
    touched = "rm -rf /Applications/Bewust.app/Contents/Resources/python" in called
    assert touched is (code == 0) is ("launchctl bootout system/nl.bewust.service" in called)


def test_uninstalling_is_roots_and_takes_away_each_file_of_the_package(stage: Path, tmp_path: Path) -> None:
    script = staging.inside(stage, f"{launchd.FOLDER}/uninstall.sh")
    code, said = run(script, played(tmp_path / "somebody", id="501"))
    assert code == ADMIN and "as root" in said
    assert "rm" not in (tmp_path / "somebody/called").read_text().split()
    assert run(script, played(tmp_path / "wrong", id="0"), "--everything")[0] == 2
    assert run(script, played(tmp_path / "root", id="0"))[0] == 0
    called = (tmp_path / "root/called").read_text()
    assert "pkgutil --forget nl.bewust.pkg" in called
    for path in stage.rglob("*"):
        if path.is_file():
            place = f"/{path.relative_to(stage)}"
            above = "/Applications/Bewust.app" if place.startswith("/Applications/Bewust.app/") else place
            assert above in called, place
