"""Texts are made safe, a child that hangs is ended, and the queue never blocks or grows."""

import asyncio
import os
import signal
import struct
import sys
import time
import unicodedata
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bewust.desktop import toast
from bewust.desktop.toast import MESSAGE_LIMIT, Toast, clean, diagnose, icon, show, wording

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates and NUL included
TOAST = Toast("a", "b")


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2  # raises on a lone surrogate


@given(ANY_TEXT, st.integers(1, 40), st.booleans())
def test_clean_text_is_safe_whatever_comes_in(text: str, limit: int, markup: bool) -> None:
    result = clean(text, limit, markup)
    assert units(result) <= limit
    assert not result.startswith("-")
    assert "Cc" not in {unicodedata.category(c) for c in result if c != "\n"}
    if markup:
        assert "<" not in result
        assert result.count("&") == sum(result.count(e) for e in ("&amp;", "&lt;", "&gt;"))


@pytest.mark.parametrize(
    ("text", "limit", "markup", "expected"),
    [
        ("Zo'n café & <b>", 63, False, "Zo'n café & <b>"),
        ("Zo'n café & <b>", 63, True, "Zo'n café &amp; &lt;b&gt;"),
        ("--version", 63, False, "\u200b--version"),
        ("a\u00a0b\tc\x00d\ud800e\u202ef\ng", 63, False, "a b cdef\ng"),
        ("abcde", 5, False, "abcde"),
        ("abcdef", 5, False, "abcd…"),
        ("abc&&", 8, True, "abc…"),  # an entity is kept whole or not at all
        ("😀😀😀", 6, False, "😀😀😀"),
        ("😀😀😀", 5, False, "😀😀…"),
        ("😀😀😀", 4, False, "😀…"),  # a surrogate pair too
        ("", 5, True, ""),
        ("\x00", 5, True, ""),
    ],
)
def test_clean_text_reads_as_it_should(text: str, limit: int, markup: bool, expected: str) -> None:
    assert clean(text, limit, markup) == expected


@pytest.mark.parametrize(
    ("backend", "title", "message"),
    [
        ("NotifySendNotification", "It's <\\n>", "It's &lt;\\\\n&gt;\nnext"),
        ("NotifyDbus", "It's <\\n>", "It's &lt;\\n&gt;\nnext"),
        ("NotifyDesktopPortals", "It\\'s <\\\\n>", "It\\'s <\\\\n>\\nnext"),
        ("WindowsNotification", "It's <\\n>", "It's <\\n>\nnext"),
    ],
)
def test_each_backend_gets_the_wrapping_it_undoes(backend: str, title: str, message: str) -> None:
    assert wording(backend, Toast("It's <\\n>", "It's <\\n>\nnext")) == (title, message)


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_windows_never_gets_a_text_too_long_for_its_arrays(title: str, message: str, why: str) -> None:
    shown_title, shown_message = wording("WindowsNotification", Toast(title * 9, message * 9, why * 9))
    assert shown_title  # an empty title is refused by notify-send
    assert units(shown_title) <= toast.TITLE_LIMIT
    assert units(shown_message) <= MESSAGE_LIMIT


def test_the_sentence_is_cut_before_the_line_under_it() -> None:
    why = "Waarom zie ik dit? http://localhost:8787/"
    _, fits = wording("NotifyDbus", Toast("a", "Zo'n <b>", why, open="Open uitleg"))
    assert fits == f"Zo'n &lt;b&gt;\n{why}"
    _, cut = wording("NotifyDbus", Toast("a", "x" * 300, why))
    assert cut.endswith(f"x…\n{why}") and units(cut) == MESSAGE_LIMIT
    _, both = wording("NotifyDbus", Toast("a", "x" * 300, "&" * 300))
    assert both.startswith("xxx") and both.endswith("&amp;…") and units(both) <= MESSAGE_LIMIT


def test_the_icons_are_what_their_names_say() -> None:
    png, ico = icon("png").read_bytes(), icon("ico").read_bytes()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", png[16:24]) == (256, 256)
    zero, kind, count = struct.unpack("<HHH", ico[:6])
    entries = [struct.unpack("<BBBBHHII", ico[6 + 16 * n : 22 + 16 * n]) for n in range(count)]
    assert (zero, kind, [width or 256 for width, *_ in entries]) == (0, 1, [16, 32, 48, 256])
    assert entries[-1][-1] + entries[-1][-2] == len(ico)


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"DBUS_SESSION_BUS_ADDRESS": "unix:path=/a", "XDG_RUNTIME_DIR": "{}"}, "unix:path=/a"),
        ({"DBUS_SESSION_BUS_ADDRESS": "", "XDG_RUNTIME_DIR": "{}"}, "unix:path={}/bus"),
        ({"XDG_RUNTIME_DIR": "{}/missing"}, None),
        ({}, None),
    ],
)
def test_the_session_bus_is_where_the_login_says(tmp_path: Path, env: dict[str, str], expected: str | None) -> None:
    (tmp_path / "bus").touch()
    here = {name: value.format(tmp_path) for name, value in env.items()}
    with mock.patch.dict(os.environ, here, clear=True):
        assert toast.bus_address() == (expected and expected.format(tmp_path))


