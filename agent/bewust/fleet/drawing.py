"""Charts as SVG text: bars with intervals, and lines over periods.

Belongs here: what a chart looks like. Drawn by Vega-Lite inside this process; nothing is fetched.
Colours are the light ones; the report's style replaces each of them by its hexadecimal value in the dark.
"""

import re
from collections.abc import Sequence
from html import escape
from typing import Any

import altair as alt
import msgspec
import vl_convert

FIRST, SECOND, THIRD, FOURTH = "#4a7fc1", "#c2771a", "#2e8b74", "#a3569b"  # the style knows these by value
INK, QUIET, GRID = "#1b1c1d", "#575d66", "#dcdfe4"
WIDTH, ROW, TALL = 760, 26, 240  # pixels: a whole chart, one bar, a plot of lines
LEFT = 34  # pixels kept free: the letters of the reader may be wider than those it is laid out with
FONT = "Liberation Sans, Arial, sans-serif"  # drawn by the browser: the reader's own sans-serif is as good
SERIES = (FIRST, SECOND, THIRD, FOURTH)
_LABEL = 34  # letters; longer names are in the table whole


class Bar(msgspec.Struct, frozen=True):
    """One bar: a number with its interval, in the unit of the axis."""

    label: str
    value: float
    low: float
    high: float
    colour: str = FIRST


class Point(msgspec.Struct, frozen=True):
    """One point of a line; `value` None leaves a gap."""

    series: str
    period: str
    value: float | None
    low: float | None = None
    high: float | None = None


def bars(values: Sequence[Bar], title: str, axis: str, *, most: float | None = None) -> str:
    """Return horizontal bars in the given order, each with the line of its interval; `most` ends the axis."""
    rows = [{**msgspec.structs.asdict(bar), "label": _short(bar.label)} for bar in values]
    top = most if most is not None else 1.02 * max(bar.high for bar in values)
    scale = alt.Scale(domain=[0, top], nice=False, zero=True)
    y = alt.Y("label:N", sort=[row["label"] for row in rows], title=None)
    base = alt.Chart(alt.InlineData(values=rows))
    layers = alt.layer(
        base.mark_bar(height=15).encode(
            x=alt.X("value:Q", title=axis, scale=scale, axis=alt.Axis(tickCount=10)),
            y=y,
            color=alt.Color("colour:N", scale=None),
        ),
        base.mark_rule(strokeWidth=1.6, color=INK).encode(x=alt.X("low:Q", scale=scale), x2="high:Q", y=y),
        base.mark_tick(thickness=1.6, size=9, color=INK).encode(x="low:Q", y=y),
        base.mark_tick(thickness=1.6, size=9, color=INK).encode(x="high:Q", y=y),
    )
    return _svg(layers.properties(height=ROW * len(rows)), title)


def lines(points: Sequence[Point], periods: Sequence[str], title: str, axis: str) -> str:
    """Return a line a series over periods, with intervals; a period that is too uncertain is a gap."""
    names = list(dict.fromkeys(point.series for point in points))
    colours = dict(zip(names, SERIES, strict=False))
    rows = [{**msgspec.structs.asdict(point), "colour": colours[point.series]} for point in points]
    known = [row for row in rows if row["value"] is not None]
    x = alt.X("period:O", sort=list(periods), title=None, axis=alt.Axis(labelAngle=0 if len(periods) <= 8 else -45),
              scale=alt.Scale(domain=list(periods)))  # fmt: skip
    colour: Any = alt.Color("colour:N", scale=None)
    top = max((row["high"] for row in known), default=100)
    y = alt.Y("value:Q", title=axis, scale=alt.Scale(domain=[0, 1.05 * top], nice=False))
    line = alt.Chart(alt.InlineData(values=rows)).mark_line(strokeWidth=2.2, invalid="break-paths-show-domains")
    base = alt.Chart(alt.InlineData(values=known))
    layers = alt.layer(
        base.mark_rule(strokeWidth=1.6, opacity=0.75).encode(x=x, y="low:Q", y2="high:Q", color=colour),
        line.encode(x=x, y=y, color=colour),
        base.mark_point(filled=True, size=64, opacity=1).encode(
            x=x, y=y, color=colour, shape=alt.Shape("series:N", sort=names, legend=None)
        ),
    )
    return _svg(layers.properties(height=TALL), title, grid_y=True)


def _short(label: str) -> str:
    return label if len(label) <= _LABEL else label[: _LABEL - 1] + "…"


def _svg(chart: Any, title: str, *, grid_y: bool = False) -> str:
    chart = (
        chart.properties(width=WIDTH, autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
        .configure(font=FONT, background="transparent", padding={"left": LEFT, "right": 14, "top": 5, "bottom": 5})
        .configure_view(stroke=None)
        .configure_axis(labelColor=INK, titleColor=QUIET, gridColor=GRID, domainColor=GRID, tickColor=GRID,
                        labelFontSize=13, titleFontSize=12, titleFontWeight="normal", labelLimit=260, titlePadding=8)
        .configure_axisY(grid=grid_y, ticks=False, labelPadding=8)
        .configure_axisX(labelPadding=6)
    )  # fmt: skip
    return _named(vl_convert.vegalite_to_svg(chart.to_dict()), title)


def _named(svg: str, title: str) -> str:
    """Give a chart one name for those who do not see it; what it shows is in the table below it."""
    bare = re.sub(r' (?:aria-[a-z]+|role)="[^"]*"', "", svg)
    name = escape(title)
    return re.sub(
        r"<svg ([^>]*)>", lambda m: f'<svg role="img" aria-label="{name}" {m[1]}><title>{name}</title>', bare, count=1
    )
