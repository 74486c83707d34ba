"""A set of windows that tells of one context and then of another: the old one is learned, the new one streamed.

Windows have no clock, so a day is ten of them. After each ten the guard learns what it may: windows at or below its
threshold, and, of those that alarmed, the 70 % to which the owner answers "that was me". The threshold is always the
98th percentile of validation's windows, as the guard scores them by then. All scores come before learning.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from homeward.bench.course import ANSWERED_SHARE
from homeward.bench.sequences.homeward import Homeward
from homeward.bench.sequences.judge import PERCENTILE, percentile
from homeward.bench.sequences.windows import Window, load
from homeward.bench.statistics import wilson

A_DAY: Final = 10
HUNDRED: Final = 100
PROMISED: Final = 1 - PERCENTILE / 100
"""The share of usual windows that the threshold lets alarm."""


def figures(name: str, path: Path, seed: int) -> dict[str, Any]:
    """The figures of one set.

    Raises:
        FileError: the file cannot be read.
    """
    windows = load(path)
    train, validation, test = ([w for w in windows if w.split == split] for split in ("train", "validation", "test"))
    new, attacks = [w for w in test if not w.category], [w for w in test if w.category]
    old, old_threshold = _fitted(train, validation, seed)
    alarmed, guard, threshold = _stream(name, train, validation, new, seed)
    old_rate = sum(old.score(window) > old_threshold for window in validation) / len(validation)
    return {
        "old_windows": len(train) + len(validation),
        "new_windows": len(new),
        "old_rate": round(old_rate, 6),
        "rates": _by_hundred(alarmed),
        "rates_without_learning": _by_hundred([old.score(window) > old_threshold for window in new]),
        "windows_to_quiet": windows_to_quiet(alarmed, 2 * max(old_rate, PROMISED)),
        "attacks_before": _caught([old.score(window) > old_threshold for window in attacks]),
        "attacks_after": _caught([guard.score(window) > threshold for window in attacks]),
    }


def _fitted(learned: Sequence[Window], validation: Sequence[Window], seed: int) -> tuple[Homeward, float]:
    guard = Homeward(learned, seed)
    return guard, percentile([guard.score(window) for window in validation], PERCENTILE)


def _stream(
    name: str, train: Sequence[Window], validation: Sequence[Window], new: Sequence[Window], seed: int
) -> tuple[list[bool], Homeward, float]:
    """Which of the new context's windows alarmed, in order; the guard and its threshold at the end."""
    learned, alarmed = list(train), list[bool]()
    guard, threshold = _fitted(learned, validation, seed)
    for first in range(0, len(new), A_DAY):
        for number, window in enumerate(new[first : first + A_DAY], first):
            alarmed.append(guard.score(window) > threshold)
            answers = random.Random(f"{seed} {name} {number}").random() < ANSWERED_SHARE  # noqa: S311  # no secret
            if not alarmed[-1] or answers:
                learned.append(window)
        guard, threshold = _fitted(learned, validation, seed)
    return alarmed, guard, threshold


def windows_to_quiet(alarmed: Sequence[bool], most: float) -> int | None:
    """How many windows pass until the share that alarms of the hundred that follow is below ``most``; ``None`` where
    no such hundred came."""
    for first in range(len(alarmed) - HUNDRED + 1):
        if sum(alarmed[first : first + HUNDRED]) < most * HUNDRED:
            return first
    return None


def _by_hundred(alarmed: Sequence[bool]) -> list[dict[str, Any]]:
    """The share of each hundred windows that alarmed, with its interval; the last hundred may be short."""
    return [_share(alarmed[first : first + HUNDRED]) for first in range(0, len(alarmed), HUNDRED)]


def _caught(found: Sequence[bool]) -> dict[str, Any] | None:
    return _share(found) if found else None


def _share(found: Sequence[bool]) -> dict[str, Any]:
    low, high = wilson(sum(found), len(found))
    return {
        "windows": len(found),
        "rate": round(sum(found) / len(found), 6),
        "low": round(low, 6),
        "high": round(high, 6),
    }
