"""The entrance and what belongs to it: the lock, the alarm panel, the bell; the garden door and the doors inside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from homeward.bench.neighbourhood.almanac import HOUR
from homeward.bench.neighbourhood.places import Fitting
from homeward.bench.neighbourhood.ranges import chance_of
from homeward.bench.neighbourhood.scene import Log, Scene, merged, within
from homeward.bench.neighbourhood.visitors import Crossing

TOGETHER = 40.0
"""Who crosses within so many seconds finds the door open."""

NIGHT = 3 * HOUR
"""So long must all be asleep for a night."""

AUTO_LOCK = 300.0

By = tuple[str | None, str | None]
"""The actor and the origin of a command."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The entrance is open; who went through, in order."""

    begin: float
    end: float
    crossings: tuple[Crossing, ...]


@dataclass(frozen=True, slots=True)
class Night:
    """Everybody at home is asleep from ``begin`` to ``end``; nobody is expected."""

    begin: float
    end: float
    last: str
    first: str


def tell(scene: Scene, log: Log) -> None:
    """Everything that doors, lock, panel and bell tell."""
    chance = chance_of(*scene.key, "doors")
    openings = list(_openings(scene, chance))
    for fitting in scene.house.of("front door"):
        log.spans(fitting, [(one.begin, one.end) for one in openings], ("open", "closed"))
    nights = list(_nights(scene, openings))
    habits = Habits(chance)
    for fitting in scene.house.of("lock"):
        _lock(scene, log, fitting, openings, nights, habits)
    for fitting in scene.house.of("panel"):
        _panel(scene, log, fitting, openings, nights, habits)
    for fitting in scene.house.of("bell"):
        for at in scene.parcels:
            log.put(fitting, at, "ring")
        for crossing in scene.crossings:
            if crossing.comes and crossing.person == "guest" and not crossing.coded:
                log.put(fitting, crossing.at - chance.uniform(15, 50), "ring")
    _garden(scene, log, chance)
    _inside(scene, log, chance)


