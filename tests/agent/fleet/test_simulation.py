"""A simulated fleet is what it says: its truth is known, its reports are valid, its noise is that of the format."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from bewust.catalogue import loading
from bewust.config.policy import EPSILONS
from bewust.fleet import simulation
from bewust.fleet.simulation import SERVICES, bound, laplace, presence, simulate
from bewust.statistics import formats


def test_every_line_is_a_report_and_no_id_occurs_twice(tmp_path: Path) -> None:
    simulate(tmp_path, 200, 2, seed=1, mechanism="local")
    lines = [line for file in sorted((tmp_path / "reports").iterdir()) for line in file.read_bytes().splitlines()]
    assert len({formats.decode(line).id for line in lines}) == 400
    assert len({len(line) for line in lines}) == 1, "length tells nothing"


def test_an_opened_batch_can_be_read_and_says_its_noise(tmp_path: Path) -> None:
    simulate(tmp_path, 200, 1, seed=1, mechanism="split")
    opened = formats.decode_opened((tmp_path / "reports" / "opened-2026-W01.json").read_bytes())
    a = math.exp(-1 / 6)  # three services at epsilon 1/2
    assert opened.blocks["service"].sd == pytest.approx(math.sqrt(2) * math.sqrt(2 * a) / (1 - a))
    assert {block: each.epsilon for block, each in opened.blocks.items()} == EPSILONS["split"]


def test_the_same_seed_gives_the_same_fleet_and_another_does_not(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        simulate(tmp_path / name, 50, 1, seed=seed, mechanism="local")
    a, b, c = ((tmp_path / name / "reports" / "2026-P01.ndjson").read_bytes() for name in "abc")
    assert a == b != c


def test_the_truth_lies_beside_the_reports_and_is_not_read_as_one(tmp_path: Path) -> None:
    truth = simulate(tmp_path, 100, 1, seed=1, mechanism="local")
    assert json.loads((tmp_path / "truth" / "truth.json").read_text()) == truth
    assert [path.name for path in (tmp_path / "reports").iterdir()] == ["2026-P01.ndjson"]


def test_periods_go_on_into_the_next_year(tmp_path: Path) -> None:
    truth = simulate(tmp_path, 1, 14, seed=1, mechanism="local")
    assert list(truth["periods"])[-2:] == ["2026-P13", "2027-P01"]


def test_two_in_five_use_ai_and_services_follow_zipf() -> None:
    bits = presence(np.random.default_rng(1), 50_000)
    services = bits[:, 1:21].sum(0)
    assert bits[:, 0].mean() == pytest.approx(0.4, abs=0.01)
    assert bits[:, 1:26].sum(1)[bits[:, 0] == 1].mean() == pytest.approx(1.8, abs=0.03)
    assert services[0] / services[1] == pytest.approx(1.8, abs=0.2)
    assert not bits[bits[:, 0] == 0].any()


def test_at_most_three_services_stay_and_no_one_is_favoured() -> None:
    whole = np.zeros((30_000, formats.WIDTH), np.uint8)
    whole[:, 1:7] = 1
    bits = bound(np.random.default_rng(1), whole)
    assert set(bits[:, 1:26].sum(1)) == {3}
    assert bits[:, 1:7].mean(0) == pytest.approx(0.5, abs=0.01)
    assert not (bits & ~whole).any()


def test_flips_have_the_probability_of_the_format(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    lines = list(simulation.local_lines(random, "2026-P01", np.zeros((20_000, formats.WIDTH), np.uint8)))
    first = formats.decode(lines[0])
    assert isinstance(first, formats.LocalReport)
    for block, sealed in first.blocks.items():
        ones = [json.loads(line)["blocks"][block]["bits"] for line in lines[:5000]]
        share = sum(bits.count("1") for bits in ones) / sum(map(len, ones))
        numerator, denominator = map(int, sealed.flip.split("/"))
        assert share == pytest.approx(numerator / denominator, abs=0.025), block


def test_noise_is_discrete_laplace() -> None:
    draws = laplace(np.random.default_rng(1), 6.0, 200_000)
    a = math.exp(-1 / 6)
    assert draws.mean() == pytest.approx(0, abs=0.1)
    assert draws.std() == pytest.approx(math.sqrt(2 * a) / (1 - a), rel=0.01)
    assert (draws == 0).mean() == pytest.approx((1 - a) / (1 + a), rel=0.03)


def test_its_services_are_in_the_catalogue() -> None:
    assert set(SERVICES) <= {service.id for service in loading.load()}
