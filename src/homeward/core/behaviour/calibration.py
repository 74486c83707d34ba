"""From a score to a p-value and to the owner's budget of alarms.

One number is calibrated: the score of a visit. Past visits are counted by score, and the threshold is the score
that they exceeded as often as the budget allows: it is set from the past, before an event is seen. Beyond the
largest score seen often enough, the tail is extended geometrically from the top 5 % (peaks over a threshold with an
exponential tail; Pickands, 1975). No theorem is claimed: what is promised is measured by ``homeward bench quiet``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

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

MIN_VISITS: Final = 40
"""Two visits in the top 5 %: the least from which a tail is extended."""


@dataclass(slots=True)
class Calibration:
    """Visits counted by the bucket of their score (``counts``, ``n``), and active days; all fade.

    ``ready_once`` remembers that enough was seen, so that the next halving does not make the guard young again.
    """

    counts: dict[int, int] = field(default_factory=dict)
    n: int = 0
    days: int = 0
    epoch: int = 0
    ready_once: bool = False

    def fade(self, epoch: int) -> None:
        """Halve every weight once for each boundary passed."""
        shift = epoch - self.epoch
        self.epoch = epoch
        if shift <= 0:
            return
        self.counts = {bucket: weight >> shift for bucket, weight in self.counts.items() if weight >> shift}
        self.n = sum(self.counts.values())
        self.days >>= shift

    def add_visit(self, score: int) -> None:
        """Count a visit that is over."""
        bucket = score >> BUCKET_SHIFT
        self.counts[bucket] = self.counts.get(bucket, 0) + WEIGHT
        self.n += WEIGHT

    def add_day(self) -> None:
        """Count an active day."""
        self.days += WEIGHT

    def ready(self) -> bool:
        """Whether enough was seen to promise a rate; once it was, half of it will do (a boundary halves it)."""
        half = 2 if self.ready_once else 1
        enough = self.days * half >= MIN_DAYS * WEIGHT and self.n * half >= MIN_VISITS * WEIGHT
        self.ready_once = enough
        return enough

    def threshold(self, per_week: float) -> int | None:
        """The score (Q8) above which at most ``per_week`` visits a week lie; ``None`` while too young to say.

        Where the budget allows not even one visit of the past, it lies above all of them.
        """
        if not self.ready():
            return None
        allowed = max(int(min(per_week, MOST) * self.days) // 7, 1) if per_week > 0 else 1  # NaN allows nothing
        ranked = sorted(self.counts.items(), reverse=True)
        if allowed >= WEIGHT:
            above = 0
            for bucket, weight in ranked:
                above += weight
                if above > allowed:
                    return (bucket + 1 << BUCKET_SHIFT) - 1
            return 0
        base, excess, top = self._tail(ranked)
        steps = excess * (log2(top) - log2(allowed)) * _LN2_Q16 >> 24
        extended = (base + 1 << BUCKET_SHIFT) + (steps << BUCKET_SHIFT >> 8)
        return max(extended, (ranked[0][0] + 1 << BUCKET_SHIFT) - 1)

    def _tail(self, ranked: list[tuple[int, int]]) -> tuple[int, int, int]:
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

    def p_value(self, score: int) -> float:
        """The share of past visits at least as strange, this one included; below 1/n the tail is extended.

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
        _, excess, _ = self._tail(sorted(self.counts.items(), reverse=True))
        steps: float = (bucket - largest) * 256 / (excess * _LN2)
        return max(share / float(2.0**steps), RAREST)
