"""``homeward bench poison``: an attacker who teaches slowly.

For thirty nights a growing part of a night entry is acted out (see `homeward.bench.teaching`); nobody answers. Then
the whole entry comes. The guard is measured beside itself as it would be if it learned whatever it sees, and both
once more with attackers who never touch the entrance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from homeward.bench.always_learn import AlwaysLearn
from homeward.bench.goals import GOALS_HEAD, goal_rows, rate_at_least
from homeward.bench.homes import LEARNING_DAYS, Household
from homeward.bench.methods import Homeward, Method
from homeward.bench.rates import rate, shown
from homeward.bench.report import bullets, figure, markdown_table, measured, text_table
from homeward.bench.residences import Progress, Residence, in_parallel, recorded, simulated
from homeward.bench.teaching import Outcome, schemes, teach

__all__ = ["HOUSEHOLDS", "SEED", "markdown", "run", "table"]

SEED = 1000
HOUSEHOLDS = 10
TRIALS = 10
SIMULATED_TRIALS = 4
"""Attackers in each simulated household, of which there are more than recorded ones."""

BUDGET = 1.0
LEAST_CAUGHT = 0.95
LEARNERS = ("guard", "always_learn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One home to be measured with so many attackers."""

    residence: Residence
    seed: int
    trials: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One home: what became of every attacker, by learner; with the entrance and by motion only."""

    home: str
    real: bool
    reason: str
    with_entrance: Mapping[str, Sequence[Outcome]] = field(default_factory=dict)
    motion_only: Mapping[str, Sequence[Outcome]] = field(default_factory=dict)


def run(
    data: Path,
    *,
    seed: int = SEED,
    households: int = HOUSEHOLDS,
    trials: int | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
) -> dict[str, Any]:
    """Measure every recorded home with an entrance and at least 14 active days, and so many simulated households.

    The answer is a pure function of the data, the seed, ``households`` and ``trials`` (attackers in each home, who
    begin on different nights; by default ten, in simulated ones four); ``workers`` (processes) and ``progress``
    change nothing in it.

    Raises:
        FileError: a file of the folder cannot be read.
    """
    jobs = [
        (place.name, Job(residence=place, seed=seed, trials=trials or most))
        for places, most in ((recorded(data, _suits), TRIALS), (simulated(seed, households), SIMULATED_TRIALS))
        for place in places
    ]
    return _result(in_parallel(measure, jobs, workers=workers, progress=progress), seed)


def _suits(home: Household) -> bool:
    return bool(home.roles("entrance")) and len(home.days) >= LEARNING_DAYS


def measure(job: Job) -> Measured:
    """One home, through both learners."""
    home = job.residence.household()
    by_door, reason = schemes(home, seed=job.seed, most=job.trials, by_door=True)
    by_motion, _ = schemes(home, seed=job.seed, most=job.trials, by_door=False)
    methods: dict[str, Method] = {"guard": Homeward(home, BUDGET), "always_learn": AlwaysLearn(home, BUDGET)}
    outcomes = {
        name: teach(method, home, [*by_door, *by_motion], seed=job.seed) if by_door else []
        for name, method in methods.items()
    }
    return Measured(
        home=home.name,
        real=home.real,
        reason=reason,
        with_entrance={name: found[: len(by_door)] for name, found in outcomes.items()},
        motion_only={name: found[len(by_door) :] for name, found in outcomes.items()},
    )


def _result(homes: Sequence[Measured], seed: int) -> dict[str, Any]:
    pools = {"real": [home for home in homes if home.real], "simulated": [home for home in homes if not home.real]}
    shown = {home.home: {"real": home.real, **_figures([home])} for home in homes}
    pooled = {kind: _figures(pool) if pool else None for kind, pool in pools.items()}
    return {
        "homes": shown,
        "pooled": pooled,
        "targets": {
            **{kind: _goals(pool) if pool else None for kind, pool in pooled.items()},
            "homes": {name: _goals(home) for name, home in shown.items()},
        },
        "reasons": {home.home: home.reason for home in homes if home.reason},
        "seed": seed,
    }


def _goals(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {"guard": rate_at_least(figures, "guard", LEAST_CAUGHT)}


def _figures(homes: Sequence[Measured]) -> dict[str, Any]:
    """The figures of one home, or of several together."""
    return {
        **_rates([home.with_entrance for home in homes]),
        "motion_only": _rates([home.motion_only for home in homes]),
    }


def _rates(homes: Sequence[Mapping[str, Sequence[Outcome]]]) -> dict[str, Any]:
    outcomes = {name: [one for home in homes for one in home.get(name, ())] for name in LEARNERS}
    figures: dict[str, Any] = {"trials": len(outcomes["guard"])}
    for name, found in outcomes.items():
        figures |= rate(name, [one.caught for one in found])
    figures |= rate("alarmed_during", [one.alarmed_during for one in outcomes["guard"]])
    return figures | rate("always_learn_alarmed_during", [one.alarmed_during for one in outcomes["always_learn"]])


HEAD = (
    "home", "attackers", "guard catches", "always learning catches", "guard alarmed during the lessons",
    "motion only: guard", "motion only: always learning",
)  # fmt: skip


def table(result: Mapping[str, Any]) -> str:
    """The pools and every home, and what became of the target, as aligned columns."""
    goals = text_table(GOALS_HEAD, goal_rows(result["targets"]))
    return "\n".join([text_table(HEAD, _rows(result)), goals, bullets(_notes(result))])


def markdown(result: Mapping[str, Any], *, command: str | None = None) -> str:
    """The same in Markdown. ``command`` adds the line that says when, where and by which command it was measured."""
    line = [measured(f"{command} --seed {result['seed']}")] if command else []
    goals = markdown_table(GOALS_HEAD, goal_rows(result["targets"]))
    return "\n".join([markdown_table(HEAD, _rows(result)), goals, bullets([*_notes(result), *line])])


def _rows(result: Mapping[str, Any]) -> Iterator[list[str]]:
    for kind, pool in result["pooled"].items():
        if pool:
            yield _row(f"all {kind}", pool)
    for name, home in result["homes"].items():
        if home["trials"]:
            yield _row(name, home)


def _row(name: str, figures: Mapping[str, Any]) -> list[str]:
    motion = figures["motion_only"]
    return [
        name,
        figure(figures["trials"], 0),
        shown(figures, "guard"),
        shown(figures, "always_learn"),
        shown(figures, "alarmed_during"),
        shown(motion, "guard"),
        shown(motion, "always_learn"),
    ]


def _notes(result: Mapping[str, Any]) -> Iterable[str]:
    yield (
        "Shares of the attackers, with their 95 % interval (Wilson). In one home attackers come on different nights, "
        "but to the same household: the interval tells nothing about other homes."
    )
    yield "“Always learning” is the same guard with each of its alarms answered “that was me” at once."
    for name, reason in result["reasons"].items():
        yield f"No figure for {name}: {reason}."
