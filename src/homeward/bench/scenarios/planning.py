"""Which trials a home gets, and on which of its days."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date
from math import ceil

from homeward.bench.homes import DAYS_A_WEEK, Household
from homeward.bench.scenarios.commands import Flood, Ghost, Stranger
from homeward.bench.scenarios.entries import DAY, Decoy, Entry
from homeward.bench.scenarios.replays import Homecoming, OtherHome
from homeward.bench.scenarios.sabotage import Sabotage
from homeward.bench.scenarios.trial import Ground, Plan, Scenario, Trial

LEAST_TRIALS = 30

SCENARIOS = (
    "night_entry", "odd_hour_entry", "away_entry", "away_entry_by_door", "ghost_command", "decoy", "sabotage",
    "flood", "other_home", "homecoming", "stranger",
)  # fmt: skip


def plan(
    home: Household,
    others: Sequence[Household],
    *,
    seed: int,
    trials_per_week: int = 3,
    least: int = LEAST_TRIALS,
) -> Plan:
    """Every trial of a home. ``others`` are the homes whose days `other_home` may show; ``least`` is the number of
    trials of a scenario that a short recording gets too, where it has the room."""
    makers = _makers(Ground(home), others)
    total = max(least, ceil(trials_per_week * len(home.judged) / DAYS_A_WEEK)) if home.judged else 0
    trials: dict[str, Sequence[Trial]] = {}
    reasons: dict[str, str] = {}
    for scenario in SCENARIOS:
        maker = makers[scenario]
        reason = maker.lacks()
        made = [] if reason else _place(maker, home, f"{seed} {home.name} {scenario}", total, least)
        if made:
            trials[scenario] = sorted(made, key=lambda trial: (trial.starts, trial.number))
        else:
            reasons[scenario] = reason or "no judged day has room for it"
    return Plan(trials=trials, reasons=reasons)


def _makers(ground: Ground, others: Sequence[Household]) -> dict[str, Scenario]:
    return {
        "night_entry": Entry(ground=ground, name="night_entry"),
        "odd_hour_entry": Entry(ground=ground, name="odd_hour_entry", hours=None),
        "away_entry": Entry(ground=ground, name="away_entry", hours=DAY, away=True, by_door=False),
        "away_entry_by_door": Entry(ground=ground, name="away_entry_by_door", hours=DAY, away=True),
        "ghost_command": Ghost(ground=ground),
        "decoy": Decoy(entry=Entry(ground=ground, name="decoy")),
        "sabotage": Sabotage(ground),
        "flood": Flood(ground=ground),
        "other_home": OtherHome(ground, others),
        "homecoming": Homecoming(ground),
        "stranger": Stranger(ground),
    }


def _place(maker: Scenario, home: Household, name: str, total: int, least: int) -> list[Trial]:
    """Trials spread evenly over the judged days, each in its week; up to the least, on any day that has room."""
    made: list[Trial] = []
    homeless: list[tuple[int, random.Random]] = []
    for number in range(total):
        chance = random.Random(f"{name} {number}")  # noqa: S311  # a plan, no secret
        chosen = min(len(home.judged) - 1, int((number + chance.random()) * len(home.judged) / total))
        first = chosen - chosen % DAYS_A_WEEK
        week = home.judged[first : first + DAYS_A_WEEK]
        if trial := _on_one_of(maker, number, [week.pop(chosen - first), *_shuffled(week, chance)], chance):
            made.append(trial)
        else:
            homeless.append((number, chance))
    for number, chance in homeless[: max(0, least - len(made))]:
        trial = _on_one_of(maker, number, _shuffled(home.judged, chance), chance)
        if trial is None:
            break  # no day has room for this one, nor for the next
        made.append(trial)
    return made


def _on_one_of(maker: Scenario, number: int, days: Sequence[date], chance: random.Random) -> Trial | None:
    return next((trial for day in days if (trial := maker.make(number, day, chance))), None)


def _shuffled(days: Sequence[date], chance: random.Random) -> list[date]:
    return chance.sample(days, len(days))
