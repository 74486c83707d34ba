"""Something is commanded that nobody here would: a ghost's command, a flood of them, a stranger's."""

from __future__ import annotations

import random
from bisect import bisect_left
from dataclasses import dataclass
from datetime import date, timedelta

from homeward.bench.past import REPORTS, Activity
from homeward.bench.scenarios.trial import ATTEMPTS, Ground, Step, Trial, later, whole_ms
from homeward.core.event import Event
from homeward.sources.files import MOMENTARY

AFTER_FLOOD = timedelta(minutes=2)
FLOOD_EVENTS = 40
USUAL_DAYS = 7
"""An activity that came in an hour on so many days before is usual in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ghost:
    """One change of an actuator or entrance, at an hour and after an activity with which it never came.

    It is done in the name of whoever last did the same; a name that was never seen is what `Stranger` is about.
    """

    ground: Ground
    name: str = "ghost_command"

    def lacks(self) -> str:
        has = self.ground.home.roles("actuator", "entrance")
        return "" if has else "the home has no actuator and no entrance"

    def make(self, number: int, day: date, chance: random.Random) -> Trial | None:
        home, past = self.ground.home, self.ground.past
        for _ in range(ATTEMPTS):
            at = whole_ms(home.clock(day, chance.uniform(0, 24)))
            before = home.index(at)
            if before == 0:
                continue
            previous = home.events[before - 1]
            hour = home.hour(at)
            choices = [
                (device.name, shown)
                for device in home.roles("actuator", "entrance")
                for shown in past.states(device.name, before)[1:]  # [0] is the state it is in
                if not past.had_at_hour((device.name, shown[0]), hour, before)
                and not past.had_after((previous.device, previous.action), (device.name, shown[0]), before)
            ]
            if choices:
                device_name, shown = chance.choice(choices)
                last = past.latest(device_name, shown, before)
                return self.ground.trial(self.name, number, [Step.again(last, at)])
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """Forty events of one actuator within 60 s, each changing its state, in the name of whoever last did so."""

    ground: Ground
    name: str = "flood"

    def lacks(self) -> str:
        return "" if self.ground.home.roles("actuator") else "the home has no actuator"

    def make(self, number: int, day: date, chance: random.Random) -> Trial | None:
        home, past = self.ground.home, self.ground.past
        at = whole_ms(home.clock(day, chance.uniform(0, 24)))
        before = home.index(at)
        choices = [
            (device.name, states)
            for device in home.roles("actuator")
            if len(states := past.states(device.name, before)) > 1
        ]
        if not choices:
            return None
        device_name, (now, *others) = chance.choice(choices)
        pair = [past.latest(device_name, shown, before) for shown in (chance.choice(others), now)]
        apart = chance.uniform(30, 58) / (FLOOD_EVENTS - 1)
        steps = [Step.again(pair[n % 2], later(at, n * apart)) for n in range(FLOOD_EVENTS)]
        return self.ground.trial(self.name, number, steps, AFTER_FLOOD)


class Stranger:
    """A usual activity by an actor, or from an origin, never seen here.

    Usual is what came in that hour of the day on at least seven days before, each time with a name; it comes again
    at the time of day at which it once did, if the device is not in that state already.
    """

    name = "stranger"

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._named: dict[tuple[Activity, int], list[Event]] = {}
        self._days: dict[tuple[Activity, int], list[date]] = {}
        self._names: set[str] = set()
        home = ground.home
        for event, hour, day in zip(home.events, home.hours, home.dates, strict=True):
            if (event.actor is None and event.origin is None) or event.action in REPORTS:
                continue
            self._names |= {name for name in (event.actor, event.origin) if name}
            key = ((event.device, event.action), hour)
            days = self._days.setdefault(key, [])
            if not days or days[-1] != day:
                days.append(day)
                self._named.setdefault(key, []).append(event)

    def lacks(self) -> str:
        return "" if self._days else "no event of the home names who did it or through what"

    def make(self, number: int, day: date, chance: random.Random) -> Trial | None:
        usual = [key for key, days in self._days.items() if bisect_left(days, day) >= USUAL_DAYS]
        chance.shuffle(usual)
        for key in usual[:ATTEMPTS]:
            like = self._named[key][chance.randrange(bisect_left(self._days[key], day))]
            if trial := self._again(number, day, like, chance):
                return trial
        return None

    def _again(self, number: int, day: date, like: Event, chance: random.Random) -> Trial | None:
        home = self._ground.home
        once = home.dates[home.index(like.at) - 1]
        at = home.clock(day) + (like.at - home.clock(once))
        now = self._ground.past.now(like.device, home.index(at))
        if like.action not in MOMENTARY and (like.action, like.value) == now:
            return None
        by_actor = like.origin is None or (like.actor is not None and chance.random() < 0.5)
        somebody = self._unknown("person:stranger" if by_actor else "stranger")
        step = Step.again(like, at)
        step = step._replace(actor=somebody) if by_actor else step._replace(origin=somebody)
        return self._ground.trial(self.name, number, [step])

    def _unknown(self, name: str) -> str:
        while name in self._names:
            name += "-too"
        return name
