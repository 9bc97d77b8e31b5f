"""What must always hold, for every row of the corpus and every host of the catalogue."""

from collections.abc import Callable
from itertools import pairwise
from urllib.parse import quote, urlsplit

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bewust.catalogue.matching import Rule
from bewust.cli.inspect import RecordingInspector
from bewust.detection.bodies import answered, framed
from bewust.detection.recordings import Exchange
from bewust.detection.requests import detect, observe
from bewust.detection.scanning import Scanner
from bewust.model import ANY_HOST, OBSERVED_HEADERS, Content, Level
from support.corpus_cases import Case, every_case, examine, requests, verdict

BENCH = RecordingInspector.load(None, None)
HOSTS = sorted(
    {host for s in BENCH.matcher.services.values() for signature in s.signatures for host in signature.hosts}
    - {ANY_HOST}
)
FOUND = [case for case in every_case() if case.verdict != "none" and case.url.startswith("https://")]
LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)


def own(host: str) -> list[str]:
    """The services that have a rule for this very host."""
    plan = BENCH.matcher.find(host)
    rules = (*plan.visits, *plan.rules) if plan else ()
    return [rule.service.id for rule in rules if ANY_HOST not in rule.signature.hosts]


@settings(max_examples=400)
@given(st.sampled_from(HOSTS), LABEL, LABEL)
def test_a_name_is_matched_at_its_labels_and_nowhere_else(pattern: str, text: str, other: str) -> None:
    name = pattern.removeprefix("*.")
    assert own(f"x.{name}") if pattern.startswith("*.") else own(name)
    for look_alike in (
        f"{name}.{text}.example",
        f"{name}.{text}",
        f"{text}.example",
        f"{name.replace('.', '-')}.example",
    ):
        assert not own(look_alike) or look_alike in HOSTS
    glued = f"{text}{name}"  # no dot between: another name, unless the catalogue has that one too
    assert not own(glued) or glued in HOSTS or any(f"*.{glued.partition('.')[2]}" == host for host in HOSTS)
    if not pattern.startswith("*."):
        below = f"{text}.{other}.{name}"
        assert not own(below) or below in HOSTS or any(below.endswith(host[1:]) for host in HOSTS if host[0] == "*")


def full_width(host: str) -> str:
    """Letters as East Asian keyboards type them; a browser takes them for the plain ones."""
    return "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isalpha() else c for c in host)


def encoded_path(path: str) -> str:
    return "/".join(
        "".join(f"%{ord(c):02x}" if c.isalnum() else quote(c, safe="%$:()") for c in part) for part in path.split("/")
    )


DISGUISES: dict[str, Callable[[str, str, str], str]] = {
    "capitals": lambda host, path, query: f"https://{host.upper()}{path}{query}",
    "last dot": lambda host, path, query: f"https://{host}.{path}{query}",
    "port": lambda host, path, query: f"https://{host}:443{path}{query}",
    "empty port": lambda host, path, query: f"https://{host}:{path}{query}",
    "user": lambda host, path, query: f"https://someone:secret@{host}{path}{query}",
    "user that is a host": lambda host, path, query: f"https://www.example.org@{host}{path}{query}",
    "full width": lambda host, path, query: f"https://{full_width(host)}{path}{query}",
    "encoded host": lambda host, path, query: f"https://%{ord(host[0]):02x}{host[1:]}{path}{query}",
    "encoded path": lambda host, path, query: f"https://{host}{encoded_path(path)}{query}",
    "backslash": lambda host, path, query: f"https:\\\\{host}{path}{query}",
    "fragment": lambda host, path, query: f"https://{host}{path}{query}#udm=50&q=chatgpt.com",
    "one field more": lambda host, path, query: f"https://{host}{path}{query or '?'}&bewust_x=1",
}


