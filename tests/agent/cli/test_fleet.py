"""`bewust fleet` turns folders into reports, and every mistake into one line with its exit code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bewust.cli.console import Options
from bewust.cli.fleet import fleet_group
from support.fleets import line


def run(*arguments: str | Path, config: Path | None = None) -> Result:
    return CliRunner().invoke(fleet_group, [*map(str, arguments)], obj=Options(Path("none"), config))


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated fleet of two weeks, with one bad line."""
    folder = tmp_path_factory.mktemp("fleet") / "sim"
    result = run(
        "simulate", "--workstations", "1000", "--periods", "2", "--seed", "1", "--mechanism", "split", "--out", folder
    )
    assert result.exit_code == 0, result.output
    assert str(folder / "truth" / "truth.json") in result.stdout
    (folder / "reports" / "bad.ndjson").write_text("no report\n")
    return folder / "reports"


def test_every_output_is_made_at_once(reports: Path, tmp_path: Path) -> None:
    names = {"--out": "r.html", "--json": "r.json", "--csv": "r.csv", "--parquet": "r.parquet", "--otlp": "o.json",
             "--prometheus": "r.prom"}  # fmt: skip
    result = run(
        "report", reports, *(part for option, name in names.items() for part in (option, str(tmp_path / name)))
    )
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names.values())
    assert result.stdout.startswith("2 reports and batches from 3 files; ")
    assert f"skipped {reports / 'bad.ndjson'}:1: is no report" in result.stderr
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    assert json.loads((tmp_path / "o.json").read_text())["resourceMetrics"]


def test_the_policy_decides_status_and_language_and_a_command_may_differ(reports: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('language = "en"\n[service.chatgpt]\nstatus = "contracted"\n')
    out, data = tmp_path / "r.html", tmp_path / "r.json"
    assert run("report", reports, "--out", out, "--json", data, "--policy", policy).exit_code == 0
    assert '<html lang="en">' in out.read_text()
    assert {row["status"] for row in json.loads(data.read_text())["cells"] if row["cell"] == "chatgpt"} == {
        "contracted"
    }
    assert run("report", reports, "--out", out, "--language", "nl", config=policy).exit_code == 0
    assert '<html lang="nl">' in out.read_text()


@pytest.mark.parametrize(("wanted", "spoken"), [("de", "de"), ("fy", "en")])
def test_a_policy_in_a_language_of_its_own_texts_gets_the_report_in_the_reference(
    reports: Path, tmp_path: Path, wanted: str, spoken: str
) -> None:
    policy, out = tmp_path / "policy.toml", tmp_path / "r.html"
    policy.write_text(f'language = "{wanted}"\n')
    assert run("report", reports, "--out", out, "--policy", policy).exit_code == 0
    assert f'<html lang="{spoken}">' in out.read_text()
    result = run("report", reports, "--out", out, "--language", "fy")
    assert (result.exit_code, "'fy' is not one of de, en, nl." in result.stderr) == (2, True)


def test_an_older_period_can_be_asked_for_and_one_that_is_not_there_is_refused(reports: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.html"
    assert run("report", reports, "--out", out, "--period", "2026-W01").exit_code == 0
    assert "2026-W01</title>" in out.read_text()
    result = run("report", reports, "--out", out, "--period", "2026-P01")
    assert result.exit_code == 2
    assert "There is: 2026-W01, 2026-W02." in result.stderr


def test_without_an_output_it_says_which_there_are(reports: Path) -> None:
    result = run("report", reports)
    assert result.exit_code == 2
    assert "--out report.html" in result.stderr


def test_without_one_valid_report_it_fails_and_the_report_says_why(tmp_path: Path) -> None:
    (tmp_path / "r.ndjson").write_text(line(1)[:-5] + "\n")
    out = tmp_path / "r.html"
    result = run("report", tmp_path, "--out", out)
    assert result.exit_code == 1
    assert "not one valid report was found" in result.stderr
    assert "r.ndjson:1" in out.read_text()


@pytest.mark.parametrize(
    ("extra", "code", "said"),
    [
        pytest.param(["--out", "{}/gone/r.html"], 1, "cannot be written", id="no folder"),
        pytest.param(["--json", "{}/r.json", "--policy", "{}/p.toml"], 3, "service.nobody", id="policy"),
        pytest.param(["--otlp", "http://127.0.0.1:1/v1/metrics"], 1, "did not take the metrics", id="collector"),
        pytest.param(["--json", "{}/r.json", "--engine", "pandas"], 2, "'pandas' is not one of", id="engine"),
    ],
)
def test_a_mistake_is_one_clear_line(reports: Path, tmp_path: Path, extra: list[str], code: int, said: str) -> None:
    (tmp_path / "p.toml").write_text('[service.nobody]\nstatus = "contracted"\n')
    result = run("report", reports, *(part.format(tmp_path) for part in extra))
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_an_extra_that_is_not_installed_is_named(
    reports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bewust.fleet.reading", None)
    result = run("report", reports, "--json", tmp_path / "r.json")
    assert result.exit_code == 1
    assert "pip install 'bewust[fleet]'" in result.stderr


def test_a_simulation_overwrites_nothing(reports: Path) -> None:
    result = run("simulate", "--workstations", "1", "--out", reports)
    assert result.exit_code == 2
    assert "is not empty" in result.stderr


def test_simulated_local_reports_are_read_back(tmp_path: Path) -> None:
    assert run("simulate", "--workstations", "50", "--out", tmp_path / "sim").exit_code == 0
    result = run("report", tmp_path / "sim", "--json", tmp_path / "r.json")
    assert result.stdout.startswith("50 reports and batches from 2 files"), (
        "the truth is one of the files, and no report"
    )


def test_help_and_a_workstation_import_nothing_of_the_fleet() -> None:
    code = (
        "import sys, bewust.daemon.app, bewust.cli.fleet; print([name for name in sys.modules if name.startswith("
        "('ibis', 'duckdb', 'altair', 'vl_convert', 'opentelemetry', 'bewust.fleet.'))])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
