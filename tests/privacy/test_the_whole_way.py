"""From sixty workstations to one report, by the commands that people use: nothing in between knows anyone."""

import json
import secrets
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from click.testing import CliRunner

from bewust.catalogue import loading
from bewust.cli.main import main
from bewust.config import policy
from bewust.config.policy import Policy
from bewust.model import Kind
from bewust.statistics import counters, delivery
from bewust.statistics.counters import Key
from bewust.statistics.retention import close_periods
from bewust.statistics.storage import Store

SERVICES = loading.load()
WORDS = "five words nobody else knows"
WEEK = "2026-W47"
AFTER = datetime(2026, 11, 30, tzinfo=UTC)


def bewust(*arguments: object) -> str:
    result = CliRunner().invoke(main, list(map(str, arguments)), env={"BEWUST_KEEPER_PASSPHRASE": WORDS})
    assert result.exit_code == 0, result.output
    return result.stdout


def agreed(folder: Path, mechanism: str) -> Policy:
    """The policy of an organisation, with the keys its two keepers made."""
    text = f'mechanism = "{mechanism}"\n'
    for name in ("security", "council"):
        shown = bewust("keeper", "new", name, "--out", folder / f"{name}.key.json")
        text += shown[shown.index("[[release.keepers]]") :]
    (folder / "policy.toml").write_text(text)
    return policy.load(folder)


def workstation(folder: Path, rules: Policy, period: str, share: Path, *, busy: bool) -> None:
    folder.mkdir()
    store = Store(folder, [])
    store.open_period(counters.period_keys(period, SERVICES), rules.release.services)
    if busy:
        store.add([Key(period, "chatgpt", Kind.VISIT), Key(period, "chatgpt", Kind.REMINDED)] * 7)
    assert close_periods(store, rules, AFTER, secrets.randbelow) is None
    store.flush()
    delivery.deliver(store.contents().sealed, share)


def cell(found: list[dict[str, object]], block: str, name: str) -> dict[str, object]:
    (one,) = [row for row in found if (row["block"], row["cell"]) == (block, name) and row["domain"] != "all"]
    return one


def test_under_split_two_keepers_and_a_security_team_see_what_is_true_within_the_noise(tmp_path: Path) -> None:
    rules = agreed(tmp_path, "split")
    share = tmp_path / "share"
    share.mkdir()
    for number in range(60):
        workstation(tmp_path / f"w{number}", rules, WEEK, share, busy=True)
    for name in ("security", "council"):
        bewust("keeper", "sum", "--key", tmp_path / f"{name}.key.json", share, "--out", tmp_path / f"{name}.sum.json")
    opened = tmp_path / "opened" / "week.json"
    opened.parent.mkdir()
    bewust("keeper", "open", tmp_path / "security.sum.json", tmp_path / "council.sum.json", "--out", opened)
    bewust("fleet", "report", opened.parent, "--out", tmp_path / "report.html", "--json", tmp_path / "report.json")
    found = json.loads((tmp_path / "report.json").read_text())
    rows = found["cells"] if isinstance(found, dict) else found
    chatgpt = cell(rows, "service", "chatgpt")
    # Two discrete Laplace draws of scale 6: beyond 150 with a probability below 1e-9.
    assert abs(float(str(chatgpt["unbiased"])) - 60) < 150
    assert chatgpt["n_reports"] == 60
    html = (tmp_path / "report.html").read_text()
    assert "ChatGPT" in html
    assert not any(path.name in html for path in share.iterdir())


def test_under_local_the_reports_go_straight_to_the_security_team(tmp_path: Path) -> None:
    rules = msgspec.structs.replace(policy.load(), mechanism="local")
    share = tmp_path / "share"
    share.mkdir()
    for number in range(40):
        workstation(tmp_path / f"w{number}", rules, "2026-P12", share, busy=number % 2 == 0)
    bewust("fleet", "report", share, "--out", tmp_path / "report.html", "--json", tmp_path / "report.json")
    found = json.loads((tmp_path / "report.json").read_text())
    rows = found["cells"] if isinstance(found, dict) else found
    assert cell(rows, "any", "any")["n_reports"] == 40
    assert cell(rows, "service", "chatgpt")["usable"] is False, "forty workstations are too few for a service"
