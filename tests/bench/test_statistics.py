from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.bench.statistics import poisson_tail, wilson


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_intervals(hits: int, trials: int, low: float, high: float) -> None:
    assert wilson(hits, trials) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_rate_and_stays_within_nought_and_one(share: tuple[int, int]) -> None:
    low, high = wilson(*share)
    assert 0 <= low <= share[0] / share[1] + 1e-12
    assert share[0] / share[1] - 1e-12 <= high <= 1
    assert low < high


@pytest.mark.parametrize(("hits", "trials"), [(0, 0), (3, 2), (-1, 5)])
def test_what_is_no_share_is_refused(hits: int, trials: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        wilson(hits, trials)


@pytest.mark.parametrize(
    ("mean", "count", "tail"),
    [
        (1.0, 0, 1.0),
        (1.0, 1, 1 - math.exp(-1)),
        (2.5, 3, 0.456187),
        (4.0, 10, 0.008132),
        (0.0, 1, 0.0),
        (0.0, 0, 1.0),
    ],
)
def test_the_poisson_tail_has_its_known_values(mean: float, count: int, tail: float) -> None:
    assert poisson_tail(mean, count) == pytest.approx(tail, abs=5e-7)


def test_a_tiny_tail_keeps_its_digits() -> None:
    assert poisson_tail(1.0, 30) == pytest.approx(1.4332e-33, rel=1e-3)
    assert poisson_tail(0.25, 100_000) == 0.0


@given(st.floats(0, 300), st.integers(0, 600))
def test_more_alarms_are_never_likelier(mean: float, count: int) -> None:
    assert 0 <= poisson_tail(mean, count + 1) <= poisson_tail(mean, count) + 1e-9
    assert poisson_tail(mean, count) <= 1
