"""Figures for people: tables for the terminal and for a page, and the report of ``bench quiet``.

The first part serves every benchmark: `text_table`, `markdown_table`, `bullets`, `figure`, `share`, `measured`. A
table is its head and its rows, all of them text, so that the terminal and the page never tell two stories.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
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

BENIGN = "homecoming"

Table = tuple[str, Row, list[Row]]
"""What a table is about, its head and its rows."""


def table(result: Mapping[str, Any]) -> str:
    """Every method on both pools at every budget, then the guard in each real home and each kind of simulated ones
    at one alarm a week, and what became of the targets."""
    tables = [*_pools(result, _budgets(result)), *_homes(result), *_targets(result)]
    told = [f"{about}\n\n{text_table(head, rows)}" for about, head, rows in tables]
    return "\n".join([*told, bullets([*_notes(result), *_below(result)])])


def markdown(result: Mapping[str, Any], *, brief: bool = False, command: str | None = None) -> str:
    """The same in Markdown, with every method in every real home at every budget, folded away.

    ``brief`` leaves out all budgets but one alarm a week, the kinds of simulated homes, and the targets that are
    met. ``command`` adds the line that says when, where and by which command the figures were measured.
    """
    if brief:
        tables = [*_pools(result, _one(result)), *_homes(result, kinds=False)]
    else:
        tables = [*_pools(result, _budgets(result)), *_homes(result), *_targets(result)]
    told = [f"**{about}**\n\n{markdown_table(head, rows)}" for about, head, rows in tables]
    if not brief:
        told.append(_folded("Every method in every real home at every budget", _everything(result)))
    notes = [*_notes(result), *_below(result), *(_missed(result) if brief else ())]
    line = [measured(f"{command} --seed {result['seed']}")] if command else []
    return "\n".join([*told, bullets([*notes, *line])])


def _folded(about: str, body: str) -> str:
    return f'<details markdown="1">\n<summary>{about}</summary>\n\n{body}\n</details>\n'


def _shown(result: Mapping[str, Any]) -> list[str]:
    """The scenarios that any home has a trial of."""
    figures = [budget for home in result["homes"].values() for budget in home["budgets"].values()]
    names = dict.fromkeys(name for figure in figures for name in figure["scenarios"])
    return [name for name in names if any(figure["scenarios"].get(name) for figure in figures)]


def named(scenario: str) -> str:
    """A scenario's name as it is told."""
    return "homecoming (false alarms)" if scenario == BENIGN else _spaced(scenario)


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _budgets(result: Mapping[str, Any]) -> list[str]:
    """The budgets that were measured, the default first."""
    budgets = dict.fromkeys(budget for home in result["homes"].values() for budget in home["budgets"])
    return sorted(budgets, key=lambda budget: budget != "1")


def _one(result: Mapping[str, Any]) -> list[str]:
    """One alarm a week, the default; where it was not measured, every budget that was."""
    budgets = _budgets(result)
    return ["1"] if "1" in budgets else budgets


