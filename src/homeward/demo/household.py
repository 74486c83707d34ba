"""A household whose days are drawn at random: the same seed, the same days. Pure: no clock, no wires.

Anna is a nurse on early shifts (four on, two off), Ben works in an office (Wednesdays at home), Mia goes to school.
Rosa cleans on Thursdays; friends come on some Friday or Saturday evenings, Grandma on some Sunday afternoons.

All ranges are the author's assumptions, not measured on any home. Times are drawn from normal distributions
(standard deviations of 5 to 15 minutes for what has a bell or a bus, 20 to 40 for what has not, about an hour for
outings); lengths of stays from lognormal ones. One person in three goes to the bathroom at night. Nobody opens the
front door between 01:00 and 05:00. A day has some 300 to 600 changes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Final

from homeward.core.settings import Device

HOUR: Final = 3600.0
MINUTE: Final = 60.0
DAWN: Final = 4 * HOUR
"""A day of the household runs from 04:00 to 04:00: whoever is up after midnight still belongs to the evening."""

SUNRISE, SUNSET = 6.0 * HOUR, 20.25 * HOUR
SHORT: Final = 20.0
"""Nobody stays anywhere for less (seconds)."""

HOLD: Final = 120.0
"""How long a motion sensor says that somebody is there after it last saw a movement."""

SETTLE: Final = 5.0
"""Nothing is opened, seen or closed again so soon (seconds)."""

ROOMS: Final = ("hall", "kitchen", "living room", "bathroom", "bedroom", "Mia's room", "study")
_STILL: Final = frozenset({"living room", "bedroom", "Mia's room", "study"})
"""Rooms where people sit: one movement in 25 minutes; elsewhere one in 9."""

DEVICES: Final = (
    Device(name="front door", type="contact.door", role="entrance", room="hall"),
    Device(name="front door lock", type="lock", role="entrance", room="hall"),
    *(Device(name=f"{room} motion", type="motion", role="motion", room=room) for room in ROOMS),
    *(Device(name=f"{room} light", type="light", role="actuator", room=room) for room in ROOMS),
    Device(name="coffee machine", type="plug", role="use", room="kitchen"),
    Device(name="fridge", type="contact.fridge", role="use", room="kitchen"),
    Device(name="television", type="plug", role="use", room="living room"),
    Device(name="desk", type="plug", role="use", room="study"),
    Device(name="kitchen window", type="contact.window", role="other", room="kitchen"),
    Device(name="bedroom window", type="contact.window", role="other", room="bedroom"),
    Device(name="study window", type="contact.window", role="entrance", room="study"),
    Device(name="siren", type="siren", role="actuator", room="hall"),
)

Value = bool | str


@dataclass(frozen=True, slots=True)
class Moment:
    """One property of one device changes, in the words of Zigbee2MQTT: ``occupancy`` true, ``state`` ``ON`` …

    ``at`` is the home's local time. ``actor`` is who did it, where a person's code or hand is known.
    """

    at: datetime
    device: str
    property: str
    value: Value
    actor: str | None = None


def at_rest(device: Device) -> tuple[str, Value]:
    """The property that a device tells, and its value when nobody is up: closed, locked, off."""
    if device.type.startswith("contact"):
        return "contact", True
    if device.type == "lock":
        return "lock_state", "locked"
    return ("occupancy", False) if device.type == "motion" else ("state", "OFF")


def simulate(start: datetime, days: int | None, seed: int) -> Iterator[Moment]:
    """The moments of so many days (without end for ``None``), in order, from ``start``'s date at 04:00.

    ``start`` gives the date and the time zone. A day depends on the seed and its date alone.
    """
    numbers = itertools.count() if days is None else range(days)
    for number in numbers:
        today = start.date() + timedelta(days=number)
        midnight = datetime.combine(today, time(), start.tzinfo)
        yield from _Day(today, midnight, Random(f"{seed} {today}")).moments()  # noqa: S311 (a story, no secret)


@dataclass(frozen=True, slots=True)
class _Stay:
    """Somebody is in a room; times are seconds from midnight."""

    room: str
    begins: float
    ends: float
    asleep: bool = False


@dataclass(slots=True)
class _Walk:
    """One person's way through the day, stay by stay. ``outings`` are (leaves, comes back)."""

    person: str
    rng: Random
    now: float
    stays: list[_Stay] = field(default_factory=list)
    outings: list[tuple[float, float]] = field(default_factory=list)

    def stay(self, room: str, minutes: float) -> None:
        """Stay about so long."""
        self.until(room, self.now + minutes * MINUTE * self.rng.lognormvariate(0, 0.3))

    def until(self, room: str, then: float) -> None:
        if then - self.now > SHORT:
            self.stays.append(_Stay(room, self.now, then))
            self.now = then

    def wander(self, then: float, places: dict[str, float]) -> None:
        """Go from place to place (weighted) until then."""
        while then - self.now > SHORT:
            room = self.rng.choices(list(places), list(places.values()))[0]
            minutes = self.rng.lognormvariate(3.1 if room in _STILL else 2.0, 0.7)
            self.until(room, min(self.now + max(minutes, 1) * MINUTE, then))

    def out(self, then: float) -> None:
        """Leave now, and come back then."""
        then = max(then, self.now + 10 * MINUTE)
        self.outings.append((self.now, then))
        self.now = then

    def sleep(self, room: str) -> None:
        """Go to bed, with a way to the bathroom in one night of three."""
        self.stay("bathroom", 7)
        self.stay(room, 4)
        if self.rng.random() < 0.35:
            up = self.rng.uniform(max(self.now + HOUR, 24.4 * HOUR), 27.6 * HOUR)
            self.stays.append(_Stay(room, up, up + self.rng.uniform(10, 25)))
            self.stays.append(_Stay("bathroom", up + 30, up + self.rng.uniform(120, 320)))
        self.stays.append(_Stay(room, self.now, 28 * HOUR, asleep=True))


