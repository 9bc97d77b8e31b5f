"""`bewust inspect`: recordings through the same detection as live traffic, and what to say of it.

`as_json` is a contract with scripts: its keys and their order are fixed.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from bewust.catalogue import Matcher, compile_services, editions, loading
from bewust.catalogue.explaining import alternatives, looks_like_ai, nearest, reason, trials
from bewust.config import policy
from bewust.detection import Exchange, RecordingError, recordings
from bewust.model import ANY_HOST, Depth, Detection, Level, Service, Signature

MISSED_SHOWN = 20  # hosts; more would bury the nearest

type Say = Callable[[str], object]


class RecordingInspector:
    """Catalogue and policy for recordings: every country's hosts, and by default full depth."""

    def __init__(self, services: Sequence[Service], rules: policy.Policy, full_depth: bool) -> None:
        self.rules = rules
        # All of a recording has been inspected, so rules for any host hold on every host of it.
        self.matcher: Matcher = (
            compile_services(services, lambda service: Depth.RESPONSE, (ANY_HOST,))
            if full_depth
            else rules.compiled(services)
        )

    @classmethod
    def load(cls, config: Path | None, policy_file: Path | None, state: Path | None = None) -> "RecordingInspector":
        """Load both; raises CatalogueError or PolicyError."""
        rules = policy.load(policy_file or config)
        # Without a policy every country's hosts: a recording may come from anywhere.
        countries = rules.countries if policy_file else policy.every_country()
        services = loading.load(config, countries, editions.active_edition(state, rules.catalogue.keys).services)
        policy.check_services(rules, services, policy_file or config)
        return cls(services, rules, full_depth=policy_file is None)

    @staticmethod
    def read(file: Path, page_url: str | None) -> Iterator[Exchange]:
        """Yield the entries of a file; raises RecordingError."""
        return recordings.read(file) if page_url is None else recordings.page(file, page_url)

    def examine(self, exchange: Exchange) -> Detection | None:
        """Return the strongest verdict on an entry."""
        return recordings.examine(exchange, self.matcher, self.rules.internal_hosts)


def as_json(bench: RecordingInspector, paths: Iterable[str], page_url: str | None, *, out: Say, complain: Say) -> bool:
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


def _line(file: str, entry: int, found: Detection, bench: RecordingInspector) -> dict[str, object]:
    service = bench.matcher.services[found.service]
    return {
        "file": file, "entry": entry, "service": service.id, "context": service.context.value,
        "level": found.level.value, "signature": found.signature, "embedded": service.embedded,
        "internal": found.internal,
    }  # fmt: skip


def as_text(bench: RecordingInspector, paths: Iterable[str], page_url: str | None, *, out: Say, complain: Say) -> bool:
    """Write a summary a file for people; True where a file could not be read."""
    failed = False
    for path in paths:
        summary = Summary(bench)
        try:
            for exchange in bench.read(Path(path), page_url):
                _complain_of(path, exchange, complain)
                summary.add(exchange)
        except RecordingError as error:
            complain(f"bewust: {error}")
            failed = True
            if not summary.entries:
                continue
        out(f"{path}: {summary.entries} {'entry' if summary.entries == 1 else 'entries'}")
        for line in summary.lines():
            out(f"  {line}")
    return failed


class Summary:
    """What one recording shows: services at their levels, and why an AI-looking host did not count."""

    def __init__(self, bench: RecordingInspector) -> None:
        self.entries = 0
        self._bench = bench
        self._found: Counter[tuple[str, str]] = Counter()
        self._counted: set[str] = set()
        self._missed: dict[str, tuple[int, str]] = {}
        self._requests: Counter[str] = Counter()

    def add(self, exchange: Exchange) -> None:
        """Take one entry."""
        self.entries += 1
        host = exchange.seen.host
        found = self._bench.examine(exchange)
        if found is not None:
            self._found[found.level.value, found.service] += 1
        if found is not None and found.level is not Level.IGNORE:
            self._counted.add(host)
        elif host not in self._counted and (self._known(host) or looks_like_ai(host)):
            self._requests[host] += 1
            near, why = self._why(exchange, found)
            if near > self._missed.get(host, (-1, ""))[0]:
                self._missed[host] = (near, why)

    def _known(self, host: str) -> bool:
        """Whether the catalogue has a rule that counts for this very host, and not just for any."""
        plan = self._bench.matcher.host_rules(host)
        rules = (*plan.visits, *plan.rules) if plan else ()
        signatures = [rule.signature for rule in rules]
        return any(s.level is not Level.IGNORE and ANY_HOST not in s.hosts for s in signatures)

    def _why(self, exchange: Exchange, found: Detection | None) -> tuple[int, str]:
        """Return how near an entry was to a use, and in words what kept it from one."""
        if not self._known(exchange.seen.host):
            return 0, "not in the catalogue"
        trial = nearest(trials(exchange.seen, self._bench.matcher))
        if trial is None or (trial.fell == "path" and found is not None):
            kind = f"housekeeping of {found.service} ({found.signature})" if found else "no rule for a use that deep"
            return 0, kind
        why = lacking(exchange, trial.rule.signature) if trial.fell is None else reason(trial, exchange.seen)
        return trial.match_score, f"{trial.rule.service.id}/{trial.rule.signature.id}: {why}"

    def lines(self) -> Iterator[str]:
        """Yield the summary: use, visit, ignore, then what did not count, the nearest first."""
        for level in Level:
            for (at, service), n in sorted(self._found.items()):
                if at == level:
                    yield f"{level:<6}  {self._bench.matcher.services[service].name} ({n}×)"
        if not self._found:
            yield "nothing that the catalogue knows"
        missed = sorted((-near, host, why) for host, (near, why) in self._missed.items() if host not in self._counted)
        for _, host, why in missed[:MISSED_SHOWN]:
            yield f"no use  {host} ({self._requests[host]}×): {why}"
        if len(missed) > MISSED_SHOWN:
            yield f"no use  {len(missed) - MISSED_SHOWN} more hosts"


def lacking(exchange: Exchange, signature: Signature) -> str:
    """Return in words what a rule whose request fits did not find in the rest of an entry."""
    if signature.body is not None:
        there = "the request's body has no" if exchange.sent else "no request body was recorded, to look for"
        return f"{there} {alternatives(signature.body)}"
    if signature.frame is not None:
        return f"no message has {alternatives(signature.frame.content)}"
    assert signature.response is not None
    wanted = signature.response
    if exchange.type not in wanted.types:
        return f"the response is {exchange.type or 'of no type'}, not {' or '.join(wanted.types)}"
    if not 200 <= (exchange.status or 200) < 300:
        return f"the response has status {exchange.status}"
    there = "the response has no" if exchange.body else "no response body was recorded, to look for"
    return f"{there} {alternatives(wanted)}"


def _complain_of(path: str, exchange: Exchange, complain: Say) -> None:
    if exchange.problem:
        complain(f"bewust: {path}: entry {exchange.entry} was skipped: {exchange.problem}")