@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES)
def test_how_an_address_is_written_changes_no_verdict(disguise: Callable[[str, str, str], str]) -> None:
    wrong = []
    for case in FOUND:
        parts = urlsplit(case.url)
        url = disguise(parts.netloc, parts.path or "/", f"?{parts.query}" if parts.query else "")
        given_ = verdict(examine(BENCH, msgspec.structs.replace(case, url=url)))
        if given_ != (case.verdict, case.service):
            wrong.append((url, given_))
    assert not wrong
    assert len(FOUND) > 1000


@pytest.mark.parametrize("kind", ["user", "path", "query", "fragment", "below"])
def test_a_catalogued_name_elsewhere_in_an_address_is_nothing(kind: str) -> None:
    for host in HOSTS:
        name = host.removeprefix("*.")
        url = {
            "user": f"https://{name}@evil.example/search?q=x&udm=50",
            "path": f"https://evil.example/{name}/translate",
            "query": f"https://evil.example/?u=https://{name}/",
            "fragment": f"https://evil.example/#https://{name}/",
            "below": f"https://{name}.evil.example/search?q=x&udm=50",
        }[kind]
        assert verdict(examine(BENCH, Case("", "", url, ""))) == ("none", "")


WITH_BODIES = [case for case in every_case() if case.body or case.sent]


@settings(max_examples=300)
@given(st.sampled_from(WITH_BODIES), st.lists(st.integers(0, 400), max_size=8))
def test_cutting_a_body_anywhere_gives_the_verdict_of_the_whole(case: Case, at: list[int]) -> None:
    seen = observe(case.method, case.url, case.headers)
    pending = detect(seen, BENCH.matcher).pending
    bodies = [(rule, rule.signature.body) for rule in pending if rule.signature.body]
    for open_rules, text in ((bodies, case.sent), (answered(pending, case.type, case.status), case.body or "")):
        body = text.encode()
        whole = scanned(open_rules, [body])
        edges = [0, *sorted(min(n, len(body)) for n in at), len(body)]
        assert scanned(open_rules, [body[a:b] for a, b in pairwise(edges)]) == whole
        assert scanned(open_rules, [body[n : n + 1] for n in range(len(body))]) == whole


def scanned(open_rules: list[tuple[Rule, Content]], chunks: list[bytes]) -> int | None:
    scanner = Scanner([content for _, content in open_rules])
    for chunk in chunks:
        scanner.feed(chunk)
    scanner.end()
    return scanner.hit


TEXT = st.text(max_size=40)


@settings(max_examples=300)
@given(
    st.sampled_from(requests()),
    st.dictionaries(st.sampled_from(sorted(OBSERVED_HEADERS)) | TEXT, TEXT, max_size=4),
    st.binary(max_size=300),
    st.binary(max_size=300),
    st.tuples(
        st.lists(st.tuples(st.booleans(), st.binary(max_size=60)), max_size=3),
        st.sampled_from(["text/html", "application/json", "text/event-stream", "", "x"]),
        st.sampled_from(["", "gzip", "br", "zstd", "deflate", "x"]),
    ),
)
def test_any_headers_bodies_and_messages_give_a_verdict(
    case: Case,
    headers: dict[str, str],
    sent: bytes,
    body: bytes,
    rest: tuple[list[tuple[bool, bytes]], str, str],
) -> None:
    frames, kind, coding = rest
    seen = observe(case.method, case.url, tuple(headers.items()))
    exchange = Exchange(
        0, seen, type=kind, encoding=coding, body=body, sent=sent, sent_encoding=coding, frames=tuple(frames)
    )
    found = BENCH.examine(exchange)
    assert found is None or found.level in Level
    assert framed((), True) == []


@given(st.binary(max_size=200))
def test_what_nobody_knows_is_never_a_use_whatever_its_body(body: bytes) -> None:
    """Short bytes hold no shape of a prompt, so an unknown host stays unknown."""
    for path in ("/v1/messages", "/translate", "/api/chat", "/"):
        exchange = Exchange(
            0, observe("POST", f"https://www.example.org{path}"), type="text/html", body=body, sent=body
        )
        assert BENCH.examine(exchange) is None
