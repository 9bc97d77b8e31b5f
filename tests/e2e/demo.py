"""The demonstration: the main job, end to end, where anyone can watch it.

A local origin plays a search engine, a translator, a chat service and an ordinary site under their
real names; the product runs as it does for a person; the system's Chromium, prepared by the product
itself, visits them. Contacts no other machine, leaves nothing behind, and exits with 1 if anything
it promises did not happen.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from bewust.browsers import launch
from bewust.catalogue import loading
from bewust.cli.tables import agent as tables_agent
from bewust.daemon.state import Settings
from bewust.statistics import audit
from e2e.agents import RunningAgent, wait_for
from e2e.chromium import QUIET, Chromium
from e2e.world import World

console = Console(highlight=False)
WATCHED = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
GAP = 10.5  # seconds; two result pages further apart than ten are two uses
OVERVIEW = "google-ai-overview"


class Step(NamedTuple):
    """A page to visit: the title it must get, and the counters there must then be."""

    does: str
    means: str
    url: str
    title: str
    counts: dict[tuple[str, str], int]


STEPS = (
    Step("opens an ordinary site", "not in the catalogue: the browser goes there directly, unseen",
         "https://www.example.org/", "Welcome", {}),
    Step("searches; the page has no AI answer", "inspected, nothing found: an opportunity, no use",
         "https://www.google.nl/search?q=weather", "weather", {(OVERVIEW, "seen"): 1}),
    Step("searches; an AI answer is in the page", "inspected while it streams by: one use",
         "https://www.google.nl/search?q=inline", "inline", {(OVERVIEW, "use"): 1, (OVERVIEW, "reminded"): 1}),
    Step("has a page translated: ten requests", "requests seconds apart are one activity: one use",
         "https://www.example.org/translate", "translated",
         {("chrome-translate", "use"): 1, ("chrome-translate", "reminded"): 1}),
    Step("opens a chat service", "known by its name only, passed through undecrypted: one visit",
         "https://chatgpt.com/", "Welcome", {("chatgpt", "visit"): 1, ("chatgpt", "reminded"): 1}),
    Step("searches again; the answer comes later", "a new activity: one more use; reminded already, so held back",
         "https://www.google.nl/search?q=lazy", "lazy done", {(OVERVIEW, "use"): 2, (OVERVIEW, "held"): 1}),
)  # fmt: skip

NOT_COUNTED = (
    "www.example.org - not catalogued: the agent never saw a byte of it",
    "9 of the 10 translation requests - the same activity",
    "the fragment that brought the late AI answer - the same activity as its page",
    'links, scripts and hidden texts that say "AI" on the ordinary result page - not an answer',
    "anything about you: no address, query, title, time or device is in a counter",
)


@contextmanager
def browser(agent: RunningAgent, world: World, profile: Path) -> Iterator[Chromium]:
    """The system's Chromium, its profile, PAC and trust made by the product as for `bewust browse`."""
    extra = [*QUIET, "--remote-debugging-port=0", f"--host-resolver-rules={world.resolver_rules()}"]
    command, env = launch.command(
        launch.find("chromium"), profile, pac_url=agent.pac_url, root_pem=agent.root_pem, url="about:blank",
        extra=extra if WATCHED else [*extra, "--headless=new"],
    )  # fmt: skip
    origin = profile / "origin.pem"  # the ordinary site is reached directly, so its own root counts
    origin.write_bytes(world.root_pem.read_bytes())
    launch.trust(profile / ".pki" / "nssdb", origin)
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            port_file = profile / "profile" / "DevToolsActivePort"
            wait_for(port_file.exists, lambda: process.poll() is None, "Chromium did not start")
            time.sleep(0.2)
            with Chromium.attach(int(port_file.read_text().split()[0])) as attached:
                yield attached
        finally:
            process.terminate()
            process.wait(10)


def heard(agent: RunningAgent, told: int) -> bool:
    """Whether the agent has said so much."""
    return len(agent.said) >= told


