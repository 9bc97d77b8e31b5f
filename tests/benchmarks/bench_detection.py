"""What detection costs, as ratios to something everybody knows, measured side by side in one run.

Interleaved, five rounds, medians. Prints a table; asserts nothing, because a machine's day is no
test result. The proxy itself against its peers is not measured here yet.
"""

import statistics
import timeit
import zlib
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from bewust import catalogue, policy
from bewust.detection import detect, observe
from bewust.matching import compile_services
from bewust.model import Depth
from bewust.scanning import Scanner

ROUNDS = 5
RULES = policy.load()
SERVICES = catalogue.load(countries=RULES.countries)
MATCHER = compile_services(SERVICES, lambda service: Depth.RESPONSE)
SEEN = observe("GET", "https://www.google.nl/search?q=tides")
WANTED = [r.signature.response for r in MATCHER.accepted(SEEN) if r.signature.response]
PAGE = (
    b"<div class='a b'><p id=x>" * 2000
    + b"<script>var a='mZJni';"
    + b"x()" * 15_000
    + b"</script>"
    + b"<p>text " * 5000
)
PACKED = zlib.compress(PAGE)
TABLE = dict.fromkeys(MATCHER.hosts(*Depth), 1)


def scan() -> None:
    scanner = Scanner(WANTED)
    for start in range(0, len(PAGE), 16 << 10):
        scanner.feed(PAGE[start : start + (16 << 10)])
    scanner.end()


PAIRS: dict[str, tuple[Callable[[], object], Callable[[], object], int]] = {
    "plan of a catalogued host / one dict look-up": (
        lambda: MATCHER.plan("www.google.nl"), lambda: TABLE.get("www.google.nl"), 20_000,
    ),
    "plan of another host / one dict look-up": (
        lambda: MATCHER.plan("www.example.org"), lambda: TABLE.get("www.example.org"), 20_000,
    ),
    "verdict on a request / parsing its URL": (
        lambda: detect(SEEN, MATCHER), lambda: observe("GET", "https://www.google.nl/search?q=tides"), 5_000,
    ),
    f"scanning a page of {len(PAGE) >> 10} KiB / inflating it": (scan, lambda: zlib.decompress(PACKED), 50),
    "compiling the catalogue / reading it": (
        lambda: compile_services(SERVICES, RULES.depth_of), lambda: catalogue.load(countries=RULES.countries), 3,
    ),
}  # fmt: skip


def test_print_the_ratios() -> None:
    ours: dict[str, list[float]] = {name: [] for name in PAIRS}
    theirs: dict[str, list[float]] = {name: [] for name in PAIRS}
    for _ in range(ROUNDS):
        for name, (mine, other, times) in PAIRS.items():
            ours[name].append(timeit.timeit(mine, number=times) / times)
            theirs[name].append(timeit.timeit(other, number=times) / times)
    table = Table("measured / beside it", "µs", "µs beside", "ratio (spread)")
    for name in PAIRS:
        ratios = [a / b for a, b in zip(ours[name], theirs[name], strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
        table.add_row(name, *(f"{statistics.median(t) * 1e6:.2f}" for t in (ours[name], theirs[name])), spread)
    Console(width=110).print(table)
