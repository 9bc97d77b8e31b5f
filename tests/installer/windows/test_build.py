"""The command that builds, with an interpreter and packages that are stand-ins. The real one: make packages."""

import sys
from pathlib import Path

import pytest
from installer.payload import PackageError

from bewust.config import languages as config_languages
from installer.windows import build, package, staging


def test_package_templates_and_detection_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stage(folder: Path, version: str, python: Path | None, sha256: str | None) -> None:
        (folder / version / "python").mkdir(parents=True)
        for name in ("bewust.cmd", "python/python.exe"):
            (folder / version / name).write_text(name)

    monkeypatch.setattr(staging, "stage", stage)
    monkeypatch.chdir(tmp_path)
    made = build.build(None, None, Path("out"), "0.2.0")
    found = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert made.name in found and found == {
        "bewust-0.2.0-x64.msi", "bewust-0.2.0-detect.ps1", "PolicyDefinitions/Bewust.admx",
        *(f"PolicyDefinitions/{one.culture}/Bewust.adml" for one in config_languages.known().values()),
    }  # fmt: skip
    assert package.product_code("0.2.0") in (tmp_path / "out" / "bewust-0.2.0-detect.ps1").read_text()


def test_mistakes_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["build", "--python", str(tmp_path / "python.zip")])
    with pytest.raises(SystemExit, match="2"):
        build.main()
    assert "--python and --sha256 go together" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["build", "--python", "none.zip", "--sha256", "00", "--out", str(tmp_path)])
    with pytest.raises(SystemExit, match="1"):
        build.main()
    assert capsys.readouterr().err.startswith("bewust: none.zip: cannot be read")
    assert PackageError.__doc__
