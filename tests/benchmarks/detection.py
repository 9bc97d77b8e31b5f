"""What deciding costs, over the whole catalogue: a host's plan, a request's verdict, a page's scan."""

import timeit
import zlib
from collections.abc import Callable, Sequence

from benchmarks.figures import Figure
from benchmarks.pages import result_page
from bewust.catalogue import loading
from bewust.catalogue.matching import compile_services
from bewust.config import policy
from bewust.detection.requests import detect, observe
from bewust.detection.scanning import Scanner
from bewust.model import Depth

RULES = policy.load()
SERVICES = loading.load(countries=RULES.countries)
MATCHER = compile_services(SERVICES, lambda service: Depth.RESPONSE)
HOSTS = [host.replace("*.", "any.") for host in MATCHER.hosts(*Depth)]
SEEN = [observe("GET", f"https://{host}/search?q=tides&hl=nl") for host in HOSTS]
WANTED = [
    r.signature.response
    for s in SEEN
    for r in MATCHER.accepted(s)
    if s.host == "www.google.nl" and r.signature.response
]
PAGE = result_page(100_000)
PACKED = zlib.compress(PAGE)
TABLE = dict.fromkeys(HOSTS, 1)


def _each[T](what: Callable[[T], object], items: Sequence[T], rounds: int) -> tuple[float, ...]:
    """Return the microseconds for one item, in each round over all of them."""

    def over_all() -> None:
        for item in items:
            what(item)

    return tuple(timeit.timeit(over_all, number=3) / 3 / len(items) * 1e6 for _ in range(rounds))


def _scan(page: bytes) -> None:
    scanner = Scanner(WANTED)
    for start in range(0, len(page), 16 << 10):
        scanner.feed(page[start : start + (16 << 10)])
    scanner.end()


def figures(tell: Callable[[str], None], rounds: int) -> list[Figure]:
    """Return what deciding costs."""
    tell("deciding, over the whole catalogue")
    others = [f"{host}.example" for host in HOSTS]
    mine, beside = _each(_scan, [PAGE] * 5, rounds), _each(zlib.decompress, [PACKED] * 5, rounds)
    return [
        Figure("plan", "plan of a catalogued host", _each(MATCHER.host_rules, HOSTS, rounds), 1.0, unit="µs"),
        Figure("plan", "plan of another host", _each(MATCHER.host_rules, others, rounds), 1.0, unit="µs"),
        Figure(
            "verdict", "verdict on a request", _each(lambda seen: detect(seen, MATCHER), SEEN, rounds), 5.0, unit="µs"
        ),
        Figure(
            "scan",
            "scanning a page of 100 KB",
            tuple(a / b for a, b in zip(mine, beside, strict=True)),
            beside="inflating it",
        ),
    ]
