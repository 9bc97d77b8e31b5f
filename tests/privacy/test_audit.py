"""The epsilon that is claimed is the epsilon there is: attackers get as far as it allows, and no further.

The quick forms; tests/long/privacy_audit.py has all claims and sixty thousand reports in each world.
Local reports are made with chance of a fixed seed, which is honest here, for the attackers look at what
the code makes of chance: these tests give the same numbers every time. The noise of the keepers is
OpenDP's own and new every time, and how often a test of it can fail by accident is said at each.
"""

import math
from fractions import Fraction
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bewust.config.policy import Keeper, Policy, ReleaseRules
from bewust.keys import key_id, key_text
from bewust.model import Kind
from bewust.statistics import formats, randomise, secret_sharing
from bewust.statistics.counters import Key
from bewust.statistics.formats import BOUNDS, SplitReport
from bewust.statistics.keepers import sums
from bewust.statistics.keepers.keyfile import KeeperKey
from support import privacy_audit as auditing
from support.privacy_audit import MUTATIONS, Mutation, Neighbours, gate, keeper_audit, seeded, used, worst

WEEK = "2026-W47"

# The statistics themselves.


@pytest.mark.parametrize(("n", "p"), [(1, 0.5), (10, 0.3), (60, 0.02), (200, 0.731), (400, 0.4584)])
def test_a_tail_is_the_sum_of_its_binomial_terms(n: int, p: float) -> None:
    terms = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    for k in range(n + 2):
        assert auditing.tail(n, k, p) == pytest.approx(sum(terms[k:]), rel=1e-9, abs=1e-12)


def test_an_interval_is_that_of_the_tables() -> None:
    """Clopper-Pearson, 95 %: 50 of 100 and 0 of 10, as any table has them."""
    assert (auditing.at_least(50, 100, 0.025), auditing.at_most(50, 100, 0.025)) == pytest.approx(
        (0.3983, 0.6017), abs=1e-4
    )
    assert (auditing.at_least(0, 10, 0.025), auditing.at_most(0, 10, 0.025)) == pytest.approx((0, 0.3085), abs=1e-4)


def test_two_workstations_that_do_the_same_cannot_be_told_apart() -> None:
    same = Neighbours(used(0, 1, 2), used(0, 1, 2), Policy(), "service")
    assert same.two_worlds(1000) == 0
    assert auditing.two_worlds([1.0, 2.0] * 500, [1.0, 2.0] * 500) == 0
    assert auditing.one_run([(1.0, True), (1.0, False)] * 500) == 0


def test_what_gives_itself_away_is_seen_in_both_audits() -> None:
    """The other end of the scale: no noise at all, from a thousand reports."""
    assert auditing.two_worlds([1.0] * 1000, [-1.0] * 1000) > 4
    assert auditing.one_run([(1.0, True), (-1.0, False)] * 500) > 4


# Local.


@pytest.mark.parametrize(
    ("block", "epsilon", "reports_"),
    [
        pytest.param("any", "1/2", 12_000, id="any"),
        pytest.param("service", "1/1", 20_000, id="service"),
        pytest.param("service", "2/1", 8_000, id="service, less noise"),
        pytest.param("internal", "1/4", 12_000, id="internal"),
    ],
)
def test_two_worlds_are_told_apart_as_far_as_claimed(block: str, epsilon: str, reports_: int) -> None:
    bound = worst(block, epsilon).two_worlds(reports_)
    print(f"two worlds, {block}: claimed {epsilon}, at least {bound:.3f}")
    assert gate(bound, epsilon)


