"""The demonstration's clock: fast or slow, never backwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.demo.clock import DemoClock

EVENING = datetime(2026, 5, 6, 20, 30, tzinfo=UTC)


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_it_stands_until_it_is_told_to_go() -> None:
    seconds = Seconds()
    clock = DemoClock(EVENING, seconds=seconds)
    seconds.now += 60
    assert clock.now() == EVENING
    assert clock.seconds_until(EVENING + timedelta(seconds=1)) == inf
    assert clock.seconds_until(EVENING) <= 0


def test_an_hour_lasts_half_a_minute_at_pace_120_and_an_hour_at_pace_1() -> None:
    seconds = Seconds()
    clock = DemoClock(EVENING, seconds=seconds)
    clock.go(120)
    assert clock.seconds_until(EVENING + timedelta(hours=1)) == 30
    seconds.now += 30
    assert clock.now() == EVENING + timedelta(hours=1)
    clock.go(1)
    seconds.now += 45
    assert clock.now() == EVENING + timedelta(hours=1, seconds=45)
    assert clock.seconds_until(EVENING + timedelta(hours=2)) == 3555


def test_it_waits_where_it_was_told_to() -> None:
    seconds = Seconds()
    clock = DemoClock(EVENING, seconds=seconds)
    clock.go(3600, until=EVENING + timedelta(hours=2))
    seconds.now += 50
    assert clock.now() == EVENING + timedelta(hours=2)
    clock.go(1)
    seconds.now += 1
    assert clock.now() == EVENING + timedelta(hours=2, seconds=1)


@given(
    st.lists(
        st.tuples(st.floats(0, 10_000), st.floats(0, 600), st.none() | st.integers(-100_000, 100_000)),
        max_size=30,
    )
)
def test_it_never_goes_back(steps: list[tuple[float, float, int | None]]) -> None:
    seconds = Seconds()
    clock = DemoClock(EVENING, seconds=seconds)
    told = [clock.now()]
    for pace, passes, until in steps:
        clock.go(pace, None if until is None else EVENING + timedelta(seconds=until))
        told.append(clock.now())
        seconds.now += passes
        told.append(clock.now())
    assert all(before <= after for before, after in pairwise(told))


@pytest.mark.parametrize("pace", [-1.0, inf, float("nan")])
def test_a_pace_that_is_none_is_refused(pace: float) -> None:
    with pytest.raises(ValueError, match="pace"):
        DemoClock(EVENING).go(pace)
