"""Profile: what is usual in one place. Assess, learn, hold, release."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from homeward.core.behaviour.calibration import MIN_DAYS, MIN_VISITS, Calibration
from homeward.core.behaviour.habits import (
    HABITS,
    LINE_CELLS,
    NEW,
    PARENT,
    PAUSES,
    RING_CELLS,
    ROOTS,
    contexts,
    name_key,
    pause_bucket,
)
from homeward.core.behaviour.table import WEIGHT, Table, log2
from homeward.core.settings import Device
from homeward.core.vocabulary import is_guarded

MINUTE: Final = 60_000
DAY: Final = 86_400_000
HALF_LIFE: Final = 56 * DAY
"""Counts halve every eight weeks: long enough for a weekly habit, short enough for a season."""

VISIT_PAUSE: Final = 30 * MINUTE
VISIT_LONGEST: Final = 360 * MINUTE
"""Where something always speaks no pause ever ends a visit: it is cut when an incident would be."""

BURN_IN: Final = 3 * DAY
"""Visits of the first days are strange to an empty guard whatever happens: they do not calibrate."""

NOTABLE: Final = 10
"""How many times the alarms of the budget are put on record, silently."""

ACTIVE_DAY: Final = 10
"""Events that make a day an active one."""

DEVICE_LIMIT: Final = 16_384
HELD_LIMIT: Final = 1_024
HELD_DAYS: Final = 30
COME_BACK_DAYS: Final = 3
"""On how many separate days something harmless has to come back before it is learned without an answer."""

WHAT_NEXT, WHEN, HOW_SOON, HOW_LONG = range(len(HABITS))


class Observation(NamedTuple):
    """The symbols and contexts of one moment: enough to learn it now or any time later."""

    device: str
    action: str
    at: int
    guarded: bool
    symbols: tuple[int, ...]
    contexts: tuple[tuple[int, ...], ...]
    minute: int
    """Of the local day."""
    previous: str
    """The activity before, in words."""
    pause: int
    """Milliseconds since any event, -1 if there was none; ``silence`` likewise since this device's last."""
    silence: int


class Assessment(NamedTuple):
    """How strange an event is: ``bits`` by habit (Q8), and ``score``, their sum.

    Above ``threshold`` it costs an alarm of the budget (``unusual``), above ``notable`` it is put on record without
    one. Both are ``None`` while the profile is too young to say.
    """

    bits: tuple[int, ...]
    score: int
    threshold: int | None
    notable: int | None
    unusual: bool

    @property
    def habit(self) -> int:
        """The habit that gave the most bits: the reason."""
        return max(range(len(self.bits)), key=self.bits.__getitem__)


@dataclass(slots=True)
class Held:
    """An observation kept back until somebody confirms it or it has come back often enough."""

    observation: Observation
    incident: str
    habit: int
    day: int


@dataclass(slots=True)
class Watch:
    """One share of the budget: its past, the thresholds set from it, and the score of the running visit."""

    calibration: Calibration = field(default_factory=Calibration)
    threshold: int | None = None
    notable: int | None = None
    visit_score: int = 0
    events: int = 0


@dataclass(slots=True)
class ProfileState:
    """Plain integers, strings and tables: saved, copied, later summed and exported."""

    table: Table = field(default_factory=Table)
    watches: tuple[Watch, Watch] = field(default_factory=lambda: (Watch(), Watch()))
    """Half of the budget watches guarded devices (the second), half the rest: a door must not drown in motion."""
    last: dict[str, tuple[str, int]] = field(default_factory=dict)
    """By device: its last action and when (ms)."""
    previous: str = ""
    previous_key: int = 0
    before_key: int = 0
    previous_at: int | None = None
    first_at: int | None = None
    visit_began: int = 0
    visit_ends: int | None = None
    day: int = 0
    day_events: int = 0
    held: list[Held] = field(default_factory=list)
    young: dict[str, int] = field(default_factory=dict)
    """What was learned in the first 14 days, by device and action: shown once, to be confirmed."""
    ready_at: int | None = None


