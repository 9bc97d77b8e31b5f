"""The audits of tests/privacy/test_audit.py for every claim that is shipped, with sixty thousand reports in each
world: `python -m pytest tests/long/privacy_audit.py -s`, about three minutes; prints a table.

Local: fixed seeds, the same numbers every time. Split: OpenDP's own noise; a bound above the claim has
probability 1e-7 in each test, and half the claim is over six standard deviations below what is expected.
"""

from collections.abc import Iterator
from fractions import Fraction

import pytest

from bewust.config.policy import EPSILONS, Policy
from bewust.model import Kind
from bewust.statistics.formats import BLOCKS, BOUNDS
from support import privacy_audit as auditing
from support.privacy_audit import MUTATIONS, SURE, Mutation, Neighbours, gate, keeper_audit, keeper_scores, used, worst

REPORTS = 60_000  # in each world, and workstations of the one fleet
BUSY = used(0, 1, 2, kinds=[Kind.INTERNAL, Kind.REMINDED])
LOCAL = [*EPSILONS["local"].items(), ("service", "1/2"), ("service", "2/1"), ("any", "1/1")]
CLAIMS = {f"{block} at {epsilon}": (worst(block, epsilon), epsilon) for block, epsilon in LOCAL}
TOTAL = sum(map(Fraction, EPSILONS["local"].values()), Fraction())


@pytest.fixture(scope="module", autouse=True)
def rows() -> Iterator[list[str]]:
    """What is printed when all is done."""
    found: list[str] = []
    yield found
    print("\n" + "\n".join(["", "audit | claimed | at least", "---|---|---", *found]))


@pytest.mark.parametrize(("pair", "claimed"), CLAIMS.values(), ids=CLAIMS)
def test_two_worlds(pair: Neighbours, claimed: str, rows: list[str], request: pytest.FixtureRequest) -> None:
    bound = pair.two_worlds(REPORTS)
    rows.append(f"{request.node.callspec.id}, two worlds | {claimed} | {bound:.3f}")
    assert gate(bound, claimed)


@pytest.mark.parametrize(("pair", "claimed"), CLAIMS.values(), ids=CLAIMS)
def test_one_run(pair: Neighbours, claimed: str, rows: list[str], request: pytest.FixtureRequest) -> None:
    bound = pair.one_run(REPORTS)
    rows.append(f"{request.node.callspec.id}, one run | {claimed} | {bound:.3f}")
    assert gate(bound, claimed)


@pytest.mark.parametrize("against", ["nothing", "three others"])
def test_a_whole_report(against: str, rows: list[str]) -> None:
    """Everything in it at once. What people can do does not reach the total: who uses a service uses any, so that
    either `any` is the same or only three bits of `service` differ, and 3/2 of the claimed 2 can be shown at most.
    """
    pair = Neighbours(BUSY, used() if against == "nothing" else used(3, 4, 5), Policy(), *BLOCKS)
    reachable = pair.worth
    assert reachable == pytest.approx(1.5, abs=1e-6)
    bound = pair.two_worlds(REPORTS)
    rows.append(f"whole report against {against}, two worlds | {TOTAL} (reachable 3/2) | {bound:.3f}")
    assert float(TOTAL) / 2 <= bound <= reachable


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_a_mistake_is_caught(
    mutation: Mutation, monkeypatch: pytest.MonkeyPatch, rows: list[str], request: pytest.FixtureRequest
) -> None:
    mutation.make(monkeypatch)
    bound = mutation.pair.two_worlds(REPORTS // mutation.exports, exports=mutation.exports)
    rows.append(f"mistake: {request.node.callspec.id} | 1 | {bound:.3f}")
    assert bound > 1


SPLIT = [*EPSILONS["split"].items(), ("service", "1/1"), ("service", "2/1"), ("any", "1/1")]


@pytest.mark.parametrize(("block", "claimed"), SPLIT, ids=[f"{block} at {epsilon}" for block, epsilon in SPLIT])
def test_one_keepers_sum(block: str, claimed: str, rows: list[str]) -> None:
    bits = BOUNDS[block]
    usual, sure = keeper_audit(block, claimed, ([1] * bits, [0] * bits), REPORTS)
    rows.append(f"split {block} at {claimed}, two worlds | {claimed} | {usual:.3f} (surely {sure:.3f})")
    assert sure <= float(Fraction(claimed))
    assert usual >= float(Fraction(claimed)) / 2


def test_all_cells_of_one_keepers_sum(rows: list[str]) -> None:
    """Everything at once against nothing, which here does reach the total of 1."""

    def scores(truth: bool) -> list[float]:
        blocks = [
            keeper_scores(name, Fraction(epsilon), ([1] * BOUNDS[name], [0] * BOUNDS[name]), truth, REPORTS)
            for name, epsilon in EPSILONS["split"].items()
        ]
        return [round(sum(parts), 9) for parts in zip(*blocks, strict=True)]

    one, other = scores(True), scores(False)
    usual, sure = auditing.two_worlds(one, other), auditing.two_worlds(one, other, alpha=SURE)
    rows.append(f"split whole sum, two worlds | 1 | {usual:.3f} (surely {sure:.3f})")
    assert sure <= 1
    assert usual >= 0.5
