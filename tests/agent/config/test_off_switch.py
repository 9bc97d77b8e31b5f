"""What stops the agent, and for how long."""

from pathlib import Path

from bewust.config.off_switch import OffSwitch


def why(switch: OffSwitch) -> str:
    return switch.stopped


def test_a_file_stops_it_while_it_is_there(tmp_path: Path) -> None:
    switch = OffSwitch(tmp_path)
    assert why(switch) == ""
    (tmp_path / "off").touch()
    assert why(switch) == "off"
    (tmp_path / "off").unlink()
    assert why(switch) == ""
    (tmp_path / "off").symlink_to("nowhere")
    assert why(switch) == "off"
    assert why(OffSwitch(None)) == why(OffSwitch(tmp_path / "absent")) == ""


def test_a_pause_ends_by_itself_or_when_it_is_ended(tmp_path: Path) -> None:
    now = [1000.0]
    switch = OffSwitch(tmp_path, lambda: now[0])
    switch.pause(60)
    assert (why(switch), switch.left) == ("paused", 60)
    (tmp_path / "off").touch()
    assert why(switch) == "off", "what the administrator says counts more"
    (tmp_path / "off").unlink()
    now[0] += 61
    assert (why(switch), switch.left) == ("", 0)
    switch.pause(60)
    switch.pause(0)
    assert why(switch) == ""