class Profile:
    """The habits of one place over a `ProfileState`; times are integer milliseconds of the guard's clock."""

    def __init__(self, state: ProfileState, devices: tuple[Device, ...], budget: float) -> None:
        self.state = state
        self._devices = {device.name: device for device in devices}
        self._known: dict[tuple[str, str], tuple[int, int, int, bool]] = {}
        self._budget = budget
        self._context = state.before_key, state.previous_key, state.previous

    def calibrate(self) -> None:
        """Set the thresholds from the past. Where there is nothing of one kind, the other has the whole budget."""
        watches = self.state.watches
        sharing = sum(1 for watch in watches if watch.events) or 1
        for watch in watches:
            share = self._budget / sharing if watch.events else 0.0
            watch.threshold = watch.calibration.threshold(share)
            watch.notable = watch.calibration.threshold(share * NOTABLE)

    def observe(self, device: str, action: str, at: int, local: int) -> Observation:
        """The symbols and contexts of this moment; moves "last" on, counts nothing. ``local`` is local time (ms)."""
        state = self.state
        known = self._names(device, action)
        activity, device_key, type_key, guarded = known
        last_action, last_at = state.last.get(device, ("", None))
        minutes, weekday = local // MINUTE, local // DAY % 7
        previous_at = state.previous_at
        pause = at - previous_at if previous_at is not None else -1
        silence = at - last_at if last_at is not None else -1
        fields = (
            activity,
            device_key,
            type_key,
            state.previous_key,
            state.before_key,
            self._names(device, last_action)[0] if last_action else 0,
            1 if weekday in (2, 3) else 2,  # 1970-01-01 was a Thursday: day 2 was a Saturday
        )
        symbols = (
            activity,
            minutes // 30 % 48,
            pause_bucket(pause) if pause >= 0 else PAUSES - 1,
            pause_bucket(silence) if silence >= 0 else PAUSES - 1,
        )
        minute = minutes % 1440
        seen = Observation(
            device, action, at, guarded, symbols, contexts(fields), minute, state.previous, pause, silence
        )
        self._context = state.before_key, state.previous_key, state.previous
        state.before_key, state.previous_key = state.previous_key, activity
        state.previous, state.previous_at = f"{device} {action}", at
        self._note_last(device, action, at)
        return seen

    def _names(self, device: str, action: str) -> tuple[int, int, int, bool]:
        """Keys of activity, device and type, and whether the device is guarded: pure, so remembered."""
        known = self._known.get((device, action))
        if known is not None:
            return known
        about = self._devices.get(device)
        type_, role = (about.type, about.role) if about else ("other", "other")
        known = (
            name_key("activity", device, action),
            name_key("device", device),
            name_key("type", type_),
            is_guarded(type_, role),
        )
        if len(self._known) >= 4 * DEVICE_LIMIT:
            self._known.clear()
        self._known[device, action] = known
        return known

    def _note_last(self, device: str, action: str, at: int) -> None:
        last = self.state.last
        last[device] = (action, at)
        if len(last) > DEVICE_LIMIT:
            oldest = sorted(last, key=lambda name: (last[name][1], name))
            for name in oldest[: DEVICE_LIMIT // 8]:  # an eighth at a time keeps the cost per event constant
                del last[name]

    def assess(self, seen: Observation) -> Assessment:
        """The surprise of an observation, habit by habit; changes nothing."""
        table = self.state.table
        bits = []
        for keys, symbol, root in zip(seen.contexts, seen.symbols, ROOTS, strict=True):
            if root < 0:
                root = log2(table.width(keys[0]) + 1)
                if not table.seen(keys[0], symbol):
                    symbol = NEW
            bits.append(table.surprise(keys, symbol, root, PARENT))
        score = sum(bits)
        watch = self.state.watches[seen.guarded]
        threshold = watch.threshold
        return Assessment(tuple(bits), score, threshold, watch.notable, threshold is not None and score > threshold)

    def learn(self, seen: Observation) -> None:
        """Count the observation in the contexts it was made in."""
        table = self.state.table
        what, when, soon, long = seen.contexts
        activity, half_hour, pause, silence = seen.symbols
        cells: tuple[tuple[int, int], ...] = ((activity, WEIGHT),)
        if not table.seen(what[0], activity):
            cells = ((activity, WEIGHT), (NEW, WEIGHT))
        table.learn(what, cells)
        table.learn(when, RING_CELLS[half_hour])
        table.learn(soon, LINE_CELLS[pause])
        table.learn(long, LINE_CELLS[silence])

    def pass_time(self, at: int) -> None:
        """Fade what a boundary of the guard's clock has passed, and close the visit when its pause is over."""
        state = self.state
        epoch = at // HALF_LIFE
        if epoch != state.table.epoch:
            state.table.epoch = epoch
            for watch in state.watches:
                watch.calibration.fade(epoch)
        if state.visit_ends is not None and at >= state.visit_ends:
            self._close_visit()

    def note_visit(self, at: int, day: int, score: int, guarded: bool) -> None:
        """Let an event take part in the running visit, and in the day (its number, by the guard's own clock)."""
        state = self.state
        if state.first_at is None:
            state.first_at = at
        watch = state.watches[guarded]
        watch.events += 1
        if score > watch.visit_score:
            watch.visit_score = score
        if state.visit_ends is None:
            state.visit_began = at
        state.visit_ends = min(at + VISIT_PAUSE, state.visit_began + VISIT_LONGEST)
        if day != state.day:
            state.day, state.day_events = day, 0
        state.day_events += 1
        if state.day_events == ACTIVE_DAY and at - state.first_at >= BURN_IN:
            for each in state.watches:
                each.calibration.add_day()

    def _close_visit(self) -> None:
        state = self.state
        ended = state.visit_ends
        if state.first_at is not None and ended is not None:
            for watch in state.watches:
                if ended - state.first_at >= BURN_IN:
                    watch.calibration.add_visit(watch.visit_score)
                watch.visit_score = 0
            self.calibrate()
            if state.ready_at is None and state.watches[0].threshold is not None:
                state.ready_at = ended
        state.visit_ends = None

    def hold(self, seen: Observation, habit: int, incident: str, day: int) -> list[Observation]:
        """Keep an observation back. Returns what was dropped to make room (at most 1,024, 30 days, oldest first).

        What is harmless and has come back on three separate days is learned at last, with all of its kind.
        """
        state = self.state
        if 0 <= seen.pause <= seen.at - state.visit_began:
            # Within a visit, what is not learned is no context either: a decoy must not make what follows look
            # usual. Across visits it is: or all that comes after a holiday would be judged by the day before it.
            state.before_key, state.previous_key, state.previous = self._context
        dropped = self.drop_old(seen.at)
        held = state.held
        held.append(Held(seen, incident, habit, day))
        while len(held) > HELD_LIMIT:
            dropped.append(held.pop(0).observation)
        if not seen.guarded:
            kind = (seen.device, seen.action, habit)
            days = {item.day for item in held if _kind(item) == kind}
            if len(days) >= COME_BACK_DAYS:
                self._release({kind}, "")
        return dropped

    def drop_old(self, at: int) -> list[Observation]:
        """Drop, and return, what was held for 30 days and never confirmed."""
        held, dropped = self.state.held, []
        while (ends := self.held_until()) is not None and ends <= at:
            dropped.append(held.pop(0).observation)
        return dropped

    def held_until(self) -> int | None:
        """When the oldest of what is held is dropped."""
        return self.state.held[0].observation.at + HELD_DAYS * DAY if self.state.held else None

    def release(self, incident: str) -> int:
        """Learn everything held of an incident and of the same kinds; returns how many observations."""
        kinds = {_kind(item) for item in self.state.held if item.incident == incident}
        return self._release(kinds, incident)

    def _release(self, kinds: set[tuple[str, str, int]], incident: str) -> int:
        kept, released = [], 0
        for item in self.state.held:
            if item.incident == incident or _kind(item) in kinds:
                self.learn(item.observation)
                released += 1
            else:
                kept.append(item)
        self.state.held = kept
        return released

    def discard(self, incident: str) -> int:
        """Forget what was held of an incident: it was not the owner. Returns how many observations."""
        before = len(self.state.held)
        self.state.held = [item for item in self.state.held if item.incident != incident]
        return before - len(self.state.held)

    def days_to_go(self) -> int | None:
        """Days until the budget can be promised: 0 when ready, ``None`` before anything was seen."""
        state = self.state
        if state.first_at is None:
            return None
        if state.watches[0].threshold is not None:
            return 0
        calibration = state.watches[0].calibration
        days = calibration.days / WEIGHT
        if not days or not calibration.n:
            return MIN_DAYS + BURN_IN // DAY
        short = max(MIN_DAYS - days, (MIN_VISITS - calibration.n / WEIGHT) * days * WEIGHT / calibration.n)
        return max(1, -int(-short // 1))


def _kind(item: Held) -> tuple[str, str, int]:
    return item.observation.device, item.observation.action, item.habit
