"""Whether anybody is at home, told to every method by one rule, and by the same rule again in every trial.

*Away* is told 30 minutes after an entrance closed, never back-dated, where in those 30 minutes nobody showed
indoors (an event of role motion, presence or use that is no end such as ``off`` or ``closed``) and no entrance
moved again. At the next event of an entrance, right after it, *home* is told. No event here is what a device says
about itself (its battery, say), nor that a door was locked: from outside or inside, by hand, from afar or by
itself an hour later, it tells neither coming nor going. Nothing is told in a home without an entrance, without an
indoor device, or with a device of its own by the name of `RESIDENTS`.

The rule is as blind as an alarm panel: who sits still for half an hour after coming home is told away, and stays
so until an entrance moves, whatever shows indoors meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy
from datetime import datetime, timedelta
from typing import NamedTuple

from homeward.bench.homes import Household
from homeward.bench.past import ENDINGS, REPORTS
from homeward.core.event import Event
from homeward.core.settings import Device

RESIDENTS = Device(name="residents", type="residents")
"""The device that tells it, by the actions ``away`` and ``home``. It is of no room and no indoor device itself."""

AWAY_AFTER = timedelta(minutes=30)
LOCKING = frozenset({"lock", "locked", "locking"})
ARRIVAL = timedelta(minutes=1)
INDOORS = ("motion", "presence", "use")


class Presence:
    """What is told of a home's residents, from before its first event on.

    ``possible`` is whether anything will ever be told. `told` may be called again with later events; a copy goes
    its own way.
    """

    def __init__(self, home: Household) -> None:
        entrances = frozenset(device.name for device in home.roles("entrance"))
        indoors = frozenset(device.name for device in home.roles(*INDOORS))
        self.possible = bool(entrances and indoors) and home.devices.get(RESIDENTS.name, RESIDENTS) == RESIDENTS
        self._entrances = entrances if self.possible else frozenset[str]()
        self._indoors = indoors if self.possible else frozenset[str]()
        self._place = ""
        self._due: datetime | None = None
        self._away = False

    def copy(self) -> Presence:
        return copy(self)

    def told(self, events: Iterable[Event], until: datetime | None = None) -> Iterator[Event]:
        """The events, in time order, and among them what is told of the residents, until a moment past the last.

        The state moves on when the next event is asked for: a copy taken while an event is looked at is of the
        moment before it.
        """
        for event in events:
            if self._due is not None and self._due < event.at:
                yield _told("away", self._due, event.place)
                self._due, self._away = None, True
            yield event
            if not self.shows(event):
                continue
            entrance = event.device in self._entrances
            self._due = event.at + AWAY_AFTER if entrance and event.action in ENDINGS else None
            self._place = event.place
            if entrance and self._away:
                yield _told("home", event.at, event.place)
                self._away = False
        if self._due is not None and until is not None and self._due <= until:
            yield _told("away", self._due, self._place)
            self._due, self._away = None, True

    def shows(self, event: Event) -> bool:
        """Whether an event is one by which somebody shows: an entrance moves, or somebody is indoors."""
        if event.device in self._indoors:
            return event.action not in ENDINGS and event.action not in REPORTS
        return event.device in self._entrances and event.action not in REPORTS and event.action not in LOCKING


class Absence(NamedTuple):
    """A span in which everybody was known to be away: from when that was told to the next sign of anybody.

    ``ended_by`` is the place in the stream of the entrance's event with which somebody came: that sign, or one
    within a minute of it, as an indoor sensor near the door may be the first to see who comes. ``None`` where
    somebody was indoors for longer without any entrance moving, or the recording ended.
    """

    told: datetime
    until: datetime
    ended_by: int | None


def absences(home: Household) -> list[Absence]:
    """Every absence that a home's own stream tells of, in order."""
    presence = Presence(home)
    if not presence.possible:
        return []
    found: list[Absence] = []
    told: datetime | None = None
    until: datetime | None = None
    index = -1
    for event in presence.told(home.events):
        if event.device != RESIDENTS.name:
            index += 1
            if told is not None and until is None and presence.shows(event):
                until = event.at
        elif event.action == "away":
            told, until = event.at, None
        elif told is not None and until is not None:  # home, told right after an entrance's event
            found.append(Absence(told, until, index if event.at - until <= ARRIVAL else None))
            told = None
    if told is not None:
        found.append(Absence(told, until or home.at[-1], None))
    return found


def _told(action: str, at: datetime, place: str) -> Event:
    name = RESIDENTS.name
    return Event(
        id=f"{name}-{action}-{at.isoformat()}", source="presence", at=at, happened=at, place=place, device=name,
        action=action,
    )  # fmt: skip
