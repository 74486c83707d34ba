"""What the bits of many habits and events come to: the score of a visit.

Each habit enters by its own empirical tail, so that one that is always surprised does not drown the rest: an event's
*strangeness* is the sum over habits of how rare their bits are (Fisher, 1925). Within a visit, what events are
stranger than usual adds up from zero (the cumulative sum of Page, 1954): many small oddities make one. An event's
score joins its own strangeness with the evidence gathered so far, each by its own tail; a visit's is that of its
highest event. Habits and events depend on each other: what comes out is a score, no likelihood, and it is counted
over visits to say what it means.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from math import isqrt
from typing import Final

from homeward.core.behaviour.calibration import Calibration, Tail
from homeward.core.behaviour.habits import HABITS

USUAL: Final = 8 << 8
"""What an event may be strange without being evidence (Q8): two bits for each of the four habits that every event
has. An event that is just usual has on average 1.44 bits of rarity in each."""

Bits = tuple[int, ...]
"""The surprise of an event by habit (Q8)."""

REST, GUARDED, GATHERED = 0, 1, 2
"""The parts of a visit: its strangest event of a guarded device, that of any other, and the evidence."""


def _tails() -> tuple[list[Tail], list[Tail]]:
    return [Tail() for _ in HABITS], [Tail() for _ in HABITS]


@dataclass(slots=True)
class Evidence:
    """What is usual for bits, events and visits, and what the running visit has come to.

    ``habits`` count the bits of events (of guarded devices apart), ``parts`` the parts of visits, ``visits`` their
    scores. ``strangest`` and ``score`` are of the running visit, ``gathered`` is its evidence now.
    """

    habits: tuple[list[Tail], list[Tail]] = field(default_factory=_tails)
    parts: tuple[Tail, Tail, Tail] = field(default_factory=lambda: (Tail(), Tail(), Tail()))
    visits: Calibration = field(default_factory=Calibration)
    gathered: int = 0
    strangest: list[int] = field(default_factory=lambda: [0, 0, 0])
    score: int = 0

    def fork(self) -> Evidence:
        """A copy that can go on by itself."""
        twin = copy(self)
        twin.habits = ([tail.fork() for tail in self.habits[REST]], [tail.fork() for tail in self.habits[GUARDED]])
        rest, guarded, gathered = self.parts
        twin.parts = (rest.fork(), guarded.fork(), gathered.fork())
        twin.visits = self.visits.fork()
        twin.strangest = self.strangest.copy()
        return twin

    def rarities(self, bits: Bits, guarded: bool) -> Bits:
        """How rare the bits of each habit are among events of its kind (Q8)."""
        return tuple([tail.rarity(bit) if bit else 0 for tail, bit in zip(self.habits[guarded], bits, strict=True)])

    def weigh(self, strangeness: int, guarded: bool) -> tuple[int, int]:
        """What an event comes to after those before it in its visit: its score, and the evidence with it."""
        gathered = max(0, self.gathered + strangeness - USUAL)
        own, together = self.parts[guarded].rarity(strangeness), self.parts[GATHERED].rarity(gathered)
        return isqrt(own * own + together * together), gathered

    def note(self, bits: Bits, guarded: bool, strangeness: int, score: int, gathered: int) -> None:
        """Let an event take part in the running visit."""
        for tail, bit in zip(self.habits[guarded], bits, strict=True):
            tail.add(bit)
        self.gathered = gathered
        strangest = self.strangest
        if strangeness > strangest[guarded]:
            strangest[guarded] = strangeness
        if gathered > strangest[GATHERED]:
            strangest[GATHERED] = gathered
        if score > self.score:
            self.score = score

    def close(self) -> None:
        """Count the running visit, and begin the next."""
        for part, most in zip(self.parts, self.strangest, strict=True):
            part.add(most)
        self.visits.add(self.score)
        self._begin()
        self.settle()

    def tails(self) -> tuple[Tail, ...]:
        """All that is counted."""
        return (*self.habits[REST], *self.habits[GUARDED], *self.parts, self.visits)

    def settle(self) -> None:
        """Judge by what has been counted until now."""
        for tail in self.tails():
            tail.settle()

    def fade(self, epoch: int) -> None:
        """Halve every weight once for each boundary passed."""
        for tail in self.tails():
            tail.fade(epoch)

    def _begin(self) -> None:
        self.gathered, self.score, self.strangest = 0, 0, [0, 0, 0]


def lived(visits: Sequence[Sequence[tuple[Bits, bool]]], days: int, epoch: int) -> Evidence:
    """What is usual, from whole visits of so many active days: first for bits, then for events, then for visits."""
    found = Evidence()
    for tail in found.tails():
        tail.epoch = epoch
    for visit in visits:
        for bits, guarded in visit:
            for tail, bit in zip(found.habits[guarded], bits, strict=True):
                tail.add(bit)
    found.settle()
    for visit in visits:
        for part, most in zip(found.parts, _live(found, visit)[0], strict=True):
            part.add(most)
    found.settle()
    for visit in visits:
        found.visits.add(_live(found, visit)[1])
    found.visits.add_day(days)
    return found


def _live(found: Evidence, visit: Sequence[tuple[Bits, bool]]) -> tuple[list[int], int]:
    """The parts and the score of a visit; nothing is counted."""
    strangest, score, gathered = [0, 0, 0], 0, 0
    for bits, guarded in visit:
        strangeness = sum(found.rarities(bits, guarded))
        gathered = max(0, gathered + strangeness - USUAL)
        own, together = found.parts[guarded].rarity(strangeness), found.parts[GATHERED].rarity(gathered)
        strangest[guarded] = max(strangest[guarded], strangeness)
        strangest[GATHERED] = max(strangest[GATHERED], gathered)
        score = max(score, isqrt(own * own + together * together))
    return strangest, score
