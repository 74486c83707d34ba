"""Methods whose alarms can be read off at any threshold, from one run.

Each event that could alarm leaves a `Mark` with a level; a threshold says from which level on it does. This module is
the only one of the benchmarks that looks into the core. It relies on: the engine's profile (``Engine._profile``),
which can be put in another's place; `Profile.assess`, whose answer has a ``score``; and the calibration of visits
(``evidence.visits``), whose ``threshold(per_week)`` falls as the budget rises.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from math import inf, log2
from typing import Final, NamedTuple, Protocol, Self

from homeward.bench.alarmed import CLOSES_AFTER, CLOSES_AT_LATEST
from homeward.bench.homes import Household
from homeward.bench.methods import Homeward, Interruption, Method
from homeward.bench.peers import LEVELS, Rules
from homeward.core.behaviour.assessment import Assessment
from homeward.core.behaviour.profile import Observation, Profile
from homeward.core.engine import Engine
from homeward.core.event import Event

BUDGET: Final = 1.0
"""What the guard itself is set to while it runs; what it holds back is what alarms at this budget."""

BUDGETS: Final = tuple(2 ** (step / 2) for step in range(-6, 15))
"""Alarms a week, from one in eight weeks to 128: the thresholds that a guard is asked for."""

PERSONAL_LEVELS: Final = tuple(-log2(budget) for budget in reversed(BUDGETS))
RULES_LEVELS: Final = tuple(float(number) for number in range(1, len(LEVELS) + 1))


class Mark(NamedTuple):
    """An event that alarms wherever the threshold is not above ``level``."""

    at: datetime
    device: str
    level: float


class Marking(Method, Protocol):
    """A method that notes what it finds strange."""

    @property
    def marks(self) -> Sequence[Mark]:
        """All that it has noted, in time order; a copy begins with none."""


def alarms(marks: Iterable[Mark], threshold: float, guarded: Collection[str]) -> Iterator[tuple[datetime, str]]:
    """When and about which device the owner is interrupted at a threshold.

    An incident is told when it opens and again for each guarded device it reaches first. It closes 30 min after its
    last mark and at the latest six hours after its first.
    """
    opened = joined = None
    reached: set[str] = set()
    for mark in marks:
        if mark.level < threshold:
            continue
        at = mark.at
        if not opened or not joined or at - joined > CLOSES_AFTER or at - opened > CLOSES_AT_LATEST:
            opened, news, reached = at, True, set()
        else:
            news = mark.device in guarded and mark.device not in reached
        joined = at
        if mark.device in guarded:
            reached.add(mark.device)
        if news:
            yield at, mark.device


class Listening(Profile):
    """A profile that can be asked what it assessed last."""

    _heard: int | None = None

    @classmethod
    def in_place_of(cls, engine: Engine) -> Self:
        """Put one in the place of an engine's profile, in whose state it goes on."""
        twin = object.__new__(cls)
        twin.__dict__.update(engine._profile.__dict__)
        engine._profile = twin
        return twin

    def assess(self, seen: Observation) -> Assessment:
        found = super().assess(seen)
        self._heard = found.score
        return found

    def heard(self) -> int | None:
        """The score of the latest assessment (Q8 bits), once; ``None`` if there was none since this was asked."""
        score, self._heard = self._heard, None
        return score


class Calibrated(Listening):
    """It also sets, whenever it sets its own threshold, those of all `BUDGETS`, from the largest budget on; none
    while it is too young to say."""

    thresholds: Sequence[int] = ()

    def calibrate(self) -> None:
        super().calibrate()
        visits, share = self.state.evidence.visits, self._budget / BUDGET  # of the budget, what events may use
        found = [visits.threshold(budget * share) for budget in reversed(BUDGETS)]
        self.thresholds = [threshold for threshold in found if threshold is not None]


class Personal:
    """The guard itself. The level of an event is set by the smallest budget at which it would alarm here and now:
    ``-log2`` of the alarms a week. What alarms by a rule, or without an event, does so at every threshold."""

    def __init__(self, home: Household) -> None:
        self._marks: list[Mark] = []
        self._guard = Homeward(home, BUDGET)
        self._listen(())

    @property
    def marks(self) -> Sequence[Mark]:
        return self._marks

    def event(self, event: Event) -> Sequence[Interruption]:
        told = self._guard.event(event)
        score = self._profile.heard()
        level = None if score is None else self._level(score)
        if level is not None:
            self._marks.append(Mark(event.at, event.device, level))
        return self._noted(told) if told else ()

    def answer(self, at: datetime, incident: str) -> Sequence[Interruption]:
        return self._noted(self._guard.answer(at, incident))

    def wait(self, until: datetime) -> Sequence[Interruption]:
        return self._noted(self._guard.wait(until))

    def ready_after_days(self) -> float | None:
        return self._guard.ready_after_days()

    def copy(self) -> Personal:
        twin = object.__new__(Personal)
        twin.__dict__.update(self.__dict__)
        twin._marks, twin._guard = [], self._guard.copy()
        twin._listen(self._profile.thresholds)
        return twin

    def _listen(self, thresholds: Sequence[int]) -> None:
        self._engine = self._guard._engine
        self._profile = Calibrated.in_place_of(self._engine)
        self._profile.thresholds = thresholds

    def _level(self, score: int) -> float | None:
        """The level of a score; ``None`` where it is below all thresholds, or the guard is too young to say."""
        above = sum(score > threshold for threshold in self._profile.thresholds)
        return PERSONAL_LEVELS[above - 1] if above else None

    def _noted(self, told: Sequence[Interruption]) -> Sequence[Interruption]:
        """Mark what no score of an event explains."""
        for alarm in told:
            if self._engine.incidents[alarm.incident].kind != "unusual":
                self._marks.append(Mark(alarm.at, alarm.device, inf))
        return told


class Panel:
    """Plain rules, at three levels of strictness; the level of an event is how many of them it breaks. Nobody is
    told, so nobody answers."""

    def __init__(self, home: Household) -> None:
        self._marks: list[Mark] = []
        self._rules = [Rules(home, level) for level in LEVELS]

    @property
    def marks(self) -> Sequence[Mark]:
        return self._marks

    def event(self, event: Event) -> Sequence[Interruption]:
        level = sum(rules.look(event)[0] for rules in self._rules)
        if level:
            self._marks.append(Mark(event.at, event.device, level))
        return ()

    def answer(self, at: datetime, incident: str) -> Sequence[Interruption]:  # noqa: ARG002
        return ()

    def wait(self, until: datetime) -> Sequence[Interruption]:  # noqa: ARG002
        return ()

    def ready_after_days(self) -> float | None:
        return 0.0

    def copy(self) -> Panel:
        twin = object.__new__(Panel)
        twin._marks, twin._rules = [], [rules.copy() for rules in self._rules]
        return twin
