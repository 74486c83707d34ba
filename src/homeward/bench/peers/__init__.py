"""What others do: a Markov chain, and plain rules as alarm panels have them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import log2
from typing import Protocol, Self

from homeward.bench.homes import Household
from homeward.bench.past import ENDS, Activity
from homeward.core.event import Event

Seen = tuple[Activity | None, Activity]
"""The moment an event was looked at: the activity before it and its own."""


class Peer(Protocol):
    """Another way to tell the usual from the unusual."""

    def look(self, event: Event) -> tuple[float, Seen]:
        """How strange the event is (higher is stranger), and what `learn` needs. Goes on to the next moment."""

    def learn(self, seen: Seen, weight: int) -> None:
        """Count it, now or later; an owner's "that was me" counts it again with more weight."""

    def copy(self) -> Self:
        """A copy that learns nothing for the original."""


class MarkovChain:
    """Surprise of an activity given the one before it, in bits, with one added to every count (Laplace)."""

    def __init__(self) -> None:
        self._counts: dict[Activity | None, dict[Activity, int]] = {}
        self._totals: dict[Activity | None, int] = {}
        self._known: set[Activity] = set()
        self._last: Activity | None = None

    def look(self, event: Event) -> tuple[float, Seen]:
        previous, activity = self._last, (event.device, event.action)
        self._last = activity
        row = self._counts.get(previous)
        count = row.get(activity, 0) if row else 0
        symbols = len(self._known) + 1
        return log2((self._totals.get(previous, 0) + symbols) / (count + 1)), (previous, activity)

    def learn(self, seen: Seen, weight: int) -> None:
        previous, activity = seen
        row = self._counts.setdefault(previous, {})
        row[activity] = row.get(activity, 0) + weight
        self._totals[previous] = self._totals.get(previous, 0) + weight
        self._known.add(activity)

    def copy(self) -> MarkovChain:
        twin = MarkovChain()
        twin._counts = {previous: dict(row) for previous, row in self._counts.items()}
        twin._totals = dict(self._totals)
        twin._known = set(self._known)
        twin._last = self._last
        return twin


@dataclass(frozen=True, slots=True, kw_only=True)
class Strictness:
    """One setting of an alarm panel: the hours in which an entrance may not open, and events a minute allowed."""

    name: str
    armed_from: int
    armed_until: int
    most_per_minute: int


LEVELS = (
    Strictness(name="lax", armed_from=0, armed_until=5, most_per_minute=60),
    Strictness(name="medium", armed_from=23, armed_until=6, most_per_minute=40),
    Strictness(name="strict", armed_from=22, armed_until=7, most_per_minute=20),
)

MINUTE = timedelta(minutes=1)


class Rules:
    """Fires at an entrance that opens in the armed hours, an actuator's activity never seen, and a busy device."""

    def __init__(self, home: Household, level: Strictness) -> None:
        self._hour: Callable[[datetime], int] = home.hour
        self._entrances = frozenset(device.name for device in home.roles("entrance"))
        self._actuators = frozenset(device.name for device in home.roles("actuator"))
        self._level = level
        self._known: set[Activity] = set()
        self._recent: dict[str, deque[datetime]] = {}
        self._last: Activity | None = None

    def look(self, event: Event) -> tuple[float, Seen]:
        previous, activity = self._last, (event.device, event.action)
        self._last = activity
        fires = self._busy(event)
        if event.device in self._entrances and event.action in ENDS:
            fires = fires or self._armed(self._hour(event.at))
        if event.device in self._actuators:
            fires = fires or activity not in self._known
        return float(fires), (previous, activity)

    def learn(self, seen: Seen, weight: int) -> None:  # noqa: ARG002  # a panel has no weights
        self._known.add(seen[1])

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
        twin._hour, twin._entrances, twin._actuators = self._hour, self._entrances, self._actuators
        twin._level, twin._last = self._level, self._last
        twin._known = set(self._known)
        twin._recent = {device: recent.copy() for device, recent in self._recent.items()}
        return twin
