"""Two keepers add up what neither can read; every mistake is one clear error, and no batch is added up twice.

Real keys and OpenDP's real noise. Chances of a false alarm are stated where there is chance; nothing here has a seed.
"""

import builtins
import math
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from bewust.files import FileError, save
from bewust.keys import key_id
from bewust.statistics import formats
from bewust.statistics.formats import BLOCKS, BOUNDS, WIDTH, Sum
from bewust.statistics.keepers import sums as keeper_sums
from bewust.statistics.keepers.keyfile import KeeperError, KeeperKey
from bewust.statistics.keepers.sums import open_sums, sum_batch
from support.keepers import batch, estimates, sealed


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No noise, so that sums can be compared with counts."""
    monkeypatch.setattr(keeper_sums, "noise", lambda bound, epsilon, cells: [0] * cells)


# Sums.


@pytest.mark.usefixtures("silent")
def test_sums_are_exact_before_noise(keys: tuple[KeeperKey, KeeperKey]) -> None:
    found = [sealed(keys, n, (0, *(1 + (n * k) % 25 for k in (1, 7)), 26 + n % 2)) for n in range(400)]
    opened = open_sums(sum_batch(found, keys[0]), sum_batch(found[::-1], keys[1]))
    wanted = [0] * WIDTH
    for n in range(400):
        for place in {0, *(1 + (n * k) % 25 for k in (1, 7)), 26 + n % 2}:
            wanted[place] += 1
    assert estimates(opened) == wanted
    assert (opened.reports, opened.period) == (400, "2026-W47")
    assert formats.decode_opened(formats.encode(opened).encode()) == opened


@settings(max_examples=20)
@given(st.lists(st.sets(st.integers(0, 25), max_size=3), min_size=1, max_size=8))
def test_whatever_the_workstations_have_it_sums_exactly(held: list[set[int]]) -> None:
    keys = [KeeperKey(name, key_id(key.public_key()), key, Path(name)) for name, key in
            (("a", X25519PrivateKey.generate()), ("b", X25519PrivateKey.generate()))]  # fmt: skip
    found = [sealed(keys, n, [place + 1 for place in places if place < 25]) for n, places in enumerate(held)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeper_sums, "noise", lambda bound, epsilon, cells: [0] * cells)
        opened = open_sums(*(sum_batch(found, key, minimum=1) for key in keys))
    assert list(opened.blocks["service"].estimates) == [sum(n in places for places in held) for n in range(25)]


def test_a_sum_alone_is_as_random_as_a_share(keys: tuple[KeeperKey, KeeperKey]) -> None:
    # A count or its noise is near 0. One number of 56 is within 2^40 of it by chance in 1 of 150 000 runs, so all
    # are asked for; of two alike the chance is below 1e-16.
    found = batch(keys, 50)
    values = [int(text) for key in keys for text in sum_batch(found, key).sum]
    assert not all(min(value, (1 << 64) - value) < 1 << 40 for value in values)
    assert len(set(values)) == 56


def test_the_noise_has_the_scale_that_is_claimed() -> None:
    for name, epsilon in (("service", Fraction(1, 2)), ("internal", Fraction(3, 20))):
        draws = [value for _ in range(800) for value in keeper_sums.noise(BOUNDS[name], epsilon, 25)]
        ratio = math.exp(-epsilon / BOUNDS[name])
        variance = 2 * ratio / (1 - ratio) ** 2
        # 20 000 draws of kurtosis 6: the mean of the squares has a relative deviation of sqrt(5 / 20000) = 1.6 %,
        # so 12 % are 7.6 of them (chance below 1e-12); the mean is within 6 of its own (2e-9).
        assert sum(value * value for value in draws) / len(draws) == pytest.approx(variance, rel=0.12)
        assert abs(sum(draws) / len(draws)) < 6 * math.sqrt(variance / len(draws))


def test_every_cell_of_a_sum_gets_the_noise_of_its_block(
    keys: tuple[KeeperKey, KeeperKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, Fraction, int]] = []
    real = keeper_sums.noise

    def heard(bound: int, epsilon: Fraction, cells: int) -> list[int]:
        asked.append((bound, epsilon, cells))
        return real(bound, epsilon, cells)

    monkeypatch.setattr(keeper_sums, "noise", heard)
    found = [sealed(keys)]
    sums = [[sum_batch(found, key, minimum=1) for key in keys] for _ in range(100)]
    wanted = {"any": (1, Fraction(1, 5), 1), "service": (3, Fraction(1, 2), 25), "internal": (1, Fraction(3, 20), 1),
              "reminder": (1, Fraction(3, 20), 1)}  # fmt: skip
    assert asked == [*wanted.values()] * 200
    assert {name: block.scale for name, block in sums[0][0].blocks.items()} == {
        "any": "5/1", "service": "6/1", "internal": "20/3", "reminder": "20/3"
    }  # fmt: skip
    opened = [open_sums(*pair).blocks["service"] for pair in sums]
    errors = [error for block in opened for error in block.estimates]
    # 2 500 sums of kurtosis 4.5: the mean square has a relative deviation of 3.7 %; 30 % are 8 of them (below 1e-12).
    assert sum(error * error for error in errors) / len(errors) == pytest.approx(opened[0].sd ** 2, rel=0.3)


def test_noise_is_drawn_anew_for_every_cell_and_keeper() -> None:
    # Two draws of scale 1e9 are alike with a chance of 1 / (4 * 1e9), and here are 925 pairs: 2.3e-7.
    one, other = (keeper_sums.noise(1, Fraction(1, 10**9), 25) for _ in range(2))
    assert not set(one) & set(other)
    assert len(set(one)) == 25


def test_an_epsilon_beyond_what_can_be_drawn_is_one_clear_error() -> None:
    with pytest.raises(KeeperError, match="epsilon 1/10000000000000 needs more noise than can be drawn"):
        keeper_sums.noise(1, Fraction(1, 10**13), 1)


def test_a_keeper_without_opendp_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name.startswith("opendp"):
            raise ImportError(name)
        return real(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(KeeperError, match=r"OpenDP is not installed.*pip install 'bewust\[fleet\]'"):
        keeper_sums.noise(1, Fraction(1, 2), 1)


def test_a_thousand_workstations_give_a_usable_figure(keys: tuple[KeeperKey, KeeperKey]) -> None:
    found = [sealed(keys, n, (0, 1) if n < 700 else (0, 2)) for n in range(1000)]
    sums = [sum_batch(found, key) for key in keys]
    opened = open_sums(*sums)
    # The noise of both keepers, scale 6 each, exceeds 105 = 15 % of 700 with a chance of 2.3e-7 (exact convolution).
    assert opened.blocks["service"].estimates[0] == pytest.approx(700, rel=0.15)
    # A single figure of 190 (the usual top service) is beyond 15 % in 2.9 % of the weeks; its usual error is 6 %.
    # The mean square of 10 000 sums of two draws (kurtosis 4.5) has a relative deviation of 1.9 %; 15 % of 190,
    # squared, is 5.7 times what is expected, and 1.2 times is 10 deviations (chance below 1e-20).
    draws = [keeper_sums.noise(3, Fraction(1, 2), 25) for _ in range(800)]
    errors = [
        a + b for one, other in zip(draws[::2], draws[1::2], strict=True) for a, b in zip(one, other, strict=True)
    ]
    usual = math.sqrt(sum(error * error for error in errors) / len(errors))
    assert usual / 190 < 0.15
    assert usual == pytest.approx(opened.blocks["service"].sd, rel=0.1)


def test_the_deviation_that_is_stated_is_that_of_two_discrete_laplace_draws() -> None:
    for scale in (Fraction(6), Fraction(20, 3), Fraction(1, 50)):
        ratio = math.exp(-1 / scale)
        ours = sum(n * n * ratio ** abs(n) * (1 - ratio) / (1 + ratio) for n in range(-2000, 2001))
        assert keeper_sums.deviation(scale) == pytest.approx(math.sqrt(2 * ours))


# Opening.


@pytest.fixture
def sums(keys: tuple[KeeperKey, KeeperKey]) -> tuple[Sum, Sum]:
    found = batch(keys)
    return sum_batch(found, keys[0]), sum_batch(found, keys[1])


def test_the_order_of_the_sums_does_not_matter(sums: tuple[Sum, Sum]) -> None:
    assert open_sums(*sums) == open_sums(*sums[::-1])
    assert tuple(open_sums(*sums).blocks) == tuple(BLOCKS)


def test_keepers_with_different_reports_learn_nothing_but_that(keys: tuple[KeeperKey, KeeperKey]) -> None:
    found = batch(keys)
    with pytest.raises(KeeperError) as error:
        open_sums(sum_batch(found, keys[0]), sum_batch(found[1:], keys[1]))
    assert "hold different sets of reports: 'security' added up 60 of 2026-W47" in str(error.value)
    assert "'council' added up 59 of 2026-W47" in str(error.value)
    assert "keeper sum --check" in str(error.value)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param({"period": "2026-W48"}, "differ in period", id="period"),
        pytest.param({"reports": 61}, "differ in reports", id="reports"),
        pytest.param({"domain": "0" * 12}, "differ in domain", id="domain"),
        pytest.param({"blocks": {}}, "differ in blocks", id="blocks"),
        pytest.param({"sum": ("0",) * WIDTH}, "numbers that cannot be: one was changed", id="sum"),
    ],
)
def test_a_sum_that_was_changed_is_refused(sums: tuple[Sum, Sum], change: dict[str, object], error: str) -> None:
    with pytest.raises(KeeperError, match=error):
        open_sums(sums[0], msgspec.structs.replace(sums[1], **change))


def test_sums_with_less_noise_than_their_epsilon_needs_are_refused(sums: tuple[Sum, Sum]) -> None:
    blocks = {**sums[0].blocks, "any": formats.SumBlock("1/5", "1/1")}
    with pytest.raises(KeeperError, match="block any has noise that is not that of its epsilon"):
        open_sums(*(msgspec.structs.replace(each, blocks=blocks) for each in sums))


def test_one_keeper_cannot_open_alone(keys: tuple[KeeperKey, KeeperKey], sums: tuple[Sum, Sum]) -> None:
    with pytest.raises(KeeperError, match="both sums are of the keeper 'security'"):
        open_sums(sums[0], sums[0])


def test_a_file_that_is_no_sum_is_one_clear_error(tmp_path: Path, sums: tuple[Sum, Sum]) -> None:
    file = tmp_path / "sum.json"
    save(file, formats.encode(sums[0]).encode())
    assert keeper_sums.load_sum(file) == sums[0]
    save(file, formats.encode(sums[0]).encode())
    with pytest.raises(FileError, match="is there already, and is something else"):
        save(file, b"x")
    file.write_bytes(b"{}")
    with pytest.raises(KeeperError, match=r"sum\.json: is no sum of a keeper"):
        keeper_sums.load_sum(file)
