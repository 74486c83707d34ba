"""The injected scenarios: made from the home's own devices, by a seed alone, the same for every method.

A trial lies on one of the home's judged days. Trials are spread evenly over those days: three a week, and more
where that gives fewer than thirty. Where a day has no room for it (no pause, say), another day of the same week is
taken. All spacings are drawn uniformly:

* an entrance, opened, is closed again after 2 to 8 s; the walk goes on 5 to 20 s later;
* from room to room it takes 5 to 60 s; a device that showed somebody ends doing so after 2 to 15 s;
* the entrance opens once more 5 to 30 s after the last room, and closes after 2 to 8 s;
* a flood's forty events are spread over 30 to 58 s.

No end (``off``, ``closed``) is made up for a device that never showed one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from math import ceil

from homeward.bench.homes import ACTIVE_EVENTS, DAYS_A_WEEK, Household
from homeward.bench.past import ENDS, Past, Shown
from homeward.core.event import Event
from homeward.core.settings import Device
from homeward.core.vocabulary import is_guarded

LEAST_TRIALS = 30
PAUSE = timedelta(minutes=30)
AFTER = timedelta(minutes=10)
AFTER_FLOOD = timedelta(minutes=2)
DECOY_BEFORE = timedelta(minutes=20)
FLOOD_EVENTS = 40
ATTEMPTS = 40
MARGIN = timedelta(seconds=1)
NIGHT = (1.0, 5.0)
INDOORS = ("motion", "presence", "use")
NEVER_SEEN = ("fault", "tamper", "identify", "self_test")

SCENARIOS = (
    "night_entry", "odd_hour_entry", "away_entry", "away_entry_by_door", "ghost_command", "decoy", "sabotage",
    "flood", "other_home", "homecoming",
)  # fmt: skip

LATER = {
    "away_entry": "needs presence, which comes with “Quiet and right”",
    "away_entry_by_door": "needs presence, which comes with “Quiet and right”",
    "homecoming": "needs presence, which comes with “Quiet and right”",
    "sabotage": "needs the judging of silence, which comes with “Quiet and right”",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One injection. ``events`` are in time order, the first not before ``starts``.

    What interrupts at or after ``counts_from`` and until ``deadline`` can be a detection. Where ``replaces`` is
    set, the home's own events of that time are left out.
    """

    scenario: str
    number: int
    starts: datetime
    counts_from: datetime
    deadline: datetime
    events: tuple[Event, ...]
    replaces: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All trials of a home by scenario, in the order of their start, and why a scenario has none."""

    trials: Mapping[str, Sequence[Trial]]
    reasons: Mapping[str, str]


def plan(home: Household, others: Sequence[Household], *, seed: int, trials_per_week: int = 3) -> Plan:
    """Every trial of a home. ``others`` are the homes whose days `other_home` may show."""
    past = Past(home)
    injections = Injections(home, past, others)
    trials: dict[str, list[Trial]] = {}
    reasons: dict[str, str] = {}
    for scenario in SCENARIOS:
        reason = injections.lacks(scenario)
        made = [] if reason else list(_place(injections, scenario, seed, trials_per_week))
        if made:
            trials[scenario] = sorted(made, key=lambda trial: trial.starts)
        else:
            reasons[scenario] = reason or "no judged day has room for it"
    return Plan(trials=trials, reasons=reasons)


def _place(injections: Injections, scenario: str, seed: int, trials_per_week: int) -> Iterator[Trial]:
    days = injections.home.judged
    total = max(LEAST_TRIALS, ceil(trials_per_week * len(days) / DAYS_A_WEEK)) if days else 0
    for number in range(total):
        chance = random.Random(f"{seed} {injections.home.name} {scenario} {number}")  # noqa: S311  # a plan, no secret
        chosen = min(len(days) - 1, int((number + chance.random()) * len(days) / total))
        first = chosen - chosen % DAYS_A_WEEK
        rest = [day for day in days[first : first + DAYS_A_WEEK] if day != days[chosen]]
        chance.shuffle(rest)
        for day in (days[chosen], *rest):
            if trial := injections.make(scenario, number, day, chance):
                yield trial
                break


class Injections:
    """Makes the trials of one home."""

    def __init__(self, home: Household, past: Past, others: Sequence[Household]) -> None:
        self.home = home
        self._past = past
        self._others = [other for other in others if other.name != home.name and shares_a_kind(home, other)]

    def lacks(self, scenario: str) -> str:
        """Why the home can have no such trial; empty if it can."""
        if scenario in LATER:
            return LATER[scenario]
        roles = {device.role for device in self.home.devices.values()}
        rooms = {_room(device) for device in self.home.roles(*INDOORS)}
        if scenario in ("night_entry", "odd_hour_entry", "decoy"):
            if "entrance" not in roles:
                return "the home has no entrance"
            if len(rooms) < 3:
                return "the home has fewer than three rooms with a device of role motion, presence or use"
        if scenario == "decoy" and all(is_guarded(d.type, d.role) for d in self.home.devices.values()):
            return "the home has no unguarded device"
        if scenario == "ghost_command" and not roles & {"actuator", "entrance"}:
            return "the home has no actuator and no entrance"
        if scenario == "flood" and "actuator" not in roles:
            return "the home has no actuator"
        if scenario == "other_home" and not self._others:
            return "no other home has a device of the same type and role"
        return ""

    def make(self, scenario: str, number: int, day: date, chance: random.Random) -> Trial | None:
        """A trial on that day, or ``None`` where the day has no room for it."""
        if scenario == "night_entry":
            return self._entry(scenario, number, day, NIGHT, chance)
        if scenario == "odd_hour_entry":
            openings = self._past.openings(day)
            pairs = {hour: openings[hour] + openings[hour + 1] for hour in range(6, 23)}
            least = chance.choice([hour for hour, count in pairs.items() if count == min(pairs.values())])
            return self._entry(scenario, number, day, (least, least + 2), chance)
        if scenario == "decoy":
            return self._decoy(number, day, chance)
        if scenario == "ghost_command":
            return self._ghost(number, day, chance)
        if scenario == "flood":
            return self._flood(number, day, chance)
        return self._other_home(number, day, chance)

    def _event(self, trial: tuple[str, int, int], at: datetime, device: str, shown: Shown) -> Event:
        scenario, number, place = trial
        name = f"{scenario}-{number}-{place}"
        return Event(
            id=name,
            source="file",
            at=at,
            happened=at,
            place=self.home.events[0].place,
            device=device,
            action=shown[0],
            value=shown[1],
        )

    def _trial(
        self, scenario: str, number: int, steps: Sequence[tuple[datetime, str, Shown]], after: timedelta
    ) -> Trial:
        events = tuple(self._event((scenario, number, n), *step) for n, step in enumerate(steps))
        starts = events[0].at
        return Trial(
            scenario=scenario,
            number=number,
            starts=starts,
            counts_from=starts,
            deadline=events[-1].at + after,
            events=events,
        )

    def _entry(
        self, scenario: str, number: int, day: date, window: tuple[float, float], chance: random.Random
    ) -> Trial | None:
        """An entrance opens, somebody walks through three to six rooms and leaves, all within one pause."""
        for _ in range(ATTEMPTS):
            rooms = chance.randint(3, 6)
            paces = [chance.uniform(5, 60) for _ in range(rooms)]
            longest = timedelta(seconds=8 + 20 + sum(paces) + 15 + 30 + 8)
            starts = self._in_pause(day, window, longest, chance)
            if starts is None:
                continue
            steps = self._walk(starts, paces, chance)
            if steps:
                return self._trial(scenario, number, steps, AFTER)
        return None

    def _in_pause(
        self, day: date, window: tuple[float, float], length: timedelta, chance: random.Random
    ) -> datetime | None:
        """A moment from which ``length`` fits into a pause of at least 30 min and into the hours of that day."""
        since, until = self.home.clock(day, window[0]), self.home.clock(day, window[1])
        at = self.home.at
        first, last = self.home.index(since), self.home.index(until)
        moments = at[max(0, first - 1) : last + 1]
        spans = [
            (start, end - start)
            for before, after in pairwise(moments)
            if after - before >= PAUSE
            and (end := min(after - MARGIN, until) - length) > (start := max(before + MARGIN, since))
        ]
        if not spans:
            return None
        start, room = chance.choices(spans, weights=[span.total_seconds() for _, span in spans])[0]
        return _whole_ms(start + room * chance.random())

    def _walk(
        self, starts: datetime, paces: Sequence[float], chance: random.Random
    ) -> list[tuple[datetime, str, Shown]]:
        """The steps of an entry, or none where the devices at that moment are not in a state to show it."""
        before = self.home.index(starts)
        doors = [d.name for d in self.home.roles("entrance") if self._past.shows(d.name, before)]
        by_room: dict[str, list[str]] = {}
        for indoors in self.home.roles(*INDOORS):
            if self._past.shows(indoors.name, before):
                by_room.setdefault(_room(indoors), []).append(indoors.name)
        if not doors or len(by_room) < 3:
            return []
        door = chance.choice(doors)
        opened, closed = self._past.shows(door, before) or ("", None)
        rooms = chance.sample(sorted(by_room), min(len(paces), len(by_room)))
        steps: list[tuple[datetime, str, Shown]] = [(starts, door, (opened, None))]
        shut = _later(starts, chance.uniform(2, 8))
        steps += [(shut, door, (closed, None))] if closed else []
        now = _later(shut, chance.uniform(5, 20))
        for room, pace in zip(rooms, paces, strict=False):
            device = chance.choice(by_room[room])
            action, end = self._past.shows(device, before) or ("", None)
            steps.append((now, device, (action, None)))
            if end:
                steps.append((_later(now, min(pace, chance.uniform(2, 15))), device, (end, None)))
            now = _later(now, pace)
        now = max(now, max(step[0] for step in steps))
        gone = _later(now, chance.uniform(5, 30))
        steps.append((gone, door, (opened, None)))
        steps += [(_later(gone, chance.uniform(2, 8)), door, (closed, None))] if closed else []
        return sorted(steps, key=lambda step: step[0])

    def _decoy(self, number: int, day: date, chance: random.Random) -> Trial | None:
        """An action never seen of an unguarded device, and a night entry 20 min later, which is what counts."""
        entry = self._entry("decoy", number, day, NIGHT, chance)
        if entry is None:
            return None
        at = entry.starts - DECOY_BEFORE
        before = self.home.index(at)
        choices = [
            (device.name, action)
            for device in sorted(self.home.devices.values(), key=lambda d: d.name)
            if not is_guarded(device.type, device.role) and (seen := self._past.actions(device.name, before))
            for action in NEVER_SEEN
            if action not in seen
        ]
        if not choices:
            return None
        device_name, action = chance.choice(choices)
        decoy = self._event(("decoy", number, len(entry.events)), at, device_name, (action, None))
        return replace(entry, starts=at, events=(decoy, *entry.events))

    def _ghost(self, number: int, day: date, chance: random.Random) -> Trial | None:
        """One change of an actuator or entrance, at an hour and after an activity with which it never came."""
        for _ in range(ATTEMPTS):
            at = _whole_ms(self.home.clock(day, chance.uniform(0, 24)))
            before = self.home.index(at)
            if before == 0:
                continue
            previous = self.home.events[before - 1]
            hour = self.home.hour(at)
            choices = [
                (device.name, shown)
                for device in self.home.roles("actuator", "entrance")
                for shown in self._past.states(device.name, before)[1:]  # [0] is the state it is in
                if not self._past.had_at_hour((device.name, shown[0]), hour, before)
                and not self._past.had_after((previous.device, previous.action), (device.name, shown[0]), before)
            ]
            if choices:
                device_name, shown = chance.choice(choices)
                return self._trial("ghost_command", number, [(at, device_name, shown)], AFTER)
        return None

    def _flood(self, number: int, day: date, chance: random.Random) -> Trial | None:
        """Forty events of one actuator within 60 s, each changing its state."""
        at = _whole_ms(self.home.clock(day, chance.uniform(0, 24)))
        before = self.home.index(at)
        choices = [
            (device.name, states)
            for device in self.home.roles("actuator")
            if len(states := self._past.states(device.name, before)) > 1
        ]
        if not choices:
            return None
        device_name, (now, *others) = chance.choice(choices)
        pair = (chance.choice(others), now)
        apart = chance.uniform(30, 58) / (FLOOD_EVENTS - 1)
        steps = [(_later(at, n * apart), device_name, pair[n % 2]) for n in range(FLOOD_EVENTS)]
        return self._trial("flood", number, steps, AFTER_FLOOD)

    def _other_home(self, number: int, day: date, chance: random.Random) -> Trial | None:
        """From midnight to midnight a day of another home, by devices of the same type and role."""
        midnight, end = self.home.clock(day), self.home.clock(day, 24)
        before = self.home.index(midnight - MARGIN)
        for _ in range(ATTEMPTS):
            other = chance.choice(self._others)
            shown = chance.choice(other.days)
            steps = self._as_here(other, shown, midnight, self._partners(other, before, chance), before)
            if len(steps) >= ACTIVE_EVENTS:
                trial = self._trial("other_home", number, steps, AFTER)
                return replace(trial, starts=midnight, counts_from=midnight, deadline=end, replaces=True)
        return None

    def _partners(self, other: Household, before: int, chance: random.Random) -> dict[str, str]:
        """Our device for each of theirs: of the same type and role, of the same room if there is one."""
        partners: dict[str, str] = {}
        for kind in sorted({(d.type, d.role) for d in other.devices.values()}):
            ours, theirs = ([d for d in h.devices.values() if (d.type, d.role) == kind] for h in (self.home, other))
            ours = sorted((d for d in ours if self._past.actions(d.name, before)), key=lambda d: d.name)
            theirs.sort(key=lambda d: d.name)
            chance.shuffle(ours)
            chance.shuffle(theirs)
            for same_room in (True, False):
                for device in list(theirs):
                    mine = next((d for d in ours if not same_room or d.room == device.room), None)
                    if mine:
                        partners[device.name] = mine.name
                        ours.remove(mine)
                        theirs.remove(device)
        return partners

    def _as_here(
        self, other: Household, day: date, midnight: datetime, partners: Mapping[str, str], before: int
    ) -> list[tuple[datetime, str, Shown]]:
        """Their day, at the same times of day, in the words that our devices use, without repeated states."""
        began = other.clock(day)
        first = other.index(began - MARGIN)
        until = other.clock(day, 24)
        states = {name: now[0] for name in partners.values() if (now := self._past.states(name, before, most=1))}
        told: set[tuple[datetime, str]] = set()
        steps: list[tuple[datetime, str, Shown]] = []
        for event in other.events[first : other.index(until - MARGIN)]:
            mine = partners.get(event.device)
            action = _in_our_words(event.action, self._past.actions(mine, before)) if mine else None
            if mine is None or action is None or event.at < began:
                continue
            at, shown = midnight + (event.at - began), (action, event.value)
            if self.home.bin:
                at -= (at - midnight) % self.home.bin
            if (at, mine) in told if self.home.bin else states.get(mine) == shown:
                continue
            told.add((at, mine))
            states[mine] = shown
            steps.append((at, mine, shown))
        return steps


def shares_a_kind(home: Household, other: Household) -> bool:
    """Whether the other home has a device of the type and role of one of ours, so that its days can be shown here."""
    kinds = {(device.type, device.role) for device in home.devices.values()}
    return any((device.type, device.role) in kinds for device in other.devices.values())


def _room(device: Device) -> str:
    """Where a device is; devices of unknown rooms count as in rooms of their own."""
    return f"unknown: {device.name}" if device.room == "unknown" else device.room


def _in_our_words(action: str, ours: Sequence[str]) -> str | None:
    """The word that our device has for what theirs did; ``None`` if it has none."""
    if action in ours:
        return action
    kind = ENDS if action in ENDS else ENDS.values() if action in ENDS.values() else ()
    return next((mine for mine in ours if mine in kind), None)


def _later(at: datetime, seconds: float) -> datetime:
    return _whole_ms(at + timedelta(seconds=seconds))


def _whole_ms(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