def _methods(result: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {"homeward": result["homes"], **result["peers"]}


def seen(homes: Mapping[str, Any], budget: str, *, real: bool) -> list[str]:
    """The homes, real or simulated, that a method was measured in at a budget."""
    return [name for name, home in homes.items() if home["real"] == real and budget in home["budgets"]]


def _pools(result: Mapping[str, Any], budgets: Sequence[str]) -> Iterator[Table]:
    """All real homes together, then all simulated ones, at each budget: a column for each method."""
    shown = _shown(result)
    for kind, pool in result["pooled"].items():
        for budget in budgets if pool else ():
            columns = list(_side_by_side(result, budget, real=kind == "real"))
            rows = [
                list(row) for row in zip(*(_column(budget, figures, shown) for _, figures in columns), strict=True)
            ]
            names = ["weeks", "alarms", "alarms a week", "worst week", "caught", *map(named, shown)]
            about = f"All {kind} homes together, at a budget of {_weekly(budget)}"
            head = ["", *(method for method, _ in columns)]
            yield about, head, [[name, *row] for name, row in zip(names, rows, strict=True) if {*row} != {NONE}]


def _weekly(budget: str) -> str:
    return f"{budget} alarm{'' if budget == '1' else 's'} a week"


def _side_by_side(result: Mapping[str, Any], budget: str, *, real: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every method with the number of homes that it saw, and what it did there. A peer that saw only some of them
    stands after the guard in just these."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for method, homes in _methods(result).items():
        met = tuple(seen(homes, budget, real=real))
        groups.setdefault(met, ["homeward"] if method != "homeward" else []).append(method)
    for met, methods in groups.items():
        for method in methods if met else ():
            yield f"{_spaced(method)} ({len(met)})", pooled([_methods(result)[method][home] for home in met], budget)


def _column(budget: str, figures: Mapping[str, Any], shown: Sequence[str]) -> list[str]:
    """Weeks, alarms, alarms a week, the worst week, the mean of what was caught, and each scenario."""
    chance = poisson_tail(float(budget) * figures["weeks"], figures["alarms"])
    scenarios = figures["scenarios"]
    return [
        figure(figures["weeks"], 1),
        str(figures["alarms"]) + (" !" if chance < 0.01 else ""),
        figure(figures["alarms_per_week"]),
        str(figures["worst_week"]),
        figure(mean_caught(scenarios)),
        *(share(scenarios.get(name)) for name in shown),
    ]


def _homes(result: Mapping[str, Any], *, kinds: bool = True) -> Iterator[Table]:
    """The guard in each real home and, together by their kind, in the simulated ones, too many for a row each."""
    homes, shown = result["homes"], _shown(result)
    groups = {name: [home] for name, home in homes.items() if home["real"]}
    if kinds:
        simulated = sorted((home for home in homes.values() if not home["real"]), key=_kind)
        for kind, of_kind in groupby(simulated, key=_kind):
            together = list(of_kind)
            groups[f"{kind} ({len(together)})"] = together
    for budget in _one(result):
        rows: list[Row] = []
        for name, group in groups.items():
            met = [home for home in group if budget in home["budgets"]]
            if met:
                rows.append([name, *_column(budget, pooled(met, budget), shown)])
        if rows:
            yield f"Homeward in each home, at a budget of {_weekly(budget)}", _head(shown), rows


def _kind(home: Mapping[str, Any]) -> str:
    return f"simulated: {home['kind']}" if "kind" in home else "simulated"


def _head(shown: Sequence[str]) -> list[str]:
    return ["home", "weeks", "alarms", "a week", "worst", "caught", *map(named, shown)]


def _everything(result: Mapping[str, Any]) -> str:
    """Every method in each real home at each budget, as a Markdown table."""
    shown, rows = _shown(result), []
    for name, home in result["homes"].items():
        for budget in home["budgets"] if home["real"] else ():
            for method, homes in _methods(result).items():
                if figures := homes.get(name, {"budgets": {}})["budgets"].get(budget):
                    level = f" ({figures['level']})" if "level" in figures else ""
                    rows.append([name, _spaced(method) + level, budget, *_column(budget, figures, shown)])
    head, *others = _head(shown)
    return markdown_table([head, "method", "budget", *others], rows)


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


def _targets(result: Mapping[str, Any]) -> Iterator[Table]:
    """The targets, if they were judged: of both pools, and how many of the homes reach them."""
    targets = result.get("targets")
    if not targets or not targets["homes"]:
        return
    pools = {kind: targets.get(kind) or {} for kind in ("real", "simulated")}
    rows: list[Row] = []
    for name in dict.fromkeys(name for pool in pools.values() for name in pool):
        row = [named(name)]
        for kind, pool in pools.items():
            homes = [name for name, home in result["homes"].items() if home["real"] == (kind == "real")]
            judged = [met for home in homes if (met := targets["homes"][home].get(name, {}).get("met")) is not None]
            row += [_judged(pool.get(name)), f"{sum(judged)} of {len(judged)}" if judged else NONE]
        rows.append(row)
    yield "Targets", ["", "real homes together", "each alone", "simulated together", "each alone"], rows


def _judged(target: Mapping[str, Any] | None) -> str:
    """What was wanted, what came, and whether that is enough."""
    if target is None or target["met"] is None:
        return NONE
    said = "met" if target["met"] else "missed"
    if "figure" not in target:
        return said
    wanted = "at least" if "at_least" in target else "at most"
    bound = target.get("at_least", target.get("at_most"))
    rate = {**target, "rate": target["figure"]}
    came = share(rate) if rate.get("low") is not None else f"{target['figure']:g}"
    return f"{came}, {wanted} {bound:.4g}: {said}"


def _below(result: Mapping[str, Any]) -> Iterator[str]:
    """Where a peer does better by more than the interval."""
    for kind in ("real", "simulated"):
        better: dict[str, list[str]] = {}
        for one in ((result.get("targets", {}).get(kind) or {}).get("below_no_peer") or {"below": ()})["below"]:
            better.setdefault(one["peer"], []).append(named(one["scenario"]))
        said = "; ".join(f"{_spaced(peer)} in {', '.join(scenarios)}" for peer, scenarios in better.items())
        if said:
            yield f"Better than the guard by more than its interval, on {kind} homes: {said}."


def _missed(result: Mapping[str, Any]) -> Iterator[str]:
    for kind in ("real", "simulated"):
        targets = result.get("targets", {}).get(kind) or {}
        missed = [named(name) for name, target in targets.items() if target["met"] is False]
        if targets:
            yield f"Targets missed by all {kind} homes together: {', '.join(missed) or 'none'}."


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
        yield f"No figure for {', '.join(map(named, scenarios))}: {reason}."
    for kind, reason in result["reasons"]["pooled"].items():
        yield f"No figure for {kind} homes: {reason}."
    peers: dict[str, list[str]] = {}
    for peer, reason in result["reasons"].get("peers", {}).items():
        peers.setdefault(reason, []).append(peer)
    for reason, names in peers.items():
        yield f"{', '.join(map(_spaced, names))}: {reason}."
    for reason in result["reasons"].get("budgets", {}).values():
        yield f"{reason[:1].upper()}{reason[1:]}."
