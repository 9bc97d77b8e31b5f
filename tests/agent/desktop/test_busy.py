"""A bad moment is recognised from what the platform says; what is not understood is no bad moment."""

import ctypes
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bewust.desktop import busy
from bewust.desktop.busy import Busy, macos_busy, windows_busy

ON: dict[str, Any] = {"data": [{"storeAssertionRecords": [{"assertionDetails": {}}]}], "header": {"version": 8}}
OFF: dict[str, Any] = {"data": [{"storeInvalidationRecords": [{}]}], "header": {"version": 8}}


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (0, None),
        (1, "locked"),
        (2, "full-screen"),
        (3, "full-screen"),
        (4, "presentation"),
        (5, None),  # accepts notifications
        (6, "do-not-disturb"),
        (7, "full-screen"),
        (8, None),  # of a Windows to come
    ],
)
def test_each_state_of_windows_means_what_microsoft_says(state: int, expected: Busy | None) -> None:
    assert windows_busy(state) == expected


@pytest.mark.parametrize(
    ("assertions", "expected"),
    [
        (ON, "do-not-disturb"),
        ({"data": [*OFF["data"], *ON["data"]]}, "do-not-disturb"),
        (OFF, None),
        ({"data": [{"storeAssertionRecords": []}]}, None),
        ({"data": []}, None),
        ({"data": [None]}, None),
        ({}, None),
        ([], None),
    ],
)
def test_a_focus_of_macos_is_found_in_its_file(assertions: object, expected: Busy | None) -> None:
    assert macos_busy(json.dumps(assertions).encode()) == expected


@given(st.binary())
def test_a_file_that_makes_no_sense_is_no_bad_moment(contents: bytes) -> None:
    assert macos_busy(contents) is None


def test_on_macos_the_focus_is_read_where_it_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    file = tmp_path / "Library/DoNotDisturb/DB/Assertions.json"
    assert busy.busy() is None
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(ON))
    assert busy.busy() == "do-not-disturb"


def shell(failure: int, state: int) -> Any:
    """Windows' shell32 with its one function, that writes `state` where its argument points."""

    def query(place: Any) -> int:
        place._obj.value = state
        return failure

    return SimpleNamespace(shell32=SimpleNamespace(SHQueryUserNotificationState=query))


@pytest.mark.skipif(sys.platform == "win32", reason="takes the place of what is real there")
def test_on_windows_the_shell_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "windll", shell(0, 4), raising=False)
    assert busy.busy() == "presentation"
    monkeypatch.setattr(ctypes, "windll", shell(-2147467259, 4), raising=False)
    assert busy.busy() is None


def test_elsewhere_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert busy.busy() is None
