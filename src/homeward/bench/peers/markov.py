"""A Markov chain of order one over activities."""

from __future__ import annotations

from math import log2

from homeward.bench.past import Activity
from homeward.core.event import Event

Step = tuple[Activity | None, Activity]
"""The activity before an event, and its own."""


class MarkovChain:
    """Surprise of an activity given the one before it, in bits, with one added to every count (Laplace)."""

    def __init__(self) -> None:
        self._counts: dict[Activity | None, dict[Activity, int]] = {}
        self._totals: dict[Activity | None, int] = {}
        self._known: set[Activity] = set()
        self._last: Activity | None = None

    def look(self, event: Event) -> tuple[float, Step]:
        previous, activity = self._last, (event.device, event.action)
        self._last = activity
        row = self._counts.get(previous)
        count = row.get(activity, 0) if row else 0
        symbols = len(self._known) + 1
        score = log2((self._totals.get(previous, 0) + symbols) / (count + 1))
        step = (previous, activity)
        self.confirm(step, 1)
        return score, step

    def confirm(self, seen: Step, weight: int) -> None:
        previous, activity = seen
        row = self._counts.setdefault(previous, {})
        row[activity] = row.get(activity, 0) + weight
        self._totals[previous] = self._totals.get(previous, 0) + weight
        self._known.add(activity)

    def copy(self) -> MarkovChain:
        twin = MarkovChain()
        twin._counts = {previous: dict(row) for previous, row in self._counts.items()}
        twin._totals = dict(self._totals)
        twin._known = set(self._known)
        twin._last = self._last
        return twin
