"""The whole package, with what the lock says for it: fetches some 80 MB; `make test-packages`.

The interpreter is a stand-in, as none for macOS is to be had from where our packages come.
"""

import gzip
import hashlib
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

from installer.macos import build, staging
from support.mac_binaries import Bill, thin, xar

SITE = f".{staging.PACKAGES}"


def test_a_package_has_all_that_the_lock_says_for_a_mac(tmp_path: Path) -> None:
    archive = tmp_path / "python.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        binary = tarfile.TarInfo("python/bin/python3.13")
        binary.mode, binary.size = 0o755, 32
        file.addfile(binary, BytesIO(thin("arm64")))
        link = tarfile.TarInfo("python/bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, "python3.13"
        file.addfile(link)
        file.addfile(tarfile.TarInfo("python/lib/python3.13/os.py"))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    made = build.build(archive, digest, tmp_path / "out", tmp_path / "kept")
    assert made.name.endswith("-arm64.pkg") and "without" not in made.name
    parts = xar(made)
    bill = Bill(parts["bewust.pkg/Bom"]).paths()
    raw = gzip.decompress(parts["bewust.pkg/Payload"])
    listed = subprocess.run(["bsdtar", "-tf", "-"], input=raw, capture_output=True, check=True, timeout=60)
    assert {path.rstrip("/") for path in listed.stdout.decode().splitlines()} == bill.keys()
    for package in ("bewust", "bewust_addons", "bewust_config", "mitmproxy", "mitmproxy_rs", "cryptography", "plyer"):
        assert f"{SITE}/{package}/__init__.py" in bill, package
        assert any(path.startswith(f"{SITE}/{package}/__pycache__/__init__.cpython-313") for path in bill), package
    assert bill[f".{staging.INTERPRETER}/bin/python3"]["link"] == "python3.13"
    assert not [path for path in bill if path.startswith((f"{SITE}/pip/", f"{SITE}/bin/"))]
    assert not [path for path in bill if path.endswith((".dll", ".exe", ".pyd"))]
    # Compiled files say where their sources will be, and nothing of the machine that built them.
    compiled = [path.read_bytes() for path in (tmp_path / "kept/stage").rglob("bewust/__pycache__/cli.*.pyc")]
    assert len(compiled) == 2
    assert all(staging.PACKAGES.encode() in each and str(tmp_path).encode() not in each for each in compiled)


def test_without_an_interpreter_it_says_so_and_refuses(tmp_path: Path) -> None:
    made = build.build(None, None, tmp_path / "out")
    assert made.name.endswith("-arm64-without-python.pkg")
    scripts = gzip.decompress(xar(made)["bewust.pkg/Scripts"]).decode()
    assert '[ "none" != bundled ]' in scripts
