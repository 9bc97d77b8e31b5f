"""What the commands show as tables; built with rich, printed by the command line only."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from bewust.config.review import DEFAULT, PolicyValue
from bewust.model import Kind
from bewust.reminders import Reminder
from bewust.reminders.simulation import SimulatedUse
from bewust.statistics.audit import Row
from bewust.statistics.staleness import age

HELD = {
    "disabled": "the policy wants none (reminders.enabled)",
    "away": "nobody's desktop could be reached",
    "busy": "the desktop was not to be disturbed",
    "snoozed": "the person wanted none for a while",
    "quiet": "quiet hours (reminders.quiet)",
    "daily": "enough for one day (reminders.daily)",
    "context-daily": "enough of this kind for one day (reminders.daily_context)",
    "gap": "too soon after another of this kind (reminders.gap)",
    "back-off": "the same service again (reminders.back_off)",
    "by-name": "known by name only, and reminded today",
    "text": "no text suits it",
    "silent": "would have been shown, but for the silent pilot (reminders.silent)",
}


def status_table(status: Mapping[str, Any]) -> Table:
    """Return the status as two columns, problems first."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")

    def row(label: str, value: str, style: str | None = None) -> None:
        table.add_row(label, _safe(value), style=style)

    if status.get("stopped"):
        until = f" until {status['resumes']}" if status["resumes"] else " by an administrator"
        row("stopped", f"nothing is inspected, counted or reminded of{until}", "yellow")
    for problem in status["problems"]:
        row("problem", problem, "yellow")
    row("running", f"version {status['version']}, process {status['pid']}, since {status['since']}")
    row("page", f"http://127.0.0.1:{status['port']}/")
    row("inspector", f"{status['inspector']} (started {status['inspector_starts']}×)")
    row("decrypted", _lines(status["decrypted"]))
    row("by name only", f"{len(status['tunnelled'])} names; see: bewust catalogue hosts --depth name")
    row("refused us", _lines(f"{h} ({why})" for h, why in status["demoted"].items()))
    if status["refusals"]:
        row("refusals", f"{status['refusals']} since the start")
    row("never seen", "everything else")
    row("connections", ", ".join(f"{n} {way}" for way, n in status["connections"].items()) or "none")
    if status.get("sessions"):
        row("sessions", f"{status['sessions']} people")
    row(
        "toasts",
        f"{status['toasts_shown']} shown, {status['toasts_failed']} failed",
    )
    row("our own errors", _lines(f"{where} ({n}×)" for where, n in status["failures"].items()))
    for service, seen in status["silent"].items():
        row("may be stale", f"{service}: no use in {seen} opportunities this period. Check its signatures.", "yellow")
    today = date.fromisoformat(status["today"])
    for reviewed, signatures in status["reviews"].items():
        row("reviewed", f"{reviewed}, {age(reviewed, today)} days ago: {', '.join(signatures)}")
    row("catalogue", status["catalogue"])
    row("authority", f"until {status['authority_until']}, SHA-256 {status['authority_fingerprint']}")
    return table


def stats_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the counters, a row a period and service, a column a kind."""
    title = "Everything Bewust has counted" if rows else None
    table = Table(title=title, show_header=bool(rows), box=SIMPLE, padding=0)  # fits in 80 columns
    if not rows:
        table.add_row("Nothing has been counted yet")  # rich shows no table without a cell, nor its title
        return table
    table.add_column("period")
    table.add_column("service", overflow="fold")
    for kind in Kind:
        table.add_column(kind.value, justify="right")
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for row in rows:
        counts.setdefault((row["period"], row["service"]), {})[row["kind"]] = row["n"]
    for (period, service), kinds in sorted(counts.items()):
        table.add_row(period, service, *(str(kinds.get(kind.value, 0) or "") for kind in Kind))
    return table


def suppressed_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return why reminders were held back: a row a period and reason."""
    table = Table(
        title="Reminders that were held back" if rows else None, show_header=bool(rows), box=SIMPLE, padding=0
    )
    if not rows:
        table.add_row("No reminder has been held back yet")
        return table
    table.add_column("period")
    table.add_column("why", overflow="fold")
    table.add_column("n", justify="right")
    for row in rows:
        table.add_row(row["period"], HELD.get(row["reason"], row["reason"]), str(row["n"]))
    return table


