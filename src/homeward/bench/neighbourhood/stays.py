"""From blocks to stays: who is in which room, when, doing what. A day at home, activity by activity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Final, NamedTuple

from homeward.bench.neighbourhood.almanac import DAY, HOUR, MINUTE, Almanac
from homeward.bench.neighbourhood.people import Inhabitants, Person
from homeward.bench.neighbourhood.places import House
from homeward.bench.neighbourhood.plans import OUT, SLEEP, Block
from homeward.bench.neighbourhood.ranges import COOK, DINNER, DINNER_SPREAD, MEAL, STAY_SITTING, WASH, chance_of

SHORT: Final = 15.0
"""Nobody stays anywhere for less (seconds)."""

NAP: Final = 3 * HOUR
GARDEN_FROM: Final = 13.0
"""Degrees from which people sit outside."""


class Stay(NamedTuple):
    """A person in a room; wall seconds until the almanac has made them true time.

    ``activity`` is sleep, night (up at night), sit, watch, desk, cook, eat, wash, dress, move or pass.
    """

    begin: float
    end: float
    person: str
    room: str
    activity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """A household's habits of the day; ``dinners`` are the hours of dinner, by day."""

    dinners: tuple[float, ...]
    cooks: tuple[str, ...]
    meal: float
    cook: float
    wash: float
    evening: float


def rhythm(key: tuple[object, ...], home: Inhabitants, almanac: Almanac) -> Rhythm:
    """The habits of a household."""
    chance = chance_of(*key, "rhythm")
    usual, spread = DINNER.draw(chance), DINNER_SPREAD.draw(chance) / 60
    adults = [person.name for person in home.residents if person.adult]
    return Rhythm(
        dinners=tuple(usual + chance.gauss(0, spread) for _ in range(almanac.days)),
        cooks=tuple(chance.choice(adults) for _ in range(almanac.days)),
        meal=MEAL.draw(chance),
        cook=COOK.draw(chance),
        wash=WASH.draw(chance),
        evening=STAY_SITTING.draw(chance),
    )


def at_home(
    key: tuple[object, ...], person: Person, blocks: list[Block], house: House, habits: Rhythm, almanac: Almanac
) -> list[Stay]:
    """All stays of a resident, in wall seconds: asleep, and between the blocks."""
    chance = chance_of(*key, person.name, "stays")
    stays: list[Stay] = []
    for block in blocks:
        if block.kind == SLEEP:
            stays += _night(person, block, house, chance)
    for before, after in pairwise(blocks):
        if after.begin > before.end:
            walk = Walk(person, house, habits, almanac, chance, before.end)
            walk.between(before, after)
            stays += walk.stays
    return sorted(stays)


def _night(person: Person, block: Block, house: House, chance: Random) -> Iterator[Stay]:
    """Asleep, with ways to the bathroom."""
    at, room = block.begin, person.bedroom
    visits = sum(chance.random() < person.night_visits / 3 for _ in range(3)) if block.end - at > NAP else 0
    bath = "toilet" if "toilet" in house.rooms and room not in house.upstairs else "bathroom"
    times = sorted(chance.uniform(block.begin + HOUR, block.end - HOUR) for _ in range(visits))
    for up in times:
        if up < at + 20 * MINUTE:
            continue
        yield Stay(at, up, person.name, room, "sleep")
        there = up + chance.uniform(15, 60)
        back = there + chance.lognormvariate(5.2, 0.4)
        yield Stay(up, there, person.name, room, "night")
        yield Stay(there, back, person.name, bath, "night")
        at = back
    if block.end > at + SHORT:
        yield Stay(at, block.end, person.name, room, "sleep")


