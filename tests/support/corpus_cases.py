"""The cases of the golden corpus, and their verdicts."""

import csv
from collections.abc import Iterator
from pathlib import Path

import msgspec
import tomli

from bewust.cli.inspect import RecordingInspector
from bewust.detection.recordings import Exchange
from bewust.detection.requests import observe
from bewust.model import Detection

HERE = Path(__file__).parents[1] / "corpus"


class Case(msgspec.Struct, frozen=True):
    """One row: a request, perhaps with its response, and the verdict it must have."""

    verdict: str
    service: str
    url: str
    why: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    trap: str = ""
    body: str | None = None
    type: str = "text/html"
    status: int = 200
    sent: str = ""
    said: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.verdict} {self.service}: {self.why} ({self.method} {self.url[:60]})"


def rows(name: str) -> Iterator[dict[str, str]]:
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if not line.startswith("#")]
    yield from csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE)


def requests() -> list[Case]:
    return [
        Case(
            row["verdict"], row["service"], row["url"], row["why"], row["method"], headers(row["headers"]), row["trap"]
        )
        for row in rows("requests.tsv")
    ]


def headers(text: str) -> tuple[tuple[str, str], ...]:
    name, _, value = text.partition(": ")
    return ((name, value),) if name else ()


def hosts() -> list[Case]:
    """A page of each host is a visit; what only looks like it is nothing."""
    found = []
    for row in rows("hosts.tsv"):
        found.append(Case("visit", row["service"], row["url"], "a page of theirs"))
        if row["near miss"]:
            found.append(Case("none", row["service"], row["near miss"], row["why"]))
    return found


def pages(name: str) -> list[Case]:
    table = tomli.loads((HERE / name).read_text(encoding="utf-8"))
    return [
        msgspec.convert(
            {"method": "POST" if "sent" in page else "GET", **page, "trap": str(page.get("trap", ""))}, Case
        )
        for page in table["page"]
    ]


def every_case() -> list[Case]:
    return requests() + hosts() + pages("pages.toml") + pages("bodies.toml")


def examine(bench: RecordingInspector, case: Case) -> Detection | None:
    exchange = Exchange(
        0,
        observe(case.method, case.url, case.headers),
        type="" if case.body is None else case.type,
        status=case.status,
        body=(case.body or "").encode(),
        sent=case.sent.encode(),
        frames=tuple((who == "browser", text.encode()) for who, text in case.said),
    )
    return bench.examine(exchange)


def verdict(found: Detection | None) -> tuple[str, str]:
    return ("none", "") if found is None else (found.level.value, found.service)
