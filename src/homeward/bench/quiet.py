"""``homeward bench quiet``: does it stay silent, and does it still catch them?

Every home of a folder, and every household of the simulated neighbourhood, is streamed in time order into an empty
guard, once for each budget, and through the peers beside it, with the same answers and the same injections. Figures
start at midnight of the 15th active day.

So that it ends in minutes, intruders and peers come to simulated households at one alarm a week only; the other
budgets and the detectors from libraries, slow as they are, are for the first ten of them, one of each kind; and those
detectors see recorded homes, too, at one alarm a week only.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from homeward.bench.alarmed import Alarmed
from homeward.bench.course import follow
from homeward.bench.homes import DAYS_A_WEEK, LEARNING_DAYS, Household
from homeward.bench.methods import Homeward, Method
from homeward.bench.neighbourhood import HOUSEHOLDS, KINDS, kind_of
from homeward.bench.peers import DETECTORS, LEVELS, Featured, MarkovChain, Peer, Rules
from homeward.bench.report import BENIGN, markdown, table
from homeward.bench.residences import Residence, in_parallel, recorded, simulated
from homeward.bench.scenarios import SCENARIOS, Plan, plan
from homeward.bench.statistics import wilson
from homeward.bench.targets import quiet_targets

__all__ = ["BUDGETS", "SEED", "markdown", "run", "table"]

BUDGETS = (0.25, 1.0, 7.0)
SEED = 1000

DEFAULT_BUDGET = 1.0
"""The budget at which everything is measured, and whose readiness is told."""

WHOLLY = len(KINDS)
"""So many simulated households, the first, are measured at every budget, and by every detector: one of each kind."""

NO_TRIALS = Plan(trials={}, reasons={})


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
        """The mean of the detection rates; a false alarm at a homecoming is none."""
        rates = [
            sum(delay is not None for delay in delays) / len(delays)
            for scenario, delays in self.delays.items()
            if delays and scenario != BENIGN
        ]
        return sum(rates) / len(rates) if rates else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One home through every method: tallies by budget. Plain rules, which no budget moves, are told by level."""

    home: str
    about: Mapping[str, Any]
    weeks: float
    reasons: Mapping[str, str]
    guard: Mapping[float, Tally]
    peers: Mapping[str, Mapping[float, Tally]]
    rules: Mapping[str, Tally]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One home to be measured. ``tried`` are the budgets at which there are injections and peers."""

    residence: Residence
    guests: Sequence[Residence]
    budgets: Sequence[float]
    tried: Sequence[float]
    detectors: Sequence[str]
    seed: int
    trials_per_week: int


def run(
    data: Path,
    *,
    seed: int = SEED,
    homes: Sequence[str] | None = None,
    households: int = HOUSEHOLDS,
    budgets: Sequence[float] = BUDGETS,
    trials_per_week: int = 3,
    progress: Callable[[int, int, str], None] | None = None,
    workers: int | None = None,
) -> dict[str, Any]:
    """Measure every home of the folder with at least 14 active days (or only those named), and so many simulated
    households.

    The answer is a pure function of the data, the other arguments and the optional libraries that are installed;
    ``workers`` (processes; by default one for each core) and ``progress`` (called with done, total, what) change
    nothing in it.

    Raises:
        FileError: a file of the folder cannot be read.
        ValueError: a named home is not in the folder or has fewer than 14 active days.
    """
    detectors = [name for name, library in DETECTORS.items() if not library.missing]
    real = _real_jobs(data, homes, budgets, detectors, seed, trials_per_week)
    made_up = _simulated_jobs(households, budgets, detectors, seed)
    jobs = [(job.residence.name, job) for job in (*real, *made_up)]
    measured = [one for one in in_parallel(measure, jobs, workers=workers, progress=progress) if one]
    measured.sort(key=lambda one: (not one.about["real"], one.home))
    return _result(measured, budgets, seed)


def _real_jobs(
    data: Path,
    homes: Sequence[str] | None,
    budgets: Sequence[float],
    detectors: Sequence[str],
    seed: int,
    trials_per_week: int,
) -> list[Job]:
    found = list(recorded(data, _is_active))
    if unknown := set(homes or ()) - {residence.name for residence in found}:
        raise ValueError(f"{data}: no home {', '.join(sorted(unknown))} with at least {LEARNING_DAYS} active days")
    chosen = [residence for residence in found if homes is None or residence.name in homes]
    chosen.sort(key=lambda one: one.file.stat().st_size if one.file else 0, reverse=True)  # the longest first
    return [
        Job(
            residence=residence,
            guests=[other for other in found if other != residence],
            budgets=budgets,
            tried=budgets,
            detectors=detectors,
            seed=seed,
            trials_per_week=trials_per_week,
        )
        for residence in chosen
    ]


def _simulated_jobs(households: int, budgets: Sequence[float], detectors: Sequence[str], seed: int) -> list[Job]:
    default = [budget for budget in budgets if budget == DEFAULT_BUDGET]
    return [
        Job(
            residence=residence,
            guests=[neighbour],
            budgets=budgets if residence.number < WHOLLY else default,
            tried=default,
            detectors=detectors if residence.number < WHOLLY else (),
            seed=seed,
            trials_per_week=1,
        )
        for residence, neighbour in pairwise(simulated(seed, households + 1))
    ]


def _is_active(home: Household) -> bool:
    return len(home.days) >= LEARNING_DAYS


def measure(job: Job) -> Measured | None:
    """One home through every method; ``None`` if it has too few active days."""
    home = job.residence.household()
    if not _is_active(home):
        return None
    trials = plan(
        home, [guest.household() for guest in job.guests], seed=job.seed, trials_per_week=job.trials_per_week
    )

    def alarmed(peer: Peer[Any], budget: float | None) -> Tally:
        return _tally(home, Alarmed(home, peer, budget), trials, job.seed)

    peers = {"markov": {b: alarmed(MarkovChain(), b) for b in job.tried}}
    for name in job.detectors:
        make = DETECTORS[name].make
        peers[name] = {b: alarmed(Featured(home, make(job.seed)), b) for b in job.tried if b == DEFAULT_BUDGET}
    about = {"real": home.real, "active_days": len(home.days), "events": home.rows, "weeks": round(home.weeks, 6)}
    return Measured(
        home=home.name,
        about=about if job.residence.file else {"kind": kind_of(job.residence.number), **about},
        weeks=home.weeks,
        reasons=trials.reasons,
        guard={
            b: _tally(home, Homeward(home, b), trials if b in job.tried else NO_TRIALS, job.seed) for b in job.budgets
        },
        peers=peers,
        rules={level.name: alarmed(Rules(home, level), None) for level in LEVELS} if job.tried else {},
    )


def _tally(home: Household, method: Method, planned: Plan, seed: int) -> Tally:
    course = follow(method, home, planned, seed=seed)
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
        ready_after_days=method.ready_after_days(),
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
    result = {
        "homes": {one.home: _entry(one, one.guard) for one in measured},
        "pooled": {
            kind: _pool([one for one in measured if one.about["real"] == (kind == "real")], budgets)
            for kind in ("real", "simulated")
        },
        "peers": _peers(measured),
        "reasons": _reasons(measured),
        "seed": seed,
    }
    return {**result, "targets": quiet_targets(result)}


def _peers(measured: Sequence[Measured]) -> dict[str, Any]:
    """Every peer's figures in the homes that it saw; rules at their best level for each budget."""
    peers: dict[str, Any] = {}
    for name in sorted({name for one in measured for name in one.peers}):
        peers[name] = {one.home: _entry(one, one.peers[name]) for one in measured if one.peers.get(name)}
    rules: dict[str, Any] = {}
    for one in measured:
        levels = {budget: best_level(one.rules, budget * one.weeks) for budget in one.peers["markov"]}
        if levels:
            rules[one.home] = _entry(one, {budget: one.rules[level] for budget, level in levels.items()})
        for budget, level in levels.items():
            rules[one.home]["budgets"][f"{budget:g}"]["level"] = level
    return {**peers, "rules": rules} if measured else {}


