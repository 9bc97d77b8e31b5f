"""Each report is written once, whole, and as it was sealed; its file tells the period and no more."""

import secrets
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bewust.config import policy
from bewust.model import Kind
from bewust.statistics import formats, randomise
from bewust.statistics.counters import Key
from bewust.statistics.delivery import DeliveryError, deliver, describe, name_of
from bewust.statistics.formats import LocalReport

RULES = policy.load()
COUNTS = {Key("2026-P12", "chatgpt", Kind.VISIT): 3}


def sealed(*periods: str) -> dict[str, str]:
    services = RULES.release.services
    return {
        period: formats.encode(randomise.randomise_period(COUNTS, period, services, RULES, secrets.randbelow))
        for period in periods
    }


def test_a_file_holds_one_line_as_it_was_sealed_and_has_the_time_of_its_period(tmp_path: Path) -> None:
    lines = sealed("2026-P12")
    (file,) = deliver(lines, tmp_path)
    assert file.read_text() == lines["2026-P12"] + "\n"
    assert file.name == name_of(formats.decode(lines["2026-P12"]))
    assert file.stat().st_mtime == datetime(2026, 11, 30, tzinfo=UTC).timestamp()
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_asked_again_nothing_is_written_and_a_lost_file_is_written_the_same(tmp_path: Path) -> None:
    lines = sealed("2026-P11", "2026-P12")
    files = deliver(lines, tmp_path)
    first = [file.read_bytes() for file in files]
    assert deliver(lines, tmp_path) == []
    files[0].unlink()
    assert deliver(lines, tmp_path) == [files[0]]
    assert [file.read_bytes() for file in files] == first


def test_somebody_elses_file_of_that_name_is_left_alone(tmp_path: Path) -> None:
    lines = sealed("2026-P12")
    (file,) = deliver(lines, tmp_path)
    file.write_text("changed")
    with pytest.raises(DeliveryError, match="holds something else under this name"):
        deliver(lines, tmp_path)
    assert file.read_text() == "changed"


def test_a_folder_that_is_away_is_one_clear_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match=r"cannot be written \(No such file or directory\)"):
        deliver(sealed("2026-P12"), tmp_path / "away")
    (tmp_path / "file").write_text("")
    with pytest.raises(DeliveryError, match="cannot be written"):
        deliver(sealed("2026-P12"), tmp_path / "file")


def test_every_file_of_a_policy_has_one_length(tmp_path: Path) -> None:
    sizes = {file.stat().st_size for _ in range(20) for file in deliver(sealed("2026-P12"), tmp_path)}
    assert len(sizes) == 1


def test_the_words_name_what_reads_yes_and_how_often_a_coin_decided() -> None:
    report = formats.decode(sealed("2026-P12")["2026-P12"])
    assert isinstance(report, LocalReport)
    words = " ".join(describe(report))
    assert "2026-P12 (four weeks)" in words
    assert "in 46 of 100 cases" in words
    for service, bit in zip(report.services, report.blocks["service"].bits, strict=False):
        block = words[words.index("service: reads yes") : words.index("internal: reads yes")]
        assert (f" {service}," in block.replace(".", ",")) is (bit == "1")
