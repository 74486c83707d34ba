"""What `bench speed` shows as pictures, from its JSON alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from homeward.bench.chart import Axis, Panel, Point, Words, dots
from homeward.bench.pictures import NAMES
from homeward.bench.speed.goals import STILL, TIMES_THE_ECHO, WHOLE_PATH
from homeward.bench.speed.growth import named
from homeward.bench.speed.latency import WAYS

Result = Mapping[str, Any]

THOUSANDS: Final = Axis(ticks=(0.1, 1, 10, 100, 1_000), name="thousands of events a second", logarithmic=True)
MILLISECONDS: Final = Axis(ticks=(0.1, 1, 10, 100), name="milliseconds", logarithmic=True)


def speed(result: Result) -> dict[str, str]:
    """Events a second beside peers; from a message to the command; and what is left of the speed later on."""
    return {"": _rates(result), "latency": _latency(result), "growth": _growth(result)}


def _rates(result: Result) -> str:
    ours, theirs = "Homeward", "peers"
    whole, kernel = "Homeward, whole path", "Homeward, kernel alone"
    rows: dict[str, dict[str, Point]] = {}
    per_s = result["events_per_s"]
    if "homeward" in per_s:
        rows[whole] = {ours: _thousands(per_s["homeward"])}
        rows[kernel] = {ours: _thousands(result["kernel_events_per_s"])}
    rows |= {NAMES.get(name, name): {theirs: _thousands(rate)} for name, rate in per_s.items() if name != "homeward"}
    panels = [Panel(name="", axis=THOUSANDS, rows=rows, targets={whole: WHOLE_PATH / 1_000})]
    words = Words(
        title="What does an event cost?",
        below="Events a second in Python on one core, each scored and then learned.",
        description="Thousands of events a second: " + _told(rows),
        notes=("The upright stroke is the target for the whole path, journal and disk included.",),
    )
    return dots(words, [ours, theirs], panels)


def _latency(result: Result) -> str:
    times = result["latency_ms"]
    rows: dict[str, dict[str, Point]] = {}
    targets: dict[str, float] = {}
    for percent, row in (("p50", "half of all"), ("p99", "99 of 100")):
        rows[row] = {said: Point(value) for way, said in WAYS.items() if (value := times.get(f"{way}{percent}"))}
        if echo := times.get(f"echo_{percent}"):
            targets[row] = TIMES_THE_ECHO[percent] * echo
    words = Words(
        title="From a message to the guard's command",
        below="Milliseconds on the same broker, journal fsynced; and the parts that can be measured alone.",
        description="Milliseconds, by how many take at most so long: " + _told(rows),
        notes=("The upright stroke is the target.",),
    )
    return dots(words, list(WAYS.values()), [Panel(name="", axis=MILLISECONDS, rows=rows, targets=targets)])


def _growth(result: Result) -> str:
    grown = result["growth"]
    names = list(grown)
    rows = {named(name): {"Homeward": _thousands(rate)} for name, rate in grown.items()}
    pairs = zip(names[::2], names[1::2], strict=False)
    targets = {named(later): STILL * grown[start] / 1_000 for start, later in pairs}
    axis = Axis.up_to(max(grown.values(), default=1) / 1_000, THOUSANDS.name)
    words = Words(
        title="Does it cost more later on, or with more devices?",
        below="Events a second of the whole path.",
        description="Thousands of events a second: " + _told(rows),
        notes=("The upright stroke is two thirds of the speed at the start, or of ten devices.",),
    )
    return dots(words, ["Homeward"], [Panel(name="", axis=axis, rows=rows, targets=targets)])


def _thousands(rate: float) -> Point:
    return Point(rate / 1_000)


def _told(rows: Mapping[str, Mapping[str, Point]]) -> str:
    return "; ".join(f"{row}: {name} {point.value:g}" for row, found in rows.items() for name, point in found.items())
