"""An attacker who teaches: night after night a little more of an entry, until all of it looks usual.

The attacker decided on one night entry and acts out its beginning in the thirty active days before: its first event
on two nights, its first two on the next two, and so on. It comes at the same time of every night, or, where nobody
has been still for long enough then, in another pause between 01:00 and 05:00; a night without such a pause has no
lesson. What would repeat the state that a device is in already is no event, for the attacker as for the household.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from heapq import merge
from typing import Final

from homeward.bench.asides import Asides
from homeward.bench.course import follow
from homeward.bench.homes import Household
from homeward.bench.methods import Interruption, Method
from homeward.bench.presence import Presence
from homeward.bench.scenarios import Plan, Trial
from homeward.bench.scenarios.entries import NIGHT, Entry
from homeward.bench.scenarios.trial import AFTER, Ground
from homeward.core.event import Event
from homeward.sources.files import LastStates

LESSONS: Final = 30
NIGHTS_A_STEP: Final = 2
"""One event more every second night."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """The lessons, night by night, each in time order, when they begin, and the whole entry that they prepare."""

    begins: Sequence[datetime | None]
    lessons: Sequence[Sequence[Event]]
    entry: Trial

    @property
    def starts(self) -> datetime:
        """When the first lesson begins."""
        return next(lesson[0].at for lesson in self.lessons if lesson)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Whether the whole entry was detected in the end, and whether any lesson had interrupted the owner."""

    caught: bool
    alarmed_during: bool


def schemes(home: Household, *, seed: int, most: int, by_door: bool) -> tuple[list[Scheme], str]:
    """Schemes that begin on nights spread evenly over the home's judged days, and, where there are none,
    why. Without ``by_door`` the same attackers leave the entrance's events out, lesson by lesson."""
    entry = Entry(ground=Ground(home), name="poison")
    if reason := entry.lacks():
        return [], reason
    last = len(home.judged) - LESSONS
    if last <= 0:
        return [], f"fewer than {LESSONS + 1} active days after the first fortnight"
    made: list[Scheme] = []
    total = min(most, last)
    for number in range(total):
        chance = random.Random(f"{seed} {home.name} poison {number}")  # noqa: S311  # a plan, no secret
        first = int((number + chance.random()) * last / total)
        for begin in (*range(first, last), *range(first)):  # the first from which the last night has room
            if scheme := _scheme(entry, home.judged[begin : begin + LESSONS + 1], number, chance):
                made.append(scheme if by_door else _without_doors(scheme, home))
                break
    return made, "" if made else "no night has room for an entry"


def _scheme(entry: Entry, nights: Sequence[date], number: int, chance: random.Random) -> Scheme | None:
    whole = entry.make(number, nights[-1], chance)
    if whole is None:
        return None
    begins = [_same_time(entry.ground, whole, nights[-1], night, chance) for night in nights[:-1]]
    return _rehearsed(whole, begins) if any(begins) else None


def _rehearsed(whole: Trial, begins: Sequence[datetime | None]) -> Scheme:
    """The lessons that prepare an entry, from when each night's begins; ``None`` is a night without one."""
    lessons = [
        [_moved(event, starts - whole.starts, night) for event in whole.events[: night // NIGHTS_A_STEP + 1]]
        if starts
        else []
        for night, starts in enumerate(begins)
    ]
    return Scheme(begins=begins, lessons=lessons, entry=whole)


def _without_doors(scheme: Scheme, home: Household) -> Scheme:
    """The same nights, but no entrance moves: what is acted out grows to the whole walk through the rooms."""
    doors = {device.name for device in home.roles("entrance")}
    events = tuple(event for event in scheme.entry.events if event.device not in doors)
    starts = events[0].at
    waits = starts - scheme.entry.starts
    walk = replace(scheme.entry, events=events, starts=starts, counts_from=starts, deadline=events[-1].at + AFTER)
    return _rehearsed(walk, [begins + waits if begins else None for begins in scheme.begins])


def _same_time(ground: Ground, whole: Trial, last: date, night: date, chance: random.Random) -> datetime | None:
    """The time of that night at which the entry will come, or another, from which it fits into a pause."""
    home, length = ground.home, whole.events[-1].at - whole.starts
    starts = home.clock(night) + (whole.starts - home.clock(last))
    pauses = ground.past.pauses(starts, starts + length)
    if any(before < starts and starts + length < after for before, after in pauses):
        return starts
    return ground.moment(night, NIGHT, length, chance)


def _moved(event: Event, by: timedelta, night: int) -> Event:
    at = event.at + by
    return replace(event, id=f"{event.id}-night-{night}", at=at, happened=at)


def teach(method: Method, home: Household, planned: Sequence[Scheme], *, seed: int) -> list[Outcome]:
    """Follow a method through a home, the owner answering as in ``bench quiet``; each scheme has a copy of its own.

    Nobody answers a copy. A lesson alarmed if the copy interrupts between its first event and ten minutes after its
    last, where the method without lessons does not. The outcomes come in the order of the schemes.
    """
    order = sorted(range(len(planned)), key=lambda number: planned[number].starts)
    found: dict[int, tuple[bool, list[Interruption]]] = {}

    def aside(place: int, copy: Method) -> None:
        found[order[place]] = _take(copy, home, planned[order[place]])

    followed = Asides(method, [planned[number].starts for number in order], aside)
    alarms = follow(followed, home, Plan(trials={}, reasons={}), seed=seed).alarms
    raised = {alarm[::2] for alarm in alarms}
    return [
        Outcome(caught=caught, alarmed_during=any(told[::2] not in raised for told in during))
        for _, (caught, during) in sorted(found.items())
    ]


def _take(copy: Method, home: Household, scheme: Scheme) -> tuple[bool, list[Interruption]]:
    """Whether the entry is detected after the lessons, and what interrupted during them."""
    entry = scheme.entry
    acted = [event for lesson in scheme.lessons for event in lesson]
    stream = list(lived(home, scheme.starts, entry.deadline, acted))
    taught = bisect_left(stream, entry.starts, key=lambda event: event.at)
    heard = [told for event in stream[:taught] for told in copy.event(event)]
    twin = copy.copy()
    raised = {told[::2] for told in _told(twin, stream[taught:], entry.deadline)}
    entered = lived(home, entry.starts, entry.deadline, [*acted, *entry.events])
    told = _told(copy, entered, entry.deadline)
    caught = any(entry.counts_from <= one.at <= entry.deadline and one[::2] not in raised for one in told)
    spans = [(lesson[0].at, lesson[-1].at + AFTER) for lesson in scheme.lessons if lesson]
    return caught, [one for one in heard if any(since <= one.at <= until for since, until in spans)]


def _told(method: Method, events: Iterable[Event], until: datetime) -> list[Interruption]:
    told = [interruption for event in events for interruption in method.event(event)]
    return [*told, *method.wait(until)]


def lived(home: Household, since: datetime, until: datetime, acted: Sequence[Event]) -> Iterator[Event]:
    """What a method sees of a time: the home's events, what was acted out, and what is told of the residents."""
    states = LastStates()
    own = home.events[: home.index(until)]
    changes = (event for event in merge(own, acted, key=lambda event: event.at) if states.changed(event))
    return (event for event in Presence(home).told(changes, until) if event.at >= since)
