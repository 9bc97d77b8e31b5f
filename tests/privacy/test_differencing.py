"""Whoever knows everybody else, and when somebody left, still learns no more than was claimed.

A fleet of sixty, of which one is known to leave: the attacker sees the figures with and without them,
and guesses whether they used AI, which is so in half the cases. Under epsilon no attacker is right more
often than e^eps/(1+e^eps). Chance of a fixed seed where the product would take it from `secrets`; the
noise of the keepers is OpenDP's own. Tolerances are five standard deviations of the share of right
guesses: exceeded by accident with probability 3e-7 where no seed is fixed.
"""

import hashlib
import math
import random
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from functools import partial
from pathlib import Path

import pytest

from bewust.config.policy import EPSILONS, Policy, ReleaseRules
from bewust.model import Kind
from bewust.statistics import counters, delivery, formats, randomise, retention
from bewust.statistics.counters import Key
from bewust.statistics.keepers import sums
from bewust.statistics.storage import Store
from support.privacy_audit import NAMES, PERIOD, Neighbours, made, seeded, used, worst

FLEET, SHARE = 60, 0.4  # people, and how many of them use a service
ENDED = datetime(2026, 11, 30, tzinfo=UTC)  # P12 is weeks 45 to 48

type Attack = Callable[[bool], float]


def accuracy(attack: Attack, guesses: int, seed: int = 1) -> float:
    """Return how often an attacker is right who takes a score above nought for a yes; nought is a coin toss."""
    chance, right = random.Random(seed), 0.0
    for _ in range(guesses):
        secret = chance.random() < 0.5
        score = attack(secret)
        right += 0.5 if score == 0 else (score > 0) is secret
    return right / guesses


def ceiling(epsilon: Fraction | str) -> float:
    return 1 / (1 + math.exp(-float(Fraction(epsilon))))


def tolerance(guesses: int) -> float:
    return 5 * math.sqrt(0.25 / guesses)


# Without noise: what this product does not do.


def tables(least: int) -> Attack:
    """The same table with the leaver and without; cells of fewer than `least` people are not shown."""
    chance = random.Random(2)

    def attack(secret: bool) -> float:
        others = sum(chance.random() < SHARE for _ in range(FLEET - 1))
        before, after = (n if n >= least else None for n in (others + secret, others))
        if before is None or after is None:
            return 1.0 if before is not None else 0.0  # only a yes can have made it large enough
        return before - after - 0.5

    return attack


def test_exact_tables_give_the_leaver_away() -> None:
    assert accuracy(tables(least=0), 5_000) == 1.0


def test_a_threshold_of_ten_people_protects_nobody() -> None:
    """It hides small cells, and not the difference between two large ones."""
    right = accuracy(tables(least=10), 5_000)
    print(f"k >= 10: {right:.3f}")
    assert right > 0.95


# Local: every report lies open, and the attacker knows whose each is.


@pytest.mark.parametrize("block", ["any", "internal", "reminder"])
def test_a_report_with_a_name_on_it_tells_of_one_bit_what_was_claimed(block: str) -> None:
    """With one bit the best guess reaches the ceiling, so that what is measured must be at it."""
    epsilon, chance = EPSILONS["local"][block], seeded(3)
    pair = worst(block, epsilon)
    right = accuracy(lambda secret: pair.score(secret, chance), 10_000)
    print(f"local, {block}: {right:.3f} of at most {ceiling(epsilon):.3f}")
    assert right == pytest.approx(ceiling(epsilon), abs=tolerance(10_000))


def test_a_report_with_a_name_on_it_tells_of_services_no_more_than_was_claimed() -> None:
    """Which three services out of two sets, by all six bits; the ceiling is reached only when all six agree."""
    pair, chance = worst("service", "1/1"), seeded(4)
    right = accuracy(lambda secret: pair.score(secret, chance), 10_000)
    print(f"local, three services or three others: {right:.3f} of at most {ceiling('1/1'):.3f}")
    assert 0.5 + tolerance(10_000) < right <= ceiling("1/1") + tolerance(10_000)


def test_all_of_a_report_tells_no_more_than_all_of_its_epsilon() -> None:
    """Everything in it at once: used three services, was reminded, had a page translated; or nothing of it all."""
    busy = used(0, 1, 2, kinds=[Kind.INTERNAL, Kind.REMINDED])
    pair, chance = Neighbours(busy, used(), Policy(), *formats.BLOCKS), seeded(5)
    right = accuracy(lambda secret: pair.score(secret, chance), 10_000)
    total = sum(map(Fraction, EPSILONS["local"].values()), Fraction())
    print(f"local, whole report: {right:.3f} of at most {ceiling(total):.3f}")
    assert 0.5 + tolerance(10_000) < right <= ceiling(total) + tolerance(10_000)


def test_reports_without_names_hide_the_leaver_among_the_others() -> None:
    """Only the sum over the fleet is seen, with the leaver and without: far below even the ceiling."""
    epsilon, chance = Fraction(EPSILONS["local"]["any"]), seeded(6)
    coin, crowd = randomise.flip_probability("any", epsilon), random.Random(7)

    def attack(secret: bool) -> float:
        others = [int(crowd.random() < SHARE) for _ in range(FLEET - 1)]
        before = sum(randomise.randomised([*others, int(secret)], coin, chance))
        after = sum(randomise.randomised(others, coin, chance))
        return before - after - 0.5

    right = accuracy(attack, 10_000)
    print(f"local, sums with and without the leaver: {right:.3f} of at most {ceiling(epsilon):.3f}")
    assert right <= 0.5 + (ceiling(epsilon) - 0.5) / 2 + tolerance(10_000)


