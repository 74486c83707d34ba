"""A device that should have spoken: silence, judged only while something else of its source speaks.

Time is cut into half-hours. In one in which another device of the same source spoke, a device either spoke or did
not, and how often it does at this time of the day is a count like any other. What a stretch of silence is worth is
the surprise of each of its half-hours added up; half-hours of a house asleep add next to nothing. It is told when it
exceeds the device's longest silence so far by more than such records are broken within the budget.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from homeward.core.behaviour.calibration import MIN_DAYS, Calibration
from homeward.core.behaviour.habits import name_key
from homeward.core.behaviour.table import WEIGHT, Table

SLOT: Final = 30 * 60_000
SLOTS_A_DAY: Final = 48
LEAST: Final = 20 * 3_600_000
"""How long (ms) a device has been silent before it is told. Who is judged speaks on most days: what is shorter than
a day and a night is an unusual day, and most of those end by themselves."""

OFTEN: Final = 10
"""How often a device speaks on its days to be judged."""

LIMIT: Final = 16_384
SILENT, SPOKE = 0, 1
_ROOT: Final = 1 << 8
_DEVICE: Final = name_key("habit", "speaks", "0")
_PART: Final = name_key("habit", "speaks", "1")


@dataclass(slots=True)
class Heard:
    """A device: since which active day it is known, its silence now and its record, in bits (Q8) and half-hours."""

    source: str
    key: int
    since: int
    spoke_at: int
    bits: int = 0
    record: int = 0
    quiet: int = 0
    longest: int = 0
    long: bool = False
    """Whether the silence now has lasted for long enough to be told."""
    told: bool = False
    events: int = 0
    spoken_days: int = 0
    """On how many active days it spoke: a device is judged only while it does on most of them."""
    last_day: int = -1
    unavailable: bool = False
    """Whether its source says that it cannot reach it: then it is blind about it, and its silence tells nothing."""

    def is_regular(self, days: int) -> bool:
        """Whether it is known long enough, speaks on at least three of four days, and ten times on such a day: a
        door that nobody opened all day cannot be told from one that is broken."""
        known = days - self.since
        return known >= MIN_DAYS and self.spoken_days * 4 >= known * 3 and self.events >= self.spoken_days * OFTEN


class Quiet(NamedTuple):
    """A silence worth telling: when the device spoke last (ms), for how many half-hours in which others did it has
    not, the most there were before, and how far its bits exceed the record (Q8)."""

    device: str
    spoke_at: int
    slots: int
    longest: int
    excess: int


@dataclass(slots=True)
class Silence:
    """The silences of one place; ``slot`` is the running half-hour and ``spoke`` who has spoken in it, by source."""

    devices: dict[str, Heard] = field(default_factory=dict)
    records: Calibration = field(default_factory=Calibration)
    threshold: int | None = None
    slot: int = 0
    days: int = 0
    away: bool = False
    spoke: dict[str, list[str]] = field(default_factory=dict)

    def fork(self) -> Silence:
        """A copy that can go on by itself."""
        twin = copy(self)
        twin.devices = {name: copy(heard) for name, heard in self.devices.items()}
        twin.records = self.records.fork()
        twin.spoke = {source: names.copy() for source, names in self.spoke.items()}
        return twin

    def pass_day(self, days: int, epoch: int, per_week: float) -> None:
        """Fade what a boundary has passed, and set the threshold from the past of so many active days."""
        shift = min(epoch - self.records.epoch, 8)
        self.records.fade(epoch)
        for heard in self.devices.values():
            for _ in range(shift):
                heard.record -= heard.record >> 2
        self.records.add_day(max(days - max(self.days, MIN_DAYS), 0))
        self.days = days
        self.threshold = self.records.threshold(per_week)

    def hear(self, table: Table, device: str, source: str, at: int, local: int, *, away: bool = False) -> list[Quiet]:
        """Take note that a device spoke (``local`` is the place's own time in ms); the silences that became worth
        telling when the last half-hour ended.

        In half-hours in which everybody was ``away``, only what spoke is noted: an empty house is no broken one.
        """
        slot, day = local // SLOT, self.days
        found = self._end_slot(table, at) if slot != self.slot and self.spoke else []
        if slot != self.slot:
            self.slot, self.away = slot, away
        self.away = self.away and away
        heard = self.devices.get(device)
        if heard is None:
            if len(self.devices) >= LIMIT:
                return found
            heard = self.devices[device] = Heard(source, name_key("device", device), day, at)
        heard.source, heard.spoke_at = source, at
        heard.events += 1
        if heard.told:  # what was told is no day that it usually misses
            heard.since += max(day - heard.last_day - 1, 0)
        if heard.last_day != day:
            heard.last_day = day
            heard.spoken_days += 1
        names = self.spoke.setdefault(source, [])
        if device not in names:
            names.append(device)
        return found

    def accept(self, device: str) -> None:
        """The owner says that a silence is fine: it is the record from now on."""
        heard = self.devices.get(device)
        if heard is not None:
            heard.record, heard.longest = max(heard.record, heard.bits), max(heard.longest, heard.quiet)

    def reach(self, device: str, *, up: bool) -> None:
        """The device's source says whether it can reach it."""
        heard = self.devices.get(device)
        if heard is not None:
            heard.unavailable = not up

    def _end_slot(self, table: Table, at: int) -> list[Quiet]:
        found = []
        part = self.slot % SLOTS_A_DAY // 6
        for name, heard in self.devices.items():
            speakers = self.spoke.get(heard.source, ())
            if name in speakers:
                if heard.bits:
                    self._over(heard)
                if len(speakers) > 1:
                    table.learn(_contexts(heard.key, part), ((SPOKE, WEIGHT),))
            elif speakers and not heard.unavailable:
                heard.long = at - heard.spoke_at >= LEAST
                if not self.away:
                    self._stays_silent(table, heard, part)
                if heard.long and not heard.told and self._is_odd(heard):
                    heard.told = True
                    excess = heard.bits - heard.record - (self.threshold or 0)
                    found.append(Quiet(name, heard.spoke_at, heard.quiet, heard.longest, excess))
        self.spoke = {}
        return found

    def _stays_silent(self, table: Table, heard: Heard, part: int) -> None:
        contexts = _contexts(heard.key, part)
        heard.bits += table.surprise(contexts, SILENT, _ROOT, WEIGHT)
        heard.quiet += 1
        if not self._is_odd(heard):
            table.learn(contexts, ((SILENT, WEIGHT),))  # what is too long to be usual is held: not learned

    def _is_odd(self, heard: Heard) -> bool:
        """Whether a silence exceeds the device's record by more than such records are broken within the budget."""
        excess = heard.bits - heard.record
        return self.threshold is not None and excess > self.threshold and heard.is_regular(self.days)

    def _over(self, heard: Heard) -> None:
        """The device speaks again. A silence that was told, by a fault or by somebody's hand, raises no bar at once:
        only to a bit above it."""
        if heard.is_regular(self.days):
            excess = max(heard.bits - heard.record, 0) if heard.long else 0
            most = excess if self.threshold is None or not heard.told else self.threshold + (1 << 8)
            self.records.add(min(excess, most))
        if not heard.told:
            heard.record, heard.longest = max(heard.record, heard.bits), max(heard.longest, heard.quiet)
        heard.bits, heard.quiet, heard.long, heard.told = 0, 0, False, False


def _contexts(key: int, part: int) -> tuple[int, int]:
    return _DEVICE ^ key, _PART ^ key ^ part
