"""Results of benchmarks as BENCH.md wants them, made up by a seed: for the tests of tables and pictures."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from homeward.bench.statistics import wilson

SCENARIOS = (
    "night_entry", "odd_hour_entry", "away_entry", "away_entry_by_door", "ghost_command", "decoy", "sabotage",
    "flood", "other_home", "homecoming",
)  # fmt: skip
QUIET_PEERS = ("half_space_trees", "isolation_forest", "loda", "markov", "rules")
BUDGETS = ("0.25", "1", "7")


def rate(chance: random.Random, good: float) -> dict[str, Any]:
    trials = 30 + chance.randrange(40)
    hits = sum(chance.random() < good for _ in range(trials))
    low, high = wilson(hits, trials)
    delay = 12.5 if hits else None
    return {
        "trials": trials,
        "detected": hits,
        "rate": hits / trials,
        "low": low,
        "high": high,
        "median_delay_s": delay,
    }


def quiet_home(chance: random.Random, good: float, lacks: Sequence[str] = (), **about: Any) -> dict[str, Any]:
    weeks, budgets = 2 + chance.random() * 20, {}
    for budget in BUDGETS:
        alarms = int(float(budget) * weeks * (1.6 - good) * chance.random() * 2)
        scenarios = {
            name: None if name in lacks else rate(chance, good * chance.random() ** 0.2) for name in SCENARIOS
        }
        if scenarios["homecoming"]:
            scenarios["homecoming"] = rate(chance, 0.02)
        budgets[budget] = {
            "alarms": alarms, "weeks": weeks, "alarms_per_week": alarms / weeks, "worst_week": min(alarms, 4),
            "scenarios": scenarios,
        }  # fmt: skip
    return {
        "active_days": 14 + int(weeks * 7),
        "events": 9999,
        "weeks": weeks,
        "ready_after_days": 14.0,
        **about,
        "budgets": budgets,
    }