def receipt_table(receipt: Sequence[Row]) -> Table:
    """Return what `bewust prove` found: a row a table's column, or a file."""
    table = Table(box=SIMPLE, padding=0)
    table.add_column("what is kept", overflow="fold")
    table.add_column("rows", justify="right")
    table.add_column("what it means", overflow="fold")
    for row in receipt:
        table.add_row(Text(row.what), str(row.rows), Text(row.meaning))
    return table


def _safe(value: str) -> Text:
    """Return what a file said, without what would move the cursor; as Text, for brackets are no markup."""
    return Text("".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in value))


def _lines(items: Any) -> str:
    return "\n".join(items) or "none"


def day_tables(seen: Sequence[SimulatedUse]) -> Iterator[Table | Text]:
    """Yield a day as a picture of its hours, what was shown, and why the rest was not."""
    yield _hours(seen)
    shown = Table(title="What a person would have seen", box=SIMPLE, padding=0)
    for name in ("at", "text", "reminder"):
        shown.add_column(name, overflow="fold")
    held: Counter[str] = Counter()
    for one in seen:
        if isinstance(one.decided, Reminder):
            said = Text(f"{one.decided.title}\n", style="bold").append(one.decided.message, style="not bold")
            shown.add_row(f"{one.at:%H:%M}", one.decided.text, said)
        else:
            held["goes on with what had begun, or is housekeeping" if one.decided is None else one.decided.reason] += 1
    if shown.row_count:
        yield shown
    reminders = f"{shown.row_count} {'reminder' if shown.row_count == 1 else 'reminders'}"
    yield Text(f"{reminders} for {len(seen)} detections.")
    for reason, n in held.most_common():
        yield Text(f"  {n:>5} not shown: {HELD.get(reason, reason)}")


def _hours(seen: Sequence[SimulatedUse]) -> Table:
    """Return a bar an hour: what was shown, and all that was detected."""
    table = Table(box=None, padding=(0, 1), show_header=False)
    every, shown = Counter(one.at.hour for one in seen), Counter(
        one.at.hour for one in seen if isinstance(one.decided, Reminder)
    )  # fmt: skip
    most = max(every.values(), default=1)
    for hour in range(min(every, default=0), max(every, default=-1) + 1):
        bar = Text("■" * shown[hour], style="bold").append("·" * round(40 * every[hour] / most))
        table.add_row(f"{hour:02}h", bar, f"{shown[hour]} of {every[hour]}")
    return table


def policy_table(values: Sequence[PolicyValue], with_origin: bool) -> Table:
    """Return a policy: a row a key, its value as TOML would have it, and where it was set."""
    table = Table(box=SIMPLE, padding=0)
    for name in ("key", "value", *(["origin"] if with_origin else [])):
        table.add_column(name, overflow="fold")
    for one in values:
        cells = [one.key, json.dumps(one.value, ensure_ascii=False), *([one.origin] if with_origin else [])]
        table.add_row(*map(_safe, cells), style="dim" if one.origin == DEFAULT else None)
    return table


def texts_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the reminder texts: what each says, when, and who asks it."""
    table = Table(box=SIMPLE, padding=0)
    for name in ("id", "text", "shown for", "source"):
        table.add_column(name, overflow="fold")
    for row in rows:
        style = "dim" if row["never"] else None
        never = f"never: {row['never']}" if row["never"] else ""
        table.add_row(Text(row["id"]), Text(row["text"]), Text(never or row["when"]), Text(row["source"]), style=style)
    return table
