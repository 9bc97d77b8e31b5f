"""`bewust papers`: what it prints, and one line for every error."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bewust.cli import main
from bewust.papers import sbom
from bewust.papers.sbom import SbomError


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main.main, list(map(str, arguments)), prog_name="bewust")


def test_it_prints_each_file_that_it_wrote(tmp_path: Path) -> None:
    result = run("papers", "--out", tmp_path / "x", "--language", "nl")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [Path(line).name for line in lines] == [
        "dpia-annex.nl.html", "dpia-annex.nl.md", "works-council.nl.html", "works-council.nl.md", "handbook.nl.html",
        "handbook.nl.md", "algorithm-register.nl.html", "algorithm-register.nl.md", "sbom.cdx.json",
    ]  # fmt: skip
    assert all(Path(line).is_file() for line in lines)


def test_the_organisations_configuration_is_in_them(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text('[page]\norganisation = "Waterschap <Laag> | Hoog"')
    assert run("--config", tmp_path, "papers", "--out", tmp_path / "x").exit_code == 0
    assert "Waterschap &lt;Laag&gt; | Hoog" in (tmp_path / "x" / "handbook.en.html").read_text(encoding="utf-8")
    assert r"Waterschap \<Laag\> \| Hoog" in (tmp_path / "x" / "handbook.nl.md").read_text(encoding="utf-8")


def test_each_mistake_is_one_line_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("papers").exit_code == 2
    (tmp_path / "taken").write_text("")
    assert run("papers", "--out", tmp_path / "taken").exit_code == 2
    below = run("papers", "--out", tmp_path / "taken" / "x")
    assert (below.exit_code, len(below.stderr.splitlines())) == (1, 1)
    (tmp_path / "policy.toml").write_text("mechanism = 'x'")
    broken = run("--config", tmp_path, "papers", "--out", tmp_path / "x")
    assert (broken.exit_code, broken.stdout) == (3, "")

    def missing() -> None:
        raise SbomError("x is not installed.")

    monkeypatch.setattr(sbom, "_installed", missing)
    result = run("papers", "--out", tmp_path / "x")
    assert (result.exit_code, result.stderr) == (1, "bewust: x is not installed.\n")
    assert not (tmp_path / "x").exists()
