"""What every command shares: no agent is one clear error, and every error is one line with its own code."""

import json
from pathlib import Path
from socket import create_server

import pytest

from bewust.authority.authority import AuthorityError
from bewust.browsers.launch import BrowserError
from bewust.catalogue.entries import CatalogueError
from bewust.cli.console import NoAgentError, ask, clear_errors, fail, say
from bewust.config.policy import PolicyError
from bewust.config.texts import TextsError
from bewust.detection.recordings import RecordingError
from bewust.errors import AgentError
from bewust.statistics.storage import StoreError


def closed_port() -> int:
    """A port of loopback on which nobody listens any more."""
    with create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


# Asking.


@pytest.mark.parametrize("left", [None, "", "{", "[]", '{"port": "x"}', '{"port": 8787, "token": "secret"}'])
def test_without_a_whole_run_file_there_is_no_agent(tmp_path: Path, left: str | None) -> None:
    if left is not None:
        (tmp_path / "run.json").write_text(left)
    with pytest.raises(NoAgentError) as caught:
        ask(tmp_path, "/status.json")
    assert str(caught.value) == f"no agent runs with the state folder {tmp_path}. Start one: bewust run"


def test_without_a_state_folder_there_is_no_agent(tmp_path: Path) -> None:
    with pytest.raises(NoAgentError, match="Start one: bewust run"):
        ask(tmp_path / "gone", "/status.json")


@pytest.mark.parametrize("token", ["secret", "a\nb", "é☃"], ids=["closed", "token of two lines", "token that is none"])
def test_what_a_killed_agent_left_is_no_agent_and_its_process_is_named(tmp_path: Path, token: str) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"port": closed_port(), "token": token, "pid": 4711}))
    with pytest.raises(NoAgentError) as caught:
        ask(tmp_path, "/status.json")
    assert "process 4711, the last one, does not answer. Start one: bewust run" in str(caught.value)
    assert token not in str(caught.value)


@pytest.mark.parametrize("port", [-1, 70_000])
def test_a_run_file_with_a_port_that_is_none_is_no_agent(tmp_path: Path, port: int) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"port": port, "token": "secret", "pid": 4711}))
    with pytest.raises(NoAgentError, match="process 4711"):
        ask(tmp_path, "/status.json")


# Errors.

ERRORS: list[tuple[Exception, int]] = [
    (RecordingError("a.har", "is no recording", "Save it as HAR."), 1),
    (CatalogueError("v.toml", "service 's'", "has no evidence", "Say in a sentence."), 3),
    (PolicyError("policy.toml: flush: is none."), 3),
    (TextsError("nl.toml: chat: is none."), 3),
    (AgentError("state: is in use."), 4),
    (StoreError("counters.db: is damaged."), 4),
    (NoAgentError(Path("state")), 5),
    (BrowserError("none was found."), 6),
    (AuthorityError("authority", "is none"), 7),
]


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=[type(error).__name__ for error, _ in ERRORS])
def test_each_error_is_one_line_and_its_own_exit_code(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught, clear_errors():
        raise error
    assert caught.value.code == code
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"bewust: {error}\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize("error", [ValueError("x"), RuntimeError("x"), KeyError("x")], ids=repr)
def test_an_error_of_our_own_making_is_not_hidden(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(type(error)) as caught, clear_errors():
        raise error
    assert caught.value is error
    assert capsys.readouterr() == ("", "")


def test_where_nothing_goes_wrong_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with clear_errors():
        pass
    assert capsys.readouterr() == ("", "")


def test_failing_is_one_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        fail("it is broken", 4)
    assert caught.value.code == 4
    assert capsys.readouterr() == ("", "bewust: it is broken\n")


# Saying.


@pytest.mark.parametrize(
    ("line", "written"),
    [("", ""), ("café ☃ 😀", "café ☃ 😀"), ("caf\udce9.har", "caf?.har"), ("\udc80\ud800x", "??x")],
    ids=ascii,
)
def test_a_line_is_written_whole_even_where_a_file_name_is_no_text(
    line: str, written: str, capsys: pytest.CaptureFixture[str]
) -> None:
    say(line)
    assert capsys.readouterr() == (written + "\n", "")


def test_an_error_is_one_line_whatever_a_file_put_into_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        fail("x.toml: 'a\n\x1b[31mred\u202e' is none.", 3)
    assert capsys.readouterr().err == "bewust: x.toml: 'a\\n\\x1b[31mred\\u202e' is none.\n"
