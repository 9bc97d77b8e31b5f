"""Makes the package for macOS, on Linux or a Mac: `python -m installer.macos.build --help`.

Belongs here: where Python and the locked packages come from, and what is checked of them. Not here: what
lies where (staging), the package itself (package), signing (docs/macos.md).
"""

import argparse
import re
import shutil
import struct
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

from bewust import __version__
from installer import materials, payload
from installer.macos import package, staging
from installer.payload import PackageError

TARGET = "aarch64-apple-darwin"
_PROCESSORS = {0x0100000C: "arm64", 0x01000007: "x86_64"}  # cputype of mach/machine.h
TIME = 1767225600  # of every file: the same sources give the same package


def main() -> None:
    """Read the options, build, and say where the package is."""
    parser = argparse.ArgumentParser(prog="python -m installer.macos.build", description=__doc__)
    parser.add_argument("--python", type=Path, metavar="ARCHIVE",
                        help="A relocatable CPython 3.13 for macOS (.tar.gz with a folder `python`); without it "
                             "the package says so in its name and refuses to be installed.")  # fmt: skip
    parser.add_argument("--sha256", metavar="HEX", help="What ARCHIVE must be; needed with --python.")
    parser.add_argument("--out", type=Path, default=payload.ROOT / "artefacts", help="Folder for the package.")
    parser.add_argument("--keep-stage", type=Path, metavar="FOLDER",
                        help="Keep the staged folder and the scripts there, to be signed (docs/macos.md).")  # fmt: skip
    chosen = parser.parse_args()
    if (chosen.python is None) != (chosen.sha256 is None):
        parser.error("--python and --sha256 go together")
    try:
        made = build(chosen.python, chosen.sha256, chosen.out, chosen.keep_stage)
    except PackageError as error:
        print(f"bewust: {error}", file=sys.stderr)
        sys.exit(1)
    print(made)


def build(python: Path | None, sha256: str | None, out: Path, keep: Path | None = None) -> Path:
    """Write a package into `out` and return its path. Raises PackageError."""
    without = "" if python else "-without-python"
    target = out / f"bewust-{__version__}-{staging.ARCHITECTURE}{without}.pkg"
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        stage, scripts = Path(folder, "stage"), Path(folder, "scripts")
        staging.stage(stage)
        if python is not None:
            unpack(python, sha256 or "", staging.inside(stage, staging.INTERPRETER))
        payload.install_for(TARGET, staging.inside(stage, staging.PACKAGES), f"{staging.PACKAGES}/")
        foreign(stage)
        staging.scripts(scripts, bundled=python is not None)
        if keep is not None:
            shutil.copytree(folder, keep, symlinks=True, dirs_exist_ok=True)
        version = interpreter(staging.inside(stage, staging.INTERPRETER)) if python is not None else ""
        materials.write(staging.inside(stage, staging.PACKAGES), target, "darwin", python=version)
        package.write(target, stage, scripts, work=Path(folder, "work"), time=TIME)
    return target


def unpack(archive: Path, sha256: str, folder: Path) -> None:
    """Unpack a relocatable Python, which must be the one that was chosen. Raises PackageError."""
    data = payload.given(archive, sha256)
    with tempfile.TemporaryDirectory(dir=folder.parent) as fresh:
        try:
            with tarfile.open(fileobj=BytesIO(data)) as opened:
                opened.extractall(fresh, filter="data")
        except tarfile.TarError as error:
            raise PackageError(f"{archive}: cannot be unpacked ({error}). Take another.") from None
        python = Path(fresh, "python")
        if not (python / "bin" / "python3").exists() or not (python / "lib" / f"python{payload.PYTHON}").is_dir():
            raise PackageError(f"{archive}: has no python/bin/python3 with python/lib/python{payload.PYTHON}.")
        python.rename(folder)


def interpreter(folder: Path) -> str:
    """Return the version of an unpacked Python, as its headers say; else that it was asked for as."""
    header = folder / "include" / f"python{payload.PYTHON}" / "patchlevel.h"
    said = re.search(r'#define PY_VERSION\s+"([^"]+)"', header.read_text("utf-8")) if header.is_file() else None
    return said[1] if said else payload.PYTHON


def foreign(stage: Path) -> None:
    """Refuse a binary that the chosen Macs cannot load. Raises PackageError."""
    for path in sorted(stage.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        with path.open("rb") as file:
            kinds = processors(file.read(4096))
        if kinds is not None and staging.ARCHITECTURE not in kinds:
            raise PackageError(f"{path.relative_to(stage)}: is for {', '.join(kinds) or 'another system'}.")


def processors(start: bytes) -> list[str] | None:
    """Return for which processors of a Mac the binary that begins so is: [] for another system; None: no binary.

    Source: mach-o/loader.h and mach-o/fat.h.
    """
    if start[:4] == b"\x7fELF" or start[:2] == b"MZ":
        return []
    if start[:4] == b"\xcf\xfa\xed\xfe":
        kinds = [struct.unpack_from("<I", start, 4)[0]]
    elif start[:4] == b"\xca\xfe\xba\xbe" and 0 < struct.unpack_from(">I", start, 4)[0] < 20:  # else Java's
        kinds = [struct.unpack_from(">I", start, 8 + 20 * n)[0] for n in range(struct.unpack_from(">I", start, 4)[0])]
    else:
        return None
    return [_PROCESSORS.get(kind, f"processor {kind:#x}") for kind in kinds]


if __name__ == "__main__":
    main()
