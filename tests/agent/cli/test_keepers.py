"""`bewust keeper …` works from a new key to a table of words, and every mistake is one line and exit code 1."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
import tomli
from click.testing import CliRunner, Result

from bewust.cli.console import Options
from bewust.cli.keepers import PASSPHRASE, keeper_group
from bewust.keys import keeper_key
from bewust.statistics import formats
from bewust.statistics.keepers import keyfile, sums
from bewust.statistics.secret_sharing import seal_report
from support.secret_sharing_samples import bits, draft

WORDS = "five words nobody else knows"
NAMES = ("security", "works-council")


def run(*arguments: str | Path, passphrase: str | None = WORDS, typed: str = "") -> Result:
    environment = {PASSPHRASE: passphrase}
    options = Options(Path("unused"), None)
    return CliRunner().invoke(keeper_group, list(map(str, arguments)), obj=options, env=environment, input=typed)


def answered(*arguments: str | Path) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments: str | Path, passphrase: str | None = WORDS) -> str:
    """The one line of an error, without the lines before it that name what is wrong in the files."""
    result = run(*arguments, passphrase=passphrase)
    assert (result.exit_code, result.stdout) == (1, "")
    lines = result.stderr.splitlines()
    assert all(line.startswith("! ") for line in lines[:-1])
    assert lines[-1].startswith("bewust: ")
    return result.stderr


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two keys, made by the command, and 60 reports in it."""
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        answered("new", name)
    fill(tmp_path / "reports", range(60))
    return tmp_path


def fill(folder: Path, numbers: Sequence[int], period: str = "2026-W47") -> None:
    folder.mkdir(exist_ok=True)
    keys = [keyfile.load_key(Path(f"{name}.key.json"), WORDS).private.public_key() for name in NAMES]
    for number in numbers:
        report = seal_report(draft(number, period), bits(0, 1), keys)
        (folder / f"{number}-{period}.ndjson").write_text(f"{formats.encode(report)}\n")


def spoil(file: Path, which: int = 0) -> None:
    """Change one character of one share."""
    share = formats.decode(file.read_text()).shares[which]  # type: ignore[union-attr]
    file.write_text(file.read_text().replace(share, ("B" if share[0] == "A" else "A") + share[1:]))


def add_up(name: str, *more: str | Path) -> tuple[str | Path, ...]:
    return ("sum", "reports", "--key", f"{name}.key.json", *more)


# new


def test_a_new_key_gives_the_lines_for_the_policy(desk: Path) -> None:
    result = run("new", "third", "--out", "mine.json")
    (entry,) = tomli.loads(result.stdout)["release"]["keepers"]
    assert entry["name"] == "third"
    loaded = keyfile.load_key(desk / "mine.json", WORDS)
    assert keeper_key(entry["key"]) == loaded.private.public_key()
    assert "mine.json and mine.json.ledger. Keep them together" in result.stderr
    assert json.loads(answered("new", "fourth", "--json")).keys() == {"name", "id", "key", "file", "ledger"}


def test_a_passphrase_is_asked_for_twice_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    asked = run("new", "council", "--out", file, passphrase=None, typed=f"{WORDS}\nanother\n{WORDS}\n{WORDS}\n")
    assert asked.exit_code == 0, asked.output
    assert WORDS not in asked.output
    assert keyfile.load_key(file, WORDS).name == "council"
    assert run("sum", tmp_path, "--key", file, passphrase=None, typed=f"{WORDS}\n").stderr.endswith(
        "bewust: no report was found. Name files or folders with them.\n"
    )


def test_a_key_is_not_made_over_another_or_with_a_weak_passphrase(desk: Path) -> None:
    before = (desk / "security.key.json").read_bytes()
    assert "is there already, and is never overwritten" in refused("new", "security")
    assert "shorter than 16 characters" in refused("new", "fifth", passphrase="short")
    assert "is no name for a keeper" in refused("new", "../x")
    assert (desk / "security.key.json").read_bytes() == before


# sum and open


