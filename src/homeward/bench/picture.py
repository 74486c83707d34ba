"""A small writer of SVG: well-formed, accessible, light and dark, the same bytes for the same drawing.

A drawing is text made of elements (`tag`, `text`, `mark`) that `document` puts on a card. Colours are classes, so
that the reader's light or dark scheme chooses them; the series ``s0`` … ``s6`` differ in colour and in the shape of
their mark. Nothing in it is loaded from outside, and no script is ever written: all text is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

SHAPES = ("circle", "square", "triangle", "diamond", "turned", "ring", "bar")
"""The mark of each series, in order; more series begin again."""

LIGHT = ("#0f766e", "#b45309", "#6d4fc4", "#be3a73", "#2f74b5", "#5f6b7a", "#7a6a1f")
DARK = ("#2dd4bf", "#f6ad55", "#b19bf5", "#f687b3", "#63b3ed", "#a9b4c2", "#d6c25a")

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2

_STYLE = """\
svg { color-scheme: light dark; font: 14px/1.3 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif }
.ground { fill: #fffdf6; stroke: #ddd6c4 }
.band { fill: #f4f0e4 }
.allowed { fill: #e4f1ec }
.grid { stroke: #e2dccb; stroke-width: 1; fill: none }
.edge { stroke: #8d8a7c; stroke-width: 1; fill: none }
.rule { stroke: #1d2a2a; stroke-width: 1.5; stroke-dasharray: 2 3; fill: none }
.target { stroke: #6d7775; stroke-width: 2.5; fill: none }
text { fill: #1d2a2a }
.title { font-size: 18px; font-weight: 650 }
.panel { font-weight: 650 }
.soft { fill: #5a6664; font-size: 12.5px }
"""
_STYLE_DARK = """\
.ground { fill: #141d1c; stroke: #2f3d3a }
.band { fill: #1b2725 }
.allowed { fill: #18332f }
.grid { stroke: #2c3a37 }
.edge { stroke: #7b8986 }
.rule { stroke: #e8efec }
.target { stroke: #9aa7a3 }
text { fill: #e8efec }
.soft { fill: #a5b3af }
"""


def document(width: float, height: float, title: str, description: str, body: Iterable[str]) -> str:
    """The whole file: a card of that size with the drawing on it. Title and description are read out to those who
    cannot see it."""
    dark = f"@media (prefers-color-scheme: dark) {{\n{_STYLE_DARK}{_colours(DARK)}}}"
    head = (
        f'<title id="title">{_clean(title)}</title>',
        f'<desc id="description">{_clean(description)}</desc>',
        f"<style>\n{_STYLE}{_colours(LIGHT)}{dark}\n</style>",
        tag("rect", "ground", x=0.5, y=0.5, width=width - 1, height=height - 1, rx=12),
    )
    size = f'viewBox="0 0 {number(width)} {number(height)}" width="{number(width)}" height="{number(height)}"'
    named = 'role="img" aria-labelledby="title description"'
    shown = (element for element in body if element)
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size} {named}>', *head, *shown, "</svg>\n"])


def tag(name: str, kind: str = "", inner: str = "", /, **attributes: float | str) -> str:
    """One element of a class; ``_`` in an attribute's name stands for ``-``. ``inner`` is markup, not text."""
    written = [name, *([f"class={quoteattr(kind)}"] if kind else [])]
    for key, value in attributes.items():
        shown = _clean(value, attribute=True) if isinstance(value, str) else f'"{number(value)}"'
        written.append(f"{key.replace('_', '-')}={shown}")
    return f"<{' '.join(written)}>{inner}</{name}>" if inner else f"<{' '.join(written)}/>"


def text(x: float, y: float, said: str, kind: str = "", *, anchor: str = "start", room: float | None = None) -> str:
    """A line of text with its baseline at ``y``. What does not fit into ``room`` is cut, and told in full when the
    pointer rests on it."""
    shown = said if room is None else cut(said, room)
    inner = _clean(shown) + ("" if shown == said else f"<title>{_clean(said)}</title>")
    where = {} if anchor == "start" else {"text_anchor": anchor}
    return tag("text", kind, inner, x=x, y=y, **where) if said else ""


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    return tag("path", kind, d=f"M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}")


def path(points: Iterable[tuple[float, float]], kind: str, *, closed: bool = False) -> str:
    """A line through all the points; closed, it is an area."""
    joined = "L".join(f"{number(x)} {number(y)}" for x, y in points)
    return tag("path", kind, d=f"M{joined}{'Z' if closed else ''}")


def mark(series: int, x: float, y: float, said: str, *, size: float = 4.5) -> str:
    """The mark of a series; ``said`` is told when the pointer rests on it."""
    shape, r = SHAPES[series % len(SHAPES)], size
    inner = f"<title>{_clean(said)}</title>"
    if shape in ("circle", "ring"):
        kind = f"s{series % len(LIGHT)}{' hollow' if shape == 'ring' else ''}"
        return tag("circle", kind, inner, cx=x, cy=y, r=r - (0.8 if shape == "ring" else 0))
    corners = {
        "square": ((-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)),
        "triangle": ((0, -1.15), (1.1, 0.85), (-1.1, 0.85)),
        "turned": ((0, 1.15), (1.1, -0.85), (-1.1, -0.85)),
        "diamond": ((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)),
        "bar": ((-0.45, -1.2), (0.45, -1.2), (0.45, 1.2), (-0.45, 1.2)),
    }[shape]
    way = "L".join(f"{number(x + dx * r)} {number(y + dy * r)}" for dx, dy in corners)
    return tag("path", f"s{series % len(LIGHT)}", inner, d=f"M{way}Z")


def width(said: str, size: float = 14) -> float:
    """How wide a text is at most: the reader's font is not known here, so a wide one is assumed."""
    ems = sum(
        0.36 if c in "iljtfr .,:;'|()" else 0.95 if c in "mwMW%@" else 0.74 if c.isupper() else 0.63 for c in said
    )
    return ems * size


def cut(said: str, room: float) -> str:
    """As much of a text as fits."""
    if width(said) <= room:
        return said
    while said and width(said) + 10 > room:
        said = said[:-1]
    return f"{said.rstrip()}…"


def number(value: float) -> str:
    """A coordinate: two decimals at most, and none that say nothing.

    Raises:
        ValueError: the value is no finite number, which no reader of SVG accepts.
    """
    if not abs(value) < float("inf"):
        raise ValueError(f"{value} is no coordinate")
    short = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if short == "-0" else short


def _colours(colours: Iterable[str]) -> str:
    return "".join(
        f".s{n} {{ fill: {c} }} .l{n} {{ stroke: {c}; stroke-width: 2; fill: none; stroke-linejoin: round }} "
        f".s{n}.hollow {{ fill: none; stroke: {c}; stroke-width: 2 }}\n"
        for n, c in enumerate(colours)
    )


def _clean(said: str, *, attribute: bool = False) -> str:
    plain = _FORBIDDEN.sub("�", said)
    return quoteattr(plain) if attribute else escape(plain)
