"""One method, one home, from its first event to its last, with the trials beside it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import merge

from homeward.bench.homes import Household
from homeward.bench.methods import Interruption, Method
from homeward.bench.scenarios import Plan, Trial
from homeward.core.event import Event

ANSWER_AFTER = timedelta(hours=8)
ANSWERED_SHARE = 0.7
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What became of it. ``alarms`` are all interruptions; ``delays`` holds, for each trial of a scenario, the
    seconds from the moment that counts to its detection, or ``None``."""

    alarms: Sequence[Interruption]
    delays: dict[str, list[float | None]]


def follow(method: Method, home: Household, plan: Plan, *, seed: int) -> Course:
    """Stream a home through a method. The owner answers "that was me" to 70 % of the incidents that alarmed.

    Whether they answer depends on the seed, the home and the moment of the incident's first alarm alone, so
    methods that alarm at the same moment get the same answer. Eight hours later it arrives.
    """
    return _Follower(method, home, plan, seed).run()


class _Follower:
    def __init__(self, method: Method, home: Household, plan: Plan, seed: int) -> None:
        self._method = method
        self._home = home
        self._seed = seed
        self._trials = sorted(
            (t for trials in plan.trials.values() for t in trials), key=lambda t: (t.starts, t.scenario)
        )
        self._reached = 0
        self._told: list[Interruption] = []
        self._known: set[str] = set()
        self._answers: list[
            tuple[datetime, str]
        ] = []  # in the order of their arrival: each comes 8 h after its alarm
        self._given = 0
        self._ran: list[tuple[Trial, list[Interruption], list[Interruption] | None]] = []
        self._scenarios = list(plan.trials)

    def run(self) -> Course:
        event, stop = self._method.event, self._next()
        for item in self._home.events:
            if item.at >= stop:
                self._catch_up(item.at)
                stop = self._next()
            told = event(item)
            if told:
                self._note(told)
                stop = self._next()
        self._catch_up(NEVER)
        delays: dict[str, list[float | None]] = {scenario: [] for scenario in self._scenarios}
        for trial, told, control in self._ran:
            delays[trial.scenario].append(_delay(trial, told, self._told if control is None else control))
        return Course(alarms=self._told, delays=delays)

    def _next(self) -> datetime:
        due = self._answers[self._given][0] if self._given < len(self._answers) else NEVER
        starts = self._trials[self._reached].starts if self._reached < len(self._trials) else NEVER
        return min(due, starts)

    def _catch_up(self, now: datetime) -> None:
        """Deliver the answers due, and run the trials that start before the next event, each at its time."""
        while True:
            due = self._answers[self._given][0] if self._given < len(self._answers) else NEVER
            starts = self._trials[self._reached].starts if self._reached < len(self._trials) else NEVER
            if due <= min(starts, now) and due < NEVER:
                _, incident = self._answers[self._given]
                self._given += 1
                self._note(self._method.answer(due, incident))
            elif starts < now:
                trial = self._trials[self._reached]
                self._reached += 1
                self._try(trial)
            else:
                return

    def _note(self, told: Sequence[Interruption]) -> None:
        for interruption in told:
            self._told.append(interruption)
            if interruption.incident not in self._known:
                self._known.add(interruption.incident)
                coin = random.Random(f"{self._seed} {self._home.name} {interruption.at.isoformat()}")  # noqa: S311
                if coin.random() < ANSWERED_SHARE:
                    self._answers.append((interruption.at + ANSWER_AFTER, interruption.incident))

    def _try(self, trial: Trial) -> None:
        """Run a trial on a copy. What the copy without it would do is what the original goes on to do, as long as
        no answer to an alarm of that time can arrive in it; a longer trial has a control run of its own."""
        own = self._home.events[self._home.index(trial.starts) : self._home.index(trial.deadline)]
        mixed = trial.events if trial.replaces else merge(trial.events, own, key=lambda event: event.at)
        told = self._beside(mixed, trial.deadline)
        control = self._beside(own, trial.deadline) if trial.deadline - trial.starts >= ANSWER_AFTER else None
        self._ran.append((trial, told, control))

    def _beside(self, events: Iterable[Event], deadline: datetime) -> list[Interruption]:
        """The interruptions on a copy until the deadline; only answers given before are still to arrive."""
        copy = self._method.copy()
        told: list[Interruption] = []
        answers = [answer for answer in self._answers[self._given :] if answer[0] <= deadline]
        for event in events:
            while answers and answers[0][0] <= event.at:
                told += copy.answer(*answers.pop(0))
            told += copy.event(event)
        for answer in answers:
            told += copy.answer(*answer)
        told += copy.wait(deadline)
        return told


def _delay(trial: Trial, told: Sequence[Interruption], control: Sequence[Interruption]) -> float | None:
    """Seconds to the first interruption that counts and that the control did not raise."""
    raised = {(i.at, i.device) for i in control if trial.starts <= i.at <= trial.deadline}
    for interruption in told:
        if trial.counts_from <= interruption.at <= trial.deadline and interruption[::2] not in raised:
            return (interruption.at - trial.counts_from).total_seconds()
    return None
