"""A person's half-year as blocks of sleep and absence: the skeleton that the stays in rooms are hung on.

All times are wall seconds (see `almanac`). A day's draws depend on the seed, the household, the person and the day
alone. What a household does together (outings of the weekend) is drawn for the household.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from homeward.bench.neighbourhood.almanac import DAY, HALF_YEAR, HOUR, MINUTE, Almanac, Trip
from homeward.bench.neighbourhood.people import Inhabitants, Person
from homeward.bench.neighbourhood.ranges import HOLIDAY_WEEKENDS, chance_of

SLEEP, OUT = "sleep", "out"
FIRST_OUT = 25 * MINUTE
"""From getting up to leaving at the least; and from coming home to bed."""


class Block(NamedTuple):
    """Asleep, or out."""

    begin: float
    end: float
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """What the residents do together, by day: an outing as (begin, end) in wall seconds, or nothing."""

    outings: tuple[tuple[float, float] | None, ...]
    trips: tuple[Trip, ...]


def together(key: tuple[object, ...], home: Inhabitants, almanac: Almanac) -> Together:
    """The household's own plan. The people of a holiday home are away but for some weekends and a week or two."""
    chance = chance_of(*key, "together")
    share = chance.uniform(0.15, 0.5) if len(home.residents) > 1 and home.kind != "students" else 0.0
    outings: list[tuple[float, float] | None] = []
    for day in range(almanac.days):
        begin = day * DAY + (chance.choice((10.5, 13.5, 14.5)) + chance.gauss(0, 0.6)) * HOUR
        length = max(0.7, chance.lognormvariate(0.9, 0.45)) * HOUR
        outings.append((begin, begin + length) if almanac.is_free(day) and chance.random() < share else None)
    trips = tuple(_absences(chance, almanac)) if home.kind == "holiday" else almanac.trips
    return Together(outings=tuple(outings), trips=trips)


