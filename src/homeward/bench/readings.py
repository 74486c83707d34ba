"""What a generation's method does in one home, read off at every one of its thresholds."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from homeward.bench.alarmed import CLOSES_AFTER, CLOSES_AT_LATEST
from homeward.bench.asides import Asides
from homeward.bench.course import follow
from homeward.bench.homes import DAYS_A_WEEK, Household
from homeward.bench.methods import Method
from homeward.bench.presence import Presence
from homeward.bench.scenarios import Plan, Trial
from homeward.bench.scored import Mark, Marking, alarms
from homeward.core.event import Event
from homeward.core.vocabulary import is_guarded

Alarm = tuple[datetime, str]


class Played(NamedTuple):
    """A trial and what a method sees of it: the home's events with the injection, and what is told of residents."""

    trial: Trial
    events: Sequence[Event]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One home through one method; all but the days and trials by the place of the threshold among the levels.

    ``alarms`` are those of the judged weeks, the first, third … (odd) and the second, fourth … (even) apart, and
    ``days`` how many active days these weeks have. ``detected`` has, for each scenario, its trials: the number of
    each, and whether it is detected.
    """

    alarms: tuple[Sequence[int], Sequence[int]]
    days: tuple[int, int]
    detected: Mapping[str, Sequence[tuple[int, Sequence[bool]]]]


def play(home: Household, trials: Plan) -> list[Played]:
    """Every trial as it is seen, in the order of their start."""
    waiting = sorted(
        (trial for made in trials.trials.values() for trial in made), key=lambda trial: (trial.starts, trial.scenario)
    )
    presence = Presence(home)
    played: list[Played] = []

    def start(now: datetime | None) -> None:
        while len(played) < len(waiting) and (now is None or waiting[len(played)].starts <= now):
            trial = waiting[len(played)]
            own = home.events[home.index(trial.starts) : home.index(trial.deadline)]
            played.append(Played(trial, list(presence.copy().told(trial.stream(own), trial.deadline))))

    for event in presence.told(home.events):
        start(event.at)
    start(None)
    return played


def read(
    method: Marking, home: Household, played: Sequence[Played], levels: Sequence[float], *, seed: int
) -> Reading:
    """Follow a method through a home, the owner answering as in ``bench quiet``; each trial has a copy of its own."""
    marks: list[Sequence[Mark]] = []

    def aside(number: int, copy: Method) -> None:
        assert isinstance(copy, type(method))
        for event in played[number].events:
            copy.event(event)
        copy.wait(played[number].trial.deadline)
        marks.append(copy.marks)

    followed = Asides(method, [one.trial.starts for one in played], aside)
    follow(followed, home, Plan(trials={}, reasons={}), seed=seed)
    followed.wait(max((one.trial.starts for one in played), default=home.at[-1]))  # what starts after the last event
    return _Reader(home, method.marks, levels).reading([one.trial for one in played], marks)


class _Reader:
    """The marks of a home's whole stream, and the alarms that they come to at each level."""

    def __init__(self, home: Household, marks: Sequence[Mark], levels: Sequence[float]) -> None:
        self._home = home
        self._guarded = frozenset(d.name for d in home.devices.values() if is_guarded(d.type, d.role))
        self._marks = [mark for mark in marks if mark.level >= levels[0]]
        self._levels = levels
        self._alarms = [self._at(level, self._marks) for level in levels]

    def reading(self, trials: Sequence[Trial], marks: Sequence[Sequence[Mark]]) -> Reading:
        """The whole reading, from the marks of each trial."""
        detected: dict[str, list[tuple[int, Sequence[bool]]]] = {}
        for trial, noted in zip(trials, marks, strict=True):
            detected.setdefault(trial.scenario, []).append((trial.number, self._detected(trial, noted)))
        judged = len(self._home.judged)
        even = sum(day // DAYS_A_WEEK % 2 for day in range(judged))
        counted = [self._by_weeks(told) for told in self._alarms]
        return Reading(
            alarms=([odd for odd, _ in counted], [even for _, even in counted]),
            days=(judged - even, even),
            detected=detected,
        )

    def _at(self, level: float, marks: Sequence[Mark]) -> list[Alarm]:
        return list(alarms(marks, level, self._guarded))

    def _by_weeks(self, told: Sequence[Alarm]) -> tuple[int, int]:
        """How many alarms are of the first, third … judged week, and how many of the others."""
        judged, zone = self._home.judged, ZoneInfo(self._home.timezone)
        days = [bisect_right(judged, at.astimezone(zone).date()) - 1 for at, _ in told]
        weeks = [day // DAYS_A_WEEK for day in days if day >= 0]
        return sum(week % 2 == 0 for week in weeks), sum(week % 2 for week in weeks)

    def _detected(self, trial: Trial, noted: Sequence[Mark]) -> Sequence[bool]:
        """Whether, at each level, an alarm counts that the stream without the injection does not raise. What came
        before the trial is told too: its incident may still be open."""
        since = bisect_left(self._marks, trial.starts - CLOSES_AT_LATEST - CLOSES_AFTER, key=_when)
        before = self._marks[since : bisect_left(self._marks, trial.starts, key=_when)]
        found = []
        for level, usual in zip(self._levels, self._alarms, strict=True):
            told = self._at(level, [*before, *noted])
            first = bisect_left(usual, trial.starts, key=_told_at)
            raised = set(usual[first : bisect_right(usual, trial.deadline, key=_told_at)])
            found.append(
                any(trial.counts_from <= alarm[0] <= trial.deadline and alarm not in raised for alarm in told)
            )
        return found


def _when(mark: Mark) -> datetime:
    return mark.at


def _told_at(alarm: Alarm) -> datetime:
    return alarm[0]
