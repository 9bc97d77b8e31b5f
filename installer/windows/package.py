"""The .msi of a staged folder, made on Linux by wixl and msibuild (msitools).

Belongs here: what Windows Installer is told. Not here: what is staged (staging), what the verbs do
(`bewust admin`). Sources: Microsoft's documentation of the database tables and of custom action types.

When an old version is replaced, the new one is laid beside it and set up first, and only then is the old one
removed: where the new one fails, the old one was never touched. So no two versions share a file or a value.
"""

import subprocess
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from installer import payload
from installer.payload import PackageError

HERE = Path(__file__).parent
UPGRADE_CODE = uuid.UUID("7a0b1f0e-5a53-4f5b-9c64-2f4f1f3f7f00")  # of every version, for ever
_WIX = "http://schemas.microsoft.com/wix/2006/wi"
# Public properties and the option of `bewust admin install` that each one is; PURGE is uninstall's.
OPTIONS = {"PORT": "--port", "UPSTREAM": "--upstream"}
PURGE = "PURGE"
COMMAND = "Command"  # the component of what lies in the version's folder itself
# Custom action types: run a program of a folder we installed; as the system, in the transaction.
_PROGRAM, _SET = 34, 51
_DEFERRED, _ROLLBACK, _AS_SYSTEM = 1024, 256, 2048
_FRESH = "NOT Installed AND NOT WIX_UPGRADE_DETECTED"
# Windows says by UPGRADINGPRODUCTCODE that another version takes over. So does INFORCE, the command of the service,
# which is then no longer in our folder (>< reads "contains"): Wine says nothing.
_GOES = 'REMOVE="ALL" AND NOT UPGRADINGPRODUCTCODE AND (NOT INFORCE OR INFORCE >< HOME)'
_STAYS = 'NOT (REMOVE="ALL")'


class Action(NamedTuple):
    """A custom action and where it stands: number and condition of InstallExecuteSequence."""

    name: str
    kind: int
    source: str
    target: str
    sequence: int
    condition: str


def product_code(version: str) -> str:
    """Return the product code of a version, which Intune may look for: the same version, the same code."""
    return f"{{{str(uuid.uuid5(UPGRADE_CODE, version)).upper()}}}"


def actions() -> Iterator[Action]:
    """Yield what is run, in order. InstallInitialize is 1500, RemoveFiles 3500, InstallFinalize 6600.

    Rollback actions stand before what they take back: they run only where something fails later.
    """
    for number, (name, option) in enumerate(OPTIONS.items()):
        yield Action(f"Set{name}", _SET, f"{name}OPTION", f'{option} "[{name}]"', 1410 + number, name)
    yield Action("SetPURGE", _SET, "PURGEOPTION", "--purge", 1420, PURGE)
    chosen = " ".join(f"[{name}OPTION]" for name in OPTIONS)
    yield _run("RestoreBewust", "upgrade", 1540, _GOES, _ROLLBACK)
    yield _run("UninstallBewust", "uninstall [PURGEOPTION]", 1550, _GOES)
    yield _run("UndoBewust", "uninstall", 6580, _FRESH, _ROLLBACK)
    yield _run("InstallBewust", f"install {chosen}", 6590, 'NOT (REMOVE="ALL")')


def _run(name: str, verb: str, sequence: int, condition: str, kind: int = 0) -> Action:
    command = rf'"[HOME]python\python.exe" -m bewust.cli.main admin {verb}'
    return Action(name, _PROGRAM + _DEFERRED + _AS_SYSTEM + kind, "HOME", command, sequence, condition)


def write(target: Path, stage: Path, version: str, work: Path) -> None:
    """Write the package of a staged folder; `work` is an empty folder. Raises PackageError."""
    target, work = target.resolve(), work.resolve()  # wixl is run in another folder
    files = work / "files.wxs"
    ElementTree.ElementTree(listing(stage / version, version)).write(files, "utf-8", xml_declaration=True)
    (stage / "bewust.ico").write_bytes((payload.ROOT / "agent/bewust/icons/bewust.ico").read_bytes())
    values = {"Version": version, "ProductCode": product_code(version).strip("{}"),
              "UpgradeCode": str(UPGRADE_CODE).upper()}  # fmt: skip
    defined = [word for name, value in values.items() for word in ("-D", f"{name}={value}")]
    target.unlink(missing_ok=True)
    # wixl looks for files below the folder it runs in.
    _command(["wixl", "-a", "x64", *defined, "-o", str(target), str(HERE / "bewust.wxs"), str(files)], stage)
    _command(["msibuild", str(target), *(word for query in queries() for word in ("-q", query))], work)


