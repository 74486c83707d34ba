"""Who else is in a home: guests, regular visitors with a code of their own, a parcel, the neighbour, the cat."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple

from homeward.bench.neighbourhood.almanac import DAY, HOUR, MINUTE, Almanac, Trip
from homeward.bench.neighbourhood.people import Inhabitants, RegularVisitor
from homeward.bench.neighbourhood.places import House
from homeward.bench.neighbourhood.ranges import CARE_VISIT, CLEANING, PARCELS, chance_of
from homeward.bench.neighbourhood.stays import Stay

GUEST, NEIGHBOUR, CAT = "guest", "neighbour", "cat"

_GUEST_ROOMS: Final = {"living room": 6.0, "kitchen": 1.5, "bathroom": 0.7}


class Crossing(NamedTuple):
    """Somebody goes through the entrance at a true time. ``comes`` is ``None`` where a resident only opens.

    ``coded`` says that the person has a code or an app of their own; others are let in, or have a key.
    """

    at: float
    person: str
    comes: bool | None
    coded: bool


@dataclass(slots=True)
class Visits:
    """True times throughout."""

    stays: list[Stay] = field(default_factory=list)
    crossings: list[Crossing] = field(default_factory=list)
    parcels: list[float] = field(default_factory=list)
    pet: list[Stay] = field(default_factory=list)

    def visit(self, person: str, begin: float, end: float, *, coded: bool) -> None:
        """Somebody comes in and leaves again."""
        self.crossings += [Crossing(begin, person, True, coded), Crossing(end, person, False, coded)]


def visitors(
    key: tuple[object, ...],
    home: Inhabitants,
    house: House,
    almanac: Almanac,
    inside: list[tuple[float, float]],
    trips: tuple[Trip, ...],
) -> Visits:
    """All that happens through others than the residents; ``inside`` is when a resident is at home."""
    found = Visits()
    chance = chance_of(*key, "visitors")
    away = [(almanac.true(trip.begin), almanac.true(trip.end)) for trip in trips]
    for regular in home.regulars:
        _help(found, regular, chance, house, almanac, away)
    _guests(found, chance, house, almanac, inside)
    if home.kind not in ("holiday", "students") and chance.random() < 0.5:
        _neighbour(found, chance, away, almanac)
    _parcels(found, chance, almanac, inside)
    if home.pet:
        found.pet = list(_cat(chance, house, almanac))
    return found


def _wander(
    person: str, begin: float, end: float, rooms: dict[str, float], median: float, chance: Random
) -> Iterator[Stay]:
    """From room to room between two times."""
    now = begin
    while end - now > MINUTE:
        room = chance.choices(list(rooms), list(rooms.values()))[0]
        then = min(end, now + max(60.0, median * MINUTE * chance.lognormvariate(0, 0.6)))
        yield Stay(now, then, person, room, "sit" if median > 20 and room == "living room" else "move")
        now = then


def _help(
    found: Visits,
    regular: RegularVisitor,
    chance: Random,
    house: House,
    almanac: Almanac,
    away: list[tuple[float, float]],
) -> None:
    """Carer and cleaner come while the residents are not on a trip, a caretaker when nobody is."""
    rooms = {"kitchen": 2.0, "living room": 2.0, "bathroom": 2.0, "bedroom": 1.0}
    if regular.task != "carer":
        rooms = {room: 1.0 for room in house.rooms if room not in ("hall", "landing")}
    usual = CLEANING.draw(chance) * 60 if regular.task == "cleaner" else CARE_VISIT.draw(chance)
    for day in range(almanac.days):
        if almanac.weekday(day) not in regular.days or chance.random() < 0.04:
            continue
        begin = almanac.true(day * DAY + (regular.hour + chance.gauss(0, 0.2)) * HOUR)
        end = begin + usual * MINUTE * chance.lognormvariate(0, 0.15)
        nobody = any(left < begin < back for left, back in away)
        if nobody == (regular.task == "caretaker"):
            found.visit(regular.name, begin, end, coded=True)
            found.stays += _wander(regular.name, begin, end, rooms, 9, chance)


def _guests(found: Visits, chance: Random, house: House, almanac: Almanac, inside: list[tuple[float, float]]) -> None:
    """Let in by a resident. Who stays for days has a code in some homes, goes out, and sleeps there."""
    coded = chance.random() < 0.4
    rooms = _GUEST_ROOMS | ({"garden": 2.0} if house.garden else {})
    for visit in almanac.visits:
        begin, end = almanac.true(visit.begin), almanac.true(visit.end)
        span = _span(inside, begin)
        if span is None or span[1] < begin + 30 * MINUTE:
            continue
        if not visit.sleeps:
            end = min(end, span[1] - 5 * MINUTE)
            found.visit(GUEST, begin, end, coded=False)
            found.stays += _wander(GUEST, begin, end, rooms, 35, chance)
            continue
        for day in range(int(visit.begin // DAY), int(visit.end // DAY) + 1):
            wake, bed = (day * DAY + chance.gauss(hour, 0.4) * HOUR for hour in (8.8, 23.4))
            first, last = max(visit.begin, wake), min(visit.end, bed)
            if chance.random() < 0.6 and last - first > 9 * HOUR:
                leaves, returns = first + chance.uniform(1, 3) * HOUR, first + chance.uniform(4, 8) * HOUR
                found.crossings.append(Crossing(almanac.true(leaves), GUEST, False, coded))
                found.crossings.append(Crossing(almanac.true(returns), GUEST, True, coded))
                found.stays += _wander(GUEST, almanac.true(first), almanac.true(leaves), rooms, 35, chance)
                first = returns
            found.stays += _wander(GUEST, almanac.true(first), almanac.true(last), rooms, 35, chance)
            night = day * DAY + DAY + chance.gauss(8.5, 0.3) * HOUR
            if night < visit.end:
                found.stays.append(Stay(almanac.true(bed), almanac.true(night), GUEST, house.guest_room(), "sleep"))
        found.crossings.append(Crossing(begin, GUEST, True, False))
        found.crossings.append(Crossing(end, GUEST, False, coded))


def _neighbour(found: Visits, chance: Random, away: list[tuple[float, float]], almanac: Almanac) -> None:
    """Waters the plants during long trips, with a key."""
    for left, back in away:
        at = left + chance.uniform(1.8, 3) * DAY
        while at < back - DAY and back - left > 5 * DAY:
            begin = almanac.true(almanac.index(at) * DAY + chance.gauss(17, 1.5) * HOUR)
            end = begin + chance.uniform(5, 15) * MINUTE
            found.visit(NEIGHBOUR, begin, end, coded=False)
            found.stays += _wander(NEIGHBOUR, begin, end, {"living room": 2.0, "kitchen": 1.0}, 4, chance)
            at += chance.uniform(2, 3.5) * DAY


def _parcels(found: Visits, chance: Random, almanac: Almanac, inside: list[tuple[float, float]]) -> None:
    share = PARCELS.draw(chance) / 7
    for day in range(almanac.days):
        at = almanac.true(day * DAY + chance.triangular(8.5, 19.5, 13) * HOUR)
        if almanac.weekday(day) < 6 and chance.random() < 2 * share and _span(inside, at):
            found.parcels.append(at)


def _cat(chance: Random, house: House, almanac: Almanac) -> Iterator[Stay]:
    """Some rounds through some rooms a day, at night too; no door tells of it."""
    rooms = [room for room in house.rooms if room not in ("toilet", "laundry")]
    rounds = chance.uniform(2, 7)
    at = almanac.midnights[0]
    while at < almanac.midnights[almanac.days]:
        at += chance.expovariate(rounds / DAY)
        step = at
        for room in chance.sample(rooms, chance.randint(1, 3)):
            yield Stay(step, step + 20, CAT, room, "pass")
            step += chance.uniform(15, 400)


def _span(spans: list[tuple[float, float]], at: float) -> tuple[float, float] | None:
    place = bisect_right(spans, (at, float("inf"))) - 1
    return spans[place] if place >= 0 and at < spans[place][1] else None
