"""What a doctor found, as a table grouped by part; printed by the command line only."""

from collections import Counter
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from bewust.doctor import Finding, Verdict

STYLES = {Verdict.OK: "green", Verdict.UNKNOWN: "dim", Verdict.DEGRADED: "yellow", Verdict.BROKEN: "bold red"}


def findings_table(findings: Sequence[Finding]) -> Table:
    """Return the findings, those of one part together, each with its remedy on the next line."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for about in dict.fromkeys(finding.about for finding in findings):
        table.add_row(Text(_safe(about), style="bold"))
        for finding in findings:
            if finding.about == about:
                said = Text(_safe(finding.what))
                if finding.remedy:
                    said.append(f"\n-> {_safe(finding.remedy)}", style="bold")
                table.add_row(Text(f"  {finding.verdict}", style=STYLES[finding.verdict]), finding.id, said)
    return table


def summary(findings: Sequence[Finding]) -> str:
    """Return how many there are of each verdict, the worst first."""
    counts = Counter(finding.verdict for finding in findings)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in reversed(Verdict) if counts[verdict]) + "."


def _safe(text: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
