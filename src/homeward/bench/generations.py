"""``homeward bench generations``: rules, one size for all, personal.

Three generations of guards see the same homes and the same intruders as in ``bench quiet``: plain rules, the guard's
own model learned from other homes only, and the guard. Each has one threshold for all homes of a kind. At one alarm a
week it is set on the odd weeks and the odd trials; what is told is the share of even trials that are then detected,
and the alarms of the even weeks. To catch 95 % of those who enter at an odd hour it is set on the odd ones of these
trials; what is told are the alarms of all weeks, which had no part in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any, Final

from homeward.bench.goals import GOALS_HEAD, goal_rows, value_at_least, value_at_most
from homeward.bench.homes import LEARNING_DAYS, Household
from homeward.bench.judging import Measured, figures
from homeward.bench.one_size import ONE_SIZE_LEVELS, OneSize, learn
from homeward.bench.readings import play, read
from homeward.bench.report import bullets, figure, markdown_table, measured, share, text_table
from homeward.bench.residences import Progress, Residence, in_parallel, recorded, simulated
from homeward.bench.scenarios import plan, shares_a_kind
from homeward.bench.scored import PERSONAL_LEVELS, RULES_LEVELS, Marking, Panel, Personal

__all__ = ["GENERATIONS", "HOUSEHOLDS", "SEED", "markdown", "run", "table"]

SEED = 1000
HOUSEHOLDS = 10
LEVELS: Final = {
    "rules": (*RULES_LEVELS, inf),
    "one_size": (*ONE_SIZE_LEVELS, inf),
    "personal": (*PERSONAL_LEVELS, inf),
}
"""The thresholds of each, from the most sensitive to that of a guard switched off."""

GENERATIONS: Final = tuple(LEVELS)
AHEAD_BY: Final = 0.15
ALARMS_SHARE: Final = 0.2
FOLDS: Final = 2
"""Simulated households learn from those of the other fold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What the teachers' homes have to teach; of recorded ones only those with a device of the pupil's kinds."""

    teachers: Sequence[Residence]
    pupil: Residence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A home to be measured. ``learned`` is what other homes taught, ``guests`` may show their days in it."""

    residence: Residence
    guests: Sequence[Residence]
    trials_per_week: int
    seed: int
    learned: bytes


def run(
    data: Path,
    *,
    seed: int = SEED,
    households: int = HOUSEHOLDS,
    progress: Progress | None = None,
    workers: int | None = None,
) -> dict[str, Any]:
    """Measure every recorded home with at least 14 active days, and so many simulated households.

    The answer is a pure function of the data, the seed and ``households``; ``workers`` (processes) and ``progress``
    change nothing in it.

    Raises:
        FileError: a file of the folder cannot be read.
    """
    real, made_up = list(recorded(data, is_active)), list(simulated(seed, households + 1))
    alone = [Lesson(teachers=[other for other in real if other != one], pupil=one) for one in real]
    folds = [Lesson(teachers=made_up[:households][fold::FOLDS]) for fold in range(FOLDS)] if households else []
    lessons = [*alone, *folds]
    total = len(lessons) + len(real) + households

    def step(first: int) -> Progress | None:
        return (lambda done, _, what: progress(first + done, total, what)) if progress else None

    named = [(f"what others teach {one.pupil.name if one.pupil else 'households'}", one) for one in lessons]
    taught = in_parallel(teach, named, workers=workers, progress=step(0))
    jobs = [
        Job(residence=one, guests=lesson.teachers, trials_per_week=3, seed=seed, learned=learned)
        for one, lesson, learned in zip(real, alone, taught, strict=False)
    ] + [
        Job(residence=one, guests=[neighbour], trials_per_week=1, seed=seed, learned=taught[len(real) + learns_from])
        for one, neighbour in pairwise(made_up)
        for learns_from in [(one.number + 1) % FOLDS]
    ]
    found = in_parallel(
        measure, [(job.residence.name, job) for job in jobs], workers=workers, progress=step(len(lessons))
    )
    return _result([one for one in found if one], seed)


def is_active(home: Household) -> bool:
    """Whether figures can start in this home."""
    return len(home.days) >= LEARNING_DAYS


def teach(lesson: Lesson) -> bytes:
    """What the pupil's home is given."""
    pupil = lesson.pupil.household() if lesson.pupil else None
    homes = [teacher.household() for teacher in lesson.teachers]
    return learn([home for home in homes if pupil is None or shares_a_kind(pupil, home)])


