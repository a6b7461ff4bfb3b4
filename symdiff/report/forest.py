"""A forest plot: a figure of many rows as dots with their intervals, and what it would be under nulls as ticks.

Written by hand rather than with a plotting library: two hundred rows have to fit into a page, and every row is text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from symdiff.report.notation import interval, number, setting

WIDTH, LEFT, RIGHT, ROW, TOP = 344, 8, 336, 30, 24
"""In CSS pixels; a label stands above its line, so that the plot is as wide as a phone and as a column."""

WIDE = 30
"""Largest over smallest value from which on the axis is logarithmic."""


NULLS_BELOW = 1e3
"""Nulls are on a logarithmic axis down to this part of the smallest row: some are zero but for rounding."""


@dataclass(frozen=True)
class Line:
    """A row of the plot: its value, its interval where it has one, and its value under each null."""

    label: str
    value: float
    interval: tuple[float, float] | None = None
    nulls: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    logarithmic: bool

    def at(self, value: float) -> float:
        low, high, x = self.low, self.high, value
        if self.logarithmic:
            low, high, x = math.log10(low), math.log10(high), math.log10(max(value, self.low))
        return round(LEFT + (RIGHT - LEFT) * min(max((x - low) / (high - low), 0.0), 1.0), 1)

    def beyond(self, value: float) -> bool:
        return value < self.low or value > self.high

    @property
    def ticks(self) -> list[float]:
        if self.logarithmic:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            every = max(1, -(-(last - first) // 4))
            decades = [10.0**exponent for exponent in range(first - (every == 1), last + 1, every)]
            within = (1, 2, 5) if last - first < 2 else (1,)
            return [at * by for at in decades for by in within if self.low <= at * by <= self.high]
        rough = (self.high - self.low) / 6
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
        start = math.ceil(self.low / step - 1e-9)
        return [at * step if at else 0.0 for at in range(start, math.floor(self.high / step + 1e-9) + 1)]


def forest(name: str, title: str, lines: Sequence[Line]) -> Markup:
    """Return the plot as SVG for a page, its title and description part of it; `lines` is not empty.

    Parameters
    ----------
    name
        Identifier, unique on the page.
    title
        What is shown.
    lines
        Rows, from the top. A logarithmic axis ends at the smallest value: an interval that goes on ends in an arrow.
    """
    axis = _axis(lines)
    height = TOP + ROW * len(lines) + 22
    body: list[Markup] = [_ticks(axis, height)]
    for index, line in enumerate(lines):
        body.append(_line(line, axis, TOP + ROW * index))
    least, most = min(lines, key=lambda line: line.value), max(lines, key=lambda line: line.value)
    described = (
        f"{len(lines)} rows on a {'logarithmic' if axis.logarithmic else 'linear'} axis. "
        f"Lowest: {least.label}, {number(least.value)}. Highest: {most.label}, {number(most.value)}. "
        "The table of results has every value."
    )
    return Markup(
        '<svg role="img" viewBox="0 0 {width} {height}" class="forest" '
        'aria-labelledby="{name}-title" aria-describedby="{name}-desc">'
        '<title id="{name}-title">{title}</title><desc id="{name}-desc">{described}</desc>{body}</svg>'
    ).format(width=WIDTH, height=height, name=name, title=title, described=described, body=Markup("\n").join(body))


def _axis(lines: Sequence[Line]) -> _Axis:
    rows, nulls = [line.value for line in lines], [null for line in lines for null in line.nulls.values()]
    values = rows + nulls
    least = min((value for value in rows if value > 0), default=math.inf)
    # Values of 0, and nulls far below every row, are drawn at the end of the axis.
    shown = [value for value in values if value >= least / NULLS_BELOW]
    if min(values) >= 0 and shown and max(shown) > WIDE * min(shown):
        return _Axis(min(shown) / 1.5, max(shown) * 1.5, True)
    ends = values + [end for line in lines for end in line.interval or ()]
    low, high = min(ends), max(ends)
    margin = 0.04 * (high - low) or 0.1 * abs(high) or 1.0
    return _Axis(low - margin, high + margin, False)


def _ticks(axis: _Axis, height: int) -> Markup:
    drawn = [
        Markup(
            '<path d="M{x} {top}V{bottom}" stroke="var(--rule)"/>'
            '<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>'
        ).format(
            x=axis.at(tick),
            top=TOP - 8,
            bottom=height - 18,
            y=height - 4,
            anchor="start" if axis.at(tick) < LEFT + 20 else "end" if axis.at(tick) > RIGHT - 20 else "middle",
            text=setting(tick),
        )
        for tick in axis.ticks
    ]
    return Markup('<g fill="var(--muted)" font-size="10.5">{}</g>').format(Markup("").join(drawn))


def _line(line: Line, axis: _Axis, y: int) -> Markup:
    middle = y + 14
    told = f"{line.label}: {number(line.value)}" + (f" {interval(line.interval)}" if line.interval else "")
    parts = [Markup('<text x="{}" y="{}" font-size="10.5" fill="var(--ink)">{}</text>').format(LEFT, y + 4, line.label)]
    for null, value in line.nulls.items():
        parts.append(
            Markup('<path d="M{} {}v9" stroke="var(--series-1)" stroke-width="1.4"><title>{}</title></path>').format(
                axis.at(value), middle - 4.5, f"null, {null}: {number(value)}"
            )
        )
    if line.interval is not None:
        low, high = line.interval
        parts.append(
            Markup('<path d="M{} {}H{}" stroke="var(--series-0)" stroke-width="1.6"/>').format(
                axis.at(low), middle, axis.at(high)
            )
        )
        if axis.beyond(low):
            parts.append(
                Markup('<path d="M{} {}l-5 3.5l5 3.5" fill="none" stroke="var(--series-0)"/>').format(
                    LEFT + 5, middle - 3.5
                )
            )
        if axis.beyond(high):
            parts.append(
                Markup('<path d="M{} {}l5 3.5l-5 3.5" fill="none" stroke="var(--series-0)"/>').format(
                    RIGHT - 5, middle - 3.5
                )
            )
    parts.append(
        Markup('<circle cx="{}" cy="{}" r="3.4" fill="var(--series-0)"><title>{}</title></circle>').format(
            axis.at(line.value), middle, told
        )
    )
    return Markup("<g>{}</g>").format(Markup("").join(parts))
