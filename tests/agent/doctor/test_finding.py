"""What all checks share: the exit code, and running a program of the system."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bewust.doctor.finding import Finding, Verdict, broken, degraded, exit_code, ok, run, unknown
from support.doctor import here


@given(st.lists(st.sampled_from(Verdict)))
def test_the_worst_verdict_decides_and_what_is_not_known_does_not(verdicts: list[Verdict]) -> None:
    found = exit_code(Finding("pac", "x", verdict, "x") for verdict in verdicts)
    worst = max((["ok", "unknown", "degraded", "broken"].index(v) for v in verdicts), default=0)
    assert found == [0, 0, 1, 2][worst]


def test_each_verdict_has_its_word() -> None:
    assert ok("pac", "b", "c") == Finding("pac", "b", Verdict.OK, "c")
    made = [make("pac", "b", "c", "d").verdict for make in (unknown, degraded, broken)]
    assert made == [Verdict.UNKNOWN, Verdict.DEGRADED, Verdict.BROKEN]


@pytest.mark.parametrize(
    ("script", "said"), [("print('x')", "x\n"), ("raise SystemExit(3)", None), ("print(input())", None)]
)
def test_a_program_answers_or_does_not(script: str, said: str | None) -> None:
    assert run([sys.executable, "-c", script]) == said


def test_a_program_that_is_not_there_answers_nothing() -> None:
    assert run(["/nonexistent/program"]) is None


def test_the_pac_is_asked_of_loopback(tmp_path: Path) -> None:
    assert here(tmp_path, port=9).pac_url == "http://127.0.0.1:9/proxy.pac"