@pytest.mark.parametrize(
    ("block", "epsilon", "workstations"),
    [
        pytest.param("any", "1/2", 12_000, id="any"),
        pytest.param("service", "1/1", 20_000, id="service"),
        pytest.param("service", "2/1", 8_000, id="service, less noise"),
    ],
)
def test_the_secrets_of_one_fleet_are_guessed_as_far_as_claimed(block: str, epsilon: str, workstations: int) -> None:
    bound = worst(block, epsilon).one_run(workstations)
    print(f"one run, {block}: claimed {epsilon}, at least {bound:.3f}")
    assert gate(bound, epsilon)


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_a_mistake_in_the_mechanism_is_caught(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    mutation.make(monkeypatch)
    bound = mutation.pair.two_worlds(mutation.reports, exports=mutation.exports)
    print(f"claimed 1, at least {bound:.3f}")
    assert bound > 1


def test_the_neighbours_of_the_mutations_are_within_the_claim_when_nothing_is_wrong() -> None:
    """The same twelve against twelve, bounded: what catches the mistake is the mistake and not the pair."""
    assert MUTATIONS["no bound"].pair.two_worlds(6_000) <= 1


# Split: one keeper's sum, when the other keeper tells all.


@pytest.mark.parametrize(
    ("block", "epsilon", "ones"),
    [
        pytest.param("service", "1/1", 3, id="service at 1"),
        pytest.param("service", "1/2", 3, id="service as shipped"),
        pytest.param("any", "1/5", 1, id="any as shipped"),
    ],
)
def test_one_honest_keeper_is_enough_for_the_claim(block: str, epsilon: str, ones: int) -> None:
    """Whether a person used three services or none at all, from 40,000 sums in each world.

    Above the claim: by accident with probability 1e-7, by the meaning of SURE. Below half of it: the bound
    is expected at 0.93, 0.43 and 0.17 with standard deviations of 0.02, 0.03 and 0.01, so that half the
    claim is over 6 of them away, which is below 1e-9.
    """
    usual, sure = keeper_audit(block, epsilon, ([1] * ones, [0] * ones), 40_000)
    print(f"split, {block}: claimed {epsilon}, at least {usual:.3f} (95 %), {sure:.3f} (surely)")
    assert sure <= float(Fraction(epsilon))
    assert usual >= float(Fraction(epsilon)) / 2


def test_under_split_the_claim_is_about_taking_part_and_not_about_three_other_services() -> None:
    """The noise of `split` is for three ones more or less. Three services against three others differ in six
    cells, so that this costs up to twice the epsilon of the block; under `local` both cost the same, because
    its coins are for six. Whoever states the guarantee has to say so.

    Expected at 1.7 with a standard deviation of 0.12: below 1 with probability 1e-8.
    """
    usual, sure = keeper_audit("service", "1/1", ([1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]), 30_000)
    print(f"split, three against three others: claimed 1/1, at least {usual:.3f} (95 %), {sure:.3f} (surely)")
    assert usual > 1
    assert sure <= 2


def test_a_quarter_of_the_noise_of_a_keeper_is_caught() -> None:
    """Expected above 2.5; below 1 with a probability that cannot be written down."""
    _, sure = keeper_audit("service", "1/1", ([1] * 3, [0] * 3), 5_000, drawn="4/1")
    print(f"split, a quarter of the noise: claimed 1, at least {sure:.3f}")
    assert sure > 1


def test_what_was_audited_is_what_a_keeper_adds_to_a_real_batch(tmp_path: Path) -> None:
    """Fifty real reports through one keeper's sum; the other keeper's shares are known and taken off again.

    What is left is the true total and this keeper's noise: a whole number in every cell, within 60 scales (beyond
    that with probability 1e-24), and not nought in all 28 cells (all nought with probability below 1e-25).
    """
    keys = (X25519PrivateKey.generate(), X25519PrivateKey.generate())
    publics = [key_text(key.public_key()) for key in keys]
    rules = Policy(mechanism="split", release=ReleaseRules(keepers=(Keeper("a", publics[0]), Keeper("b", publics[1]))))
    chance, batch, total = seeded(5), [], [0] * formats.WIDTH
    for n in range(50):
        counts = {Key(WEEK, auditing.NAMES[(n + k) % 24], Kind.USE): 1 for k in range(n % 4)}
        report = randomise.randomise_period(counts, WEEK, auditing.NAMES, rules, chance)
        assert isinstance(report, SplitReport)
        batch.append(report)
        total = [a + b for a, b in zip(total, randomise.presence(counts, WEEK, auditing.NAMES), strict=True)]
    mine = KeeperKey("a", key_id(keys[0].public_key()), keys[0], tmp_path / "a.key")
    noisy = [int(text) for text in sums.sum_batch(batch, mine).sum]
    for report in batch:
        noisy = [a + b for a, b in zip(noisy, secret_sharing.open_share(report, 1, keys[1]), strict=True)]
    found = [(value + (1 << 63)) % secret_sharing.MODULUS - (1 << 63) for value in noisy]
    noise = [a - b for a, b in zip(found, total, strict=True)]
    assert any(noise)
    for name, block in formats.blocks_of(noise).items():
        assert all(abs(value) <= 60 * BOUNDS[name] / Fraction(rules.epsilons[name]) for value in block)
