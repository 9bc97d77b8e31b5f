"""The table is grouped, whole and safe; the summary counts."""

import io

from rich.console import Console

from bewust.cli.tables.doctor import findings_table, summary
from bewust.doctor.finding import broken, degraded, ok, unknown

FINDINGS = [
    ok("policy", "Chromium", "It is told."),
    broken("pac", "routing", "No agent [bold]listens[/bold].", "Start it."),
    unknown("trust", "Chromium", "Not\x1b[2Jseen.", "Look."),
    degraded("disk-space", "store", "Little.", "Make room."),
]


def drawn(width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(findings_table(FINDINGS))
    return out.getvalue()


def test_the_findings_of_a_part_stand_together_with_their_remedies() -> None:
    lines = [line.rstrip() for line in drawn().splitlines()]
    assert [line for line in lines if not line.startswith(" ")] == ["Chromium", "routing", "store"]
    assert lines[1].split() == ["ok", "policy", "It", "is", "told."]
    at = next(number for number, line in enumerate(lines) if "listens" in line)
    assert "[bold]" in lines[at] and lines[at + 1].strip() == "-> Start it."
    assert "\x1b[2J" not in drawn()


def test_a_narrow_terminal_loses_nothing() -> None:
    assert "Makeroom." in "".join(drawn(40).split())


def test_the_summary_begins_with_the_worst() -> None:
    assert summary(FINDINGS) == "1 broken, 1 degraded, 1 unknown, 1 ok."
    assert summary(FINDINGS[:1]) == "1 ok."
