"""``homeward bench quiet``: does it stay silent, and does it still catch them?

Every home of a folder is streamed in time order into an empty guard, once for each budget, and through the peers
beside it, with the same answers and the same injections. Figures start at midnight of the 15th active day.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from homeward.bench.alarmed import Alarmed
from homeward.bench.course import Course, follow
from homeward.bench.homes import DAYS_A_WEEK, LEARNING_DAYS, Household, find_homes, load
from homeward.bench.methods import Homeward, Method
from homeward.bench.peers import LEVELS, MarkovChain, Rules
from homeward.bench.report import markdown, table
from homeward.bench.scenarios import SCENARIOS, plan, shares_a_kind
from homeward.bench.statistics import wilson

__all__ = ["BUDGETS", "SEED", "markdown", "run", "table"]

BUDGETS = (0.25, 1.0, 7.0)
SEED = 1000
NO_SIMULATED = "no simulated home; the neighbourhood comes with “Quiet and right”"


@dataclass(slots=True, kw_only=True)
class Tally:
    """What one method did in one home at one budget; tallies of homes add up to a pool."""

    weeks: float = 0.0
    alarms: int = 0
    worst_week: int = 0
    delays: dict[str, list[float | None]] = field(default_factory=dict)
    ready_after_days: float | None = None

    def add(self, other: Tally) -> None:
        self.weeks += other.weeks
        self.alarms += other.alarms
        self.worst_week = max(self.worst_week, other.worst_week)
        for scenario, delays in other.delays.items():
            self.delays.setdefault(scenario, []).extend(delays)

    def figures(self) -> dict[str, Any]:
        """The figures as published; ``None`` where there is nothing to divide by."""
        return {
            "alarms": self.alarms,
            "weeks": round(self.weeks, 6),
            "alarms_per_week": round(self.alarms / self.weeks, 6) if self.weeks else None,
            "worst_week": self.worst_week,
            "scenarios": {scenario: _rate(self.delays.get(scenario, [])) for scenario in SCENARIOS},
        }

    def mean_rate(self) -> float:
        """The mean of the scenarios' rates."""
        rates = [sum(d is not None for d in delays) / len(delays) for delays in self.delays.values() if delays]
        return sum(rates) / len(rates) if rates else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One home at one budget: every method's tally (rules by level), and why scenarios are missing."""

    home: str
    budget: float
    real: bool
    active_days: int
    events: int
    weeks: float
    reasons: Mapping[str, str]
    homeward: Tally
    markov: Tally
    rules: Mapping[str, Tally]


def run(
    data: Path,
    *,
    seed: int = SEED,
    homes: Sequence[str] | None = None,
    budgets: Sequence[float] = BUDGETS,
    trials_per_week: int = 3,
    progress: Callable[[int, int, str], None] | None = None,
    workers: int | None = None,
) -> dict[str, Any]:
    """Measure every home of the folder with at least 14 active days (or only those named).

    The answer is a pure function of the data and the other arguments; ``workers`` (processes; by default one for
    each core) and ``progress`` (called with done, total, what) change nothing in it.

    Raises:
        FileError: a file of the folder cannot be read.
        ValueError: a named home is not in the folder or has fewer than 14 active days.
    """
    jobs = _jobs(data, homes, budgets, seed, trials_per_week)
    measured = _in_parallel(jobs, workers or os.cpu_count() or 1, progress)
    return _result(sorted(measured, key=lambda m: (m.home, budgets.index(m.budget))), budgets, seed)


_Job = tuple[str, str, tuple[str, ...], float, int, int]


def _jobs(
    data: Path, homes: Sequence[str] | None, budgets: Sequence[float], seed: int, trials_per_week: int
) -> list[_Job]:
    found = {name: load(name, path) for name, path in find_homes(data).items()}
    active = {name: home for name, home in found.items() if len(home.days) >= LEARNING_DAYS}
    if unknown := [name for name in homes or () if name not in active]:
        raise ValueError(f"{data}: no home {', '.join(unknown)} with at least {LEARNING_DAYS} active days")
    chosen = [home for home in active.values() if homes is None or home.name in homes]
    chosen.sort(key=lambda home: -len(home.events))  # the longest first, so that no core is left alone at the end
    jobs: list[_Job] = []
    for home in chosen:
        others = tuple(o.name for o in active.values() if o.name != home.name and shares_a_kind(home, o))
        jobs += [(str(data), home.name, others, budget, seed, trials_per_week) for budget in budgets]
    return jobs


def _in_parallel(
    jobs: Sequence[_Job], workers: int, progress: Callable[[int, int, str], None] | None
) -> list[Measured]:
    done: list[Measured] = []

    def note(measured: Measured) -> None:
        done.append(measured)
        if progress:
            progress(len(done), len(jobs), f"{measured.home} at {measured.budget:g} a week")

    if workers == 1 or len(jobs) < 2:
        for job in jobs:
            note(measure(*job))
        return done
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=get_context("spawn")) as pool:
        for future in as_completed([pool.submit(measure, *job) for job in jobs]):
            note(future.result())
    return done


