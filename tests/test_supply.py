"""Where everything comes from: locked, with hashes, from one index; and what continuous integration may run."""

import re
import stat
from pathlib import Path
from typing import Any

import pytest
import tomli

ROOT = Path(__file__).parents[1]
LOCKED: list[dict[str, Any]] = tomli.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
OTHERS = [package for package in LOCKED if package["name"] != "bewust"]


def test_every_dependency_is_of_one_index_and_not_of_a_repository_or_an_address() -> None:
    assert len(OTHERS) > 100
    assert {tuple(package["source"]) for package in OTHERS} == {("registry",)}
    assert len({package["source"]["registry"] for package in OTHERS}) == 1


def test_every_file_that_may_be_installed_has_its_hash() -> None:
    files = [(p["name"], file) for p in OTHERS for file in [*p.get("wheels", ()), *filter(None, [p.get("sdist")])]]
    assert len(files) > 500
    assert not [name for name, file in files if not re.fullmatch(r"sha256:[0-9a-f]{64}", file.get("hash", ""))]


def test_the_installer_itself_is_pinned_with_hashes() -> None:
    lines = (ROOT / "dev" / "uv.txt").read_text().replace("\\\n", "").splitlines()
    (line,) = [line for line in lines if line.strip()]
    assert re.fullmatch(r"uv==[0-9.]+( +--hash=sha256:[0-9a-f]{64})+ *", line)
    installs = [line for line in (ROOT / "dev" / "setup").read_text().splitlines() if "pip install" in line]
    assert installs and all("--require-hashes" in line for line in installs)


FETCHES = re.compile(r"\b(curl|wget|uvx|npx|npm i|pip install|pipx|git clone|docker|eval)\b|\$\{\{|https?://")


@pytest.mark.parametrize("path", sorted(p for p in (ROOT / ".ci").rglob("*") if p.is_file()), ids=lambda p: p.name)
def test_continuous_integration_runs_our_own_commands_and_fetches_nothing_by_itself(path: Path) -> None:
    """What an audit of workflows asks for; there is no workflow of anybody else's here."""
    text = path.read_text(encoding="utf-8")
    commands = [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert not FETCHES.search("\n".join(commands))
    assert "set -euo pipefail" in text
    assert stat.S_IMODE(path.stat().st_mode) & 0o022 == 0


def test_an_audit_would_notice() -> None:
    assert FETCHES.search("curl -sL example | sh") and FETCHES.search("echo ${{ github.event.title }}")
    assert not FETCHES.search("exec make test")
