"""`make bench`: all measurements in one run, one table, and artefacts/bench.json."""

import json
import os
import platform
import re
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import click
from rich.console import Console

from benchmarks import detection, footprint, patches, traffic
from benchmarks.figures import Figure, plain, table
from benchmarks.rig import World

OUT = Path("artefacts/bench.json")


@click.command()
@click.option(
    "--only", default="", help="Only the rows whose name this regular expression finds: splice, page, memory ..."
)
@click.option("--quick", is_flag=True, help="Two short rounds: for a look while working, not for a figure to quote.")
@click.option("--long", "long", is_flag=True, help="Also what takes minutes: 100,000 flows, 1,000 WebSockets, 2 GB.")
def main(only: str, quick: bool, long: bool) -> None:
    """Measure Bewust beside its rivals."""
    console, began = Console(width=max(100, Console().width)), time.monotonic()
    run = Run(re.compile(only), 3 if quick else 12, 0.4 if quick else 0.6, long)
    with tempfile.TemporaryDirectory(prefix="bench-") as name, console.status("compiling the load") as status:
        os.chmod(name, 0o755)  # squid's own account reads its folder in there
        with World(Path(name)) as world:
            found, cells = run.measure(world, status.update)
    if not found:
        raise click.ClickException(f"no row is called {only!r}")
    console.print(table(found))
    if run.busy():
        console.print(
            f"[yellow]Other work was running (load {run.load:.1f} at the start): trust only the column by CPU.[/]"
        )
    minutes = (time.monotonic() - began) / 60
    console.print(
        f"{run.rounds} rounds of {run.seconds} s, interleaved; medians; {minutes:.1f} minutes. Details: {OUT}"
    )
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({**about(), **run.about(), "figures": plain(found), "cells": cells}, indent=1))


class Run(NamedTuple):
    """What is measured, and for how long."""

    only: re.Pattern[str]
    rounds: int
    seconds: float
    long: bool
    load: float = os.getloadavg()[0]

    def busy(self) -> bool:
        """Whether other work ran before this began; it slows one down more than another."""
        return self.load > (os.cpu_count() or 1) / 4

    def about(self) -> dict[str, object]:
        """Return what the JSON file tells of it."""
        return {**self._asdict(), "only": self.only.pattern}

    def measure(self, world: World, tell: Callable[[str], None]) -> tuple[list[Figure], traffic.Cells]:
        """Measure every row that is wanted."""
        works = [work for work in traffic.WORKS if self._wants(work.row)]
        cells = traffic.measure(world, works, self.rounds, self.seconds, tell) if works else {}
        found = traffic.figures(works, cells)
        if self._wants("plan", "verdict", "scan"):
            found += detection.figures(tell, self.rounds)
        if self._wants("patch"):
            found += patches.figures(tell, self.rounds)
        if self._wants("idle-front", "idle-inspector", "idle-session", "idle-cpu"):
            found += footprint.idle(world, tell)
        if self._wants("memory-mix"):
            found += footprint.loaded(world, tell)
        if self.long and self._wants("memory-long"):
            found += footprint.endured(world, tell)
        if self._wants("start-port", "start-inspector", "start-help"):
            found += footprint.starts(world, tell, self.rounds)
        return found, cells

    def _wants(self, *rows: str) -> bool:
        return any(map(self.only.search, rows))


def about() -> dict[str, object]:
    """Return when and with what this was measured; nothing of whose machine it is."""
    return {
        "when": datetime.now().astimezone().isoformat(timespec="minutes"),
        "python": platform.python_version(),
        "mitmproxy": version("mitmproxy"),
        "cores": os.cpu_count(),
    }


if __name__ == "__main__":
    main()
