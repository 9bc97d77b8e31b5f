"""What every package brings: the locked dependencies and the product, as wheels of one platform.

Belongs here: installing into a folder, and leaving out what no workstation needs. Not here: the
interpreter, which is each platform's own affair.
"""

import compileall
import hashlib
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from py_compile import PycInvalidationMode

ROOT = Path(__file__).parents[1]
PYTHON = "3.13"
# Never used on a workstation: what sqlite-utils installs plugins with, mitmproxy's own screens and what they
# draw with, and its redirector for whole machines.
UNUSED = (
    "pip",
    "urwid",
    "tornado",
    "wcwidth",
    "pygments",
    "flask",  # from here: of mitmproxy's addons that the inspector does not load (docs/decisions/0019)
    "werkzeug",
    "itsdangerous",
    "blinker",
    "ldap3",
    "argon2",
    "mitmproxy/tools",
    "mitmproxy_linux/mitmproxy-linux-redirector",
    "bin",
)
UNUSED_PATTERNS = (
    "**/tests", "**/test", "**/*.pyi", "**/*.h", "**/*.pxd", "**/*.pyx", "**/*.c",
    # Drivers that catch a whole machine's traffic, and what speaks to them: we never do that.
    "pydivert/windivert_dll/*.dll", "pydivert/windivert_dll/*.sys", "mitmproxy_windows/*.exe",
    "mitmproxy_windows/WinDivert*",
)  # fmt: skip


class PackageError(RuntimeError):
    """A package cannot be made: says what is wrong, and what to do."""


def version() -> str:
    """Return the version that is being packaged."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])


def uv(*arguments: str) -> None:
    """Run uv, the one on PATH or the private one of this clone. Raises PackageError."""
    private = ROOT / ".uv" / "bin" / "uv"
    found = str(private) if private.is_file() else shutil.which("uv")
    if found is None:
        raise PackageError("uv: is not installed. Install it: make setup")
    done = subprocess.run([found, "--quiet", *arguments], cwd=ROOT, check=False)
    if done.returncode != 0:
        raise PackageError(f"uv {arguments[0]}: exit code {done.returncode}, for the reason above.")


def given(archive: Path, sha256: str) -> bytes:
    """Return the archive of an interpreter, which must be the one that was chosen. Raises PackageError."""
    try:
        data = archive.read_bytes()
    except OSError as error:
        raise PackageError(f"{archive}: cannot be read ({error.strerror}). Check its name.") from None
    found = hashlib.sha256(data).hexdigest()
    if found != sha256.lower():
        raise PackageError(f"{archive}: its SHA-256 is {found}, not the one given. Take the right one.")
    return data


def install(site: Path, work: Path, options: Sequence[str] = ()) -> None:
    """Install the product and its locked dependencies into `site`, every hash checked.

    `options` choose a platform other than this machine's, as `uv pip install` takes them. Raises PackageError.
    """
    locked = work / "requirements.txt"
    uv("export", "--locked", "--no-dev", "--no-emit-project", "--output-file", str(locked))
    target = ["--target", str(site), "--python-version", PYTHON, "--only-binary", ":all:", *options]
    target += ["--link-mode", "copy"]  # what is done to these files is not done to uv's own
    uv("pip", "install", "--require-hashes", "--requirement", str(locked), *target)
    wheels = work / "wheels"
    uv("build", "--wheel", "--out-dir", str(wheels))
    (wheel,) = wheels.glob("*.whl")
    uv("pip", "install", "--no-deps", str(wheel), *target)
    prune(site)


def install_for(system: str, site: Path, place: str) -> None:
    """Do the same for another system (its target triple), with .pyc files for `place`. Raises PackageError."""
    if f"{sys.version_info.major}.{sys.version_info.minor}" != PYTHON:
        raise PackageError(f"the package is built with Python {PYTHON}: .pyc files are of one version")
    with tempfile.TemporaryDirectory() as work:
        install(site, Path(work), ["--python-platform", system])
    (site / ".lock").unlink(missing_ok=True)
    compiled(site, place)


def prune(site: Path) -> None:
    """Remove what is never used on a workstation."""
    for name in UNUSED:
        path = site / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for pattern in UNUSED_PATTERNS:
        for path in sorted(site.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def compiled(folder: Path, place: str) -> None:
    """Write the .pyc files: nobody who runs the program may write there. Sources stay, to be read.

    `place` is where the folder will be on the machine. Twice: the inspector runs with -O, all else without.
    """
    compileall.compile_dir(
        folder, quiet=2, workers=0, stripdir=str(folder), prependdir=place, optimize=[0, 1],  # type: ignore[arg-type]  # typeshed knows one only
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )  # fmt: skip
