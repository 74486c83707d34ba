"""A small fixed slice of the simulated neighbourhood, and how the guard did in it when it was last looked at.

``python -m tests.bench.baseline`` measures the slice and writes baseline.json anew: after a change of the guard that
is meant, or of what the slice is made of. The slice has a tuning seed; no figure of it is published.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import comb
from pathlib import Path
from typing import Any

from homeward.bench.course import follow
from homeward.bench.homes import Household
from homeward.bench.methods import Homeward, Method
from homeward.bench.neighbourhood import household
from homeward.bench.report import BENIGN
from homeward.bench.scenarios import Plan, plan

FILE = Path(__file__).with_name("baseline.json")
SEED = 7
HOUSEHOLDS = (0, 3, 4)
DAYS = 60
TRIED, UNTRIED = 1.0, 7.0
"""Intruders come at one alarm a week; at seven there are enough alarms for a small change to show."""

ODDS = 100
"""One to so many that noise alone is called worse."""

NO_TRIALS = Plan(trials={}, reasons={})

Make = Callable[[Household, float], Method]


def measure(make: Make = Homeward, households: Sequence[int] = HOUSEHOLDS) -> dict[str, Any]:
    """Each household through a guard: what it is made of, alarms by budget, trials and detections by scenario."""
    found: dict[str, Any] = {}
    for number in households:
        home, neighbour = (household(SEED, n, DAYS) for n in (number, number + 1))
        trials = plan(home, [neighbour], seed=SEED, trials_per_week=1)
        alarms, scenarios = {}, {}
        for budget, planned in ((TRIED, trials), (UNTRIED, NO_TRIALS)):
            course = follow(make(home, budget), home, planned, seed=SEED)
            counted = [alarm for alarm in course.alarms if home.starts is not None and alarm.at >= home.starts]
            alarms[f"{budget:g}"] = len(counted)
            for scenario, delays in course.delays.items():
                scenarios[scenario] = [len(delays), sum(delay is not None for delay in delays)]
        made_of = {"events": len(home.events), "weeks": round(home.weeks, 3)}
        found[home.name] = {**made_of, "alarms": alarms, "scenarios": scenarios}
    return found


def worse(now: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """What became worse by more than noise in the households of now; empty if nothing did.

    More alarms: so large a part of all alarms, then and now, would be today's by chance in fewer than one case of a
    hundred (the conditional test of two Poisson rates, Przyborowski and Wilenski 1940). Fewer detections, of a
    scenario or of all together: so few would be today's likewise (Fisher's exact test).
    """
    if made_of(now) != made_of({name: home for name, home in before.items() if name in now}):
        return ["the slice is made of something else now; see what changed it, then: python -m tests.bench.baseline"]
    found: list[str] = []
    alarms_then, alarms_now = (_alarms(of, now) for of in (before, now))
    for budget, count in alarms_now.items():
        if more_than_noise(alarms_then[budget], count):
            found.append(f"{count} alarms at {budget} a week, where there were {alarms_then[budget]}")
    then, today = (_scenarios(of, now) for of in (before, now))
    for scenario, (trials, hits) in today.items():
        fewer, more = (hits, then[scenario][1])[:: -1 if scenario == BENIGN else 1]
        if fewer_than_noise(more, fewer, trials):
            found.append(f"{scenario}: {hits} of {trials}, where there were {then[scenario][1]}")
    return found


def more_than_noise(before: int, now: int) -> bool:
    """Whether of two counts over the same time the second has the higher rate, at 1 %."""
    both = before + now
    tail: int = sum(comb(both, count) for count in range(now, both + 1))
    return tail * ODDS < 1 << both


def fewer_than_noise(before: int, now: int, trials: int) -> bool:
    """Whether of two counts of hits, each of so many trials, the second has the lower rate, at 1 %."""
    both = before + now
    tail: int = sum(comb(trials, hits) * comb(trials, both - hits) for hits in range(max(0, both - trials), now + 1))
    return tail * ODDS < comb(2 * trials, both)


def made_of(homes: Mapping[str, Any]) -> dict[str, Any]:
    """What does not depend on the guard."""
    return {
        name: (
            home["events"],
            home["weeks"],
            {scenario: trials for scenario, (trials, _) in home["scenarios"].items()},
        )
        for name, home in homes.items()
    }


def _alarms(homes: Mapping[str, Any], names: Iterable[str]) -> Counter[str]:
    together: Counter[str] = Counter()
    for name in names:
        together.update(homes[name]["alarms"])
    return together


def _scenarios(homes: Mapping[str, Any], names: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Trials and detections by scenario and of all together; a benign one is no detection."""
    together: dict[str, tuple[int, int]] = {}
    for name in names:
        for scenario, (trials, hits) in homes[name]["scenarios"].items():
            for of in (scenario,) if scenario == BENIGN else (scenario, "all scenarios"):
                so_far = together.get(of, (0, 0))
                together[of] = (so_far[0] + trials, so_far[1] + hits)
    return together


def kept() -> dict[str, Any]:
    """How it was when it was last looked at."""
    told: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    return told


if __name__ == "__main__":
    measured = measure()
    if FILE.exists():
        print("\n".join(worse(measured, kept())) or "Nothing is worse by more than noise.")
    FILE.write_text(json.dumps(measured, indent=1) + "\n", "utf-8")
    print(f"Written: {FILE.name}")
