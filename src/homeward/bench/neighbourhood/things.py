"""What people use: kitchen, television, washing, windows, heating, shutters; and the meters that see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from homeward.bench.neighbourhood.almanac import DAY, HOUR, MINUTE
from homeward.bench.neighbourhood.places import Fitting
from homeward.bench.neighbourhood.ranges import FRIDGE_OPENINGS, WINDOW_OPEN, WINDOW_OPENINGS, chance_of
from homeward.bench.neighbourhood.scene import Log, Scene, Span, merged, within
from homeward.bench.neighbourhood.stays import Stay

OPEN_ABOVE: Final = 12.7
"""Windows stay open longer in weather warmer than that (°C; Jeong et al. 2016)."""

HEATED_BELOW: Final = 15.0
"""On colder days the heating is on (°C, mean of the day). Invented."""

Maker = Callable[[Scene, Fitting, Random], Iterator[Span]]


def tell(scene: Scene, log: Log) -> None:
    """Everything that things tell."""
    for fitting in scene.house.fittings:
        chance = chance_of(*scene.key, fitting.task, fitting.room)
        if fitting.task in _MAKERS:
            maker, actions = _MAKERS[fitting.task]
            log.spans(fitting, merged(maker(scene, fitting, chance), 3.0), actions)
        elif fitting.task == "thermostat":
            _thermostat(scene, log, fitting, chance)
        elif fitting.task == "shutter":
            _shutter(scene, log, fitting, chance)
        elif fitting.task == "button":
            _button(scene, log, fitting, chance)
        elif fitting.task in _READINGS:
            _read(scene, log, fitting, _READINGS[fitting.task])


def _per_person(scene: Scene, stays: list[Stay], chance: Random, a_day: float, length: float) -> Iterator[Span]:
    """Something opened so often a day by each person, at any time of these stays; open about ``length`` seconds."""
    people = len(scene.home.residents)
    home = sum(end - begin for begin, end in scene.inside) / max(1.0, scene.almanac.days * DAY)
    total = sum(stay.end - stay.begin for stay in stays)
    expected = a_day * people * scene.almanac.days * min(1.0, home * 1.3) / max(total, 1.0)
    for stay in stays:
        at = stay.begin + chance.expovariate(expected) if expected else stay.end
        while at < stay.end - 2:
            yield at, at + length * chance.lognormvariate(0, 0.6)
            at += length + chance.expovariate(expected)


def _fridge(scene: Scene, fitting: Fitting, chance: Random) -> Iterator[Span]:
    return _per_person(scene, scene.stays_in(fitting.room), chance, FRIDGE_OPENINGS.draw(chance), 9)


def _cupboard(scene: Scene, fitting: Fitting, chance: Random) -> Iterator[Span]:
    cooks = [stay for stay in scene.stays_in(fitting.room) if stay.activity in ("cook", "breakfast", "eat")]
    return _per_person(scene, cooks, chance, chance.uniform(1, 3), 6)


def _flush(scene: Scene, fitting: Fitting, chance: Random) -> Iterator[Span]:
    for stay in scene.stays_in(fitting.room):
        if chance.random() < (0.9 if stay.activity == "night" else 0.7):
            at = stay.end - chance.uniform(8, 40)
            yield max(at, stay.begin), max(at, stay.begin) + chance.uniform(3, 8)


def _coffee(scene: Scene, fitting: Fitting, chance: Random) -> Iterator[Span]:
    """For breakfast by some, and now and then in between."""
    drinkers = {person.name for person in scene.home.residents if person.adult and chance.random() < 0.75}
    for stay in scene.stays_in(fitting.room):
        share = 0.9 if stay.activity == "breakfast" else 0.1
        if stay.person in drinkers and chance.random() < share:
            at = stay.begin + chance.uniform(20, 120)
            yield at, at + chance.uniform(2, 6) * MINUTE


def _television(scene: Scene, fitting: Fitting, chance: Random) -> Iterator[Span]:
    likes = chance.uniform(0.6, 0.95)
    nights: dict[int, bool] = {}
    spans = []
    for stay in scene.stays_in(fitting.room):
        day = scene.almanac.index(stay.begin - 3 * HOUR)
        if day not in nights:
            nights[day] = chance.random() < likes
        if stay.activity == "watch" and nights[day] and stay.end - stay.begin > 8 * MINUTE:
            spans.append((stay.begin + chance.uniform(10, 90), stay.end - chance.uniform(0, 15)))
    return merged(spans, 12 * MINUTE)


def _oven(scene: Scene, fitting: Fitting, chance: Random) -> Iterator[Span]:
    share = chance.uniform(0.2, 0.5)
    for stay in scene.stays_in(fitting.room):
        if stay.activity == "cook" and stay.end - stay.begin > 9 * MINUTE and chance.random() < share:
            yield stay.begin + chance.uniform(1, 5) * MINUTE, stay.end + chance.uniform(-1, 12) * MINUTE


def _runs(scene: Scene, chance: Random, a_week: float, hours: float, *, after: str) -> Iterator[Span]:
    """A machine is started after somebody's activity and runs by itself, also while all are away."""
    starts = [stay for stay in scene.stays if stay.activity == after and stay.end - stay.begin > 3 * MINUTE]
    share = a_week / 7 * scene.almanac.days / max(len(starts), 1)
    busy = 0.0
    for stay in starts:
        if stay.end > busy and chance.random() < share:
            busy = stay.end + hours * HOUR * chance.lognormvariate(0, 0.15)
            yield stay.end - chance.uniform(5, 60), busy


