"""Runs every fuzz target for a while, one after the other, and prints a table: python -m fuzz.run SECONDS [NAME...].

What a target finds is printed with its traceback and kept in artefacts/fuzz/; exit code 1. A finding that is
mended becomes a case in the test of the module it was in, so that it is tried at every `make test`.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "artefacts" / "fuzz"
NAMES = (
    "catalogue", "policy", "har", "flows", "releases", "bundles", "heads", "page", "sessions", "pipe", "bodies",
    "markup", "cost", "proxy",
)  # fmt: skip
PROXY = "proxy"  # no coverage is measured in it: it is real processes
MEMORY_MB = 1024  # of a whole target process; a body is looked at in pieces of 64 KiB
SLOW_SECONDS = 10  # for one input of at most LENGTH bytes
LENGTH = 8192


class Result(NamedTuple):
    name: str
    executions: int
    edges: int
    corpus: int
    rss_mb: int
    finding: str


def run(name: str, seconds: int) -> Result:
    """Fuzz one target; what it says goes to a file beside its findings."""
    KEPT.mkdir(parents=True, exist_ok=True)
    log = KEPT / f"{name}.log"
    module = [f"fuzz.{PROXY}", str(seconds)] if name == PROXY else ["fuzz.one", name]
    options = [f"-max_total_time={seconds}", f"-rss_limit_mb={MEMORY_MB}", f"-timeout={SLOW_SECONDS}",
               f"-max_len={LENGTH}", f"-artifact_prefix={KEPT}/{name}-", "-print_final_stats=1"]  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="fuzz-corpus-") as corpus, log.open("wb") as said:
        command = [sys.executable, "-m", *module, *([] if name == PROXY else [corpus, *options])]
        subprocess.run(command, stdout=said, stderr=subprocess.STDOUT, env=os.environ, check=False)
    return read(name, log.read_text("utf-8", "replace"))


def read(name: str, said: str) -> Result:
    """What libFuzzer said of its work, the last of each figure."""

    def last(pattern: str) -> int:
        found = re.findall(pattern, said)
        return int(found[-1]) if found else 0

    crash = re.search(r"=== Uncaught Python exception: ===\n(.*)|ERROR: (libFuzzer: .*)|SUMMARY: (.*)", said)
    done = re.search(r"^Done \d+ runs", said, re.MULTILINE)
    finding = next(filter(None, crash.groups()), "") if crash else ("" if done else "it did not end by itself")
    return Result(
        name, last(r"(?:number_of_executed_units: |^#|\n#)(\d+)"), last(r" cov: (\d+)"), last(r" corp: (\d+)"),
        last(r"peak_rss_mb: (\d+)") or last(r" rss: (\d+)Mb"), finding,
    )  # fmt: skip


def main() -> None:
    console = Console()
    seconds, names = int(sys.argv[1]), sys.argv[2:] or NAMES
    results = []
    for name in names:
        results.append(found := run(name, seconds))
        console.print(f"{name}: {found.executions} executions, {found.finding or 'nothing found'}", highlight=False)
    table = Table(title=f"{seconds} s each")
    for column in ("target", "executions", "edges covered", "inputs kept", "MB at most", "finding"):
        table.add_column(column, justify="left" if column in ("target", "finding") else "right")
    for found in results:
        table.add_row(found.name, *(f"{n:,}" if n else "" for n in found[1:5]), found.finding or "none")
    console.print(table)
    sys.exit(any(found.finding for found in results))


if __name__ == "__main__":
    main()
