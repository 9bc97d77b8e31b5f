"""A value is right, or what is wrong with it is said; an editor's pattern is never stricter than the check."""

import re
from collections.abc import Callable
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bewust.config import checks
from bewust.durations import Duration, Step

CHECKS: dict[str, tuple[Any, Callable[[str], str | None], list[str], list[str]]] = {
    "duration": (
        checks.Span,
        lambda text: checks.duration(Duration(text)),
        ["15m", "1.5 h", " 3d", "366d"],
        ["", "0m", "m", "367d", "1w", "9" * 400 + "d"],
    ),
    "step": (checks.BackOff, lambda text: checks.step(Step(text)), ["next day", "30m"], ["", "next week", "Next day"]),
    "hours": (checks.Hours, checks.hours, ["18:00-08:00", "00:00-23:59"], ["", "8-18", "24:00-08:00", "08:00-08:00"]),
    "fraction": (checks.Fraction, checks.fraction, ["1/2", "9999/1"], ["", "0/1", "1/0", "0.5", "1/2 "]),
    "budget": (checks.Budget, checks.budget, ["", "26", "3/20"], ["0", "-1", "1/0", "26 "]),
    "language": (checks.Language, checks.language, ["nl", "fy", "nl-BE"], ["", "../nl", "NL", "n", "nl\n"]),
    "host": (checks.Host, checks.host, ["a.nl", "*.a.nl", "intranet"], ["", "*.", "A.nl", "a.nl/x", "a.nl:80", "a..b"]),
    "link": (
        checks.WebLink,
        lambda text: checks.link(text, "https://"),
        ["", "https://x.nl/a?b#c"],
        ["http://x.nl", "https://", "https://x.nl/ y", "javascript:x", "mailto:a@x.nl", 'https://x.nl/"'],
    ),
    "mailbox": (
        checks.Mailbox,
        lambda text: checks.link(text, "https://", "mailto:"),
        ["", "https://x.nl", "mailto:a@x.nl"],
        ["mailto:a@x.nl?subject=x", "http://x.nl"],
    ),
    "upstream": (
        checks.Upstream,
        checks.upstream,
        ["", "http://proxy.example:3128", "http://10.0.0.1:80", "http://[2001:db8::1]:8080", "http://proxy:1"],
        [
            "proxy.example:3128", "https://proxy.example:3128", "http://proxy.example", "http://proxy.example:0",
            "http://proxy.example:65536", "http://proxy.example:3128/", "http://proxy.example:3128/proxy.pac",
            "http://me:secret@proxy.example:3128", "http://Proxy.example:3128", "http://a:80:3128", "http://:3128",
            "http://a..b:80", "http://[::1:80", "socks5://proxy.example:1080", "http://proxy.example:3128\n",
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHECKS)
def test_what_is_right_passes_and_what_is_wrong_gets_a_remedy(name: str) -> None:
    _, check, right, wrong = CHECKS[name]
    for text in right:
        assert check(text) is None, text
    for text in wrong:
        problem = check(text)
        assert problem is not None, text
        assert re.search(r"(Write|Correct) ", problem)
        assert problem.isprintable()


def pattern(kind: Any) -> str:
    return str(get_args(kind)[1].extra_json_schema["pattern"])


@pytest.mark.parametrize("name", CHECKS)
def test_an_editor_marks_nothing_that_is_accepted(name: str) -> None:
    kind, check, right, wrong = CHECKS[name]
    assert all(re.search(pattern(kind), text) for text in right)
    assert any(not re.search(pattern(kind), text) for text in wrong), "and it marks something"

    @given(st.one_of(st.text(max_size=20), st.from_regex(pattern(kind), fullmatch=True)))
    @example("1e5h")
    def always(text: str) -> None:
        assert check(text) is not None or re.search(pattern(kind), text)

    always()


def test_a_password_is_not_said_again() -> None:
    problem = checks.upstream("http://me:hunter2@proxy.example:3128")
    assert problem is not None
    assert "hunter2" not in problem
    assert "without name and password" in problem


def test_reminders_a_day_are_a_small_number() -> None:
    bounds = get_args(checks.Daily)[1].extra_json_schema
    for number in (bounds["minimum"], bounds["maximum"]):
        assert checks.daily(number) is None
    for number in (bounds["minimum"] - 1, bounds["maximum"] + 1):
        assert "0 to 100" in str(checks.daily(number))
