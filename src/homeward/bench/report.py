"""Figures for people: tables for the terminal and for a page, and the report of ``bench quiet``.

The first part serves every benchmark: `text_table`, `markdown_table`, `bullets`, `figure`, `share`, `measured`. A
table is its head and its rows, all of them text, so that the terminal and the page never tell two stories.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from homeward.bench.statistics import poisson_tail, wilson

Row = Sequence[str]

NONE = "-"
"""What stands where there is no figure."""


def text_table(head: Row, rows: Iterable[Row]) -> str:
    """Aligned columns for the terminal, with a line below the head; ends with a line feed."""
    lines = [list(map(_plain, head)), *(list(map(_plain, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    told = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    return "\n".join([told[0], "-" * max(map(len, told)), *told[1:]]) + "\n"


def markdown_table(head: Row, rows: Iterable[Row]) -> str:
    """The same as a Markdown table; a bar within a cell is escaped; ends with a line feed."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(_plain(cell).replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def bullets(notes: Iterable[str]) -> str:
    """Notes as a list, in Markdown as on the terminal; ends with a line feed unless there are none."""
    return "".join(f"- {note}\n" for note in notes)


def figure(value: float | None, digits: int = 2) -> str:
    """A number with so many decimals, or the sign that there is none."""
    return NONE if value is None else f"{value:.{digits}f}"


def share(rate: Mapping[str, Any] | None) -> str:
    """A rate with its 95 % interval (``rate``, ``low`` and ``high``), or the sign that there is none."""
    return f"{rate['rate']:.2f} ({rate['low']:.2f}-{rate['high']:.2f})" if rate else NONE


def measured(command: str) -> str:
    """When, on what machine and by which command figures came about: the line that stands below them."""
    today = datetime.now(UTC).date().isoformat()
    return f"Measured on {today} on {_machine()} by `{command}`."


def _plain(cell: str) -> str:
    return " ".join(cell.split())  # a name from a file may hold a line feed, which would end the row


def _machine() -> str:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{os.cpu_count()} cores ({model}), {platform.system()}, Python {platform.python_version()}"


# The report of bench quiet ------------------------------------------------------------------------------------------

HEAD = ("home", "method", "budget", "weeks", "alarms", "a week", "worst")
BENIGN = "homecoming"


def table(result: Mapping[str, Any]) -> str:
    """Both pools at every budget, then each real home and each kind of simulated ones at one alarm a week."""
    shown = _shown(result)
    rows = [*_pools(result, shown), *_homes(result, shown, _one(result)), *_kinds(result, shown, _one(result))]
    return f"{text_table(_head(shown), rows)}\n{bullets(_notes(result))}"


def markdown(result: Mapping[str, Any], *, brief: bool = False, command: str | None = None) -> str:
    """The same in Markdown, with every real home at every budget.

    ``brief`` leaves all budgets out but one alarm a week, and the peers but in the pools. ``command`` adds the
    line that says when, where and by which command the figures were measured.
    """
    shown = _shown(result)
    budgets = _one(result) if brief else _budgets(result)
    rows = [*_pools(result, shown, budgets), *_homes(result, shown, budgets, alone=brief)]
    if not brief:
        rows += _kinds(result, shown, _one(result))
    line = [measured(f"{command} --seed {result['seed']}")] if command else []
    return f"{markdown_table(_head(shown), rows)}\n{bullets([*_notes(result), *line])}"


def _shown(result: Mapping[str, Any]) -> list[str]:
    """The scenarios that any home has a trial of."""
    figures = [budget for home in result["homes"].values() for budget in home["budgets"].values()]
    names = dict.fromkeys(name for figure in figures for name in figure["scenarios"])
    return [name for name in names if any(figure["scenarios"].get(name) for figure in figures)]


def _head(shown: Sequence[str]) -> list[str]:
    named = (f"{name} (false alarms)" if name == BENIGN else name for name in shown)
    return [*HEAD, "caught", *(name.replace("_", " ") for name in named)]


def _budgets(result: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(budget for home in result["homes"].values() for budget in home["budgets"]))


def _one(result: Mapping[str, Any]) -> list[str]:
    """One alarm a week, the default; where it was not measured, every budget that was."""
    budgets = _budgets(result)
    return ["1"] if "1" in budgets else budgets


