"""A Windows machine is set up and left as it was; its own interfaces are played (windows_played)."""

import copy
import hashlib
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bewust.admin.steps import Choices, install, status, uninstall
from bewust.admin.windows.machine import CLOSED, OPEN, SERVICE_SID, trustees
from bewust.authority import authority
from bewust.errors import AdminError
from bewust.system.windows_service import RUNNING, STOPPED
from support.windows_machine import ME, Played

OTHER = "S-1-5-21-9-9-9-1001"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Played:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    return Played(tmp_path)


def files(machine: Played) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in machine.folder.rglob("*") if path.is_file()}


def everything(machine: Played) -> Any:
    system = machine.played
    return copy.deepcopy((files(machine), machine.hive.held, system.roots, system.line, system.now))


def root(machine: Played) -> str:
    found = authority.load(machine.state / "authority").root_pem.read_text()
    assert machine.root_pem.read_text() == found
    return hashlib.sha1(ssl.PEM_cert_to_DER_cert(found)).hexdigest()


def test_a_machine_is_set_up_and_then_as_before(machine: Played) -> None:
    before = everything(machine)
    install(machine)
    assert status(machine) == dict.fromkeys([step.name for step in machine.steps()])
    assert (machine.played.now, machine.played.account) == (RUNNING, r"NT SERVICE\Bewust")
    assert list(machine.played.roots) == [root(machine)]
    assert uninstall(machine.again(), purge=True) == []
    assert everything(machine) == before and not machine.folder.exists()
    assert machine.played.did[-2:] == ["stop", "end pythonw.exe"]
    left = status(machine.again())
    assert left.pop("no other proxy") is None and None not in left.values()


def test_authority_counters_and_choices_stay_for_a_later_installation(machine: Played) -> None:
    install(machine.again(Choices(port=9999)))
    trusted = root(machine)
    assert uninstall(machine.again(), purge=False) == []
    assert machine.played.roots == {} and not machine.root_pem.exists()
    install(machine.again())
    assert "--port 9999" in str(machine.played.line) and list(machine.played.roots) == [trusted]


def test_the_key_is_the_service_s_and_the_administrators_alone(machine: Played) -> None:
    install(machine)
    assert machine.played.lists[machine.state] == CLOSED
    assert trustees(CLOSED) == {"SY", "BA", SERVICE_SID}
    assert "BU" in trustees(OPEN)
    machine.played.lists[machine.state] = CLOSED + "(A;OICI;FA;;;WD)"
    assert status(machine)["files"] == f"{machine.state}: is open to WD"


@pytest.mark.parametrize("step", ["Google", "Firefox", "Run"])
def test_a_failure_half_way_leaves_the_machine_as_it_was(machine: Played, step: str) -> None:
    machine.hive.put(r"SOFTWARE\Policies\Google\Chrome", "HomepageLocation", "x")
    before = everything(machine)
    machine.hive.failing = step
    with pytest.raises(AdminError, match="said no"):
        install(machine)
    assert everything(machine) == before and not machine.folder.exists()


def test_a_refused_handshake_leaves_the_machine_as_it_was(machine: Played) -> None:
    before = everything(machine)
    machine.refusal = "nobody answers"
    with pytest.raises(AdminError, match="nobody answers"):
        install(machine)
    assert everything(machine) == before


def test_an_upgrade_that_fails_brings_back_the_service_its_authority_and_its_root(machine: Played) -> None:
    install(machine)
    authority.issue(machine.state / "authority", ["www.google.com"], datetime.now(UTC))  # the list was shorter then
    before = everything(machine)
    again = machine.again(Choices(port=9999))
    again.refusal = "nobody answers"
    with pytest.raises(AdminError, match="nobody answers"):
        install(again)
    assert everything(machine) == before
    assert "--port 8787" in str(machine.played.line) and machine.played.now == RUNNING


def test_another_authority_takes_the_place_of_the_older_root(machine: Played) -> None:
    install(machine)
    first = root(machine)
    authority.issue(machine.state / "authority", ["www.google.com"], datetime.now(UTC))
    install(machine.again())
    assert list(machine.played.roots) == [root(machine)] != [first]


def test_a_service_that_does_not_start_is_told_with_its_log(machine: Played) -> None:
    before = everything(machine)
    machine.played.refuses = True
    with pytest.raises(AdminError, match=r"Bewust did not start\. Look why: .*service\.log"):
        install(machine)
    assert everything(machine) == before and machine.played.now == STOPPED


def test_a_root_that_could_speak_for_more_is_never_trusted(machine: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    def wide(arguments: object) -> None:
        authority.issue(machine.state / "authority", ["www.example.org"], datetime.now(UTC))
        machine.played.now = RUNNING

    monkeypatch.setattr(machine.played, "start", wide)
    with pytest.raises(AdminError, match="would not be limited to the decrypt list"):
        install(machine)
    assert machine.played.roots == {}


def test_a_folder_that_somebody_else_made_is_refused(machine: Played) -> None:
    """Anybody may make folders in %ProgramData%, and stays their owner."""
    theirs = machine.config / "policy.d"
    theirs.mkdir(parents=True)
    machine.played.owners[theirs] = OTHER
    with pytest.raises(AdminError, match=f"policy.d: belongs to {OTHER}"):
        install(machine)
    machine.played.owners[theirs] = ME
    install(machine)


def test_a_link_in_the_folders_is_refused(machine: Played, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    machine.folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AdminError, match="leads elsewhere"):
        install(machine)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_the_organisation_s_proxy_is_written_down_and_forgotten(machine: Played) -> None:
    written = machine.config / "policy.d" / "10-install.toml"
    install(machine.again(Choices(upstream="http://proxy.example:3128")))
    assert machine.again().rules().policy.network.upstream == "http://proxy.example:3128"
    install(machine.again(Choices()))
    assert not written.exists()
