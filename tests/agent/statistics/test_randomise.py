"""What leaves a workstation is bounded, noisy by exactly what was promised, and always looks the same.

Chance comes from `secrets.randbelow` in the product. Here it comes from a generator with a fixed seed
wherever a statistic is looked at: what is tested is what the code makes of chance, so that the same
draws every time are honest, and no assertion can fail by accident.
"""

import json
import math
import random
import re
import secrets
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import combinations

import msgspec
import opendp.prelude as dp
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from bewust.config.policy import EPSILONS, Keeper, Mechanism, Policy, ReleaseRules
from bewust.keys import key_id, key_text
from bewust.model import Kind
from bewust.statistics import formats, randomise, secret_sharing
from bewust.statistics.counters import Key
from bewust.statistics.formats import BLOCKS, BOUNDS, SERVICES, WIDTH, LocalReport, ReportError, SplitReport
from bewust.statistics.randomise import BudgetError, Presence

PERIOD, WEEK = "2026-P12", "2026-W47"
NAMES = tuple(f"service-{n}" for n in range(SERVICES))
OTHER, INTERNAL, REMINDED = 1 + SERVICES, WIDTH - 2, WIDTH - 1  # places in a presence vector
KEYS = (X25519PrivateKey.generate(), X25519PrivateKey.generate())
SPLIT = Policy(
    mechanism="split",
    release=ReleaseRules(keepers=tuple(Keeper(n, key_text(k.public_key())) for n, k in zip("ab", KEYS, strict=True))),
)
LOCAL = Policy()
POLICIES: dict[str, tuple[Policy, str]] = {"local": (LOCAL, PERIOD), "split": (SPLIT, WEEK)}
both = pytest.mark.parametrize(("policy", "period"), POLICIES.values(), ids=POLICIES)

COUNTS = st.dictionaries(
    st.builds(
        Key,
        st.sampled_from([PERIOD, WEEK, "2026-P11"]),
        st.sampled_from([*NAMES, "unlisted", "another"]),
        st.sampled_from(Kind),
    ),
    st.integers(0, 9999),
    max_size=40,
)
BITS = st.lists(st.integers(0, 1), min_size=WIDTH, max_size=WIDTH)


def seeded(seed: int) -> randomise.Random:
    return random.Random(seed).randrange


def counted(*cells: tuple[str, Kind], n: int = 1, period: str = PERIOD) -> dict[Key, int]:
    return {Key(period, service, kind): n for service, kind in cells}


def vector(*places: int) -> Presence:
    return tuple(int(place in places) for place in range(WIDTH))


# What a period was reduced to.


def test_a_period_without_anything_has_only_noughts() -> None:
    assert randomise.presence({}, PERIOD, NAMES) == vector()
    assert randomise.presence(counted((NAMES[3], Kind.USE), n=0), PERIOD, NAMES) == vector()


@pytest.mark.parametrize(
    ("kind", "places"),
    [
        pytest.param(Kind.USE, [0, 4], id="a use"),
        pytest.param(Kind.VISIT, [0, 4], id="a visit"),
        pytest.param(Kind.INTERNAL, [INTERNAL], id="a page of the organisation"),
        pytest.param(Kind.REMINDED, [REMINDED], id="a reminder"),
        pytest.param(Kind.HELD, [], id="a reminder held back is nothing"),
        pytest.param(Kind.SEEN, [], id="a page on which it could have been is nothing"),
    ],
)
def test_each_kind_sets_its_own_cells_and_no_other(kind: Kind, places: list[int]) -> None:
    assert randomise.presence(counted((NAMES[3], kind)), PERIOD, NAMES) == vector(*places)


def test_a_service_that_is_not_listed_is_one_of_the_others() -> None:
    counts = counted(("unlisted", Kind.VISIT), ("another", Kind.USE))
    assert randomise.presence(counts, PERIOD, NAMES) == vector(0, OTHER)


def test_a_short_list_is_padded_so_that_the_others_stay_in_their_place() -> None:
    counts = counted(("a", Kind.USE), ("b", Kind.USE))
    assert randomise.presence(counts, PERIOD, ("a",)) == vector(0, 1, OTHER)
    assert randomise.presence(counts, PERIOD, ()) == vector(0, OTHER)


def test_what_was_counted_in_another_period_is_not_there() -> None:
    assert randomise.presence(counted((NAMES[0], Kind.USE), period="2026-P11"), PERIOD, NAMES) == vector()


