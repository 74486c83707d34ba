"""A rate that stands in a result by its own name, with its trials and the ends of its interval beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from homeward.bench.report import share
from homeward.bench.statistics import wilson


def rate(name: str, found: Sequence[bool]) -> dict[str, Any]:
    """``NAME``, ``NAME_low``, ``NAME_high`` (Wilson, 95 %) and ``NAME_trials``; the first three are ``None`` where
    nothing was tried."""
    if not found:
        return {name: None, f"{name}_low": None, f"{name}_high": None, f"{name}_trials": 0}
    low, high = wilson(sum(found), len(found))
    shown = {name: sum(found) / len(found), f"{name}_low": low, f"{name}_high": high}
    return {**{key: round(value, 6) for key, value in shown.items()}, f"{name}_trials": len(found)}


def shown(figures: Mapping[str, Any], name: str) -> str:
    """A rate made by `rate` with its interval, for a table."""
    value = figures[name]
    return share(
        value if value is None else {end: figures[f"{name}_{end}"] for end in ("low", "high")} | {"rate": value}
    )