def test_two_keepers_check_add_up_and_open(desk: Path) -> None:
    checked = [json.loads(answered(*add_up(name, "--check", "--json"))) for name in NAMES]
    assert checked[0] == checked[1]
    assert (checked[0]["reports"], checked[0]["left_out"], "file" in checked[0]) == (60, [], False)
    said = [answered(*add_up(name)) for name in NAMES]
    assert all(f"Manifest: {checked[0]['manifest']}\n" in each for each in said)
    assert said[0].endswith("Written: 2026-W47-security.sum.json\n")
    table = answered("open", "2026-W47-security.sum.json", "2026-W47-works-council.sum.json")
    assert "2026-W47: 60 workstations reported" in table
    assert "any AI at all" in table
    opened = formats.decode_opened((desk / "2026-W47.opened.json").read_bytes())
    assert (opened.reports, opened.manifest) == (60, checked[0]["manifest"])
    again = answered("open", "2026-W47-works-council.sum.json", "2026-W47-security.sum.json", "--json")
    assert formats.decode_opened(again.encode()) == opened


def test_checking_adds_nothing_up(desk: Path) -> None:
    before = {path: path.read_bytes() for path in desk.iterdir() if path.is_file()}
    assert "Nothing was added up yet" in answered(*add_up("security", "--check"))
    assert {path: path.read_bytes() for path in desk.iterdir() if path.is_file()} == before


def test_checking_says_what_adding_up_will_do(desk: Path) -> None:
    answered(*add_up("security"))
    assert "you will get the same file again" in answered(*add_up("security", "--check"))
    (desk / "reports" / "7-2026-W47.ndjson").rename(desk / "reports" / "7-2026-W47.ndjson.txt")
    said = refused(*add_up("security", "--check"))
    assert "! reports/7-2026-W47.ndjson.txt: is no *.ndjson, so it was not read\n" in said
    assert "2026-W47 was added up before, from other reports" in said
    (desk / "works-council.key.json.ledger").unlink()
    assert "ledger: is not there. Put the ledger" in refused(*add_up("works-council", "--check"))


def test_the_table_says_where_the_noise_is_too_large(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "noise", lambda bound, epsilon, cells: [0] * cells)
    for name in NAMES:
        answered(*add_up(name))
    rows = answered("open", *(f"2026-W47-{name}.sum.json" for name in NAMES)).splitlines()
    cells = {row.split("│")[1].strip(): [cell.strip() for cell in row.split("│")[2:4]] for row in rows if "│" in row}
    assert cells["any AI at all"] == ["60", "39 to 60"]  # 2.06 deviations of 9.98
    assert cells["chatgpt"] == ["60", "35 to 60"]
    assert cells["claude"] == ["too few to tell", "0 to 25"]
    assert "a reminder shown" in cells
    assert "" not in cells, "cells that no service has"


def test_the_same_batch_gives_the_same_file_and_another_one_is_refused(desk: Path) -> None:
    answered(*add_up("security", "--out", "one.json"))
    assert json.loads(answered(*add_up("security", "--out", "two.json", "--json")))["again"] is True
    assert answered(*add_up("security", "--out", "two.json")).endswith("The same as before: two.json\n")
    assert (desk / "one.json").read_bytes() == (desk / "two.json").read_bytes()
    (desk / "reports" / "7-2026-W47.ndjson").unlink()
    assert "2026-W47 was added up before, from other reports" in refused(*add_up("security", "--out", "three.json"))
    assert not (desk / "three.json").exists()


def test_a_sum_is_not_written_over_something_else_and_is_not_lost_by_that(desk: Path) -> None:
    (desk / "2026-W47-security.sum.json").write_text("of value")
    assert "is there already, and is something else" in refused(*add_up("security"))
    assert json.loads(answered(*add_up("security", "--out", "one.json", "--json")))["again"] is True
    assert (desk / "2026-W47-security.sum.json").read_text() == "of value"


def test_a_mixed_folder_needs_a_period(desk: Path) -> None:
    fill(desk / "reports", range(50), "2026-W48")
    assert "have 2 periods: '2026-W47' in 60" in refused(*add_up("security"))
    assert json.loads(answered(*add_up("security", "--period", "2026-W48", "--json")))["reports"] == 50


