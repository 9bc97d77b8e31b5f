"""What is wrong, or will be, with a catalogue that can be read: for its keeper and for CI.

Belongs here: findings over all services together. Not here: what one entry may say (schema, whose
mistakes become findings as they are). Each finding names file, line, entry and remedy.
"""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import msgspec

from bewust.catalogue.entries import CatalogueError
from bewust.catalogue.expressions import ExpressionError, whole
from bewust.model import Depth, Level, Service, Signature

OLD_DAYS = 365
SHORTEST_EVIDENCE = 30  # characters; less cannot name a source
MOST_NAMES = 150  # the constraints of an authority


class LintFinding(msgspec.Struct, frozen=True, order=True):
    """One thing to mend; `line` is 0 where it is not known."""

    file: str
    line: int
    entry: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.entry}: {self.problem}. {self.remedy}"


def of_mistake(mistake: CatalogueError) -> LintFinding:
    """Return the finding that an unreadable entry is."""
    return LintFinding(mistake.file, mistake.line, mistake.entry, mistake.problem, mistake.remedy)


def lint(services: Sequence[Service], today: date, decrypted: Sequence[str] = ()) -> list[LintFinding]:
    """Return every finding, in the order of files and lines; `decrypted` are the names an authority would hold."""
    found = [*_names(services), *_overlaps(services)]
    for service in services:
        found += _age(service, today)
        found += _rules(service)
    if len(decrypted) > MOST_NAMES:
        problem = f"{len(decrypted)} names would be decrypted, more than the {MOST_NAMES} an authority can hold"
        found.append(LintFinding("policy.toml", 0, "countries", problem, "List fewer countries, or look less deep."))
    return sorted(found)


def _at(service: Service, problem: str, remedy: str) -> LintFinding:
    return LintFinding(service.file, service.line, f"service {service.id!r}", problem, remedy)


def _in(service: Service, signature: Signature, problem: str, remedy: str) -> LintFinding:
    entry = f"service {service.id!r}, signature {signature.id!r}"
    return LintFinding(signature.file, signature.line, entry, problem, remedy)


def _names(services: Sequence[Service]) -> Iterator[LintFinding]:
    ids = {service.id for service in services}
    for service in services:
        for alias in service.aliases:
            if alias in ids:
                yield _at(service, f"alias {alias!r} is a service's id", "Rename the alias or that service.")
        if len(service.evidence) < SHORTEST_EVIDENCE:
            yield _at(
                service,
                f"evidence {service.evidence!r} names no source",
                "Say in a sentence where the rules come from, so that somebody else can check.",
            )


def _age(service: Service, today: date) -> Iterator[LintFinding]:
    for signature in service.signatures:
        days = (today - date.fromisoformat(signature.reviewed)).days
        if days > OLD_DAYS:
            yield _in(service, signature, f"was last reviewed {days} days ago, on {signature.reviewed}",
                      "Check it on a fresh recording and set reviewed.")  # fmt: skip
        elif days < 0:
            yield _in(service, signature, f"is reviewed in the future, on {signature.reviewed}", "Correct the date.")


def _rules(service: Service) -> Iterator[LintFinding]:
    for number, signature in enumerate(service.signatures):
        if why := unreachable(signature):
            yield _in(service, signature, f"can never hold: {why}", "Correct or remove that clause.")
        try:
            whole(signature.path or "")
        except ExpressionError as error:
            yield _in(service, signature, f"path_regex {error}", "Shorten the expression; repeat less in it.")
        for earlier in service.signatures[:number]:
            if shadows(earlier, signature):
                yield _in(service, signature, f"never speaks: signature {earlier.id!r} holds wherever it does",
                          "Remove it, or narrow the other one.")  # fmt: skip
                break


def unreachable(signature: Signature) -> str:
    """Return why no request can satisfy a signature; "" where one can, as far as can be seen."""
    path = signature.path
    if path is not None and path[:1] not in ("/", ".", "(", "[", "\\", "^", "") and "|" not in path:
        return "a path begins with a slash"
    if signature.websocket and signature.methods and "GET" not in signature.methods:
        return "the upgrade of a WebSocket is a GET"
    if signature.body is not None and signature.methods and set(signature.methods) <= {"GET", "HEAD"}:
        return "a GET sends no body"
    if signature.response is not None and set(signature.methods) == {"HEAD"}:
        return "the answer to a HEAD has no body"
    if signature.methods and not set(signature.methods) & _METHODS:
        return f"{' or '.join(signature.methods)} is no method that browsers send"
    return "only names are routed, and these are addresses" if all(map(_address, signature.hosts)) else ""


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def shadows(first: Signature, second: Signature) -> bool:
    """Whether `first`, written before `second`, speaks wherever `second` would, so that it never does.

    A cautious test: levels and hosts must be the same, and a clause of `first` absent or the same in
    `second`. It reports exact duplicates and strictly wider patterns, without false positives: a rule that
    has work of its own is none, as a weaker level speaks where a browser fetches ahead, and a visit that
    asks for more than a name speaks where housekeeping silences the name.
    """
    if first.level is not second.level or not set(second.hosts) <= set(first.hosts):
        return False
    if first.level is Level.VISIT and first.depth is Depth.NAME and second.depth is not Depth.NAME:
        return False
    waits = (first.body, first.frame, first.response)
    if first.needs_response and waits != (second.body, second.frame, second.response):
        return False
    return (
        (not first.methods or (bool(second.methods) and set(second.methods) <= set(first.methods)))
        and first.path in (None, second.path)
        and first.websocket in (None, second.websocket)
        and _within(first.query, second.query)
        and _within(first.headers, second.headers)
    )


def _within(first: Mapping[str, str | None], second: Mapping[str, str | None]) -> bool:
    return all(name in second and second[name] == wanted for name, wanted in first.items())


def _above(host: str) -> Iterator[str]:
    """Yield the patterns that cover a host, or the hosts below a pattern."""
    labels = host.removeprefix("*.").split(".")
    yield from (f"*.{'.'.join(labels[i:])}" for i in range(1, len(labels)))


def _overlaps(services: Sequence[Service]) -> Iterator[LintFinding]:
    """Two services known by one name would both count a single visit."""
    owners: dict[str, tuple[Service, Signature]] = {}
    for service in services:
        for signature in service.signatures:
            if signature.level is not Level.VISIT or signature.depth is not Depth.NAME:
                continue
            for host in signature.hosts:
                other, _ = owners.setdefault(host, (service, signature))
                if other is not service:
                    yield _in(service, signature, f"host {host} is a visit of service {other.id!r} too",
                              "Give the name to one of them.")  # fmt: skip
    for host, (service, signature) in owners.items():
        for pattern in _above(host):
            if pattern in owners and owners[pattern][0] is not service:
                yield _in(service, signature, f"host {host} lies below {pattern} of service "
                          f"{owners[pattern][0].id!r}, so a visit counts for both",
                          "Give the name to one of them.")  # fmt: skip
