"""The state folder is this person's alone, and one agent's at a time; what a running agent leaves there is found."""

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bewust.authority import authority
from bewust.catalogue import editions
from bewust.config import rules as config_rules
from bewust.config.rules import Rules, load_rules
from bewust.daemon.state import Running, Settings, install_state, renew_authority, running_agent, write_private
from bewust.errors import AgentError
from bewust.model import Depth
from support import bundles

posix = pytest.mark.skipif(os.name != "posix", reason="file modes are of POSIX")


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load_rules(None)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@posix
def test_the_first_start_makes_a_folder_and_an_authority_for_this_person_only(tmp_path: Path, rules: Rules) -> None:
    state = tmp_path / "deep" / "state"
    first = install_state(Settings(state=state), rules)
    assert mode(state) == 0o700
    assert mode(state / "authority") == 0o700
    assert first.uncovered(rules.matcher.hosts(Depth.REQUEST, Depth.RESPONSE)) == ()
    assert install_state(Settings(state=state), rules).fingerprint == first.fingerprint


@posix
def test_an_empty_folder_or_our_own_is_closed_to_others(tmp_path: Path, rules: Rules) -> None:
    tmp_path.chmod(0o755)
    install_state(Settings(state=tmp_path), rules)
    assert mode(tmp_path) == 0o700
    tmp_path.chmod(0o755)
    install_state(Settings(state=tmp_path), rules)
    assert mode(tmp_path) == 0o700


@posix
def test_a_shared_folder_in_use_for_other_things_is_left_as_it_is(tmp_path: Path, rules: Rules) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "report.odt").touch()
    with pytest.raises(AgentError, match="Choose an empty folder with --state"):
        install_state(Settings(state=tmp_path), rules)
    assert mode(tmp_path) == 0o755
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.odt"]


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path, rules: Rules) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AgentError, match=r"file/state: cannot be made \(.+\)\. Choose another with --state\."):
        install_state(Settings(state=tmp_path / "file" / "state"), rules)


def test_a_service_on_a_mac_makes_no_authority_that_nobody_could_trust(
    tmp_path: Path, rules: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    state = tmp_path / "state"
    with pytest.raises(AgentError, match="bewust authority request, then bewust authority import"):
        install_state(Settings(state, socket=tmp_path / "socket"), rules)
    assert not (state / "authority").exists()
    assert not install_state(Settings(state), rules).imported  # for `bewust browse`, which trusts it by itself


def test_an_authority_that_was_damaged_is_not_replaced_silently(tmp_path: Path, rules: Rules) -> None:
    made = install_state(Settings(state=tmp_path / "state"), rules)
    made.root_pem.write_text("no certificate")
    damaged = install_state(Settings(state=tmp_path / "state"), rules)
    assert "root.pem" in str(damaged.problem) and "bewust authority renew" in str(damaged.problem)
    assert made.root_pem.read_text() == "no certificate"


@posix
def test_a_private_file_is_replaced_whole_and_read_by_nobody_else(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    (tmp_path / "run.json.new").write_text("left by a crash")
    before = os.umask(0)
    try:
        for data in (b"one", b"two"):
            write_private(file, data)
    finally:
        os.umask(before)
    assert (file.read_bytes(), mode(file)) == (b"two", 0o600)
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.json"]


def test_a_private_file_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match="cannot be written"):
        write_private(tmp_path / "gone" / "run.json", b"")
    (tmp_path / "run.json").mkdir()
    with pytest.raises(AgentError, match="cannot be written"):
        write_private(tmp_path / "run.json", b"")
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b'{"port": 8787, "token": "t", "pid": 12}', Running(8787, "t", 12), id="an agent"),
        pytest.param(None, None, id="none"),
        pytest.param(b"", None, id="cut short"),
        pytest.param(b"\xff", None, id="no text"),
        pytest.param(b'{"port": "8787"}', None, id="something else"),
    ],
)
def test_what_an_agent_wrote_about_itself_is_read_or_there_is_none(
    tmp_path: Path, data: bytes | None, expected: Running | None
) -> None:
    if data is not None:
        (tmp_path / "run.json").write_bytes(data)
    assert running_agent(tmp_path) == expected


@posix
def test_an_import_before_the_first_start_does_not_make_a_folder_a_strangers(tmp_path: Path, rules: Rules) -> None:
    tmp_path.chmod(0o755)
    editions.store_bundle(tmp_path, bundles.signed(), editions.current(tmp_path))
    install_state(Settings(state=tmp_path), rules)
    assert mode(tmp_path) == 0o700


def test_an_installer_can_have_another_authority_made_where_the_list_has_changed(tmp_path: Path) -> None:
    rules = config_rules.load_rules(None)
    own = Settings(state=tmp_path / "state")
    renew_authority(own, rules)
    assert not own.state.exists(), "the first one is the start's own affair"
    first = install_state(own, rules)
    renew_authority(own, rules)
    assert authority.load(own.state / "authority").fingerprint == first.fingerprint, "it does"
    authority.issue(own.state / "authority", ["www.google.com"], datetime.now(UTC))
    renew_authority(own, rules)
    assert authority.load(own.state / "authority").hosts == first.hosts
