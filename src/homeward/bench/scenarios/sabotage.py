"""A device that used to speak often goes silent for good."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from heapq import nlargest
from math import ceil

from homeward.bench.homes import LEARNING_DAYS
from homeward.bench.past import REPORTS
from homeward.bench.scenarios.trial import ATTEMPTS, Ground, Trial, whole_ms
from homeward.core.event import Event

OFTEN_EVENTS, OFTEN_DAYS, OF_DAYS = 20, 12, 14
USUAL_SHARE = 0.99
LONGER = 3
LEAST_WAIT = timedelta(hours=24)


class Sabotage:
    """From a random moment of a judged day on, nothing is heard of a device that spoke often until then.

    Often is at least twenty events, other than reports about itself, on at least twelve of the last fourteen active
    days that are over. The deadline is three times the 99th percentile (nearest rank) of its pauses so far, and at
    least 24 h, after the start; a pause counts if every calendar day it touches is active. A trial whose deadline
    lies past the recording's end, or in which the device would have said nothing anyway, is none.
    """

    name = "sabotage"

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        home = ground.home
        rank = {day: number for number, day in enumerate(home.days)}
        self._spoken: dict[str, _Spoken] = defaultdict(_Spoken)
        for event, day in zip(home.events, home.dates, strict=True):
            if event.action not in REPORTS:
                self._spoken[event.device].note(event, day, rank)

    def lacks(self) -> str:
        if any(self._often(place) for place in range(LEARNING_DAYS, len(self._ground.home.days))):
            return ""
        return "no device had twenty events on at least twelve of the fourteen active days before a judged day"

    def make(self, number: int, day: date, chance: random.Random) -> Trial | None:
        home = self._ground.home
        devices = self._often(bisect_left(home.days, day))
        for _ in range(ATTEMPTS if devices else 0):
            starts = whole_ms(home.clock(day, chance.uniform(0, 24)))
            device = chance.choice(devices)
            wait = self._spoken[device].usual_pause(starts)
            deadline = whole_ms(starts + max(LEAST_WAIT, LONGER * wait))
            when = self._ground.past.when(device)
            heard = bisect_left(when, home.index(deadline)) > bisect_left(when, home.index(starts))
            if heard and deadline <= home.at[-1]:
                return Trial(
                    scenario=self.name,
                    number=number,
                    starts=starts,
                    counts_from=starts,
                    deadline=deadline,
                    events=(),
                    silenced=device,
                )
        return None

    def _often(self, place: int) -> list[str]:
        """The devices that spoke often on the active days before the one at that place."""
        days = self._ground.home.days[max(0, place - OF_DAYS) : place]
        return [
            device
            for device, spoken in sorted(self._spoken.items())
            if sum(spoken.events[day] >= OFTEN_EVENTS for day in days) >= OFTEN_DAYS
        ]


@dataclass(slots=True)
class _Spoken:
    """How often a device spoke on each day, and its pauses (in seconds) by the time they ended."""

    events: Counter[date] = field(default_factory=Counter)
    ended: list[datetime] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    last: tuple[datetime, date] | None = None

    def note(self, event: Event, day: date, rank: dict[date, int]) -> None:
        self.events[day] += 1
        if self.last and day in rank and self.last[1] in rank:
            at, since = self.last
            if day == since or rank[day] - rank[since] == (day - since).days:
                self.ended.append(event.at)
                self.pauses.append((event.at - at).total_seconds())
        self.last = (event.at, day)

    def usual_pause(self, before: datetime) -> timedelta:
        """The smallest pause that 99 % of those so far do not exceed; zero where there was none."""
        count = bisect_left(self.ended, before)
        above = count - ceil(USUAL_SHARE * count) + 1
        return timedelta(seconds=nlargest(above, self.pauses[:count])[-1] if count else 0)