@given(COUNTS)
def test_once_is_the_same_as_ten_thousand_times(counts: dict[Key, int]) -> None:
    bits = randomise.presence(counts, PERIOD, NAMES)
    assert len(bits) == WIDTH
    assert set(bits) <= {0, 1}
    assert bits == randomise.presence({key: min(n, 1) for key, n in counts.items()}, PERIOD, NAMES)
    assert bits[0] == int(any(bits[1 : OTHER + 1])), "any use is a use of any"


# The bound.


@given(BITS, st.integers())
def test_a_block_has_at_most_its_bound_and_only_ones_that_were_there(bits: list[int], seed: int) -> None:
    kept = randomise.bounded(bits, seeded(seed))
    assert len(kept) == WIDTH
    assert all(a <= b for a, b in zip(kept, bits, strict=True))
    before, after = formats.blocks_of(bits), formats.blocks_of(kept)
    for name, block in after.items():
        assert sum(block) == min(sum(before[name]), BOUNDS[name]), "and no fewer than it may have"


@given(BITS)
def test_blocks_put_together_are_the_vector(bits: list[int]) -> None:
    blocks = formats.blocks_of(bits)
    assert {name: len(block) for name, block in blocks.items()} == {name: len(c) for name, c in BLOCKS.items()}
    assert [bit for block in blocks.values() for bit in block] == bits


def test_which_ones_stay_is_uniform() -> None:
    """Six ones, of which three stay: each of the twenty choices is equally likely.

    20,000 draws, chi-square with 19 degrees of freedom. It is above 65 with probability 1e-6; the seed
    is fixed, so it is always the same number. Keeping the first three gives 380,000.
    """
    places = [1, 5, 6, 17, 24, OTHER]
    chance, found = seeded(1), Counter[tuple[int, ...]]()
    for _ in range(20_000):
        kept = randomise.bounded(vector(0, *places), chance)
        found[tuple(place for place in places if kept[place])] += 1
    assert set(found) == set(combinations(places, 3))
    assert sum((n - 1000) ** 2 / 1000 for n in found.values()) < 65


# The noise.

EPSILON = st.builds(Fraction, st.integers(1, 9999), st.integers(1, 9999)).filter(lambda e: e <= 8)
SHIPPED = sorted({(name, e) for epsilons in EPSILONS.values() for name, e in epsilons.items()})


def differing(name: str) -> int:
    """In how many bits two vectors of a block can differ, both being within its bound."""
    return min(2 * BOUNDS[name], len(BLOCKS[name]))


def achieved(name: str, chance: Fraction) -> Decimal:
    """The epsilon that a probability really gives, to fifty digits: the test must not round in its own favour."""
    with localcontext(prec=50):
        odds = Decimal(chance.denominator - chance.numerator) / Decimal(chance.numerator)
        return differing(name) * odds.ln()


def exactly(epsilon: Fraction) -> Decimal:
    with localcontext(prec=50):
        return Decimal(epsilon.numerator) / Decimal(epsilon.denominator)


@given(st.sampled_from(list(BLOCKS)), EPSILON)
def test_a_coin_is_an_exact_fraction_and_costs_no_more_than_promised(name: str, epsilon: Fraction) -> None:
    chance = randomise.flip_probability(name, epsilon)
    assert isinstance(chance, Fraction)
    assert (1 << 32) % chance.denominator == 0
    assert 0 < chance < Fraction(1, 2)
    assert achieved(name, chance) <= exactly(epsilon)
    # One step of the coin's 2^32 sides is worth this much at the most; up to 8 that is below 1e-6.
    assert exactly(epsilon) - achieved(name, chance) < Decimal("1e-6")


@pytest.mark.parametrize(("name", "text"), SHIPPED)
def test_the_shipped_coins_are_the_least_noise_that_keeps_the_promise(name: str, text: str) -> None:
    epsilon = Fraction(text)
    chance = randomise.flip_probability(name, epsilon)
    assert achieved(name, chance) <= exactly(epsilon) < achieved(name, chance - Fraction(1, 1 << 32))


@pytest.mark.parametrize("text", ["1/4", "1/2", "1/1", "2/1", "4/1"])
@pytest.mark.parametrize("name", BLOCKS)
def test_opendp_gives_the_same_epsilon_for_the_same_coin(name: str, text: str) -> None:
    """An independent library with its own proof. Its map is computed in floating point, hence the tolerance."""
    dp.enable_features("contrib")
    chance = randomise.flip_probability(name, Fraction(text))
    if name == "service":
        space = dp.bitvector_domain(max_weight=BOUNDS[name]), dp.discrete_distance()
        theirs = dp.m.make_randomized_response_bitvec(*space, f=float(2 * chance))
    else:
        theirs = dp.m.make_randomized_response_bool(prob=float(1 - chance))
    epsilon = theirs.map(1)  # type: ignore[no-untyped-call]
    assert epsilon == pytest.approx(float(Fraction(text)), abs=1e-6)


