"""The targets of ``bench quiet``, judged from its result alone.

A rate misses its target only if its 95 % interval lies wholly on the wrong side. Each target is judged on the pool
of real homes, on that of simulated ones, and on each home; ``met`` is ``None`` where there is nothing to judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from homeward.bench.report import BENIGN, mean_caught, pooled
from homeward.bench.statistics import poisson_tail

Figures = Mapping[str, Any]

BUDGET = "1"
"""The budget at which detection is judged."""

POOL_ONLY = "0.25"
"""A budget at which a single home has too few alarms to be judged by."""

DIGITS = 6
"""Figures are compared as they are published: the interval of all of all ends at 1, not a rounding error below."""

LEAST_WEEKS = 4.0
LEAST_CHANCE = 0.01

LEAST = {
    "night_entry": 0.99, "odd_hour_entry": 0.80, "away_entry": 0.95, "ghost_command": 0.90, "sabotage": 0.95,
    "flood": 1.0, "other_home": 0.90, "stranger": 0.99,
}  # fmt: skip
MOST = {BENIGN: 0.01}
DECOY_COSTS = 0.02
"""So much less than a night entry may be found after a decoy."""


def quiet_targets(result: Figures) -> dict[str, Any]:
    """``{"real": {TARGET: …}, "simulated": …, "homes": {NAME: …}}``, each target with ``met`` and its figures.

    A pool without homes is ``None``. Peers are compared on the homes that they saw, ours and theirs.
    """
    homes, peers = result["homes"], result["peers"]
    targets: dict[str, Any] = {}
    for kind, pool in result["pooled"].items():
        names = [name for name, home in homes.items() if home["real"] == (kind == "real")]
        targets[kind] = None
        if pool:
            alarms = {
                f"alarms_at_{budget}": _pooled_alarms(float(budget), figures) for budget, figures in pool.items()
            }
            targets[kind] = {**alarms, **_rates(pool.get(BUDGET)), **_against(peers, {n: homes[n] for n in names})}
    targets["homes"] = {
        name: {
            **dict(_alarms(home["budgets"])),
            **_rates(home["budgets"].get(BUDGET)),
            **_against(peers, {name: home}),
        }
        for name, home in homes.items()
    }
    return targets


def _pooled_alarms(budget: float, figures: Figures) -> dict[str, Any]:
    allowed = round(budget * figures["weeks"], 4)  # weeks are sevenths, told to six digits
    return {"met": figures["alarms"] <= allowed, "figure": figures["alarms"], "at_most": allowed}


def _alarms(budgets: Figures) -> Iterator[tuple[str, dict[str, Any]]]:
    """So many alarms must not be what chance alone gives fewer than one home of a hundred at that budget."""
    for budget, figures in budgets.items():
        if budget == POOL_ONLY:
            continue
        weeks, alarms = figures["weeks"], figures["alarms"]
        chance = poisson_tail(float(budget) * weeks, alarms)
        enough = weeks >= LEAST_WEEKS
        judged = {
            "met": chance >= LEAST_CHANCE if enough else None,
            "figure": alarms,
            "chance": round(chance, DIGITS),
        }
        yield f"alarms_at_{budget}", judged | {"at_least": LEAST_CHANCE}


def _rates(figures: Figures | None) -> dict[str, dict[str, Any]]:
    scenarios = figures["scenarios"] if figures else {}
    night = scenarios.get("night_entry")
    least = {**LEAST, "decoy": max(0.0, round(night["rate"] - DECOY_COSTS, DIGITS))} if night else LEAST
    judged = {name: _at_least(scenarios.get(name), bound) for name, bound in least.items()}
    return judged | {name: _at_most(scenarios.get(name), bound) for name, bound in MOST.items()}


def _at_least(rate: Figures | None, bound: float) -> dict[str, Any]:
    return _judged(rate, round(rate["high"], DIGITS) >= bound if rate else None) | {"at_least": bound}


def _at_most(rate: Figures | None, bound: float) -> dict[str, Any]:
    return _judged(rate, round(rate["low"], DIGITS) <= bound if rate else None) | {"at_most": bound}


def _judged(rate: Figures | None, met: bool | None) -> dict[str, Any]:
    figures = {name: rate[name] if rate else None for name in ("rate", "low", "high")}
    return {"met": met, "figure": figures.pop("rate"), **figures}


def _against(peers: Figures, homes: Mapping[str, Figures]) -> dict[str, dict[str, Any]]:
    """Below no peer in any column by more than the interval, and ahead of all of them in the mean."""
    below: list[dict[str, Any]] = []
    means: dict[str, Any] = {}
    for peer, seen in peers.items():
        both = [name for name in homes if BUDGET in seen.get(name, {"budgets": {}})["budgets"]]
        if not both:
            continue
        ours, theirs = (pooled([of[name] for name in both], BUDGET) for of in (homes, seen))
        below += [{"peer": peer, **column} for column in _below(ours["scenarios"], theirs["scenarios"])]
        means[peer] = {
            "homes": len(both),
            "figure": _mean(theirs),
            "ours": _mean(ours),
            "alarms_per_week": _rounded(theirs["alarms_per_week"]),
            "ours_alarms_per_week": _rounded(ours["alarms_per_week"]),
        }
    compared = [mean for mean in means.values() if mean["ours"] is not None]
    ahead = all(mean["ours"] > mean["figure"] for mean in compared)
    return {
        "below_no_peer": {"met": not below if compared else None, "below": below},
        "ahead_in_the_mean": {"met": ahead if compared else None, "peers": means},
    }


def _below(ours: Figures, theirs: Figures) -> Iterator[dict[str, Any]]:
    for scenario, rate in ours.items():
        peer = theirs.get(scenario)
        if not rate or not peer:
            continue
        low, high, peers = (round(figure, DIGITS) for figure in (rate["low"], rate["high"], peer["rate"]))
        if low > peers if scenario == BENIGN else high < peers:
            yield {"scenario": scenario, "figure": peers, "ours": _rounded(rate["rate"])}


def _mean(figures: Figures) -> float | None:
    return _rounded(mean_caught(figures["scenarios"]))


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, DIGITS)