def _methods(result: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {"homeward": result["homes"], **result["peers"]}


def _pools(result: Mapping[str, Any], shown: Sequence[str], budgets: Sequence[str] | None = None) -> Iterator[Row]:
    for kind, pool in result["pooled"].items():
        for budget, figures in (pool or {}).items():
            if budgets is not None and budget not in budgets:
                continue
            yield _row(f"all {kind}", "homeward", budget, figures, shown)
            for peer, homes in result["peers"].items():
                of_kind = [home for home in homes.values() if home["real"] == (kind == "real")]
                yield _row(f"all {kind}", peer, budget, pooled(of_kind, budget), shown)


def _homes(
    result: Mapping[str, Any], shown: Sequence[str], budgets: Sequence[str], *, alone: bool = False
) -> Iterator[Row]:
    """Each real home; ``alone`` leaves the peers out."""
    methods = {"homeward": result["homes"]} if alone else _methods(result)
    for name, home in result["homes"].items():
        for budget in budgets if home["real"] else ():
            for method, homes in methods.items():
                figures = homes[name]["budgets"][budget]
                level = f" ({figures['level']})" if "level" in figures else ""
                yield _row(name, method + level, budget, figures, shown)


def _kinds(result: Mapping[str, Any], shown: Sequence[str], budgets: Sequence[str]) -> Iterator[Row]:
    """The simulated homes, too many for a row each, by their kind."""
    kinds: dict[str, list[str]] = {}
    for name, home in result["homes"].items():
        if not home["real"] and home.get("kind"):
            kinds.setdefault(home["kind"], []).append(name)
    for kind, names in sorted(kinds.items()):
        for budget in budgets:
            for method, homes in _methods(result).items():
                figures = pooled([homes[name] for name in names], budget)
                yield _row(f"simulated: {kind} ({len(names)})", method, budget, figures, shown)


def _row(home: str, method: str, budget: str, figures: Mapping[str, Any], shown: Sequence[str]) -> list[str]:
    chance = poisson_tail(float(budget) * figures["weeks"], figures["alarms"])
    scenarios = figures["scenarios"]
    return [
        home,
        method,
        budget,
        figure(figures["weeks"], 1),
        str(figures["alarms"]) + (" !" if chance < 0.01 else ""),
        figure(figures["alarms_per_week"]),
        str(figures["worst_week"]),
        figure(mean_caught(scenarios)),
        *(share(scenarios.get(name)) for name in shown),
    ]


def mean_caught(scenarios: Mapping[str, Any]) -> float | None:
    """The mean of the detection rates; a benign homecoming is none, and what was not tried does not count."""
    rates = [one["rate"] for name, one in scenarios.items() if one and name != BENIGN]
    return sum(rates) / len(rates) if rates else None


def pooled(homes: Iterable[Mapping[str, Any]], budget: str) -> dict[str, Any]:
    """Alarms, weeks and trials of several homes together, at one budget."""
    figures = [home["budgets"][budget] for home in homes]
    weeks, alarms = sum(f["weeks"] for f in figures), sum(f["alarms"] for f in figures)
    scenarios: dict[str, Any] = {}
    for name in dict.fromkeys(name for f in figures for name in f["scenarios"]):
        have = [tried for f in figures if (tried := f["scenarios"].get(name))]
        trials, detected = sum(s["trials"] for s in have), sum(s["detected"] for s in have)
        low, high = wilson(detected, trials) if trials else (0.0, 1.0)
        scenarios[name] = {"rate": detected / trials, "low": low, "high": high} if trials else None
    return {
        "weeks": weeks,
        "alarms": alarms,
        "alarms_per_week": alarms / weeks if weeks else None,
        "worst_week": max((f["worst_week"] for f in figures), default=0),
        "scenarios": scenarios,
    }


def _notes(result: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "Detection rates come with their 95 % interval (Wilson); “caught” is their mean over the scenarios tried. A "
        "week is seven active days; figures start on the 15th. “!”: so many alarms would come by chance in fewer "
        "than one of a hundred such homes at that budget."
    )
    simulated = sum(not home["real"] for home in result["homes"].values())
    if simulated:
        yield f"{simulated} of the {len(result['homes'])} homes are simulated, never averaged with real ones."
    missing: dict[str, dict[str, None]] = {}
    for reasons in result["reasons"]["homes"].values():
        for scenario, reason in reasons.items():
            missing.setdefault(reason, {})[scenario] = None
    for reason, scenarios in missing.items():
        yield f"No figure for {', '.join(scenarios)}: {reason}."
    for kind, reason in result["reasons"]["pooled"].items():
        yield f"No figure for {kind} homes: {reason}."
