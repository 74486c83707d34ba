"""Two kinds of chart, drawn from plain figures: `dots` for a value of each method in each row, with its interval, and
`lines` for a value that moves along another. Both stand in panels side by side that share rows, scale and legend.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from homeward.bench.picture import document, line, mark, path, tag, text, width

WIDTH = 860
EDGE = 26  # the margin of the card
SPACE = 42  # between two panels


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A scale that reaches from its first tick to its last; what lies beyond is drawn at its end.

    Where ``logarithmic``, a first tick of 0 is told as such and stands one step before the second. ``shares`` are
    told in percent.
    """

    ticks: Sequence[float]
    name: str = ""
    logarithmic: bool = False
    shares: bool = False

    def place(self, value: float) -> float:
        """Where on the scale the value lies, from 0 to 1."""
        steps = [self._step(tick) for tick in self.ticks]
        return min(1.0, max(0.0, (self._step(value) - steps[0]) / (steps[-1] - steps[0])))

    @classmethod
    def up_to(cls, most: float, name: str = "") -> Axis:
        """A scale from 0 to at least so much, in steps of 1, 2 or 5 of a power of ten, five at most."""
        size = 10.0 ** math.floor(math.log10(max(most, 1e-9)))
        step = next(part * size for part in (0.2, 0.5, 1, 2, 5) if part * size * 5 >= most)
        return cls(ticks=[round(n * step, 9) for n in range(math.ceil(round(most / step, 6)) + 1)], name=name)

    def told(self, value: float) -> str:
        """The value as it stands at a tick."""
        return f"{100 * value:g} %" if self.shares else f"{value:g}"

    def _step(self, value: float) -> float:
        if not self.logarithmic:
            return value
        least = self.ticks[0] or self.ticks[1] ** 2 / self.ticks[2]
        return math.log(max(value, least))


