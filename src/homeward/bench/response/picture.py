"""What ``bench response`` shows as a picture, from its JSON alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from homeward.bench.chart import Axis, Panel, Point, Words, dots
from homeward.bench.response.goals import DIFFERS, NEVER
from homeward.bench.response.shown import NAMES

Rows = dict[str, dict[str, Point]]

COSTS: Final = Axis(ticks=(0, 0.25, 0.5, 0.75, 1, 1.25))
THROUGH: Final = Axis(ticks=(0, 0.5, 1, 1.5, 2, 2.5))
HOMEWARD: Final = "Homeward"
REACH: Final = "the best within its bounds"
ORACLE: Final = "oracle"


def response(result: Mapping[str, Any]) -> dict[str, str]:
    """What each owner pays, and what gets through, as a share of the fixed ladder's."""
    costs, through = _costs(result), _through(result)
    owners = result["owners"].items()
    wanted = {_said(name): DIFFERS if one["differs"] else NEVER for name, one in owners}
    panels = [
        Panel(name="costs, the ladder's being 1", axis=COSTS, rows=costs, targets=wanted),
        Panel(name="attacks let through, likewise", axis=THROUGH, rows=through, targets=dict.fromkeys(through, 1.0)),
    ]
    told = "; ".join(
        f"{panel.name}, {row}: {points[HOMEWARD].value:.2f}"
        for panel in panels
        for row, points in panel.rows.items()
        if HOMEWARD in points
    )
    words = Words(
        title="What learning from answers is worth",
        below="Each owner's costs and what gets through, as a share of the fixed ladder's; further left is better.",
        description=f"Costs and attacks let through by owner and policy. {told}.",
        notes=(
            "The upright stroke is the target: at most so much.",
            "The oracle knows what is real; so it tells nobody of what is not.",
        ),
    )
    series = [HOMEWARD, *(NAMES[peer] for peer in result["peers"]), REACH, ORACLE]
    return {"": dots(words, series, panels)}


def _costs(result: Mapping[str, Any]) -> Rows:
    rows: Rows = {}
    for name, one in result["owners"].items():
        points = rows[_said(name)] = {}
        if not one["cost_fixed"]:
            continue
        points[HOMEWARD] = Point(one["ratio"], one["ratio_low"], one["ratio_high"])
        points[REACH] = Point(one["cost_within_reach"] / one["cost_fixed"])
        points[ORACLE] = Point(one["cost_oracle"] / one["cost_fixed"])
        for peer, by_owner in result["peers"].items():
            if by_owner[name]["cost_fixed"]:
                points[NAMES[peer]] = Point(by_owner[name]["cost"] / by_owner[name]["cost_fixed"])
    return rows


def _through(result: Mapping[str, Any]) -> Rows:
    rows: Rows = {}
    for name, one in result["owners"].items():
        points = rows[_said(name)] = {}
        if one["attacks_let_through_fixed"]:
            points[HOMEWARD] = Point(one["attacks_let_through"] / one["attacks_let_through_fixed"])
        for peer, by_owner in result["peers"].items():
            fixed = by_owner[name]["attacks_let_through_fixed"]
            if fixed:
                points[NAMES[peer]] = Point(by_owner[name]["attacks_let_through"] / fixed)
    return rows


def _said(name: str) -> str:
    return name.replace("_", " ")