def test_a_failure_is_named_without_the_text_of_the_toast() -> None:
    assert diagnose(0, " \n") is None
    unknown = "org.freedesktop.DBus.Error.ServiceUnknown: GEHEIM"
    reasons = {
        diagnose(0, unknown),
        diagnose(1, toast.NO_BUS),
        diagnose(1, 'NotImplementedError("No usable implementation found!")'),
        diagnose(1, "GEHEIM"),
    }
    assert len(reasons) == 4
    assert all(r and "GEHEIM" not in r and "\n" not in r for r in reasons)
    assert diagnose(1, "") == diagnose(0, "anything") == toast.REFUSED


def child(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def test_the_child_gets_the_toast_on_its_standard_input() -> None:
    code = "import json, sys; t = json.load(sys.stdin); sys.exit((t['title'], t['why']) != ('Zo\\'n', 'ü'))"
    assert asyncio.run(show(Toast("Zo'n", "a lone \ud800 is no obstacle", "ü"), child(code))) is None


def test_a_child_that_complains_or_cannot_start_is_a_failure() -> None:
    assert asyncio.run(show(TOAST, child("import sys; sys.stderr.write('x')"))) == toast.REFUSED
    assert asyncio.run(show(TOAST, child("raise SystemExit(3)"))) == toast.REFUSED
    assert asyncio.run(show(TOAST, ("/nonexistent/python",))) == toast.NOT_STARTED


HANGING = """
import os, subprocess, sys, time
helper = subprocess.Popen(["sleep", "600"])
open(sys.argv[1], "w").write(f"{os.getpid()} {helper.pid}")
time.sleep(600)
"""


def alive(pid: int) -> bool:
    """Whether `pid` runs; an orphan that init has yet to reap counts as ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def assert_all_end(note: Path) -> None:
    pids = [int(word) for word in note.read_text().split()]
    assert len(pids) == 2
    end = time.monotonic() + 2
    while any(map(alive, pids)):
        assert time.monotonic() < end, "the child's group outlived it"
        time.sleep(0.01)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at /proc")
def test_a_child_that_hangs_is_killed_in_time_with_what_it_started(tmp_path: Path) -> None:
    note = tmp_path / "pids"
    start = time.monotonic()
    assert asyncio.run(show(TOAST, (*child(HANGING), str(note)), seconds=1)) == toast.TOO_LATE
    assert time.monotonic() - start < 2
    assert_all_end(note)


ESCAPING = """
import subprocess, sys, time
helper = subprocess.Popen(["sleep", "600"], start_new_session=True)
open(sys.argv[1], "w").write(str(helper.pid))
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sessions are a POSIX matter")
def test_a_process_that_left_the_group_cannot_hold_the_worker(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    start = time.monotonic()
    try:
        reason = asyncio.run(show(TOAST, (*child(ESCAPING), str(note)), seconds=1))
        assert reason == toast.TOO_LATE
        assert time.monotonic() - start < 3.5
    finally:
        os.kill(int(note.read_text()), signal.SIGKILL)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at /proc")
def test_a_worker_that_is_cancelled_leaves_no_child(tmp_path: Path) -> None:
    note = tmp_path / "pids"

    async def cancelled() -> None:
        task = asyncio.create_task(show(TOAST, (*child(HANGING), str(note)), seconds=60))
        while not (note.exists() and note.read_text()):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert_all_end(note)


def test_the_event_loop_keeps_turning_while_a_toast_is_shown() -> None:
    async def longest_gap() -> float:
        task = asyncio.create_task(show(TOAST, child("import time; time.sleep(0.5)")))
        gap, last = 0.0, time.perf_counter()
        while not task.done():
            await asyncio.sleep(0.001)
            gap, last = max(gap, time.perf_counter() - last), time.perf_counter()
        return gap

    assert asyncio.run(longest_gap()) < 0.25  # starting the child; the toast took 0.5 s


def test_plyer_stays_out_of_the_agents_own_process() -> None:
    code = "import sys, bewust.desktop.toast; sys.exit('plyer' in sys.modules)"
    assert asyncio.run(show(TOAST, child(code))) is None
