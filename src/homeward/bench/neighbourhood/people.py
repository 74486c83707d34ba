"""Who lives in a household, and the habits of each: drawn once, from the seed and the number of the household."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from homeward.bench.neighbourhood.ranges import (
    BACK_SPREAD,
    BED,
    BED_LATER,
    BED_SPREAD,
    CHILD_BED,
    COMMUTE,
    DRIFT,
    EARLY,
    EVENING_OUT,
    FREE_OUTING,
    LEAVE,
    LEAVE_SPREAD,
    NEW_JOB,
    NIGHT_VISITS,
    OLD_IN_BED,
    OLD_NIGHT_VISITS,
    OLD_OUTING,
    OLD_WAKE,
    SCHOOL_OUT,
    SHARES,
    SHIFT_LENGTH,
    SICK,
    STUDENT_BED,
    STUDENT_WAKE,
    TEEN_BED,
    WAKE,
    WAKE_LATER,
    WAKE_SPREAD,
    WORK,
    chance_of,
)

KINDS: Final = (
    "family", "single", "couple", "elderly", "shift", "students", "home-office", "holiday", "retired", "shift-family",
)  # fmt: skip
"""The kind of household number n is ``KINDS[n % 10]``."""

ROTATIONS: Final = (
    "EELLNN----", "EEEEE--LLLLL--NNNNN--", "EEEE--", "LLLL--", "NNNN---", "EEELLL--", "NN--NNN--", "EELL--",
)  # fmt: skip
"""Early, late and night shifts and days off, day by day. Invented, after common rosters."""

LEAST_IN_BED: Final = 7.3
"""Hours in bed before a workday (mean 7 h 23 min in Spain)."""

NAMES: Final = (
    "anna", "ben", "carla", "david", "elif", "femke", "george", "hanna", "ivan", "julia", "karim", "lena", "mateo",
    "nora", "oscar", "paula", "quentin", "rosa", "sven", "tara", "umar", "vera", "wim", "xenia", "yusuf", "zoe",
    "aiko", "bruno", "chloe", "diego", "emma", "finn", "grace", "hugo", "ines", "jonas", "kate", "liam", "mila",
    "noah", "olga", "pavel", "ruth", "samir", "tess", "victor", "willa", "yara",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Hours are of the home's clock (24 and more: after midnight), spreads are standard deviations in hours.

    ``way`` is worker, home-worker, shift, student, pupil or retired. ``leave`` and ``back`` are of a workday or
    school day; ``evenings`` are weekly appointments by weekday, as (hour, length).
    """

    name: str
    way: str
    wake: float
    wake_free: float
    bed: float
    bed_free: float
    wake_spread: float
    bed_spread: float
    leave: float = 8.0
    back: float = 17.0
    leave_spread: float = 0.15
    back_spread: float = 0.4
    home_days: frozenset[int] = frozenset()
    evenings: dict[int, tuple[float, float]] = field(default_factory=dict)
    rotation: str = ""
    phase: int = 0
    night_visits: float = 0.3
    outings: float = 0.5
    evenings_out: float = 0.1
    sick: float = 0.02
    bedroom: str = "bedroom"
    job: tuple[int, float] | None = None
    drift: float = 0.0
    adult: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RegularVisitor:
    """Somebody who comes and has a code of their own: a carer, a cleaner, a caretaker. ``days`` are weekdays."""

    name: str
    task: str
    days: frozenset[int]
    hour: float
    length: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Inhabitants:
    """The people of a household."""

    kind: str
    residents: tuple[Person, ...]
    regulars: tuple[RegularVisitor, ...]
    pet: bool


def has(chance: Random, share: str) -> bool:
    """Whether this home has what that share of homes has."""
    return chance.random() < SHARES[share][0]


def people(seed: int, number: int, days: int) -> Inhabitants:
    """The people of household ``number``."""
    chance = chance_of("people", seed, number)
    kind = KINDS[number % len(KINDS)]
    names = chance.sample(NAMES, 8)
    makers: dict[str, Callable[[Random, list[str]], list[Person]]] = {
        "family": _family,
        "single": lambda chance, names: [_worker(chance, names[0])],
        "couple": lambda chance, names: [_worker(chance, name) for name in names[:2]],
        "elderly": lambda chance, names: [_retired(chance, names[0])],
        "shift": lambda chance, names: [_shift(chance, names[0])],
        "students": _students,
        "home-office": _home_office,
        "holiday": _holiday,
        "retired": _retired_couple,
        "shift-family": _shift_family,
    }
    residents = makers[kind](chance, names)
    residents = [_changes(chance, person, days) for person in residents]
    regulars = list(_regulars(chance, kind, names[6], names[7]))
    pet = kind != "holiday" and has(chance, "pet")
    return Inhabitants(kind=kind, residents=tuple(residents), regulars=tuple(regulars), pet=pet)


