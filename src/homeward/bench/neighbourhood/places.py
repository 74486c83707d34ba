"""Where a household lives: its rooms, the ways between them, and the devices that happen to be installed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from homeward.bench.neighbourhood.people import Inhabitants, has
from homeward.bench.neighbourhood.ranges import DOOR_OPEN, HOLDS, MOVE_ASLEEP, MOVE_BUSY, MOVE_STILL, chance_of

STYLES: Final[tuple[str, ...]] = ("{room} {thing}", "{room}_{thing}", "{thing}.{room}", "{room} {thing}")
FEWEST, MOST, MOST_OF_MANY, BEYOND = 6, 40, 20, 8.0
"""Devices in a home: the fewest, the most (also where more than two live), the mean beyond the fewest. Invented."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """A device at its place. ``task`` says what it does for the simulation; it tells from ``since`` to ``until``."""

    name: str
    type: str
    role: str
    room: str
    task: str
    since: float = -math.inf
    until: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """``hold``, ``open_for`` are seconds; ``still``, ``busy`` and ``asleep`` seconds between movements seen."""

    rooms: tuple[str, ...]
    upstairs: frozenset[str]
    open_plan: bool
    garden: bool
    hold: float
    momentary: bool
    open_for: float
    still: float
    busy: float
    asleep: float
    lock: bool
    panel: bool
    keypad_inside: bool
    names: bool
    automations: frozenset[str]
    fittings: tuple[Fitting, ...]

    def of(self, task: str) -> list[Fitting]:
        """The devices with that task."""
        return [fitting for fitting in self.fittings if fitting.task == task]

    def way(self, before: str, after: str) -> list[str]:
        """The rooms between two rooms: through the hall, and up or down the stairs."""
        if before == after or "hall" not in self.rooms:
            return []
        if self.open_plan and {before, after} <= {"kitchen", "living room", "dining room"}:
            return []
        hubs = ["landing" if room in self.upstairs else "hall" for room in (before, after)]
        return [hub for hub in dict.fromkeys(hubs) if hub not in (before, after)]

    def guest_room(self) -> str:
        """Where guests sleep."""
        return "guest room" if "guest room" in self.rooms else "living room"


def house(seed: int, number: int, home: Inhabitants) -> House:
    """The house of household ``number``."""
    chance = chance_of("house", seed, number)
    rooms, upstairs = _rooms(chance, home)
    garden = home.kind != "students" and chance.random() < 0.45
    lock = has(chance, "lock")
    panel = has(chance, "panel" if lock else "panel alone")
    contacts_only = has(chance, "contacts")
    automations = _automations(chance, home)
    fittings = list(_essentials(chance, rooms, lock, panel, contacts_only))
    most = MOST_OF_MANY if len(home.residents) > 2 else MOST
    wanted = min(most, round(FEWEST + chance.expovariate(1 / BEYOND))) - len(fittings)
    more = [one for one in _candidates(rooms, garden, home, contacts_only) if one[1] not in fittings]
    ordered = sorted(more, key=lambda one: chance.random() ** (1 / one[0]), reverse=True)
    fittings += [fitting for _, fitting in ordered[: max(wanted, 0)]]
    if home.kind == "elderly" and chance.random() < 0.5:
        fittings.append(_fitting("pill box", "medical", "use", "kitchen", "pills"))
    style = chance.choice(STYLES)
    return House(
        rooms=rooms,
        upstairs=upstairs,
        open_plan=chance.random() < 0.4,
        garden=garden,
        hold=_hold(chance, home),
        momentary=has(chance, "momentary"),
        open_for=DOOR_OPEN.draw(chance),
        still=MOVE_STILL.draw(chance) * 60,
        busy=MOVE_BUSY.draw(chance) * 60,
        asleep=MOVE_ASLEEP.draw(chance) * 3600,
        lock=lock,
        panel=panel,
        keypad_inside=panel and not lock,
        names=has(chance, "names"),
        automations=automations,
        fittings=tuple(replace(one, name=_named(style, one)) for one in fittings),
    )


def _hold(chance: Random, home: Inhabitants) -> float:
    """Many people in a home make many events: their owners set longer times."""
    hold = chance.choice(HOLDS)
    return max(hold, 240.0) if len(home.residents) > 2 else hold


def _named(style: str, fitting: Fitting) -> str:
    spaced = style.format(room=fitting.room, thing=fitting.name)
    if fitting.name in (
        "front door",
        "garden door",
        "front door lock",
        "alarm panel",
        "doorbell",
        "mailbox",
        "pill box",
    ):
        spaced = fitting.name
    return spaced.replace("'s", "").replace(" ", "_") if style[6] == "_" or "." in style else spaced


def _rooms(chance: Random, home: Inhabitants) -> tuple[tuple[str, ...], frozenset[str]]:
    bedrooms = list(dict.fromkeys(person.bedroom for person in home.residents))
    rooms = ["hall", "kitchen", "living room", "bathroom", *bedrooms]
    if any(person.way == "home-worker" for person in home.residents) or chance.random() < 0.15:
        rooms.append("study")
    rooms += [
        room for room, share in (("toilet", 0.3), ("laundry", 0.3), ("dining room", 0.15)) if chance.random() < share
    ]
    if home.kind != "students" and chance.random() < 0.25:
        rooms.append("guest room")
    upstairs: frozenset[str] = frozenset()
    if len(rooms) >= 7 and chance.random() < 0.6:
        rooms.append("landing")
        upstairs = frozenset({*bedrooms, "bathroom", "study", "guest room", "landing"} & set(rooms))
    return tuple(rooms), upstairs


def _automations(chance: Random, home: Inhabitants) -> frozenset[str]:
    if home.kind != "holiday" and not has(chance, "automations"):
        return frozenset()
    found = {
        name for name in ("evening light", "hall light", "heating", "shutters", "auto lock") if chance.random() < 0.5
    }
    return frozenset(found | ({"evening light", "heating"} if home.kind == "holiday" else set()))


def _fitting(name: str, type_: str, role: str, room: str, task: str) -> Fitting:
    return Fitting(name=name, type=type_, role=role, room=room, task=task)


def _motion(room: str) -> Fitting:
    return _fitting("motion", "motion", "motion", room, "motion")


def _door(room: str) -> Fitting:
    return _fitting("door", "contact.door", "use", room, "door")


def _light(room: str) -> Fitting:
    return _fitting("light", "light", "actuator", room, "light")


_CUPBOARD = _fitting("cupboard", "contact.cupboard", "use", "kitchen", "cupboard")
_FRIDGE = _fitting("fridge", "contact.fridge", "use", "kitchen", "fridge")


def _essentials(
    chance: Random, rooms: tuple[str, ...], lock: bool, panel: bool, contacts_only: bool
) -> Iterator[Fitting]:
    """What every home has: an entrance, three rooms that show somebody, something to switch."""
    yield _fitting("front door", "contact.door", "entrance", "hall", "front door")
    if lock:
        yield _fitting("front door lock", "lock", "entrance", "hall", "lock")
    if panel:
        yield _fitting("alarm panel", "alarm", "other", "hall", "panel")
    if contacts_only:
        yield from (
            _FRIDGE,
            _CUPBOARD,
            _door("bathroom"),
            *map(_door, [room for room in rooms if "room" in room][1:3]),
        )
    else:
        yield from map(_motion, ("hall", "living room", "kitchen"))
        if chance.random() < 0.8:
            yield _motion("bathroom")
    yield _light("living room")


def _candidates(
    rooms: tuple[str, ...], garden: bool, home: Inhabitants, contacts_only: bool
) -> Iterator[tuple[float, Fitting]]:
    """Everything else that may be installed, with how likely it is beside the others."""
    for room in rooms:
        if not contacts_only:
            yield 3.0 if "room" not in room else 2.0, _motion(room)
        yield 1.2, _light(room)
        if "bed" in room or "bath" in room or "'s" in room or contacts_only:
            yield (3.0 if contacts_only else 0.5), _door(room)
        if room in ("living room", "bedroom", "kitchen", "bathroom", "study"):
            yield 0.6, _fitting("window", "contact.window", "use", room, "window")
    for room in dict.fromkeys(person.bedroom for person in home.residents):
        yield 0.5, _fitting("bed", "pressure.bed", "presence", room, "bed")
    yield 0.9, _FRIDGE
    yield 0.9, _CUPBOARD
    toilet = "toilet" if "toilet" in rooms else "bathroom"
    yield 0.5, _fitting("flush", "float.toilet", "use", toilet, "flush")
    yield 0.4, _fitting("sofa", "pressure.chair", "presence", "living room", "sofa")
    yield from _things(rooms)
    if garden:
        yield 1.0, _fitting("garden door", "contact.door", "entrance", "living room", "garden door")


def _things(rooms: tuple[str, ...]) -> Iterator[tuple[float, Fitting]]:
    yield 0.8, _fitting("coffee machine", "plug", "actuator", "kitchen", "coffee")
    yield 1.0, _fitting("television", "plug", "actuator", "living room", "television")
    yield 0.4, _fitting("oven", "appliance", "actuator", "kitchen", "oven")
    wet = "laundry" if "laundry" in rooms else "bathroom"
    yield 0.6, _fitting("washing machine", "appliance", "use", wet, "washing")
    yield 0.5, _fitting("dishwasher", "appliance", "use", "kitchen", "dishes")
    yield 0.8, _fitting("thermostat", "thermostat", "actuator", "living room", "thermostat")
    yield 0.6, _fitting("power", "meter.power", "meter", "hall", "power")
    yield 0.3, _fitting("water", "meter.water", "meter", "bathroom", "water")
    yield 0.4, _fitting("temperature", "sensor.temperature", "other", "living room", "temperature")
    yield 0.4, _fitting("humidity", "sensor.humidity", "other", "bathroom", "humidity")
    yield 0.4, _fitting("camera", "camera", "other", "outside", "camera")
    yield 0.1, _fitting("camera", "camera", "presence", "hall", "indoor camera")
    yield 0.5, _fitting("doorbell", "doorbell", "other", "outside", "bell")
    yield 0.2, _fitting("mailbox", "contact.other", "other", "outside", "mailbox")
    yield 0.3, _fitting("button", "button", "other", "bedroom", "button")
    yield 0.3, _fitting("shutter", "other", "actuator", "living room", "shutter")
    if "study" in rooms:
        yield 0.8, _fitting("desk", "plug", "actuator", "study", "desk")
