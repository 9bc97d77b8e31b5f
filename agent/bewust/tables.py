"""What the commands show as tables; built with rich, printed by the command line only."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from bewust.model import Kind


def status_table(status: Mapping[str, Any]) -> Table:
    """Return the status as two columns, problems first."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for problem in status["problems"]:
        table.add_row("problem", problem, style="yellow")
    table.add_row("running", f"version {status['version']}, process {status['pid']}, since {status['since']}")
    table.add_row("page", f"http://127.0.0.1:{status['port']}/")
    table.add_row("inspector", f"{status['inspector']} (started {status['inspector_starts']}×)")
    table.add_row("decrypted", _lines(status["decrypted"]))
    table.add_row("by name only", _lines(status["tunnelled"]))
    table.add_row("refused us", _lines(f"{h} ({why})" for h, why in status["demoted"].items()))
    table.add_row("never seen", "everything else")
    table.add_row("connections", ", ".join(f"{n} {way}" for way, n in status["connections"].items()) or "none")
    table.add_row(
        "toasts",
        f"{status['toasts_shown']} shown, {status['toasts_failed']} failed, {status['toasts_dropped']} dropped",
    )
    table.add_row("our own errors", _lines(f"{where} ({n}×)" for where, n in status["failures"].items()))
    table.add_row("authority", f"until {status['authority_until']}, SHA-256 {status['authority_fingerprint']}")
    return table


def stats_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the counters, a row a period and service, a column a kind."""
    table = Table(title="Everything Bewust has counted" if rows else "Nothing has been counted yet")
    if not rows:
        return table
    table.add_column("period")
    table.add_column("service")
    for kind in Kind:
        table.add_column(kind.value, justify="right")
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for row in rows:
        counts.setdefault((row["period"], row["service"]), {})[row["kind"]] = row["n"]
    for (period, service), kinds in sorted(counts.items()):
        table.add_row(period, service, *(str(kinds.get(kind.value, 0) or "") for kind in Kind))
    return table


def _lines(items: Any) -> str:
    return "\n".join(items) or "none"
