"""The order of looking, and finding the agent that a machine has."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bewust.admin import steps as admin
from bewust.admin.steps import Choices
from bewust.catalogue import editions
from bewust.doctor import examination
from bewust.doctor.finding import DoctorContext, Finding, Verdict, ok
from support import bundles
from support.doctor import here
from support.linux_machine import Played, machine


def test_everything_is_looked_at_without_a_check_that_fails(tmp_path: Path) -> None:
    there = here(tmp_path, network=False, status=None, why="Nobody.")
    found = [f for _, check in examination.steps("linux") for f in examination.run_checks(check, there)]
    assert "doctor" not in {finding.id for finding in found}
    assert {"agent", "policy", "authority", "pac", "toast", "store", "clock", "version"} <= {f.id for f in found}


def test_a_check_that_fails_does_not_end_the_others(tmp_path: Path) -> None:
    def failing(here: DoctorContext) -> Iterator[Finding]:
        yield ok("pac", "b", "First.")
        raise KeyError("secret")

    first, second = examination.run_checks(failing, here(tmp_path))
    assert (first.id, second.id, second.verdict) == ("pac", "doctor", Verdict.UNKNOWN)
    assert "KeyError" in second.what and "secret" not in second.what


def test_settings_that_are_broken_are_told_and_ours_used(tmp_path: Path) -> None:
    assert examination.settings(None, None)[1].verdict is Verdict.OK
    (tmp_path / "policy.toml").write_text("x = 1")
    rules, found = examination.settings(tmp_path, None)
    assert found.verdict is Verdict.BROKEN and "policy.toml" in found.what
    assert rules.services


def test_settings_about_an_imported_service_are_right_where_it_was_imported(tmp_path: Path) -> None:
    config, state = bundles.organisation(tmp_path, '[service.newcomer]\nstatus = "contracted"\n'), tmp_path / "state"
    state.mkdir()
    assert examination.settings(config, state)[1].verdict is Verdict.BROKEN, "nobody knows that service"
    path = editions.store_bundle(state, bundles.signed(), editions.Pointer())
    rules, found = examination.settings(config, state)
    assert found.verdict is Verdict.OK and "newcomer" in rules.services
    path.write_bytes(b"cut")
    rules, found = examination.settings(config, state)
    assert found.verdict is Verdict.UNKNOWN and "newcomer" not in rules.services


def test_the_port_is_found_where_it_is_known(tmp_path: Path) -> None:
    root, state = machine(tmp_path / "root", "usr/bin/firefox"), tmp_path / "state"
    assert not examination.is_managed(root)
    assert examination.port(root, state, "linux") == 8787
    admin.install(Played(root, Choices(port=9999)))
    assert examination.is_managed(root)
    assert examination.port(root, state, "linux") == 9999, "as it was chosen"
    (root / "var/lib/bewust/installed.json").unlink()
    assert examination.port(root, state, "linux") == 9999, "as browsers are told"
    state.mkdir()
    (state / "run.json").write_text(json.dumps({"port": 7777, "token": "x", "pid": 1}))
    assert examination.port(root, state, "linux") == 7777, "as it runs"


def test_a_record_that_cannot_be_read_is_no_reason_to_stop(tmp_path: Path) -> None:
    root = machine(tmp_path / "root")
    (root / "var/lib/bewust").mkdir()
    (root / "var/lib/bewust/installed.json").write_text("{")
    assert examination.port(root, tmp_path, "linux") == 8787


def test_only_windows_lists_its_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    assert examination.machine_roots("linux") is None
    monkeypatch.setattr("ssl.enum_certificates", lambda store: [(b"der", "x509_asn", True)], raising=False)
    assert examination.machine_roots("win32") == frozenset({b"der"})
