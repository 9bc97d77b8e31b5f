"""The words of the page: what they are asked for is there, and they write dates and durations as people do."""

import re
from datetime import date, datetime
from importlib.resources import files
from typing import get_args

import pytest

from bewust.config.policy import Agreement
from bewust.durations import Duration
from bewust.model import Context, HeldReason, Kind, Status
from bewust.page.now import REASONS
from bewust.page.words import languages
from bewust.statistics.formats import BLOCKS

NL, EN, DE = languages()["nl"], languages()["en"], languages()["de"]
TEMPLATES = [entry.read_text("utf-8") for entry in files("bewust.page").joinpath("templates").iterdir()]


def test_what_a_template_asks_for_is_there() -> None:
    asked = {key for text in TEMPLATES for key in re.findall(r'\b(?:t|count)\("([a-z_.0-9-]+)"', text)}
    assert len(asked) > 100
    missing = {key for key in asked if key not in NL and f"{key}.other" not in NL and not key.endswith((".", "_"))}
    assert not missing


@pytest.mark.parametrize(
    "key",
    [
        *[f"context.{one}" for one in Context],
        *[f"recognised.use_{one}" for one in Context],
        *[f"kind.{one}.long" for one in Kind],
        *[f"status.{one}.long" for one in Status],
        *[f"agreement.{one}" for one in get_args(Agreement)],
        *[f"held.{one}" for one in get_args(HeldReason)],
        *[f"block.{one}" for one in BLOCKS],
        *[f"reason.{one}" for one in REASONS.values()],
    ],
)
def test_each_word_of_a_closed_list_can_be_said(key: str) -> None:
    assert key in NL


def test_a_key_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError):
        NL("now.nothing")
    with pytest.raises(KeyError):  # {since} has no value
        NL("now.on")
    with pytest.raises(KeyError):  # it has no plural
        NL.count("now.on", 2)


def test_dates_numbers_and_durations() -> None:
    assert NL.day(date(2026, 3, 1)) == "1 maart 2026"
    assert EN.day(date(2026, 3, 1)) == "1 March 2026"
    assert DE.day(date(2026, 3, 1)) == "1. März 2026"
    assert NL.moment(datetime(2026, 11, 24, 9, 5)) == "24 november 2026 om 09:05 uur"
    assert DE.moment(datetime(2026, 11, 24, 9, 5)) == "24. November 2026 um 09:05 Uhr"
    assert (NL.number(2946), EN.number(2946)) == ("2.946", "2,946")
    said = {text: NL.duration(Duration(text)) for text in ("30m", "1m", "2h", "24h", "3d", "90m", "1.5h", "10s")}
    assert said == {
        "30m": "30 minuten", "1m": "1 minuut", "2h": "2 uur", "24h": "1 dag", "3d": "3 dagen", "90m": "90 minuten",
        "1.5h": "90 minuten", "10s": "10 seconden",
    }  # fmt: skip


def test_lists_and_plurals() -> None:
    assert [NL.listed(items) for items in ([], ["a"], ["a", "b"], ["a", "b", "c", "a"])] == [
        "", "a", "a en b", "a, b en c",
    ]  # fmt: skip
    assert NL.count("format.names", 1) == "1 naam" and NL.count("format.names", 0) == "0 namen"


def test_what_is_filled_in_is_not_read_again() -> None:
    assert NL("rules.contact_at", contact="{self}") == "Vragen over AI in uw werk: {self}."