def _changes(chance: Random, person: Person, days: int) -> Person:
    job, drift = person.job, 0.0
    if person.way in ("worker", "home-worker") and has(chance, "job"):
        job = (round(chance.uniform(0.35, 0.8) * days), NEW_JOB.draw(chance))
    if has(chance, "drift"):
        drift = DRIFT.draw(chance)
    return replace(person, job=job, drift=drift)


def _worker(chance: Random, name: str, *, home: bool = False) -> Person:
    leave = LEAVE.draw(chance)
    length = WORK.draw(chance) + chance.uniform(0.4, 1.0) + 2 * COMMUTE.draw(chance)
    wake = min(WAKE.draw(chance), leave - chance.uniform(0.6, 1.2))
    bed = min(BED.draw(chance), wake + 24 - LEAST_IN_BED)
    office_days = chance.sample(range(5), chance.randint(1, 2))
    home_days = (
        set(range(5)) - set(office_days) if home else set(chance.sample(range(5), chance.choice((0, 0, 1, 2))))
    )
    evenings = {
        day: (chance.uniform(18.2, 20.0), chance.uniform(1.2, 2.5))
        for day in chance.sample(range(5), chance.choice((0, 1, 1, 2)))
    }
    return Person(
        name=name,
        way="home-worker" if home else "worker",
        wake=wake,
        wake_free=wake + WAKE_LATER.draw(chance),
        bed=bed,
        bed_free=bed + BED_LATER.draw(chance),
        wake_spread=WAKE_SPREAD.draw(chance) / 60,
        bed_spread=BED_SPREAD.draw(chance) / 60,
        leave=leave,
        back=leave + length,
        leave_spread=LEAVE_SPREAD.draw(chance) / 60,
        back_spread=BACK_SPREAD.draw(chance) / 60,
        home_days=frozenset(home_days),
        evenings=evenings,
        night_visits=NIGHT_VISITS.draw(chance),
        outings=FREE_OUTING.draw(chance),
        evenings_out=EVENING_OUT.draw(chance),
        sick=SICK.draw(chance),
    )


def _shift(chance: Random, name: str) -> Person:
    """``leave`` is when the early shift begins; the late and night ones follow 8 and 16 h later."""
    rotation = chance.choice(ROTATIONS)
    person = _worker(chance, name)
    return replace(
        person,
        way="shift",
        rotation=rotation,
        phase=chance.randrange(len(rotation)),
        leave=EARLY.draw(chance),
        back=SHIFT_LENGTH.draw(chance) + 2 * COMMUTE.draw(chance),
        home_days=frozenset(),
        evenings={},
    )


def _pupil(chance: Random, name: str, age: int, school: float) -> Person:
    teen = age >= 12
    bed = (TEEN_BED if teen else CHILD_BED).draw(chance)
    leave = school + chance.uniform(-0.15, 0.15)
    wake = leave - chance.uniform(0.8, 1.3)
    afternoons = chance.sample(range(5), chance.randint(1, 2))
    return Person(
        name=name,
        way="pupil",
        wake=wake,
        wake_free=wake + chance.uniform(0.3, 1.0) + (1.5 if teen else 0),
        bed=bed,
        bed_free=bed + chance.uniform(0.3, 1.0),
        wake_spread=WAKE_SPREAD.low / 60,
        bed_spread=BED_SPREAD.low / 60,
        leave=leave,
        back=leave + SCHOOL_OUT.draw(chance),
        leave_spread=LEAVE_SPREAD.low / 60,
        back_spread=BACK_SPREAD.low / 60,
        evenings={day: (chance.uniform(16.2, 17.5), chance.uniform(1.0, 1.8)) for day in afternoons},
        night_visits=0.15 if teen else 0.25,
        outings=FREE_OUTING.draw(chance) if teen else 0.3,
        evenings_out=0.1 if age >= 16 else 0.0,
        bedroom=f"{name}'s room",
        adult=False,
    )


