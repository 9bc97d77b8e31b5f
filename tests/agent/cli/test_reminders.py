"""The commands for tuning, reading and showing reminders: what they print, and one line for every error."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bewust.cli import main

DAY = '{"at": "09:00", "service": "google-ai-overview"}\n{"at": "09:10", "service": "google-ai-overview"}\n'


def run(*arguments: str | Path, given: str | None = None) -> Result:
    return CliRunner().invoke(main.main, list(map(str, arguments)), input=given, prog_name="bewust")


def test_a_day_is_printed_with_what_was_seen_and_why_not_more() -> None:
    result = run("simulate-day", "-", given=DAY)
    assert result.exit_code == 0, result.output
    assert "AI-antwoord in Google Zoeken" in result.stdout
    assert "1 reminder for 2 detections." in result.stdout
    assert "1 not shown: too soon after another of this kind (reminders.gap)" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_a_day_as_json_is_a_line_a_detection() -> None:
    lines = [json.loads(line) for line in run("simulate-day", "-", "--json", given=DAY).stdout.splitlines()]
    assert [line["outcome"] for line in lines] == ["shown", "held"]
    assert (lines[0]["at"], lines[0]["text"], lines[0]["service"]) == ("09:00:00", "R31", "google-ai-overview")
    assert lines[1] == {"at": "09:10:00", "service": "google-ai-overview", "reason": "gap", "outcome": "held"}


def test_another_policy_can_be_tried(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("[reminders]\nsilent = true\n")
    result = run("simulate-day", "-", "--policy", tmp_path / "mine.toml", given=DAY)
    assert "0 reminders for 2 detections." in result.stdout
    assert "but for the silent pilot" in result.stdout


def test_an_empty_day_is_no_error() -> None:
    result = run("simulate-day", "-", given="\n")
    assert result.exit_code == 0
    assert "0 reminders for 0 detections." in result.stdout


@pytest.mark.parametrize(("data", "names"), [(b"{}\n", "line 1"), (b"\xff\xfe\n", "JSON lines")])
def test_a_day_that_is_none_is_one_line(tmp_path: Path, data: bytes, names: str) -> None:
    (tmp_path / "day").write_bytes(data)
    result = run("simulate-day", tmp_path / "day")
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert str(tmp_path / "day") in line and names in line


def test_every_text_is_listed_with_why_it_is_never_shown(tmp_path: Path) -> None:
    rows = {row["id"]: row for row in map(json.loads, run("texts", "--json").stdout.splitlines())}
    assert rows["R15"]["never"] == "{contact} has no value in the policy"
    assert rows["R24"]["text"] == "Vertrouwelijke tekst vertalen? Gebruik eTranslation of de vertaling in Firefox."
    assert rows["R24"]["never"] == ""
    assert rows["R31"]["when"] == "first use, search, use only, data"
    assert "never: {contact}" in run("texts").stdout.replace("\n", " ")


def test_the_texts_of_one_service_are_as_a_person_reads_them(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text('[service.chatgpt]\nstatus = "uncontracted"\nalternative = "de eigen chat"\n')
    result = run("--config", tmp_path, "texts", "--service", "chatgpt", "--json")
    rows = {row["id"]: row for row in map(json.loads, result.stdout.splitlines())}
    assert rows["R11"]["text"].startswith("Uw organisatie heeft geen contract met ChatGPT. Gebruik")
    assert "R19" not in rows
    assert run("texts", "--service", "chatgtp").exit_code == 2


@pytest.mark.skipif(sys.platform == "win32", reason="sessions need local sockets with credentials")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_session_waits_for_its_service_and_ends_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    command = [
        sys.executable,
        "-m",
        "bewust.cli.main",
        "--state",
        tmp_path,
        "session",
        "--socket",
        tmp_path / "none.sock",
    ]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as one:
        assert one.stderr is not None
        assert one.stderr.readline().startswith("bewust: ")
        one.send_signal(number)
        out, complaint = one.communicate(timeout=60)
    assert (one.returncode, out, complaint) == (0, "", ""), "it says once why it waits"


def test_a_service_says_where_it_cannot_listen(tmp_path: Path) -> None:
    missing = tmp_path / "none" / "s.sock"
    result = run("--state", tmp_path / "state", "service", "--port", "0", "--socket", missing)
    assert result.exit_code == 4
    assert str(missing) in result.stderr and "--socket" in result.stderr


@pytest.mark.parametrize(
    ("told", "stays", "started"),
    [
        ('"{here}/pythonw.exe" -m bewust.cli.main session', True, []),
        ('"{HERE}/python.exe" -m bewust.cli.main session', True, []),
        (
            '"/opt/later/pythonw.exe" -m bewust.cli.main session',
            False,
            ['"/opt/later/pythonw.exe" -m bewust.cli.main session'],
        ),
        (None, False, []),
    ],
)
def test_a_session_of_an_older_version_starts_the_one_of_now_and_ends(
    tmp_path: Path, told: str | None, stays: bool, started: list[str]
) -> None:
    from bewust.cli.reminders import handed_on

    did: list[str] = []
    text = told and told.format(here=tmp_path, HERE=str(tmp_path).upper())
    found = None if text is None else (text, 1)
    assert handed_on(found, tmp_path / "pythonw.exe", did.append) is stays
    assert did == started