def _reasons(measured: Sequence[Measured]) -> dict[str, Any]:
    """Why a figure is not there: of a scenario in a home, of a pool, of a peer, of a budget."""
    reasons: dict[str, Any] = {
        "homes": {one.home: dict(sorted(one.reasons.items())) for one in measured},
        "pooled": {},
        "peers": {},
        "budgets": {},
    }
    for kind in ("real", "simulated"):
        if not any(one.about["real"] == (kind == "real") for one in measured):
            reasons["pooled"][kind] = f"there is no {kind} home with at least {LEARNING_DAYS} active days"
    households = sum("kind" in one.about for one in measured)
    if households:
        reasons["budgets"]["simulated"] = "intruders and peers come to simulated households at one alarm a week only"
    if households > WHOLLY:
        reasons["budgets"]["simulated"] += f", and the other budgets are for the first {WHOLLY}, one of each kind"
    slow = "so slow that it is measured at one alarm a week only"
    if households > WHOLLY:
        slow += f", and of the simulated households in the first {WHOLLY}, one of each kind"
    reasons["peers"] = {name: library.missing or slow for name, library in DETECTORS.items()}
    return reasons


def _entry(one: Measured, tallies: Mapping[float, Tally]) -> dict[str, Any]:
    default = tallies.get(DEFAULT_BUDGET)  # the one whose readiness is told
    ready = default.ready_after_days if default else None
    return {
        **one.about,
        "ready_after_days": None if ready is None else round(ready, 2),
        "budgets": {f"{budget:g}": tally.figures() for budget, tally in tallies.items()},
    }


def _pool(measured: Sequence[Measured], budgets: Sequence[float]) -> dict[str, Any] | None:
    if not measured:
        return None
    pooled: dict[float, Tally] = {}
    for budget in budgets:
        for one in measured:
            if budget in one.guard:
                pooled.setdefault(budget, Tally()).add(one.guard[budget])
    return {f"{budget:g}": tally.figures() for budget, tally in pooled.items()}


def best_level(levels: Mapping[str, Tally], allowed: float) -> str:
    """The level of strictness that is shown, in hindsight: of those with no more alarms than allowed the one that
    detects most, or, where none keeps to that, the quietest."""
    kept = {name: tally for name, tally in levels.items() if tally.alarms <= allowed}
    if kept:
        return max(kept, key=lambda name: (kept[name].mean_rate(), -kept[name].alarms))
    return min(levels, key=lambda name: (levels[name].alarms, -levels[name].mean_rate()))