def _washing(scene: Scene, _: Fitting, chance: Random) -> Iterator[Span]:
    return _runs(scene, chance, chance.uniform(1, 1.6) * len(scene.home.residents) + 1, 1.4, after="move")


def _dishes(scene: Scene, _: Fitting, chance: Random) -> Iterator[Span]:
    return _runs(scene, chance, chance.uniform(3, 6.5), 1.9, after="eat")


def _desk(scene: Scene, fitting: Fitting, chance: Random) -> Iterator[Span]:
    desks = [(stay.begin + 30, stay.end - 5) for stay in scene.stays_in(fitting.room) if stay.activity == "desk"]
    return merged((span for span in desks if span[1] - span[0] > 4 * MINUTE), chance.uniform(5, 20) * MINUTE)


def _pills(scene: Scene, _: Fitting, chance: Random) -> Iterator[Span]:
    """At breakfast, and at dinner by some."""
    evening = chance.random() < 0.6
    for stay in scene.stays:
        late = stay.activity == "eat" and scene.almanac.index(stay.begin) != scene.almanac.index(
            stay.begin + 8 * HOUR
        )
        if (stay.activity == "breakfast" or (evening and late)) and chance.random() < 0.95:
            at = stay.begin + chance.uniform(60, 400)
            yield at, at + chance.uniform(8, 40)


def _mailbox(scene: Scene, _: Fitting, chance: Random) -> Iterator[Span]:
    """The post comes by day, but for Sundays; somebody empties it on the way in."""
    for day in range(scene.almanac.days):
        if scene.almanac.weekday(day) < 6 and chance.random() < 0.6:
            at = scene.almanac.true(day * DAY + chance.gauss(11.5, 0.7) * HOUR)
            yield at, at + chance.uniform(3, 9)
    for crossing in scene.crossings:
        if crossing.comes and chance.random() < 0.25:
            at = crossing.at - chance.uniform(20, 60)
            yield at, at + chance.uniform(4, 15)


def _window(scene: Scene, fitting: Fitting, chance: Random) -> Iterator[Span]:
    """Opened while somebody is up in the room, longer in warm weather, closed before all leave or go to bed."""
    windows = max(1, len(scene.house.of("window")))
    a_day = WINDOW_OPENINGS.draw(chance) / windows * 1.5
    length = WINDOW_OPEN.draw(chance) * MINUTE
    stays = [stay for stay in scene.stays_in(fitting.room) if stay.activity not in ("sleep", "night", "pass")]
    share = a_day * scene.almanac.days / max(1, len(stays))
    favoured = chance.choice(("cook", "dress", "wash", "move"))
    for stay in stays:
        warm = scene.almanac.outdoors[scene.almanac.index(stay.begin)] - OPEN_ABOVE
        likely = share * (2.0 if stay.activity == favoured else 0.7) * (1.4 if warm > 0 else 0.8)
        span = within(scene.awake, stay.begin + 30)
        if chance.random() < likely and span is not None:
            at = stay.begin + chance.uniform(0.2, 0.9) * min(stay.end - stay.begin, 10 * MINUTE)
            open_for = length * chance.lognormvariate(0, 0.4) * (1 + max(0.0, warm) / 2)
            forgotten = chance.random() < 0.03
            yield at, (at + open_for + 3 * HOUR if forgotten else max(at + 20, min(at + open_for, span[1] - 90)))


def _thermostat(scene: Scene, log: Log, fitting: Fitting, chance: Random) -> None:
    """Set by schedule (wall clock) where that is automated, by hand and by phone; only on cold days."""
    almanac = scene.almanac
    day_at, night_at = chance.uniform(5.5, 7.5), chance.uniform(21.5, 23)
    warm, cool = chance.choice((20.0, 20.5, 21.0)), chance.choice((15.5, 16.5, 17.0))
    adults = [person.name for person in scene.home.residents if person.adult]
    for day in range(almanac.days):
        if almanac.outdoors[day] > HEATED_BELOW:
            continue
        if "heating" in scene.house.automations:
            by = ("automation:heating", "hub")
            log.put(fitting, almanac.true(day * DAY + day_at * HOUR) + chance.random(), "setpoint", warm, *by)
            log.put(fitting, almanac.true(day * DAY + night_at * HOUR) + chance.random(), "setpoint", cool, *by)
        at = almanac.true(day * DAY + chance.gauss(18.5, 2) * HOUR)
        if chance.random() < 0.25 and within(scene.awake, at):
            person, phone = chance.choice(adults), chance.random() < 0.6
            value = warm + chance.choice((-0.5, 0.5, 1.0))
            by_whom = (f"person:{person}", f"app:{person}-phone") if phone else (None, "manual")
            log.put(fitting, at, "setpoint", value, *by_whom)


