"""What is left out of a package, and that the rest stays. A whole payload: make packages."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest
from installer.payload import PackageError

from installer import payload


def test_what_nobody_uses_goes_and_the_rest_stays(tmp_path: Path) -> None:
    kept = [
        "bewust/daemon/app.py",
        "mitmproxy/proxy/layers/tls.py",
        "rich/table.py",
        "bewust_config/languages/nl/reminders.toml",
    ]
    gone = ["pip/__init__.py", "mitmproxy/tools/web/master.py", "ldap3/tests/x.py", "a/b.pyi", "bin/mitmdump"]
    for name in kept + gone:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    payload.prune(tmp_path)
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()) == sorted(kept)


def test_what_uv_cannot_do_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payload, "ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PackageError, match=r"^uv: is not installed\. Install it: make setup$"):
        payload.uv("build")
    private = tmp_path / ".uv" / "bin" / "uv"
    private.parent.mkdir(parents=True)
    private.write_text("#!/bin/sh\nexit 3\n")
    private.chmod(0o755)
    with pytest.raises(PackageError, match=r"^uv build: exit code 3, for the reason above\.$"):
        payload.uv("build")


def test_a_package_for_another_system_is_built_with_the_python_it_brings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payload, "PYTHON", "3.11")
    with pytest.raises(PackageError, match=r"is built with Python 3\.11"):
        payload.install_for("x86_64-pc-windows-msvc", tmp_path, "")


# Every process that a workstation runs, what commands import late, and all that imports mitmproxy.
PROCESSES = (
    *(f"bewust_addons.{path.stem}" for path in sorted((payload.ROOT / "addons/bewust_addons").glob("[a-z]*.py"))),
    "bewust.daemon.app",
    "bewust.sessions.client",
    "bewust.desktop.desktop",
    "bewust.desktop.toast",
    "bewust.cli.main",
    "bewust.page.application",
    "bewust.cli.tables.agent",
    "bewust.cli.inspect",
    "bewust.papers.writing",
    "bewust.doctor.examination",
    "bewust.doctor.bundle",
    "bewust.browsers.handshake",
    "bewust.statistics.audit",
    "bewust.config.catalogue_import",
)


def test_what_is_left_out_is_not_missed_by_any_process_of_ours(tmp_path: Path) -> None:
    """In a copy of what they import, pruned as a package is: folders, with links to the files."""
    here = Path(sysconfig.get_path("purelib"))
    for name in {module.partition(".")[0] for module in imported(here)}:
        if (here / name).is_dir():
            shutil.copytree(here / name, tmp_path / name, copy_function=os.symlink)
    for path in here.iterdir():  # single modules and libraries, and what packages say of themselves
        if path.is_file() or path.suffix == ".dist-info":
            (tmp_path / path.name).symlink_to(path)
    payload.prune(tmp_path)
    found = imported(tmp_path)
    assert {"mitmproxy.proxy.layers.tls", "cryptography", "starlette"} <= found
    assert not found & {name.replace("/", ".") for name in payload.UNUSED}


def imported(site: Path) -> set[str]:
    """Import every process of ours with the packages of this folder only; return every module that came of it."""
    search = [str(site), *(str(payload.ROOT / one) for one in ("agent", "addons", "config"))]
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "import bewust_addons.flowfile; from bewust_addons.patches import imports\n"
        "assert 'mitmproxy.addons' not in sys.modules; imports.skip()  # as the inspector begins\n"
        f"import {', '.join(PROCESSES)}; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-ISc", code, *search], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_a_windows_package_has_no_driver_but_what_speaks_of_it(tmp_path: Path) -> None:
    kept = [
        "pydivert/windivert_dll/__init__.py",
        "mitmproxy_windows/__init__.py",
        "mitmproxy/contrib/click/__init__.py",
    ]
    gone = ["pydivert/windivert_dll/WinDivert64.sys", "pydivert/windivert_dll/WinDivert64.dll",
            "mitmproxy_windows/windows-redirector.exe", "mitmproxy_windows/WinDivert64.sys"]  # fmt: skip
    for name in kept + gone:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    payload.prune(tmp_path)
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()) == sorted(kept)


def test_the_version_is_the_products() -> None:
    from bewust import __version__

    assert payload.version() == __version__
    with (payload.ROOT / "pyproject.toml").open("rb") as file:
        assert tomllib.load(file)["project"]["version"] == __version__


def test_sources_are_compiled_for_both_ways_of_running_and_stay(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    payload.compiled(tmp_path, "/opt/bewust")
    assert (tmp_path / "a.py").exists()
    made = sorted((tmp_path / "__pycache__").iterdir())
    assert [path.name.partition(".cpython-")[2].partition(".")[2] for path in made] == ["opt-1.pyc", "pyc"]
    assert all(b"/opt/bewust/a.py" in path.read_bytes() for path in made)
