"""What every package brings: the locked dependencies and the product, as wheels of one platform.

Belongs here: installing into a folder, and leaving out what no workstation needs. Not here: the
interpreter, which is each platform's own affair.
"""

import compileall
import shutil
import subprocess
import sys
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


def version() -> str:
    """Return the version that is being packaged."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])


def uv(*arguments: str) -> None:
    """Run uv, the one on PATH or the private one of this clone."""
    private = ROOT / ".uv" / "bin" / "uv"
    found = str(private) if private.is_file() else shutil.which("uv")
    if found is None:
        sys.exit("uv is not here. Run: make setup")
    subprocess.run([found, "--quiet", *arguments], cwd=ROOT, check=True)


def install(site: Path, work: Path, options: Sequence[str] = ()) -> None:
    """Install the product and its locked dependencies into `site`, every hash checked.

    `options` choose a platform other than this machine's, as `uv pip install` takes them.
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
