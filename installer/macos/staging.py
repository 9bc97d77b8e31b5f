"""The folder that becomes a Mac: the application, what launchd is told, the organisation's folder.

Belongs here: which file lies where. Not here: where Python and the packages come from (build), the package
(package). Source for Info.plist: Apple's Information Property List documentation.
"""

import plistlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bewust import __version__
from bewust.admin.macos import launchd
from bewust.admin.macos.profile import BUNDLE
from bewust.admin.steps import PORT
from bewust.config import languages as config_languages
from installer.payload import PYTHON, ROOT

HERE = Path(__file__).parent
ARCHITECTURE = "arm64"  # the one for which every locked package has a wheel
SYSTEM = "13.0"  # the least macOS: what the packages' wheels ask for, and the profile's background items
RESOURCES = f"{launchd.APP}/Contents/Resources"
INTERPRETER = f"{RESOURCES}/python"
PACKAGES = f"{INTERPRETER}/lib/python{PYTHON}/site-packages"
# launchd only ever adds to the log: cut at 1 MiB, two older ones are kept.
_ROTATED = f"# logfile owner:group mode count size when flags\n{launchd.LOG} {launchd.ACCOUNT}:wheel 640 2 1024 * J\n"


def information() -> Mapping[str, Any]:
    """Return Info.plist: an application without a window or a place in the Dock."""
    return {
        "CFBundleDevelopmentRegion": config_languages.DEFAULT,
        "CFBundleDisplayName": "Bewust",
        "CFBundleExecutable": "bewust",
        "CFBundleIconFile": "bewust.icns",
        "CFBundleIdentifier": BUNDLE,
        "CFBundleInfoDictionaryVersion": "6.0",
        "CFBundleName": "Bewust",
        "CFBundlePackageType": "APPL",
        "CFBundleShortVersionString": __version__,
        "CFBundleVersion": __version__,
        "LSMinimumSystemVersion": SYSTEM,
        "LSUIElement": True,
        "NSHumanReadableCopyright": "EUPL-1.2",
    }


def stage(folder: Path) -> None:
    """Write all but Python and its packages into an empty folder."""
    contents = inside(folder, f"{launchd.APP}/Contents")
    _write(contents / "Info.plist", plistlib.dumps(information()))
    _write(contents / "PkgInfo", b"APPL????")
    _script(HERE / "launcher.sh", inside(folder, launchd.PROGRAM))
    icon = ROOT / "agent/bewust/icons/bewust.icns"
    _write(inside(folder, f"{RESOURCES}/bewust.icns"), icon.read_bytes())
    _write(inside(folder, f"{RESOURCES}/LICENSE"), (ROOT / "LICENSE").read_bytes())
    _write(inside(folder, launchd.SERVICE_FILE), plistlib.dumps(launchd.service(PORT)))
    _write(inside(folder, launchd.SESSION_FILE), plistlib.dumps(launchd.session()))
    _script(HERE / "uninstall.sh", inside(folder, f"{launchd.FOLDER}/uninstall.sh"))
    _write(inside(folder, f"/private/etc/paths.d/{BUNDLE}"), f"{launchd.APP}/Contents/MacOS\n".encode())
    _write(inside(folder, f"/private/etc/newsyslog.d/{BUNDLE}.conf"), _ROTATED.encode())


def scripts(folder: Path, bundled: bool) -> None:
    """Write what runs before and after the files are put down."""
    folder.mkdir(parents=True)
    for name in ("preinstall", "postinstall"):
        text = (HERE / "scripts" / name).read_text("utf-8")
        text = text.replace("@ARCHITECTURE@", ARCHITECTURE).replace("@INTERPRETER@", "bundled" if bundled else "none")
        _write(folder / name, text.encode())
        (folder / name).chmod(0o755)


def inside(folder: Path, path: str) -> Path:
    """Return where an absolute path of a Mac is in the staged folder."""
    return folder / path.removeprefix("/")


def _write(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


def _script(source: Path, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, file)
    file.chmod(0o755)
