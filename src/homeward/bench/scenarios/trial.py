"""What a trial is, and the ground that a home's trials are made on."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from heapq import merge
from typing import NamedTuple, Protocol

from homeward.bench.homes import Household
from homeward.bench.past import Past, Span
from homeward.bench.presence import absences
from homeward.core.event import Event

AFTER = timedelta(minutes=10)
"""A trial can be detected until so long after its last event, unless its scenario says otherwise."""

ATTEMPTS = 40
"""How often a day is tried with other draws before it counts as having no room."""

MARGIN = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One injection. ``events`` are in time order, the first not before ``starts``.

    What interrupts at or after ``counts_from`` and until ``deadline`` can be a detection. Of the home's own events
    of that time those of the device ``silenced`` are left out, or all where ``replaces`` is set.
    """

    scenario: str
    number: int
    starts: datetime
    counts_from: datetime
    deadline: datetime
    events: tuple[Event, ...]
    replaces: bool = False
    silenced: str | None = None

    def stream(self, own: Iterable[Event]) -> Iterable[Event]:
        """What the home's own events of that time become, in time order."""
        if self.replaces:
            return self.events
        left = (event for event in own if event.device != self.silenced)
        return merge(left, self.events, key=_at) if self.events else left


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All trials of a home by scenario, in the order of their start, and why a scenario has none."""

    trials: Mapping[str, Sequence[Trial]]
    reasons: Mapping[str, str]


class Scenario(Protocol):
    """Makes the trials of one scenario in one home."""

    def lacks(self) -> str:
        """Why the home can have no such trial; empty if it can."""

    def make(self, number: int, day: date, chance: random.Random) -> Trial | None:
        """A trial on that day, or ``None`` where the day has no room for it."""


class Step(NamedTuple):
    """One event to be injected."""

    at: datetime
    device: str
    action: str
    value: float | None = None
    actor: str | None = None
    origin: str | None = None

    @classmethod
    def again(cls, event: Event, at: datetime) -> Step:
        """What an event was, at another time."""
        return cls(at, event.device, event.action, event.value, event.actor, event.origin)


class Ground:
    """One home, and what was known of it before any moment."""

    def __init__(self, home: Household) -> None:
        self.home = home
        self.past = Past(home)
        self.absences = absences(home)
        self._known_away = [(absence.told, absence.until - AFTER) for absence in self.absences]

    def trial(self, scenario: str, number: int, steps: Sequence[Step], after: timedelta = AFTER) -> Trial:
        """A trial of these steps, in the order of their time."""
        place = self.home.events[0].place
        events = tuple(
            Event(id=f"{scenario}-{number}-{n}", source="file", happened=step.at, place=place, **step._asdict())
            for n, step in enumerate(steps)
        )
        return Trial(
            scenario=scenario,
            number=number,
            starts=events[0].at,
            counts_from=events[0].at,
            deadline=events[-1].at + after,
            events=events,
        )

    def moment(
        self, day: date, hours: tuple[float, float], length: timedelta, chance: random.Random, *, away: bool = False
    ) -> datetime | None:
        """A moment from which ``length`` fits into a pause and into the hours of that day.

        With ``away`` everybody is known to be away, and nobody comes until ten minutes after ``length``.
        """
        since, until = self.home.clock(day, hours[0]), self.home.clock(day, hours[1])
        free = [(start + MARGIN, end - MARGIN) for start, end in self.past.pauses(since, until)]
        free = _overlaps([(since, until)], free)
        if away:
            free = _overlaps(self._known_away, free)
        spans = [(start, end - length - start) for start, end in free if end - length > start]
        if not spans:
            return None
        start, room = chance.choices(spans, weights=[span.total_seconds() for _, span in spans])[0]
        return whole_ms(start + room * chance.random())


def later(at: datetime, seconds: float) -> datetime:
    """So many seconds later, to the millisecond."""
    return whole_ms(at + timedelta(seconds=seconds))


def whole_ms(at: datetime) -> datetime:
    """A time to the millisecond, as recordings have it."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _overlaps(some: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """Where a span of one list and a span of the other overlap."""
    return [
        (max(start, since), min(end, until))
        for start, end in others
        for since, until in some
        if since < end and start < until and max(start, since) < min(end, until)
    ]


def _at(event: Event) -> datetime:
    return event.at
