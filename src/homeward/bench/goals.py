"""A target and whether it is met, as it stands in a result and in a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from homeward.bench.report import NONE, figure

Goals = Mapping[str, Mapping[str, Any]]

WANTED: Final = {"at least": "at_least", "at most": "at_most"}
GOALS_HEAD: Final = ("target", "homes", "figure", "wanted", "it is")


def rate_at_least(figures: Mapping[str, Any], name: str, bound: float) -> dict[str, Any]:
    """A rate of `homeward.bench.rates`: it misses only if its whole 95 % interval lies below. ``met`` is ``None``
    where nothing was tried."""
    value = figures[name]
    met = None if value is None else figures[f"{name}_high"] >= bound
    return {"met": met, "figure": value, "at_least": bound} | {
        end: figures[f"{name}_{end}"] for end in ("low", "high")
    }


def value_at_most(value: float | None, bound: float) -> dict[str, Any]:
    """A figure; ``None`` stands for what was never reached, and misses."""
    return {"met": value is not None and value <= bound, "figure": value, "at_most": bound}


def value_at_least(value: float | None, bound: float) -> dict[str, Any]:
    """The same the other way."""
    return {"met": value is not None and value >= bound, "figure": value, "at_least": bound}


def goal_rows(goals: Mapping[str, Goals | None]) -> Iterator[list[str]]:
    """A row for each target of each pool, for a table below `GOALS_HEAD`."""
    for kind in ("real", "simulated"):
        for name, goal in (goals.get(kind) or {}).items():
            bounds = [(said, goal[key]) for said, key in WANTED.items() if key in goal]
            wanted = "".join(f"{said} {bound:.3g}" for said, bound in bounds) or "reached at all"
            yield [name.replace("_", " "), kind, _figure(goal), wanted, _met(goal["met"])]


def _figure(goal: Mapping[str, Any]) -> str:
    value = figure(goal["figure"])
    return f"{value} ({figure(goal['low'])}-{figure(goal['high'])})" if goal.get("low") is not None else value


def _met(met: bool | None) -> str:
    return NONE if met is None else "met" if met else "missed"
