"""The habits: keys that are the same everywhere, symbols that know their neighbours."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import hostile_text

from homeward.core.behaviour.habits import (
    ALONE,
    AMOUNT_CELLS,
    AMOUNTS,
    FIELDS,
    HABITS,
    IN_COMPANY,
    LINE_CELLS,
    PAUSES,
    RING_CELLS,
    UNKNOWN,
    amount_bucket,
    contexts,
    name_key,
    pause_bucket,
)
from homeward.core.behaviour.table import WEIGHT

KEY = st.integers(1, (1 << 60) - 1)
KEYS = st.lists(KEY, min_size=len(FIELDS), max_size=len(FIELDS))
ACTIVITIES = st.lists(KEY, min_size=1, max_size=4, unique=True)


def test_a_name_has_the_same_key_on_every_machine() -> None:
    assert name_key("device", "front door") == 568_109_980_538_165_668
    assert name_key("device", "front door") != name_key("type", "front door")


@given(hostile_text, hostile_text)
def test_every_name_has_a_key_of_sixty_bits(one: str, other: str) -> None:
    assert 0 <= name_key(one, other) < 1 << 60


def test_neighbouring_half_hours_share_what_one_event_weighs() -> None:
    assert all(sum(weight for _, weight in cells) == WEIGHT for cells in RING_CELLS)
    assert RING_CELLS[0] == ((46, 26), (47, 51), (0, 102), (1, 51), (2, 26))


def test_neighbouring_pauses_share_what_one_event_weighs_and_the_ends_keep_theirs() -> None:
    assert all(sum(weight for _, weight in cells) == WEIGHT for cells in LINE_CELLS)
    assert LINE_CELLS[10] == ((9, 64), (10, 128), (11, 64))
    assert all(0 <= symbol < PAUSES for cells in LINE_CELLS for symbol, _ in cells)


@given(st.integers(0, 1 << 60), st.integers(0, 1 << 60))
def test_a_longer_pause_never_has_a_smaller_bucket(one: int, other: int) -> None:
    short, long = sorted((one, other))
    assert 0 <= pause_bucket(short) <= pause_bucket(long) < PAUSES


def test_buckets_of_pauses_are_half_octaves() -> None:
    assert [pause_bucket(ms) for ms in (0, 249, 250, 500, 750, 1000, 1500, 2000)] == [0, 0, 1, 3, 4, 5, 6, 7]
    assert pause_bucket(40 * 86_400_000) == PAUSES - 1


SAID = tuple(0 for _ in HABITS)
"""A symbol for every habit."""


@given(KEYS, ACTIVITIES)
def test_every_context_has_a_key_of_its_own(fields: list[int], company: list[int]) -> None:
    found = contexts(fields, SAID, company)
    given_by = [len(habit.given) for habit in HABITS]
    given_by[IN_COMPANY] = 1 + len(company)
    assert [len(keys) for keys in found] == given_by
    keys = [key for of_habit in found for key in of_habit]
    assert len(set(keys)) == len(keys)


@given(KEYS, st.sampled_from(range(len(FIELDS))))
def test_a_context_with_a_field_that_is_unknown_is_left_out_and_no_other(fields: list[int], unknown: int) -> None:
    known, fields[unknown] = contexts(fields, SAID), 0
    for habit, before, after in zip(HABITS, known, contexts(fields, SAID), strict=True):
        given = zip(habit.given, before, strict=True)
        assert after == tuple(key for names, key in given if FIELDS[unknown] not in names)


@given(KEYS, st.sampled_from(range(len(HABITS))))
def test_a_habit_whose_symbol_is_unknown_asks_nothing(fields: list[int], habit: int) -> None:
    silent = tuple(UNKNOWN if number == habit else 0 for number in range(len(HABITS)))
    assert [keys == () for keys in contexts(fields, silent)] == [number == habit for number in range(len(HABITS))]


@given(KEYS, ACTIVITIES, st.randoms(use_true_random=False))
def test_the_order_of_the_company_makes_no_other_contexts(
    fields: list[int], company: list[int], random: Random
) -> None:
    shuffled = random.sample(company, len(company))
    one, other = contexts(fields, SAID, company), contexts(fields, SAID, shuffled)
    assert one[IN_COMPANY][0] == other[IN_COMPANY][0]
    assert set(one[IN_COMPANY]) == set(other[IN_COMPANY])


@given(KEYS, ACTIVITIES)
def test_the_company_is_a_context_of_no_other_habit(fields: list[int], company: list[int]) -> None:
    alone, among = contexts(fields, SAID), contexts(fields, SAID, company)
    assert alone[:IN_COMPANY] + alone[IN_COMPANY + 1 :] == among[:IN_COMPANY] + among[IN_COMPANY + 1 :]


def test_to_be_alone_is_a_company_too() -> None:
    fields = [1] * len(FIELDS)
    assert contexts(fields, SAID) == contexts(fields, SAID, (ALONE,))
    assert len(contexts(fields, SAID)[IN_COMPANY]) == 2


def test_every_field_that_a_habit_names_is_one() -> None:
    assert {name for habit in HABITS for names in habit.given for name in names} <= {*FIELDS, "company"}


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_a_larger_amount_never_has_a_smaller_bucket(one: float, other: float) -> None:
    small, large = sorted((one, other))
    assert 0 <= amount_bucket(small) <= amount_bucket(large) < AMOUNTS


def test_buckets_of_amounts_are_half_octaves_on_both_sides_of_nothing() -> None:
    nothing = amount_bucket(0.0)
    assert [amount_bucket(value) - nothing for value in (0.01, 1, 2, 4, 8)] == [0, 13, 15, 17, 19]
    assert [amount_bucket(-value) - nothing for value in (0.01, 1, 2, 4, 8)] == [0, -13, -15, -17, -19]
    assert amount_bucket(float("inf")) == amount_bucket(1e6) == AMOUNTS - 1


def test_neighbouring_amounts_share_what_one_event_weighs() -> None:
    assert all(sum(weight for _, weight in cells) == WEIGHT for cells in AMOUNT_CELLS)
    assert all(0 <= symbol < AMOUNTS for cells in AMOUNT_CELLS for symbol, _ in cells)
