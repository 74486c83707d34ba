"""What homes look like in a few figures, to lay simulated beside recorded ones. Nothing is tuned on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median, pstdev

from homeward.bench.homes import Household

NIGHT = range(1, 5)
LONG_PAUSE = 1_800.0
OPENINGS = ("open", "on")

FIGURES = (
    "active days", "devices", "events a day", "spread of events a day", "share from 01:00 to 05:00",
    "openings a day", "pause, median (s)", "pause, 99th percentile (s)", "pauses above 30 min a day",
)  # fmt: skip


def portrait(home: Household) -> tuple[float, ...]:
    """The home's value for each of ``FIGURES``; days are those with any event, events are changes of state."""
    a_day = Counter(home.dates)
    entrances = {device.name for device in home.roles("entrance")}
    opened = sum(event.device in entrances and event.action in OPENINGS for event in home.events)
    pauses = sorted((after - before).total_seconds() for before, after in pairwise(home.at))
    counts = list(a_day.values())
    return (
        len(home.days),
        len(home.devices),
        median(counts),
        pstdev(counts) * len(counts) / sum(counts),
        sum(hour in NIGHT for hour in home.hours) / len(home.events),
        opened / len(a_day),
        median(pauses),
        pauses[int(0.99 * len(pauses))],
        sum(pause > LONG_PAUSE for pause in pauses) / len(a_day),
    )


def table(recorded: Sequence[tuple[str, tuple[float, ...]]], simulated: Iterable[tuple[float, ...]]) -> str:
    """One column for each recorded home, and the least, the median and the most of the simulated ones (Markdown)."""
    columns = list(zip(*simulated, strict=True))
    head = ["", *(name for name, _ in recorded), "simulated: least", "median", "most"]
    lines = [head, ["---"] * len(head)]
    for place, figure in enumerate(FIGURES):
        values = [values[place] for _, values in recorded]
        values += [min(columns[place]), median(columns[place]), max(columns[place])]
        lines.append([figure, *(f"{value:.3f}" if "share" in figure else f"{value:.4g}" for value in values)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
