"""Where and when a household lives: its clock through daylight saving, the sun, the weather, what time brings.

Plans are made in *wall seconds*: seconds that the home's clock has shown since the midnight its record starts with,
a day having 86,400 of them. `Almanac.true` turns them into true time; on the two nights of the year that are longer
or shorter, the small hours are stretched, so that order is kept and the morning's schedule stays on the clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from homeward.bench.neighbourhood.ranges import (
    DAY_GUESTS,
    LONG_TRIPS,
    OUTAGE_HOURS,
    OUTAGES,
    SHORT_TRIPS,
    WEEK_GUESTS,
    chance_of,
)

DAY: Final = 86_400.0
HOUR: Final = 3_600.0
MINUTE: Final = 60.0
HALF_YEAR: Final = 180
LATEST_START: Final = 730

STRETCHED: Final = (0.5 * HOUR, 4.0 * HOUR)
"""The part of a night that takes up the hour which daylight saving adds or removes."""

DARK_BELOW: Final = -1.5
"""Lights are needed when the sun stands lower (degrees)."""


class City(NamedTuple):
    """``mean`` and ``swing`` are of the outdoor temperature over the year (°C), warmest in July where positive."""

    timezone: str
    latitude: float
    longitude: float
    mean: float
    swing: float


CITIES: Final = (
    City("Europe/Amsterdam", 52.4, 4.9, 10.5, 7.5),
    City("America/New_York", 40.7, -74.0, 13.0, 12.0),
    City("Australia/Sydney", -33.9, 151.2, 18.0, -5.5),
    City("Europe/Madrid", 40.4, -3.7, 15.0, 10.0),
    City("Europe/London", 51.5, -0.1, 11.5, 7.0),
    City("America/Los_Angeles", 34.1, -118.2, 18.5, 4.5),
    City("Europe/Helsinki", 60.2, 24.9, 6.5, 12.0),
    City("America/Chicago", 41.9, -87.6, 10.5, 14.0),
    City("Pacific/Auckland", -36.8, 174.8, 15.5, -4.5),
    City("Asia/Tokyo", 35.7, 139.7, 16.0, 11.0),
)


class Trip(NamedTuple):
    """The residents are away; wall seconds."""

    begin: float
    end: float


class Visit(NamedTuple):
    """Guests are there; wall seconds."""

    begin: float
    end: float
    sleeps: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Almanac:
    """A household's place and time. ``midnights`` are true times (seconds since 1970) of its days and the next."""

    city: City
    first: date
    days: int
    midnights: tuple[float, ...]
    dawns: tuple[float, ...]
    dusks: tuple[float, ...]
    outdoors: tuple[float, ...]
    holidays: frozenset[int]
    trips: tuple[Trip, ...]
    visits: tuple[Visit, ...]
    outages: tuple[tuple[float, float], ...]

    def true(self, wall: float) -> float:
        """True time (seconds since 1970) at which the home's clock shows these wall seconds."""
        day = min(max(int(wall // DAY), 0), len(self.midnights) - 2)
        seconds = wall - day * DAY
        midnight = self.midnights[day]
        shift = self.midnights[day + 1] - midnight - DAY
        begin, end = STRETCHED
        if not shift or seconds <= begin:
            return midnight + seconds
        if seconds >= end:
            return midnight + seconds + shift
        return midnight + begin + (seconds - begin) * (end - begin + shift) / (end - begin)

    def weekday(self, day: int) -> int:
        """0 is Monday."""
        return (self.first.weekday() + day) % 7

    def is_free(self, day: int) -> bool:
        """A weekend, or a public holiday."""
        return self.weekday(day) >= 5 or day in self.holidays

    def index(self, at: float) -> int:
        """The day (by number) of a true time."""
        day = int((at - self.midnights[0]) // DAY)
        day = min(max(day, 0), self.days - 1)
        if at < self.midnights[day]:
            return max(day - 1, 0)
        return min(day + 1, self.days - 1) if at >= self.midnights[day + 1] else day

    def darkness(self, begin: float, end: float) -> Iterator[tuple[float, float]]:
        """The dark parts of a time of less than a day."""
        day = self.index(begin)
        edges = ((0.0, self.dawns[day]), (self.dusks[day], self.dawns[min(day + 1, self.days - 1)]))
        for dark, light in edges:
            if dark > light:  # the last dusk of the record
                light = math.inf
            if min(end, light) > max(begin, dark):
                yield max(begin, dark), min(end, light)


def almanac(seed: int, number: int, days: int, *, travels: bool = True, social: bool = True) -> Almanac:
    """The place and time of a household: all from the seed and the number."""
    chance = chance_of("almanac", seed, number)
    city = CITIES[(number // 10 + number) % len(CITIES)]
    first = date(2023, 1, 1) + timedelta(days=chance.randrange(LATEST_START))
    zone = ZoneInfo(city.timezone)
    midnights = [
        datetime.combine(first + timedelta(days=day), time(), zone).astimezone(UTC).timestamp()
        for day in range(days + 3)
    ]
    suns = [_sun(city, first + timedelta(days=day), chance.gauss(0, 8 * MINUTE)) for day in range(days)]
    trips = tuple(_trips(chance, days)) if travels else ()
    return Almanac(
        city=city,
        first=first,
        days=days,
        midnights=tuple(midnights),
        dawns=tuple(dawn for dawn, _ in suns),
        dusks=tuple(dusk for _, dusk in suns),
        outdoors=tuple(_weather(city, first, days, chance)),
        holidays=frozenset(_holidays(first, days, chance)),
        trips=trips,
        visits=tuple(_visits(chance, days, trips, (first.weekday()))) if social else (),
        outages=tuple(_outages(chance, days, midnights[0])),
    )


def _sun(city: City, day: date, clouds: float) -> tuple[float, float]:
    """When it gets light and dark, in true time. Good to some minutes; polar days and nights are cut."""
    number = day.timetuple().tm_yday
    declination = math.radians(-23.44 * math.cos(2 * math.pi * (number + 10) / 365.25))
    turn = 2 * math.pi * (number - 81) / 364
    equation = 9.87 * math.sin(2 * turn) - 7.53 * math.cos(turn) - 1.5 * math.sin(turn)
    noon = 12 - city.longitude / 15 - equation / 60
    latitude = math.radians(city.latitude)
    reach = (math.sin(math.radians(DARK_BELOW)) - math.sin(latitude) * math.sin(declination)) / (
        math.cos(latitude) * math.cos(declination)
    )
    half = math.degrees(math.acos(min(max(reach, -0.999), 0.999))) / 15
    midnight = datetime.combine(day, time(), UTC).timestamp()
    return midnight + (noon - half) * HOUR + clouds, midnight + (noon + half) * HOUR - clouds


def _weather(city: City, first: date, days: int, chance: Random) -> Iterator[float]:
    """The outdoor temperature of each day (°C): the season, and weather that lasts for some days."""
    weather = 0.0
    for day in range(days):
        number = (first + timedelta(days=day)).timetuple().tm_yday
        weather = 0.8 * weather + chance.gauss(0, 1.8)
        yield city.mean - city.swing * math.cos(2 * math.pi * (number - 20) / 365.25) + weather


def _holidays(first: date, days: int, chance: Random) -> Iterator[int]:
    """New Year, Christmas, and a public holiday every six weeks or so."""
    for day in range(days):
        today = first + timedelta(days=day)
        if (today.month, today.day) in {(1, 1), (12, 25), (12, 26)} or chance.random() < 1 / 45:
            yield day


def _times(chance: Random, days: int, mean: float) -> int:
    """How often something comes in so many days that comes so often in a half-year: the mean, rounded at random."""
    expected = mean * days / HALF_YEAR
    return int(expected) + (chance.random() < expected % 1)


def _trips(chance: Random, days: int) -> Iterator[Trip]:
    nights = [chance.randint(7, 14) for _ in range(_times(chance, days, LONG_TRIPS.draw(chance)))]
    nights += [chance.randint(1, 3) for _ in range(_times(chance, days, SHORT_TRIPS.draw(chance)))]
    taken: list[Trip] = []
    for count in nights:
        day = chance.randint(3, max(3, days - 2))
        trip = Trip(day * DAY + chance.uniform(7, 16) * HOUR, (day + count) * DAY + chance.uniform(13, 21) * HOUR)
        if all(trip.end + 3 * DAY < other.begin or other.end + 3 * DAY < trip.begin for other in taken):
            taken.append(trip)
    yield from sorted(taken)


def _visits(chance: Random, days: int, trips: tuple[Trip, ...], first_weekday: int) -> Iterator[Visit]:
    """Guests, mostly on Friday to Sunday; never while the residents are away."""
    found = []
    for _ in range(_times(chance, days, 6 * DAY_GUESTS.draw(chance))):
        day = chance.randrange(days)
        if (first_weekday + day) % 7 < 4 and chance.random() < 0.6:
            day += 4 - (first_weekday + day) % 7
        begin = chance.choice((10.5, 14.5, 15.5, 18.5, 19.0)) + chance.gauss(0, 0.4)
        found.append(Visit(day * DAY + begin * HOUR, day * DAY + (begin + chance.uniform(1.2, 4.5)) * HOUR, False))
    for _ in range(_times(chance, days, WEEK_GUESTS.draw(chance))):
        day, nights = chance.randrange(days), chance.randint(2, 7)
        begin, end = chance.uniform(13, 20), chance.uniform(9.5, 15)
        found.append(Visit(day * DAY + begin * HOUR, (day + nights) * DAY + end * HOUR, True))
    for visit in sorted(found):
        if all(visit.end + HOUR < trip.begin or trip.end + HOUR < visit.begin for trip in trips):
            yield visit


def _outages(chance: Random, days: int, start: float) -> Iterator[tuple[float, float]]:
    low, high = math.log(OUTAGE_HOURS.low), math.log(OUTAGE_HOURS.high)
    for _ in range(_times(chance, days, OUTAGES.draw(chance))):
        begin = start + chance.uniform(1, max(days - 1, 1)) * DAY
        yield begin, begin + math.exp(chance.uniform(low, high)) * HOUR
