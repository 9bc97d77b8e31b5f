"""A command's output, or one line; nothing of our environment reaches it."""

import os
import shutil

import pytest

from bewust.admin.run import run
from bewust.errors import AdminError

PATH = os.pathsep.join({os.path.dirname(shutil.which(name) or "/bin/sh") for name in ("sh", "env", "sleep")})


def told(*command: str, seconds: float = 10) -> str:
    return run(command, path=PATH, locale="C", seconds=seconds)


def test_what_it_wrote_comes_back_and_our_environment_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEWUST_SECRET", "x")
    assert told("sh", "-c", "echo one; pwd") == "one\n/\n"
    assert "BEWUST_SECRET" not in told("env") and "LC_ALL=C\n" in told("env")


def test_a_failure_is_its_last_line_or_its_code() -> None:
    with pytest.raises(AdminError, match=r"last$"):
        told("sh", "-c", "echo first >&2; echo last >&2; exit 3")
    with pytest.raises(AdminError, match=r"exit code 3$"):
        told("sh", "-c", "exit 3")


def test_what_cannot_be_run_or_does_not_end_is_said() -> None:
    with pytest.raises(AdminError, match=r"no-such-program: cannot be run"):
        told("no-such-program")
    with pytest.raises(AdminError, match=r"sleep: cannot be run .*timed out"):
        told("sleep", "5", seconds=0.1)
