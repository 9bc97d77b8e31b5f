"""`bewust doctor` and `bewust support-bundle` by hand: exit codes, output, and asking before writing."""

import json
import socket
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bewust.admin import steps
from bewust.cli import doctor
from bewust.cli.main import main
from bewust.doctor import examination
from bewust.doctor.finding import DoctorContext, Verdict, broken, degraded, ok
from support.linux_machine import Played, machine


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = machine(tmp_path / "root", "usr/bin/chromium")
    monkeypatch.setattr(doctor, "ROOT", root)
    return root


def run(*arguments: str | Path, given: str | None = None) -> Result:
    done = CliRunner().invoke(main, list(map(str, arguments)), input=given)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def finding_only(monkeypatch: pytest.MonkeyPatch, *findings: Any) -> None:
    monkeypatch.setattr(examination, "steps", lambda **options: [("x", lambda here: iter(findings))])


WORSE, WORST = degraded("pac", "b", "c.", "d."), broken("pac", "b", "c.", "d.")


@pytest.mark.parametrize(("findings", "code"), [((), 0), ((WORSE,), 1), ((WORSE, WORST), 2)])
def test_the_exit_code_is_the_worst(
    root: Path, monkeypatch: pytest.MonkeyPatch, findings: tuple[Any, ...], code: int
) -> None:
    finding_only(monkeypatch, *findings)
    assert run("doctor").exit_code == run("doctor", "--json").exit_code == code


def test_the_table_and_the_list_say_the_same(root: Path, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "state/run.json").write_text(json.dumps({"port": port, "token": "x", "pid": 1}))
    found = json.loads(run("--state", tmp_path / "state", "doctor", "--json", "--no-network").stdout)
    shown = run("--state", tmp_path / "state", "doctor", "--no-network")
    assert shown.exit_code == 2, "no agent listens there any more"
    for finding in found:
        assert finding["id"] in shown.stdout
        assert finding["verdict"] in set(Verdict)
    assert shown.stdout.splitlines()[-1].startswith("1 broken")


def test_a_managed_machine_is_found_by_itself_and_by_its_folder(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps.install(Played(root))
    seen: list[DoctorContext] = []

    def look(here: DoctorContext) -> Any:
        seen.append(here)
        yield ok("pac", "b", "c.")

    monkeypatch.setattr(examination, "steps", lambda **options: [("x", look)])
    theirs = root / "var/lib/bewust"
    run("doctor")
    run("--state", theirs / "state", "doctor", "--no-network")
    run("--state", tmp_path / "mine", "doctor")
    assert [(here.managed, here.root_pem, here.network) for here in seen] == [
        (True, theirs / "root.pem", True), (True, theirs / "root.pem", False),
        (False, tmp_path / "mine/authority/root.pem", True),
    ]  # fmt: skip
    assert all(here.status is None and "No agent runs" in here.why for here in seen)


def test_a_bundle_is_shown_whole_before_it_is_written(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.zip"
    done = run("--state", tmp_path / "s", "support-bundle", "--no-network", "--out", out, given="n\n")
    assert done.exit_code == 1 and not out.exists()
    done = run("--state", tmp_path / "s", "support-bundle", "--no-network", "--out", out, given="y\n")
    assert done.exit_code == 0
    with zipfile.ZipFile(out) as archive:
        for name in archive.namelist():
            assert f"--- {name}" in done.stdout
            for line in archive.read(name).decode().splitlines():
                assert line in done.stdout
    assert done.stdout.index("--- admin-log.txt") < done.stdout.index("Write these 6 files")


def test_yes_asks_nothing_and_nothing_is_replaced(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.zip"
    arguments = ("--state", tmp_path / "s", "support-bundle", "--no-network", "--yes", "--out", out)
    assert run(*arguments).exit_code == 0
    again = run(*arguments)
    assert again.exit_code == 1 and "there already" in again.stderr
    gone = run(*arguments[:-1], tmp_path / "none" / "x.zip")
    assert gone.exit_code == 1 and "cannot be written" in gone.stderr
