"""What the service tells Windows' service manager, and does when asked."""

import sys
from pathlib import Path

import pytest

from bewust.system import windows_service
from bewust.system.windows_service import RUNNING, STOPPING, Control, worked


class Manager:
    def __init__(self) -> None:
        self.heard: list[tuple[int, int]] = []
        self.control = Control(lambda state, code: self.heard.append((state, code)))
        self.ended = 0

    def end(self) -> None:
        self.ended += 1


def test_it_tells_that_it_serves_and_ends_when_asked() -> None:
    manager = Manager()
    manager.control.on_stop(manager.end)
    manager.control.started()
    assert manager.control.asked(4) == 0  # are you there
    assert (manager.heard, manager.ended) == ([(RUNNING, 0)], 0)
    assert manager.control.asked(1) == 0
    assert (manager.heard[-1], manager.ended) == ((STOPPING, 0), 1)


def test_an_end_that_is_asked_for_during_the_start_is_not_forgotten() -> None:
    manager = Manager()
    manager.control.asked(5)  # the machine goes down
    manager.control.on_stop(manager.end)
    manager.control.started()
    assert (manager.heard, manager.ended) == ([(STOPPING, 0)], 1)


def test_what_it_does_not_know_it_says_so_of() -> None:
    manager = Manager()
    assert manager.control.asked(2) == 120  # pause
    assert manager.heard == []


def test_what_it_says_goes_into_its_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "Logs" / "service.log"

    def work(arguments: list[str], control: Control) -> None:
        print("serving", *arguments)
        print("wrong", file=sys.stderr)

    assert worked(work, ["renew"], Control(), log) == 0
    assert log.read_text() == "serving renew\nwrong\n"
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("how", "code", "words"), [(SystemExit(4), 4, ""), (SystemExit(None), 0, ""), (ValueError("x"), 1, "ValueError: x")]
)
def test_the_manager_hears_how_it_ended(tmp_path: Path, how: BaseException, code: int, words: str) -> None:
    def work(arguments: list[str], control: Control) -> None:
        raise how

    assert worked(work, [], Control(), tmp_path / "log") == code
    assert words in (tmp_path / "log").read_text()


def test_a_log_that_has_grown_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows_service, "LOG_BYTES", 10)
    log = tmp_path / "service.log"
    for text in ("a long first run", "second"):
        worked(lambda arguments, control, text=text: print(text), [], Control(), log)  # type: ignore[misc]
    assert (log.read_text(), log.with_suffix(".old").read_text()) == ("second\n", "a long first run\n")
