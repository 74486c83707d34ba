"""The targets of `bench network`, judged from its figures alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from homeward.bench.goals import Goals, value_at_least, value_at_most

FIRST_ALARM: Final = 5
AUC: Final = 0.99

Captures = Mapping[str, Mapping[str, Any]]


def together(captures: Captures, methods: list[str]) -> dict[str, dict[str, Any]]:
    """Each method over all captures: its benign alarms and in how many judged benign days, and over those with
    attacks the mean area, the least, and the most malicious flows before a first alarm (``None``: once never)."""
    days = sum(capture["benign_days"] for capture in captures.values())
    found = {}
    for method in methods:
        every = [capture["methods"][method] for capture in captures.values()]
        attacked = [one for one in every if one["auc"] is not None]
        areas = [one["auc"] for one in attacked]
        firsts = [one["first_alarm_after_flows"] for one in attacked]
        alarms = sum(one["benign_alarms"] for one in every)
        found[method] = {
            "benign_alarms": alarms,
            "benign_alarms_per_day": round(alarms / days, 6) if days else None,
            "auc": round(sum(areas) / len(areas), 6) if areas else None,
            "least_auc": min(areas, default=None),
            "flows_caught": round(sum(one["flows_caught"] for one in attacked) / len(attacked), 6)
            if attacked
            else None,
            "first_alarm_after_flows": None if None in firsts else max(firsts, default=None),
            "never_caught": firsts.count(None),
        }
    return found


def targets(captures: Captures, whole: Mapping[str, Mapping[str, Any]]) -> Goals | None:
    """What is to be reached by the first of the methods, and whether it is; ``None`` without anything judged."""
    if not captures or not whole:
        return None
    (ours, *_), peers = whole.values(), dict(list(whole.items())[1:])
    days = round(sum(capture["benign_days"] for capture in captures.values()), 6)
    goals = {"benign_alarms": value_at_most(ours["benign_alarms"], days)}
    if ours["auc"] is None:
        return goals
    goals |= {
        "first_alarm_after_flows": value_at_most(ours["first_alarm_after_flows"], FIRST_ALARM),
        "least_auc": value_at_least(ours["least_auc"], AUC),
    }
    if peers:
        best = max(peers, key=lambda name: peers[name]["auc"])
        goals["mean_auc"] = {
            "met": ours["auc"] > peers[best]["auc"],
            "figure": ours["auc"],
            "at_least": peers[best]["auc"],
            "peer": best,
        }
    return goals
