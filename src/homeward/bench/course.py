"""One method, one home, from its first event to its last, with the trials beside it."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from homeward.bench.homes import Household
from homeward.bench.methods import Interruption, Method
from homeward.bench.presence import Presence
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
    methods that alarm at the same moment get the same answer. Eight hours later it arrives. Among the home's
    events, and among those of each trial, the method is told of its residents (see `homeward.bench.presence`).
    """
    return _Follower(method, home, plan, seed).run()


@dataclass(slots=True)
class _Tried:
    """A trial that was run, what it raised, and how many answers there were when it began.

    ``control`` is what a copy without the injection raises, where that is not what the original does.
    """

    trial: Trial
    told: list[Interruption]
    answers: int
    control: list[Interruption] | None = None


class _Follower:
    def __init__(self, method: Method, home: Household, plan: Plan, seed: int) -> None:
        self._method = method
        self._home = home
        self._presence = Presence(home)
        self._seed = seed
        self._trials = sorted(
            (t for trials in plan.trials.values() for t in trials), key=lambda t: (t.starts, t.scenario)
        )
        self._reached = 0
        self._told: list[Interruption] = []
        self._known: set[str] = set()
        # In the order of their arrival: each answer comes 8 h after its alarm.
        self._answers: list[tuple[datetime, str]] = []
        self._given = 0
        self._tried: list[_Tried] = []
        self._lasting: list[_Tried] = []
        self._scenarios = list(plan.trials)

    def run(self) -> Course:
        event, stop = self._method.event, self._next()
        for item in self._presence.told(self._home.events):
            if item.at >= stop:
                self._catch_up(item.at)
                stop = self._next()
            told = event(item)
            if told:
                self._note(told)
                stop = self._next()
        self._catch_up(NEVER)
        delays: dict[str, list[float | None]] = {scenario: [] for scenario in self._scenarios}
        for tried in self._tried:
            control = self._told if tried.control is None else tried.control
            delays[tried.trial.scenario].append(_delay(tried.trial, tried.told, control))
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
                self._part(due)
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
        """Run a trial on a copy; of the answers only those to earlier alarms arrive in it."""
        own = self._home.events[self._home.index(trial.starts) : self._home.index(trial.deadline)]
        answers = [answer for answer in self._answers[self._given :] if answer[0] <= trial.deadline]
        tried = _Tried(trial, self._beside(trial.stream(own), answers, trial.deadline), len(self._answers))
        self._tried.append(tried)
        self._lasting.append(tried)

    def _part(self, now: datetime) -> None:
        """An answer is about to arrive. The original has been the control of every trial that still lasts, and goes
        on to be that of those which know this answer; for the others a copy takes its place."""
        self._lasting = [tried for tried in self._lasting if tried.trial.deadline >= now]
        for tried in self._lasting:
            if tried.control is None and tried.answers <= self._given:
                until = tried.trial.deadline
                own = self._home.events[bisect_left(self._home.at, now) : self._home.index(until)]
                tried.control = self._told + self._beside(own, (), until)

    def _beside(
        self, events: Iterable[Event], answers: Sequence[tuple[datetime, str]], deadline: datetime
    ) -> list[Interruption]:
        """The interruptions on a copy until the deadline, with these answers, in the order of their time."""
        copy = self._method.copy()
        told: list[Interruption] = []
        given = 0
        for event in self._presence.copy().told(events, deadline):
            while given < len(answers) and answers[given][0] <= event.at:
                told += copy.answer(*answers[given])
                given += 1
            told += copy.event(event)
        for answer in answers[given:]:
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
