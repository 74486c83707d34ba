"""Somebody who should not be there walks through the home: by night, at an odd hour, while everybody is away."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from homeward.bench.presence import INDOORS
from homeward.bench.scenarios.trial import AFTER, ATTEMPTS, Ground, Step, Trial, later
from homeward.core.settings import Device
from homeward.core.vocabulary import is_guarded

NIGHT = (1.0, 5.0)
DAY = (8.0, 20.0)
DECOY_BEFORE = timedelta(minutes=20)
NEVER_SEEN = ("fault", "tamper", "identify", "self_test")
FEWEST_ROOMS, MOST_ROOMS = 3, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A walk through three to six rooms within one pause, in at the entrance and out again.

    ``hours`` are those of the day it lies in; ``None`` stands for the two hours between 06:00 and 24:00 in which
    the home's entrance had opened least. With ``away`` everybody is known to be away. Without ``by_door`` no
    entrance opens; a window (of role use) may, first.
    """

    ground: Ground
    name: str
    hours: tuple[float, float] | None = NIGHT
    away: bool = False
    by_door: bool = True

    def lacks(self) -> str:
        home = self.ground.home
        if not home.roles("entrance"):
            return "the home has no entrance" + (", so nobody is ever told away" if self.away else "")
        if len({_room(device) for device in home.roles(*INDOORS)}) < FEWEST_ROOMS:
            return "the home has fewer than three rooms with a device of role motion, presence or use"
        if self.away and not self.ground.absences:
            return "nobody was ever told away"
        return ""

    def make(self, number: int, day: date, chance: random.Random) -> Trial | None:
        hours = self.hours or self._odd_hours(day, chance)
        for _ in range(ATTEMPTS):
            paces = [chance.uniform(5, 60) for _ in range(chance.randint(FEWEST_ROOMS, MOST_ROOMS))]
            longest = timedelta(seconds=8 + 20 + sum(paces) + 15 + 30 + 8)
            starts = self.ground.moment(day, hours, longest, chance, away=self.away)
            steps = self._walk(starts, paces, chance) if starts else []
            if steps:
                return self.ground.trial(self.name, number, steps, AFTER)
        return None

    def _odd_hours(self, day: date, chance: random.Random) -> tuple[float, float]:
        openings = self.ground.past.openings(day)
        pairs = {hour: openings[hour] + openings[hour + 1] for hour in range(6, 23)}
        least = chance.choice([hour for hour, count in pairs.items() if count == min(pairs.values())])
        return (least, least + 2)

    def _walk(self, starts: datetime, paces: Sequence[float], chance: random.Random) -> list[Step]:
        """The steps of an entry, or none where the devices at that moment are not in a state to show it."""
        before = self.ground.home.index(starts)
        doors = self._ready(self.ground.home.roles("entrance"), before)
        indoors = self._ready(self.ground.home.roles(*INDOORS), before)
        steps: list[Step] = []
        if self.by_door:
            if not doors:
                return []
            door = chance.choice(doors)
            steps += self._pass(door, before, starts, chance)
        elif (windows := [device for device in indoors if device.type == "contact.window"]) and chance.random() < 0.5:
            window = chance.choice(windows)
            indoors.remove(window)
            steps += self._open(window, before, starts)
        now = later(steps[-1].at, chance.uniform(5, 20)) if steps else starts
        by_room: dict[str, list[Device]] = {}
        for device in indoors:
            by_room.setdefault(_room(device), []).append(device)
        if len(by_room) < FEWEST_ROOMS:
            return []
        rooms = chance.sample(sorted(by_room), min(len(paces), len(by_room)))
        for room, pace in zip(rooms, paces, strict=False):
            device = chance.choice(by_room[room])
            steps += self._open(device, before, now, min(pace, chance.uniform(2, 15)))
            now = later(now, pace)
        if self.by_door:
            gone = max(now, *(step.at for step in steps))
            steps += self._pass(door, before, later(gone, chance.uniform(5, 30)), chance)
        return sorted(steps, key=lambda step: step.at)

    def _ready(self, devices: Sequence[Device], before: int) -> list[Device]:
        return [device for device in devices if self.ground.past.shows(device.name, before)]

    def _pass(self, door: Device, before: int, at: datetime, chance: random.Random) -> list[Step]:
        """An entrance opens and closes again."""
        return self._open(door, before, at, chance.uniform(2, 8))

    def _open(self, device: Device, before: int, at: datetime, seconds: float | None = None) -> list[Step]:
        """A device shows somebody and, where a time is given and it has shown an end, ends doing so after it."""
        action, end = self.ground.past.shows(device.name, before) or ("", None)
        steps = [Step(at, device.name, action)]
        if end and seconds is not None:
            steps.append(Step(later(at, seconds), device.name, end))
        return steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoy:
    """An action never seen of an unguarded device, and an entry 20 min later, which is what counts."""

    entry: Entry

    def lacks(self) -> str:
        if reason := self.entry.lacks():
            return reason
        if all(is_guarded(device.type, device.role) for device in self.entry.ground.home.devices.values()):
            return "the home has no unguarded device"
        return ""

    def make(self, number: int, day: date, chance: random.Random) -> Trial | None:
        entry = self.entry.make(number, day, chance)
        if entry is None:
            return None
        ground, at = self.entry.ground, entry.starts - DECOY_BEFORE
        before = ground.home.index(at)
        choices = [
            (name, action)
            for name, device in sorted(ground.home.devices.items())
            if not is_guarded(device.type, device.role) and (seen := ground.past.actions(name, before))
            for action in NEVER_SEEN
            if action not in seen
        ]
        if not choices:
            return None
        name, action = chance.choice(choices)
        (decoy,) = ground.trial(f"{self.entry.name}-before", number, [Step(at, name, action)]).events
        return replace(entry, starts=at, events=(decoy, *entry.events))


def _room(device: Device) -> str:
    """Where a device is; devices of unknown rooms count as in rooms of their own."""
    return f"unknown: {device.name}" if device.room == "unknown" else device.room
