"""The few statistics that the benchmarks publish."""

from __future__ import annotations

import math

Z_95 = 1.959963984540054
"""The 97.5th percentile of the standard normal distribution."""


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson 1927).

    Raises:
        ValueError: there are no trials, or more hits than trials.
    """
    if trials <= 0 or not 0 <= hits <= trials:
        raise ValueError(f"{hits} of {trials} is no share")
    share, square = hits / trials, Z_95**2
    middle = share + square / (2 * trials)
    half = Z_95 * math.sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    scale = 1 + square / trials
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def poisson_tail(mean: float, count: int) -> float:
    """How likely ``count`` or more events are where ``mean`` are expected: P(Poisson(mean) ≥ count).

    Raises:
        ValueError: the mean is negative or not finite.
    """
    if not (math.isfinite(mean) and mean >= 0):
        raise ValueError(f"{mean} is no mean of a Poisson distribution")
    if count <= 0:
        return 1.0
    if mean == 0:
        return 0.0
    if count <= mean:  # the smaller side is summed, so that a tiny tail keeps its digits
        return max(0.0, 1.0 - math.fsum(_poisson(mean, k) for k in range(count)))
    total, k = 0.0, count
    while (term := _poisson(mean, k)) > total * 1e-17:
        total += term
        k += 1
    return min(1.0, total)


def _poisson(mean: float, count: int) -> float:
    return math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))
