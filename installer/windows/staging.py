"""The folder that becomes C:\\Program Files\\Bewust: an interpreter, the packages, the command.

Belongs here: which file lies where, and compiling. Not here: where the interpreter comes from (interpreter),
the package (package). The version is a folder, as on Linux: a new one is laid beside the one that runs.
"""

from pathlib import Path

from installer import payload
from installer.payload import PackageError
from installer.windows import interpreter

TARGET = "x86_64-pc-windows-msvc"
PROGRAMS = r"C:\Program Files\Bewust"  # where it lies on nearly every Windows; only tracebacks say it
# What is imported from where, and nothing else: no registry, no environment, no folder of a person's.
SEARCH = f"python{payload.PYTHON.replace('.', '')}.zip\r\n.\r\n..\\site\r\n"
COMMAND = """\
@echo off
"%~dp0python\\python.exe" -c "from bewust.cli.main import main; main(prog_name='bewust')" %*
"""


def stage(folder: Path, version: str, python: Path | None, sha256: str | None) -> None:
    """Write all of it into an empty folder. Raises PackageError."""
    home = folder / version
    interpreter.put(home / "python", python, sha256)
    (home / "python" / f"python{interpreter.TAG}._pth").write_text(SEARCH, encoding="ascii", newline="")
    payload.install_for(TARGET, home / "site", rf"{PROGRAMS}\{version}\site")
    foreign(home)
    (home / "bewust.cmd").write_text(COMMAND, "ascii", newline="\r\n")
    (home / "LICENSE.txt").write_bytes((payload.ROOT / "LICENSE").read_bytes())


def foreign(home: Path) -> None:
    """Refuse a binary that Windows on x64 cannot load, and a driver, which we never bring. Raises PackageError."""
    for path in sorted(home.rglob("*")):
        if not path.is_file():
            continue
        with path.open("rb") as file:
            start = file.read(4096)
        name = path.relative_to(home)
        if path.suffix == ".sys":
            raise PackageError(f"{name}: is a driver. Leave it out: payload.UNUSED_PATTERNS.")
        if start.startswith((b"\x7fELF", b"\xcf\xfa\xed\xfe")) or interpreter.machine(start) not in (
            None, interpreter.MACHINE
        ):  # fmt: skip
            raise PackageError(f"{name}: is for another system. Look at the lock's wheels for Windows.")
