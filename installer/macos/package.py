"""A package for macOS's installer, made of a staged folder without a Mac. Unsigned: that is done on one.

Belongs here: the parts and the archive of them. Sources: distribution XML in Apple's Installer JavaScript
and Distribution XML references; the flat package as pkgbuild(1) makes it, which is an xar archive.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from bewust import __version__
from bewust.admin.macos.profile import BUNDLE
from installer.macos.bom import bom
from installer.macos.payload import Entry, archive, entries
from installer.macos.staging import ARCHITECTURE, SYSTEM
from installer.payload import PackageError

IDENTIFIER = f"{BUNDLE}.pkg"
COMPONENT = "bewust.pkg"


def write(target: Path, stage: Path, scripts: Path, work: Path, time: int) -> None:
    """Write the package of a staged folder and its scripts. `work` is an empty folder. Raises PackageError."""
    found = entries(stage)
    parts = work / COMPONENT
    parts.mkdir(parents=True)
    (work / "Distribution").write_bytes(distribution(found))
    (parts / "PackageInfo").write_bytes(information(found))
    (parts / "Bom").write_bytes(bom(found, time))
    (parts / "Payload").write_bytes(archive(found, time))
    (parts / "Scripts").write_bytes(archive(entries(scripts), time))
    for path in (parts, *work.rglob("*")):
        os.utime(path, (time, time))
    # The last two are checksums of the table of contents and of each part, which the installer checks.
    options = "xar:compression=none,xar:checksum=sha1,xar:toc-checksum=sha1"
    command = ["bsdtar", "--format", "xar", "--options", options, "--uid", "0", "--gid", "0", "-cf", str(target)]
    try:
        subprocess.run([*command, "-C", str(work), "Distribution", COMPONENT], check=True, capture_output=True)
    except FileNotFoundError:
        raise PackageError("bsdtar: is not installed. Install libarchive-tools.") from None
    except subprocess.CalledProcessError as error:
        raise PackageError(f"bsdtar: {error.stderr.decode(errors='replace').strip()}") from error


def information(found: Sequence[Entry]) -> bytes:
    """Return PackageInfo: what the one component is, and what runs before and after it."""
    root = Element(
        "pkg-info", {"format-version": "2", "identifier": IDENTIFIER, "version": __version__, "install-location": "/",
                     "auth": "root", "relocatable": "false"},
    )  # fmt: skip
    SubElement(root, "payload", {"installKBytes": _kilobytes(found), "numberOfFiles": str(len(found))})
    bundle = {"path": "./Applications/Bewust.app", "id": BUNDLE}
    versions = {"CFBundleShortVersionString": __version__, "CFBundleVersion": __version__}
    SubElement(root, "bundle", bundle | versions)
    for kind in ("bundle-version", "strict-identifier"):
        SubElement(SubElement(root, kind), "bundle", {"id": BUNDLE})
    SubElement(root, "relocate")  # nowhere: launchd and the launcher know the application by its place
    scripts = SubElement(root, "scripts")
    for name in ("preinstall", "postinstall"):
        SubElement(scripts, name, {"file": f"./{name}"})
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def distribution(found: Sequence[Entry]) -> bytes:
    """Return Distribution: for which Macs, without a choice, and for the whole machine only."""
    root = Element("installer-gui-script", {"minSpecVersion": "2"})
    SubElement(root, "title").text = "Bewust"
    SubElement(root, "options", {"customize": "never", "require-scripts": "true", "hostArchitectures": ARCHITECTURE})
    SubElement(
        root, "domains",
        {"enable_anywhere": "false", "enable_currentUserHome": "false", "enable_localSystem": "true"},
    )  # fmt: skip
    allowed = SubElement(SubElement(root, "volume-check"), "allowed-os-versions")
    SubElement(allowed, "os-version", {"min": SYSTEM})
    SubElement(SubElement(root, "choices-outline"), "line", {"choice": IDENTIFIER})
    choice = SubElement(root, "choice", {"id": IDENTIFIER, "title": "Bewust", "visible": "false"})
    SubElement(choice, "pkg-ref", {"id": IDENTIFIER})
    reference = {"id": IDENTIFIER, "version": __version__, "onConclusion": "none"}
    SubElement(root, "pkg-ref", reference | {"installKBytes": _kilobytes(found)}).text = f"#{COMPONENT}"
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _kilobytes(found: Sequence[Entry]) -> str:
    return str(-(-sum(len(entry.data) for entry in found) // 1024))