@pytest.mark.parametrize("name", BLOCKS)
def test_the_largest_epsilon_of_a_policy_gives_a_coin_too(name: str) -> None:
    assert 0 < randomise.flip_probability(name, Fraction(9999)) < Fraction(1, 2)


@given(st.integers(1, (1 << 31) - 1), st.lists(st.integers(0, 1), max_size=30))
def test_a_coin_flips_on_its_own_sides_and_on_no_other(numerator: int, bits: list[int]) -> None:
    """Exactly `numerator` of the sides flip; this is what makes the probability exact, and needs no statistic."""
    chance = Fraction(numerator, 1 << 32)
    sides = []

    def last_that_flips(n: int) -> int:
        sides.append(n)
        return chance.numerator - 1

    assert randomise.randomised(bits, chance, last_that_flips) == tuple(1 - bit for bit in bits)
    assert randomise.randomised(bits, chance, lambda n: chance.numerator) == tuple(bits)
    assert sides == [chance.denominator] * len(bits), "one throw for each bit, with all sides"


@pytest.mark.parametrize("ones", [0, 3, 25], ids=["noughts", "three ones", "ones"])
def test_every_bit_is_flipped_equally_often_and_on_its_own(ones: int) -> None:
    """20,000 vectors of 25 bits. Chi-square of the flips by place (25 degrees of freedom) is above 76, and that
    of the number of flips in a vector against the binomial (at most 25 degrees) as well, with probability 1e-6;
    the seed is fixed, so both are always the same numbers.
    """
    rounds, chance = 20_000, randomise.flip_probability("service", Fraction(1))
    p, draw, bits = float(chance), seeded(2), [1] * ones + [0] * (25 - ones)
    by_place, by_number = [0] * 25, Counter[int]()
    for _ in range(rounds):
        flipped = [a ^ b for a, b in zip(bits, randomise.randomised(bits, chance, draw), strict=True)]
        by_place = [n + f for n, f in zip(by_place, flipped, strict=True)]
        by_number[sum(flipped)] += 1
    assert sum((n - rounds * p) ** 2 / (rounds * p * (1 - p)) for n in by_place) < 76
    expected = {k: rounds * math.comb(25, k) * p**k * (1 - p) ** (25 - k) for k in range(26)}
    common = {k: n for k, n in expected.items() if n >= 10}  # chi-square holds for cells that are not rare
    assert sum((by_number[k] - n) ** 2 / n for k, n in common.items()) < 76


# A whole report under local.

LOCAL_LINE = re.compile(
    r'\{"schema":"bewust-report/1","period":"2026-P12","mechanism":"local","domain":"[0-9a-f]{12}",'
    r'"services":\["service-0"(,"service-[0-9]+"){23}\],"blocks":\{'
    r'"any":\{"epsilon":"1/2","flip":"[0-9]+/[0-9]+","bits":"[01]"\},'
    r'"service":\{"epsilon":"1/1","flip":"[0-9]+/[0-9]+","bits":"[01]{25}"\},'
    r'"internal":\{"epsilon":"1/4","flip":"[0-9]+/[0-9]+","bits":"[01]"\},'
    r'"reminder":\{"epsilon":"1/4","flip":"[0-9]+/[0-9]+","bits":"[01]"\}\},"id":"[0-9a-f]{32}"\}'
)


def sealed(counts: dict[Key, int], policy: Policy = LOCAL, period: str = PERIOD) -> str:
    return formats.encode(randomise.randomise_period(counts, period, NAMES, policy, secrets.randbelow))


def test_a_local_report_is_this_line_and_nothing_else() -> None:
    assert LOCAL_LINE.fullmatch(sealed(counted((NAMES[0], Kind.USE))))


def test_a_split_report_has_these_keys_in_this_order() -> None:
    found = json.loads(sealed({}, SPLIT, WEEK))
    keys = ["schema", "period", "mechanism", "domain", "services", "blocks", "keepers", "shares", "id"]
    assert list(found) == keys
    assert found["blocks"] == {name: {"epsilon": e} for name, e in EPSILONS["split"].items()}
    assert found["keepers"] == [key_id(key.public_key()) for key in KEYS]


