"""Profile: what is usual in one place. Assess, learn, hold, release."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from math import isfinite
from types import MappingProxyType
from typing import Final

from homeward.core.behaviour.assessment import Assessment, stir
from homeward.core.behaviour.calibration import MIN_DAYS, MIN_VISITS
from homeward.core.behaviour.evidence import Evidence, Scored, lived
from homeward.core.behaviour.habits import (
    COMPANY,
    FROM_WHERE,
    PAUSES,
    UNKNOWN,
    WHEN,
    WHO,
    WHO_IS_HOME,
    amount_bucket,
    name_key,
    pause_bucket,
)
from homeward.core.behaviour.held import Held, alike, speaks_for
from homeward.core.behaviour.observation import Contexts, learn, surprise, unlearn, unnamed
from homeward.core.behaviour.observation import Observation as Observation  # what a profile is asked with
from homeward.core.behaviour.past import ACTIVE_DAY, DAY, HELD_DAYS, Past, Remembered
from homeward.core.behaviour.presence import Presence
from homeward.core.behaviour.table import WEIGHT, Table
from homeward.core.settings import Device
from homeward.core.vocabulary import kind_of

MINUTE: Final = 60_000
HALF_LIFE: Final = 56 * DAY
"""Counts halve every eight weeks: long enough for a weekly habit, short enough for a season."""

VISIT_PAUSE: Final = 30 * MINUTE
VISIT_LONGEST: Final = 360 * MINUTE
"""Where something always speaks no pause ever ends a visit: it is cut when an incident would be."""

ODD: Final = 4 << 8
"""How rare (Q8 bits) the hour, the person or the origin of what a guarded device does may be and still be learned
without an answer: one in 16 of such events."""

TELLING: Final = 8 << 8
"""What is rarer than that (Q8 bits; one in 256) does not tell how rare bits are, either: what a patient intruder does
night after night must not become less rare by it, and be learned in the end."""

NEWCOMER: Final = 7 * DAY
"""How long an unguarded device that is new here is given to become known after it was told."""
NEWCOMERS_LIMIT: Final = 256

NOTABLE: Final = 10
"""How many times the alarms of the budget are put on record, silently."""

DEVICE_LIMIT: Final = 16_384
HELD_LIMIT: Final = 1_024
COME_BACK_DAYS: Final = 3
"""On how many separate days something harmless has to come back before it is learned without an answer."""


@dataclass(slots=True)
class ProfileState:
    """Plain integers, strings and tables: saved, copied, later summed and exported."""

    table: Table = field(default_factory=Table)
    evidence: Evidence = field(default_factory=Evidence)
    presence: Presence = field(default_factory=Presence)
    threshold: int | None = None
    notable: int | None = None
    own: dict[str, int] = field(default_factory=dict)
    """The thresholds of people with a budget of their own, once enough was seen of each."""
    suspected_until: int = 0
    """Until when (ms) nothing is learned: what follows on the odd act of a guarded device belongs to it."""
    past: Past = field(default_factory=Past)
    active_days: int = 0
    last: dict[str, tuple[str, int]] = field(default_factory=dict)
    """By device: its last action and when (ms)."""
    previous: str = ""
    previous_key: int = 0
    company: tuple[int, ...] = ()
    """The keys of the latest activities, each once, the last first."""
    previous_at: int | None = None
    first_at: int | None = None
    visit_began: int = 0
    visit_ends: int | None = None
    day: int = 0
    day_events: int = 0
    held: list[Held] = field(default_factory=list)
    young: dict[str, int] = field(default_factory=dict)
    """What was learned in the first 14 days, by device and action: shown once, to be confirmed."""
    newcomers: dict[str, int] = field(default_factory=dict)
    """Devices that were never heard before, since when (ms): told once, and then given time to become known."""
    ready_at: int | None = None

    def fork(self) -> ProfileState:
        """A copy for a what-if, cheap because it shares the past; valid as long as this state does not change."""
        twin = copy(self)
        twin.table, twin.evidence, twin.presence = self.table.fork(), self.evidence.fork(), copy(self.presence)
        twin.last, twin.held, twin.young = dict(self.last), self.held.copy(), dict(self.young)
        twin.past, twin.own, twin.newcomers = self.past.fork(), self.own.copy(), dict(self.newcomers)
        return twin


class Profile:
    """The habits of one place over a `ProfileState`; times are integer milliseconds of the guard's clock."""

    def __init__(
        self,
        state: ProfileState,
        devices: tuple[Device, ...],
        budget: float,
        people: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        """``budget`` is the household's, ``people`` are those who have one of their own (alarms a week)."""
        self.state = state
        self._people = people
        self._devices = {device.name: device for device in devices}
        self._known: dict[tuple[str, str], tuple[int, int, int, int]] = {}
        self._keys: dict[str, int] = {"": 0}
        self._budget = budget
        self._context = state.company, state.previous_key, state.previous
        self._latest: tuple[Observation, Contexts] | None = None

    def calibrate(self) -> None:
        """Set the thresholds from the past."""
        evidence = self.state.evidence
        visits = evidence.visits
        self.state.threshold = visits.threshold(evidence.share(self._budget))
        self.state.notable = visits.threshold(self._budget * NOTABLE)
        by = evidence.people
        own = {person: by[person].threshold(budget) for person, budget in self._people.items() if person in by}
        self.state.own = {person: threshold for person, threshold in own.items() if threshold is not None}

    def note_presence(self, device: Device, action: str, at: int) -> None:
        """What an event says about who is home."""
        self.state.presence.note(device, action, at)

    def observe(
        self, device: str, action: str, at: int, local: int, *, person: str = "", origin: str = "",
        value: float | None = None,
    ) -> Observation:  # fmt: skip
        """The symbols and contexts of this moment; moves "last" on, counts nothing. ``local`` is local time (ms)."""
        state = self.state
        activity, device_key, type_key, kind = self._names(device, action)
        last_action, last_at = state.last.get(device, ("", None))
        minutes, weekday = local // MINUTE, local // DAY % 7
        half_hour = minutes // 30 % 48
        previous_at = state.previous_at
        pause = at - previous_at if previous_at is not None else -1
        silence = at - last_at if last_at is not None else -1
        near = 0 <= pause <= VISIT_PAUSE
        presence = state.presence.now(at)
        presence_key, person_key, origin_key = self._key(presence), self._key(person), self._key(origin)
        fields = (
            activity,
            device_key,
            type_key,
            state.previous_key,
            self._names(device, last_action)[0] if last_action else 0,
            1 if weekday in (2, 3) else 2,  # 1970-01-01 was a Thursday: day 2 was a Saturday
            presence_key,
            person_key,
            origin_key,
            1 + half_hour // 6,
            1 + half_hour,
        )
        symbols = (
            activity,
            half_hour,
            pause_bucket(pause) if pause >= 0 else PAUSES - 1,
            pause_bucket(silence) if silence >= 0 else PAUSES - 1,
            presence_key or UNKNOWN,
            person_key or UNKNOWN,
            origin_key or UNKNOWN,
            UNKNOWN if value is None or not isfinite(value) else amount_bucket(value),
        )
        seen = Observation(
            device, action, at, kind, symbols, fields, minutes % 1440, state.previous, pause, silence, person, origin,
            presence, tuple([one for one in state.company if one != activity][:COMPANY]) if near else (),
        )  # fmt: skip
        self._context = state.company, state.previous_key, state.previous
        state.company = (activity, *seen.company)
        state.previous_key, state.previous, state.previous_at = activity, f"{device} {action}", at
        self._note_last(device, action, at)
        return seen

    def _key(self, name: str) -> int:
        """The key of a person, an origin or a presence; 0 for none. Pure, so remembered."""
        key = self._keys.get(name)
        if key is None:
            if len(self._keys) >= DEVICE_LIMIT:
                self._keys = {"": 0}
            key = self._keys[name] = name_key("name", name)
        return key

    def _names(self, device: str, action: str) -> tuple[int, int, int, int]:
        """Keys of activity, device and type, and the kind of the device: pure, so remembered."""
        known = self._known.get((device, action))
        if known is not None:
            return known
        about = self._devices.get(device)
        type_, role = (about.type, about.role) if about else ("other", "other")
        known = (
            name_key("activity", device, action),
            name_key("device", device),
            name_key("type", type_),
            kind_of(type_, role),
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
        """How strange an observation is, habit by habit and in its visit; changes nothing."""
        state = self.state
        evidence = state.evidence
        bits = surprise(state.table, seen, self._contexts(seen))
        rarities = evidence.rarities(bits, seen.kind)
        standing = evidence.weigh(self._scored(seen, bits), rarities)
        threshold = state.own.get(seen.person, state.threshold) if state.own else state.threshold
        unusual = threshold is not None and standing.score > threshold
        held = unusual or (threshold is not None and self._is_odd(seen, rarities))
        return Assessment(bits, rarities, standing, threshold, state.notable, unusual, held)

    def is_newcomer(self, seen: Observation) -> bool:
        """Whether its device has been told as new here, and is still given time; takes note of one that is new.

        A device that was added, renamed or moved has no habits yet: whatever it does is unusual. It is told once. One
        that is guarded is given no time.
        """
        newcomers = self.state.newcomers
        since = newcomers.get(seen.device)
        if since is not None:
            if seen.at - since < NEWCOMER and not seen.guarded:
                return True
            del newcomers[seen.device]
        elif seen.silence < 0 and not seen.guarded and self.state.threshold is not None:
            newcomers[seen.device] = seen.at
            if len(newcomers) > NEWCOMERS_LIMIT:
                del newcomers[next(iter(newcomers))]
        return False

    def _is_odd(self, seen: Observation, rarities: tuple[int, ...]) -> bool:
        """Whether an event that is no alarm must not be learned either.

        What just escapes an alarm tonight must not be usual tomorrow, and so on, step by step.
        """
        if seen.at < self.state.suspected_until:
            return True
        return self._oddness(seen, rarities) >= ODD

    def _oddness(self, seen: Observation, rarities: tuple[int, ...]) -> int:
        """How rare the hour, the person or the origin of what a guarded device does is (Q8)."""
        return max(rarities[WHEN], rarities[WHO], rarities[FROM_WHERE]) if seen.guarded else 0

    def _contexts(self, seen: Observation) -> Contexts:
        """The contexts of an observation; those of the latest are kept, for it is looked at more than once."""
        if self._latest is None or self._latest[0] is not seen:
            self._latest = seen, seen.contexts
        return self._latest[1]

    def learn(self, seen: Observation) -> None:
        """Count the observation in the contexts it was made in."""
        learn(self.state.table, seen, self._contexts(seen))

    def pass_time(self, at: int) -> None:
        """Fade what a boundary of the guard's clock has passed, and close the visit when its pause is over."""
        state = self.state
        epoch = at // HALF_LIFE
        if epoch != state.table.epoch:
            state.table.epoch = epoch
            state.evidence.fade(epoch)
        if state.visit_ends is not None and at >= state.visit_ends:
            self._close_visit(state.visit_ends)

    def note_visit(self, seen: Observation, assessed: Assessment, day: int) -> None:
        """Let an event take part in the running visit, and in the day (its number, by the guard's own clock)."""
        state, at = self.state, seen.at
        if state.first_at is None:
            state.first_at = at
        if assessed.held and seen.guarded and (assessed.unusual or at >= state.suspected_until):
            state.suspected_until = at + VISIT_PAUSE
        untold = assessed.unusual or (assessed.held and self._oddness(seen, assessed.rarities) >= TELLING)
        state.evidence.note(self._scored(seen, assessed.bits, untold), assessed.standing)
        if untold and seen.guarded:
            state.past.suspect = True
        if state.visit_ends is None:
            state.visit_began = at
        state.visit_ends = min(at + VISIT_PAUSE, state.visit_began + VISIT_LONGEST)
        state.past.note(seen, day)
        if day != state.day:
            state.day, state.day_events = day, 0
        state.day_events += 1
        if state.day_events == ACTIVE_DAY:
            state.active_days += 1
            state.evidence.add_day()

    def _scored(self, seen: Observation, bits: tuple[int, ...], held: bool = False) -> Scored:
        whose = seen.person if seen.person in self._people else ""
        return Scored(bits, seen.kind, held, whose, seen.device_key, stir(seen, bits[WHO_IS_HOME]))

    def _close_visit(self, ended: int) -> None:
        state = self.state
        if state.past.end(state.evidence, ended, state.threshold):
            # What somebody else may have done is no context for the next.
            state.company, state.previous_key, state.previous = (), 0, ""
        again = state.past.to_live_again(state.active_days)
        if again is not None:
            visits, days = again
            before = state.evidence
            state.evidence = lived([self._lived_again(visit) for visit in visits], days, state.table.epoch)
            state.evidence.keep_answers(before)
        self.calibrate()
        if state.ready_at is None and state.threshold is not None:
            state.ready_at = ended
        state.visit_ends = None

    def _lived_again(self, visit: Remembered) -> list[Scored]:
        """The events of a past visit scored anew, as if it had not been and came today.

        What came first to an empty guard was strange whatever it was, and would make the thresholds of a young home
        too high (leave-one-out; for counts it is what Good and Turing do: what was seen once tells how much is new).
        """
        table = self.state.table.fork()  # what faded since must not come back with full weight
        held, asked = set(visit.held), set(visit.asked)
        moments = [(seen, seen.contexts, place not in held) for place, seen in enumerate(visit.seen)]
        for seen, keys, learned in moments:
            if learned:
                unlearn(table, seen, keys)
        found = []
        for place, (seen, keys, learned) in enumerate(moments):
            found.append(self._scored(seen, surprise(table, seen, keys), place in asked))
            if learned:
                learn(table, seen, keys)
        return found

    def hold(
        self, seen: Observation, habit: int, incident: str, day: int, *, asked: bool = True
    ) -> list[Observation]:
        """Keep an observation back. Returns what was dropped to make room (at most 1,024, 30 days, oldest first).

        What is harmless and has come back on three separate days is learned at last, with all of its kind.
        """
        state = self.state
        self.pass_over(seen, incident if asked else "")
        dropped = self.drop_old(seen.at)
        held = state.held
        harmless = not seen.guarded and seen.at >= state.suspected_until
        held.append(Held(seen, incident, habit, day, harmless))
        while len(held) > HELD_LIMIT:
            dropped.append(held.pop(0).observation)
        if harmless:
            kind = (seen.device, seen.action, habit)
            back = [item for item in held if item.harmless and alike(item) == kind]
            if len({item.day for item in back}) >= COME_BACK_DAYS:
                self._release(back)
        return dropped

    def pass_over(self, seen: Observation, incident: str = "") -> None:
        """The latest observation is not learned; ``incident`` names what the owner was asked about it."""
        state = self.state
        if 0 <= seen.pause <= seen.at - state.visit_began:
            # Within a visit, what is not learned is no context either: a decoy must not make what follows look
            # usual. Across visits it is: or all that comes after a holiday would be judged by the day before it.
            state.company, state.previous_key, state.previous = self._context
        state.past.hold(seen, incident)

    def drop_old(self, at: int) -> list[Observation]:
        """Drop, and return, what was held for 30 days and never confirmed."""
        held, dropped = self.state.held, []
        while (ends := self.held_until()) is not None and ends <= at:
            dropped.append(held.pop(0).observation)
        return dropped

    def held_until(self) -> int | None:
        """When the oldest of what is held is dropped."""
        return self.state.held[0].observation.at + HELD_DAYS * DAY if self.state.held else None

    def confirm_alarms(self, alarms: int) -> None:
        """The owner said "that was me" to something unusual that had so often interrupted them."""
        self.state.evidence.confirmed += alarms * WEIGHT

    def release(self, incident: str, answered_by: str = "") -> int:
        """Learn everything held of an incident and of the same kinds; returns how many observations.

        A person answers for themselves and for what nobody is named for: what somebody else did is learned as the
        household's, and only of this incident. The household (no person's name) answers for all.
        """
        state = self.state
        state.past.confirm(incident, state.evidence)
        kinds = {alike(item) for item in state.held if item.incident == incident}
        return self._release(
            [
                item
                for item in state.held
                if item.incident == incident
                or (alike(item) in kinds and speaks_for(answered_by, item.observation.person))
            ],
            answered_by,
        )

    def _release(self, items: list[Held], answered_by: str = "") -> int:
        for item in items:
            seen = item.observation
            self.learn(seen if speaks_for(answered_by, seen.person) else unnamed(seen))
        released = {id(item) for item in items}
        self.state.held = [item for item in self.state.held if id(item) not in released]
        return len(items)

    def discard(self, incident: str) -> int:
        """Forget what was held of an incident: it was not the owner. Returns how many observations.

        The visit it was in no longer says what is usual: or an intruder who comes every night would raise the bar.
        """
        state = self.state
        state.past.deny(incident, state.evidence)
        for item in state.held:
            if item.incident == incident:
                state.newcomers.pop(item.observation.device, None)
        before = len(state.held)
        state.held = [item for item in state.held if item.incident != incident]
        return before - len(state.held)

    def days_to_go(self) -> int | None:
        """Days until the budget can be promised: 0 when ready, ``None`` before anything was seen."""
        state = self.state
        if state.first_at is None:
            return None
        if state.threshold is not None:
            return 0
        visits = state.evidence.visits
        days = visits.days / WEIGHT
        if not days or not visits.n:
            return MIN_DAYS
        short = max(MIN_DAYS - days, (MIN_VISITS - visits.n / WEIGHT) * days * WEIGHT / visits.n)
        return max(1, -int(-short // 1))
