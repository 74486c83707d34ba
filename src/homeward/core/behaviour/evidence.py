"""What the bits of many habits and events come to: the score of a visit.

Each habit enters by its own empirical tail, so that one that is always surprised does not drown the rest: an event's
*strangeness* is the sum over habits of how rare their bits are (Fisher, 1925), among events of its kind of device.
Within a visit, what events are stranger than usual adds up from zero (the cumulative sum of Page, 1954): many small
oddities make one. Apart from it adds up, device by device, that somebody stirs while nobody is home; and apart again
stands who acted, and from where. An event's score joins these, each by its own tail; a visit's is that of its highest
event. Habits and events depend on each other: what comes out is a score, no likelihood, and it is counted over visits
to say what it means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from math import isqrt
from typing import Final, NamedTuple

from homeward.core.behaviour.calibration import Calibration, Tail
from homeward.core.behaviour.habits import FROM_WHERE, HABITS, WHO, WHO_IS_HOME
from homeward.core.vocabulary import KINDS

USUAL: Final = 8 << 8
"""What an event may be strange without being evidence (Q8): two bits for each of the four habits that every event
has. An event that is just usual has on average 1.44 bits of rarity in each."""

PEOPLE_LIMIT: Final = 64

Bits = tuple[int, ...]
"""The surprise of an event by habit (Q8)."""

SOME: Final = 8 << 8
"""So many alarms (eight, in weight) are no more than chance."""

PARTS: Final = len(KINDS) + 3
GATHERED, ABSENT, BY_WHOM = range(len(KINDS), PARTS)
"""The parts of a visit: first the strangest event of each kind of device, then the evidence, the evidence that
somebody stirs while nobody is home, and the strangest actor or origin."""


class Scored(NamedTuple):
    """An event by its bits and the kind and key of its ``device``. What was ``held`` back does not tell how rare bits
    are. ``person`` is who did it, where they have a budget of their own. ``stir`` is how much it speaks for somebody
    being there although nobody is home (Q8); ``None`` if somebody is, or nobody knows."""

    bits: Bits
    kind: int
    held: bool = False
    person: str = ""
    device: int = 0
    stir: int | None = None


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

    ``habits`` count the bits of events by the kind of their devices, ``parts`` the parts of visits, ``visits`` their
    scores, and ``people`` those that visits came to with what one person did (of at most 64). ``confirmed`` weighs
    the alarms of which the owner said "that was me", and ``ignored`` counts what nobody answered. ``most``, ``score``
    and ``by`` person are of the running visit; ``gathered`` and ``absent`` are its evidence now, and ``stirred`` is
    what each device says of it that somebody is there (Q8).
    """

    habits: list[list[Tail]] = field(default_factory=lambda: [_tails(len(HABITS)) for _ in KINDS])
    parts: list[Tail] = field(default_factory=lambda: _tails(PARTS))
    visits: Calibration = field(default_factory=Calibration)
    people: dict[str, Calibration] = field(default_factory=dict)
    confirmed: int = 0
    ignored: Tail = field(default_factory=Tail)
    gathered: int = 0
    absent: int = 0
    stirred: dict[int, int] = field(default_factory=dict)
    most: list[int] = field(default_factory=lambda: [0] * PARTS)
    score: int = 0
    by: dict[str, int] = field(default_factory=dict)

    def fork(self) -> Evidence:
        """A copy that can go on by itself."""
        twin = copy(self)
        twin.habits = [[tail.fork() for tail in of_kind] for of_kind in self.habits]
        twin.parts = [tail.fork() for tail in self.parts]
        twin.visits, twin.ignored = self.visits.fork(), self.ignored.fork()
        twin.people = {person: tail.fork() for person, tail in self.people.items()}
        twin.most, twin.by, twin.stirred = self.most.copy(), self.by.copy(), self.stirred.copy()
        return twin

    def rarities(self, bits: Bits, kind: int) -> Bits:
        """How rare the bits of each habit are among events of its kind (Q8)."""
        return tuple([tail.rarity(bit) if bit else 0 for tail, bit in zip(self.habits[kind], bits, strict=True)])

    def weigh(self, one: Scored, rarities: Bits) -> Standing:
        """Where the running visit stands with one event more, whose bits are so rare; changes nothing."""
        strangeness = sum(rarities) - rarities[WHO_IS_HOME] - rarities[WHO] - rarities[FROM_WHERE]
        by_whom = one.bits[WHO] + one.bits[FROM_WHERE]
        gathered = max(0, self.gathered + strangeness - USUAL)
        absent = 0 if one.stir is None else self.absent + max(0, one.stir - self.stirred.get(one.device, 0))
        parts = self.parts
        own, together = parts[one.kind].rarity(strangeness), parts[GATHERED].rarity(gathered)
        away, who = parts[ABSENT].rarity(absent), parts[BY_WHOM].rarity(by_whom)
        score = isqrt(own * own + together * together + away * away + who * who)
        return Standing(strangeness, gathered, absent, by_whom, score)

    def note(self, one: Scored, standing: Standing) -> None:
        """Let an event take part in the running visit."""
        self._count_bits(one)
        self._move_on(one, standing)

    def _count_bits(self, one: Scored) -> None:
        if not one.held:  # or one burglar's hour would make the next one's usual
            for tail, bit in zip(self.habits[one.kind], one.bits, strict=True):
                tail.add(bit)

    def _move_on(self, one: Scored, standing: Standing) -> None:
        strangeness, gathered, absent, by_whom, score = standing
        self.gathered, self.absent = gathered, absent
        if one.stir is None:
            self.stirred.clear()
        elif one.stir > self.stirred.get(one.device, 0):
            self.stirred[one.device] = one.stir
        most = self.most
        most[one.kind] = max(most[one.kind], strangeness)
        most[GATHERED] = max(most[GATHERED], gathered)
        most[ABSENT] = max(most[ABSENT], absent)
        most[BY_WHOM] = max(most[BY_WHOM], by_whom)
        self.score = max(self.score, score)
        if one.person:
            self.by[one.person] = max(self.by.get(one.person, 0), score)

    def close(self) -> tuple[list[int], int, dict[str, int]]:
        """End the running visit, and begin the next. Returns its parts, its score, and what it came to with what each
        person did: they do not count yet."""
        ended = self.most, self.score, self.by
        self._begin()
        return ended

    def count(self, most: Sequence[int], score: int, by: Mapping[str, int]) -> None:
        """Let a visit say what is usual; without parts (``most``), by its score only."""
        self.visits.add(score)
        for part, value in zip(self.parts, most, strict=False):
            part.add(value)
        for person, value in by.items():
            if person not in self.people and len(self.people) < PEOPLE_LIMIT:
                self.people[person] = Calibration(epoch=self.visits.epoch)
            if person in self.people:
                self.people[person].add(value)

    def discount(self, most: Sequence[int], score: int, by: Mapping[str, int]) -> None:
        """Let a visit that was counted say it no longer."""
        self.visits.take_back(score)
        for part, value in zip(self.parts, most, strict=False):
            part.take_back(value)
        for person, value in by.items():
            if person in self.people:
                self.people[person].take_back(value)

    def add_day(self, days: int = 1) -> None:
        """Count an active day."""
        for calibration in (self.visits, *self.people.values()):
            calibration.add_day(days)

    def _begin(self) -> None:
        self.gathered, self.absent, self.score = 0, 0, 0
        self.stirred, self.most, self.by = {}, [0] * PARTS, {}

    def tails(self) -> tuple[Tail, ...]:
        """All that is counted."""
        of_habits = [tail for of_kind in self.habits for tail in of_kind]
        return (*of_habits, *self.parts, self.visits, self.ignored, *self.people.values())

    def ignore(self, score: int) -> None:
        """Nobody answered: a visit of that score is no surprise any more, whatever was in it."""
        self.visits.add(score)
        self.ignored.add(score)

    def keep_answers(self, before: Evidence) -> None:
        """When the past was lived again: what the owner said, or did not say, stays as it was."""
        self.confirmed, self.ignored = before.confirmed, before.ignored
        for bucket, weight in self.ignored.counts.items():
            self.visits.counts[bucket] = self.visits.counts.get(bucket, 0) + weight
            self.visits.n += weight
        self.visits.settled = False
        self.visits.settle()

    def share(self, per_week: float) -> float:
        """What of a budget (alarms a week) the past may be asked for, so that it is kept from now on.

        What has not happened yet is in no past. The owner's answers tell how much more comes than the past foretold:
        by that much less is asked of it. Only a yes counts, so that nobody else's alarms can raise the bar.
        """
        foretold = per_week * self.visits.days / 7
        return per_week * (foretold + SOME) / max(foretold + SOME, self.confirmed + SOME)

    def settle(self) -> None:
        """Judge by what has been counted until now."""
        for tail in self.tails():
            tail.settle()

    def fade(self, epoch: int) -> None:
        """Halve every weight once for each boundary passed."""
        self.confirmed >>= max(0, min(epoch - self.visits.epoch, 64))
        for tail in self.tails():
            tail.fade(epoch)

    def live(self, visit: Sequence[Scored]) -> tuple[list[int], int, dict[str, int]]:
        """The parts and the score of a whole visit, and by whom; nothing is counted."""
        self._begin()
        for one in visit:
            self._move_on(one, self.weigh(one, self.rarities(one.bits, one.kind)))
        return self.close()


def lived(visits: Sequence[Sequence[Scored]], days: int, epoch: int) -> Evidence:
    """What is usual, from whole visits of so many active days: first for bits, then for events, then for visits."""
    found = Evidence()
    for tail in found.tails():
        tail.epoch = epoch
    for visit in visits:
        for one in visit:
            found._count_bits(one)
    found.settle()
    for most, _, _ in [found.live(visit) for visit in visits]:
        for part, value in zip(found.parts, most, strict=True):
            part.add(value)
    found.settle()
    for _, score, by in [found.live(visit) for visit in visits]:
        found.count((), score, by)
    found.add_day(days)
    found.settle()
    return found