@both
def test_the_line_is_as_long_for_the_idle_as_for_whoever_uses_everything(policy: Policy, period: str) -> None:
    idle = len(sealed({}, policy, period))

    @given(COUNTS)
    def check(counts: dict[Key, int]) -> None:
        assert len(sealed(counts, policy, period)) == idle

    check()
    everything = counted(*((service, kind) for service in (*NAMES, "x") for kind in Kind), n=9999, period=period)
    assert len(sealed(everything, policy, period)) == idle


@both
@pytest.mark.parametrize("services", [(), ("a",), NAMES], ids=["no list", "one", "all"])
def test_a_line_that_is_read_again_is_the_same_report(policy: Policy, period: str, services: tuple[str, ...]) -> None:
    report = randomise.randomise_period(
        counted(("a", Kind.USE), period=period), period, services, policy, secrets.randbelow
    )
    assert formats.decode(formats.encode(report)) == report
    assert (report.period, report.services) == (period, services)
    assert report.domain == formats.domain_of(services)


@both
def test_no_two_reports_have_one_id(policy: Policy, period: str) -> None:
    """128 random bits: two of a hundred are the same with probability 1e-35."""
    ids = {json.loads(sealed({}, policy, period))["id"] for _ in range(100)}
    assert len(ids) == 100


def test_the_id_tells_nothing_of_what_was_counted() -> None:
    """It is drawn from the same chance, whatever it stands beside, and no bit of it is a bit of the report's."""
    one = randomise.randomise_period({}, PERIOD, NAMES, Policy(), seeded(3))
    other = randomise.randomise_period(
        counted((NAMES[0], Kind.USE), ("x", Kind.INTERNAL)), PERIOD, NAMES, Policy(), seeded(3)
    )
    assert one.id == other.id
    assert one != other


@given(COUNTS, st.integers())
def test_a_report_is_made_of_presence_and_chance_alone(counts: dict[Key, int], seed: int) -> None:
    """With the same chance, counts of one presence vector give one report: nothing else of them gets through."""
    once = {key: 1 for key, n in counts.items() if n and key.period == PERIOD and key.kind is not Kind.SEEN}
    made = [randomise.randomise_period(each, PERIOD, NAMES, Policy(), seeded(seed)) for each in (counts, once)]
    assert made[0] == made[1]


def test_the_bits_of_a_report_are_the_bounded_vector_through_its_coins() -> None:
    """The same draws in the same order by hand: seal adds nothing, leaves out nothing."""
    counts = counted(*((name, Kind.USE) for name in NAMES[:7]), (NAMES[0], Kind.INTERNAL))
    report = randomise.randomise_period(counts, PERIOD, NAMES, Policy(), seeded(4))
    assert isinstance(report, LocalReport)
    chance = seeded(4)
    bits = randomise.bounded(randomise.presence(counts, PERIOD, NAMES), chance)
    assert report.id == f"{chance(1 << 128):032x}"
    for name, block in formats.blocks_of(bits).items():
        coin = randomise.flip_probability(name, Fraction(EPSILONS["local"][name]))
        assert Fraction(report.blocks[name].flip) == coin
        assert report.blocks[name].bits == "".join(map(str, randomise.randomised(block, coin, chance)))
        assert report.blocks[name].epsilon == EPSILONS["local"][name]


def test_the_epsilon_of_the_policy_is_the_one_in_the_report_and_in_its_coin() -> None:
    rules = Policy(release=ReleaseRules(epsilon={"service": "2/1"}))
    report = randomise.randomise_period({}, PERIOD, NAMES, rules, secrets.randbelow)
    assert isinstance(report, LocalReport)
    assert report.blocks["service"].epsilon == "2/1"
    assert Fraction(report.blocks["service"].flip) == randomise.flip_probability("service", Fraction(2))
    assert report.blocks["any"].epsilon == "1/2"


# A whole report under split.


def opened(report: SplitReport) -> Presence:
    one, other = (secret_sharing.open_share(report, which, key) for which, key in enumerate(KEYS))
    return tuple((a + b) % secret_sharing.MODULUS for a, b in zip(one, other, strict=True))


def seal_split(counts: dict[Key, int], random: randomise.Random = secrets.randbelow) -> SplitReport:
    report = randomise.randomise_period(counts, WEEK, NAMES, SPLIT, random)
    assert isinstance(report, SplitReport)
    return report


