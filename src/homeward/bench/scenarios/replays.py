"""What was lived elsewhere or before happens here and now: another home's day, an earlier homecoming."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from homeward.bench.homes import ACTIVE_EVENTS, Household
from homeward.bench.past import ENDINGS, ENDS, PEOPLE, REPORTS, Shown
from homeward.bench.presence import INDOORS
from homeward.bench.scenarios.trial import ATTEMPTS, MARGIN, Ground, Step, Trial
from homeward.core.event import Event
from homeward.sources.files import MOMENTARY

COMING_HOME = timedelta(minutes=10)
"""What follows an entrance's event for so long is what coming home looks like."""


class OtherHome:
    """From midnight to midnight a day of another home, by devices of the same type and role."""

    name = "other_home"

    def __init__(self, ground: Ground, others: Sequence[Household]) -> None:
        self._ground = ground
        home = ground.home
        self._others = [other for other in others if other.name != home.name and shares_a_kind(home, other)]

    def lacks(self) -> str:
        return "" if self._others else "no other home has a device of the same type and role"

    def make(self, number: int, day: date, chance: random.Random) -> Trial | None:
        home = self._ground.home
        midnight, end = home.clock(day), home.clock(day, 24)
        before = home.index(midnight - MARGIN)
        for _ in range(ATTEMPTS):
            other = chance.choice(self._others)
            shown = chance.choice(other.days)
            steps = self._as_here(other, shown, midnight, self._partners(other, before, chance), before)
            if len(steps) >= ACTIVE_EVENTS:
                trial = self._ground.trial(self.name, number, steps)
                return replace(trial, starts=midnight, counts_from=midnight, deadline=end, replaces=True)
        return None

    def _partners(self, other: Household, before: int, chance: random.Random) -> dict[str, str]:
        """Our device for each of theirs: of the same type and role, of the same room if there is one."""
        partners: dict[str, str] = {}
        for kind in sorted({(d.type, d.role) for d in other.devices.values()}):
            ours, theirs = (
                sorted((d for d in h.devices.values() if (d.type, d.role) == kind), key=lambda d: d.name)
                for h in (self._ground.home, other)
            )
            ours = [d for d in ours if self._ground.past.actions(d.name, before)]
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
    ) -> list[Step]:
        """Their day, at the same times of day, in the words that our devices use, without repeated states."""
        past, grid = self._ground.past, self._ground.home.bin
        began = other.clock(day)
        first, last = other.index(began - MARGIN), other.index(other.clock(day, 24) - MARGIN)
        states = {name: past.now(name, before) for name in partners.values()}
        told: set[tuple[datetime, str]] = set()
        steps: list[Step] = []
        for event in other.events[first:last]:
            mine = partners.get(event.device)
            action = _in_our_words(event.action, past.actions(mine, before)) if mine else None
            if mine is None or action is None or event.at < began:
                continue
            at, shown = midnight + (event.at - began), (action, event.value)
            if grid:
                at -= (at - midnight) % grid
            if (at, mine) in told if grid else states.get(mine) == shown:
                continue
            told.add((at, mine))
            states[mine] = shown
            steps.append(Step(at, mine, *shown))
        return steps


@dataclass(frozen=True, slots=True)
class _Homecoming:
    """An earlier homecoming: its day, its hour, and what people did in the ten minutes from the entrance on."""

    day: date
    hour: int
    events: Sequence[Event]


class Homecoming:
    """Benign: while everybody is known to be away, an earlier homecoming of that very hour happens again.

    A homecoming is the event of an entrance that ends an absence, where somebody shows indoors within ten minutes.
    What measures the house (a meter, a climate sensor) is not repeated, and no state that a device is in already.
    Whoever comes home to an armed alarm disarms it: an earlier homecoming without that is none for such a moment.
    """

    name = "homecoming"

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        home = ground.home
        self._panels = {device.name for device in home.devices.values() if device.type == "alarm"}
        people = {device.name for device in home.roles(*PEOPLE)} | self._panels
        indoors = {device.name for device in home.roles(*INDOORS)}
        self._earlier: list[_Homecoming] = []
        for absence in ground.absences:
            if absence.ended_by is None:
                continue
            until = home.index(home.at[absence.ended_by] + COMING_HOME)
            events = [
                event
                for event in home.events[absence.ended_by : until]
                if event.device in people and event.action not in REPORTS
            ]
            if any(event.device in indoors and event.action not in ENDINGS for event in events):
                index = absence.ended_by
                self._earlier.append(_Homecoming(home.dates[index], home.hours[index], events))

    def lacks(self) -> str:
        home = self._ground.home
        if not home.roles("entrance"):
            return "the home has no entrance, so nobody is ever told away"
        if not home.roles(*INDOORS):
            return "the home has no device of role motion, presence or use, so nobody is ever told away"
        return "" if self._earlier else "nobody was ever seen coming home after being told away"

    def make(self, number: int, day: date, chance: random.Random) -> Trial | None:
        earlier = [homecoming for homecoming in self._earlier if homecoming.day < day]
        chance.shuffle(earlier)
        for homecoming in earlier:
            length = homecoming.events[-1].at - homecoming.events[0].at
            hours = (homecoming.hour, homecoming.hour + 1)
            starts = self._ground.moment(day, hours, length, chance, away=True)
            steps = self._again(homecoming.events, starts) if starts else []
            if steps:
                return self._ground.trial(self.name, number, steps)
        return None

    def _again(self, events: Sequence[Event], starts: datetime) -> list[Step]:
        """The same events from that moment on; none where the entrance, or all indoors, is in that state."""
        home, past = self._ground.home, self._ground.past
        before = home.index(starts)
        told = {event.device for event in events}
        if any(self._is_armed(panel, before) for panel in self._panels - told):
            return []
        states = {name: past.now(name, before) for name in told}
        steps: list[Step] = []
        for event in events:
            shown: Shown = (event.action, event.value)
            if event.action in MOMENTARY or states.get(event.device) != shown:
                states[event.device] = shown
                steps.append(Step.again(event, starts + (event.at - events[0].at)))
        if not steps or steps[0].at != starts:
            return []
        indoors = {device.name for device in home.roles(*INDOORS)}
        return steps if any(step.device in indoors and step.action not in ENDINGS for step in steps) else []

    def _is_armed(self, panel: str, before: int) -> bool:
        now = self._ground.past.now(panel, before)
        return now is not None and now[0].startswith("armed")


def shares_a_kind(home: Household, other: Household) -> bool:
    """Whether the other home has a device of the type and role of one of ours, so that its days can be shown here."""
    kinds = {(device.type, device.role) for device in home.devices.values()}
    return any((device.type, device.role) in kinds for device in other.devices.values())


def _in_our_words(action: str, ours: Sequence[str]) -> str | None:
    """The word that our device has for what theirs did; ``None`` if it has none."""
    if action in ours:
        return action
    kind = ENDS if action in ENDS else ENDINGS if action in ENDINGS else ()
    return next((mine for mine in ours if mine in kind), None)
