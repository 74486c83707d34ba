"""From a score to how rare it is, and from there to the owner's budget of alarms.

Whatever is scored is counted by score. How rare a score is, is again a count: the share of the past that was at
least as high. Beyond the largest score seen, the tail is extended geometrically from the top 5 % (peaks over a
threshold with an exponential tail; Pickands, 1975). No theorem is claimed: what is promised is measured by
``homeward bench quiet``.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from typing import Final, Self

from homeward.core.behaviour.table import WEIGHT, log2

BUCKET_SHIFT: Final = 6
"""Scores (Q8 bits) are counted by quarter bits."""

_LN2: Final = 0.6931471805599453
_LN2_Q16: Final = round(_LN2 * 65536)

RAREST: Final = 1e-6
"""No p-value is smaller."""

MIN_DAYS: Final = 7
"""A rate per week is not claimed before a week was seen."""

MOST: Final = 100_000
"""A budget above it (alarms per week) is no budget."""

MEDIAN_RANK: Final = 3 * WEIGHT // 10
"""By how much more than allowed of the past may lie above a threshold that is kept as often as not."""

MIN_VISITS: Final = 40
"""Two visits in the top 5 %: the least from which a tail is extended."""


@dataclass(slots=True)
class Tail:
    """Scores counted by bucket (``counts``, ``n``); they fade.

    ``rarities`` is how rare each bucket was (Q8 bits) when `settle` was last called, and ``slope`` how much rarer
    each bucket beyond the last one is: what a visit is judged by does not move while it lasts.
    """

    counts: dict[int, int] = field(default_factory=dict)
    n: int = 0
    epoch: int = 0
    rarities: list[int] = field(default_factory=list)
    slope: int = 0
    settled: bool = True
    """Whether ``rarities`` and ``slope`` are those of ``counts``."""

    def fork(self) -> Self:
        """A copy that can go on by itself."""
        twin = copy(self)
        twin.counts = dict(self.counts)
        return twin

    def fade(self, epoch: int) -> None:
        """Halve every weight once for each boundary passed."""
        shift = epoch - self.epoch
        self.epoch = epoch
        if shift <= 0:
            return
        self.counts = {bucket: weight >> shift for bucket, weight in self.counts.items() if weight >> shift}
        self.n, self.settled = sum(self.counts.values()), False

    def add(self, score: int) -> None:
        """Count a score."""
        bucket = score >> BUCKET_SHIFT
        self.counts[bucket] = self.counts.get(bucket, 0) + WEIGHT
        self.n += WEIGHT
        self.settled = False

    def take_back(self, score: int) -> None:
        """Count a score no longer; what fading left of it is all that can be taken."""
        bucket = score >> BUCKET_SHIFT
        taken = min(self.counts.get(bucket, 0), WEIGHT)
        if taken:
            self.counts[bucket] -= taken
            self.n -= taken
            self.settled = False
            if not self.counts[bucket]:
                del self.counts[bucket]

    def settle(self) -> None:
        """From now on `rarity` answers by what has been counted."""
        if self.settled:
            return
        self.settled = True
        if not self.n:
            self.rarities, self.slope = [], 0
            return
        ranked = sorted(self.counts.items(), reverse=True)
        total = log2(self.n + WEIGHT)
        largest = ranked[0][0]
        rarities = [0] * (largest + 1)
        above = 0
        for place, (bucket, weight) in enumerate(ranked):
            above += weight
            lower = ranked[place + 1][0] if place + 1 < len(ranked) else -1
            rarities[lower + 1 : bucket + 1] = [total - log2(above + WEIGHT)] * (bucket - lower)
        self.rarities = rarities
        self.slope = max((1 << 32) // (self._top(ranked)[1] * _LN2_Q16), 1)

    def rarity(self, score: int) -> int:
        """``-log2`` of the share of scores at least as high (Q8), extended beyond the largest; 0 at first."""
        bucket = score >> BUCKET_SHIFT
        beyond = bucket - len(self.rarities)
        if beyond < 0:
            return self.rarities[bucket]
        return self.rarities[-1] + (beyond + 1) * self.slope if self.rarities else 0

    def p_value(self, score: int) -> float:
        """The share of the past at least as high, this one included; below 1/n the tail is extended.

        Never below one in a million: no home has told us enough to claim more.
        """
        if not self.n:
            return 1.0
        bucket = score >> BUCKET_SHIFT
        at_least = sum(weight for other, weight in self.counts.items() if other >= bucket)
        share = (at_least + WEIGHT) / (self.n + WEIGHT)
        largest = max(self.counts)
        if bucket <= largest:
            return share
        excess = self._top(sorted(self.counts.items(), reverse=True))[1]
        steps = min((bucket - largest) * 256 / (excess * _LN2), 64.0)
        return max(share * float(2.0**-steps), RAREST)

    def _slope(self, ranked: list[tuple[int, int]], lower: int, weight: int) -> int:
        """How far the scores fall while twice their rank doubles: from one so high to one of four times its rank."""
        above, low = 0, 0
        for bucket, more in ranked:
            above, low = above + more, bucket
            if above >= 4 * weight:
                break
        return max(lower - (low + 1 << BUCKET_SHIFT) + 1, 4 << BUCKET_SHIFT)

    def _top(self, ranked: list[tuple[int, int]]) -> tuple[int, int, int]:
        """Where the top 5 % begins (bucket), its mean excess (buckets, Q8), and its weight."""
        top = spread = 0
        base = ranked[0][0]
        for bucket, weight in ranked:
            top += weight
            spread += bucket * weight
            base = bucket
            if top * 20 >= self.n:
                break
        mean_excess = ((spread - base * top) << 8) // top
        return base, max(mean_excess, 2 << 8), top


@dataclass(slots=True)
class Calibration(Tail):
    """A tail that knows over how many active days it was counted, and so can promise a rate.

    ``ready_once`` remembers that enough was seen, so that the next halving does not make the guard young again.
    """

    days: int = 0
    ready_once: bool = False

    def fade(self, epoch: int) -> None:
        """Halve every weight once for each boundary passed."""
        shift = epoch - self.epoch
        Tail.fade(self, epoch)
        if shift > 0:
            self.days >>= shift

    def add_day(self, days: int = 1) -> None:
        """Count an active day."""
        self.days += days * WEIGHT

    def ready(self, least: int = MIN_VISITS) -> bool:
        """Whether enough was seen to promise a rate; once it was, half of it will do (a boundary halves it)."""
        half = 2 if self.ready_once else 1
        enough = self.days * half >= MIN_DAYS * WEIGHT and self.n * half >= least * WEIGHT
        self.ready_once = enough
        return enough

    def threshold(self, per_week: float) -> int | None:
        """The score (Q8) above which ``per_week`` a week will lie; ``None`` while too young to say.

        As often as not, what lies beyond the ``k``-th highest of the past comes less than ``k - 0.3`` times in as
        long (the median rank; Benard and Bos-Levenbach, 1953). Between two of the past, and beyond the highest, the
        tail is taken to be geometric.
        """
        if not self.ready():
            return None
        allowed = max(int(min(per_week, MOST) * self.days) // 7, 1) if per_week > 0 else 1  # NaN allows nothing
        if allowed > 1:
            allowed += MEDIAN_RANK
        ranked = sorted(self.counts.items(), reverse=True)
        above, end = 0, 0
        for bucket, weight in ranked:
            lower = (bucket + 1 << BUCKET_SHIFT) - 1
            if not above:
                if allowed < weight:
                    steps = self._top(ranked)[1] * (log2(weight) - log2(allowed)) * _LN2_Q16 >> 24
                    return lower + (steps << BUCKET_SHIFT >> 8)
            elif above + weight > allowed:
                share, whole = log2(above + weight) - log2(allowed), log2(above + weight) - log2(above)
                between = (end - lower) * share // whole if whole else end - lower
                return lower + min(between, self._slope(ranked, lower, above + weight) * share >> 9)
            above, end = above + weight, lower
        return 0
