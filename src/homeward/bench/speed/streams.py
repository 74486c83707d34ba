"""What is streamed: a simulated household, and its manners in a home of as many devices as wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from heapq import merge
from itertools import count, islice
from operator import attrgetter
from typing import Final

from homeward import __version__
from homeward.bench.homes import Household
from homeward.bench.neighbourhood import household
from homeward.core.event import Event
from homeward.core.inputs import Change
from homeward.core.settings import Device, Settings

FLAT: Final = 10
"""A flat has so many devices; more are more flats."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Events in the order of time, and the change of settings that a guard has to be told before the first."""

    events: list[Event]
    settings: Settings

    @property
    def begins(self) -> Change:
        """The first input."""
        return Change(at=self.events[0].at, version=__version__, settings=self.settings)


def of_ten_devices(seed: int, days: int) -> Household:
    """The first household of a seed in which at least ten devices speak, over so many days."""
    homes = (household(seed, number, days) for number in count())
    return next(home for home in homes if len({event.device for event in home.events}) >= FLAT)


def whole(home: Household, events: int | None = None, *, day: int = 0) -> Stream:
    """The household's own stream from its first day on, or from a later one; only so many events where told so."""
    begins = home.index(home.clock(home.days[day])) if day else 0
    return Stream(home.events[begins:][:events], _settings(home, home.devices))


def flats(home: Household, devices: int, events: int, *, first: int = 0) -> Stream:
    """So many events of so many devices, which behave as the household's ten busiest do.

    Ten devices are a flat; the ``first`` has that number. All share the clock, and each lives another day of the
    household, or the same day some minutes later. The same household gives the same stream.

    Raises:
        ValueError: the household is too short for so many events.
    """
    busiest = sorted(name for name, _ in Counter(event.device for event in home.events).most_common(FLAT))
    known: dict[str, Device] = {}
    lives: list[Iterator[Event]] = []
    for place in range(-(-devices // FLAT)):
        number = first + place
        names = {name: f"{name} {number}" for name in busiest[: devices - place * FLAT]}
        known |= {new: replace(home.devices[old], name=new) for old, new in names.items()}
        lives.append(_life(home, names, number))
    found = list(islice(merge(*lives, key=attrgetter("at")), events))
    if len(found) < events:
        raise ValueError(f"{home.name} has {len(home.events)} events, too few for {events} of {devices} devices")
    return Stream(found, _settings(home, known))


def _life(home: Household, names: Mapping[str, str], number: int) -> Iterator[Event]:
    """A flat's events. It lives ``number`` days ahead of the first flat, as far as there are days."""
    minutes, ahead = divmod(number, max(1, len(home.days) // 2))
    begins = home.clock(home.days[ahead])
    shift = home.clock(home.days[0]) - begins + timedelta(minutes=minutes)
    for event in islice(home.events, home.index(begins), None):
        name = names.get(event.device)
        if name is not None:
            at = event.at + shift
            yield replace(event, id=f"{event.id}-{number}", device=name, at=at, happened=at)


def _settings(home: Household, devices: Mapping[str, Device]) -> Settings:
    return Settings(place=home.name, timezone=home.timezone, devices=tuple(devices[name] for name in sorted(devices)))
