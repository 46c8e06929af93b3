"""Plots of a report as SVG that takes the page's own text colour, so that it reads on light and dark.

Only matplotlib's Figure is used: no display, no global state. The same numbers give the same bytes.
"""

import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from speech_core.errors import ConfigError

INK = "#010203"  # drawn in this colour, replaced by the page's own
COLOURS = ("#3b82c4", "#d9822b", "#3f9d5a", "#b5539c", "#8a7f2d", "#7a6ad8", "#4aa3a3", "#c0504d")
MOST_NAME = 44  # characters of a group or series
MOST_ROWS = 24  # groups drawn in one plot; more are left to the tables
WIDTH_IN = 8.0


@dataclass(frozen=True)
class Mark:
    """One value with its interval; low and high None: without one."""

    group: str
    series: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Chart:
    """A plot: dots with intervals, a row for each group, a colour for each series; or lines over `places`.

    places: x of each group when lines are drawn (same order as the groups first appear), else None.
    """

    title: str
    axis: str
    marks: tuple[Mark, ...]
    places: tuple[float, ...] | None = None
    places_axis: str = ""


def _figure(height_in: float) -> tuple[Any, Any]:
    """A figure without background and its axes."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError("matplotlib is not installed: pip install 'llama-speech[eval]'") from None
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    figure.patch.set_alpha(0.0)
    axes = figure.subplots()
    axes.patch.set_alpha(0.0)
    for spine in axes.spines.values():
        spine.set_color(INK)
        spine.set_linewidth(0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=9)
    axes.grid(color=INK, alpha=0.15, linewidth=0.6)
    return figure, axes


def _svg(figure: Any, name: str) -> str:
    """The figure as one `<svg>` element whose ids no other plot of a page has."""
    from matplotlib import rc_context

    buffer = io.StringIO()
    style: Any = {"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}
    with rc_context(style), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # names that leave little room for the plot
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r"font(-family)?: ([\d.]+px )?[^;\"]*sans-serif", r"font\1: \2sans-serif", text)
    prefix = re.sub(r"\W+", "-", name)
    return re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", text)


def draw(chart: Chart) -> str:
    """Return a chart as SVG text. Raises ConfigError without matplotlib."""
    series = list(dict.fromkeys(mark.series for mark in chart.marks))
    groups = list(dict.fromkeys(mark.group for mark in chart.marks))
    if chart.places is not None:
        figure, axes = _figure(3.4)
        _draw_lines(axes, chart, series, dict(zip(groups, chart.places, strict=True)))
        axes.set_xlabel(chart.places_axis, color=INK, fontsize=9)
        axes.set_ylabel(chart.axis, color=INK, fontsize=9)
    else:
        groups = groups[:MOST_ROWS]
        figure, axes = _figure(1.2 + (0.15 + 0.14 * len(series)) * len(groups))
        _draw_rows(axes, chart, series, groups)
        axes.set_xlabel(chart.axis, color=INK, fontsize=9)
    if len(series) > 1:
        legend = axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, frameon=False, fontsize=9)
        for text in legend.get_texts():
            text.set_color(INK)
    return _svg(figure, chart.title)


def _short(name: str) -> str:
    return name if len(name) <= MOST_NAME else f"{name[: MOST_NAME - 3]}..."


def _draw_rows(axes: Any, chart: Chart, series: Sequence[str], groups: Sequence[str]) -> None:
    """Dots with intervals, the first group on top; series of a group below each other."""
    step = 0.55 / max(1, len(series))
    for number, name in enumerate(series):
        marks = [mark for mark in chart.marks if mark.series == name and mark.group in groups]
        y = [groups.index(mark.group) + step * (number - (len(series) - 1) / 2) for mark in marks]
        x = [mark.value for mark in marks]
        low = [mark.value - (mark.value if mark.low is None else min(mark.low, mark.value)) for mark in marks]
        high = [
            (mark.value if mark.high is None else max(mark.high, mark.value)) - mark.value for mark in marks
        ]
        colour = COLOURS[number % len(COLOURS)]
        axes.errorbar(
            x, y, xerr=[low, high], fmt="o", color=colour, markersize=4.5, elinewidth=1.6, label=_short(name)
        )
    axes.set_yticks(range(len(groups)), [_short(group) for group in groups])
    axes.set_ylim(len(groups) - 0.5, -0.5)
    if all((mark.low if mark.low is not None else mark.value) >= 0 for mark in chart.marks):
        axes.set_xlim(left=0)
    else:
        axes.axvline(0, color=INK, linewidth=0.8)


def _draw_lines(axes: Any, chart: Chart, series: Sequence[str], places: dict[str, float]) -> None:
    """A line for each series over the places of the groups, its interval as a band."""
    for number, name in enumerate(series):
        marks = sorted(
            (mark for mark in chart.marks if mark.series == name), key=lambda mark: places[mark.group]
        )
        x = [places[mark.group] for mark in marks]
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(x, [mark.value for mark in marks], "o-", color=colour, markersize=4, label=_short(name))
        if marks and all(mark.low is not None and mark.high is not None for mark in marks):
            low, high = [mark.low for mark in marks], [mark.high for mark in marks]
            axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.set_ylim(bottom=min(0.0, *(mark.value for mark in chart.marks)))
