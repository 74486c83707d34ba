"""The simulated neighbourhood: different households, half a year each, from a seed alone. Everything here is made up.

People live by plans (sleep, work, school, outings, meals), are in rooms doing something, and devices tell of it;
then messages get lost. No device draws its events by itself. Ranges and their sources: `ranges`; what they rest on
and what is invented: the documentation's page "The simulated neighbourhood".

**Seeds below 1000 are for tuning, published figures use seeds from 1000 on.**
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from homeward.bench.homes import ACTIVE_EVENTS, Household
from homeward.bench.neighbourhood import doors, sensing, things
from homeward.bench.neighbourhood.almanac import HALF_YEAR
from homeward.bench.neighbourhood.faults import changed, suffered
from homeward.bench.neighbourhood.people import KINDS
from homeward.bench.neighbourhood.places import House
from homeward.bench.neighbourhood.scene import Log, Scene, Signal, scene
from homeward.core.event import Event
from homeward.core.settings import Device
from homeward.sources.files import LastStates

__all__ = ["HOUSEHOLDS", "KINDS", "household", "kind_of", "neighbourhood"]

HOUSEHOLDS = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def kind_of(number: int) -> str:
    """The kind of household ``number``: all kinds are among any ten in a row."""
    return KINDS[number % len(KINDS)]


def neighbourhood(seed: int, households: int = HOUSEHOLDS, days: int = HALF_YEAR) -> Iterator[Household]:
    """The households 0, 1, 2 … of a seed, each made when it is asked for."""
    for number in range(households):
        yield household(seed, number, days)


def household(seed: int, number: int, days: int = HALF_YEAR) -> Household:
    """Household ``number`` of a seed: its stream of so many days, without repeated states.

    A pure function of its arguments. Seeds below 1000 are for tuning, published figures use seeds from 1000 on.

    Raises:
        ValueError: a negative number, or fewer than seven days.
    """
    if number < 0 or days < 7:
        raise ValueError(f"no household {number} of {days} days: numbers start at 0, a record has at least 7 days")
    happens = scene(seed, number, days)
    happens = replace(happens, house=changed(happens.key, happens.house, happens.almanac))
    log = Log()
    for part in (doors, sensing, things):
        part.tell(happens, log)
    name = f"sim-{happens.home.kind}-{number:03}"
    return _as_home(name, happens, suffered(happens, log.signals))


def _as_home(name: str, happens: Scene, signals: list[Signal]) -> Household:
    times, names = happens.almanac, happens.house.names
    begin, end = times.midnights[0], times.midnights[times.days]
    events: list[Event] = []
    hours: list[int] = []
    dates: list[date] = []
    rows: Counter[date] = Counter()
    states = LastStates()
    zone = times.city.timezone
    here = ZoneInfo(zone)
    for number, signal in enumerate(signals):
        if not begin <= signal.at < end:
            continue
        at = _EPOCH + timedelta(milliseconds=round(signal.at * 1000))
        told = names or (signal.actor or "").startswith("automation:")
        event = Event(
            id=str(number),
            source="simulated",
            at=at,
            happened=at,
            place=name,
            device=signal.device,
            action=signal.action,
            actor=signal.actor if told else None,
            origin=signal.origin if told else None,
            value=signal.value,
        )
        local = at.astimezone(here)
        today = local.date()
        rows[today] += 1
        if states.changed(event):
            events.append(event)
            hours.append(local.hour)
            dates.append(today)
    return Household(
        name=name,
        real=False,
        timezone=zone,
        devices=_devices(happens.house),
        rows=rows.total(),
        events=events,
        at=[event.at for event in events],
        hours=hours,
        dates=dates,
        days=sorted(day for day, count in rows.items() if count >= ACTIVE_EVENTS),
        bin=None,
    )


def _devices(house: House) -> dict[str, Device]:
    """By name; a device that was moved is listed where it was first, as owners forget to say so."""
    devices: dict[str, Device] = {}
    for one in house.fittings:
        devices.setdefault(one.name, Device(name=one.name, type=one.type, role=one.role, room=one.room))
    return devices
