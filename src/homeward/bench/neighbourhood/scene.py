"""What happens in a household, before any device tells of it: stays and crossings, in true time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from homeward.bench.neighbourhood.almanac import DAY, Almanac, almanac
from homeward.bench.neighbourhood.people import Inhabitants, people
from homeward.bench.neighbourhood.places import Fitting, House, house
from homeward.bench.neighbourhood.plans import OUT, plan, together
from homeward.bench.neighbourhood.stays import Stay, at_home, rhythm
from homeward.bench.neighbourhood.visitors import Crossing, Visits, visitors

Span = tuple[float, float]


class Signal(NamedTuple):
    """A device tells something, before faults."""

    at: float
    device: str
    action: str
    value: float | None = None
    actor: str | None = None
    origin: str | None = None


@dataclass(slots=True)
class Log:
    """Where signals gather. A device tells only while it is installed."""

    signals: list[Signal] = field(default_factory=list)

    def put(
        self,
        fitting: Fitting,
        at: float,
        action: str,
        value: float | None = None,
        actor: str | None = None,
        origin: str | None = None,
    ) -> None:
        """Let a device tell something."""
        if fitting.since <= at < fitting.until:
            self.signals.append(Signal(at, fitting.name, action, value, actor, origin))

    def spans(self, fitting: Fitting, spans: Iterable[Span], actions: tuple[str, str]) -> None:
        """Let a device tell the begin and the end of each span."""
        for begin, end in spans:
            self.put(fitting, begin, actions[0])
            self.put(fitting, end, actions[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A household's half-year. ``inside`` is when anybody is at home, ``awake`` when anybody there is up."""

    key: tuple[object, ...]
    home: Inhabitants
    house: House
    almanac: Almanac
    stays: list[Stay]
    crossings: list[Crossing]
    parcels: list[float]
    inside: list[Span]
    awake: list[Span]
    pet: list[Stay]

    def is_empty(self, at: float) -> bool:
        """Whether nobody is at home."""
        return not within(self.inside, at)

    def around(self, at: float, margin: float = 5.0) -> list[Stay]:
        """The stays that hold this moment, give or take; of those that began within a day before."""
        first, last = bisect_left(self.stays, (at - DAY,)), bisect_left(self.stays, (at + margin,))
        return [stay for stay in self.stays[first:last] if stay.end >= at - margin]

    def stays_in(self, room: str) -> list[Stay]:
        """The stays in a room, by their beginning."""
        return [stay for stay in self.stays if stay.room == room]


def within(spans: list[Span], at: float) -> Span | None:
    """The span that holds this moment; spans are in order and apart."""
    place = bisect_right(spans, (at, float("inf"))) - 1
    return spans[place] if place >= 0 and spans[place][0] <= at < spans[place][1] else None


def merged(spans: Iterable[Span], gap: float = 0.0) -> Iterator[Span]:
    """Spans that overlap, or lie no more than ``gap`` apart, as one; in order."""
    begins, ends = None, 0.0
    for begin, end in sorted(spans):
        if begins is None:
            begins, ends = begin, end
        elif begin <= ends + gap:
            ends = max(ends, end)
        else:
            yield begins, ends
            begins, ends = begin, end
    if begins is not None:
        yield begins, ends


def scene(seed: int, number: int, days: int) -> Scene:
    """The half-year of household ``number``: people, house, time, and who is where."""
    key = (seed, number)
    home = people(seed, number, days)
    times = almanac(seed, number, days, travels=home.kind != "holiday", social=home.kind != "holiday")
    place = house(seed, number, home)
    shared, habits = together(key, home, times), rhythm(key, home, times)
    stays: list[Stay] = []
    crossings: list[Crossing] = []
    for person in home.residents:
        blocks = plan(key, person, times, shared)
        stays += [_true(stay, times) for stay in at_home(key, person, blocks, place, habits, times)]
        for block in (block for block in blocks if block.kind == OUT):
            crossings.append(Crossing(times.true(block.begin), person.name, False, True))
            crossings.append(Crossing(times.true(block.end), person.name, True, True))
    residents = list(merged(((stay.begin, stay.end) for stay in stays), 60.0))
    others: Visits = visitors(key, home, place, times, residents, shared.trips)
    begin, end = times.midnights[0], times.midnights[days]
    everybody = sorted(stay for stay in (*stays, *others.stays) if stay.end > begin and stay.begin < end)
    crossings += others.crossings
    return Scene(
        key=key,
        home=home,
        house=place,
        almanac=times,
        stays=everybody,
        crossings=sorted(one for one in crossings if begin + 60 < one.at < end - 60),
        parcels=others.parcels,
        inside=list(merged(((stay.begin, stay.end) for stay in everybody), 60.0)),
        awake=list(merged(((s.begin, s.end) for s in everybody if s.activity not in ("sleep", "night")), 60.0)),
        pet=[stay for stay in others.pet if begin < stay.begin < end],
    )


def _true(stay: Stay, times: Almanac) -> Stay:
    return stay._replace(begin=times.true(stay.begin), end=times.true(stay.end))