def walk(agent: RunningAgent, visitor: Chromium) -> None:
    """Visit every page; say what happens; raise AssertionError where it does not."""
    shown, answered = 0, 0.0
    for number, step in enumerate(STEPS, start=1):
        if step.title == "lazy done":
            time.sleep(max(0.0, answered + GAP - time.monotonic()))
        console.print(f"\n[bold]{number}. Someone {step.does}[/bold]   {step.url}")
        visitor.goto(step.url)
        visitor.wait_title(step.title)
        agent.wait_counts(step.counts)
        told = shown + any(kind in ("reminded", "held") for _, kind in step.counts)
        wait_for(partial(heard, agent, told), agent.alive, "it was not told")
        if step.title == "inline":
            answered = time.monotonic()
        console.print(f"   {step.means}")
        for said in agent.said[shown:]:
            if said["type"] == "reminder":
                console.print(Panel(Text(said["message"]), title=said["title"], width=72, title_align="left"))
        shown = len(agent.said)
        time.sleep(2.5 if WATCHED else 0.8)


def check(agent: RunningAgent, world: World) -> None:
    """Compare with everything that was promised, and not only with what each step waited for."""
    wanted: dict[tuple[str, str], int] = {}
    for step in STEPS:
        wanted |= step.counts
    wanted[OVERVIEW, "seen"] = 3
    assert agent.counts() == wanted, f"counted {agent.counts()}, promised {wanted}"
    translated = world.hits.count(("translate-pa.googleapis.com", "/v1/translateHtml"))
    assert translated >= 10, f"only {translated} translation requests reached the translator"
    status = agent.status()
    assert not status["failures"], f"our own errors: {status['failures']}"
    assert not status["connections"].get("failed-open"), "a connection had to fail open"


def report(agent: RunningAgent) -> None:
    """Print the counters, what was not counted, and what became of the toasts."""
    rows = [row for row in agent.ask("/counts.json") if row["n"]]
    console.print()
    console.print(tables_agent.stats_table(rows))
    console.print("[bold]Not counted, and why[/bold]")
    for line in NOT_COUNTED:
        console.print(f"  - {line}")
    status = agent.status()
    if status["toasts_shown"]:
        console.print(f"\nOn the desktop: {status['toasts_shown']} toasts.")
    else:
        console.print("\nNo toasts, only the terminal: " + "; ".join(status["problems"]))


def prove(state: Path) -> None:
    """Do what a works council does: look for anything on disk that should not be there."""
    proof = audit.audit_state(state, {service.id for service in loading.load()})
    assert not proof.findings, f"found on disk: {'; '.join(proof.findings)}"
    console.print("\n[bold]On disk[/bold], as `bewust prove` shows it")
    for row in proof.receipt:
        if row.what in ("counter.n", "sealed.line"):
            console.print(f"  - {row.what}: {row.rows} rows - {row.meaning}")
    console.print("  - and nothing else: the file is byte for byte what these rows make")


def main() -> int:
    """Run it all; 0 when every promise was kept."""
    began = time.monotonic()
    console.rule("Bewust: the main job, on this machine only")
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bewust-demo-")))
            world = stack.enter_context(World())
            settings = Settings(folder / "state", port=0, resolver=world.resolver, trust=world.root_pem)
            agent = stack.enter_context(RunningAgent(settings))
            console.print(f"The agent runs: proxy, PAC and page on http://127.0.0.1:{agent.port}/")
            with browser(agent, world, folder / "browser") as visitor:
                walk(agent, visitor)
            check(agent, world)
            report(agent)
            assert agent.stop() == 0, "the agent did not stop cleanly"
            prove(settings.state)
    except (AssertionError, launch.BrowserError, OSError) as error:
        console.print(f"\n[bold red]The demonstration failed:[/bold red] {error}")
        return 1
    console.print(f"\nEverything promised happened, in {time.monotonic() - began:.0f} seconds. Nothing is left behind.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
