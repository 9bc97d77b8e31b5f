"""`bewust inspect`: recordings through the same detection as live traffic, and what to say of it.

`as_json` is a contract with scripts: its keys and their order are fixed.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from bewust import catalogue, policy, recordings
from bewust.matching import Matcher, compile_services
from bewust.model import ANY_HOST, Depth, Detection, Level, Service
from bewust.recordings import Exchange, RecordingError

type Say = Callable[[str], object]


class Bench:
    """Catalogue and policy for recordings: every country's hosts, and by default full depth."""

    def __init__(self, services: Sequence[Service], rules: policy.Policy, full_depth: bool) -> None:
        self.rules = rules
        # All of a recording has been looked into, so rules for any host hold on every host of it.
        self.matcher: Matcher = (
            compile_services(services, lambda service: Depth.RESPONSE, (ANY_HOST,))
            if full_depth
            else rules.compiled(services)
        )

    @classmethod
    def load(cls, config: Path | None, policy_file: Path | None) -> "Bench":
        """Load both; raises CatalogueError or PolicyError."""
        rules = policy.load(policy_file or config)
        # Without a policy every country's hosts: a recording may come from anywhere.
        services = catalogue.load(config, rules.countries if policy_file else policy.every_country())
        policy.check_services(rules, services, policy.name(policy_file or config))
        return cls(services, rules, full_depth=policy_file is None)

    @staticmethod
    def read(file: Path, page_url: str | None) -> Iterator[Exchange]:
        """Yield the entries of a file; raises RecordingError."""
        return recordings.read(file) if page_url is None else recordings.page(file, page_url)

    def examine(self, exchange: Exchange) -> Detection | None:
        """Return the strongest verdict on an entry."""
        return recordings.examine(exchange, self.matcher, self.rules.internal_hosts)


def as_json(bench: Bench, paths: Iterable[str], page_url: str | None, *, out: Say, complain: Say) -> bool:
    """Write one JSON object a line for each entry that matched; True where a file could not be read."""
    failed = False
    for path in paths:
        try:
            for exchange in bench.read(Path(path), page_url):
                _complain_of(path, exchange, complain)
                found = bench.examine(exchange)
                if found is not None:
                    out(json.dumps(_line(path, exchange.entry, found, bench)))
        except RecordingError as error:
            complain(f"bewust: {error}")
            failed = True
    return failed


def _line(file: str, entry: int, found: Detection, bench: Bench) -> dict[str, object]:
    service = bench.matcher.services[found.service]
    return {
        "file": file, "entry": entry, "service": service.id, "context": service.context.value,
        "level": found.level.value, "signature": found.signature, "embedded": service.embedded,
        "internal": found.internal,
    }  # fmt: skip


def as_text(bench: Bench, paths: Iterable[str], page_url: str | None, *, out: Say, complain: Say) -> bool:
    """Write a summary a file for people; True where a file could not be read."""
    failed = False
    for path in paths:
        counts: dict[tuple[str, str], int] = {}
        entries = 0
        try:
            for exchange in bench.read(Path(path), page_url):
                _complain_of(path, exchange, complain)
                entries += 1
                found = bench.examine(exchange)
                if found is not None:
                    key = (found.level.value, found.service)
                    counts[key] = counts.get(key, 0) + 1
        except RecordingError as error:
            complain(f"bewust: {error}")
            failed = True
            if not entries:
                continue
        out(f"{path}: {entries} {'entry' if entries == 1 else 'entries'}")
        for level in Level:
            for (at, service), n in sorted(counts.items()):
                if at == level:
                    out(f"  {level:<6}  {bench.matcher.services[service].name} ({n}×)")
        if not counts:
            out("  nothing that the catalogue knows")
    return failed


def _complain_of(path: str, exchange: Exchange, complain: Say) -> None:
    if exchange.problem:
        complain(f"bewust: {path}: entry {exchange.entry} was skipped: {exchange.problem}")