def test_the_two_shares_together_are_the_presence_vector() -> None:
    counts = counted((NAMES[1], Kind.USE), ("x", Kind.VISIT), (NAMES[1], Kind.REMINDED), period=WEEK)
    assert opened(seal_split(counts)) == vector(0, 2, OTHER, REMINDED)
    assert opened(seal_split({})) == vector()


@given(COUNTS, st.integers())
def test_what_is_shared_is_within_the_bound(counts: dict[Key, int], seed: int) -> None:
    """The keepers cannot see a single vector and so cannot check it: the noise covers only what is bounded here."""
    found = opened(seal_split(counts, seeded(seed)))
    assert found == randomise.bounded(randomise.presence(counts, WEEK, NAMES), seeded(seed))
    assert all(sum(block) <= BOUNDS[name] for name, block in formats.blocks_of(found).items())


def test_a_share_opens_for_its_keeper_only_and_only_with_the_report_it_came_in() -> None:
    report = seal_split({})
    with pytest.raises(ReportError):
        secret_sharing.open_share(report, 0, KEYS[1])
    with pytest.raises(ReportError):
        secret_sharing.open_share(msgspec.structs.replace(report, id="0" * 32), 0, KEYS[0])


def test_two_seals_of_one_week_have_nothing_in_common_but_what_is_public() -> None:
    one, other = seal_split({}), seal_split({})
    assert one.id != other.id
    assert not set(one.shares) & set(other.shares)
    assert secret_sharing.open_share(one, 0, KEYS[0]) != secret_sharing.open_share(other, 0, KEYS[0])


# The budget.


def ledger(periods: Iterable[str], rules: Policy) -> dict[tuple[str, str], str]:
    return {(period, block): epsilon for period in periods for block, epsilon in rules.epsilons.items()}


def year(n: int, letter: str = "P", number: str = "2026") -> list[str]:
    return [f"{number}-{letter}{k:02}" for k in range(1, n + 1)]


@pytest.mark.parametrize(
    ("mechanism", "letter", "most"),
    [pytest.param("local", "P", 14, id="local"), pytest.param("split", "W", 53, id="split")],
)
def test_the_shipped_budget_is_enough_for_a_long_year_and_for_nothing_more(
    mechanism: Mechanism, letter: str, most: int
) -> None:
    rules = Policy(mechanism=mechanism)
    *before, last = year(most, letter)
    randomise.check_budget(ledger(before, rules), last, rules)
    with pytest.raises(BudgetError):
        randomise.check_budget(ledger([*before, last], rules), f"2026-{letter}99", rules)


def test_the_cap_may_be_reached_exactly_and_not_be_passed_by_anything() -> None:
    exact = Policy(release=ReleaseRules(yearly="6", epsilon={"any": "1/3", "service": "7/6"}))
    cost = sum(map(Fraction, exact.epsilons.values()), Fraction())
    assert cost == 2  # a third and seven sixths: floating point would not add up to it
    randomise.check_budget(ledger(year(2), exact), PERIOD, exact)
    a_little_less = Policy(release=msgspec.structs.replace(exact.release, yearly="9999/1667"))
    with pytest.raises(BudgetError):
        randomise.check_budget(ledger(year(2), a_little_less), PERIOD, a_little_less)


def test_an_over_spent_budget_is_one_clear_message() -> None:
    rules = Policy(release=ReleaseRules(yearly="5"))
    with pytest.raises(BudgetError) as error:
        randomise.check_budget(ledger(year(2), rules), PERIOD, rules)
    assert str(error.value) == (
        "2026-P12: would spend 6 of a privacy budget of 5 in 2026, so no report is made. "
        "Raise release.yearly, or lower release.epsilon."
    )


def test_other_years_and_the_period_itself_do_not_count() -> None:
    rules = Policy(release=ReleaseRules(yearly="2"))
    randomise.check_budget(ledger([*year(13, number="2025"), *year(13, number="2027"), PERIOD], rules), PERIOD, rules)
    with pytest.raises(BudgetError):
        randomise.check_budget(ledger(["2026-P11"], rules), PERIOD, rules)


def test_both_mechanisms_draw_on_one_budget() -> None:
    """A change of mechanism within a year must not begin a second budget."""
    rules = Policy(release=ReleaseRules(yearly="3"))
    with pytest.raises(BudgetError):
        randomise.check_budget(ledger(year(2, "W"), SPLIT), PERIOD, rules)
    randomise.check_budget(ledger(year(1, "W"), SPLIT), PERIOD, rules)
