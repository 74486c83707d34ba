"""What the peers from libraries see of an event: one row of numbers in [0, 1], the same for all of them.

The detectors of the libraries take a vector, so somebody has to choose one. This is that choice, made once and from
the stream so far alone; nothing of it was selected by a score. With *n* counted so far and *c* of them alike, a
share is told as its surprise ``log2((n + k) / (c + 1))`` over 16 bits, cut off at 1, where *k* is how many kinds
there can be; a pause as ``log(1 + seconds)`` over the same of a week, cut off at 1.

=====  ==================================================================================
0, 1   time of day on the home's clock, as sine and cosine
2      weekend
3      pause since any event
4      pause since this device's last event (1 if it never had one)
5      how rare the activity (device and action) is among all events so far
6      how rare it is among what followed the activity before it
7      how rare this half hour of the day is among the activity's own events
8      whether the residents are known to be at home: 1, away: 0, not told: 0.5
9-12   four bits of the CRC-32 of the device's name
13-16  four bits of the CRC-32 of device and action
=====  ==================================================================================
"""

from __future__ import annotations

from datetime import datetime
from math import cos, log1p, log2, pi, sin
from typing import Any
from zlib import crc32
from zoneinfo import ZoneInfo

from homeward.bench.past import Activity
from homeward.bench.presence import RESIDENTS
from homeward.core.event import Event

Row = tuple[float, ...]

HASHED_BITS = 4
MOST_BITS = 16.0
LONGEST_PAUSE = log1p(7 * 86_400)
HALF_HOURS = 48
SATURDAY = 5
ANGLES = tuple((0.5 + sin(2 * pi * m / 1440) / 2, 0.5 + cos(2 * pi * m / 1440) / 2) for m in range(1440))
"""Sine and cosine of each minute of the day."""


class Features:
    """Turns a stream into rows. A copy keeps what it sees to itself, and is good until the original goes on."""

    def __init__(self, timezone: str) -> None:
        self._zone = None if timezone == "UTC" else ZoneInfo(timezone)
        self._shared: dict[Any, int] = {}  # what the original has counted
        self._counted: dict[Any, int] = self._shared  # where this one counts: a copy on top of what is shared
        self._shared_last: dict[str, datetime] = {}
        self._last_of: dict[str, datetime] = self._shared_last
        self._bits: dict[Activity, Row] = {}
        self._last: datetime | None = None
        self._before: Activity | None = None
        self._events = 0
        self._kinds = 1
        self._at_home = 0.5

    def row(self, event: Event) -> Row:
        """The event as it looks from before it; then it is counted."""
        activity = (event.device, event.action)
        local = event.at if self._zone is None else event.at.astimezone(self._zone)
        minute = local.hour * 60 + local.minute
        after, when = (self._before, activity), (activity, minute // (1440 // HALF_HOURS))
        count = self._count(activity)
        row = (
            *ANGLES[minute],
            float(local.weekday() >= SATURDAY),
            _pause(self._last, event.at),
            _pause(self._last_of.get(event.device) or self._shared_last.get(event.device), event.at),
            _rarity(count, self._events, self._kinds),
            _rarity(self._count(after), self._count(("followed", self._before)), self._kinds),
            _rarity(self._count(when), count, HALF_HOURS),
            self._at_home,
            *(self._bits.get(activity) or self._hash(activity)),
        )
        for key in (activity, after, when, ("followed", self._before)):
            self._counted[key] = self._counted.get(key, 0) + 1
        self._kinds += count == 0
        self._events += 1
        self._before, self._last = activity, event.at
        self._last_of[event.device] = event.at
        if event.device == RESIDENTS.name:
            self._at_home = float(event.action == "home")
        return row

    def copy(self) -> Features:
        twin = object.__new__(Features)
        twin.__dict__.update(self.__dict__)
        is_copy = self._counted is not self._shared
        twin._counted = dict(self._counted) if is_copy else {}
        twin._last_of = dict(self._last_of) if is_copy else {}
        return twin

    def _count(self, key: Any) -> int:
        count = self._counted.get(key, 0)
        return count if self._counted is self._shared else count + self._shared.get(key, 0)

    def _hash(self, activity: Activity) -> Row:
        device, action = activity
        codes = (crc32(device.encode()), crc32(f"{device}\0{action}".encode()))
        bits = tuple(float(code >> bit & 1) for code in codes for bit in range(HASHED_BITS))
        self._bits[activity] = bits
        return bits


def _pause(since: datetime | None, now: datetime) -> float:
    return 1.0 if since is None else min(1.0, log1p(max(0.0, (now - since).total_seconds())) / LONGEST_PAUSE)


def _rarity(alike: int, total: int, kinds: int) -> float:
    return min(1.0, log2((total + kinds) / (alike + 1)) / MOST_BITS)