def measure(job: Job) -> Measured | None:
    """One home through every generation; ``None`` if it has too few active days."""
    home = job.residence.household()
    if not is_active(home):
        return None
    guests = [guest.household() for guest in job.guests]
    trials = plan(home, guests, seed=job.seed, trials_per_week=job.trials_per_week)
    played = play(home, trials)
    methods: dict[str, Marking] = {
        "rules": Panel(home),
        "one_size": OneSize(home, job.learned),
        "personal": Personal(home),
    }
    return Measured(
        home=home.name,
        real=home.real,
        reasons=trials.reasons,
        readings={name: read(method, home, played, LEVELS[name], seed=job.seed) for name, method in methods.items()},
    )


def _result(homes: Sequence[Measured], seed: int) -> dict[str, Any]:
    pools = {"real": [home for home in homes if home.real], "simulated": [home for home in homes if not home.real]}
    pooled = {kind: _generations(pool, pool, seed) if pool else None for kind, pool in pools.items()}
    empty = dict.fromkeys(("detection_at_budget_1", "alarms_per_week_at_95"))
    reasons = {kind: f"there is no {kind} home with {LEARNING_DAYS} active days" for kind in pools if not pools[kind]}
    return {
        "generations": pooled["real"] or {name: dict(empty) for name in GENERATIONS},
        "pooled": pooled,
        "homes": {
            home.home: {"real": home.real, "generations": _generations(pool, [home], seed)}
            for pool in pools.values()
            for home in pool
        },
        "targets": {kind: _goals(pool) if pool else None for kind, pool in pooled.items()},
        "reasons": {"pooled": reasons, "homes": {home.home: dict(sorted(home.reasons.items())) for home in homes}},
        "seed": seed,
    }


def _goals(generations: Mapping[str, Any]) -> dict[str, Any]:
    """What personal must reach. Who cannot catch 95 % at any threshold has, so to say, endlessly many alarms."""
    personal, one, rules = (generations[name] for name in ("personal", "one_size", "rules"))

    def ahead_of(other: Mapping[str, Any]) -> dict[str, Any]:
        caught = other["detection_at_budget_1"]
        return value_at_least(personal["detection_at_budget_1"], min(1.0, round((caught or 0.0) + AHEAD_BY, 6)))

    alarms, theirs = personal["alarms_per_week_at_95"], one["alarms_per_week_at_95"]
    allowed = None if theirs is None else round(ALARMS_SHARE * (theirs + 0.1) - 0.1, 6)
    fewer = {"met": alarms is not None, "figure": alarms} if allowed is None else value_at_most(alarms, allowed)
    return {"ahead_of_one_size": ahead_of(one), "ahead_of_rules": ahead_of(rules), "alarms_per_week_at_95": fewer}


def _generations(pool: Sequence[Measured], judged: Sequence[Measured], seed: int) -> dict[str, Any]:
    return {
        name: figures(
            [home.readings[name] for home in pool],
            [home.readings[name] for home in judged],
            name=f"{seed} {name}",
        )
        for name in GENERATIONS
    }


HEAD = (
    "homes", "generation", "caught at one a week", "alarms a week then", "alarms a week to catch 95 % at odd hours",
    "caught then",
)  # fmt: skip


def table(result: Mapping[str, Any]) -> str:
    """Both pools, every real home, and what became of the targets, as aligned columns."""
    goals = text_table(GOALS_HEAD, goal_rows(result["targets"]))
    return "\n".join([text_table(HEAD, _rows(result)), goals, bullets(_notes(result))])


def markdown(result: Mapping[str, Any], *, command: str | None = None) -> str:
    """The same in Markdown. ``command`` adds the line that says when, where and by which command it was measured."""
    line = [measured(f"{command} --seed {result['seed']}")] if command else []
    goals = markdown_table(GOALS_HEAD, goal_rows(result["targets"]))
    return "\n".join([markdown_table(HEAD, _rows(result)), goals, bullets([*_notes(result), *line])])


def _rows(result: Mapping[str, Any]) -> Iterator[list[str]]:
    pools = {f"all {kind}": pool for kind, pool in result["pooled"].items() if pool}
    real = {name: home["generations"] for name, home in result["homes"].items() if home["real"]}
    for name, generations in (pools | real).items():
        for generation, found in generations.items():
            yield [
                name,
                generation.replace("_", " "),
                share(found["caught_at_budget_1"]),
                figure(found["alarms_per_week_at_budget_1"]),
                figure(found["alarms_per_week_at_95"]),
                share(found["caught_at_95"]),
            ]


def _notes(result: Mapping[str, Any]) -> Iterable[str]:
    yield (
        "Caught at one a week: mean over homes and scenarios, on the even trials, with the interval that holds 95 % "
        "of the means of resampled trials (bootstrap). One threshold for all homes, set on odd weeks and trials."
    )
    yield (
        "Caught then: of the even trials of an entry at an odd hour, with its 95 % interval (Wilson). “-”: no "
        "threshold catches so many, or the home has no such trial."
    )
    for kind, reason in result["reasons"]["pooled"].items():
        yield f"No figure for {kind} homes: {reason}."