class Point(NamedTuple):
    """A value and, where it is known, its interval."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Dots: for each row the points of the series by their name. ``targets`` are values to be reached in a row,
    ``said`` is what stands in one that has no point."""

    name: str
    axis: Axis
    rows: Mapping[str, Mapping[str, Point]]
    targets: Mapping[str, float] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """Lines: the points (x, y) of each series by its name. ``below`` is the border under which a value is allowed,
    ``rule`` an x at which something happens and what it is called, ``points`` whether each point has its mark."""

    name: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    below: Sequence[tuple[float, float]] = ()
    rule: tuple[float, str] | None = None
    points: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a chart says: its title, a line below it, a description for those who cannot see it, and its notes."""

    title: str
    below: str
    description: str
    notes: Sequence[str] = ()


def dots(
    words: Words, series: Sequence[str], panels: Sequence[Panel], *, joined: bool = False, decimals: int | None = None
) -> str:
    """A chart of points in rows, one line of marks for each series, the first the largest. ``joined`` puts them on
    one height instead, with a line between the least and the greatest. ``decimals`` tells the first series in
    figures too, beside each row."""
    rows = list(dict.fromkeys(row for panel in panels for row in panel.rows))
    if not any(points for panel in panels for points in panel.rows.values()):
        return _nothing(words)
    names = min(230.0, max(map(width, rows), default=0.0))
    step = 0.0 if joined else 8.5
    height = max(28.0, step * len(series) + 10)
    legend, top = _top(words, series)
    top += 22 if any(panel.name for panel in panels) else 0
    bottom = top + height * len(rows)
    body = list(legend)
    for number, row in enumerate(rows):
        y = top + height * number
        if number % 2 == 0:
            body.append(tag("rect", "band", x=EDGE, y=y, width=WIDTH - 2 * EDGE, height=height, rx=4))
        body.append(text(EDGE + 8, y + height / 2 + 5, row, room=names + 8))
    beside = 0.0 if decimals is None else 14 + width("0.") + decimals * width("0")
    for panel, (left, right) in zip(panels, _columns(len(panels), EDGE + names + 16, after=beside), strict=True):
        body.append(text(left, top - 9, panel.name, "panel", room=right - left + SPACE / 2))
        body += _grid(panel.axis, left, right, top, bottom)
        body.append(text((left + right) / 2, bottom + 37, panel.axis.name, "soft", anchor="middle"))
        for number, row in enumerate(rows):
            y, points = top + height * (number + 0.5), panel.rows.get(row, {})
            if row in panel.targets and points:
                x = left + panel.axis.place(panel.targets[row]) * (right - left)
                body.append(line(x, y - height / 2 + 3, x, y + height / 2 - 3, "target"))
            body += _row(points, series, panel.axis, left, right, y, step)
            if row in panel.said and not points:
                body.append(text(left + 8, y + 5, panel.said[row], "soft", room=right - left))
            if decimals is not None and series[0] in points:
                value = f"{points[series[0]].value:.{decimals}f}"
                body.append(text(right + beside, y + 5, value, anchor="end"))
    return _finished(words, body, bottom + 24 + (18 if any(panel.axis.name for panel in panels) else 0))


def lines(
    words: Words, series: Sequence[str], planes: Sequence[Plane], across: Axis, up: Axis, *, height: float = 280
) -> str:
    """A chart of lines over a common horizontal and vertical scale."""
    if not any(points for plane in planes for points in plane.lines.values()):
        return _nothing(words)
    legend, top = _top(words, series)
    top += 26 if any(plane.name for plane in planes) else 6
    bottom = top + height
    body = list(legend)
    if up.name:
        body.append(text(EDGE, top - 9, up.name, "soft", room=170))
    for plane, (left, right) in zip(planes, _columns(len(planes), EDGE + 44, between=48), strict=True):
        room = right - left - (90 if up.name else 0)
        body.append(text(right, top - 9, plane.name, "panel", anchor="end", room=room))
        if plane.below:
            corners = [_at(point, across, up, left, right, top, bottom) for point in plane.below]
            body.append(path([*corners, (corners[-1][0], bottom), (corners[0][0], bottom)], "allowed", closed=True))
        body += _grid(across, left, right, top, bottom)
        for tick in up.ticks:
            y = bottom - up.place(tick) * (bottom - top)
            body.append(line(left, y, right, y, "grid"))
            body.append(text(left - 8, y + 4, up.told(tick), "soft", anchor="end"))
        if plane.rule:
            x = left + across.place(plane.rule[0]) * (right - left)
            body += [line(x, top, x, bottom, "rule"), text(x + 6, top + 14, plane.rule[1], "soft", room=right - x)]
        body += _drawn(plane, series, across, up, (left, right, top, bottom))
    body.append(text((EDGE + 44 + WIDTH - EDGE) / 2, bottom + 37, across.name, "soft", anchor="middle"))
    return _finished(words, body, bottom + 24 + (18 if across.name else 0))


def _top(words: Words, series: Sequence[str]) -> tuple[list[str], float]:
    """Title, the line below it and the legend; and where the chart may begin."""
    body = [text(EDGE, 40, words.title, "title"), text(EDGE, 62, words.below, "soft")]
    x, y = float(EDGE) + 6, 88.0
    for number, name in enumerate(series if len(series) > 1 else ()):
        wide = width(name) + 36
        if x + wide > WIDTH - EDGE:
            x, y = float(EDGE) + 6, y + 22
        body += [mark(number, x, y - 5, name, size=_size(number)), text(x + 11, y, name)]
        x += wide
    return body, y + 16 if len(series) > 1 else 76.0


def _columns(count: int, left: float, *, between: float = SPACE, after: float = 0) -> list[tuple[float, float]]:
    """From where to where each panel reaches, with room between them and after each."""
    step = (WIDTH - EDGE - 14 - left + between) / max(1, count)
    return [(left + n * step, left + (n + 1) * step - between - after) for n in range(count)]


def _grid(axis: Axis, left: float, right: float, top: float, bottom: float) -> Iterator[str]:
    """The vertical lines of a panel and what they stand for."""
    for tick in axis.ticks:
        x = left + axis.place(tick) * (right - left)
        yield line(x, top, x, bottom, "grid")
        yield text(x, bottom + 18, axis.told(tick), "soft", anchor="middle")
    yield line(left, bottom, right, bottom, "edge")


def _row(
    points: Mapping[str, Point], series: Sequence[str], axis: Axis, left: float, right: float, y: float, step: float
) -> Iterator[str]:
    """The marks of a row and their intervals, around a height."""

    def across(value: float) -> float:
        return left + axis.place(value) * (right - left)

    if step == 0 and len(points) > 1:
        ends = [across(point.value) for point in points.values()]
        yield line(min(ends), y, max(ends), y, "edge")
    for number, name in reversed(list(enumerate(series))):  # the first lies on top
        if name not in points:
            continue
        point, at = points[name], y + (number - (len(series) - 1) / 2) * (step if len(points) > 1 else 0)
        said = f"{name}: {axis.told(round(point.value, 4))}"
        if point.low is not None and point.high is not None:
            said += f" ({axis.told(round(point.low, 4))} to {axis.told(round(point.high, 4))})"
            yield line(across(point.low), at, across(point.high), at, f"l{number}")
        yield mark(number, across(point.value), at, said, size=_size(number))


def _drawn(
    plane: Plane, series: Sequence[str], across: Axis, up: Axis, box: tuple[float, float, float, float]
) -> Iterator[str]:
    """The lines of a plane, the first series last, so that it lies on top."""
    for number, name in reversed(list(enumerate(series))):
        points = plane.lines.get(name, ())
        places = [_at(point, across, up, *box) for point in points]
        if len(places) > 1:
            yield path(places, f"l{number}")
        for (x, y), point in zip(places, points, strict=True) if plane.points else ():
            yield mark(number, x, y, f"{name}: {up.told(round(point[1], 4))}", size=_size(number))


def _at(
    point: tuple[float, float], across: Axis, up: Axis, left: float, right: float, top: float, bottom: float
) -> tuple[float, float]:
    return left + across.place(point[0]) * (right - left), bottom - up.place(point[1]) * (bottom - top)


def _nothing(words: Words) -> str:
    """A card that says so where there is no figure at all."""
    body = [text(EDGE, 40, words.title, "title"), text(EDGE, 66, "There is no figure: nothing was measured.", "soft")]
    return document(WIDTH, 90, words.title, "There is no figure: nothing was measured.", body)


def _finished(words: Words, body: list[str], y: float) -> str:
    for number, note in enumerate(words.notes):
        body.append(text(EDGE, y + 18 + 18 * number, note, "soft", room=WIDTH))
    end = y + 18 * len(words.notes) + (22 if words.notes else 14)
    return document(WIDTH, end, words.title, words.description, body)


def _size(number: int) -> float:
    return 5.5 if number == 0 else 3.8
