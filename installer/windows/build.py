"""Makes the .msi for Windows, on Linux: `python -m installer.windows.build --help`.

Beside it: the templates for group policy, and the script by which Intune sees which version is there.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from installer import payload
from installer.payload import PackageError
from installer.windows import admx, detection, package, staging


def main() -> None:
    """Read the options, build, and say where the package is."""
    parser = argparse.ArgumentParser(prog="python -m installer.windows.build", description=__doc__)
    parser.add_argument("--python", type=Path, metavar="ARCHIVE",
                        help="python.org's embeddable Python 3.13 for x64 (a .zip); without it the pinned one of the "
                             "registry, whose standard library no signature covers (docs/windows.md).")  # fmt: skip
    parser.add_argument("--sha256", metavar="HEX", help="What ARCHIVE must be; needed with --python.")
    parser.add_argument("--out", type=Path, default=payload.ROOT / "artefacts", help="Folder for the package.")
    parser.add_argument("--version", default=payload.version(), help="for trying an upgrade")
    chosen = parser.parse_args()
    if (chosen.python is None) != (chosen.sha256 is None):
        parser.error("--python and --sha256 go together")
    try:
        made = build(chosen.python, chosen.sha256, chosen.out, chosen.version)
    except PackageError as error:
        print(f"bewust: {error}", file=sys.stderr)
        sys.exit(1)
    print(f"{made} {made.stat().st_size / 1e6:.1f} MB")


def build(python: Path | None, sha256: str | None, out: Path, version: str) -> Path:
    """Write a package, its templates and its detection into `out`; return the package's path.

    Raises PackageError.
    """
    out.mkdir(parents=True, exist_ok=True)
    target = out / f"bewust-{version}-x64.msi"
    with tempfile.TemporaryDirectory(prefix="bewust-build-") as folder:
        stage, work = Path(folder, "stage"), Path(folder, "work")
        stage.mkdir()
        work.mkdir()
        staging.stage(stage, version, python, sha256)
        package.write(target, stage, version, work)
    admx.write(out / "PolicyDefinitions")
    (out / f"bewust-{version}-detect.ps1").write_text(detection.script(version), encoding="utf-8")
    return target


if __name__ == "__main__":
    main()
