"""What goes wrong between a home and its guard: lost messages, flutter, a weak battery, silence; new devices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from random import Random

from homeward.bench.neighbourhood.almanac import DAY, HALF_YEAR, HOUR, Almanac
from homeward.bench.neighbourhood.people import has
from homeward.bench.neighbourhood.places import House
from homeward.bench.neighbourhood.ranges import BOUNCE, BURSTS, MISSED, MISSED_OFF, WEAK_BATTERY, chance_of
from homeward.bench.neighbourhood.scene import Scene, Signal


def changed(key: tuple[object, ...], house: House, almanac: Almanac) -> House:
    """The house with, in some homes, a device that is added, replaced (under a new name) or moved on the way."""
    chance = chance_of(*key, "change")
    if not has(chance, "change"):
        return house
    at = almanac.midnights[round(chance.uniform(0.3, 0.8) * almanac.days)] + chance.uniform(9, 20) * HOUR
    fittings = list(house.fittings)
    inner = [one for one in fittings if one.task in ("motion", "light", "window", "coffee", "television")]
    chosen = chance.choice(inner)
    place = fittings.index(chosen)
    spare = [
        room for room in house.rooms if not any(one.task == chosen.task and one.room == room for one in fittings)
    ]
    what = chance.choice(("added", "replaced", "moved"))
    if what == "added" and len(fittings) > 8:
        fittings[place] = replace(chosen, since=at)
    elif what == "moved" and chosen.task in ("motion", "light") and spare:
        fittings[place] = replace(chosen, until=at)
        fittings.append(replace(chosen, room=chance.choice(spare), since=at + 600))
    else:
        fittings[place] = replace(chosen, until=at)
        fittings.append(replace(chosen, name=f"{chosen.name} 2", since=at + chance.uniform(0.2, 30) * HOUR))
    return replace(house, fittings=tuple(fittings))


@dataclass(frozen=True, slots=True)
class Battery:
    """A battery that gets weak from ``begin`` to ``end``, and is dead until it is replaced."""

    device: str
    begin: float
    end: float
    replaced: float

    def lost(self, at: float) -> float:
        """The share of messages lost."""
        if not self.begin <= at < self.replaced:
            return 0.0
        return min(1.0, 0.05 + (at - self.begin) / (self.end - self.begin))


def suffered(scene: Scene, signals: Iterable[Signal]) -> list[Signal]:
    """The signals that reach the guard, in order of time."""
    chance = chance_of(*scene.key, "faults")
    ordered = sorted([*signals, *_bursts(scene, chance)], key=lambda signal: signal.at)
    battery = _battery(scene, chance)
    heard = list(_heard(scene, ordered, battery, chance))
    if battery is not None:
        at = battery.begin + chance.uniform(0.05, 0.5) * (battery.end - battery.begin)
        heard.append(Signal(at, battery.device, "battery_low"))
    outages = scene.almanac.outages
    heard = [one for one in heard if not any(begin <= one.at < end for begin, end in outages)]
    return sorted(heard, key=lambda signal: signal.at)


def _heard(scene: Scene, signals: list[Signal], battery: Battery | None, chance: Random) -> Iterator[Signal]:
    """What is not lost; and what a contact tells twice."""
    missed, missed_off, bounce = MISSED.draw(chance), MISSED_OFF.draw(chance), BOUNCE.draw(chance)
    contacts = {one.name for one in scene.house.fittings if one.type.startswith("contact")}
    motions = {one.name for one in scene.house.fittings if one.task == "motion"}
    for signal in signals:
        lost = missed
        if signal.action == "off" and signal.device in motions:
            lost += missed_off
        if battery is not None and signal.device == battery.device:
            lost = max(lost, battery.lost(signal.at))
        if chance.random() < lost:
            continue
        yield signal
        if signal.device in contacts and signal.action == "open" and chance.random() < bounce:
            yield signal._replace(at=signal.at + 0.15, action="closed")
            yield signal._replace(at=signal.at + 0.4)


def _battery(scene: Scene, chance: Random) -> Battery | None:
    if not has(chance, "battery"):
        return None
    kinds = ("motion", "front door", "fridge", "window", "door", "cupboard", "garden door")
    device = chance.choice([one.name for one in scene.house.fittings if one.task in kinds])
    begin = scene.almanac.midnights[0] + chance.uniform(0.2, 0.85) * scene.almanac.days * DAY
    end = begin + WEAK_BATTERY.draw(chance) * DAY
    return Battery(device, begin, end, end + chance.uniform(0, 5) * DAY)


def _bursts(scene: Scene, chance: Random) -> Iterator[Signal]:
    """A sensor flutters: on and off, many times within some minutes."""
    sensors = [one for one in scene.house.fittings if one.task in ("motion", "fridge", "door", "cupboard")]
    expected = BURSTS.draw(chance) * scene.almanac.days / HALF_YEAR
    for _ in range(int(expected) + (chance.random() < expected % 1)):
        fitting = chance.choice(sensors)
        actions = ("on", "off") if fitting.task == "motion" else ("open", "closed")
        if fitting.task == "motion" and scene.house.momentary:
            actions = ("active", "active")
        at = scene.almanac.midnights[0] + chance.uniform(0, scene.almanac.days) * DAY
        for _ in range(chance.randint(6, 25)):
            if fitting.since <= at < fitting.until:
                yield Signal(at, fitting.name, actions[0])
                yield Signal(at + chance.uniform(0.3, 4), fitting.name, actions[1])
            at += chance.uniform(5, 30)
