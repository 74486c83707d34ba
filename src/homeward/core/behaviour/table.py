"""The kernel: bounded integer conditional counts with back-off.

All arithmetic is on integers, so that a hub and a microcontroller compute the same bits. A *row* belongs to one
context and counts symbols; one event weighs 256. With weight ``n`` in a row, ``c`` of it for a symbol, and
``parent`` the probability one context coarser, ``p = (c + a·parent) / (n + a)``: hierarchical Dirichlet smoothing
(MacKay and Peto, 1995). Bits are in Q8: 256 is one bit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, ValuesView
from dataclasses import dataclass, field
from itertools import chain
from math import isqrt
from typing import Final

WEIGHT: Final = 256
"""What one event weighs."""

BITS_CAP: Final = 64 << 8
"""No surprise is larger than this (Q8)."""

CAPACITY: Final = 1 << 18
"""The most cells that a table holds. Beyond it the least weights are evicted."""

_LOG_WIDTH: Final = 11
_PRECISION: Final = 80
"""Binary places of a probability that is added to others: more than `BITS_CAP` can take away."""


def _exact_log2(x: int) -> int:
    """log2(x) in Q8, rounded to nearest, by repeated squaring (exact integers; no floating point)."""
    whole = x.bit_length() - 1
    mantissa, result = x << (62 - whole), whole
    for _ in range(9):
        mantissa = mantissa * mantissa >> 62
        result <<= 1
        if mantissa >> 63:
            mantissa >>= 1
            result |= 1
    return (result + 1) >> 1


def _exact_exp2() -> tuple[int, ...]:
    """2**(-i/256) in Q16 for i in 0..255."""
    one = 1 << 120
    roots = [one >> 1]  # 2**-1, 2**-1/2, 2**-1/4 … 2**-1/128, each the square root of the one before
    for _ in range(8):
        roots.append(isqrt(roots[-1] * one))
    values = []
    for i in range(256):
        product = one
        for bit in range(8):
            if i >> bit & 1:
                product = product * roots[8 - bit] >> 120
        values.append((product + (1 << 103)) >> 104)
    return tuple(values)


LOG2: Final = (0, *(_exact_log2(x) for x in range(1, 1 << _LOG_WIDTH)))
EXP2: Final = _exact_exp2()


def log2(x: int) -> int:
    """log2 of a positive integer, in Q8 (error below 0.005 bits)."""
    extra = x.bit_length() - _LOG_WIDTH
    return LOG2[x] if extra <= 0 else LOG2[x >> extra] + (extra << 8)


@dataclass(slots=True)
class Row:
    """One context. ``n`` is always the sum of ``cells``; ``epoch`` is the fading epoch they are true for."""

    n: int = 0
    epoch: int = 0
    cells: dict[int, int] = field(default_factory=dict)


class _Overlay(dict[int, Row]):
    """Rows over the rows of another table, each copied when it is first looked at."""

    def __init__(self, below: dict[int, Row]) -> None:
        self._below = below

    def get(self, key: int, default: Row | None = None) -> Row | None:  # type: ignore[override]
        row = dict.get(self, key)
        if row is None and (row := self._below.get(key, default)) is not None:
            row = self[key] = Row(row.n, row.epoch, dict(row.cells))
        return row

    def values(self) -> ValuesView[Row]:  # type: ignore[override]
        """All rows, for eviction: copied first."""
        for key in self._below:
            self.get(key)
        return dict.values(self)


@dataclass(slots=True)
class Table:
    """Rows by context key. ``size`` is the number of cells, ``epoch`` the current fading epoch."""

    rows: dict[int, Row] = field(default_factory=dict)
    epoch: int = 0
    size: int = 0
    capacity: int = CAPACITY

    def surprise(self, contexts: Sequence[int], symbol: int, root: int, a: int) -> int:
        """``-log2 p`` of the symbol (Q8), contexts from coarse to fine.

        ``root`` is the surprise under the coarsest parent (log2 of the alphabet's size), ``a`` the weight of a
        parent. Where the symbol was not counted nothing is divided; a probability is formed only where it was.
        """
        return self.surprises(((contexts, symbol, root),), a)[0]

    def surprises(self, asked: Iterable[tuple[Sequence[int], int, int]], a: int) -> list[int]:
        """`surprise` of several (contexts, symbol, root), at the cost of one call."""
        rows, epoch, log2_of, exp2_of = self.rows, self.epoch, LOG2, EXP2
        light = log2_of[a]
        found = []
        for contexts, symbol, bits in asked:
            for key in contexts:
                row = rows.get(key)
                if row is None:
                    continue
                if row.epoch != epoch:
                    self._fade(row)
                total = row.n + a
                count = row.cells.get(symbol)
                extra = total.bit_length() - 11
                grown = log2_of[total] if extra <= 0 else log2_of[total >> extra] + (extra << 8)
                if count:
                    share = (count << 8) + (a * exp2_of[bits & 255] >> (8 + (bits >> 8)))
                    extra = share.bit_length() - 11
                    bits = grown + 2048 - (log2_of[share] if extra <= 0 else log2_of[share >> extra] + (extra << 8))
                else:
                    bits += grown - light
            found.append(min(BITS_CAP, bits))
        return found

    def averaged(self, contexts: Sequence[int], symbol: int, parent: int, a: int) -> int:
        """``-log2`` of the mean probability of the symbol (Q8) in contexts that stand beside each other.

        ``parent`` is its surprise in the context that all of them refine.
        """
        total = 0
        for bits in self.surprises([((key,), symbol, parent) for key in contexts], a):
            total += EXP2[bits & 255] << _PRECISION - 16 >> (bits >> 8)
        return (_PRECISION << 8) + log2(len(contexts)) - log2(total)

    def novel(self, contexts: Sequence[int], symbol: int, new: int) -> tuple[Sequence[int], int, int]:
        """What `surprises` is asked about a symbol of an open alphabet: where it is not counted in the coarsest
        context, the symbol ``new``. The coarsest parent is uniform over what is counted there, and one more."""
        row = self.rows.get(contexts[0])
        if row is None:
            return contexts, new, 0
        if row.epoch != self.epoch:
            self._fade(row)
        cells = row.cells
        return contexts, symbol if symbol in cells else new, log2(len(cells) + 1)

    def learn_novelty(self, contexts: Iterable[int], symbol: int, new: int) -> None:
        """Count a symbol of an open alphabet. What is met for the first time in a context also counts as ``new``
        there, until it is met again: how much of the next is new is told by what was met once (Good, 1953)."""
        rows, epoch = self.rows, self.epoch
        for key in contexts:
            row = rows.get(key)
            if row is None:
                row = rows[key] = Row(0, epoch, {})
            elif row.epoch != epoch:
                self._fade(row)
            cells = row.cells
            before = cells.get(symbol)
            cells[symbol] = (before or 0) + WEIGHT
            row.n += WEIGHT
            if before is None:
                self.size += 1 + (new not in cells)
                cells[new] = cells.get(new, 0) + WEIGHT
                row.n += WEIGHT
            elif before <= WEIGHT and new in cells:
                self._take(row, new)
        if self.size > self.capacity:
            self._evict()

    def unlearn_novelty(self, contexts: Iterable[int], symbol: int, new: int) -> None:
        """Take back what `learn_novelty` counted; what fading left of it is all that can be taken."""
        for key in contexts:
            row = self.rows.get(key)
            if row is None:
                continue
            if row.epoch != self.epoch:
                self._fade(row)
            cells = row.cells
            if symbol not in cells:
                continue
            left = self._take(row, symbol)
            if not left:
                self._take(row, new)
            elif left <= WEIGHT:
                self.size += new not in cells
                cells[new] = cells.get(new, 0) + WEIGHT
                row.n += WEIGHT

    def _take(self, row: Row, symbol: int) -> int:
        """Take one event's weight of a symbol away, or what there is; returns what is left."""
        count = row.cells.get(symbol, 0)
        if count > WEIGHT:
            row.cells[symbol] = count - WEIGHT
            row.n -= WEIGHT
            return count - WEIGHT
        if count:
            del row.cells[symbol]
            row.n -= count
            self.size -= 1
        return 0

    def weight(self, context: int, symbol: int | None = None) -> int:
        """The weight counted in a context, in all or of one symbol."""
        row = self.rows.get(context)
        if row is None:
            return 0
        if row.epoch != self.epoch:
            self._fade(row)
        return row.n if symbol is None else row.cells.get(symbol, 0)

    def width(self, context: int) -> int:
        """How many different symbols are counted in a context."""
        row = self.rows.get(context)
        if row is None:
            return 0
        if row.epoch != self.epoch:
            self._fade(row)
        return len(row.cells)

    def learn(self, contexts: Iterable[int], cells: Sequence[tuple[int, int]]) -> None:
        """Add weights (symbol, weight) to every context; evict when the table is over its capacity."""
        rows = self.rows
        epoch = self.epoch
        for key in contexts:
            row = rows.get(key)
            if row is None:
                row = rows[key] = Row(0, epoch, {})
            elif row.epoch != epoch:
                self._fade(row)
            counts = row.cells
            before = len(counts)
            total = 0
            for symbol, weight in cells:
                counts[symbol] = counts.get(symbol, 0) + weight
                total += weight
            row.n += total
            self.size += len(counts) - before
        if self.size > self.capacity:
            self._evict()

    def unlearn(self, contexts: Iterable[int], cells: Sequence[tuple[int, int]]) -> None:
        """Take weights (symbol, weight) away again; what fading left of them is all that can be taken."""
        for key in contexts:
            row = self.rows.get(key)
            if row is None:
                continue
            if row.epoch != self.epoch:
                self._fade(row)
            counts = row.cells
            for symbol, weight in cells:
                count = counts.get(symbol, 0)
                if count > weight:
                    counts[symbol] = count - weight
                    row.n -= weight
                elif count:
                    del counts[symbol]
                    row.n -= count
                    self.size -= 1

    def fork(self) -> Table:
        """A copy for a what-if: rows are copied when they are first looked at.

        Valid only as long as this table does not change.
        """
        return Table(_Overlay(self.rows), self.epoch, self.size, self.capacity)

    def _fade(self, row: Row) -> None:
        """Halve a row once for each boundary passed since it was last true. Shifts compose; products do not."""
        shift = self.epoch - row.epoch
        row.epoch = self.epoch
        if shift <= 0:
            return
        before = len(row.cells)
        row.cells = {symbol: weight >> shift for symbol, weight in row.cells.items() if weight >> shift}
        row.n = sum(row.cells.values())
        self.size += len(row.cells) - before

    def _evict(self) -> None:
        """Drop the least weights, ties by key, until an eighth of the table is free.

        An eighth at a time keeps the cost per event constant; which cells go is part of what state is.
        """
        for row in self.rows.values():
            if row.epoch != self.epoch:
                self._fade(row)
        weights = Counter(chain.from_iterable(row.cells.values() for row in self.rows.values()))
        excess = weights.total() - self.capacity * 7 // 8
        if excess > 0:  # fading alone may have freed enough
            for weight, key, symbol in self._lightest(weights, excess):
                row = self.rows[key]
                del row.cells[symbol]
                row.n -= weight
        self.rows = {key: row for key, row in self.rows.items() if row.cells}
        self.size = sum(len(row.cells) for row in self.rows.values())

    def _lightest(self, weights: Mapping[int, int], count: int) -> list[tuple[int, int, int]]:
        """So many cells of the least weight, ties by key; ``weights`` counts the cells of each weight."""
        cut = among = 0
        for weight in sorted(weights):
            cut, among = weight, among + weights[weight]
            if among >= count:
                break
        light = [
            (weight, key, symbol)
            for key, row in self.rows.items()
            for symbol, weight in row.cells.items()
            if weight <= cut
        ]
        light.sort()
        return light[:count]
