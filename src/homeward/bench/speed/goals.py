"""The targets of ``bench speed``, judged from its figures alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from homeward.bench.goals import WANTED, value_at_least, value_at_most
from homeward.bench.report import NONE

Goal = dict[str, Any]

WHOLE_PATH: Final = 10_000
COMPILED_PATH: Final = 50_000
TIMES_A_PEER: Final = 5
TIMES_THE_ECHO: Final = {"p50": 3, "p99": 5}
RESIDENT_MIB: Final = 120
STILL: Final = 2 / 3


def targets(result: Mapping[str, Any]) -> dict[str, Goal]:
    """Each target with its figure; ``met`` is ``None`` where there is nothing to judge yet."""
    return {
        "whole_path_per_s": value_at_least(result["events_per_s"]["homeward"], WHOLE_PATH),
        "whole_path_compiled_per_s": _unknown(at_least=COMPILED_PATH),
        "compiled_kernel_beside_fastest_peer": _unknown(at_least=TIMES_A_PEER),
        **dict(_latencies(result["latency_ms"])),
        "resident_mib": _unknown(at_most=RESIDENT_MIB)
        if result["rss_mib"] is None
        else value_at_most(result["rss_mib"], RESIDENT_MIB),
        **dict(_growths(result["growth"])),
    }


def _unknown(**bound: float) -> Goal:
    return {"met": None, "figure": None, **bound}


def _latencies(latency: Mapping[str, Any]) -> Iterator[tuple[str, Goal]]:
    for percent, bound in TIMES_THE_ECHO.items():
        answer, echo = latency[percent], latency[f"echo_{percent}"]
        told = (
            _unknown(at_most=bound) if answer is None or not echo else value_at_most(round(answer / echo, 2), bound)
        )
        yield f"latency_{percent}_beside_echo", told


def _growths(growth: Mapping[str, int]) -> Iterator[tuple[str, Goal]]:
    """What is left of the speed at the start."""
    names = list(growth)
    for start, later in zip(names[::2], names[1::2], strict=True):
        yield f"{later}_beside_{start}", value_at_least(round(growth[later] / growth[start], 3), STILL)


def goal_rows(goals: Mapping[str, Goal]) -> Iterator[list[str]]:
    """A row for each target: its name, the figure, what was wanted, and whether it is met."""
    for name, goal in goals.items():
        wanted = [
            f"{said} {goal[key]:,.3g}" if goal[key] < 1_000 else f"{said} {goal[key]:,}"
            for said, key in WANTED.items()
            if key in goal
        ]
        value = NONE if goal["figure"] is None else f"{goal['figure']:,.6g}"
        met = NONE if goal["met"] is None else "met" if goal["met"] else "missed"
        yield [name.replace("_", " "), value, *wanted, met]