# Split: sums with the noise of the keepers.


@pytest.mark.parametrize("keepers", [1, 2], ids=["one keeper tells the attacker all", "both are honest"])
def test_sums_of_the_keepers_tell_of_one_bit_no_more_than_was_claimed(keepers: int) -> None:
    """The attacker knows all others exactly; with one dishonest keeper, whose noise is taken off, the best
    guess reaches the ceiling: for discrete Laplace that is 1/(1+e^-eps) itself. Without a fixed seed: each
    side fails by accident with probability 3e-7.
    """
    epsilon, guesses = Fraction(EPSILONS["split"]["any"]), 20_000
    drawn = [sums.noise(1, epsilon, guesses) for _ in range(keepers)]
    noise = iter([sum(each) for each in zip(*drawn, strict=True)])
    right = accuracy(lambda secret: secret + next(noise) - 0.5, guesses)
    print(f"split, any, noise of {keepers}: {right:.3f} of at most {ceiling(epsilon):.3f}")
    assert right <= ceiling(epsilon) + tolerance(guesses)
    if keepers == 1:
        assert right >= ceiling(epsilon) - tolerance(guesses)


def test_sums_of_the_keepers_tell_of_three_services_no_more_than_was_claimed() -> None:
    """Used the three, or none: fails by accident with probability 3e-7 on each side; 0.56 is expected."""
    epsilon, guesses = Fraction(EPSILONS["split"]["service"]), 20_000
    noise = iter(sums.noise(3, epsilon, 3 * guesses))

    def attack(secret: bool) -> float:
        return sum(abs(x) - abs(x - 1) for x in (secret + next(noise) for _ in range(3)))

    right = accuracy(attack, guesses)
    print(f"split, three services or none: {right:.3f} of at most {ceiling(epsilon):.3f}")
    assert 0.5 + tolerance(guesses) < right <= ceiling(epsilon) + tolerance(guesses)


# Averaging: asking again.


def fleet_member(folder: Path, policy: Policy) -> Store:
    services = list(NAMES)
    cells = [Key(PERIOD, service, kind) for service in services for kind in Kind]
    store = Store(folder, [])
    store.open_period(cells, services)
    store.add([Key(PERIOD, NAMES[0], Kind.USE)])
    store.flush()
    assert retention.close_periods(store, policy, ENDED, secrets.randbelow) is None
    store.flush()
    return store


def test_a_hundred_exports_of_a_period_are_one_and_the_same_line(tmp_path: Path) -> None:
    """Exported anew, settled anew, read from disk anew, counted anew: what was drawn stays drawn."""
    policy, state = Policy(), tmp_path / "state"
    state.mkdir()
    store, lines = fleet_member(state, policy), set()
    for n in range(100):
        if n % 10 == 9:
            store = Store(state, [])
        if n % 10 == 4:  # the clock went back, or a late flush: the period is counted once more
            store.open_period([Key(PERIOD, NAMES[1], kind) for kind in Kind], NAMES)
            store.add([Key(PERIOD, NAMES[1], Kind.USE)])
        assert retention.close_periods(store, policy, ENDED, secrets.randbelow) is None
        store.flush()
        folder = tmp_path / f"export-{n}"
        folder.mkdir()
        (file,) = delivery.deliver(store.contents().sealed, folder)
        lines.add((file.name, hashlib.sha256(file.read_bytes()).hexdigest()))
        assert delivery.deliver(store.contents().sealed, folder) == [], "and once only to each folder"
    assert len(lines) == 1
    assert not store.counts(), "nothing is left that another report could be made of"
    assert set(store.contents().ledger) == {(PERIOD, block) for block in formats.BLOCKS}


def test_a_second_report_of_a_period_is_not_taken(tmp_path: Path) -> None:
    store = fleet_member(tmp_path, Policy())
    (first,) = store.contents().sealed.values()
    other = formats.encode(made(used(0), Policy(), secrets.randbelow))
    store.close_period(PERIOD, other, {"any": "1/2"})
    assert first != other
    assert list(store.contents().sealed.values()) == [first]


def test_fresh_noise_on_every_export_would_be_averaged_away() -> None:
    """Why the above matters: with thirty fresh reports of one period a bit of epsilon 1/2 is nearly known."""
    epsilon = EPSILONS["local"]["any"]
    pair, chance = worst("any", epsilon), seeded(8)
    found = {n: accuracy(partial(pair.score, chance=chance, exports=n), 1_000) for n in (1, 7, 31)}
    print(f"fresh reports, any: {found}")
    assert found[1] <= ceiling(epsilon) + tolerance(1_000) < found[7] < found[31]
    assert found[31] > 0.85


def test_the_period_of_these_tests_has_ended_when_it_is_settled() -> None:
    assert counters.period_end(PERIOD) == ENDED.date()
    assert Policy(release=ReleaseRules()).yearly_epsilon >= 2
