"""From the weights of a context back to how often each symbol was met, and where most of the times lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from homeward.core.behaviour.habits import NEW
from homeward.core.behaviour.table import WEIGHT, Table

MOST: Final = 0.8
"""The share of the times that is called usual."""

_STEPS: Final = 20

Cells = Sequence[Sequence[tuple[int, int]]]
Tally = Mapping[int, float]
"""How often each symbol was met; older times count less, for counts fade."""


def tally(table: Table, key: int, cells: Cells | None = None) -> dict[int, float]:
    """How often each symbol was met in a context. ``cells`` says what one event weighs on its neighbours."""
    row = table.rows.get(key) if table.weight(key) else None  # the weight is asked for first: it fades the row
    if row is None:
        return {}
    weights = {one: row.cells[one] for one in sorted(row.cells)}
    if cells is None:
        return {one: weight / WEIGHT for one, weight in weights.items() if one != NEW}
    return _gathered(weights, cells)


def _gathered(weights: Mapping[int, int], cells: Cells) -> dict[int, float]:
    """The events whose shared weights these are, by the iteration of Richardson (1972) and Lucy (1974).

    It keeps the sum and never goes below nothing. Only sums and products: the same on every machine.
    """
    found = {place: weight / WEIGHT for place, weight in weights.items()}
    for _ in range(_STEPS):
        shared = dict.fromkeys(weights, 0.0)
        for place, events in found.items():
            for cell, share in cells[place]:
                if cell in shared:
                    shared[cell] += events * share
        ratio = {place: weights[place] / whole for place, whole in shared.items() if whole}
        for place in found:
            found[place] *= sum(share * ratio.get(cell, 0.0) for cell, share in cells[place]) / WEIGHT
    return found


def count(events: Tally, symbols: Iterable[int] | None = None) -> int:
    """How often it was one of some symbols, or any, to the nearest whole time."""
    return int(sum(events.values() if symbols is None else [events.get(one, 0.0) for one in symbols]) + 0.5)


def stretches(events: Tally, apart: int, ring: int = 0) -> list[tuple[int, int]]:
    """Where most of the times lie: (first, length), in the order of symbols, from the densest symbols.

    So many empty symbols (``apart``) part one stretch from the next. On a ``ring`` of so many symbols a stretch may
    pass its end; where nothing parts them it is the whole ring.
    """
    total, held, chosen = sum(events.values()), 0.0, set[int]()
    for place in sorted(events, key=lambda one: (-events[one], one)):
        if held >= MOST * total:
            break
        held += events[place]
        chosen.add(place)
    found: list[tuple[int, int]] = []
    for place in sorted(chosen):
        if found and place - sum(found[-1]) < apart:
            found[-1] = found[-1][0], place + 1 - found[-1][0]
        else:
            found.append((place, 1))
    if ring and found and found[0][0] + ring - sum(found[-1]) < apart:
        first, last = found[0], found.pop()
        if found:
            found[0] = last[0], first[0] + ring + first[1] - last[0]
        else:
            found = [(0, ring)]
    return found
