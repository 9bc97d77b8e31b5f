"""What a package is built from is checked: the interpreter by its sum, every binary by its kind."""

import hashlib
import struct
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest
from installer.payload import PackageError

from installer.macos import build
from support.mac_binaries import PROCESSORS, thin


def fat(*architectures: str) -> bytes:
    parts = b"".join(struct.pack(">5I", PROCESSORS[one], 0, 4096, 10, 12) for one in architectures)
    return struct.pack(">II", 0xCAFEBABE, len(architectures)) + parts


@pytest.mark.parametrize(
    ("start", "kinds"),
    [
        (thin("arm64"), ["arm64"]),
        (thin("x86_64"), ["x86_64"]),
        (fat("x86_64", "arm64"), ["x86_64", "arm64"]),
        (b"\x7fELF\x02\x01\x01", []),
        (b"MZ\x90\0", []),
        (struct.pack("<II", 0xFEEDFACF, 7), ["processor 0x7"]),
        (b"\xca\xfe\xba\xbe\0\0\0\x34", None),  # a class of Java's
        (b"#!/bin/sh\n", None),
        (b"", None),
    ],
)
def test_a_binary_says_for_whom_it_is(start: bytes, kinds: list[str] | None) -> None:
    assert build.processors(start) == kinds


def test_a_binary_for_others_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "good.so").write_bytes(fat("x86_64", "arm64"))
    (tmp_path / "text.py").write_bytes(b"pass\n")
    (tmp_path / "link").symlink_to("/bin/ls")
    build.foreign(tmp_path)
    (tmp_path / "bad.so").write_bytes(thin("x86_64"))
    with pytest.raises(PackageError, match=r"^bad\.so: is for x86_64\.$"):
        build.foreign(tmp_path)
    (tmp_path / "bad.so").write_bytes(b"\x7fELF")
    with pytest.raises(PackageError, match="is for another system"):
        build.foreign(tmp_path)


def python(file: Path, *names: str) -> str:
    """An archive with these files; its sum."""
    with tarfile.open(file, "w:gz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name), BytesIO())
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_an_interpreter_is_the_one_that_was_chosen(tmp_path: Path) -> None:
    file, target = tmp_path / "python.tar.gz", tmp_path / "stage" / "python"
    target.parent.mkdir()
    right = python(file, "python/bin/python3", "python/lib/python3.13/os.py")
    with pytest.raises(PackageError, match=f"its SHA-256 is {right}, not the one given"):
        build.unpack(file, "0" * 64, target)
    assert not target.exists()
    build.unpack(file, right.upper(), target)
    assert (target / "lib/python3.13/os.py").is_file()
    assert [path.name for path in target.parent.iterdir()] == ["python"]


@pytest.mark.parametrize(
    ("names", "wrong"),
    [
        (["python/bin/python3"], "has no python/bin/python3 with python/lib/python3.13"),
        (["other/bin/python3", "other/lib/python3.13/os.py"], "has no python/bin/python3"),
        (["python/bin/python3", "../out"], "cannot be unpacked"),
    ],
)
def test_an_archive_that_is_no_interpreter_is_refused(tmp_path: Path, names: list[str], wrong: str) -> None:
    file = tmp_path / "python.tar.gz"
    with pytest.raises(PackageError, match=wrong):
        build.unpack(file, python(file, *names), tmp_path / "python")
    assert not (tmp_path / "out").exists()


def test_archives_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"none\.tar\.gz: cannot be read"):
        build.unpack(tmp_path / "none.tar.gz", "", tmp_path / "python")
    file = tmp_path / "text.tar.gz"
    file.write_text("no archive")
    with pytest.raises(PackageError, match="cannot be unpacked"):
        build.unpack(file, hashlib.sha256(file.read_bytes()).hexdigest(), tmp_path / "python")


def test_an_interpreter_without_its_sum_is_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["build", "--python", str(tmp_path / "python.tar.gz")])
    with pytest.raises(SystemExit, match="2"):
        build.main()
    assert "--python and --sha256 go together" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["build", "--python", str(tmp_path / "none.tar.gz"), "--sha256", "00"])
    with pytest.raises(SystemExit, match="1"):
        build.main()
    assert "none.tar.gz: cannot be read" in capsys.readouterr().err
