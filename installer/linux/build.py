"""Builds the .deb and the .rpm: python -m installer.linux.build --out DIR.

The tree is a whole Python with the product in it, under /opt/bewust/<version>, so that no system Python is
needed and every source can be read where it runs. Runs where glibc is as old as on the oldest target.
"""

import argparse
import gzip
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from bewust.browsers import linux
from installer import materials, payload
from installer.linux import manual

HERE = Path(__file__).parent
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# The standard library without what a service never shows, tests or builds.
LEFT_OUT = (
    "test", "idlelib", "tkinter", "turtledemo", "turtle.py", "ensurepip", "lib2to3", "pydoc_data", "site-packages",
    "__pycache__", "venv", "_pyrepl",
)  # fmt: skip
EXTENSIONS_LEFT_OUT = re.compile(
    r"_(tkinter|curses|curses_panel|dbm|gdbm|crypt|test\w*|xxtest\w*)\.|(readline|nis|xx\w+)\."
)
# Of the C library itself, which is the system's.
SYSTEM = re.compile(r"(ld-linux|lib(c|m|dl|rt|pthread|util|resolv|crypt|nsl)\.so)")
ENTRY = """\
#!/opt/bewust/{version}/bin/python{python} -IP
import sys

from bewust.cli.main import main

sys.argv[0] = "bewust"
main()
"""


def main() -> None:
    """Build both packages and print their paths and sizes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=payload.ROOT / "artefacts")
    parser.add_argument("--version", default=payload.version(), help="for trying an upgrade")
    chosen = parser.parse_args()
    if sys.platform != "linux" or platform.machine() not in ARCHITECTURES:
        sys.exit("the Linux packages are built on Linux, on x86_64 or aarch64")
    chosen.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bewust-build-") as folder:
        stage = Path(folder)
        stage.chmod(0o755)
        try:
            tree(stage, chosen.version)
        except payload.PackageError as error:
            sys.exit(f"bewust: {error}")
        extras(stage, chosen.version)
        for kind in ("deb", "rpm"):
            made = package(stage, kind, chosen.version, chosen.out)
            print(f"{made} {made.stat().st_size / 1e6:.1f} MB")
            print(contents(stage / "tree" / "opt" / "bewust" / chosen.version, made))


def tree(stage: Path, version: str) -> None:
    """Lay out /opt/bewust/<version>: an interpreter, the libraries it needs, the product."""
    home = stage / "tree" / "opt" / "bewust" / version
    interpreter(home)
    payload.install(home / "lib" / f"python{payload.PYTHON}" / "site-packages", stage)
    # Not what wheels bundle in NAME.libs: it was patched already, and strip may misalign it.
    of_wheels = [path for path in home.rglob("*.so") if not path.parent.name.endswith(".libs") and is_elf(path)]
    for path in {*bundle(home), *of_wheels}:
        subprocess.run(["strip", "--strip-unneeded", str(path)], check=False, stderr=subprocess.DEVNULL)
    entry = home / "bin" / "bewust"
    entry.write_text(ENTRY.format(version=version, python=payload.PYTHON), encoding="utf-8")
    payload.compiled(home / "lib", f"/opt/bewust/{version}/lib")
    modes(stage / "tree", {entry, home / "bin" / f"python{payload.PYTHON}"})


def interpreter(home: Path) -> None:
    """Copy this Python without its tools, tests and headers."""
    base = Path(sys.base_prefix)
    library = base / "lib" / f"python{payload.PYTHON}"
    if not library.is_dir():
        sys.exit(f"the packages are built with Python {payload.PYTHON}; this one is {platform.python_version()}")
    (home / "bin").mkdir(parents=True)
    shutil.copy2(base / "bin" / f"python{payload.PYTHON}", home / "bin", follow_symlinks=True)
    shutil.copytree(library, home / "lib" / library.name, ignore=_left_out, symlinks=False)
    for shared in (base / "lib").glob(f"libpython{payload.PYTHON}.so.*"):
        shutil.copy2(shared, home / "lib", follow_symlinks=True)


def _left_out(folder: str, names: list[str]) -> set[str]:
    config = {name for name in names if name.startswith("config-")}
    return config | {name for name in names if name in LEFT_OUT or EXTENSIONS_LEFT_OUT.match(name)}


def is_elf(path: Path) -> bool:
    """Whether a file is a program or library of this system."""
    if not path.is_file() or path.is_symlink():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def bundle(home: Path) -> list[Path]:
    """Bring along what the interpreter's own modules need, and let nothing inspect the build machine's folders.

    Return the programs and libraries that are not of a wheel: wheels bring theirs, with a path relative to
    themselves.
    """
    libraries = home / "lib"
    site = libraries / f"python{payload.PYTHON}" / "site-packages"
    own = [path for path in home.rglob("*") if not path.is_relative_to(site) and is_elf(path)]
    for path in list(own):
        for name, found in _needed(path, libraries):
            target = libraries / name
            if not target.exists():
                shutil.copy2(found, target, follow_symlinks=True)
                target.chmod(0o644)
                own.append(target)
    for path in own:
        relative = os.path.relpath(libraries, path.parent)
        _patch("--set-rpath", "$ORIGIN" if relative == "." else f"$ORIGIN/{relative}", path)
    return own


def _needed(path: Path, libraries: Path) -> list[tuple[str, Path]]:
    """Return name and place of each library that a program needs, itself or through another, save the C library's."""
    listed = subprocess.run(
        ["ldd", str(path)], capture_output=True, text=True, check=False,
        env={**os.environ, "LD_LIBRARY_PATH": f"{libraries}:{sysconfig.get_config_var('LIBDIR')}"},
    ).stdout  # fmt: skip
    if "not found" in listed:
        sys.exit(f"{path}: a library is missing here:\n{listed}")
    pairs = re.findall(r"^\s*(\S+) => (/\S+) ", listed, re.MULTILINE)
    return [(name, Path(found)) for name, found in pairs if not SYSTEM.match(name)]


