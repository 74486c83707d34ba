"""Plain rules, as alarm panels have them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from homeward.bench.homes import Household
from homeward.bench.past import ENDS, Activity
from homeward.bench.presence import INDOORS, RESIDENTS
from homeward.core.event import Event

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Strictness:
    """One setting of an alarm panel: the hours in which an entrance may not open, whether the panel is armed while
    everybody is known to be away, and how many events of one device a minute may bring."""

    name: str
    armed_from: int
    armed_until: int
    armed_away: bool
    most_per_minute: int


LEVELS = (
    Strictness(name="lax", armed_from=0, armed_until=5, armed_away=False, most_per_minute=60),
    Strictness(name="medium", armed_from=23, armed_until=6, armed_away=True, most_per_minute=40),
    Strictness(name="strict", armed_from=22, armed_until=7, armed_away=True, most_per_minute=20),
)


class Rules:
    """Fires at an entrance that opens in the armed hours, at somebody who shows indoors while all are away, at an
    actuator's activity never seen, and at a device that is too busy. An entrance that opens while all are away
    does not fire: that is how people come home."""

    def __init__(self, home: Household, level: Strictness) -> None:
        self._hour: Callable[[datetime], int] = home.hour
        self._entrances = frozenset(device.name for device in home.roles("entrance"))
        self._actuators = frozenset(device.name for device in home.roles("actuator"))
        self._indoors = frozenset(device.name for device in home.roles(*INDOORS))
        self._level = level
        self._away = False
        self._known: set[Activity] = set()
        self._recent: dict[str, deque[datetime]] = {}

    def look(self, event: Event) -> tuple[float, None]:
        device, shows = event.device, event.action in ENDS
        if device == RESIDENTS.name:
            self._away = event.action == "away"
            return 0.0, None
        fires = self._busy(event)
        if device in self._entrances:
            fires = fires or (shows and self._armed(self._hour(event.at)))
        if device in self._indoors:
            fires = fires or (shows and self._away and self._level.armed_away)
        if device in self._actuators:
            activity = (device, event.action)
            fires = fires or activity not in self._known
            self._known.add(activity)
        return float(fires), None

    def confirm(self, seen: None, weight: int) -> None:
        """A panel learns nothing from an answer."""

    def _armed(self, hour: int) -> bool:
        since, until = self._level.armed_from, self._level.armed_until
        return since <= hour < until if since < until else hour >= since or hour < until

    def _busy(self, event: Event) -> bool:
        most = self._level.most_per_minute
        recent = self._recent.get(event.device)
        if recent is None:
            recent = self._recent[event.device] = deque(maxlen=most)
        busy = len(recent) == most and event.at - recent[0] <= MINUTE
        recent.append(event.at)
        return busy

    def copy(self) -> Rules:
        twin = object.__new__(Rules)
        twin.__dict__.update(self.__dict__)
        twin._known = set(self._known)
        twin._recent = {device: recent.copy() for device, recent in self._recent.items()}
        return twin
