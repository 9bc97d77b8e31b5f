"""`bewust export` and `bewust prove`, as a person and a script meet them."""

import json
import secrets
from datetime import UTC, datetime
from pathlib import Path

from click.testing import CliRunner, Result

from bewust.catalogue import loading
from bewust.cli.main import main
from bewust.config import policy
from bewust.model import Kind
from bewust.statistics import counters, formats
from bewust.statistics.counters import Key
from bewust.statistics.retention import close_periods
from bewust.statistics.storage import Store

RULES = policy.load()
SERVICES = loading.load()


def run(state: Path, *arguments: str, config: Path | None = None) -> Result:
    options = ["--state", str(state), *(["--config", str(config)] if config else [])]
    return CliRunner().invoke(main, [*options, *arguments], prog_name="bewust")


def kept(folder: Path, *, ended: bool) -> Path:
    state = folder / "state"
    state.mkdir()
    store = Store(state, [])
    store.open_period(counters.period_keys("2026-P12", SERVICES), RULES.release.services)
    store.add([Key("2026-P12", "chatgpt", Kind.VISIT)])
    if ended:
        close_periods(store, RULES, datetime(2026, 12, 1, tzinfo=UTC), secrets.randbelow)
    store.flush()
    return state


def test_a_preview_shows_the_exact_bytes_that_are_then_written(tmp_path: Path) -> None:
    state, share = kept(tmp_path, ended=True), tmp_path / "share"
    share.mkdir()
    preview = run(state, "export", "--preview")
    assert (preview.exit_code, preview.stderr) == (0, "")
    assert not list(share.iterdir())
    assert "turned round by chance" in preview.stdout
    written = run(state, "export", "--to", str(share))
    assert written.stdout == f"1 new, 0 there already, in {share}\n"
    (file,) = share.iterdir()
    assert file.read_text() == preview.stdout.splitlines()[0] + "\n"
    assert run(state, "export", "--to", str(share)).stdout == f"0 new, 1 there already, in {share}\n"


def test_before_a_period_ended_the_preview_is_a_draft_and_says_so(tmp_path: Path) -> None:
    state = kept(tmp_path, ended=False)
    one, other = (run(state, "export", "--preview", "--json") for _ in range(2))
    assert "This is a draft of 2026-P12" in one.stderr
    assert formats.decode(one.stdout).period == "2026-P12"
    assert one.stdout != other.stdout
    assert run(state, "export", "--to", str(tmp_path)).stdout.startswith("0 new")


def test_the_folder_of_the_policy_is_used_and_none_is_a_usage_error(tmp_path: Path) -> None:
    state, share, config = kept(tmp_path, ended=True), tmp_path / "share", tmp_path / "config"
    share.mkdir()
    config.mkdir()
    assert run(state, "export").exit_code == 2
    (config / "policy.toml").write_text(f'[release]\nfolder = "{share}"\n')
    assert run(state, "export", config=config).exit_code == 0
    assert len(list(share.iterdir())) == 1
    share.rename(tmp_path / "away")
    away = run(state, "export", config=config)
    assert away.exit_code == 1
    assert away.stderr.startswith(f"bewust: {share}/bewust-2026-P12-")


def test_nothing_kept_is_nothing_to_preview(tmp_path: Path) -> None:
    assert run(tmp_path / "none", "export", "--preview").stdout == "Nothing is kept yet, so nothing would leave.\n"


def test_a_proof_is_a_receipt_and_ends_with_0_and_a_finding_with_1(tmp_path: Path) -> None:
    state = kept(tmp_path, ended=True)
    clean = run(state, "prove")
    assert clean.exit_code == 0, clean.output
    assert "sealed.line" in clean.stdout
    assert "byte for byte what its rows make" in clean.stdout
    (state / "agent.log").write_text("x")
    found = run(state, "prove", "--json")
    assert found.exit_code == 1
    assert [finding.rpartition("/")[2][:9] for finding in json.loads(found.stdout)["findings"]] == ["agent.log"]
    assert "found: " in run(state, "prove").stdout


def test_a_folder_that_does_not_exist_proves_nothing(tmp_path: Path) -> None:
    result = run(tmp_path / "none", "prove")
    assert result.exit_code == 1
    assert "does not exist" in result.stderr
