"""What a home had shown before a given event: what an injection may be made of."""

from __future__ import annotations

from bisect import bisect_left
from datetime import date

from homeward.bench.homes import Household

Activity = tuple[str, str]
"""A device and an action."""

Shown = tuple[str, float | None]
"""The state a device was in: its action and value."""

ENDS = {
    "on": "off", "open": "closed", "opened": "closed", "unlock": "lock", "unlocked": "locked", "active": "inactive",
    "detected": "clear", "occupied": "clear", "motion": "clear", "pressed": "released", "true": "false",
}  # fmt: skip
"""Actions by which somebody shows, and the action that ends each."""

REPORTS = frozenset({"battery", "comm_failure", "status", "tripped", "lqi", "rssi", "temp", "online", "offline"})
"""What a device says about itself: no act, and no state that somebody put it in."""


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
                now = self.states(device, before)[:1]
                return None if end and now and now[0][0] == action else (action, end)
        return None

    def states(self, device: str, before: int, most: int = 64) -> list[Shown]:
        """The distinct states that the device was in at its last events, the present one first."""
        when = self._when.get(device, [])
        place = bisect_left(when, before)
        recent = (self._home.events[index] for index in reversed(when[max(0, place - most) : place]))
        return list(dict.fromkeys((event.action, event.value) for event in recent if event.action not in REPORTS))

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