def test_a_small_batch_is_refused_and_the_limit_cannot_be_lowered(desk: Path) -> None:
    for number in range(40):
        (desk / "reports" / f"{number}-2026-W47.ndjson").unlink()
    assert "20 reports are fewer than 50" in refused(*add_up("security"))
    assert "20 is not in the range x>=50" in run(*add_up("security", "--min-batch", "20")).stderr
    fill(desk / "reports", range(60))
    assert "60 reports are fewer than 61" in refused(*add_up("security", "--min-batch", "61"))


def test_bad_lines_are_named_and_left_out_only_when_both_are_told(desk: Path) -> None:
    folder = desk / "reports"
    spoil(folder / "3-2026-W47.ndjson")
    (folder / "5-2026-W47.ndjson").write_text((folder / "5-2026-W47.ndjson").read_text()[:900])
    (folder / "copy.ndjson").write_text((folder / "8-2026-W47.ndjson").read_text())
    said = refused(*add_up("security"))
    assert "! reports/5-2026-W47.ndjson:1: is no report" in said
    assert "! reports/3-2026-W47.ndjson:1: cannot be opened: it was changed after it was sealed" in said
    assert "! reports/copy.ndjson:1: is the report of reports/8-2026-W47.ndjson:1 again; counted once" in said
    assert "bewust: 2 lines cannot be used, named above, so nothing was added up." in said
    one, other = (json.loads(answered(*add_up(name, "--skip-bad", "--check", "--json"))) for name in NAMES)
    assert (one["reports"], len(one["left_out"]), len(one["duplicates"])) == (58, 2, 1)
    assert (other["reports"], len(other["left_out"])) == (59, 1), "the other share was not changed"
    assert one["manifest"] != other["manifest"]
    (folder / "3-2026-W47.ndjson").unlink()
    assert json.loads(answered(*add_up("works-council", "--skip-bad", "--json")))["manifest"] == one["manifest"]


def test_what_is_left_must_still_be_a_batch(desk: Path) -> None:
    for number in range(15):
        spoil(desk / "reports" / f"{number}-2026-W47.ndjson")
    assert "bewust: 45 reports are fewer than 50" in refused(*add_up("security", "--skip-bad"))
    for number in range(15, 60):
        spoil(desk / "reports" / f"{number}-2026-W47.ndjson")
    assert "! and 40 more" in refused(*add_up("security", "--skip-bad"))


@pytest.mark.parametrize(
    ("arguments", "passphrase", "error"),
    [
        (add_up("security"), "another passphrase", "The passphrase is wrong"),
        (add_up("nobody"), WORDS, "nobody.key.json: cannot be read"),
        (("sum", "reports", "--key", "reports/1-2026-W47.ndjson"), WORDS, "is no key of a keeper"),
        (("sum", "nowhere", "--key", "security.key.json"), WORDS, "no report was found"),
        (("open", "nowhere", "nowhere"), WORDS, "nowhere: cannot be read"),
        (("open", "security.key.json", "security.key.json"), WORDS, "is no sum of a keeper"),
    ],
)
def test_every_mistake_is_one_line(desk: Path, arguments: Sequence[str | Path], passphrase: str, error: str) -> None:
    assert error in refused(*arguments, passphrase=passphrase)
    assert not list(desk.glob("*.sum.json"))


def test_sums_that_do_not_belong_together_are_not_opened(desk: Path) -> None:
    answered(*add_up("security"))
    (desk / "reports" / "7-2026-W47.ndjson").unlink()
    answered(*add_up("works-council"))
    both = [f"2026-W47-{name}.sum.json" for name in NAMES]
    assert "hold different sets of reports: 'security' added up 60 of 2026-W47" in refused("open", *both)
    assert "both sums are of the keeper 'security'" in refused("open", both[0], both[0])
    assert not list(desk.glob("*.opened.json"))


@pytest.mark.skipif(os.name != "posix", reason="file modes are of POSIX")
def test_what_a_keeper_writes_is_for_its_owner(desk: Path) -> None:
    answered(*add_up("security"))
    assert {path.stat().st_mode & 0o077 for path in desk.iterdir() if path.is_file()} == {0}