def _absences(chance: Random, almanac: Almanac) -> Iterator[Trip]:
    share, left = HOLIDAY_WEEKENDS.draw(chance), -DAY
    long_stay = chance.randrange(max(1, almanac.days // 7)), chance.randint(6, 13)
    for day in range(almanac.days):
        if almanac.weekday(day) != 4:
            continue
        stays = day // 7 == long_stay[0]
        if not stays and chance.random() >= share:
            continue
        arrives = day * DAY + (chance.gauss(19.0, 1.2)) * HOUR
        if arrives < left + 12 * HOUR:
            continue
        leaves = (day + (long_stay[1] if stays else chance.choice((2, 2, 2, 3)))) * DAY + chance.gauss(16, 1.5) * HOUR
        yield Trip(left, arrives)
        left = leaves
    yield Trip(left, (almanac.days + 2) * DAY)


def plan(key: tuple[object, ...], person: Person, almanac: Almanac, shared: Together) -> list[Block]:
    """The person's blocks from before the first midnight to after the last: in order, none overlapping."""
    days = range(-1, almanac.days + 1)
    chances = {day: chance_of(*key, person.name, day) for day in days}
    duties = {day: duty(person, almanac, day, chances[day]) for day in days}
    wakes = {day: _wake(person, duties[day], day, chances[day]) for day in days}
    going = chance_of(*key, person.name, "trips")
    trips = [trip for trip in shared.trips if person.way != "student" or going.random() < 0.5]  # each for themselves
    blocks: list[Block] = [Block(trip.begin, trip.end, OUT) for trip in trips]
    for day in days:
        chance, today = chances[day], duties[day]
        for begin, end in _outs(person, today, day, chance, almanac, shared):
            blocks.append(Block(begin, max(end, begin + 10 * MINUTE), OUT))
        if day + 1 in duties:
            blocks += _nights(person, (today, duties[day + 1]), day, wakes[day + 1], chance)
    return list(_settled(blocks))


def duty(person: Person, almanac: Almanac, day: int, chance: Random) -> str:
    """What the day is for the person: work, home (works there, or is ill), off; E, L or N for a shift."""
    weekday = almanac.weekday(day)
    ill = chance.random() < person.sick
    if person.way == "shift":
        shift = person.rotation[(day + person.phase) % len(person.rotation)]
        return "off" if shift == "-" or ill else shift
    if person.way == "retired" or almanac.is_free(day):
        return "off"
    if ill or weekday in person.home_days:
        return "home"
    return "work"


def _shifted(person: Person, day: int) -> float:
    """By how many hours the person's day has moved since the beginning, but for a new job."""
    return person.drift * min(day / HALF_YEAR, 1.0)


def _job(person: Person, day: int) -> float:
    return person.job[1] if person.job is not None and day >= person.job[0] else 0.0


def _wake(person: Person, today: str, day: int, chance: Random) -> float:
    """The hour of getting up."""
    drift = _shifted(person, day)
    if today == "E":
        return person.leave - 0.9 + chance.gauss(0, person.wake_spread)
    if today in ("L", "N"):
        return max(person.wake_free, 7.5) + chance.gauss(0, 2 * person.wake_spread)
    if today == "off":
        return person.wake_free + drift + chance.gauss(0, 2.5 * person.wake_spread)
    later = _job(person, day) + (0.4 if today == "home" else 0.0)
    return person.wake + drift + later + chance.gauss(0, person.wake_spread)


def _nights(person: Person, duties: tuple[str, str], day: int, wake: float, chance: Random) -> Iterator[Block]:
    """The sleep that follows a day: at night, or after a night shift until the early afternoon."""
    today, tomorrow = duties
    if today == "N":
        begin, end = 24 + chance.gauss(7.7, 0.3), 24 + chance.gauss(14.3 if tomorrow == "N" else 12.8, 0.5)
    else:
        free = tomorrow == "off"
        bed = (person.bed_free if free else person.bed) + _shifted(person, day)
        if person.way == "shift":
            bed = {"E": min(person.bed, person.leave + 24 - 7.6)}.get(tomorrow, max(bed, 23.0))
        elif tomorrow == "work":
            bed += max(min(_job(person, day + 1), 1.0), -1.0)
        begin, end = bed + chance.gauss(0, person.bed_spread), 24 + wake
    yield Block(day * DAY + begin * HOUR, day * DAY + end * HOUR, SLEEP)


def _outs(
    person: Person, today: str, day: int, chance: Random, almanac: Almanac, shared: Together
) -> Iterator[tuple[float, float]]:
    """When the person is out on a day: work or school, appointments, outings, evenings out."""
    for begin, end in _hours_out(person, today, day, chance, almanac):
        yield day * DAY + begin * HOUR, day * DAY + end * HOUR
    joint = shared.outings[day] if 0 <= day < almanac.days else None
    if joint is not None and today != "N" and chance.random() < 0.9:
        yield joint[0] + chance.uniform(-8, 8), joint[1] + chance.uniform(-8, 8)


def _hours_out(
    person: Person, today: str, day: int, chance: Random, almanac: Almanac
) -> Iterator[tuple[float, float]]:
    weekday = almanac.weekday(day)
    if today == "work":
        moved = _shifted(person, day) * 0.5 + _job(person, day)
        yield (
            person.leave + moved + chance.gauss(0, person.leave_spread),
            person.back + moved + chance.gauss(0, person.back_spread),
        )
    elif today in ("E", "L", "N"):
        begin = person.leave + {"E": 0.0, "L": 7.7, "N": 15.7}[today]
        yield begin + chance.gauss(0, person.leave_spread), begin + person.back + chance.gauss(0, person.leave_spread)
    elif today == "home" and chance.random() < 0.35:
        begin = chance.gauss(12.6, 0.5)
        yield begin, begin + chance.uniform(0.4, 1.2)
    elif today == "off":
        yield from _free_day(person, chance)
    if weekday in person.evenings and today not in ("L", "N") and chance.random() < 0.8:
        begin, length = person.evenings[weekday]
        begin += chance.gauss(0, 0.12)
        yield begin, begin + length + chance.gauss(0, 0.15)
    late = 3 if person.way == "student" else 4
    if late <= weekday <= 5 and today not in ("L", "N") and chance.random() < person.evenings_out:
        begin = chance.gauss(20.4 if person.way == "student" else 19.3, 0.6)
        ends = chance.gauss(25.2, 1.3) if person.way == "student" else chance.gauss(23.4, 0.8)
        yield begin, max(ends, begin + 1)


def _free_day(person: Person, chance: Random) -> Iterator[tuple[float, float]]:
    if person.way == "retired":
        if chance.random() < person.outings:
            begin = person.leave + chance.gauss(0, 0.4)
            yield begin, begin + max(0.4, person.back + chance.gauss(0, 0.3))
        if chance.random() < 0.3 * person.outings:
            begin = chance.gauss(15.2, 0.7)
            yield begin, begin + chance.uniform(0.5, 2.5)
        return
    for middle, share in ((11.2, 0.6), (15.3, 0.5)):
        if chance.random() < share * person.outings * 1.4:
            begin = chance.gauss(middle, 0.9)
            yield begin, begin + max(0.4, chance.lognormvariate(0.5, 0.5))


def _settled(blocks: list[Block]) -> Iterator[Block]:
    """Absence comes before sleep: sleep is cut by what is out, and what is too short is left out."""
    outs: list[Block] = []
    for block in sorted(block for block in blocks if block.kind == OUT):
        if outs and block.begin < outs[-1].end + 20 * MINUTE:
            outs[-1] = Block(outs[-1].begin, max(outs[-1].end, block.end), OUT)
        else:
            outs.append(block)
    merged: list[Block] = list(outs)
    for sleep in (block for block in blocks if block.kind == SLEEP):
        begin, end = sleep.begin, sleep.end
        for out in outs:
            if out.begin - FIRST_OUT < end and begin < out.end + FIRST_OUT:
                if out.begin > begin + 2 * HOUR:
                    end = min(end, out.begin - FIRST_OUT)
                else:
                    begin = max(begin, out.end + FIRST_OUT)
        if end - begin > 1.5 * HOUR:
            merged.append(Block(begin, end, SLEEP))
    last = -math.inf
    for block in sorted(merged):
        if block.begin >= last:
            yield block
            last = block.end