@dataclass(slots=True)
class Walk:
    """A person's way through the rooms, stay by stay, from ``now`` on."""

    person: Person
    house: House
    habits: Rhythm
    almanac: Almanac
    chance: Random
    now: float
    stays: list[Stay] = field(default_factory=list)

    def until(self, room: str, activity: str, then: float) -> None:
        """Stay there until then; a room that the house lacks is the living room."""
        if then - self.now > SHORT:
            place = room if room in self.house.rooms or room == "garden" else "living room"
            self.stays.append(Stay(self.now, then, self.person.name, place, activity))
            self.now = then

    def stay(self, room: str, activity: str, minutes: float, limit: float) -> None:
        """Stay about so long, but not beyond the limit."""
        length = minutes * MINUTE * self.chance.lognormvariate(0, 0.3)
        self.until(room, activity, min(self.now + length, limit))

    def between(self, before: Block, after: Block) -> None:
        """Fill the time at home between two blocks: begin, meals and all the rest, end."""
        limit = after.begin
        if before.kind == SLEEP and before.end - before.begin > NAP:
            self._morning(limit)
        elif before.kind == OUT:
            self.stay("hall", "pass", 1.2, limit)
            if self.chance.random() < 0.35:
                self.stay("bathroom", "move", 3, limit)
        dresses = after.kind == OUT and self.chance.random() < 0.4
        closing = 22 * MINUTE if after.kind == SLEEP else (5 if dresses else 1.5) * MINUTE
        self._day(limit - closing)
        if after.kind == SLEEP:
            self.stay("bathroom", "wash", self.habits.wash * 0.6, limit)
            self.until(self.person.bedroom, "dress", limit)
        elif dresses:
            self.until(self.person.bedroom, "dress", limit - MINUTE)
        self.until("hall", "pass", limit)

    def _day(self, limit: float) -> None:
        """Meals, and everything between them."""
        for begins, cooking in self._meals(limit):
            self._wander(begins - (cooking or 0) * MINUTE)
            if cooking:
                self.until("kitchen", "cook", begins)
            self._wander(begins)
            self.stay(self._table(), "eat", self.habits.meal, limit)
        self._wander(limit)

    def _table(self) -> str:
        return "dining room" if "dining room" in self.house.rooms else "kitchen"

    def _morning(self, limit: float) -> None:
        hurry = limit - self.now < 50 * MINUTE
        self.stay(self.person.bedroom, "dress", 3, limit)
        self.stay("bathroom", "wash", self.habits.wash * (0.7 if hurry else 1.0), limit)
        if self.chance.random() < (0.6 if hurry else 0.95):
            self.stay("kitchen", "breakfast", self.habits.meal * (0.5 if hurry else 0.9), limit)

    def _meals(self, limit: float) -> Iterator[tuple[float, float | None]]:
        """Lunch and dinner in the time until the limit: when they begin, and how long this person cooks before."""
        first = max(0, int(self.now // DAY))
        for day in range(first, min(int(limit // DAY), self.almanac.days - 1) + 1):
            lunch = day * DAY + self.chance.gauss(12.6, 0.35) * HOUR
            dinner = day * DAY + self.habits.dinners[day] * HOUR
            cooks = self.habits.cooks[day] == self.person.name
            for begins, minutes in ((lunch, 0.4 * self.habits.cook), (dinner, self.habits.cook)):
                if self.now + 15 * MINUTE < begins < limit - 12 * MINUTE:
                    yield begins, minutes if cooks or (begins == lunch and self.chance.random() < 0.5) else None

    def _wander(self, then: float) -> None:
        """Go from room to room until then, by the hour of the day."""
        while then - self.now > 2 * MINUTE:
            hour = self.now % DAY / HOUR
            room, activity, median = self._place(hour)
            length = max(1.5, median * self.chance.lognormvariate(0, 0.6)) * MINUTE
            self.until(room, activity, min(self.now + length, then))
        if self.stays and then > self.now:
            last = self.stays[-1]
            self.stays[-1] = last._replace(end=then)
            self.now = then

    def _place(self, hour: float) -> tuple[str, str, float]:
        """A room, an activity and the median of its length in minutes."""
        person, chance = self.person, self.chance
        evening = hour >= 18 or hour < 3
        own = {"student": 6.0, "pupil": 3.0, "retired": 0.5}.get(person.way, 0.8)
        day = min(max(int(self.now // DAY), 0), self.almanac.days - 1)
        outside = self.house.garden and 9 <= hour < 20 and self.almanac.outdoors[day] > GARDEN_FROM
        works = person.way == "home-worker" and 8.5 < hour < 17.5 and not self.almanac.is_free(day)
        places: list[tuple[float, str, str, float]] = [
            (6.0 if evening else 3.0, "living room", "watch" if evening else "sit", self.habits.evening),
            (0.8, "kitchen", "move", 11.0),
            (0.45, "bathroom", "move", 5.0),
            (own, person.bedroom, "sit" if own > 1 else "move", 70.0 if own > 1 else 25.0),
            (0.3 if "laundry" in self.house.rooms and person.adult else 0.0, "laundry", "move", 6.0),
            (12.0 if works else 0.5 if "study" in self.house.rooms and person.adult else 0.0, "study", "desk", 70.0),
            (1.2 if outside else 0.0, "garden", "garden", 30.0),
        ]
        _, room, activity, median = chance.choices(places, [place[0] for place in places])[0]
        return room, activity, median
