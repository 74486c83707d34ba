"""From a score to the owner's budget: what the threshold promises of the past."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.core.behaviour.calibration import BUCKET_SHIFT, MIN_DAYS, MIN_VISITS, RAREST, Calibration, Tail
from homeward.core.behaviour.table import BITS_CAP, WEIGHT

HIGHEST = 4 * BITS_CAP
SCORES = st.one_of(st.integers(0, HIGHEST), st.integers(0, 40 << 8), st.sampled_from([0, 640, 641, 5000]))
VISITS = st.lists(SCORES, min_size=MIN_VISITS, max_size=150)
BUDGETS = st.one_of(st.floats(0.01, 50), st.sampled_from([0.1, 1.0, 7.0]))


def seen(visits: list[int], days: int = 30) -> Calibration:
    calibration = Calibration()
    for score in visits:
        calibration.add(score)
    for _ in range(days):
        calibration.add_day()
    return calibration


@given(VISITS, st.integers(MIN_DAYS, 60), BUDGETS)
def test_the_past_would_not_have_cost_more_alarms_than_the_budget_and_the_median_rank_allow(
    visits: list[int], days: int, budget: float
) -> None:
    threshold = seen(visits, days).threshold(budget)
    assert threshold is not None
    assert sum(score > threshold for score in visits) <= budget * days / 7 + 0.3


@given(VISITS, st.integers(MIN_DAYS, 60), BUDGETS, BUDGETS)
def test_a_larger_budget_never_raises_the_threshold(visits: list[int], days: int, one: float, other: float) -> None:
    calibration = seen(visits, days)
    strict, generous = calibration.threshold(min(one, other)), calibration.threshold(max(one, other))
    assert strict is not None
    assert generous is not None
    assert strict >= generous >= 0


@given(VISITS, st.sampled_from([0.0, -1.0, float("nan"), float("inf"), 1e300]))
def test_a_budget_that_makes_no_sense_is_survived(visits: list[int], budget: float) -> None:
    assert isinstance(seen(visits).threshold(budget), int)


@given(VISITS, SCORES, SCORES)
def test_a_p_value_is_a_share_and_never_rises_with_the_score(visits: list[int], one: int, other: int) -> None:
    calibration = seen(visits)
    low, high = calibration.p_value(min(one, other)), calibration.p_value(max(one, other))
    assert 0 < high <= low <= 1


def test_a_p_value_counts_how_often_a_score_was_that_high_before() -> None:
    calibration = seen([1 << 8] * 90 + [20 << 8] * 9)
    assert calibration.p_value(20 << 8) == pytest.approx(0.1)
    assert calibration.p_value(0) == 1.0
    assert RAREST < calibration.p_value(24 << 8) < calibration.p_value(22 << 8) < calibration.p_value(20 << 8)
    assert calibration.p_value(60 << 8) == RAREST


@pytest.mark.parametrize(
    ("visits", "days"), [(0, 0), (MIN_VISITS - 1, 100), (1000, MIN_DAYS - 1), (0, 100), (1000, 0)]
)
def test_too_young_to_say_is_no_threshold(visits: int, days: int) -> None:
    assert seen([256] * visits, days).threshold(1.0) is None


def test_nothing_seen_is_strange_to_nobody() -> None:
    assert Calibration().p_value(HIGHEST) == 1.0


@given(VISITS, st.lists(st.integers(0, 3), max_size=4))
def test_fading_halves_and_shifts_compose(visits: list[int], shifts: list[int]) -> None:
    slow, at_once = seen(visits), seen(visits)
    before = dict(slow.counts)
    for epoch in range(len(shifts)):
        slow.fade(sum(shifts[: epoch + 1]))
    at_once.fade(sum(shifts))
    assert (slow.counts, slow.n, slow.days) == (at_once.counts, at_once.n, at_once.days)
    assert at_once.n == sum(at_once.counts.values())
    halved = {bucket: weight >> sum(shifts) for bucket, weight in before.items()}
    assert at_once.counts == {bucket: weight for bucket, weight in halved.items() if weight}


def test_a_guard_that_can_keep_its_budget_still_can_after_a_boundary_halved_what_it_saw() -> None:
    calibration = seen([256 * (number % 9) for number in range(MIN_VISITS)], MIN_DAYS)
    assert calibration.threshold(1.0) is not None
    calibration.fade(1)
    assert calibration.threshold(1.0) is not None


def test_a_guard_that_was_off_for_most_of_a_year_is_young_again() -> None:
    calibration = seen([256 * (number % 9) for number in range(MIN_VISITS)], MIN_DAYS)
    assert calibration.threshold(1.0) is not None
    calibration.fade(5)
    assert calibration.threshold(1.0) is None


@given(VISITS, st.integers(MIN_DAYS, 60))
def test_a_score_within_the_past_is_no_alarm_where_the_budget_allows_not_even_one(
    visits: list[int], days: int
) -> None:
    threshold = seen(visits, days).threshold(0.7 * 7 / days)  # by the median rank, 0.3 more
    assert threshold is not None
    assert threshold >= max(visits)


def test_a_visit_weighs_what_an_event_weighs() -> None:
    assert seen([1], 1) == Calibration(counts={0: WEIGHT}, n=WEIGHT, days=WEIGHT, settled=False)


def spread(step: float, count: int = 1_000) -> list[int]:
    """A geometric tail: whoever is twice as high in rank is ``step`` lower."""
    return [round(step * math.log2(count / rank)) for rank in range(1, count + 1)]


BUCKET = 1 << BUCKET_SHIFT


@pytest.mark.parametrize("allowed", [1, 2, 3, 5, 10, 40])
def test_so_many_are_allowed_is_the_median_rank_between_two_of_the_past(allowed: int) -> None:
    """As often as not fewer than ``k`` come above where the ``k + 0.3``-th highest of as many would lie."""
    step = 2_000
    threshold = seen(spread(step), days=70).threshold(allowed / 10)
    assert threshold == pytest.approx(step * math.log2(1_000 / (allowed + 0.3)), abs=2 * BUCKET)


@pytest.mark.parametrize(("allowed", "rank"), [(0.1, 0.4), (0.35, 0.65), (0.6, 0.9)])
def test_where_not_even_one_is_allowed_the_tail_goes_on_beyond_the_highest(allowed: float, rank: float) -> None:
    step = 2_000
    threshold = seen(spread(step), days=70).threshold(allowed / 10)
    assert threshold is not None
    beyond = threshold - step * math.log2(1_000)
    assert beyond == pytest.approx(step * math.log2(1 / rank), rel=0.15, abs=2 * BUCKET)


def test_where_one_of_the_past_is_allowed_and_stands_alone_the_threshold_stays_with_the_rest() -> None:
    """One strange night must not let the next be anything less strange."""
    rest = [10 * number for number in range(103)]  # …, 1000, 1010, 1020
    threshold = seen([*rest, 30_000], days=7).threshold(1.0)
    assert threshold is not None
    assert 1_020 <= threshold < 1_020 + (30_000 - 1_020) // 50


RESTS = st.lists(st.integers(0, 1_020), min_size=MIN_VISITS, max_size=150)


@given(RESTS, st.integers(1, 3), st.integers(20_000, 500_000), st.integers(20_000, 500_000))
def test_how_far_away_those_are_that_are_allowed_does_not_matter(
    rest: list[int], allowed: int, one: int, other: int
) -> None:
    near, far = (seen(rest + [alone] * allowed, 7).threshold(float(allowed)) for alone in (one, other))
    assert near == far
    assert near is not None
    fall = max(max(rest) - min(rest) + BUCKET, 4 * BUCKET) / 2  # at most, while the rank doubles
    doublings = math.log2(len(rest) + allowed) - math.log2(allowed + 0.3)
    assert max(rest) <= near <= max(rest) + BUCKET + fall * doublings


@given(RESTS, st.lists(st.integers(2_000, 100_000), min_size=1, max_size=5))
def test_a_larger_budget_never_raises_the_threshold_within_a_gap_or_at_its_ends(
    rest: list[int], alone: list[int]
) -> None:
    calibration = seen(rest + alone, 35)
    thresholds = [calibration.threshold(number / 20) or 0 for number in range(1, 61)]
    assert thresholds == sorted(thresholds, reverse=True)


def test_what_was_counted_can_be_taken_back_but_no_more_than_is_left_of_it() -> None:
    tail = seen([640, 640, 900])
    tail.take_back(900)
    assert tail.counts == seen([640, 640]).counts
    tail.take_back(900)
    assert (tail.counts, tail.n) == (seen([640, 640]).counts, 2 * WEIGHT)
    tail.fade(2)
    tail.take_back(640)
    assert (tail.counts, tail.n) == ({}, 0)


# How rare: what habits and the parts of visits are counted by


def settled(scores: list[int]) -> Tail:
    tail = Tail()
    for score in scores:
        tail.add(score)
    tail.settle()
    return tail


PAST = st.lists(SCORES, min_size=1, max_size=100)


@given(PAST, SCORES, SCORES)
def test_a_higher_score_is_never_less_rare(past: list[int], one: int, other: int) -> None:
    tail = settled(past)
    assert 0 <= tail.rarity(min(one, other)) <= tail.rarity(max(one, other))


@given(PAST, st.integers(0, 200))
def test_within_the_past_how_rare_is_the_share_that_was_at_least_as_high(past: list[int], place: int) -> None:
    tail, score = settled(past), past[place % len(past)]
    at_least = sum(other >> BUCKET_SHIFT >= score >> BUCKET_SHIFT for other in past)
    assert tail.rarity(score) / 256 == pytest.approx(math.log2((len(past) + 1) / (at_least + 1)), abs=0.02)


@given(PAST, st.integers(1, 1_000))
def test_beyond_the_largest_each_bucket_is_rarer_by_the_same(past: list[int], buckets: int) -> None:
    tail, largest = settled(past), max(past) >> BUCKET_SHIFT
    at_edge = tail.rarity(largest << BUCKET_SHIFT)
    step = tail.rarity(largest + 1 << BUCKET_SHIFT) - at_edge
    assert step > 0
    assert tail.rarity(largest + buckets << BUCKET_SHIFT) == at_edge + buckets * step


@given(PAST, PAST, SCORES)
def test_what_is_judged_by_does_not_move_until_it_is_settled(past: list[int], since: list[int], score: int) -> None:
    tail = settled(past)
    before = tail.rarity(score)
    for other in since:
        tail.add(other)
    tail.fade(1)
    assert tail.rarity(score) == before
    tail.settle()
    faded = settled(past + since)
    faded.fade(1)
    faded.settle()
    assert tail.rarity(score) == faded.rarity(score)


def test_nothing_is_rare_to_who_has_seen_nothing() -> None:
    assert Tail().rarity(HIGHEST) == settled([]).rarity(HIGHEST) == 0


@given(PAST, PAST)
def test_a_fork_of_a_tail_goes_on_by_itself(past: list[int], since: list[int]) -> None:
    tail, alike = settled(past), settled(past)
    twin = tail.fork()
    assert twin == tail
    for other in since:
        twin.add(other)
    twin.settle()
    twin.fade(3)
    assert tail == alike
