"""How much each habit counts: Fisher's linear discriminant between what happened and what might as well have.

Habits depend on each other and differ in what they can tell, so their bits are not simply added. Events that
happened and *foreign* ones (drawn at random from all that could have) are told apart best, among all weighted sums of
bits, by ``C⁻¹ (m₁ - m₀)``: the difference of the means through the pooled covariance (Fisher, 1936). Both are sums
over events, so that they too are counts: they add across places and can fade.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

WHOLE: Final = 256
"""What the weights add up to, but for rounding."""

SHRINKAGE: Final = Fraction(1, 100)
"""Of the mean variance so much is added to every variance, so that habits which say the same can be told apart
(regularised discriminant analysis; Friedman, 1989)."""

Matrix = list[list[Fraction]]


@dataclass(slots=True)
class Moments:
    """Sums over events of the bits of every habit, and of their products: exact integers."""

    habits: int
    count: int = 0
    sums: list[int] = field(default_factory=list)
    products: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sums = self.sums or [0] * self.habits
        self.products = self.products or [[0] * self.habits for _ in range(self.habits)]

    def add(self, bits: Sequence[int]) -> None:
        """Count an event by the bits of its habits (Q8)."""
        self.count += 1
        for place, here in enumerate(bits):
            self.sums[place] += here
            row = self.products[place]
            for other, there in enumerate(bits):
                row[other] += here * there

    def means(self) -> list[Fraction]:
        return [Fraction(value, self.count) for value in self.sums]

    def covariance(self) -> Matrix:
        means = self.means()
        return [
            [Fraction(value, self.count) - means[place] * mean for value, mean in zip(row, means, strict=True)]
            for place, row in enumerate(self.products)
        ]


def weights(usual: Moments, foreign: Moments) -> tuple[int, ...]:
    """How much each habit counts, as parts of `WHOLE`; equal parts where nothing was seen or nothing can be told.

    None is negative: that a habit is surprised never speaks for an event. Habits that would be are left out, and the
    rest weighed again.
    """
    habits = usual.habits
    equal = (WHOLE // habits,) * habits
    if not usual.count or not foreign.count:
        return equal
    apart = [there - here for there, here in zip(foreign.means(), usual.means(), strict=True)]
    pooled = [
        [(a + b) / 2 for a, b in zip(*rows, strict=True)]
        for rows in zip(usual.covariance(), foreign.covariance(), strict=True)
    ]
    shrinkage = SHRINKAGE * sum(pooled[place][place] for place in range(habits)) / habits
    if not shrinkage:
        return equal
    for place in range(habits):
        pooled[place][place] += shrinkage
    kept = [place for place in range(habits) if apart[place] > 0]
    while kept:
        found = _solve([[pooled[a][b] for b in kept] for a in kept], [apart[a] for a in kept])
        if min(found) >= 0:
            whole = sum(found)
            share = dict(zip(kept, found, strict=True))
            return tuple(round(share.get(place, Fraction()) * WHOLE / whole) for place in range(habits))
        kept = [place for place, value in zip(kept, found, strict=True) if value > 0]
    return equal


def _solve(matrix: Matrix, vector: Sequence[Fraction]) -> list[Fraction]:
    """x of ``matrix · x = vector`` by elimination, exactly; the matrix is positive definite."""
    rows = [[*row, value] for row, value in zip(matrix, vector, strict=True)]
    for place, pivot in enumerate(rows):
        for row in rows[place + 1 :]:
            factor = row[place] / pivot[place]
            for column in range(place, len(row)):
                row[column] -= factor * pivot[column]
    found: list[Fraction] = []
    for place in reversed(range(len(rows))):
        row = rows[place]
        known = sum((a * x for a, x in zip(row[place + 1 : -1], reversed(found), strict=True)), Fraction())
        found.append((row[-1] - known) / row[place])
    return found[::-1]
