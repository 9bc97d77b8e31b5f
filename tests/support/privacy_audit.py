"""How much an attacker learns, measured: lower bounds on epsilon from what a mechanism really gives out.

Belongs here: the attackers, the exact statistics they are judged by, and what the product makes for
them to look at. A proof can have a mistake in it, and so can the code that follows it; these numbers
come from reports that were made, and need to trust neither.

Sources: Jagielski et al. 2020 (two worlds, threshold on one half, Clopper-Pearson on the other);
Steinke, Nasr and Jagielski 2023 (one run, guesses against a binomial).
"""

import math
import random
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import pytest

from bewust.config.policy import Policy, ReleaseRules
from bewust.model import Kind
from bewust.statistics import randomise
from bewust.statistics.counters import Key
from bewust.statistics.formats import BOUNDS, SERVICES, LocalReport, blocks_of
from bewust.statistics.keepers import sums as keeper_sums
from bewust.statistics.randomise import Presence

PERIOD = "2026-P12"
NAMES = tuple(f"service-{n}" for n in range(SERVICES))
SURE = 1e-7  # how often a bound may be above the truth by accident where no seed is fixed

type Counts = Mapping[Key, int]
type Bits = Sequence[int]


# Exact statistics; scipy is not worth its 100 MB for two functions.


