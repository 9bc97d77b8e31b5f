"""The file tells what was counted in the end, and nothing of how it came about or of what was seen."""

import base64
import hashlib
import secrets
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from bewust.catalogue import loading
from bewust.cli.inspect import RecordingInspector
from bewust.config import texts
from bewust.config.policy import Keeper, Mechanism, Policy, ReleaseRules
from bewust.detection.recordings import Exchange
from bewust.detection.requests import observe
from bewust.keys import key_text
from bewust.model import Kind
from bewust.reminders.pipeline import Pipeline
from bewust.state_files import STORE
from bewust.statistics import counters, delivery, retention
from bewust.statistics.counters import Key
from bewust.statistics.storage import MOST, Store
from support.privacy_audit import seeded

PERIOD, ENDED = "2026-P12", datetime(2026, 11, 30, tzinfo=UTC)
NAMES = ("chatgpt", "claude", "deepl", "edge-translate")
CELLS = [Key(PERIOD, service, kind) for service in NAMES for kind in Kind]


def opened(folder: Path) -> Store:
    """Return a store as the agent has it after its start."""
    store = Store(folder, CELLS)
    store.open_period(CELLS, NAMES[:2])
    return store


def entries(folder: Path) -> dict[str, tuple[bytes, float]]:
    """Return every file below a folder with its bytes and its time."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime)
        for path in folder.rglob("*")
        if path.is_file()
    }


def lived(steps: Sequence[Key | str], sealed: bool) -> dict[str, tuple[bytes, float]]:
    """Return all files that are left of a history: keys are counted; "flush" and "restart" are what they say."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = opened(folder)
        for step in steps:
            if isinstance(step, Key):
                store.add([step])
                continue
            store.flush()
            if step == "restart":
                store = opened(folder)
        if sealed:
            assert retention.close_periods(store, Policy(), ENDED, seeded(1)) is None
        store.flush()
        assert store.problem is None
        return entries(folder)


COUNTED = st.lists(st.sampled_from(CELLS), max_size=25)
PAUSES = st.lists(st.sampled_from(["flush", "restart"]), max_size=6)


@settings(max_examples=60)
@given(COUNTED, PAUSES, st.data(), st.booleans())
def test_the_same_counts_in_any_order_and_with_any_pauses_are_the_same_bytes(
    counted: list[Key], pauses: list[str], data: st.DataObject, sealed: bool
) -> None:
    """Also of a period that was sealed meanwhile; its chance is a seed here, so that it can be compared."""
    other: list[Key | str] = list(data.draw(st.permutations([*counted, *pauses])))
    assert lived(other, sealed) == lived(sorted(counted), sealed)


@settings(max_examples=30)
@given(COUNTED, COUNTED)
def test_what_was_sealed_leaves_nothing_of_its_counters(counted: list[Key], others: list[Key]) -> None:
    """With the same chance, two histories of the same services end in the same bytes, however often each was used."""
    services = {(key.service, key.kind) for key in counted}
    more = [key for key in others if (key.service, key.kind) in services]
    assert lived([*counted, *more], True) == lived(sorted(set(counted)), True)


def test_the_comparison_sees_one_count_more() -> None:
    assert lived(CELLS[:3], False) != lived(CELLS[:4], False)
    assert lived([CELLS[0]], False) != lived([CELLS[0]] * 2, False)


@pytest.mark.parametrize("sealed", [False, True], ids=["the period goes on", "sealed"])
def test_the_files_of_the_idle_and_of_the_busiest_are_equally_long(sealed: bool) -> None:
    idle = lived([], sealed)
    busy = lived([*CELLS * 3, "flush", *[CELLS[0]] * (MOST + 5), "restart", *CELLS], sealed)
    assert list(idle) == list(busy) == [STORE]
    assert len(idle[STORE][0]) == len(busy[STORE][0])
    assert idle[STORE][1] == busy[STORE][1], "and of one time"


def test_idle_and_busy_differ_in_the_counters_and_in_no_other_byte() -> None:
    """A counter is two bytes there, of which nothing else is moved; the header with its change counter is the same."""
    idle, busy = (lived(steps, False)[STORE][0] for steps in ([], CELLS * 3))
    different = sum(a != b for a, b in zip(idle, busy, strict=True))
    assert 0 < different <= 2 * len(CELLS)
    assert idle[:100] == busy[:100]


