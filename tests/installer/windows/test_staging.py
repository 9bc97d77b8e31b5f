"""What lies where, without fetching anything: interpreter and packages are stand-ins. The whole: make packages."""

from pathlib import Path

import pytest
from installer.payload import PackageError

from installer import payload
from installer.windows import interpreter, staging
from support.portable_executables import program


@pytest.fixture
def staged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def put(folder: Path, archive: Path | None, sha256: str | None) -> None:
        folder.mkdir(parents=True)
        (folder / "python.exe").write_bytes(program())

    def install(site: Path, work: Path, options: list[str]) -> None:
        assert options == ["--python-platform", "x86_64-pc-windows-msvc"]
        (site / "bewust").mkdir(parents=True)
        (site / "bewust" / "cli.py").write_text("def main(): ...\n")
        (site / ".lock").write_text("")

    monkeypatch.setattr(interpreter, "put", put)
    monkeypatch.setattr(payload, "install", install)
    staging.stage(tmp_path / "stage", "0.2.0", None, None)
    return tmp_path / "stage"


def test_a_version_is_a_folder_with_its_python_and_packages(staged: Path) -> None:
    found = {path.relative_to(staged).as_posix() for path in staged.rglob("*") if path.is_file()}
    assert found == {
        "0.2.0/bewust.cmd", "0.2.0/LICENSE.txt", "0.2.0/python/python.exe", "0.2.0/python/python313._pth",
        "0.2.0/site/bewust/cli.py", "0.2.0/site/bewust/__pycache__/cli.cpython-313.pyc",
        "0.2.0/site/bewust/__pycache__/cli.cpython-313.opt-1.pyc",
    }  # fmt: skip


def test_nothing_is_imported_from_elsewhere(staged: Path) -> None:
    text = (staged / "0.2.0/python/python313._pth").read_bytes().decode("ascii")
    assert text == "python313.zip\r\n.\r\n..\\site\r\n" and "import site" not in text


def test_the_command_runs_the_python_beside_it_and_has_lines_as_windows_wants_them(staged: Path) -> None:
    text = (staged / "0.2.0/bewust.cmd").read_bytes()
    assert rb'"%~dp0python\python.exe" -c' in text and b"%*" in text
    assert text.count(b"\n") == text.count(b"\r\n") == 2


def test_compiled_files_say_where_their_sources_will_be(staged: Path) -> None:
    found = [path.read_bytes() for path in staged.rglob("*.pyc")]
    assert len(found) == 2
    assert all(rb"C:\Program Files\Bewust\0.2.0\site" in each and str(staged).encode() not in each for each in found)


@pytest.mark.parametrize(
    ("name", "data", "wrong"),
    [
        ("x.so", b"\x7fELF\x02", "is for another system"),
        ("x.pyd", program(0x014C), "is for another system"),
        ("x.dylib", b"\xcf\xfa\xed\xfe", "is for another system"),
        ("x.sys", program(), "is a driver"),
    ],
)
def test_what_windows_cannot_load_and_drivers_are_refused(tmp_path: Path, name: str, data: bytes, wrong: str) -> None:
    (tmp_path / "a.pyd").write_bytes(program())
    (tmp_path / "text.py").write_bytes(b"pass\n")
    staging.foreign(tmp_path)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(PackageError, match=rf"^{name}: {wrong}"):
        staging.foreign(tmp_path)
