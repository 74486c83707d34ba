"""Stepping up: whoever was asked for a code does not count as the person before it was given, or the time is over."""

from __future__ import annotations

from typing import Literal

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import hostile_text

from homeward.core.step_up import LONGEST_MINUTES, PEOPLE_LIMIT, VERIFIED_MS, StepUp

MINUTE = 60_000
ANNA, BEN = "person:anna", "person:ben"


def test_a_person_must_step_up_until_the_time_is_over() -> None:
    step_up = StepUp()
    assert not step_up.must(ANNA, 0)
    assert step_up.demand(ANNA, 1000, 10) == 1000 + 10 * MINUTE
    assert step_up.must(ANNA, 1000)
    assert step_up.suspected(ANNA, 1000 + 10 * MINUTE - 1)
    assert not step_up.must(ANNA, 1000 + 10 * MINUTE)
    assert not step_up.must(BEN, 1000)


def test_a_right_code_lifts_it_and_the_person_counts_for_a_while() -> None:
    step_up = StepUp()
    step_up.demand(ANNA, 0, 30)
    assert not step_up.counts(ANNA, MINUTE)
    assert step_up.verified(ANNA, MINUTE)
    assert not step_up.must(ANNA, MINUTE)
    assert step_up.counts(ANNA, MINUTE + VERIFIED_MS - 1)
    assert not step_up.counts(ANNA, MINUTE + VERIFIED_MS)
    assert not step_up.verified(BEN, MINUTE), "nobody asked for it, and it counts all the same"
    assert step_up.counts(BEN, MINUTE)


def test_what_is_odd_after_a_code_asks_for_another() -> None:
    step_up = StepUp()
    step_up.verified(ANNA, 0)
    step_up.demand(ANNA, 1, 5)
    assert step_up.must(ANNA, 2)
    assert not step_up.counts(ANNA, 2)


def test_a_later_demand_never_ends_an_earlier_one_sooner() -> None:
    step_up = StepUp()
    step_up.demand(ANNA, 0, 60)
    assert step_up.demand(ANNA, MINUTE, 5) == 60 * MINUTE
    assert step_up.demand(ANNA, 59 * MINUTE, 5) == 64 * MINUTE


def test_a_demand_is_neither_empty_nor_endless() -> None:
    step_up = StepUp()
    assert step_up.demand(ANNA, 0, -5) == MINUTE
    assert step_up.demand(ANNA, 0, 10**9) == LONGEST_MINUTES * MINUTE
    assert step_up.demand("", 0, 5) is None
    assert step_up.demand("x" * 129, 0, 5) is None


def test_whoever_did_not_step_up_is_named_when_the_time_is_over() -> None:
    step_up = StepUp()
    assert step_up.next_deadline() is None
    for person, minutes in ((BEN, 5), (ANNA, 5), ("person:cleo", 6)):
        step_up.demand(person, 0, minutes)
    step_up.verified("person:dora", 0)
    assert step_up.next_deadline() == 5 * MINUTE
    assert step_up.expire(5 * MINUTE - 1) == []
    assert step_up.expire(5 * MINUTE) == [ANNA, BEN]
    step_up.verified("person:cleo", 5 * MINUTE)
    assert step_up.next_deadline() == VERIFIED_MS
    assert step_up.expire(5 * MINUTE + VERIFIED_MS) == []
    assert step_up == StepUp()


def test_of_too_many_people_those_whose_time_ends_first_are_let_go() -> None:
    step_up = StepUp()
    for n in range(PEOPLE_LIMIT + 10):
        step_up.demand(f"person:{n}", n, 5)
    assert list(step_up.until) == [f"person:{n}" for n in range(10, PEOPLE_LIMIT + 10)]
    step_up.demand("person:last", 0, 1)
    assert step_up.must("person:last", 0), "the newest is kept, however short"


Step = tuple[Literal["demand", "verified", "expire"], str, int, int]
steps = st.tuples(
    st.sampled_from(["demand", "verified", "expire"]),
    st.one_of(st.sampled_from([ANNA, BEN]), hostile_text),
    st.integers(0, 40 * MINUTE),
    st.one_of(st.integers(0, 30), st.integers()),
)


@given(st.lists(steps, max_size=40))
def test_a_person_must_step_up_exactly_from_a_demand_to_a_code_or_to_its_end(asked: list[Step]) -> None:
    step_up, at, naive = StepUp(), 0, dict[str, tuple[int, int]]()
    for what, person, passed, minutes in asked:
        at += passed
        ends, _ = naive.get(person, (0, -VERIFIED_MS))
        twin, before = step_up.fork(), msgspec.msgpack.encode(step_up)
        match what:
            case "demand":
                if step_up.demand(person, at, minutes) is not None:
                    length = min(max(minutes, 1), LONGEST_MINUTES) * MINUTE
                    naive[person] = max(ends, at + length), -VERIFIED_MS
            case "verified":
                assert step_up.verified(person, at) == (at < ends)
                if 0 < len(person) <= 128 and person.encode("utf-8", "ignore").decode() == person:
                    naive[person] = 0, at
            case _:
                missed = step_up.expire(at)
                assert set(missed) <= set(naive)
                assert (step_up.next_deadline() or at + 1) > at
        assert msgspec.msgpack.encode(twin) == before, "a fork is left alone"
        for each, (until, proved) in naive.items():
            assert step_up.must(each, at) == step_up.suspected(each, at) == (at < until)
            assert step_up.counts(each, at) == (at - proved < VERIFIED_MS)
        assert len(step_up.until) <= PEOPLE_LIMIT
        assert not step_up.until.keys() & step_up.since.keys()
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(step_up), type=StepUp) == step_up