def _student(chance: Random, name: str) -> Person:
    wake, bed = STUDENT_WAKE.draw(chance), STUDENT_BED.draw(chance)
    return Person(
        name=name,
        way="student",
        wake=wake,
        wake_free=wake + WAKE_LATER.draw(chance) * 0.7,
        bed=bed,
        bed_free=bed + BED_LATER.draw(chance),
        wake_spread=WAKE_SPREAD.high / 60,
        bed_spread=1.6 * BED_SPREAD.high / 60,
        leave=chance.choice((9.0, 10.0, 11.0, 12.5)),
        back=chance.uniform(14.5, 18.0),
        leave_spread=0.4,
        back_spread=1.0,
        home_days=frozenset(chance.sample(range(5), chance.randint(0, 2))),
        evenings={day: (chance.uniform(17.5, 20), chance.uniform(1.5, 3)) for day in chance.sample(range(4), 1)},
        night_visits=NIGHT_VISITS.draw(chance),
        outings=FREE_OUTING.draw(chance),
        evenings_out=2 * EVENING_OUT.draw(chance),
        bedroom=f"{name}'s room",
    )


def _retired(chance: Random, name: str) -> Person:
    wake = OLD_WAKE.draw(chance)
    bed = wake + 24 - OLD_IN_BED.draw(chance)
    evenings = {chance.randrange(5): (chance.uniform(13.5, 15.0), chance.uniform(1.5, 3.0))}
    return Person(
        name=name,
        way="retired",
        wake=wake,
        wake_free=wake,
        bed=bed,
        bed_free=bed + 0.2,
        wake_spread=WAKE_SPREAD.draw(chance) / 60,
        bed_spread=BED_SPREAD.draw(chance) / 60,
        leave=chance.uniform(9.3, 10.8),
        back=chance.uniform(0.8, 1.8),
        evenings=evenings,
        night_visits=OLD_NIGHT_VISITS.draw(chance),
        outings=OLD_OUTING.draw(chance),
        evenings_out=EVENING_OUT.low,
    )


def _family(chance: Random, names: list[str]) -> list[Person]:
    parents = [_worker(chance, names[0]), _worker(chance, names[1], home=chance.random() < 0.3)]
    if chance.random() < 0.12:
        parents = parents[:1]
    # Who has children at home does not work late every day: the second parent is back earlier.
    parents[-1] = replace(parents[-1], back=parents[-1].back - chance.uniform(0.5, 2.5))
    school = chance.uniform(7.6, 8.5)
    children = [_pupil(chance, name, chance.randint(6, 17), school) for name in names[2 : 2 + chance.randint(1, 3)]]
    return parents + children


def _shift_family(chance: Random, names: list[str]) -> list[Person]:
    school = chance.uniform(7.6, 8.5)
    children = [_pupil(chance, name, chance.randint(6, 17), school) for name in names[2 : 2 + chance.randint(0, 2)]]
    return [_shift(chance, names[0]), _worker(chance, names[1]), *children]


def _students(chance: Random, names: list[str]) -> list[Person]:
    return [_student(chance, name) for name in names[: chance.randint(3, 4)]]


def _home_office(chance: Random, names: list[str]) -> list[Person]:
    return [
        _worker(chance, names[0], home=True),
        *[_worker(chance, name) for name in names[1 : chance.randint(1, 2)]],
    ]


def _retired_couple(chance: Random, names: list[str]) -> list[Person]:
    one, other = _retired(chance, names[0]), _retired(chance, names[1])
    return [one, replace(other, bed=one.bed + chance.uniform(-0.5, 0.5), bed_free=one.bed_free)]


def _holiday(chance: Random, names: list[str]) -> list[Person]:
    if chance.random() < 0.5:
        return [_retired(chance, names[0]), _retired(chance, names[1])]
    adults = [_worker(chance, name) for name in names[:2]]
    return [*adults, *[_pupil(chance, name, 10, 8.0) for name in names[2 : 2 + chance.randint(0, 2)]]]


def _regulars(chance: Random, kind: str, first: str, second: str) -> list[RegularVisitor]:
    regulars = []
    if kind == "elderly":
        days = frozenset(chance.sample(range(7), chance.randint(3, 7)))
        hour = chance.uniform(8.2, 10.5)
        regulars.append(RegularVisitor(name=first, task="carer", days=days, hour=hour, length=0.0))
    if kind == "holiday":
        regulars.append(
            RegularVisitor(name=first, task="caretaker", days=frozenset({chance.randrange(5)}), hour=10.5, length=0.7)
        )
    elif has(chance, "cleaner"):
        days = frozenset({chance.randrange(5)})
        hour = chance.uniform(8.8, 13.5)
        regulars.append(RegularVisitor(name=second, task="cleaner", days=days, hour=hour, length=0.0))
    return regulars