def listing(home: Path, version: str) -> Element:
    """Return the files of a version as wixl reads them: a component a folder, always with the same identifier."""
    root = Element("Wix", {"xmlns": _WIX})
    fragment = SubElement(root, "Fragment")
    components: list[str] = []
    _folder(SubElement(fragment, "DirectoryRef", {"Id": "HOME"}), home, Path(version), components, home)
    group = SubElement(fragment, "ComponentGroup", {"Id": "Files"})
    for name in components:
        SubElement(group, "ComponentRef", {"Id": name})
    return root


def _folder(element: Element, folder: Path, place: Path, components: list[str], home: Path) -> None:
    inside = sorted(folder.iterdir())
    if files := [path for path in inside if path.is_file()]:
        identity = uuid.uuid5(UPGRADE_CODE, place.as_posix())
        components.append(COMMAND if folder == home else f"c{identity.hex}")
        about = {"Id": components[-1], "Guid": str(identity).upper(), "Win64": "yes"}
        component = SubElement(element, "Component", about)
        for number, path in enumerate(files):
            about = {"Id": _name("f", place / path.name), "Name": path.name, "Source": str(place / path.name)}
            SubElement(component, "File", about | ({} if number else {"KeyPath": "yes"}))
    for path in inside:
        if path.is_dir():
            below = SubElement(element, "Directory", {"Id": _name("d", place / path.name), "Name": path.name})
            _folder(below, path, place / path.name, components, home)


def _name(kind: str, path: Path) -> str:
    return kind + uuid.uuid5(UPGRADE_CODE, path.as_posix()).hex


def queries() -> Sequence[str]:
    """Return the SQL that adds what wixl has no element for."""
    secure = ";".join(["WIX_DOWNGRADE_DETECTED", "WIX_UPGRADE_DETECTED", *OPTIONS, PURGE])
    found = [
        f"UPDATE `Property` SET `Value`='{secure}' WHERE `Property`='SecureCustomProperties'",
        # After InstallFinalize: the old version goes when the new one is in force.
        "UPDATE `InstallExecuteSequence` SET `Sequence`=6650 WHERE `Action`='RemoveExistingProducts'",
        "CREATE TABLE `Environment` (`Environment` CHAR(72) NOT NULL, `Name` CHAR(255) NOT NULL LOCALIZABLE, "
        "`Value` CHAR(255) LOCALIZABLE, `Component_` CHAR(72) NOT NULL PRIMARY KEY `Environment`)",
        # "=-*": the machine's, set at installation and removed with it; "[~];" keeps what is there.
        "INSERT INTO `Environment` (`Environment`, `Name`, `Value`, `Component_`) "
        f"VALUES ('Path', '=-*Path', '[~];[HOME]', '{COMMAND}')",
    ]
    for name, sequence in (("RemoveEnvironmentStrings", 3300), ("WriteEnvironmentStrings", 5200)):
        found.append(f"INSERT INTO `InstallExecuteSequence` (`Action`, `Sequence`) VALUES ('{name}', {sequence})")
    for one in actions():
        target = one.target.replace("'", "''")
        found.append(
            "INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) "
            f"VALUES ('{one.name}', {one.kind}, '{one.source}', '{target}')"
        )
        found.append(
            "INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) "
            f"VALUES ('{one.name}', '{one.condition}', {one.sequence})"
        )
    return found


def _command(command: Sequence[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=600)
    except FileNotFoundError:
        raise PackageError(f"{command[0]}: is not installed. Install it: dev/setup system package") from None
    # wixl goes on after some mistakes and says so on stderr only.
    if done.returncode or "CRITICAL" in done.stderr or "WARNING" in done.stderr:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise PackageError(f"{command[0]}: {said[0] if said else f'exit code {done.returncode}'}")
