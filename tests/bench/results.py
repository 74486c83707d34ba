"""Results of benchmarks as BENCH.md wants them, made up by a seed: for the tests of tables and pictures."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from homeward.bench.network.goals import targets, together
from homeward.bench.report import pooled
from homeward.bench.statistics import wilson
from homeward.bench.targets import quiet_targets

SCENARIOS = (
    "night_entry", "odd_hour_entry", "away_entry", "away_entry_by_door", "ghost_command", "decoy", "sabotage",
    "flood", "other_home", "homecoming",
)  # fmt: skip
QUIET_PEERS = {"half_space_trees": 0.4, "isolation_forest": 0.5, "loda": 0.3, "markov": 0.45, "rules": 0.6}
BUDGETS = ("0.25", "1", "7")
ODD_NAME = 'a "home" <b>&amp; | more'
"""A name as a file may bring it."""


def rate(chance: random.Random, good: float) -> dict[str, Any]:
    """So many trials, each detected with that probability."""
    trials = 30 + chance.randrange(40)
    hits = sum(chance.random() < good for _ in range(trials))
    low, high = wilson(hits, trials)
    delay = 12.5 if hits else None
    return {
        "trials": trials, "detected": hits, "rate": hits / trials, "low": low, "high": high, "median_delay_s": delay,
    }  # fmt: skip


def flat(chance: random.Random, name: str, good: float) -> dict[str, Any]:
    """A rate that stands by its own name, with the ends of its interval beside it."""
    one = rate(chance, good)
    return {name: one["rate"], f"{name}_low": one["low"], f"{name}_high": one["high"]}


def quiet_home(chance: random.Random, good: float, lacks: Sequence[str] = (), **about: Any) -> dict[str, Any]:
    weeks, budgets = 2 + chance.random() * 20, {}
    for budget in BUDGETS:
        alarms = int(float(budget) * weeks * (1.6 - good) * chance.random() * 2)
        scenarios = {name: None if name in lacks else rate(chance, good) for name in SCENARIOS}
        if scenarios["homecoming"]:
            scenarios["homecoming"] = rate(chance, 0.02)
        budgets[budget] = {
            "alarms": alarms, "weeks": weeks, "alarms_per_week": alarms / weeks, "worst_week": min(alarms, 4),
            "scenarios": scenarios,
        }  # fmt: skip
    days = 14 + int(weeks * 7)
    return {
        "active_days": days, "events": 9999, "weeks": weeks, "ready_after_days": 14.0, **about, "budgets": budgets,
    }  # fmt: skip


def quiet_result(seed: str = "1", real: int = 3, simulated: int = 12) -> dict[str, Any]:
    """Homes, real and simulated, through the guard and its peers; LODA saw all simulated homes but the first."""
    chance = random.Random(f"results of quiet {seed}")
    kinds = ("family", "shift worker", "student")
    names: dict[str, Mapping[str, Any]] = {(f"home {n}" if n else ODD_NAME): {"real": True} for n in range(real)}
    names |= {f"sim {n}": {"real": False, "kind": kinds[n % 3]} for n in range(simulated)}
    homes = {name: quiet_home(chance, 0.9, **about) for name, about in names.items()}
    peers = {
        peer: {name: quiet_home(chance, good, **about) for name, about in names.items()}
        for peer, good in QUIET_PEERS.items()
    }
    peers["loda"].pop("sim 0", None)  # a peer need not have seen every home, nor at every budget
    peers["loda"] = {
        name: home if home["real"] else {**home, "budgets": {"1": home["budgets"]["1"]}}
        for name, home in peers["loda"].items()
    }
    for home in peers["rules"].values():
        for figures in home["budgets"].values():
            figures["level"] = "strict"
    result = {
        "homes": homes,
        "peers": peers,
        "pooled": {
            "real": pools(homes, real=True) if real else None,
            "simulated": pools(homes, real=False) if simulated else None,
        },
        "reasons": {"homes": {name: {} for name in homes}, "pooled": {}, "peers": {}, "budgets": {}},
        "seed": 1000,
    }
    return {**result, "targets": quiet_targets(result)}


def pools(homes: Mapping[str, Any], *, real: bool) -> dict[str, Any]:
    return {budget: pooled([home for home in homes.values() if home["real"] == real], budget) for budget in BUDGETS}


def generations_result() -> dict[str, Any]:
    chance = random.Random("results of generations")

    def found() -> dict[str, Any]:
        figures: dict[str, Any] = {}
        for generation, good in {"rules": 0.4, "one_size": 0.6, "personal": 0.9}.items():
            caught = rate(chance, good)
            costs = None if generation == "rules" else 10 * (1 - good)
            figures[generation] = {
                "detection_at_budget_1": caught["rate"], "caught_at_budget_1": caught, "alarms_per_week_at_95": costs,
            }  # fmt: skip
        return figures

    none = {"detection_at_budget_1": None, "alarms_per_week_at_95": None}
    nothing = dict.fromkeys(("rules", "one_size", "personal"), none)
    homes = {
        ODD_NAME: {"real": True, "generations": found()},
        "without": {"real": True, "generations": nothing},
        "sim": {"real": False, "generations": found()},
    }
    pooled_ = {"real": found(), "simulated": found()}
    return {"generations": pooled_["real"], "pooled": pooled_, "homes": homes, "reasons": {}, "seed": 1000}


def sequences_result() -> dict[str, Any]:
    chance = random.Random("results of sequences")
    methods = {"homeward": 0.95, "never_seen": 0.6, "markov": 0.5, "lof": 0.4}
    sets = {
        name: {
            "methods": {
                method: {
                    "train_s": 0.1, "fpr": 0.02,
                    **{
                        category: {"auc": good + 0.04 * chance.random(), "f1": 0.9, "precision": 0.9, "recall": 0.9}
                        for category in ("SD", "MD", "DM", "DD")
                    },
                }
                for method, good in methods.items()
            }
        }
        for name in ("first", ODD_NAME)
    }  # fmt: skip
    sets["without attacks"] = {"methods": {}}
    return {"sets": sets, "reasons": {}, "seed": 1000}


def change_result() -> dict[str, Any]:
    chance = random.Random("results of change")

    def home(*, real: bool, days: int | None) -> dict[str, Any]:
        return {
            "real": real, "homes": 1, "days_to_quiet": days, "alarms_in_change": 2.5,
            **flat(chance, "night_entry_before", 0.9), **flat(chance, "night_entry_after", 0.8),
        }  # fmt: skip

    homes = {ODD_NAME: home(real=True, days=3), "never": home(real=True, days=None), "sim": home(real=False, days=1)}
    sets = {
        f"set {n}": {
            "rates": [rate(chance, 0.1) for _ in range(n + 1)],
            "rates_without_learning": [rate(chance, 0.9) for _ in range(n + 1)],
        }
        for n in range(6)
    }
    pool = {"real": home(real=True, days=2), "simulated": home(real=False, days=1)}
    return {"sets": sets, "homes": homes, "pooled": pool, "reasons": {}, "seed": 1000}


def poison_result() -> dict[str, Any]:
    chance = random.Random("results of poison")

    def home(*, real: bool) -> dict[str, Any]:
        both = flat(chance, "guard", 0.95) | flat(chance, "always_learn", 0.2)
        motion = flat(chance, "guard", 0.5) | flat(chance, "always_learn", 0.2)
        return {"real": real, "trials": 30, **both, "motion_only": motion}

    none = dict.fromkeys([f"{name}{end}" for name in ("guard", "always_learn") for end in ("", "_low", "_high")])
    without = {"real": True, "trials": 0, **none, "motion_only": none}
    homes = {ODD_NAME: home(real=True), "no entrance": without, "sim": home(real=False)}
    pool = {"real": home(real=True), "simulated": None}
    return {"homes": homes, "pooled": pool, "reasons": {"no entrance": "none"}, "seed": 1000}


def masquerade_result() -> dict[str, Any]:
    chance = random.Random("results of masquerade")

    def found(good: float) -> dict[str, Any]:
        caught = rate(chance, good)
        return {
            "auc": good, "auc_low": good - 0.1, "auc_high": good + 0.01,
            "hits_at_5pct": caught["rate"], "hits_low": caught["low"], "hits_high": caught["high"],
        }  # fmt: skip

    methods = {"homeward": found(0.98), "naive_bayes": found(0.9), "never_seen": found(0.7)}
    names = (ODD_NAME, *(f"user {n}" for n in range(30)))
    users = {name: {"auc": 0.9 + n / 1000, "hits_at_5pct": n / 40} for n, name in enumerate(names)}
    return {
        **methods["homeward"],
        "methods": methods,
        "spliced": methods,
        "users": users,
        "reasons": {},
        "seed": 1000,
    }


def network_result() -> dict[str, Any]:
    chance = random.Random("results of network")

    def found(good: float, *, attacked: bool) -> dict[str, Any]:
        alarms = int(10 * (1 - good))
        caught = flat(chance, "flows_caught", good) if attacked else dict.fromkeys(FLOWS_CAUGHT)
        areas = (good, good - 0.1, good + 0.01) if attacked else (None, None, None)
        return {
            "benign_alarms": alarms, "benign_alarms_per_day": alarms / 0.5, **caught,
            "first_alarm_after_flows": alarms + 1 if attacked and good > 0.8 else None,
            **dict(zip(("auc", "auc_low", "auc_high"), areas, strict=True)),
        }  # fmt: skip

    methods = {"homeward": 0.98, "half_space_trees": 0.7, "never_seen": 0.9}
    captures = {
        name: {
            "benign_days": 0.5, "devices": 2, "malicious": 10 * attacked,
            "methods": {method: found(good, attacked=attacked) for method, good in methods.items()},
        }
        for name, attacked in (("first", True), (ODD_NAME, True), ("without attacks", False))
    }  # fmt: skip
    whole = together(captures, list(methods))
    return {
        "captures": captures,
        "together": whole,
        "targets": targets(captures, whole),
        "flows_per_s": {"decoded": 40_000, "scored": 60_000, "both": 24_000, "in_a_home": 30_000},
        "reasons": {"captures": {}, "methods": {}},
        "seed": 1000,
    }


FLOWS_CAUGHT = ("flows_caught", "flows_caught_low", "flows_caught_high")


def speed_result() -> dict[str, Any]:
    """What an event costs on a machine that nobody has."""
    ways = {"": 5.0, "echo_": 0.5, "commit_": 1.2, "act_": 2.5}
    return {
        "events_per_s": {"homeward": 4_000, "half_space_trees": 15_000, "isolation_forest": 1_100, "markov": 900_000},
        "kernel_events_per_s": 18_000,
        "compiled_kernel_events_per_s": None,
        "latency_ms": {f"{way}p{percent}": ms * percent / 50 for way, ms in ways.items() for percent in (50, 99)},
        "growth": {"day_1": 4_000, "day_365": 5_000, "devices_10": 4_500, "devices_10000": 1_200},
        "seed": 1000,
    }


def response_result() -> dict[str, Any]:
    """Two owners whom nobody has."""
    owners = {
        name: {
            "differs": differs, "cost_fixed": 0.5, "cost_oracle": 0.2, "cost_within_reach": 0.33,
            "ratio": ratio, "ratio_low": ratio - 0.02, "ratio_high": ratio + 0.02,
            "attacks_let_through": 90, "attacks_let_through_fixed": 100,
        }
        for name, differs, ratio in (("easily_annoyed", True, 0.7), ("tolerant", False, 1.0))
    }  # fmt: skip
    beside = {"cost": 0.4, "cost_fixed": 0.5, "attacks_let_through": 140, "attacks_let_through_fixed": 100}
    peers = {peer: dict.fromkeys(owners, beside) for peer in ("vowpal_wabbit", "mabwiser")}
    return {"owners": owners, "peers": peers, "seed": 1000}


RESULTS = {
    "quiet": quiet_result(),
    "generations": generations_result(),
    "sequences": sequences_result(),
    "change": change_result(),
    "poison": poison_result(),
    "masquerade": masquerade_result(),
    "network": network_result(),
    "speed": speed_result(),
    "response": response_result(),
}