class Habits:
    """By what each person unlocks and arms: a keypad, the app on a phone, a remote; drawn once."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self._ways: dict[str, str] = {}

    def by(self, person: str, *, coded: bool = True) -> By:
        """How a person gives a command; somebody without a code uses a key, and nobody knows who it was."""
        if not coded:
            return None, "manual"
        if person not in self._ways:
            self._ways[person] = self.chance.choices(("keypad", "app", "remote"), (6, 3, 1))[0]
        way = self._ways[person]
        if self.chance.random() < 0.05:
            way = "keypad"
        return f"person:{person}", f"app:{person}-phone" if way == "app" else way


def _openings(scene: Scene, chance: Random) -> Iterator[Opening]:
    parcels = [at for at in scene.parcels if within(scene.awake, at)]
    taken = [Crossing(at + chance.uniform(15, 60), "", None, False) for at in parcels]
    crossings = sorted([*scene.crossings, *taken], key=lambda crossing: crossing.at)
    group: list[Crossing] = []
    for crossing in crossings:
        if group and crossing.at - group[-1].at > TOGETHER:
            yield _opening(scene, group, chance)
            group = []
        group.append(crossing)
    if group:
        yield _opening(scene, group, chance)


def _opening(scene: Scene, group: list[Crossing], chance: Random) -> Opening:
    length = scene.house.open_for * chance.lognormvariate(0, 0.45) + (
        chance.uniform(20, 120) if chance.random() < 0.06 else 0
    )
    return Opening(group[0].at, max(group[-1].at + max(length, 1.5), group[0].at + 1.5), tuple(group))


def _nights(scene: Scene, openings: list[Opening]) -> Iterator[Night]:
    for (_, asleep), (up, _) in pairwise(scene.awake):
        middle = (asleep + up) / 2
        if up - asleep < NIGHT or scene.is_empty(middle) or any(asleep < one.begin < up for one in openings):
            continue
        yield Night(asleep, up, _who(scene, asleep, last=True), _who(scene, up, last=False))


def _who(scene: Scene, at: float, *, last: bool) -> str:
    """Who goes to bed last, or gets up first."""
    names = {person.name for person in scene.home.residents if person.adult}
    for stay in scene.around(at, 90):
        if stay.person in names and abs((stay.end if last else stay.begin) - at) < 90:
            return stay.person
    return ""


Step = tuple[float, str, Opening | Night]


def _steps(openings: list[Opening], nights: list[Night], before_bed: float) -> list[Step]:
    steps: list[Step] = [(one.begin, "opening", one) for one in openings]
    steps += [(night.begin - before_bed, "bed", night) for night in nights]
    steps += [(night.end, "up", night) for night in nights]
    return sorted(steps, key=lambda step: (step[0], step[1]))


def _lock(
    scene: Scene, log: Log, fitting: Fitting, openings: list[Opening], nights: list[Night], habits: Habits
) -> None:
    chance, automatic = habits.chance, "auto lock" in scene.house.automations
    locked, free = True, 0.0
    steps = _steps(openings, nights, 300.0)
    for number, (at, kind, what) in enumerate(steps):
        following = steps[number + 1][0] if number + 1 < len(steps) else at + HOUR
        if isinstance(what, Night):
            if kind == "bed" and not locked and chance.random() < 0.93 and following > at + 60:
                by = habits.by(what.last) if what.last and chance.random() < 0.6 else (None, "manual")
                log.put(fitting, max(at, free), "locked", None, *by)
                locked = True
            continue
        if locked:
            first = what.crossings[0]
            by = habits.by(first.person, coded=first.coded) if first.comes else (None, "manual")
            log.put(fitting, max(free, at - chance.uniform(4, 10)), "unlocked", None, *by)
            locked = False
        free = what.end + 1
        last = what.crossings[-1]
        if scene.is_empty(what.end + 90) and last.comes is False and chance.random() < 0.96:
            by = habits.by(last.person, coded=last.coded) if chance.random() < 0.85 else (None, "manual")
            free = what.end + chance.uniform(4, 20)
            log.put(fitting, free, "locked", None, *by)
            locked = True
        elif automatic and following > what.end + AUTO_LOCK + 30:
            free = what.end + AUTO_LOCK
            log.put(fitting, free, "locked", None, "automation:auto-lock", "hub")
            locked = True


def _panel(
    scene: Scene, log: Log, fitting: Fitting, openings: list[Opening], nights: list[Night], habits: Habits
) -> None:
    """Armed when the last leaves and when the last goes to bed. With a lock, its code disarms; else the keypad."""
    chance, armed = habits.chance, False
    for at, kind, what in _steps(openings, nights, 120.0):
        if isinstance(what, Night):
            if kind == "bed" and not armed and what.last and chance.random() < 0.85:
                log.put(fitting, at, "armed_night", None, f"person:{what.last}", "panel")
                armed = True
            elif kind == "up" and armed:
                person = f"person:{what.first}" if what.first else None
                log.put(fitting, at + chance.uniform(30, 240), "disarmed", None, person, "panel")
                armed = False
            continue
        first, last = what.crossings[0], what.crossings[-1]
        if armed:
            by = habits.by(first.person) if first.coded else (None, "keypad")
            inside = scene.house.keypad_inside
            log.put(fitting, at + chance.uniform(8, 25) if inside else at - 2, "disarmed", None, *by)
            armed = False
        if last.comes is False and last.coded and scene.is_empty(what.end + 90) and chance.random() < 0.92:
            log.put(fitting, what.end + 45, "armed_away", None, f"person:{last.person}", habits.by(last.person)[1])
            armed = True


def _garden(scene: Scene, log: Log, chance: Random) -> None:
    """The garden door: left open by who sits outside on a warm day, else opened twice."""
    for fitting in scene.house.of("garden door"):
        spans = []
        for stay in scene.stays_in("garden"):
            warm = scene.almanac.outdoors[scene.almanac.index(stay.begin)] > 20
            if warm and chance.random() < 0.6:
                spans.append((stay.begin, stay.end))
            else:
                spans += [
                    (stay.begin, stay.begin + chance.uniform(2, 9)),
                    (stay.end - chance.uniform(2, 9), stay.end),
                ]
        log.spans(fitting, merged(spans, 2.0), ("open", "closed"))


def _inside(scene: Scene, log: Log, chance: Random) -> None:
    """Doors inside stand open; they are closed in the bathroom, in bed, and now and then."""
    for fitting in scene.house.of("door"):
        spans = []
        for stay in scene.stays_in(fitting.room):
            bath = fitting.room in ("bathroom", "toilet")
            if chance.random() < (0.7 if bath or stay.activity == "sleep" else 0.15):
                spans.append((stay.begin + chance.uniform(3, 8), max(stay.end, stay.begin + 10)))
        log.spans(fitting, merged(spans, 3.0), ("closed", "open"))