def tail(n: int, k: int, p: float) -> float:
    """Return P[Bin(n, p) >= k], exact: the regularised incomplete beta function I_p(k, n - k + 1)."""
    if k <= 0:
        return 1.0
    if k > n or p <= 0:
        return 0.0
    if p >= 1:
        return 1.0
    a, b = float(k), float(n - k + 1)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(p) + b * math.log1p(-p))
    if p < (a + 1) / (a + b + 2):  # where the continued fraction converges quickly
        return front * _fraction(p, a, b) / a
    return 1 - front * _fraction(1 - p, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of the incomplete beta function, by Lentz (Abramowitz and Stegun 26.5.8)."""
    tiny = 1e-300
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or tiny)
    value = d
    for m in range(1, 2000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for step in (even, odd):
            d = 1 / (1 + step * d or tiny)
            c = 1 + step / c or tiny
            value *= c * d
        if abs(c * d - 1) < 1e-13:
            break
    return value


def _solve(increasing: Callable[[float], float], target: float, low: float, high: float) -> float:
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if increasing(middle) < target else (low, middle)
    return low


def at_least(k: int, n: int, alpha: float) -> float:
    """Return the Clopper-Pearson lower end: the true share is below it with probability alpha at most."""
    return _solve(lambda p: tail(n, k, p), alpha, 0.0, 1.0) if k else 0.0


def at_most(k: int, n: int, alpha: float) -> float:
    """Return the Clopper-Pearson upper end: the true share is above it with probability alpha at most."""
    return 1 - at_least(n - k, n, alpha)


# The two audits.


def two_worlds(one: Sequence[float], other: Sequence[float], alpha: float = 0.05) -> float:
    """Return a lower bound on epsilon from scores of what was made in two worlds; high means the first.

    An event that has probability a in one and b in the other shows that epsilon >= ln(a / b). Which event (a
    score at or above some threshold or below it), and in which world it is the likelier one, is chosen on
    the first half; its probabilities are bounded on the second, which had no part in the choice. So the
    bound exceeds the true epsilon with probability `alpha` at most.
    """
    first = [sorted(scores[: len(scores) // 2]) for scores in (one, other)]
    second = [sorted(scores[len(scores) // 2 :]) for scores in (one, other)]
    events = [(t, above) for t in _thresholds([*first[0], *first[1]]) for above in (True, False)]
    bounds = [(_bound(first[::way], *event, alpha), event, way) for event in events for way in (1, -1)]
    _, event, way = max(bounds)
    return max(0.0, _bound(second[::way], *event, alpha))


def _thresholds(scores: Iterable[float]) -> list[float]:
    """At most forty: between them lies too little for another to matter."""
    ordered = sorted(scores)
    return sorted({ordered[place * (len(ordered) - 1) // 39] for place in range(40)})


def _bound(worlds: Sequence[Sequence[float]], threshold: float, above: bool, alpha: float) -> float:
    """Return the bound that an event shows, should it be more likely in the first of two worlds of sorted scores."""
    likely, rare = worlds
    below = [bisect_left(scores, threshold) for scores in worlds]
    hits, misses = (len(scores) - n if above else n for scores, n in zip(worlds, below, strict=True))
    if hits * len(rare) <= misses * len(likely):
        return -math.inf
    low, high = at_least(hits, len(likely), alpha / 2), at_most(misses, len(rare), alpha / 2)
    return math.log(low / high) if low else -math.inf


def one_run(guesses: Sequence[tuple[float, bool]], alpha: float = 0.05) -> float:
    """Return a lower bound on epsilon from one fleet in which each workstation tossed a coin for its secret.

    A guess is a score (high for a secret of True, its size for how sure) beside the secret. Of the r surest,
    v are right; under epsilon no attacker has that with a probability above P[Bin(r, e^eps/(1+e^eps)) >= v].
    How many to guess at all is tried at a few levels, each with its part of alpha (Bonferroni).
    """
    surest = sorted(guesses, key=lambda guess: -abs(guess[0]))
    sizes = [abs(score) for score, _ in surest]
    levels = sorted(
        {sum(size >= sizes[len(sizes) * part // 100 - 1] for size in sizes) for part in (3, 5, 15, 40, 100)}
    )
    best = 0.0
    for r in levels:
        v = sum((score > 0) is secret for score, secret in surest[:r])
        share = at_least(v, r, alpha / len(levels))  # the largest share of right guesses that is ruled out
        if share > 0.5:
            best = max(best, math.log(share / (1 - share)))
    return best


# What the attacker looks at: reports of `release.seal`, and noise of `keeping.noise`.


def seeded(seed: int | str) -> randomise.Random:
    """Return chance that is the same every time. What is audited is what the code makes of chance."""
    return random.Random(seed).randrange


def used(*services: int, kinds: Sequence[Kind] = ()) -> Counts:
    """Return the counts of a period in which these services of NAMES were used, and something of each kind."""
    uses = {Key(PERIOD, NAMES[n], Kind.USE): 1 for n in services}
    return uses | {Key(PERIOD, NAMES[services[0] if services else 0], kind): 1 for kind in kinds}


def costing(**epsilon: str) -> Policy:
    """Return a policy under `local` whose blocks have these epsilons."""
    return Policy(release=ReleaseRules(epsilon=epsilon))


def made(counts: Counts, policy: Policy, chance: randomise.Random) -> LocalReport:
    """Return what a workstation sends."""
    report = randomise.randomise_period(counts, PERIOD, NAMES, policy, chance)
    assert isinstance(report, LocalReport)
    return report


@lru_cache
def _weight(flip: str) -> float:
    p = float(Fraction(flip))
    return math.log((1 - p) / p)


class Neighbours:
    """Two workstations that differ as much as the bound lets them, and an attacker who knows both well."""

    def __init__(self, one: Counts, other: Counts, policy: Policy, *blocks: str) -> None:
        self.policy, self.counts = policy, (one, other)
        bits = [blocks_of(randomise.presence(counts, PERIOD, NAMES)) for counts in (one, other)]
        self.differing = [
            (name, place, str(mine))
            for name in blocks
            for place, (mine, theirs) in enumerate(zip(bits[0][name], bits[1][name], strict=True))
            if mine != theirs
        ]

    def likelihood(self, report: LocalReport) -> float:
        """Return ln(P[report | one] / P[report | other]): by Neyman and Pearson there is no better score."""
        score = 0.0
        for name, place, mine in self.differing:
            seen = report.blocks[name]
            score += _weight(seen.flip) if seen.bits[place] == mine else -_weight(seen.flip)
        return score

    @property
    def worth(self) -> float:
        """The epsilon that these two can show at the most: what one report weighs if all its bits agree."""
        sample = made({}, self.policy, seeded(0))
        return sum(_weight(sample.blocks[name].flip) for name, _, _ in self.differing)

    def score(self, secret: bool, chance: randomise.Random, exports: int = 1) -> float:
        """Return what the attacker makes of the reports of the first (True) or the second."""
        counts = self.counts[0 if secret else 1]
        score = sum(self.likelihood(made(counts, self.policy, chance)) for _ in range(exports))
        return round(score, 9)  # the same terms in another order are one score

    def two_worlds(self, reports: int, seed: int = 1, exports: int = 1) -> float:
        """Return the bound from so many workstations in each world."""
        chance = seeded(seed)
        one, other = ([self.score(secret, chance, exports) for _ in range(reports)] for secret in (True, False))
        return two_worlds(one, other)

    def one_run(self, reports: int, seed: int = 1) -> float:
        """Return the bound from one fleet of so many workstations."""
        chance = seeded(seed)
        secrets = [bool(chance(2)) for _ in range(reports)]
        return one_run([(self.score(secret, chance), secret) for secret in secrets])


def worst(block: str, epsilon: str) -> Neighbours:
    """Return the pair of one block that differs most: three services against three others, or a one against nought."""
    pairs: dict[str, tuple[Counts, Counts]] = {
        "any": (used(0), used()),
        "service": (used(0, 1, 2), used(3, 4, 5)),
        "internal": (used(kinds=[Kind.INTERNAL]), used()),
        "reminder": (used(kinds=[Kind.REMINDED]), used()),
    }
    return Neighbours(*pairs[block], costing(**{block: epsilon}), block)


def keeper_scores(block: str, epsilon: Fraction, worlds: tuple[Bits, Bits], truth: bool, sums: int) -> list[float]:
    """Return scores of one keeper's noisy sums, when the other keeper's share and all other people are known.

    What is then left of a sum is the bits of one person, those of the first world (truth is True) or of the
    second, and the noise of one keeper. Only cells in which the two differ matter. The noise is drawn by
    the keepers' own function, for all sums at once: it is independent by cell.
    """
    scale, width = float(BOUNDS[block] / epsilon), len(worlds[0])
    drawn = keeper_sums.noise(BOUNDS[block], epsilon, width * sums)
    real, scores = worlds[0 if truth else 1], []
    for start in range(0, len(drawn), width):
        seen = [bit + noise for bit, noise in zip(real, drawn[start : start + width], strict=True)]
        pull = sum(abs(x - b) - abs(x - a) for x, a, b in zip(seen, *worlds, strict=True))
        scores.append(round(pull / scale, 9))
    return scores


def keeper_audit(
    block: str, epsilon: str, worlds: tuple[Bits, Bits], sums: int, *, drawn: str = ""
) -> tuple[float, float]:
    """Return two bounds from so many sums in each world: of alpha 0.05, and of SURE.

    `drawn` is the epsilon of the noise where it is not the claimed one.
    """
    noise = Fraction(drawn or epsilon)
    one, other = (keeper_scores(block, noise, worlds, truth, sums) for truth in (True, False))
    return two_worlds(one, other), two_worlds(one, other, alpha=SURE)


def gate(bound: float, claimed: str) -> bool:
    """Return whether a bound is what an honest claim gives: not above it, and no dead harness either."""
    return float(Fraction(claimed)) / 2 <= bound <= float(Fraction(claimed))


# Mistakes that a mechanism can have; the audit must see each of them.


def wrong_scale(patch: pytest.MonkeyPatch) -> None:
    """A quarter of the noise that was promised."""
    right = randomise.flip_probability
    patch.setattr(randomise, "flip_probability", lambda name, epsilon: right(name, 4 * epsilon))


def _noise_only_on(patch: pytest.MonkeyPatch, value: int) -> None:
    right = randomise.randomised

    def wrong(bits: Sequence[int], probability: Fraction, chance: randomise.Random) -> Presence:
        noisy = right(bits, probability, chance)
        return tuple(after if bit == value else bit for bit, after in zip(bits, noisy, strict=True))

    patch.setattr(randomise, "randomised", wrong)


def noise_on_ones(patch: pytest.MonkeyPatch) -> None:
    """What is nought stays nought."""
    _noise_only_on(patch, 1)


def noise_on_noughts(patch: pytest.MonkeyPatch) -> None:
    """What is a one stays a one."""
    _noise_only_on(patch, 0)


def reused_seed(patch: pytest.MonkeyPatch) -> None:
    """Each period has its own noise, and every workstation the same."""
    right = randomise.randomised

    def wrong(bits: Sequence[int], probability: Fraction, chance: randomise.Random) -> Presence:
        return right(bits, probability, seeded(PERIOD))

    patch.setattr(randomise, "randomised", wrong)


def no_bound(patch: pytest.MonkeyPatch) -> None:
    """Everything that was used is in the report."""
    patch.setattr(randomise, "bounded", lambda bits, chance: tuple(bits))


def nothing(patch: pytest.MonkeyPatch) -> None:
    """The product as it is."""


class Mutation(NamedTuple):
    """A mistake, with what shows it: neighbours, reports in each world, exports of one period."""

    make: Callable[[pytest.MonkeyPatch], None]
    pair: Neighbours
    reports: int = 2_000
    exports: int = 1


THREE = worst("service", "1/1")
# With an odd number of differing bits no noise can balance them, whatever the seed is.
ODD = Neighbours(used(0, 1, 2), used(3, 4), costing(service="1/1"), "service")
TWELVE = Neighbours(used(*range(12)), used(*range(12, 24)), costing(service="1/1"), "service")
MUTATIONS = {
    "a quarter of the noise": Mutation(wrong_scale, THREE),
    "noise on ones only": Mutation(noise_on_ones, THREE),
    "noise on noughts only": Mutation(noise_on_noughts, THREE),
    "noise from a seed of the period": Mutation(reused_seed, ODD),
    "fresh noise on each of four exports": Mutation(nothing, THREE, 8_000, exports=4),
    "no bound": Mutation(no_bound, TWELVE, 8_000),
}
