"""The protocol of `bench sequences`: a threshold from validation, and how well it tells attacks from normal life."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from homeward.bench.statistics import Z_95, wilson

PERCENTILE: Final = 98
"""Of the normal validation windows so many in a hundred stay at or below the threshold."""


def percentile(scores: Sequence[float], percent: int) -> float:
    """The smallest score with at least so many in a hundred at or below it (nearest rank, not interpolated).

    Raises:
        ValueError: there are no scores, or the percentage is not within 1 to 100.
    """
    if not scores or not 1 <= percent <= 100:
        raise ValueError(f"no percentile {percent} of {len(scores)} scores")
    return sorted(scores)[-(-percent * len(scores) // 100) - 1]


def area(attacks: Sequence[float], normal: Sequence[float]) -> tuple[float, float, float]:
    """The area under the ROC curve with its 95 % interval (DeLong 1988, by mid-ranks as Sun and Xu 2014).

    A tie counts half. Where the two overlap nowhere the interval has no width.

    Raises:
        ValueError: one of the two is empty.
    """
    if not attacks or not normal:
        raise ValueError("an area needs attacks and normal windows")
    m, n = len(attacks), len(normal)
    together = _ranks([*attacks, *normal])
    above = [(whole - own) / n for whole, own in zip(together[:m], _ranks(attacks), strict=True)]
    below = [1 - (whole - own) / m for whole, own in zip(together[m:], _ranks(normal), strict=True)]
    value = math.fsum(above) / m
    half = Z_95 * math.sqrt(_variance(above) / m + _variance(below) / n)
    return value, max(0.0, value - half), min(1.0, value + half)


def _ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1; equal values share the middle of theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for place in order[start:end]:
            ranks[place] = (start + end + 1) / 2
        start = end
    return ranks


def _variance(values: Sequence[float]) -> float:
    if len(values) < 2:
        return 0.0
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def figures(attacks: Sequence[float], normal: Sequence[float], threshold: float) -> dict[str, float]:
    """One category against the normal test windows: f1, precision, recall and auc, with intervals."""
    caught = sum(score > threshold for score in attacks)
    false = sum(score > threshold for score in normal)
    recall = caught / len(attacks)
    precision = caught / (caught + false) if caught else 0.0
    low, high = wilson(caught, len(attacks))
    auc, auc_low, auc_high = area(attacks, normal)
    found = {
        "f1": 2 * precision * recall / (precision + recall) if caught else 0.0,
        "precision": precision,
        "recall": recall,
        "recall_low": low,
        "recall_high": high,
        "auc": auc,
        "auc_low": auc_low,
        "auc_high": auc_high,
    }
    return {name: round(value, 6) for name, value in found.items()}


def false_alarms(normal: Sequence[float], threshold: float) -> dict[str, Any]:
    """The share of normal test windows that are flagged, with its interval."""
    flagged = sum(score > threshold for score in normal)
    low, high = wilson(flagged, len(normal))
    return {"fpr": round(flagged / len(normal), 6), "fpr_low": round(low, 6), "fpr_high": round(high, 6)}
