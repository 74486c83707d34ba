"""Motion sensors and lights: what follows directly from people who are in rooms."""

from __future__ import annotations

from random import Random
from typing import Final

from homeward.bench.neighbourhood.almanac import DAY, HOUR, MINUTE
from homeward.bench.neighbourhood.places import Fitting
from homeward.bench.neighbourhood.ranges import chance_of
from homeward.bench.neighbourhood.scene import Log, Scene, Span, merged
from homeward.bench.neighbourhood.stays import Stay

_STILL: Final = frozenset({"sit", "watch", "desk", "eat", "breakfast"})
_WINDOWLESS: Final = frozenset({"bathroom", "toilet", "laundry"})
SETTLE: Final = 4.0
"""A sensor that has said *off* says *on* again no sooner (seconds)."""


def tell(scene: Scene, log: Log) -> None:
    """Everything that motion sensors, mats and lights tell."""
    seen = _movements(scene, chance_of(*scene.key, "motion"))
    house = scene.house
    for fitting in (*house.of("motion"), *house.of("indoor camera")):
        hold = house.hold if fitting.task == "motion" else 30.0
        spans = merged(((at, at + hold) for at in seen.get(fitting.room, ())), SETTLE)
        if house.momentary and fitting.task == "motion":
            for begin, _ in spans:
                log.put(fitting, begin, "active")
        else:
            log.spans(fitting, spans, ("on", "off"))
    for fitting in house.of("camera"):
        _outdoor_camera(scene, log, fitting)
    for fitting in house.of("bed"):
        log.spans(fitting, merged(_spans(scene, fitting.room, "sleep"), 20.0), ("on", "off"))
    for fitting in house.of("sofa"):
        log.spans(fitting, merged(_spans(scene, fitting.room, "sit", "watch"), 120.0), ("on", "off"))
    _lights(scene, log)


def _spans(scene: Scene, room: str, *activities: str) -> list[Span]:
    return [
        (stay.begin + 5, stay.end)
        for stay in scene.stays_in(room)
        if stay.activity in activities and stay.end > stay.begin + MINUTE
    ]


def _movements(scene: Scene, chance: Random) -> dict[str, list[float]]:
    """When somebody moves, by room: coming in, passing through, and now and then while there."""
    house = scene.house
    seen: dict[str, list[float]] = {room: [] for room in house.rooms}
    before: dict[str, Stay] = {}
    for stay in scene.stays:
        last = before.get(stay.person)
        if last is not None and stay.begin - last.end < MINUTE:
            for step, room in enumerate(reversed(house.way(last.room, stay.room)), 1):
                if chance.random() < 0.7:  # the others pass the edge of what it sees
                    seen[room].append(stay.begin - step * chance.uniform(2, 4))
        elif stay.room != "hall" and (last is None or stay.begin - last.end > MINUTE):
            seen["hall"].append(stay.begin + 1)
        before[stay.person] = stay
        if stay.room not in seen:
            continue
        times = seen[stay.room]
        asleep = stay.activity == "sleep"
        pace = house.asleep if asleep else house.still if stay.activity in _STILL else house.busy
        at = stay.begin + (MINUTE if asleep else chance.uniform(0.5, 3.5))
        while at < stay.end:
            times.append(at)
            at += chance.expovariate(1 / pace)
    for stay in scene.pet:
        if chance.random() < 0.6:
            seen[stay.room].append(stay.begin)
    return seen


def _outdoor_camera(scene: Scene, log: Log, fitting: Fitting) -> None:
    """Sees who crosses the entrance, and some who pass by in daylight."""
    chance = chance_of(*scene.key, "camera")
    times = [crossing.at - chance.uniform(-6, 12) for crossing in scene.crossings if chance.random() < 0.9]
    times += [at - 8 for at in scene.parcels]
    passers = chance.uniform(0.2, 2)
    for day in range(scene.almanac.days):
        dawn, dusk = scene.almanac.dawns[day], scene.almanac.dusks[day]
        times += [chance.triangular(dawn, dusk + 2 * HOUR) for _ in range(round(chance.expovariate(1 / passers)))]
    log.spans(fitting, merged(((at, at + 30) for at in times), SETTLE), ("on", "off"))


def _lights(scene: Scene, log: Log) -> None:
    chance, house = chance_of(*scene.key, "lights"), scene.house
    spoken, apps = chance.random() < 0.3, chance.random() < 0.5
    for fitting in house.of("light"):
        by_motion = "hall light" in house.automations and fitting.room in ("hall", "landing", "toilet")
        timed = "evening light" in house.automations and fitting.room == "living room"
        spans = list(merged(_lit(scene, fitting.room, chance), 60.0))
        if timed:
            _evening(scene, log, fitting, chance, spans)
            continue
        for begin, end in spans:
            actor, origin = _by(scene, fitting.room, begin, chance, spoken=spoken, apps=apps)
            if by_motion:
                actor, origin = f"automation:{fitting.room}-light", "hub"
            log.put(fitting, begin, "on", None, actor, origin)
            by_hand = not by_motion and actor is not None and chance.random() < 0.7
            ended = (actor, origin) if by_motion or by_hand else (None, None)
            log.put(fitting, end, "off", None, *ended)


def _by(
    scene: Scene, room: str, at: float, chance: Random, *, spoken: bool, apps: bool
) -> tuple[str | None, str | None]:
    """By whom a light is switched: mostly by hand, which tells nobody's name; by voice or phone in some homes."""
    if chance.random() > 0.25 or not (spoken or apps):
        return None, None
    adults = {person.name for person in scene.home.residents if person.adult}
    names = sorted({s.person for s in scene.around(at) if s.room == room and s.person in adults})
    if not names:
        return None, None
    person = chance.choice(names)
    if spoken and (not apps or chance.random() < 0.6):
        return f"person:{person}", "voice"
    return f"person:{person}", f"app:{person}-phone"


def _lit(scene: Scene, room: str, chance: Random) -> list[Span]:
    """When the light of a room is needed, and when it is forgotten."""
    lit: list[Span] = []
    almanac = scene.almanac
    for stay in scene.stays_in(room):
        if stay.activity == "sleep" or stay.end - stay.begin < 20:
            continue
        dark = [(stay.begin, stay.end)] if room in _WINDOWLESS else almanac.darkness(stay.begin, stay.end)
        share = 0.5 if stay.activity == "night" and room not in _WINDOWLESS else 0.95
        for begin, end in dark:
            if chance.random() < share and end - begin > 30:
                late = chance.uniform(0.3, 2.0) * HOUR if chance.random() < 0.02 else chance.uniform(1, 6)
                lit.append((begin + chance.uniform(0.5, 4), end + late))
    return lit


def _evening(scene: Scene, log: Log, fitting: Fitting, chance: Random, spans: list[Span]) -> None:
    """A light that comes on at dusk and goes off late, whether somebody is there or not; by hand otherwise."""
    almanac = scene.almanac
    off_at = chance.uniform(22.5, 23.9)
    timed = [
        (almanac.dusks[day] + chance.gauss(0, 20), almanac.true(day * DAY + off_at * HOUR) + chance.random())
        for day in range(almanac.days)
    ]
    timed = [(on, off) for on, off in timed if off > on]
    for on, off in timed:
        log.put(fitting, on, "on", None, "automation:evening-light", "hub")
        log.put(fitting, off, "off", None, "automation:evening-light", "hub")
    for begin, end in spans:
        if all(end < on or begin > off for on, off in timed):
            log.put(fitting, begin, "on")
            log.put(fitting, end, "off")