def measure(data: str, name: str, others: Sequence[str], budget: float, seed: int, trials_per_week: int) -> Measured:
    """One home at one budget, through every method; ``others`` are the homes whose days may be shown in it."""
    paths = find_homes(Path(data))
    home = load(name, paths[name])
    guests = [load(other, paths[other]) for other in others]
    trials = plan(home, guests, seed=seed, trials_per_week=trials_per_week)
    del guests

    def tally(method: Method) -> Tally:
        course = follow(method, home, trials, seed=seed)
        return _tally(home, course, method.ready_after_days())

    return Measured(
        home=name,
        budget=budget,
        real=home.real,
        active_days=len(home.days),
        events=home.rows,
        weeks=home.weeks,
        reasons=trials.reasons,
        homeward=tally(Homeward(home, budget)),
        markov=tally(Alarmed(home, MarkovChain(), budget)),
        rules={level.name: tally(Alarmed(home, Rules(home, level), None)) for level in LEVELS},
    )


def _tally(home: Household, course: Course, ready_after_days: float | None) -> Tally:
    zone, judged = ZoneInfo(home.timezone), home.judged
    weeks: dict[int, int] = {}
    for alarm in course.alarms:
        day = bisect_right(judged, alarm.at.astimezone(zone).date()) - 1
        if day >= 0:
            weeks[day // DAYS_A_WEEK] = weeks.get(day // DAYS_A_WEEK, 0) + 1
    return Tally(
        weeks=home.weeks,
        alarms=sum(weeks.values()),
        worst_week=max(weeks.values(), default=0),
        delays=course.delays,
        ready_after_days=ready_after_days,
    )


def _rate(delays: Sequence[float | None]) -> dict[str, Any] | None:
    if not delays:
        return None
    found = [delay for delay in delays if delay is not None]
    low, high = wilson(len(found), len(delays))
    return {
        "trials": len(delays),
        "detected": len(found),
        "rate": round(len(found) / len(delays), 6),
        "low": round(low, 6),
        "high": round(high, 6),
        "median_delay_s": round(median(found), 3) if found else None,
    }


def _result(measured: Sequence[Measured], budgets: Sequence[float], seed: int) -> dict[str, Any]:
    homes: dict[str, Any] = {}
    markov: dict[str, Any] = {}
    rules: dict[str, Any] = {}
    for one in measured:
        level = best_level(one.rules, one.budget * one.weeks)
        for shown, tally in ((homes, one.homeward), (markov, one.markov), (rules, one.rules[level])):
            entry = shown.setdefault(one.home, _entry(one, tally))
            entry["budgets"][f"{one.budget:g}"] = tally.figures()
            if one.budget == 1:  # the default budget is the one whose readiness is told
                entry["ready_after_days"] = _days(tally)
        rules[one.home]["budgets"][f"{one.budget:g}"]["level"] = level
    real = _pool([one for one in measured if one.real], budgets)
    simulated = _pool([one for one in measured if not one.real], budgets)
    return {
        "homes": homes,
        "pooled": {"real": real, "simulated": simulated},
        "peers": {"markov": markov, "rules": rules},
        "reasons": {
            "homes": {one.home: dict(sorted(one.reasons.items())) for one in measured},
            "pooled": {} if simulated else {"simulated": NO_SIMULATED},
        },
        "seed": seed,
    }


def _entry(one: Measured, tally: Tally) -> dict[str, Any]:
    return {
        "real": one.real,
        "active_days": one.active_days,
        "events": one.events,
        "weeks": round(one.weeks, 6),
        "ready_after_days": _days(tally),
        "budgets": {},
    }


def _days(tally: Tally) -> float | None:
    return None if tally.ready_after_days is None else round(tally.ready_after_days, 2)


def _pool(measured: Sequence[Measured], budgets: Sequence[float]) -> dict[str, Any] | None:
    if not measured:
        return None
    pooled = {budget: Tally() for budget in budgets}
    for one in measured:
        pooled[one.budget].add(one.homeward)
    return {f"{budget:g}": tally.figures() for budget, tally in pooled.items()}


def best_level(levels: Mapping[str, Tally], allowed: float) -> str:
    """The level of strictness that is shown, in hindsight: of those with no more alarms than allowed the one that
    detects most, or, where none keeps to that, the quietest."""
    kept = {name: tally for name, tally in levels.items() if tally.alarms <= allowed}
    if kept:
        return max(kept, key=lambda name: (kept[name].mean_rate(), -kept[name].alarms))
    return min(levels, key=lambda name: (levels[name].alarms, -levels[name].mean_rate()))
