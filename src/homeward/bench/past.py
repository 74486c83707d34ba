"""What a home had shown before a given event: what an injection may be made of."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Final

from homeward.bench.homes import Household
from homeward.core.event import Event
from homeward.core.vocabulary import DIAGNOSTIC

Activity = tuple[str, str]
"""A device and an action."""

Shown = tuple[str, float | None]
"""The state a device was in: its action and value."""

Span = tuple[datetime, datetime]

ENDS = {
    "on": "off", "open": "closed", "opened": "closed", "unlock": "lock", "unlocked": "locked", "active": "inactive",
    "detected": "clear", "occupied": "clear", "motion": "clear", "pressed": "released", "true": "false",
}  # fmt: skip
"""Actions by which somebody shows, and the action that ends each."""

ENDINGS: Final = frozenset(ENDS.values())

REPORTS: Final = DIAGNOSTIC | {"status", "tripped", "temp", "online", "offline"}
"""What a device says about itself: no act, and no state that somebody put it in."""

PEOPLE: Final = ("entrance", "motion", "presence", "use", "actuator")
"""Roles of devices that tell what people do; the others measure the house."""

PAUSE = timedelta(minutes=30)
RECENT = 64
"""Of so many events a device's states are taken; all values that a meter ever told are no states to go back to."""


class Past:
    """Answers about a home *before* the event at an index, at random, from one reading of its stream."""

    def __init__(self, home: Household) -> None:
        self._home = home
        self._first: dict[Activity, int] = {}
        self._first_hour: dict[tuple[Activity, int], int] = {}
        self._first_after: dict[tuple[Activity, Activity], int] = {}
        self._actions: dict[str, list[str]] = {}
        self._when: dict[str, list[int]] = {}
        self._openings: dict[date, list[int]] = {}
        entrances = {device.name for device in home.roles("entrance")}
        before: Activity | None = None
        for index, event in enumerate(home.events):
            activity = (event.device, event.action)
            if activity not in self._first:
                self._first[activity] = index
                self._actions.setdefault(event.device, []).append(event.action)
            self._first_hour.setdefault((activity, home.hours[index]), index)
            if before is not None:
                self._first_after.setdefault((before, activity), index)
            before = activity
            self._when.setdefault(event.device, []).append(index)
            if event.device in entrances and event.action in ENDS:
                self._openings.setdefault(home.dates[index], [0] * 24)[home.hours[index]] += 1
        self._pauses = self._find_pauses()

    def actions(self, device: str, before: int) -> list[str]:
        """The actions that a device had shown, the earliest first."""
        return [action for action in self._actions.get(device, ()) if self._first[device, action] < before]

    def shows(self, device: str, before: int) -> tuple[str, str | None] | None:
        """The action by which the device would now show somebody, and its end if the device has shown that one.

        ``None`` where it has no such action, or is in that state already.
        """
        actions = self.actions(device, before)
        for action in actions:
            if action in ENDS:
                end = ENDS[action] if ENDS[action] in actions else None
                now = self.now(device, before)
                return None if end and now and now[0] == action else (action, end)
        return None

    def now(self, device: str, before: int) -> Shown | None:
        """The state that the device is in; ``None`` if it never told one."""
        return next(self._back(device, before), None)

    def states(self, device: str, before: int, most: int = RECENT) -> list[Shown]:
        """The distinct states that the device was in at its last events, the present one first."""
        return list(dict.fromkeys(islice(self._back(device, before), most)))

    def latest(self, device: str, shown: Shown, before: int) -> Event:
        """The last event by which the device came into a state that it had been in (see `states`)."""
        when = self._when[device]
        places = range(bisect_left(when, before) - 1, -1, -1)
        recent = (self._home.events[when[place]] for place in places)
        return next(event for event in recent if (event.action, event.value) == shown)

    def had_at_hour(self, activity: Activity, hour: int, before: int) -> bool:
        """Whether the activity had been seen in that hour of the day."""
        return self._first_hour.get((activity, hour), before) < before

    def had_after(self, previous: Activity, activity: Activity, before: int) -> bool:
        """Whether the activity had been seen directly after the other."""
        return self._first_after.get((previous, activity), before) < before

    def openings(self, day: date) -> list[int]:
        """How often an entrance had opened before that day, by the hour of the day."""
        total = [0] * 24
        for opened, by_hour in self._openings.items():
            if opened < day:
                total = [a + b for a, b in zip(total, by_hour, strict=True)]
        return total

    def pauses(self, since: datetime, until: datetime) -> list[Span]:
        """The pauses of at least 30 min that reach into a span, whole, from one event of a person to the next.

        Unlike everything else here a pause is known only when it is over: an injection lies in one, no method
        is told of it.
        """
        first = bisect_right(self._pauses, since, key=lambda pause: pause[1])
        last = bisect_left(self._pauses, until, key=lambda pause: pause[0])
        return self._pauses[first:last]

    def when(self, device: str) -> list[int]:
        """The places in the stream of all events of a device."""
        return self._when.get(device, [])

    def _back(self, device: str, before: int) -> Iterator[Shown]:
        """The states that the device told, the present one first."""
        when = self._when.get(device, [])
        for place in range(bisect_left(when, before) - 1, -1, -1):
            event = self._home.events[when[place]]
            if event.action not in REPORTS:
                yield event.action, event.value

    def _find_pauses(self) -> list[Span]:
        people = {device.name for device in self._home.roles(*PEOPLE)}
        pauses: list[Span] = []
        last: datetime | None = None
        for event in self._home.events:
            if event.device in people and event.action not in REPORTS:
                if last is not None and event.at - last >= PAUSE:
                    pauses.append((last, event.at))
                last = event.at
        return pauses
