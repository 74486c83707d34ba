"""What the bits of many habits and events come to: the score of a visit.

Each habit enters by its own empirical tail, so that one that is always surprised does not drown the rest: an event's
*strangeness* is the sum over habits of how rare their bits are (Fisher, 1925). Within a visit, what events are
stranger than usual adds up from zero (the cumulative sum of Page, 1954): many small oddities make one. So does, apart
from it, that somebody stirs while nobody is home; and apart again stands who acted, and from where. An event's score
joins these, each by its own tail; a visit's is that of its highest event. Habits and events depend on each other:
what comes out is a score, no likelihood, and it is counted over visits to say what it means.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from math import isqrt
from typing import Final, NamedTuple

from homeward.core.behaviour.calibration import Calibration, Tail
from homeward.core.behaviour.habits import FROM_WHERE, HABITS, WHO, WHO_IS_HOME

USUAL: Final = 8 << 8
"""What an event may be strange without being evidence (Q8): two bits for each of the four habits that every event
has. An event that is just usual has on average 1.44 bits of rarity in each."""

AT_HOME: Final = 1 << 8
"""What an event may speak against who is home without being evidence (Q8)."""

Bits = tuple[int, ...]
"""The surprise of an event by habit (Q8)."""

REST, GUARDED, GATHERED, ABSENT, BY_WHOM = range(5)
"""The parts of a visit: its strangest event of a guarded device, that of any other, the evidence, the evidence that
somebody stirs while nobody is home, and the strangest actor or origin. Doors open when people come home: guarded
devices say nothing about who is."""


class Scored(NamedTuple):
    """An event by its bits. What was ``held`` back does not tell how rare bits are."""

    bits: Bits
    guarded: bool
    held: bool = False


class Standing(NamedTuple):
    """Where a visit stands with an event: its strangeness, the evidence until now, and the score of all (Q8)."""

    strangeness: int
    gathered: int
    absent: int
    by_whom: int
    score: int


def _tails(number: int) -> list[Tail]:
    return [Tail() for _ in range(number)]


@dataclass(slots=True)
class Evidence:
    """What is usual for bits, events and visits, and what the running visit has come to.

    ``habits`` count the bits of events (of guarded devices apart), ``parts`` the parts of visits, ``visits`` their
    scores. ``most`` and ``score`` are of the running visit; ``gathered`` and ``absent`` are its evidence now.
    """

    habits: tuple[list[Tail], list[Tail]] = field(default_factory=lambda: (_tails(len(HABITS)), _tails(len(HABITS))))
    parts: list[Tail] = field(default_factory=lambda: _tails(5))
    visits: Calibration = field(default_factory=Calibration)
    gathered: int = 0
    absent: int = 0
    most: list[int] = field(default_factory=lambda: [0, 0, 0, 0, 0])
    score: int = 0

    def fork(self) -> Evidence:
        """A copy that can go on by itself."""
        twin = copy(self)
        twin.habits = ([tail.fork() for tail in self.habits[REST]], [tail.fork() for tail in self.habits[GUARDED]])
        twin.parts = [tail.fork() for tail in self.parts]
        twin.visits = self.visits.fork()
        twin.most = self.most.copy()
        return twin

    def rarities(self, bits: Bits, guarded: bool) -> Bits:
        """How rare the bits of each habit are among events of its kind (Q8)."""
        return tuple([tail.rarity(bit) if bit else 0 for tail, bit in zip(self.habits[guarded], bits, strict=True)])

    def weigh(self, bits: Bits, rarities: Bits, guarded: bool) -> Standing:
        """Where the running visit stands with one event more; changes nothing."""
        strangeness = sum(rarities) - rarities[WHO_IS_HOME] - rarities[WHO] - rarities[FROM_WHERE]
        by_whom = bits[WHO] + bits[FROM_WHERE]
        gathered = max(0, self.gathered + strangeness - USUAL)
        absent = self.absent if guarded else max(0, self.absent + bits[WHO_IS_HOME] - AT_HOME)
        parts = self.parts
        own, together = parts[guarded].rarity(strangeness), parts[GATHERED].rarity(gathered)
        away, who = parts[ABSENT].rarity(absent), parts[BY_WHOM].rarity(by_whom)
        score = isqrt(own * own + together * together + away * away + who * who)
        return Standing(strangeness, gathered, absent, by_whom, score)

    def note(self, one: Scored, standing: Standing) -> None:
        """Let an event take part in the running visit."""
        self._count_bits(one)
        self._move_on(one.guarded, standing)

    def _count_bits(self, one: Scored) -> None:
        if not one.held:  # or one burglar's hour would make the next one's usual
            for tail, bit in zip(self.habits[one.guarded], one.bits, strict=True):
                tail.add(bit)

    def _move_on(self, guarded: bool, standing: Standing) -> None:
        strangeness, gathered, absent, by_whom, score = standing
        self.gathered, self.absent = gathered, absent
        most = self.most
        most[guarded] = max(most[guarded], strangeness)
        most[GATHERED] = max(most[GATHERED], gathered)
        most[ABSENT] = max(most[ABSENT], absent)
        most[BY_WHOM] = max(most[BY_WHOM], by_whom)
        self.score = max(self.score, score)

    def close(self) -> tuple[list[int], int]:
        """End the running visit, and begin the next. Returns its parts and its score, which do not count yet."""
        ended = self.most, self.score
        self._begin()
        return ended

    def count(self, most: Sequence[int], score: int) -> None:
        """Let a visit say what is usual."""
        for tail, value in zip((*self.parts, self.visits), (*most, score), strict=True):
            tail.add(value)

    def discount(self, most: Sequence[int], score: int) -> None:
        """Let a visit that was counted say it no longer."""
        for tail, value in zip((*self.parts, self.visits), (*most, score), strict=True):
            tail.take_back(value)

    def _begin(self) -> None:
        self.gathered, self.absent, self.score, self.most = 0, 0, 0, [0, 0, 0, 0, 0]

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

    def live(self, visit: Sequence[Scored]) -> tuple[list[int], int]:
        """The parts and the score of a whole visit; nothing is counted."""
        self._begin()
        for bits, guarded, _ in visit:
            self._move_on(guarded, self.weigh(bits, self.rarities(bits, guarded), guarded))
        found = self.most, self.score
        self._begin()
        return found


def lived(visits: Sequence[Sequence[Scored]], days: int, epoch: int) -> Evidence:
    """What is usual, from whole visits of so many active days: first for bits, then for events, then for visits."""
    found = Evidence()
    for tail in found.tails():
        tail.epoch = epoch
    for visit in visits:
        for one in visit:
            found._count_bits(one)
    found.settle()
    for most, _ in [found.live(visit) for visit in visits]:
        for part, value in zip(found.parts, most, strict=True):
            part.add(value)
    found.settle()
    for _, score in [found.live(visit) for visit in visits]:
        found.visits.add(score)
    found.visits.add_day(days)
    found.settle()
    return found
