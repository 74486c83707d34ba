"""Where a generation's threshold is set, and what it is judged by: never by the same trials or weeks."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from homeward.bench.homes import DAYS_A_WEEK
from homeward.bench.readings import Reading
from homeward.bench.statistics import wilson

BENIGN: Final = "homecoming"
ODD_HOUR: Final = "odd_hour_entry"
CAUGHT: Final = 0.95
BUDGET: Final = 1.0
RESAMPLES: Final = 1000
ODD, EVEN = 1, 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One home, through every generation; and why it lacks a scenario."""

    home: str
    real: bool
    reasons: Mapping[str, str]
    readings: Mapping[str, Reading]


def figures(pool: Sequence[Reading], judged: Sequence[Reading], *, name: str) -> dict[str, Any]:
    """The figures of a generation in the judged homes, at the thresholds that are set on the pool.

    ``name`` makes the draws of the bootstrap. A reading's last level is that of a guard switched off.
    """
    quiet, keen = quiet_place(pool), keen_place(pool)
    cells = _cells(judged, quiet, EVEN)
    found = _mean(cells)
    low, high = _resampled(cells, name)
    caught = None if found is None else {"rate": round(found, 6), "low": round(low, 6), "high": round(high, 6)}
    return {
        "detection_at_budget_1": None if found is None else round(found, 6),
        "caught_at_budget_1": caught,
        "alarms_per_week_at_budget_1": _weekly(judged, quiet, (EVEN,)),
        "alarms_per_week_at_95": None if keen is None else _weekly(judged, keen, (ODD, EVEN)),
        "caught_at_95": None if keen is None else _odd_hours(judged, keen, EVEN),
        "scenarios": _by_scenario(judged, quiet),
    }


def quiet_place(pool: Sequence[Reading]) -> int:
    """The level that detects most of the odd trials among those that keep the budget on the odd weeks; of equals
    the quietest. Where none keeps it, the quietest of all."""
    levels = range(len(pool[0].alarms[0]))
    allowed = BUDGET * sum(reading.days[0] for reading in pool) / DAYS_A_WEEK
    alarms = [sum(reading.alarms[0][level] for reading in pool) for level in levels]
    kept = [level for level in levels if alarms[level] <= allowed]
    if not kept:
        return min(levels, key=lambda level: (alarms[level], -level))
    return max(kept, key=lambda level: (_mean(_cells(pool, level, ODD)) or 0.0, -alarms[level], level))


def keen_place(pool: Sequence[Reading]) -> int | None:
    """The highest level that detects 95 % of the odd trials of an entry at an odd hour; ``None`` if none does."""
    for level in reversed(range(len(pool[0].alarms[0]))):
        found = [hit for reading in pool for hit in _trials(reading, ODD_HOUR, level, ODD)]
        if found and sum(found) >= CAUGHT * len(found):
            return level
    return None


def _trials(reading: Reading, scenario: str, level: int, parity: int) -> list[bool]:
    return [hits[level] for number, hits in reading.detected.get(scenario, ()) if number % 2 == parity]


def _cells(readings: Sequence[Reading], level: int, parity: int) -> list[list[bool]]:
    """The trials of every home and scenario; a homecoming is benign and no scenario to be caught."""
    cells = [
        _trials(reading, scenario, level, parity)
        for reading in readings
        for scenario in reading.detected
        if scenario != BENIGN
    ]
    return [cell for cell in cells if cell]


def _mean(cells: Sequence[Sequence[bool]]) -> float | None:
    """The mean over cells of the share that was detected."""
    return sum(sum(cell) / len(cell) for cell in cells) / len(cells) if cells else None


def _resampled(cells: Sequence[Sequence[bool]], name: str) -> tuple[float, float]:
    """The middle 95 % of the mean when every cell's trials are drawn again (Efron 1979); 0 to 1 without cells."""
    if not cells:
        return 0.0, 1.0
    chance = random.Random(f"bootstrap {name}")  # noqa: S311  # no secret
    means = sorted(
        sum(sum(chance.choices(cell, k=len(cell))) / len(cell) for cell in cells) / len(cells)
        for _ in range(RESAMPLES)
    )
    return means[RESAMPLES * 25 // 1000], means[RESAMPLES * 975 // 1000 - 1]


def _weekly(readings: Sequence[Reading], level: int, parities: Sequence[int]) -> float | None:
    """Alarms a week at a level, in the weeks of these numbers."""
    places = [1 - parity for parity in parities]  # the first week is an odd one
    days = sum(reading.days[place] for reading in readings for place in places)
    alarms = sum(reading.alarms[place][level] for reading in readings for place in places)
    return round(alarms * DAYS_A_WEEK / days, 6) if days else None


def _odd_hours(readings: Sequence[Reading], level: int, parity: int) -> dict[str, Any] | None:
    return _rate([hit for reading in readings for hit in _trials(reading, ODD_HOUR, level, parity)])


def _by_scenario(readings: Sequence[Reading], level: int) -> dict[str, Any]:
    """Every scenario's share of even trials that was detected; of a homecoming, of false alarms."""
    scenarios = dict.fromkeys(scenario for reading in readings for scenario in reading.detected)
    return {
        scenario: _rate([hit for reading in readings for hit in _trials(reading, scenario, level, EVEN)])
        for scenario in scenarios
    }


def _rate(found: Sequence[bool]) -> dict[str, Any] | None:
    if not found:
        return None
    low, high = wilson(sum(found), len(found))
    return {
        "trials": len(found),
        "rate": round(sum(found) / len(found), 6),
        "low": round(low, 6),
        "high": round(high, 6),
    }
