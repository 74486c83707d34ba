"""``homeward bench change``: habits change; alarms must not explode.

Two tests: sets of windows that tell of an old context and then of a new one (`homeward.bench.new_context`), and
homes whose clock moves by six hours half-way (`homeward.bench.new_clock`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from homeward.bench import new_context
from homeward.bench.goals import GOALS_HEAD, goal_rows, rate_at_least, value_at_most
from homeward.bench.homes import DAYS_A_WEEK
from homeward.bench.new_clock import LEAST_DAYS, QUIET_DAYS, Moved, can_move, move
from homeward.bench.rates import rate, shown
from homeward.bench.report import NONE, bullets, figure, markdown_table, measured, share, text_table
from homeward.bench.residences import Progress, Residence, in_parallel, recorded, simulated
from homeward.bench.sequences.windows import find_sets

__all__ = ["HOUSEHOLDS", "SEED", "markdown", "run", "table"]

SEED = 1000
HOUSEHOLDS = 30
MOST_DAYS = 5
MOST_ALARMS = 3
LEAST_CAUGHT = 0.95
SETS = "smartgen-"
"""Sets by such a name tell of an old context in splits train and validation, and of a new one in split test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A set of windows or a home, to be measured in a process of its own."""

    name: str
    seed: int
    windows: Path | None = None
    residence: Residence | None = None


def run(
    data: Path,
    *,
    seed: int = SEED,
    households: int = HOUSEHOLDS,
    progress: Progress | None = None,
    workers: int | None = None,
) -> dict[str, Any]:
    """Measure every set whose name says so, every recorded home with an entrance and at least 60 active days, and
    so many simulated households.

    The answer is a pure function of the data, the seed and ``households``; ``workers`` (processes) and ``progress``
    change nothing in it.

    Raises:
        FileError: a file of the folder cannot be read.
    """
    sets = [(name, path) for name, path in find_sets(data).items() if name.startswith(SETS)]
    places = [*recorded(data, can_move), *simulated(seed, households)]
    jobs = [
        *(Job(name=place.name, seed=seed, residence=place) for place in places),
        *(Job(name=name, seed=seed, windows=path) for name, path in sets),
    ]
    done = in_parallel(measure, [(job.name, job) for job in jobs], workers=workers, progress=progress)
    return _result(dict(zip((name for name, _ in sets), done[len(places) :], strict=True)), done[: len(places)], seed)


def measure(job: Job) -> Any:
    """The figures of a set, or what became of a home: a `Moved`, or, where it cannot be asked, its name and why."""
    if job.windows:
        return new_context.figures(job.name, job.windows, job.seed)
    if job.residence is None:
        raise ValueError(f"{job.name} is neither a set nor a home")
    home = job.residence.household()
    if not home.roles("entrance"):
        return home.name, "the home has no entrance"
    if not can_move(home):
        return home.name, f"the home has fewer than {LEAST_DAYS} active days"
    return move(home, job.seed)


def _result(sets: Mapping[str, Any], homes: Sequence[Any], seed: int) -> dict[str, Any]:
    moved = [home for home in homes if isinstance(home, Moved)]
    reasons = {home[0]: home[1] for home in homes if not isinstance(home, Moved)}
    pools = {"real": [home for home in moved if home.real], "simulated": [home for home in moved if not home.real]}
    shown_homes = {home.home: {"real": home.real, **_figures([home])} for home in moved}
    pooled = {kind: _figures(pool) if pool else None for kind, pool in pools.items()}
    return {
        "sets": dict(sets),
        "homes": shown_homes,
        "pooled": pooled,
        "targets": {
            **{kind: _goals(pool) if pool else None for kind, pool in pooled.items()},
            "homes": {name: _goals(home) for name, home in shown_homes.items()},
        },
        "reasons": reasons | ({} if sets else {"sets": f"no file {SETS}*.sequences.csv.gz"}),
        "seed": seed,
    }


def _goals(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "days_to_quiet": value_at_most(figures["days_to_quiet"], MOST_DAYS),
        "alarms_in_change": value_at_most(figures["alarms_in_change"], MOST_ALARMS),
        "night_entry_after": rate_at_least(figures, "night_entry_after", LEAST_CAUGHT),
    }


def _figures(homes: Sequence[Moved]) -> dict[str, Any]:
    """One home, or several together: of days and alarms in the change the median home, where never quiet again
    counts as longer than any; of everything else the sum."""
    quiet = sorted(float("inf") if home.days_to_quiet is None else home.days_to_quiet for home in homes)
    middle = quiet[(len(quiet) - 1) // 2]
    figures: dict[str, Any] = {
        "homes": len(homes),
        "days_to_quiet": None if middle == float("inf") else int(middle),
        "alarms_in_change": median(home.alarms_in_change for home in homes),
        "never_quiet": sum(home.days_to_quiet is None for home in homes),
        "alarms_per_week_before": _weekly(homes, "before"),
        "alarms_per_week_after": _weekly(homes, "after"),
    }
    figures |= rate("night_entry_before", [delay is not None for home in homes for delay in home.before])
    return figures | rate("night_entry_after", [delay is not None for home in homes for delay in home.after])


def _weekly(homes: Sequence[Moved], when: str) -> float | None:
    alarms = sum(home.alarms_before if when == "before" else home.alarms_after for home in homes)
    days = sum(home.days_before if when == "before" else home.days_after for home in homes)
    return round(alarms * DAYS_A_WEEK / days, 6) if days else None


SETS_HEAD = (
    "set", "new windows", "alarms of the first hundred", "of the last", "last, without learning", "windows to quiet",
    "attacks before", "attacks after",
)  # fmt: skip
HOMES_HEAD = (
    "home", "days to quiet", "alarms in the change", "a week before", "a week after", "night entries before",
    "in the new night",
)  # fmt: skip


def table(result: Mapping[str, Any]) -> str:
    """The sets, the pools and every home, and what became of the targets, as aligned columns."""
    parts = [text_table(head, rows) for head, rows in _tables(result)]
    return "\n".join([*parts, bullets(_notes(result))])


def markdown(result: Mapping[str, Any], *, command: str | None = None) -> str:
    """The same in Markdown. ``command`` adds the line that says when, where and by which command it was measured."""
    parts = [markdown_table(head, rows) for head, rows in _tables(result)]
    line = [measured(f"{command} --seed {result['seed']}")] if command else []
    return "\n".join([*parts, bullets([*_notes(result), *line])])


def _tables(result: Mapping[str, Any]) -> Iterator[tuple[Sequence[str], list[list[str]]]]:
    if result["sets"]:
        yield SETS_HEAD, [_set_row(name, figures) for name, figures in result["sets"].items()]
    pools = [(f"all {kind} (the median home)", pool) for kind, pool in result["pooled"].items() if pool]
    homes = [*pools, *result["homes"].items()]
    if homes:
        yield HOMES_HEAD, [_home_row(name, figures) for name, figures in homes]
        yield GOALS_HEAD, list(goal_rows(result["targets"]))


def _set_row(name: str, figures: Mapping[str, Any]) -> list[str]:
    return [
        name,
        str(figures["new_windows"]),
        share(figures["rates"][0]),
        share(figures["rates"][-1]),
        share(figures["rates_without_learning"][-1]),
        figure(figures["windows_to_quiet"], 0),
        share(figures["attacks_before"]),
        share(figures["attacks_after"]),
    ]


def _home_row(name: str, figures: Mapping[str, Any]) -> list[str]:
    return [
        name,
        figure(figures["days_to_quiet"], 0),
        f"{figures['alarms_in_change']:g}",
        figure(figures["alarms_per_week_before"]),
        figure(figures["alarms_per_week_after"]),
        shown(figures, "night_entry_before"),
        shown(figures, "night_entry_after"),
    ]


def _notes(result: Mapping[str, Any]) -> Iterable[str]:
    yield (
        "Shares come with their 95 % interval (Wilson). Windows to quiet: until, of the hundred that follow, fewer "
        "than twice the old share alarm (which counts as no less than the two in a hundred that the threshold "
        f"promises); “{NONE}”: no such hundred came. Before it has learned, nearly every window of the new "
        "context alarms, attack or not."
    )
    yield (
        f"Days to quiet: active days until the first fortnight with no more than twice the budget; “{NONE}”: none "
        f"came. Alarms in the change: those of the first {QUIET_DAYS} active days after it. The new night is from "
        "01:00 to 05:00 on the clock that everybody lived by before; its entries lie in the whole second half."
    )
    for name, reason in result["reasons"].items():
        yield f"No figure for {name}: {reason}."
