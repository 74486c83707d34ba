"""The result of ``bench quiet`` for people: a table for the terminal, and Markdown for the README."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from homeward.bench.scenarios import SCENARIOS
from homeward.bench.statistics import poisson_tail, wilson

HEAD = ("home", "method", "budget", "weeks", "alarms", "a week", "worst")


def table(result: Mapping[str, Any]) -> str:
    """Every home, budget and method, and the pool, as aligned columns."""
    shown = _shown(result)
    rows = [_head(shown), *_rows(result, shown)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], "", *_notes(result)]) + "\n"


def markdown(
    result: Mapping[str, Any], *, brief: bool = False, command: str = "homeward bench quiet --data DIR"
) -> str:
    """The same as a Markdown table, with the command, the machine and the date.

    ``brief`` leaves out all budgets but one alarm a week, and the peers but in the pool.
    """
    shown = _shown(result)
    head, *rows = [_head(shown), *_rows(result, shown)]
    if brief:
        rows = [row for row in rows if row[2] == "1" and (row[1] == "homeward" or row[0].startswith("all "))]
    lines = [head, ["---"] * len(head), *rows]
    body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    notes = "\n".join(f"- {note}" for note in _notes(result))
    today = datetime.now(UTC).date().isoformat()
    return f"{body}\n\n{notes}\n- Measured on {today} on {_machine()} by `{command} --seed {result['seed']}`.\n"


def _machine() -> str:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{os.cpu_count()} cores ({model}), {platform.system()}, Python {platform.python_version()}"


def _shown(result: Mapping[str, Any]) -> list[str]:
    """The scenarios that any home has a trial of."""
    figures = [budget for home in result["homes"].values() for budget in home["budgets"].values()]
    return [scenario for scenario in SCENARIOS if any(figure["scenarios"][scenario] for figure in figures)]


def _head(shown: Sequence[str]) -> list[str]:
    return [*HEAD, *(scenario.replace("_", " ") for scenario in shown)]


def _rows(result: Mapping[str, Any], shown: Sequence[str]) -> Iterator[list[str]]:
    for kind, pool in result["pooled"].items():
        for budget, figures in (pool or {}).items():
            yield _row(f"all {kind}", "homeward", budget, figures, shown)
            for peer, homes in result["peers"].items():
                of_kind = [home for home in homes.values() if home["real"] == (kind == "real")]
                pooled = _add([home["budgets"][budget] for home in of_kind])
                yield _row(f"all {kind}", peer, budget, pooled, shown)
    methods = {"homeward": result["homes"], **result["peers"]}
    for name, home in result["homes"].items():
        for budget in home["budgets"]:
            for method, homes in methods.items():
                figures = homes[name]["budgets"][budget]
                level = f" ({figures['level']})" if "level" in figures else ""
                yield _row(name, method + level, budget, figures, shown)


def _row(home: str, method: str, budget: str, figures: Mapping[str, Any], shown: Sequence[str]) -> list[str]:
    rate = figures["alarms_per_week"]
    chance = poisson_tail(float(budget) * figures["weeks"], figures["alarms"])
    return [
        home,
        method,
        budget,
        f"{figures['weeks']:.1f}",
        str(figures["alarms"]) + (" !" if chance < 0.01 else ""),
        "-" if rate is None else f"{rate:.2f}",
        str(figures["worst_week"]),
        *(_rate(figures["scenarios"][scenario]) for scenario in shown),
    ]


def _rate(figures: Mapping[str, Any] | None) -> str:
    return f"{figures['rate']:.2f} ({figures['low']:.2f}-{figures['high']:.2f})" if figures else "-"


def _add(figures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Alarms, weeks and trials of several homes together."""
    weeks, alarms = sum(f["weeks"] for f in figures), sum(f["alarms"] for f in figures)
    scenarios: dict[str, Any] = {}
    for scenario in SCENARIOS:
        have = [f["scenarios"][scenario] for f in figures if f["scenarios"][scenario]]
        trials, detected = sum(s["trials"] for s in have), sum(s["detected"] for s in have)
        low, high = wilson(detected, trials) if trials else (0.0, 1.0)
        scenarios[scenario] = {"rate": detected / trials, "low": low, "high": high} if trials else None
    return {
        "weeks": weeks,
        "alarms": alarms,
        "alarms_per_week": alarms / weeks if weeks else None,
        "worst_week": max((f["worst_week"] for f in figures), default=0),
        "scenarios": scenarios,
    }


def _notes(result: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "Detection rates come with their 95 % interval (Wilson). A week is seven active days; figures start on the "
        "15th. “!”: so many alarms would come by chance in fewer than one of a hundred such homes at that budget."
    )
    missing: dict[str, dict[str, None]] = {}
    for reasons in result["reasons"]["homes"].values():
        for scenario, reason in reasons.items():
            missing.setdefault(reason, {})[scenario] = None
    for reason, scenarios in missing.items():
        yield f"No figure for {', '.join(scenarios)}: {reason}."
    for kind, reason in result["reasons"]["pooled"].items():
        yield f"No figure for {kind} homes: {reason}."