def _patch(option: str, value: str, path: Path) -> None:
    subprocess.run(["patchelf", option, value, str(path)], check=True)


def modes(tree: Path, programs: set[Path]) -> None:
    """Give every file the mode that a package should have, whatever the umask here."""
    for path in tree.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path in programs else 0o644)


def extras(stage: Path, version: str) -> None:
    """Lay out what is not the program: units, man page, completion, papers of the package, scripts."""
    shared = stage / "tree" / "usr"
    put(shared / "lib/systemd/system/bewust.service", (HERE / "bewust.service").read_bytes())
    put(shared / "lib/systemd/system/bewust.socket", (HERE / "bewust.socket").read_bytes())
    put(shared / "lib/systemd/user/bewust-session.service", (HERE / "bewust-session.service").read_bytes())
    put(shared / "share/man/man1/bewust.1.gz", packed(manual.page(version).encode()))
    put(shared / "share/bash-completion/completions/bewust", manual.completion().encode())
    put(shared / "share/doc/bewust/copyright", copyright_of(stage / "tree" / "opt" / "bewust" / version))
    put(shared / "share/doc/bewust/changelog.Debian.gz", packed(manual.changelog(version).encode()))
    put(shared / "share/lintian/overrides/bewust", (HERE / "lintian-overrides").read_bytes())
    for name in ("logrotate", "bewust-session.desktop"):
        put(stage / name, (HERE / name).read_bytes())
    for name in ("postinst", "prerm", "postrm"):
        put(
            stage / "scripts" / name,
            (HERE / name).read_bytes().replace(b"version=VERSION", f"version={version}".encode()),
        )
        (stage / "scripts" / name).chmod(0o755)


def put(path: Path, data: bytes) -> None:
    """Write a file, making folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o644)


def packed(data: bytes) -> bytes:
    """Compress without a name and a time, so that the same source gives the same file."""
    return gzip.compress(data, 9, mtime=0)


def copyright_of(home: Path) -> bytes:
    """Return our licence, and where each library brings its own."""
    site = home / "lib" / f"python{payload.PYTHON}" / "site-packages"
    names = sorted(path.name.removesuffix(".dist-info") for path in site.glob("*.dist-info"))
    listed = "\n".join(f"  {name}" for name in names)
    text = (
        (HERE / "copyright").read_text("utf-8").replace("HOME", f"/opt/bewust/{home.name}").replace("LIBRARIES", listed)
    )
    return text.encode() + b"\n\n" + (payload.ROOT / "LICENSE").read_bytes()


def contents(home: Path, made: Path) -> Path:
    """Write the bill of materials of a package beside it; return its path."""
    library = home / "lib"
    site = library / f"python{payload.PYTHON}" / "site-packages"
    return materials.write(site, made, sys.platform, library.glob("*.so*"), platform.python_version())


def triggers() -> list[str]:
    """Return the programs after whose installation dpkg runs us, to set that browser up too; it sees no snaps."""
    programs = [program for one in linux.every() for program in one.build.programs]
    return [f"/{program}" for program in programs if not program.startswith("snap/")]


def package(stage: Path, kind: str, version: str, out: Path) -> Path:
    """Have nfpm make one package; return its path."""
    values = {
        "ARCH": ARCHITECTURES[platform.machine()], "VERSION": version, "STAGE": str(stage),
        "GLIBC": platform.libc_ver()[1], "BROWSERS": json.dumps(triggers()),
    }  # fmt: skip
    text = (HERE / "nfpm.yaml").read_text("utf-8")
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value)
    (stage / "nfpm.yaml").write_text(text, encoding="utf-8")
    subprocess.run(
        ["nfpm", "package", "--config", str(stage / "nfpm.yaml"), "--packager", kind, "--target", str(out)],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return max(out.glob(f"*.{kind}"), key=lambda path: path.stat().st_mtime)


if __name__ == "__main__":
    main()