class _Day:
    def __init__(self, today: date, midnight: datetime, rng: Random) -> None:
        self._rng, self._midnight = rng, midnight
        self._weekday = today.weekday()
        self._works = self._weekday < 5
        self._shift = today.toordinal() % 6 < 4
        self._shift_tomorrow = (today.toordinal() + 1) % 6 < 4
        self._late = self._weekday in (4, 5)
        friends_day = self._late and rng.random() < 0.35
        self._friends = (self._around(19.25, 15), self._around(23.1, 20)) if friends_day else None
        self._moments: list[Moment] = []
        self._crossings: list[tuple[float, bool, str]] = []

    def _around(self, hour: float, minutes: float) -> float:
        """A time of the day, within three standard deviations."""
        away = min(max(self._rng.gauss(0, 1), -3.0), 3.0)
        return hour * HOUR + away * minutes * MINUTE

    def moments(self) -> list[Moment]:
        walks = [self._anna(), self._ben(), self._mia(), *self._visitors()]
        self._doors(walks)
        self._movements(walks)
        self._lights(walks)
        self._things(walks)
        self._windows(walks)
        begin, end = self._midnight + timedelta(seconds=DAWN), self._midnight + timedelta(days=1, seconds=DAWN)
        kept = [one for one in self._moments if begin <= one.at < end]
        return sorted(kept, key=lambda one: (one.at, one.device))

    # People

    def _anna(self) -> _Walk:
        rng = self._rng
        walk = _Walk("anna", rng, self._around(5.0, 7) if self._shift else self._around(7.6, 30))
        walk.stay("bathroom", 12)
        walk.stay("kitchen", 18)
        if self._shift:
            walk.until("bedroom", self._around(5.75, 5))
            walk.out(self._around(14.8, 18))
        else:
            walk.wander(self._around(10.3, 30), {"kitchen": 2, "living room": 2, "bathroom": 1, "bedroom": 1})
            if rng.random() < 0.8:
                walk.out(walk.now + self._around(1.4, 20))
        walk.wander(self._around(18.0, 20), {"kitchen": 2, "living room": 4, "bedroom": 1, "bathroom": 1})
        return self._evening(
            walk, "bedroom", self._around(21.8, 14) if self._shift_tomorrow else self._around(22.8, 20)
        )

    def _ben(self) -> _Walk:
        rng = self._rng
        walk = _Walk("ben", rng, self._around(6.75, 10) if self._works else self._around(8.4, 30))
        walk.stay("bathroom", 14)
        walk.stay("kitchen", 20)
        if self._weekday == 2:
            walk.until("study", self._around(12.2, 15))
            walk.stay("kitchen", 35)
            walk.until("study", self._around(17.0, 20))
        elif self._works:
            walk.until("living room", self._around(7.7, 8))
            walk.out(self._around(17.6, 20))
        else:
            walk.wander(self._around(14.0, 50), {"study": 2, "living room": 3, "kitchen": 2, "bathroom": 1})
            if rng.random() < 0.6:
                walk.out(walk.now + self._around(2.0, 30))
        walk.wander(self._around(18.4, 20), {"kitchen": 3, "living room": 3, "study": 1})
        return self._evening(walk, "bedroom", self._around(23.3, 20) if self._late else self._around(22.8, 18))

    def _mia(self) -> _Walk:
        walk = _Walk("mia", self._rng, self._around(6.8, 6) if self._works else self._around(9.2, 30))
        walk.stay("bathroom", 12)
        walk.stay("kitchen", 15)
        if self._works:
            walk.until("Mia's room", self._around(7.55, 4))
            walk.out(self._around(15.6, 12) if self._weekday in (1, 3) else self._around(13.5, 12))
        places: dict[str, float] = {"Mia's room": 4, "living room": 2, "kitchen": 1, "bathroom": 0.5}
        if self._weekday == 0 or (not self._works and self._rng.random() < 0.5):
            walk.wander(self._around(16.4, 8), places)
            walk.out(self._around(18.2, 10))
        walk.wander(self._around(18.6, 12), places)
        return self._evening(walk, "Mia's room", self._around(22.2, 20) if self._late else self._around(21.2, 13))

    def _evening(self, walk: _Walk, bedroom: str, bed: float) -> _Walk:
        """Dinner together, then to the living room or to one's own; nobody goes to bed before the guests."""
        walk.stay("kitchen", 40)
        if self._friends is not None and walk.person != "mia":
            bed = max(bed, self._friends[1] + 15 * MINUTE)
        places = {"living room": 5.0, "kitchen": 1.0, "bathroom": 0.6}
        places["Mia's room" if walk.person == "mia" else "study"] = 1.5
        walk.wander(bed, places)
        walk.sleep(bedroom)
        return walk

    def _visitors(self) -> Iterator[_Walk]:
        """Rosa, friends and Grandma: they come, stay and leave."""
        if self._weekday == 3:
            everywhere = dict.fromkeys(ROOMS, 1.0)
            yield self._visit("rosa", self._around(9.5, 7), self._around(11.6, 9), everywhere)
        if self._friends is not None:
            yield self._visit("friends", *self._friends, {"living room": 6, "kitchen": 1, "bathroom": 1})
        if self._weekday == 6 and self._rng.random() < 0.4:
            come, leave = self._around(14.5, 15), self._around(17.3, 20)
            yield self._visit("grandma", come, leave, {"living room": 4, "kitchen": 2})

    def _visit(self, person: str, come: float, leave: float, places: dict[str, float]) -> _Walk:
        walk = _Walk(person, self._rng, come)
        walk.wander(leave, places)
        walk.outings = [(-HOUR, come), (leave, 40 * HOUR)]
        return walk

    # Devices

    def _set(self, at: float, device: str, property_: str, value: Value, actor: str | None = None) -> None:
        when = self._midnight + timedelta(milliseconds=round(at * 1000))
        self._moments.append(Moment(when, device, property_, value, actor))

    def _switch(self, device: str, spans: Iterable[tuple[float, float]], gap: float = MINUTE) -> None:
        for begins, ends in _merged(spans, gap):
            self._set(begins, device, "state", "ON")
            self._set(ends, device, "state", "OFF")

    def _open(self, device: str, spans: Iterable[tuple[float, float]]) -> None:
        for begins, ends in _merged(spans, SETTLE):
            self._set(begins, device, "contact", False)
            self._set(ends, device, "contact", True)

    def _doors(self, walks: Sequence[_Walk]) -> None:
        """The front door for everyone who goes or comes, and for a parcel; its lock for the last, and at night."""
        rng, crossings = self._rng, self._crossings
        for walk in walks:
            for leaves, returns in walk.outings:
                crossings += [(leaves, False, walk.person), (returns, True, walk.person)]
        crossings[:] = sorted(one for one in crossings if DAWN < one[0] < 25 * HOUR)
        spans = [(at, at + rng.uniform(5, 14)) for at, _, _ in crossings]
        if rng.random() < 0.4:
            parcel = self._around(11.5, 60)
            if any(stay.begins < parcel < stay.ends for walk in walks for stay in walk.stays):
                spans.append((parcel, parcel + rng.uniform(20, 70)))
        self._open("front door", spans)
        self._lock(walks, spans[len(crossings) :])

    def _lock(self, walks: Sequence[_Walk], parcels: Sequence[tuple[float, float]]) -> None:
        locked, home = True, 3
        steps = [*self._crossings, *((at, None, "") for at, _ in parcels)]
        for at, comes, person in sorted(steps, key=lambda step: step[0]):
            actor = f"person:{person}" if person in {"anna", "ben", "mia", "rosa"} else None
            if locked:
                self._set(at - self._rng.uniform(6, 14), "front door lock", "lock_state", "unlocked", actor)
                locked = False
            if comes is None:
                continue
            home += 1 if comes else -1
            if not comes and (home <= 0 or at < 6.5 * HOUR):
                self._set(at + self._rng.uniform(18, 35), "front door lock", "lock_state", "locked", actor)
                locked = True
        if not locked:
            last = max(walk.stays[-1].begins for walk in walks if walk.stays and walk.stays[-1].asleep)
            last = max([last, *(at + 5 * MINUTE for at, _, _ in self._crossings)])
            self._set(last - 4 * MINUTE, "front door lock", "lock_state", "locked", None)

    def _movements(self, walks: Sequence[_Walk]) -> None:
        """What the motion sensors see: people who come into a room, and who move in it."""
        rng = self._rng
        seen: dict[str, list[float]] = {room: [] for room in ROOMS}
        for at, comes, _ in self._crossings:
            seen["hall"] += [at + rng.uniform(2, 6) if comes else at - rng.uniform(3, 20)]
        for stay in (stay for walk in walks for stay in walk.stays if not stay.asleep):
            if rng.random() < 0.8:
                seen["hall"].append(stay.begins - rng.uniform(2, 6))
            at = stay.begins + rng.uniform(1, 4)
            while at < stay.ends:
                seen[stay.room].append(at)
                at += rng.expovariate(1 / ((25 if stay.room in _STILL else 9) * MINUTE))
        for room, times in seen.items():
            for begins, ends in _merged(((at, at + HOLD) for at in times), SETTLE):
                self._set(begins, f"{room} motion", "occupancy", True)
                self._set(ends, f"{room} motion", "occupancy", False)

    def _lights(self, walks: Sequence[_Walk]) -> None:
        """On while somebody is there and it is dark; always in the bathroom, now and then in the hall."""
        rng = self._rng
        dawn, dusk = SUNRISE + rng.uniform(-20, 30) * MINUTE, SUNSET + rng.uniform(-30, 25) * MINUTE
        lit: dict[str, list[tuple[float, float]]] = {room: [] for room in ROOMS}
        for stay in (stay for walk in walks for stay in walk.stays if not stay.asleep):
            dark = [(stay.begins, min(stay.ends, dawn)), (max(stay.begins, dusk), stay.ends)]
            if stay.room == "bathroom":
                dark = [(stay.begins, stay.ends)]
            lit[stay.room] += [(a + rng.uniform(1, 4), b + rng.uniform(1, 5)) for a, b in dark if b > a + 20]
            if not dawn < stay.begins < dusk and rng.random() < 0.3:
                lit["hall"].append((stay.begins - rng.uniform(2, 6), stay.begins + rng.uniform(20, 60)))
        for at, _, _ in self._crossings:
            if not dawn < at < dusk:
                lit["hall"].append((at - rng.uniform(1, 30), at + rng.uniform(60, 150)))
        for room, spans in lit.items():
            self._switch(f"{room} light", spans)

    def _things(self, walks: Sequence[_Walk]) -> None:
        """Coffee in the morning, the fridge in the kitchen, the television in the evening, the desk at work."""
        rng = self._rng
        coffee, fridge, evening, desk = [], [], [], []
        for walk in walks:
            kitchen = [stay for stay in walk.stays if stay.room == "kitchen"]
            if walk.person in {"anna", "ben"} and kitchen and kitchen[0].begins < 12 * HOUR:
                begins = kitchen[0].begins + rng.uniform(60, 200)
                coffee.append((begins, begins + rng.uniform(4, 9) * MINUTE))
            for stay in kitchen:
                for _ in range(rng.choices((0, 1, 2), (5, 4, 1))[0]):
                    at = rng.uniform(stay.begins, stay.ends)
                    fridge.append((at, at + rng.uniform(4, 22)))
            for stay in walk.stays:
                if stay.room == "living room" and stay.ends - max(stay.begins, 19 * HOUR) > 12 * MINUTE:
                    evening.append((max(stay.begins, 19 * HOUR) + rng.uniform(20, 90), stay.ends - 10))
                if stay.room == "study" and walk.person == "ben" and stay.ends - stay.begins > 20 * MINUTE:
                    desk.append((stay.begins + 40, stay.ends - 30))
        self._switch("coffee machine", coffee)
        self._switch("television", evening if rng.random() < 0.85 else [], gap=20 * MINUTE)
        self._switch("desk", desk)
        self._open("fridge", fridge)

    def _windows(self, walks: Sequence[_Walk]) -> None:
        """Some air: the bedroom in the morning, the kitchen at dinner, the study now and then."""
        rng = self._rng
        anna, ben = walks[0].stays, walks[1].stays
        up = max(anna[0].begins, ben[0].begins) if not self._shift else ben[0].begins
        self._open("bedroom window", [self._aired(up + rng.uniform(5, 14) * MINUTE, 12)])
        dinner = [stay for stay in ben if stay.room == "kitchen" and stay.begins > 17.5 * HOUR]
        if dinner and rng.random() < 0.5:
            self._open("kitchen window", [self._aired(dinner[0].begins + rng.uniform(3, 15) * MINUTE, 10)])
        work = [stay for stay in ben if stay.room == "study" and stay.ends - stay.begins > HOUR]
        if work and rng.random() < 0.6:
            self._open("study window", [self._aired(work[0].begins + rng.uniform(5, 50) * MINUTE, 9)])

    def _aired(self, begins: float, minutes: float) -> tuple[float, float]:
        return begins, begins + minutes * MINUTE * self._rng.lognormvariate(0, 0.25)


def _merged(spans: Iterable[tuple[float, float]], gap: float) -> Iterator[tuple[float, float]]:
    """Spans that overlap, or lie less than ``gap`` apart, as one."""
    begins, ends = None, 0.0
    for a, b in sorted(spans):
        if begins is None:
            begins, ends = a, b
        elif a <= ends + gap:
            ends = max(ends, b)
        else:
            yield begins, ends
            begins, ends = a, b
    if begins is not None:
        yield begins, ends
