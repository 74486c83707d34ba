"""A home whose clock moves: half-way through its stream everything happens six hours later.

Nothing but the clock changes. The night entries after the change are those of the home as it was, six hours later
as well: they lie in the hours in which this home now sleeps.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from math import ceil
from typing import Final
from zoneinfo import ZoneInfo

from homeward.bench.course import follow
from homeward.bench.homes import DAYS_A_WEEK, LEARNING_DAYS, Household
from homeward.bench.methods import Homeward, Interruption
from homeward.bench.scenarios import LEAST_TRIALS, Plan, Trial
from homeward.bench.scenarios.entries import Entry
from homeward.bench.scenarios.trial import Ground
from homeward.core.event import Event

MOVES_BY: Final = timedelta(hours=6)
LEAST_DAYS: Final = 60
BUDGET: Final = 1.0
TRIALS_A_WEEK: Final = 3

QUIET_DAYS: Final = 14
"""It is quiet again when so many active days on end stay within twice the budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What the change did to one home. Delays are in seconds, ``None`` for what was missed; days are active ones."""

    home: str
    real: bool
    days_before: int
    alarms_before: int
    alarms_in_change: int
    days_after: int
    alarms_after: int
    days_to_quiet: int | None
    before: Sequence[float | None]
    after: Sequence[float | None]


def can_move(home: Household) -> bool:
    """Whether the benchmark asks for this home: it has an entrance and at least sixty active days."""
    return bool(home.roles("entrance")) and len(home.days) >= LEAST_DAYS


def move(home: Household, seed: int) -> Moved:
    """Move a home's clock half-way through its active days and see what the guard makes of it."""
    day = home.days[len(home.days) // 2]
    moved, plan = moved_home(home, day), moved_plan(home, day, seed)
    course = follow(Homeward(moved, BUDGET), moved, plan, seed=seed)
    alarms = [(place, alarm) for alarm in course.alarms if (place := _place(moved, alarm)) >= 0]
    change = home.days.index(day)
    after = [place - change for place, _ in alarms if place >= change]
    before = [place for place, _ in alarms if LEARNING_DAYS <= place < change]
    return Moved(
        home=home.name,
        real=home.real,
        days_before=max(0, change - LEARNING_DAYS),
        alarms_before=len(before),
        alarms_in_change=sum(place < QUIET_DAYS for place in after),
        days_after=len(home.days) - change,
        alarms_after=len(after),
        days_to_quiet=days_to_quiet(after, len(home.days) - change),
        before=course.delays["before"],
        after=course.delays["after"],
    )


def days_to_quiet(alarms: Sequence[int], days: int) -> int | None:
    """How many active days after the change pass until it is quiet again: the first day from which on fourteen
    days on end have no more alarms than twice the budget. ``None`` if no such fortnight came.

    ``alarms`` are those after the change, by the active day (from 0) they came on; ``days`` is how many there were.
    """
    most = 2 * BUDGET * QUIET_DAYS / DAYS_A_WEEK
    for first in range(days - QUIET_DAYS + 1):
        if sum(first <= day < first + QUIET_DAYS for day in alarms) <= most:
            return first
    return None


def moved_home(home: Household, day: date) -> Household:
    """The same home, everything from the midnight of that day on six hours later."""
    since = home.clock(day)
    events = [_later(event) if event.at >= since else event for event in home.events]
    zone = ZoneInfo(home.timezone)
    local = [event.at.astimezone(zone) for event in events]
    return replace(
        home,
        events=events,
        at=[event.at for event in events],
        hours=[at.hour for at in local],
        dates=[at.date() for at in local],
    )


def moved_plan(home: Household, day: date, seed: int) -> Plan:
    """Night entries ``before`` the change and, six hours later than they would have been, ``after`` it."""
    entry = Entry(ground=Ground(home), name="night_entry")
    before = [judged for judged in home.judged if judged < day]
    after = [judged for judged in home.days if judged >= day]
    trials = {
        "before": [replace(trial, scenario="before") for trial in _night_entries(entry, before, seed)],
        "after": [_trial_later(trial) for trial in _night_entries(entry, after, seed)],
    }
    reason = entry.lacks() or "no night has room for it"
    return Plan(trials=trials, reasons={name: reason for name, made in trials.items() if not made})


def _night_entries(entry: Entry, days: Sequence[date], seed: int) -> Iterator[Trial]:
    """Three a week and at least thirty, evenly over the days; where a night has no room the next one that has."""
    if entry.lacks() or not days:
        return
    total = max(LEAST_TRIALS, ceil(TRIALS_A_WEEK * len(days) / DAYS_A_WEEK))
    for number in range(total):
        chance = random.Random(f"{seed} {entry.ground.home.name} change {days[0]} {number}")  # noqa: S311  # a plan
        chosen = int((number + chance.random()) * len(days) / total)
        made = (entry.make(number, day, chance) for day in (*days[chosen:], *days[:chosen]))
        if trial := next((trial for trial in made if trial), None):
            yield trial


def _trial_later(trial: Trial) -> Trial:
    return replace(
        trial,
        scenario="after",
        starts=trial.starts + MOVES_BY,
        counts_from=trial.counts_from + MOVES_BY,
        deadline=trial.deadline + MOVES_BY,
        events=tuple(map(_later, trial.events)),
    )


def _later(event: Event) -> Event:
    at = event.at + MOVES_BY
    return replace(event, at=at, happened=at)


def _place(home: Household, alarm: Interruption) -> int:
    """Which of the home's active days an alarm belongs to; one between two of them to the earlier."""
    return bisect_right(home.days, alarm.at.astimezone(ZoneInfo(home.timezone)).date()) - 1
