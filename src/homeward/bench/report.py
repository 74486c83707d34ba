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
    """Both pools at every budget, then each real home and each kind of simulated ones at one alarm a week; and what
    became of the targets."""
    shown = _shown(result)
    rows = [*_pools(result, shown), *_homes(result, shown, _one(result)), *_kinds(result, shown, _one(result))]
    tables = [text_table(_head(shown), rows), *(text_table(TARGETS_HEAD, targets) for targets in _targets(result))]
    return "\n".join([*tables, bullets([*_notes(result), *_below(result)])])


def markdown(result: Mapping[str, Any], *, brief: bool = False, command: str | None = None) -> str:
    """The same in Markdown, with every real home at every budget.

    ``brief`` leaves all budgets out but one alarm a week, the peers but in the pools, and the targets that are met.
    ``command`` adds the line that says when, where and by which command the figures were measured.
    """
    shown = _shown(result)
    budgets = _one(result) if brief else _budgets(result)
    rows = [*_pools(result, shown, budgets), *_homes(result, shown, budgets, alone=brief)]
    if not brief:
        rows += _kinds(result, shown, _one(result))
    tables = [markdown_table(_head(shown), rows)]
    if not brief:
        tables += [markdown_table(TARGETS_HEAD, targets) for targets in _targets(result)]
    notes = [*_notes(result), *_below(result), *(_missed(result) if brief else ())]
    line = [measured(f"{command} --seed {result['seed']}")] if command else []
    return "\n".join([*tables, bullets([*notes, *line])])


def _shown(result: Mapping[str, Any]) -> list[str]:
    """The scenarios that any home has a trial of."""
    figures = [budget for home in result["homes"].values() for budget in home["budgets"].values()]
    names = dict.fromkeys(name for figure in figures for name in figure["scenarios"])
    return [name for name in names if any(figure["scenarios"].get(name) for figure in figures)]


def _head(shown: Sequence[str]) -> list[str]:
    return [*HEAD, "caught", *(named(name) for name in shown)]


def named(scenario: str) -> str:
    """A scenario's name as it is told."""
    return "homecoming (false alarms)" if scenario == BENIGN else scenario.replace("_", " ")


def _budgets(result: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(budget for home in result["homes"].values() for budget in home["budgets"]))


def _one(result: Mapping[str, Any]) -> list[str]:
    """One alarm a week, the default; where it was not measured, every budget that was."""
    budgets = _budgets(result)
    return ["1"] if "1" in budgets else budgets


def _methods(result: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {"homeward": result["homes"], **result["peers"]}


def seen(homes: Mapping[str, Any], budget: str, *, real: bool) -> list[str]:
    """The homes, real or simulated, that a method was measured in at a budget."""
    return [name for name, home in homes.items() if home["real"] == real and budget in home["budgets"]]


def _pools(result: Mapping[str, Any], shown: Sequence[str], budgets: Sequence[str] | None = None) -> Iterator[Row]:
    for kind, pool in result["pooled"].items():
        for budget in (pool or {}) if budgets is None else budgets:
            of_kind = seen(result["homes"], budget, real=kind == "real")
            yield from _side_by_side(f"all {kind}", of_kind, result, budget, shown)


def _kinds(result: Mapping[str, Any], shown: Sequence[str], budgets: Sequence[str]) -> Iterator[Row]:
    """The guard in the simulated homes, too many for a row each, by their kind."""
    kinds: dict[str, list[str]] = {}
    for name, home in result["homes"].items():
        if not home["real"] and home.get("kind"):
            kinds.setdefault(home["kind"], []).append(name)
    for kind, names in sorted(kinds.items()):
        for budget in budgets:
            met = [name for name in names if budget in result["homes"][name]["budgets"]]
            if met:
                figures = pooled([result["homes"][name] for name in met], budget)
                yield _row(f"simulated: {kind} ({len(met)})", "homeward", budget, figures, shown)


def _side_by_side(
    name: str, homes: Sequence[str], result: Mapping[str, Any], budget: str, shown: Sequence[str]
) -> Iterator[Row]:
    """Every method over these homes together. A peer that saw only some of them stands below the guard's figures for
    just these."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for method, measured_homes in _methods(result).items():
        met = tuple(home for home in homes if budget in measured_homes.get(home, {"budgets": {}})["budgets"])
        groups.setdefault(met, ["homeward"] if method != "homeward" else []).append(method)
    for met, methods in groups.items():
        for method in methods if met else ():
            figures = pooled([_methods(result)[method][home] for home in met], budget)
            yield _row(f"{name} ({len(met)})", method, budget, figures, shown)


def _homes(
    result: Mapping[str, Any], shown: Sequence[str], budgets: Sequence[str], *, alone: bool = False
) -> Iterator[Row]:
    """Each real home; ``alone`` leaves the peers out."""
    methods = {"homeward": result["homes"]} if alone else _methods(result)
    for name, home in result["homes"].items():
        for budget in budgets if home["real"] else ():
            for method, homes in methods.items():
                if figures := homes.get(name, {"budgets": {}})["budgets"].get(budget):
                    level = f" ({figures['level']})" if "level" in figures else ""
                    yield _row(name, method + level, budget, figures, shown)


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


TARGETS_HEAD = ("target", "real homes together", "real homes that meet it", "simulated together", "that meet it")


def _targets(result: Mapping[str, Any]) -> list[list[Row]]:
    """The table of targets, if there are any."""
    targets = result.get("targets")
    if not targets or not targets["homes"]:
        return []
    pools = {kind: targets.get(kind) or {} for kind in ("real", "simulated")}
    rows: list[Row] = []
    for name in dict.fromkeys(name for pool in pools.values() for name in pool):
        row = [named(name)]
        for kind, pool in pools.items():
            homes = [name for name, home in result["homes"].items() if home["real"] == (kind == "real")]
            judged = [met for home in homes if (met := targets["homes"][home].get(name, {}).get("met")) is not None]
            row += [_judged(pool.get(name)), f"{sum(judged)} of {len(judged)}" if judged else NONE]
        rows.append(row)
    return [rows]


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
    return f"{came}, {wanted} {bound:g}: {said}"


def _below(result: Mapping[str, Any]) -> Iterator[str]:
    """Where a peer does better by more than the interval."""
    for kind in ("real", "simulated"):
        better: dict[str, list[str]] = {}
        for one in ((result.get("targets", {}).get(kind) or {}).get("below_no_peer") or {"below": ()})["below"]:
            better.setdefault(one["peer"], []).append(named(one["scenario"]))
        said = "; ".join(f"{peer} in {', '.join(scenarios)}" for peer, scenarios in better.items())
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
        yield f"{', '.join(names)}: {reason}."
    for reason in result["reasons"].get("budgets", {}).values():
        yield f"{reason[:1].upper()}{reason[1:]}."
