"""What the page may know of a person is a short, closed list; what it knows of the agent can be sent as JSON."""

from pathlib import Path

import msgspec

from bewust.page.shown import Login, Recent, Status
from support.pages import Fake


def test_the_page_knows_of_a_person_what_is_said_here_and_no_more() -> None:
    assert Login.__struct_fields__ == ("who", "recent", "snoozes", "alone")
    assert Recent.__struct_fields__ == ("at", "reminder")


def test_nobody_is_alone_unless_the_agent_says_so() -> None:
    assert not Login(1).alone


def test_a_status_survives_its_journey_to_the_command(tmp_path: Path) -> None:
    status = Fake(tmp_path).status()
    assert msgspec.json.decode(msgspec.json.encode(status), type=Status) == status
