"""Counters -> private release: what leaves a workstation, and why it tells nothing about it.

Belongs here: the bound, the noise or the shares, the budget. Not here: files, times, or what keepers
do. `random` is a function that returns a uniform integer below its argument: `secrets.randbelow` but
in tests. docs/privacy.md states the guarantee; the tests measure it.
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import exp

from bewust.config import Policy
from bewust.config.policy import PERIOD_WEEKS, Mechanism
from bewust.errors import BewustError
from bewust.keys import keeper_key
from bewust.model import Kind
from bewust.statistics import formats
from bewust.statistics.counters import Key, weeks_of
from bewust.statistics.formats import (
    BOUNDS,
    SERVICES,
    LocalReport,
    Randomised,
    Report,
    Shared,
    SplitReport,
    blocks_of,
    differing,
)
from bewust.statistics.secret_sharing import seal_report

COIN = 1 << 32  # sides of the coin that flips a bit; its probability is an exact fraction of it

type Random = Callable[[int], int]
type Presence = tuple[int, ...]


class BudgetError(BewustError, ValueError):
    """A report would spend more of the year's privacy budget than the policy allows."""


def presence(counts: Mapping[Key, int], period: str, services: Sequence[str]) -> Presence:
    """Return the WIDTH bits of a period: whether each cell was ever counted, not how often."""
    used = {
        key.service for key, n in counts.items() if n and key.period == period and key.kind in (Kind.USE, Kind.VISIT)
    }
    kinds = {key.kind for key, n in counts.items() if n and key.period == period}
    named = [int(service in used) for service in services] + [0] * (SERVICES - len(services))
    other = int(bool(used - set(services)))
    return (int(bool(used)), *named, other, int(Kind.INTERNAL in kinds), int(Kind.REMINDED in kinds))


def bounded(bits: Sequence[int], random: Random) -> Presence:
    """Return the bits with at most BOUNDS ones in each block: which ones stay is drawn at random.

    The bound is what the guarantee rests on. Not the first ones stay, for that would tell an order.
    """
    kept: list[int] = []
    for name, block in blocks_of(bits).items():
        ones = [place for place, bit in enumerate(block) if bit]
        while len(ones) > BOUNDS[name]:
            ones.pop(random(len(ones)))
        kept += [int(place in ones) for place in range(len(block))]
    return tuple(kept)


def flip_probability(name: str, epsilon: Fraction) -> Fraction:
    """Return the probability with which each bit of a block is flipped, so that the block costs `epsilon`.

    Two vectors within the bound b differ in at most 2b bits (one, where there is only one), and each
    differing bit multiplies the odds by (1 - p) / p; so p = 1 / (1 + e^(epsilon / bits)). Rounded up
    to a fraction of COIN: a little more noise than needed, never less.
    """
    odds = exp(-epsilon / differing(name))
    return Fraction(int(COIN * odds / (1 + odds)) + 1, COIN)


def randomised(bits: Sequence[int], probability: Fraction, random: Random) -> Presence:
    """Return the bits, each flipped with the probability and independently."""
    return tuple(bit ^ (random(probability.denominator) < probability.numerator) for bit in bits)


def mechanism_of(period: str) -> Mechanism:
    """Return the mechanism that a period was opened under, whatever the policy says by now: its length tells."""
    return next(mechanism for mechanism, weeks in PERIOD_WEEKS.items() if weeks == weeks_of(period))


def epsilons(policy: Policy, period: str) -> Mapping[str, str]:
    """Return what the report of a period costs, by block."""
    return policy.epsilons_under(mechanism_of(period))


def check_budget(ledger: Mapping[tuple[str, str], str], period: str, policy: Policy) -> None:
    """Raise BudgetError where a report for a period would exceed the year's cap."""
    year = period[:4]
    before = sum((Fraction(e) for (p, _), e in ledger.items() if p[:4] == year and p != period), Fraction())
    cost = sum(map(Fraction, epsilons(policy, period).values()), Fraction())
    yearly = policy.yearly_under(mechanism_of(period))
    if before + cost > yearly:
        raise BudgetError(
            f"{period}: would spend {before + cost} of a privacy budget of {yearly} in {year}, so no "
            "report is made. Raise release.yearly, or lower release.epsilon."
        )


def randomise_period(
    counts: Mapping[Key, int], period: str, services: Sequence[str], policy: Policy, random: Random
) -> Report:
    """Return the report of a period: bounded, then randomised or shared. Drawn once, never again."""
    bits = bounded(presence(counts, period, services), random)
    report_id = f"{random(1 << 128):032x}"
    domain = formats.domain_of(services)
    costs = epsilons(policy, period)
    if mechanism_of(period) == "local":
        return LocalReport(
            schema="bewust-report/1", period=period, mechanism="local", domain=domain, services=tuple(services),
            blocks=_randomised_blocks(bits, costs, random), id=report_id,
        )  # fmt: skip
    draft = SplitReport(
        schema="bewust-report/1", period=period, mechanism="split", domain=domain, services=tuple(services),
        blocks={name: Shared(epsilon) for name, epsilon in costs.items()},
        keepers=("", ""), shares=("", ""), id=report_id,
    )  # fmt: skip
    if len(policy.release.keepers) != 2:
        raise ValueError("under split there are two keepers, and the policy names others")
    return seal_report(draft, bits, [keeper_key(keeper.key) for keeper in policy.release.keepers])


def _randomised_blocks(bits: Presence, costs: Mapping[str, str], random: Random) -> dict[str, Randomised]:
    made = {}
    for name, block in blocks_of(bits).items():
        epsilon = costs[name]
        chance = flip_probability(name, Fraction(epsilon))
        noisy = randomised(block, chance, random)
        made[name] = Randomised(epsilon, f"{chance.numerator}/{chance.denominator}", "".join(map(str, noisy)))
    return made