def test_nothing_but_the_file_is_in_the_folder_at_any_time(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for step in range(6):
        store.add(CELLS[:step])
        store.flush()
        assert list(entries(tmp_path)) == [STORE]
    assert retention.close_periods(store, Policy(), ENDED, secrets.randbelow) is None
    store.flush()
    assert list(entries(tmp_path)) == [STORE]


# Canaries: strings that occur nowhere else, in at every place where a person could leave a trace.

CANARIES = {
    name: f"Canary{name}Zq7x+é" for name in ("path", "query", "prompt", "user", "cookie", "referer", "header", "answer")
} | {"label": "canarylabelzq7x"}  # in a host, where there are no capitals and signs


def forms(text: str) -> Iterator[bytes]:
    """The text as a careless store could hold it. Whole, for a part of a hash or of base64 says nothing."""
    plain = text.encode()
    for raw in (plain, plain.upper(), plain.lower()):
        yield from (raw, raw[::-1], raw.hex().encode(), raw.hex().upper().encode())
        for shift in range(3):  # what stands before it decides on which of three places its base64 begins
            yield base64.b64encode(b"x" * shift + raw)[4 * (shift > 0) : -4]
        yield from (hashlib.sha256(raw).digest(), hashlib.sha256(raw).hexdigest().encode())
        yield from (hashlib.md5(raw).digest(), hashlib.md5(raw).hexdigest().encode())
    yield from (text.encode("utf-16-le"), text.encode("utf-16-be"), text.encode("latin-1"))
    yield from (quote(text, safe="").encode(), "".join(f"%{byte:02x}" for byte in plain).encode())


def traces(data: bytes) -> set[str]:
    return {name for name, text in CANARIES.items() if any(form in data for form in forms(text))}


def exchanges() -> Iterator[Exchange]:
    """Uses that are recognised, visits, internal pages and strangers, with a canary everywhere one fits."""
    see = {name: quote(text, safe="") for name, text in CANARIES.items()}
    headers = [
        ("Referer", f"https://{see['referer']}.example/"), ("Cookie", f"id={CANARIES['cookie']}"),
        ("X-User", CANARIES["header"]), ("Accept", f"text/html, {see['header']}"), ("Content-Type", "application/json"),
    ]  # fmt: skip
    prompt = CANARIES["prompt"].encode()
    urls = [
        f"https://{see['user']}:secret@duckduckgo.com/duckchat/v1/chat?x={see['query']}",
        f"https://translate-pa.googleapis.com/v1/translateHtml?x={see['query']}",
        f"https://chatgpt.com/{see['path']}?q={see['query']}",
        f"https://www.google.nl/search?q={see['query']}&udm=50",
        f"https://{CANARIES['label']}.translate.goog/{see['path']}?_x_tr_tl=nl&_x_tr_sl=en",
        f"https://{CANARIES['label']}.example/{see['path']}?q={see['query']}",
    ]
    bodies = [
        b'{"messages":[{"role":"user","content":"' + prompt + b'"}]}',
        b'[[["' + prompt + b'"],"en","nl"],"te"]',
    ]
    for number, url in enumerate(urls):
        for method in ("GET", "POST"):
            for body in bodies:
                yield Exchange(
                    number, observe(method, url, headers), type="text/html", status=200,
                    body=CANARIES["answer"].encode(), sent=body if method == "POST" else b"",
                )  # fmt: skip


@pytest.mark.parametrize("mechanism", ["local", "split"])
def test_no_canary_is_in_any_file_that_is_written(tmp_path: Path, mechanism: Mechanism) -> None:
    """The whole way: request, detection, reminder, counter, file, sealed report, exported report."""
    state, share = tmp_path / "state", tmp_path / "share"
    state.mkdir()
    share.mkdir()
    keepers = tuple(Keeper(name, key_text(X25519PrivateKey.generate().public_key())) for name in "ab")
    rules = Policy(mechanism=mechanism, release=ReleaseRules(keepers=keepers))
    services = {service.id: service for service in loading.load()}
    bench, now = RecordingInspector.load(None, None), datetime(2026, 11, 23, 9, tzinfo=UTC)
    chain = Pipeline(rules, texts.load("nl"), services)
    cells = counters.period_keys(chain.period(now), services.values())
    store, recognised = Store(state, cells), Counter[str]()
    store.open_period(cells, ("chatgpt", "duck-ai"))
    written: list[bytes] = []
    for exchange in exchanges():
        now += timedelta(hours=1)
        found = bench.examine(exchange)
        if found is not None:
            recognised[found.service] += 1
            outcome = chain.detected(0, found, now)
            store.add(outcome.counts)
            if outcome.about is not None:
                store.add(chain.remind(0, outcome.about, now).counts)
            store.add(chain.seen(found.service, now).counts)
        store.flush()
        written += [data for data, _ in entries(tmp_path).values()]
    assert {"duck-ai", "chrome-translate", "chatgpt", "google-site-translate"} <= set(recognised), (
        "the canaries went through the detection"
    )
    assert sum(store.counts().values()) > 10
    assert retention.close_periods(store, rules, ENDED, secrets.randbelow) is None
    store.flush()
    assert len(delivery.deliver(store.contents().sealed, share)) == 1
    left = entries(tmp_path)
    assert len(left) == 2, "the store and the report, and nothing else"
    for data in {*written, *(data for data, _ in left.values())}:
        assert not traces(data)
    assert not traces("\n".join(left).encode()), "nor in a name"


@pytest.mark.parametrize("name", CANARIES)
def test_the_search_finds_a_canary_in_every_form(name: str) -> None:
    """The test above can fail."""
    planted = list(forms(CANARIES[name]))
    assert len(set(planted)) > 20
    for form in planted:
        assert name in traces(b"before " + form + b" after")
    for before in (b"", b"a", b"ab"):
        assert name in traces(base64.b64encode(before + CANARIES[name].encode() + b" and more"))
