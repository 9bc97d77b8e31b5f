"""The `bewust` command: it reads well, starts fast, and every error is one line with its own code."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import bewust
from bewust import errors
from bewust.cli import main
from bewust.config.platform_policy import Layer
from bewust.model import Kind
from bewust.state_files import STORE
from bewust.statistics.counters import Key
from bewust.statistics.storage import Store

PACKAGE = Path(bewust.__file__).parent
CONSOLE_SCRIPT = Path(sys.executable).with_name("bewust")
COUNTS = [
    {"period": "2026-P12", "service": "chatgpt", "kind": "visit", "n": 2},
    {"period": "2026-P12", "service": "chatgpt", "kind": "use", "n": 0},
]
HELD = [{"period": "2026-P12", "reason": "gap", "n": 4}, {"period": "2026-P12", "reason": "busy", "n": 0}]
STATUS: dict[str, Any] = {
    "version": "0.1.0", "pid": 1, "since": "2026-11-23T12:00:00+01:00", "inspector": "running", "inspector_starts": 1,
    "tunnelled": ["chatgpt.com"], "decrypted": [], "demoted": {}, "refusals": 0, "connections": {},
    "today": "2026-11-24", "silent": {}, "reviews": {}, "authority_until": "2028-11-23",
    "catalogue": "shipped", "authority_fingerprint": "ab", "uncovered": [], "toasts_shown": 0, "toasts_failed": 0,
    "failures": {}, "problems": ["toasts: nobody answers"],
}  # fmt: skip


def run(*arguments: str | Path, state: Path | None = None) -> Result:
    options = ["--state", str(state)] if state else []
    return CliRunner().invoke(main.main, [*options, *map(str, arguments)], prog_name="bewust")


def failed(result: Result, code: int) -> str:
    """The one line of an error; a traceback or anything on standard output is none."""
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("bewust: ")
    return line


class FakeAgent(HTTPServer):
    """Answers as an agent does, to whoever has the token."""

    def __init__(self, state: Path, status: int = 200, body: bytes | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.status, self.body = status, body
        self.asked: list[str] = []  # by POST
        leave_run_file(state, self.server_port)

    def answer(self, path: str) -> bytes:
        answers = {"/status.json": STATUS | {"port": self.server_port}, "/counts.json": COUNTS, "/held.json": HELD}
        return json.dumps(answers[path]).encode() if self.body is None else self.body


class _Answer(BaseHTTPRequestHandler):
    server: FakeAgent

    def do_GET(self) -> None:
        known = self.headers["Authorization"] == "Bearer secret"
        self.send_response(self.server.status if known else 403)
        self.end_headers()
        self.wfile.write(self.server.answer(self.path))

    def do_POST(self) -> None:
        self.server.asked.append(self.path)
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        pass


def leave_run_file(state: Path, port: int) -> None:
    (state / "run.json").write_text(json.dumps({"port": port, "token": "secret", "pid": 4711}))


def serve(agent: FakeAgent) -> Iterator[FakeAgent]:
    thread = threading.Thread(target=agent.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield agent
    agent.shutdown()
    thread.join()
    agent.server_close()


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[FakeAgent]:
    yield from serve(FakeAgent(tmp_path))


@pytest.fixture(params=[(403, b"Ask with the bewust command.\n"), (200, b"<html>"), (404, b"{}")], ids=str)
def stranger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FakeAgent]:
    yield from serve(FakeAgent(tmp_path, *request.param))


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """The state folder of an agent that was killed: its run.json names a port that is closed now."""
    with FakeAgent(tmp_path):
        pass
    return tmp_path


def write_counts(state: Path) -> None:
    cells = [Key("2026-P12", "claude", kind) for kind in Kind]
    store = Store(state, cells)
    store.add([cells[1]] * 3)
    store.flush()


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, group
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = list(commands(main.main))


# Help.


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[" ".join(("bewust", *path)) for path, _ in COMMANDS])
def test_every_help_is_whole_and_explains_every_option(path: Sequence[str], command: click.Command) -> None:
    result = run(*path, "--help")
    assert result.exit_code == 0
    assert "..." not in re.sub(r"\b[A-Z]+\]?\.\.\.", "", result.stdout)
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
    assert command.help
    for parameter in command.params:
        assert isinstance(parameter, click.Argument) or getattr(parameter, "help", None), parameter.name


def test_the_help_names_every_command_and_every_exit_code() -> None:
    out = run("--help").stdout
    for name in main.main.commands:
        assert f"\n  {name} " in out
    codes = {
        errors.READ_FAILED,
        errors.CONFIG,
        errors.CANNOT_START,
        errors.NOT_RUNNING,
        errors.NO_BROWSER,
        errors.AUTHORITY,
        errors.ADMIN,
    }
    assert len(codes | {0, 2}) == 9
    assert all(f" {code} " in out[out.index("Exit codes") :] for code in codes | {0, 2})


@pytest.mark.skipif(not CONSOLE_SCRIPT.exists(), reason="bewust is not installed as a command here")
def test_the_installed_command_answers() -> None:
    done = subprocess.run([CONSOLE_SCRIPT, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("bewust, version ")


def loaded(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_help_starts_without_the_heavy_libraries() -> None:
    heavy = {"mitmproxy", "bewust_addons", "cryptography", "starlette", "uvicorn", "rich", "sqlite_utils", "plyer"}
    names = loaded("from bewust.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass")
    assert "click" in names
    assert not names & heavy
    assert not names & {"asyncio", "subprocess", "tempfile", "msgspec", "ssl"}, "nor what single commands need"


def test_asking_the_agent_loads_neither_the_catalogue_nor_certificates_nor_a_store() -> None:
    names = loaded(
        "from bewust.cli.main import main\ntry: main(['--state', '/nowhere', 'status'])\nexcept SystemExit: pass"
    )
    assert "msgspec" in names
    heavy = {"cryptography", "tomli", "sqlite3", "sqlite_utils", "packaging", "rich", "asyncio", "zoneinfo"}
    assert not names & heavy


def test_no_module_of_ours_loads_mitmproxy_or_plyer() -> None:
    modules = [
        ".".join(("bewust", *file.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        for file in sorted(PACKAGE.rglob("*.py"))
    ]
    assert len(modules) > 20
    names = loaded("import " + ", ".join(modules))
    assert "cryptography" in names
    assert not names & {"mitmproxy", "bewust_addons", "plyer"}


# Usage.

USAGE: dict[str, list[str]] = {
    "an unknown command": ["brows"],
    "an unknown option": ["stats", "--jsn"],
    "no file to inspect": ["inspect"],
    "a port that is none": ["run", "--port", "70000"],
    "a folder of the organisation that is not there": ["--config", "/gone", "stats"],
    "a page without a whole URL": ["inspect", "--page", "www.google.com", "a.html"],
    "a policy that is a folder": ["inspect", "--policy", "/", "a.har"],
}


@pytest.mark.parametrize("arguments", USAGE.values(), ids=USAGE)
def test_a_mistake_in_the_command_line_is_2(arguments: list[str]) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: " in result.stderr


# The machine's own folder.


@pytest.mark.parametrize("given", [False, True], ids=["nothing given", "--config"])
def test_the_machines_own_folder_counts_where_no_other_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: bool
) -> None:
    monkeypatch.delenv("BEWUST_CONFIG")
    monkeypatch.setattr("bewust.config.platform_policy.folder", lambda: tmp_path / "machine")
    monkeypatch.setattr("bewust.config.platform_policy.layers", lambda: (Layer("registry", {"language": "en"}),))
    (tmp_path / "ours").mkdir()
    options: list[str | Path] = ["--config", tmp_path / "ours"] if given else []
    result = run(*options, "texts", "--service", "chatgpt", "--json")
    assert result.exit_code == 0, result.output
    assert ("Do not enter personal data" in result.stdout) is not given


# Status and stats.


def test_status_shows_what_the_agent_answers(agent: FakeAgent, tmp_path: Path) -> None:
    result = run("status", state=tmp_path)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "toasts: nobody answers" in result.stdout
    assert "1 names; see: bewust catalogue hosts" in result.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal there knows all signs")
@pytest.mark.parametrize("command", ["status", "stats"])
def test_what_a_terminal_has_no_sign_for_is_a_question_mark(agent: FakeAgent, tmp_path: Path, command: str) -> None:
    status = STATUS | {"port": agent.server_port, "problems": ["De schijf is vol… één keer."]}
    agent.body = json.dumps(status if command == "status" else COUNTS).encode()
    done = subprocess.run(
        [sys.executable, "-m", "bewust.cli.main", "--state", str(tmp_path), command], capture_output=True, check=False,
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "COLUMNS": "200"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()
    assert command == "stats" or b"De schijf is vol? ??n keer." in done.stdout


def test_status_for_scripts_is_one_object(agent: FakeAgent, tmp_path: Path) -> None:
    result = run("status", "--json", state=tmp_path)
    assert json.loads(result.stdout) == STATUS | {"port": agent.server_port}
    assert result.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "answer", "told"),
    [
        (["pause"], {"stopped": "paused", "resumes": "14:05"}, ("/pause?seconds=3600", "Paused until 14:05.")),
        (["pause", "--for", "15m"], {"stopped": "off", "resumes": ""}, ("/pause?seconds=900", "An administrator has")),
        (["resume"], {"stopped": "", "resumes": ""}, ("/pause?seconds=0", "It works again.")),
    ],
)
def test_a_pause_is_asked_for_and_its_end_is_told(
    agent: FakeAgent, tmp_path: Path, arguments: list[str], answer: dict[str, str], told: tuple[str, str]
) -> None:
    agent.body = json.dumps(answer).encode()
    result = run(*arguments, state=tmp_path)
    assert (result.exit_code, agent.asked) == (0, [told[0]])
    assert result.stdout.startswith(told[1])


def test_a_pause_that_is_not_allowed_or_not_to_be_ended_says_whom_to_ask(agent: FakeAgent, tmp_path: Path) -> None:
    agent.body = b'{"stopped": "", "resumes": ""}'
    assert "the policy allows no pause" in failed(run("pause", state=tmp_path), 1)
    agent.body = b'{"stopped": "off", "resumes": ""}'
    assert "an administrator has stopped it. Remove the file off from" in failed(run("resume", state=tmp_path), 1)
    for span in ("soon", "0m", "-1h"):
        assert run("pause", "--for", span, state=tmp_path).exit_code == 2


@pytest.mark.parametrize("command", ["status", "browse", "stats", "pause", "resume"])
def test_without_an_agent_the_way_to_start_one_is_named(tmp_path: Path, command: str) -> None:
    line = failed(run(command, state=tmp_path), 5)
    assert "no agent runs" in line
    assert line.endswith("Start one: bewust run")


@pytest.mark.parametrize("command", ["status", "browse", "stats"])
def test_an_agent_that_was_killed_is_no_agent(killed: Path, command: str) -> None:
    line = failed(run(command, state=killed), 5)
    assert "no agent runs" in line
    assert "process 4711" in line


def test_a_stranger_on_the_agents_old_port_is_no_agent(stranger: FakeAgent, tmp_path: Path) -> None:
    assert "no agent runs" in failed(run("status", state=tmp_path), 5)
    write_counts(tmp_path)
    assert json.loads(run("stats", "--json", state=tmp_path).stdout)[0]["service"] == "claude"


def test_stats_are_live_from_a_running_agent(agent: FakeAgent, tmp_path: Path) -> None:
    write_counts(tmp_path)
    result = run("stats", "--json", state=tmp_path)
    assert json.loads(result.stdout) == COUNTS[:1]
    assert result.stderr == ""
    assert json.loads(run("stats", "--json", "--all", state=tmp_path).stdout) == COUNTS


@pytest.mark.parametrize("left", [None, "run.json", "damaged run.json"])
def test_stats_come_from_the_file_when_no_agent_runs(killed: Path, left: str | None) -> None:
    if left is None:
        (killed / "run.json").unlink()
    elif left.startswith("damaged"):
        (killed / "run.json").write_text("{")
    write_counts(killed)
    result = run("stats", "--json", state=killed)
    assert result.exit_code == 0
    assert json.loads(result.stdout) == [{"period": "2026-P12", "service": "claude", "kind": "use", "n": 3}]
    assert result.stderr == "No agent runs; these are the counters as they were last written.\n"
    assert len(json.loads(run("stats", "--json", "--all", state=killed).stdout)) == len(Kind)


def test_why_reminders_were_held_back_is_shown_live_and_from_the_file(agent: FakeAgent, tmp_path: Path) -> None:
    assert json.loads(run("stats", "--held", "--json", state=tmp_path).stdout) == HELD[:1]
    shown = run("stats", "--held", state=tmp_path).stdout
    assert "too soon after another of this kind" in shown and "not to be disturbed" not in shown
    (tmp_path / "run.json").unlink()
    write_counts(tmp_path)
    assert json.loads(run("stats", "--held", "--json", state=tmp_path).stdout) == []
    assert "No reminder has been held back yet" in run("stats", "--held", state=tmp_path).stdout


def test_stats_for_people_are_a_table(killed: Path) -> None:
    write_counts(killed)
    assert "claude" in run("stats", state=killed).stdout


def test_a_file_of_counters_that_is_damaged_is_1_and_left_where_it_is(tmp_path: Path) -> None:
    (tmp_path / STORE).write_text("damaged")
    assert "is not a store of Bewust" in failed(run("stats", state=tmp_path), 1)
    assert (tmp_path / STORE).read_text() == "damaged"


# Inspect.


def har(folder: Path, url: str = "https://www.google.com/search?udm=50&q=x") -> Path:
    file = folder / "a.har"
    file.write_text(json.dumps({"log": {"entries": [{"request": {"method": "GET", "url": url}}]}}))
    return file


def test_inspect_writes_one_object_a_line_and_ends_with_0(tmp_path: Path) -> None:
    file = har(tmp_path)
    result = run("inspect", "--json", file, file)
    assert (result.exit_code, result.stderr) == (0, "")
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert first == second
    assert list(first) == ["file", "entry", "service", "context", "level", "signature", "embedded", "internal"]
    assert (first["file"], first["service"]) == (str(file), "google-ai-mode")


def test_inspect_with_nothing_found_writes_nothing_and_ends_with_0(tmp_path: Path) -> None:
    result = run("inspect", "--json", har(tmp_path, "https://example.nl/"))
    assert (result.exit_code, result.output) == (0, "")


def test_inspect_ends_with_1_when_one_file_could_not_be_read_and_reads_the_others(tmp_path: Path) -> None:
    result = run("inspect", "--json", tmp_path / "gone.har", har(tmp_path))
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("bewust: ")
    assert "gone.har: cannot be read" in line


def test_inspect_looks_as_deep_as_a_policy_says(tmp_path: Path) -> None:
    policy = tmp_path / "mine.toml"
    policy.write_text('[service.google-ai-mode]\ndepth = "name"\n')
    result = run("inspect", "--json", "--policy", policy, har(tmp_path))
    assert (result.exit_code, result.output) == (0, "")


def test_inspect_reads_a_page_as_what_its_url_brought(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text('<div class="mZJni">')
    result = run("inspect", "--json", "--page", "https://www.google.nl/search?q=x", page)
    assert json.loads(result.stdout)["signature"] == "inline"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has file names that are no text")
def test_a_file_name_that_is_no_text_is_no_reason_to_fail(tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"caf\xe9.har")
    har(tmp_path).rename(file)
    for option in ([], ["--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "bewust.cli.main", "inspect", *option, file],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")


# What an organisation or a machine got wrong.


def test_a_mistake_in_policy_catalogue_or_texts_is_3(tmp_path: Path) -> None:
    state = tmp_path / "state"
    for name, text in [("policy.toml", "x = 1"), ("texts/nl.toml", "x = 1"), ("services/x.toml", "x = 1")]:
        config = tmp_path / name.partition("/")[0].partition(".")[0]
        (config / name).parent.mkdir(parents=True)
        (config / name).write_text(text)
        line = failed(run("--config", config, "run", "--port", "0", state=state), 3)
        assert Path(name).name in line
    assert not state.exists()


def test_a_policy_that_is_missing_is_3(tmp_path: Path) -> None:
    assert "cannot be read" in failed(run("inspect", "--policy", tmp_path / "gone.toml", har(tmp_path)), 3)


def test_a_state_folder_that_cannot_be_made_is_4(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "--state" in failed(run("run", state=tmp_path / "file" / "state"), 4)


def test_no_browser_is_6(agent: FakeAgent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("authority", "renew", state=tmp_path).exit_code == 0
    monkeypatch.setenv("PATH", "")
    assert "--browser" in failed(run("browse", state=tmp_path), 6)


@pytest.mark.skipif(os.name != "posix", reason="the stand-in is not a program on POSIX")
def test_a_browser_that_is_no_program_is_6(agent: FakeAgent, tmp_path: Path) -> None:
    assert run("authority", "renew", state=tmp_path).exit_code == 0
    (tmp_path / "browser").write_bytes(b"\x7fELF nothing")
    (tmp_path / "browser").chmod(0o755)
    assert "cannot be started" in failed(run("browse", "--browser", tmp_path / "browser", state=tmp_path), 6)


@pytest.mark.parametrize(
    "arguments", [["authority", "show"], ["browse", "--browser", sys.executable]], ids=["show", "browse"]
)
def test_no_authority_is_7(agent: FakeAgent, tmp_path: Path, arguments: list[str]) -> None:
    assert "authority" in failed(run(*arguments, state=tmp_path), 7)


def test_an_authority_in_order_is_renewed_only_without_if_needed(tmp_path: Path) -> None:
    assert "New authority for" in run("authority", "renew", "--if-needed", state=tmp_path).stdout
    assert "in order" in run("authority", "renew", "--if-needed", state=tmp_path).stdout
    assert "New authority for" in run("authority", "renew", state=tmp_path).stdout


def test_the_authority_is_shown_with_its_names_and_renewed_on_command(tmp_path: Path) -> None:
    assert "New authority for" in run("authority", "renew", state=tmp_path).stdout
    first = run("authority", "show", state=tmp_path).stdout
    assert f"Root:        {tmp_path / 'authority' / 'root.pem'}" in first
    assert "\n  www.google.nl\n" in first
    run("authority", "renew", state=tmp_path)
    assert run("authority", "show", state=tmp_path).stdout != first
