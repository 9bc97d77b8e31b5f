"""Charts are SVG with a name, in colours that the report can turn dark."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import bewust.fleet
from bewust.fleet import drawing
from bewust.fleet.drawing import Bar, Point, bars, lines

CSS = (Path(bewust.fleet.__file__).parent / "templates" / "report.css").read_text(encoding="utf-8")
BARS = bars([Bar("One & two", 20, 15, 25), Bar("<b>", 4, 2, 6, drawing.SECOND)], "Title <x>", "share (%)")
LINES = lines([Point("a", "P1", 3, 2, 4), Point("a", "P2", None), Point("a", "P3", 5, 4, 6), Point("b", "P1", 1, 0, 2)],
              ["P1", "P2", "P3"], "Trend", "share")  # fmt: skip


def test_a_chart_has_one_name_and_its_parts_have_none() -> None:
    root = ET.fromstring(BARS)
    assert (root.get("role"), root.get("aria-label"), root[0].text) == ("img", "Title <x>", "Title <x>")
    assert BARS.count("aria-label") == BARS.count("role=") == 1


def test_labels_are_text_and_never_markup() -> None:
    assert {"One & two", "<b>"} <= {
        element.text for element in ET.fromstring(BARS).iter() if element.tag.endswith("text")
    }


def test_every_colour_has_a_dark_counterpart_in_the_style() -> None:
    used = set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]{6})"', BARS + LINES))
    assert used
    for colour in used:
        assert f'="{colour}"]' in CSS, colour


def test_nothing_in_a_chart_is_fetched() -> None:
    assert not re.search(r"(href|src)=|url\(|<(script|image|style)", BARS + LINES)


def test_a_bar_ends_at_its_number_and_its_line_at_the_interval() -> None:
    widths = [float(w) for w in re.findall(r'd="M0,[\d.]+h([\d.]+)v15', BARS)]
    assert len(widths) == 2
    assert abs(widths[0] / widths[1] - 5) < 0.01


def test_a_period_too_uncertain_is_a_gap() -> None:
    assert len(re.findall(r'class="mark-line role-mark', LINES)) == 2
    assert LINES.count('fill="#4a7fc1"') == 2, "two points, for the period between has none"


def test_a_long_name_is_cut_in_the_chart() -> None:
    assert "x" * 40 not in bars([Bar("x" * 60, 1, 0, 2)], "t", "a")
