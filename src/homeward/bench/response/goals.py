"""The targets of ``bench response``, judged from its figures alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from homeward.bench.goals import value_at_most

DIFFERS: Final = 0.7
NEVER: Final = 1.05
OFF_POLICY: Final = 0.10

Goal = dict[str, Any]


def targets(result: Mapping[str, Any]) -> dict[str, Goal]:
    """Each target with its figure. Costs are judged as shares of the ladder's: by the figure, not by its interval."""
    goals: dict[str, Goal] = {}
    for name, owner in result["owners"].items():
        goals[f"{name}: cost beside the ladder's"] = value_at_most(
            owner["ratio"], DIFFERS if owner["differs"] else NEVER
        )
    for name, owner in result["owners"].items():
        fixed = owner["attacks_let_through_fixed"]
        goals[f"{name}: attacks let through"] = value_at_most(owner["attacks_let_through"], fixed)
    breaches = sum(owner["guardrail_breaches"] for owner in result["owners"].values())
    goals["guardrail breaches"] = value_at_most(breaches, 0)
    goals["off-policy error"] = value_at_most(result["off_policy_error"], OFF_POLICY)
    moved = result["thresholds_moved"]
    unknown: Goal = {"met": None, "figure": None, "at_most": 0}
    goals["thresholds moved by the hostile owner"] = unknown if moved is None else value_at_most(moved, 0)
    return goals