def _shutter(scene: Scene, log: Log, fitting: Fitting, chance: Random) -> None:
    """Up in the morning, down at dusk: by the sun, or when somebody is up to do it."""
    automatic = "shutters" in scene.house.automations
    for day in range(scene.almanac.days):
        up = max(scene.almanac.dawns[day], scene.almanac.true(day * DAY + 7 * HOUR)) + chance.gauss(0, 20)
        down = scene.almanac.dusks[day] + chance.gauss(0, 20)
        if automatic:
            log.put(fitting, up, "open", None, "automation:shutters", "hub")
            log.put(fitting, down, "closed", None, "automation:shutters", "hub")
        elif scene.is_empty(up) or scene.is_empty(down):
            continue
        elif chance.random() < 0.85:
            log.put(fitting, up + chance.uniform(5, 60) * MINUTE, "open")
            log.put(fitting, down + chance.uniform(5, 40) * MINUTE, "closed")


def _button(scene: Scene, log: Log, fitting: Fitting, chance: Random) -> None:
    """Pressed beside the bed: goodnight, on many evenings."""
    owner = next(person for person in scene.home.residents if person.adult)
    for stay in scene.stays_in(fitting.room):
        if stay.activity == "sleep" and stay.person == owner.name and chance.random() < 0.7:
            log.put(fitting, stay.begin - chance.uniform(5, 90), "pressed", None, None, "remote")


@dataclass(frozen=True, slots=True)
class Moment:
    """An hour that is over: the hour of the day, the temperature outside, and what people were doing in it."""

    hour: float
    outdoors: float
    doing: frozenset[str]


Reading = tuple[str, float, float, Callable[[Moment], float]]
"""The action, the step of values, the noise, and the value."""


def _read(scene: Scene, log: Log, fitting: Fitting, reading: Reading) -> None:
    """A reading an hour, if it has changed by a step: of what people do at that time."""
    action, step, noise, value_of = reading
    chance, last, place = chance_of(*scene.key, "readings", fitting.task), -99.0, 0
    stays, going = scene.stays, list[Stay]()
    at = scene.almanac.midnights[0] + chance.uniform(0, HOUR)
    while at < scene.almanac.midnights[scene.almanac.days]:
        while place < len(stays) and stays[place].begin < at:
            going.append(stays[place])
            place += 1
        going = [stay for stay in going if stay.end > at - HOUR]
        day = scene.almanac.index(at)
        hour = (at - scene.almanac.midnights[day]) / HOUR
        doing = frozenset(stay.activity for stay in going)
        value = value_of(Moment(hour, scene.almanac.outdoors[day], doing))
        value += chance.gauss(0, noise) if value else 0.0
        if abs(value - last) >= step:
            last = round(round(value / step) * step, 3)
            log.put(fitting, at, action, last)
        at += HOUR


def _power(moment: Moment) -> float:
    """Kilowatt-hours in the last hour."""
    used = {"cook": 0.9, "watch": 0.15, "desk": 0.12, "breakfast": 0.2, "wash": 0.15}
    dark = 0.1 if moment.hour < 7 or moment.hour > 18 else 0.0
    lights = dark if moment.doing - {"sleep"} else 0.0
    return 0.12 + lights + sum(used.get(activity, 0.0) for activity in sorted(moment.doing))


def _water(moment: Moment) -> float:
    """Litres in the last hour."""
    used = {"wash": 45.0, "cook": 10.0, "night": 8.0, "move": 9.0, "breakfast": 5.0, "eat": 8.0}
    return sum(used.get(activity, 0.0) for activity in sorted(moment.doing))


def _temperature(moment: Moment) -> float:
    heated = 18.5 + (1.5 if 8 < moment.hour < 22 else 0.0) + (0.3 if moment.doing else -0.5)
    return max(heated, 0.8 * moment.outdoors + 6 + (1.5 if 13 < moment.hour < 20 else 0.0))


def _humidity(moment: Moment) -> float:
    return 52 + (14 if "wash" in moment.doing else 0) + (3 if "cook" in moment.doing else 0)


_MAKERS: Final[dict[str, tuple[Maker, tuple[str, str]]]] = {
    "fridge": (_fridge, ("open", "closed")),
    "cupboard": (_cupboard, ("open", "closed")),
    "window": (_window, ("open", "closed")),
    "pills": (_pills, ("open", "closed")),
    "mailbox": (_mailbox, ("open", "closed")),
    "flush": (_flush, ("on", "off")),
    "coffee": (_coffee, ("on", "off")),
    "television": (_television, ("on", "off")),
    "oven": (_oven, ("on", "off")),
    "washing": (_washing, ("on", "off")),
    "dishes": (_dishes, ("on", "off")),
    "desk": (_desk, ("on", "off")),
}

_READINGS: Final[dict[str, Reading]] = {
    "power": ("reading", 0.2, 0.04, _power),
    "water": ("reading", 10.0, 3.0, _water),
    "temperature": ("reading", 0.5, 0.15, _temperature),
    "humidity": ("reading", 5.0, 1.5, _humidity),
}
