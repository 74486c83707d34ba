"""The visits of the past: those to be lived again, and those that somebody may still be asked about."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from homeward.core.behaviour.calibration import MIN_DAYS
from homeward.core.behaviour.evidence import Evidence
from homeward.core.behaviour.observation import Observation

DAY: Final = 86_400_000

ACTIVE_DAY: Final = 10
"""Events that make a day an active one."""

MEMORY_LIMIT: Final = 32_768
"""How many observations are remembered to be lived again, of one visit at most ``VISIT_LIMIT``."""
VISIT_LIMIT: Final = 4_096

QUESTIONED_LIMIT: Final = 64
"""How many visits in which something was held back are kept until the owner says whose they were."""

HELD_DAYS: Final = 30

ONE_BIT: Final = 1 << 8
"""By how much (Q8) above the threshold a visit counts of which nobody said whose it was."""


@dataclass(slots=True)
class Remembered:
    """A past visit as it was observed. What was ``held`` back (its places in ``seen``) was not learned; about some of
    it the owner was ``asked``."""

    day: int
    seen: list[Observation] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    incidents: list[str] = field(default_factory=list)
    suspect: bool = False
    """Whether a guarded device did something very odd in it, and nobody said yes."""


class Questioned(NamedTuple):
    """A visit with incidents that the owner may be asked about: when it ended (ms), and what it came to.

    Where a guarded device was held back it is not ``counted`` before the owner says yes: an intruder whom nobody
    noticed must not raise the bar for the next. If nobody says anything for 30 days its score is, or no budget could
    be kept for an owner who never answers.
    """

    incidents: list[str]
    ended: int
    most: list[int]
    score: int
    by: dict[str, int]
    counted: bool


@dataclass(slots=True)
class Past:
    """``memory`` ends with the running visit as long as there is one; ``incidents`` are that visit's."""

    memory: list[Remembered] = field(default_factory=list)
    remembered: int = 0
    """Observations in ``memory``."""
    relive_at: int = MIN_DAYS
    """At how many active days the past is lived again; 0 when memory is no longer needed."""
    questioned: list[Questioned] = field(default_factory=list)
    incidents: list[str] = field(default_factory=list)
    counts: bool | None = True
    """Whether the running visit counts when it ends: not before the owner says yes (``None``) when a guarded device
    was held back in it, and never when it was not the owner."""
    suspect: bool = False
    """Whether a guarded device did something very odd in the running visit."""
    running: bool = False

    def fork(self) -> Past:
        """A copy that can go on by itself."""
        twin = copy(self)
        twin.questioned, twin.incidents = self.questioned.copy(), self.incidents.copy()
        twin.memory = [
            Remembered(
                visit.day,
                visit.seen.copy(),
                visit.held.copy(),
                visit.asked.copy(),
                visit.incidents.copy(),
                visit.suspect,
            )
            for visit in self.memory
        ]
        return twin

    def note(self, seen: Observation, day: int) -> None:
        """An observation of the running visit, or the first of a new one."""
        if self.relive_at and not self.running:
            self.memory.append(Remembered(day))
        self.running = True
        if self.relive_at and len(self.memory[-1].seen) < VISIT_LIMIT:
            self.memory[-1].seen.append(seen)
            self.remembered += 1

    def hold(self, seen: Observation, incident: str) -> None:
        """The latest observation is not learned; ``incident`` names what the owner was asked about it, if at all."""
        if self.memory and self.memory[-1].seen[-1:] == [seen]:
            visit = self.memory[-1]
            visit.held.append(len(visit.seen) - 1)
            if incident:
                visit.asked.append(len(visit.seen) - 1)
            if incident and incident not in visit.incidents[-1:]:
                visit.incidents.append(incident)
        if incident and incident not in self.incidents:
            self.incidents.append(incident)
        if incident and seen.guarded and self.counts:
            self.counts = None

    def end(self, evidence: Evidence, ended: int, threshold: int | None) -> bool:
        """The running visit is over: count it, if it counts. Returns whether something was held back in it.

        What nobody answered in thirty days raises the bar, but slowly: to a bit above the ``threshold`` at most; it
        is never lived again. A visit in which a guarded device did something very odd counts by its score only: a yes
        teaches the habit instead, and lets it be lived again.
        """
        most, score, by = evidence.close()
        if self.suspect:
            most = []
        if self.counts:
            evidence.count(most, score, by)
        if self.memory and self.running:
            self.memory[-1].suspect = self.suspect
        if self.counts is False and self.memory:
            self.remembered -= len(self.memory.pop().seen)
        elif self.incidents:
            self.questioned.append(Questioned(self.incidents, ended, most, score, by, bool(self.counts)))
        while self.questioned and self._is_stale(self.questioned[0], ended):
            stale = self.questioned.pop(0)
            if not stale.counted:
                self._forget(stale.incidents)
                if threshold is not None:
                    evidence.ignore(min(stale.score, threshold + ONE_BIT))
        evidence.settle()
        while self.remembered > MEMORY_LIMIT and len(self.memory) > 1:
            self.remembered -= len(self.memory.pop(0).seen)
        held = bool(self.incidents)
        self.running, self.counts, self.incidents, self.suspect = False, True, [], False
        return held

    def _is_stale(self, visit: Questioned, now: int) -> bool:
        return len(self.questioned) > QUESTIONED_LIMIT or now - visit.ended > HELD_DAYS * DAY

    def confirm(self, incident: str, evidence: Evidence) -> None:
        """It was the owner: the visit says what is usual."""
        for visit in self._settled(incident):
            if not visit.counted:
                evidence.count(visit.most, visit.score, visit.by)
                evidence.settle()
        if incident in self.incidents and self.counts is None:
            self.counts, self.suspect = True, False
        for remembered in self.memory:
            if incident in remembered.incidents:
                remembered.suspect = False

    def deny(self, incident: str, evidence: Evidence) -> None:
        """It was not the owner: the visit says nothing, now or when the past is lived again."""
        for visit in self._settled(incident):
            if visit.counted:
                evidence.discount(visit.most, visit.score, visit.by)
                evidence.settle()
        if incident in self.incidents:
            self.counts = False  # the running visit leaves memory when it ends
        self._forget([incident])

    def _forget(self, incidents: Sequence[str]) -> None:
        """Past visits with one of these incidents are not lived again."""
        running = self.memory[-1] if self.memory and self.running else None
        named = set(incidents)
        self.memory = [visit for visit in self.memory if visit is running or named.isdisjoint(visit.incidents)]
        self.remembered = sum(len(visit.seen) for visit in self.memory)

    def _settled(self, incident: str) -> list[Questioned]:
        """The visits that an answer settles: the first answer to any of their incidents does."""
        settled = [visit for visit in self.questioned if incident in visit.incidents]
        self.questioned = [visit for visit in self.questioned if incident not in visit.incidents]
        return settled

    def to_live_again(self, active_days: int) -> tuple[list[Remembered], int] | None:
        """The visits to be lived again and of how many active days they are, each time the home's age has doubled.

        ``None`` when it is not time, or when memory reaches back over less than half of that age and is given up.
        """
        if not self.relive_at or active_days < self.relive_at:
            return None
        days: dict[int, int] = {}
        for visit in self.memory:
            days[visit.day] = days.get(visit.day, 0) + len(visit.seen)
        active = sum(1 for events in days.values() if events >= ACTIVE_DAY)
        if active * 2 < active_days:
            self.memory, self.remembered, self.relive_at = [], 0, 0
            return None
        self.relive_at *= 2
        waiting = {name for visit in self.questioned if not visit.counted for name in visit.incidents}
        fit = [visit for visit in self.memory if not visit.suspect and waiting.isdisjoint(visit.incidents)]
        return fit, active
