"""Names, sizes, times and lengths of what is written are the same for everybody, whatever they did.

Two hundred simulated people. Nothing statistical is asserted: as every field has one value for all of
them, its mutual information with whatever they did is nought.
"""

import json
import math
import random
import re
import secrets
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bewust.config.policy import Keeper, Policy, ReleaseRules
from bewust.keys import key_text
from bewust.model import Kind
from bewust.state_files import STORE
from bewust.statistics import delivery, retention
from bewust.statistics.counters import Key, period_end
from bewust.statistics.storage import Store

PEOPLE = 200
NAMES = tuple(f"service-{n}" for n in range(30))  # more than a release names
KEEPERS = tuple(Keeper(name, key_text(X25519PrivateKey.generate().public_key())) for name in "ab")
POLICIES = {
    "local": (Policy(release=ReleaseRules(services=NAMES[:24])), "2026-P12"),
    "split": (Policy(mechanism="split", release=ReleaseRules(services=NAMES[:5], keepers=KEEPERS)), "2026-W47"),
}
NOW = datetime(2026, 12, 1, 8, tzinfo=UTC)


def information(fields: Sequence[object], activity: Sequence[object]) -> float:
    """Return the mutual information of two observed variables, in bits."""
    n, one, other = len(fields), Counter(fields), Counter(activity)
    pairs = Counter(zip(fields, activity, strict=True))
    return sum(k / n * math.log2(k * n / (one[f] * other[a])) for (f, a), k in pairs.items())


def behaviour(number: int, period: str) -> tuple[int, list[Key]]:
    """Return how often the store of a person was written, and what was counted; the first does nothing at all."""
    chance = random.Random(number)
    counts = 0 if number == 0 else int(10 ** (4 * chance.random()))  # one to ten thousand
    favourites = chance.sample(NAMES, chance.randint(1, 30))
    keys = [Key(period, chance.choice(favourites), chance.choice(list(Kind))) for _ in range(counts)]
    return chance.randint(1, 3), keys


def seen_of(file: Path) -> Iterator[tuple[str, object]]:
    """Yield what can be seen of a file without opening it."""
    status = file.stat()
    yield "size", status.st_size
    yield "time", status.st_mtime_ns
    yield "mode", status.st_mode
    yield "links", status.st_nlink
    yield "name", re.sub("[0-9a-f]{32}", "*", file.name)


def life(number: int, policy: Policy, period: str) -> tuple[dict[str, object], int]:
    """Return what can be seen of what a person leaves behind, and how much they did."""
    flushes, keys = behaviour(number, period)
    with tempfile.TemporaryDirectory() as name:
        state, share = Path(name, "state"), Path(name, "share")
        state.mkdir()
        share.mkdir()
        cells = [Key(period, service, kind) for service in NAMES for kind in Kind]
        store = Store(state, cells)
        store.open_period(cells, policy.release.services)
        for part in range(flushes):
            store.add(keys[part::flushes])
            store.flush()
        fields: dict[str, object] = {f"store {what}": value for what, value in seen_of(state / STORE)}
        header = (state / STORE).read_bytes()[:100]
        fields["change counter"], fields["pages"] = header[24:28], header[28:32]
        assert retention.close_periods(store, policy, NOW, secrets.randbelow) is None
        store.flush()
        fields |= {f"sealed store {what}": value for what, value in seen_of(state / STORE)}
        (report,) = delivery.deliver(store.contents().sealed, share)
        fields |= {f"report {what}": value for what, value in seen_of(report)}
        line = report.read_text()
        fields["line"] = len(line)
        fields["shape"] = shape(json.loads(line))
        fields["files"] = (tuple(file.name for file in state.iterdir()), len(list(share.iterdir())))
        return fields, len(keys)


def shape(value: Any) -> object:
    """Return the keys of a JSON value in their order, and the length of every text in it."""
    if isinstance(value, dict):
        return tuple((key, shape(inner)) for key, inner in value.items())
    return tuple(map(shape, value)) if isinstance(value, list) else len(value)


@pytest.mark.parametrize(("policy", "period"), POLICIES.values(), ids=POLICIES)
def test_nothing_that_can_be_seen_from_outside_depends_on_what_somebody_did(policy: Policy, period: str) -> None:
    people = [life(number, policy, period) for number in range(PEOPLE)]
    activity = [round(math.log2(1 + counts)) for _, counts in people]
    assert len(set(activity)) > 10, "the people do differ"
    for field in people[0][0]:
        values = [fields[field] for fields, _ in people]
        assert len(set(values)) == 1, field
        assert information(values, activity) == 0, field
    ended = datetime.combine(period_end(period), datetime.min.time(), UTC).timestamp()
    assert people[0][0]["report time"] == ended * 1e9
    assert people[0][0]["report name"] == f"bewust-{period}-*.ndjson"


def test_a_field_that_does_depend_on_it_would_be_seen() -> None:
    """The measure itself: the number of counts says everything of itself, a coin nearly nothing."""
    activity = [len(behaviour(number, "2026-P12")[1]) > 100 for number in range(PEOPLE)]
    assert information([2 * a for a in activity], activity) > 0.9
    assert information([0] * PEOPLE, activity) == 0
