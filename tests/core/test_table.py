"""The kernel: integer counts with back-off, and what they promise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeward.core.behaviour.table import BITS_CAP, EXP2, LOG2, WEIGHT, Row, Table, log2

CONTEXTS = st.integers(0, 12)
SYMBOLS = st.integers(0, 12)
CELLS = st.lists(st.tuples(SYMBOLS, st.integers(1, 300)), min_size=1, max_size=3, unique_by=lambda cell: cell[0])


@dataclass(frozen=True)
class Learn:
    contexts: tuple[int, ...]
    cells: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Pass:
    epochs: int


@dataclass(frozen=True)
class Look:
    context: int
    symbol: int


Step = Learn | Pass | Look
LEARN = st.builds(
    Learn, st.lists(CONTEXTS, min_size=1, max_size=4, unique=True).map(tuple), CELLS.map(lambda cells: tuple(cells))
)
STEPS = st.lists(
    st.one_of(LEARN, LEARN, st.builds(Pass, st.integers(1, 4)), st.builds(Look, CONTEXTS, SYMBOLS)), max_size=60
)


def take(table: Table, step: Step) -> None:
    match step:
        case Learn(contexts, cells):
            table.learn(contexts, cells)
        case Pass(epochs):
            table.epoch += epochs
        case Look(context, symbol):
            table.surprise([context], symbol, 256, WEIGHT)


def run(steps: Sequence[Step], capacity: int) -> Table:
    table = Table(capacity=capacity)
    for step in steps:
        take(table, step)
    return table


def contents(table: Table) -> dict[tuple[int, int], int]:
    """What is counted now, every row faded up to the table's epoch."""
    return {
        (key, symbol): table.weight(key, symbol)
        for key in list(table.rows)
        for symbol in list(table.rows[key].cells)
        if table.weight(key, symbol)
    }


@given(STEPS, st.integers(8, 200))
def test_a_rows_weight_is_the_sum_of_its_cells_after_any_learning_fading_and_evicting(
    steps: list[Step], capacity: int
) -> None:
    table = Table(capacity=capacity)
    for step in steps:
        take(table, step)
        assert all(row.n == sum(row.cells.values()) for row in table.rows.values())
        assert all(weight > 0 for row in table.rows.values() for weight in row.cells.values())
        assert table.size == sum(len(row.cells) for row in table.rows.values())


@given(STEPS, st.integers(8, 60))
def test_a_table_is_never_above_its_capacity_after_learning(steps: list[Step], capacity: int) -> None:
    table = Table(capacity=capacity)
    for step in steps:
        take(table, step)
        assert table.size <= capacity


@given(st.dictionaries(SYMBOLS, st.integers(1, 1 << 20)), st.lists(st.integers(0, 12), max_size=6))
def test_shifts_compose_fading_bit_by_bit_is_fading_at_once(cells: dict[int, int], shifts: list[int]) -> None:
    def faded(epochs: list[int]) -> dict[int, int]:
        table = Table(rows={1: Row(sum(cells.values()), 0, dict(cells))}, size=len(cells))
        for epoch in epochs:
            table.epoch += epoch
            assert table.weight(1) == sum(table.rows[1].cells.values())
        return table.rows[1].cells

    assert faded(shifts) == faded([sum(shifts)])


@given(STEPS)
def test_it_makes_no_difference_when_anybody_looked(steps: list[Step]) -> None:
    """Fading is done lazily; who looks, and when, is not part of what is known."""
    without = [step for step in steps if not isinstance(step, Look)]
    looked_at, left_alone = run(steps, 1 << 18), run(without, 1 << 18)
    for context in range(13):
        assert looked_at.width(context) == left_alone.width(context)
        for symbol in range(13):
            found = looked_at.surprise([0, context], symbol, 256, WEIGHT)
            assert found == left_alone.surprise([0, context], symbol, 256, WEIGHT)
    assert contents(looked_at) == contents(left_alone)


@given(st.dictionaries(st.tuples(CONTEXTS, SYMBOLS), st.integers(1, 20), min_size=17, max_size=60), st.randoms())
def test_eviction_takes_the_least_weights_and_ties_by_key(
    weights: dict[tuple[int, int], int], random: Random
) -> None:
    table = Table(capacity=16)
    order = list(weights)
    random.shuffle(order)  # the order of learning must not matter
    for key, symbol in order:
        row = table.rows.setdefault(key, Row())
        row.cells[symbol] = weights[key, symbol]
        row.n += weights[key, symbol]
    table.size = len(weights)
    table.learn([99], [(0, 1 << 30)])
    ranked = sorted((weight, key, symbol) for (key, symbol), weight in weights.items())
    kept = {(key, symbol): weight for weight, key, symbol in ranked[len(ranked) + 1 - 14 :]}
    assert contents(table) == {**kept, (99, 0): 1 << 30}


def test_eviction_leaves_seven_eighths_and_no_empty_rows() -> None:
    table = Table(capacity=64)
    for symbol in range(65):
        table.learn([symbol], [(symbol, WEIGHT + symbol)])
    assert table.size == 56
    assert len(table.rows) == 56
    assert min(table.rows) == 9  # the lightest nine went


def test_an_eviction_after_fading_drops_no_more_than_what_had_faded_away() -> None:
    """What is left once everything has faded may be below seven eighths already: then nothing else goes."""
    table = Table(capacity=64)
    for context in range(20):
        table.learn([context], [(0, 1)])  # too light to outlive a single boundary
    for context in range(20, 60):
        table.learn([context], [(0, WEIGHT)])
    table.epoch += 1
    for context in range(60, 66):
        table.learn([context], [(0, WEIGHT)])
    assert set(contents(table)) == {(context, 0) for context in range(20, 66)}
    assert set(table.rows) == set(range(20, 66)), "rows that faded away are gone too"


@given(STEPS, st.integers(8, 40))
def test_the_same_lessons_leave_the_same_table(steps: list[Step], capacity: int) -> None:
    assert run(steps, capacity) == run(steps, capacity)


def exact_bits(table: Table, contexts: list[int], symbol: int, alphabet: int, a: int) -> float:
    """The same formula without rounding: p = (c + a·parent) / (n + a)."""
    p = 1 / alphabet
    for key in contexts:
        if key in table.rows:
            p = (table.weight(key, symbol) + a * p) / (table.weight(key) + a)
    return -math.log2(p)


@given(STEPS, st.lists(CONTEXTS, max_size=5, unique=True), SYMBOLS, st.sampled_from([1, 16, 256, 2047]))
@settings(max_examples=200)
def test_surprise_is_that_of_the_formula_within_a_fiftieth_of_a_bit_for_each_level(
    steps: list[Step], contexts: list[int], symbol: int, a: int
) -> None:
    table = run(steps, 1 << 18)
    bits = table.surprise(contexts, symbol, log2(48), a) / 256
    assert bits == pytest.approx(exact_bits(table, contexts, symbol, 48, a), abs=0.02 * (len(contexts) + 1))


@given(
    st.lists(st.dictionaries(SYMBOLS, st.integers(1, 1 << 40)), max_size=6),
    SYMBOLS,
    st.integers(0, 64 << 8),
    st.integers(1, 2047),
)
def test_surprise_is_a_whole_number_between_nothing_and_64_bits(
    rows: list[dict[int, int]], symbol: int, root: int, a: int
) -> None:
    table = Table(rows={key: Row(sum(cells.values()), 0, cells) for key, cells in enumerate(rows)})
    bits = table.surprise(list(range(len(rows))), symbol, root, a)
    assert type(bits) is int
    assert 0 <= bits <= BITS_CAP == 64 * 256


@given(STEPS, CONTEXTS, SYMBOLS)
def test_what_was_learned_once_more_is_never_more_surprising(steps: list[Step], context: int, symbol: int) -> None:
    table = run(steps, 1 << 18)
    before = table.surprise([0, context], symbol, log2(48), WEIGHT)
    table.learn([context], [(symbol, WEIGHT)])
    assert table.surprise([0, context], symbol, log2(48), WEIGHT) <= before + 2  # rounding


ROUNDING = 4
"""How much (Q8) the mean of probabilities may be off, a sixty-fourth of a bit."""


@given(STEPS, st.lists(CONTEXTS, min_size=1, max_size=6), SYMBOLS, st.integers(0, BITS_CAP))
def test_what_is_averaged_lies_between_the_least_and_the_greatest_of_its_surprises(
    steps: list[Step], contexts: list[int], symbol: int, parent: int
) -> None:
    table = run(steps, 200)
    single = [table.surprise((key,), symbol, parent, WEIGHT) for key in contexts]
    found = table.averaged(contexts, symbol, parent, WEIGHT)
    assert min(single) - ROUNDING <= found <= max(single) + ROUNDING
    exact = -math.log2(sum(2 ** (-bits / 256) for bits in single) / len(single))
    assert abs(found / 256 - exact) < ROUNDING / 256


@given(STEPS, st.lists(CONTEXTS, min_size=1, max_size=6), SYMBOLS, st.randoms(use_true_random=False))
def test_the_order_of_what_is_averaged_makes_no_difference(
    steps: list[Step], contexts: list[int], symbol: int, random: Random
) -> None:
    table = run(steps, 200)
    shuffled = random.sample(contexts, len(contexts))
    assert table.averaged(contexts, symbol, 2048, WEIGHT) == table.averaged(shuffled, symbol, 2048, WEIGHT)


def test_logarithms_are_right_within_half_a_unit() -> None:
    assert all(abs(LOG2[x] - 256 * math.log2(x)) <= 0.5 + 1e-9 for x in range(1, len(LOG2)))
    assert all(abs(EXP2[i] - 65536 * 2 ** (-i / 256)) <= 0.5 + 1e-9 for i in range(256))
    assert (len(LOG2), len(EXP2)) == (2048, 256)


@given(st.integers(1, 1 << 70))
def test_logarithms_of_large_numbers_err_by_less_than_a_two_hundredth_of_a_bit(x: int) -> None:
    assert abs(log2(x) / 256 - math.log2(x)) < 0.005


# Taken back


@given(STEPS, LEARN, st.integers(0, 3))
def test_what_is_unlearned_has_never_been(steps: list[Step], lesson: Learn, looks: int) -> None:
    table, alike = run(steps, 1 << 18), run(steps, 1 << 18)
    table.learn(lesson.contexts, lesson.cells)
    for context in range(looks):
        table.weight(context)
    table.unlearn(lesson.contexts, lesson.cells)
    assert contents(table) == contents(alike)
    assert all(row.n == sum(row.cells.values()) for row in table.rows.values())
    assert table.size == sum(len(row.cells) for row in table.rows.values())
    for context in range(13):
        assert table.surprise([0, context], 1, 256, WEIGHT) == alike.surprise([0, context], 1, 256, WEIGHT)


@given(STEPS, st.lists(LEARN, max_size=8), st.randoms())
def test_lessons_can_be_taken_back_in_any_order(steps: list[Step], lessons: list[Learn], random: Random) -> None:
    table, alike = run(steps, 1 << 18), run(steps, 1 << 18)
    for lesson in lessons:
        table.learn(lesson.contexts, lesson.cells)
    random.shuffle(lessons)
    for lesson in lessons:
        table.unlearn(lesson.contexts, lesson.cells)
    assert contents(table) == contents(alike)


@given(STEPS, LEARN, st.integers(1, 10))
def test_no_more_can_be_taken_than_fading_left(steps: list[Step], lesson: Learn, epochs: int) -> None:
    table = run(steps, 1 << 18)
    table.learn(lesson.contexts, lesson.cells)
    table.epoch += epochs
    before = contents(table)
    table.unlearn(lesson.contexts, lesson.cells)
    taken = {(key, symbol): weight for key in lesson.contexts for symbol, weight in lesson.cells}
    kept = {cell: weight - taken.get(cell, 0) for cell, weight in before.items()}
    assert contents(table) == {cell: weight for cell, weight in kept.items() if weight > 0}
    assert table.size == sum(len(row.cells) for row in table.rows.values())


def test_to_unlearn_what_was_never_learned_changes_nothing() -> None:
    table = Table()
    table.learn([1], [(1, WEIGHT)])
    table.unlearn([1, 2], [(3, WEIGHT)])
    assert contents(table) == {(1, 1): WEIGHT}


# What if


@given(STEPS, STEPS, st.integers(8, 60))
def test_a_fork_goes_on_as_the_table_would_and_never_touches_it(
    steps: list[Step], since: list[Step], capacity: int
) -> None:
    table, alike = run(steps, capacity), run(steps, capacity)
    twin = table.fork()
    assert contents(table.fork()) == {}, "nothing is copied before it is looked at"
    for step in since:
        take(twin, step)
    assert table == alike
    for step in since:
        take(table, step)
    for key in range(13):
        assert twin.weight(key) == table.weight(key)
        assert twin.width(key) == table.width(key)
        for symbol in range(13):
            assert twin.weight(key, symbol) == table.weight(key, symbol)
            assert twin.surprise([0, key], symbol, 256, WEIGHT) == table.surprise([0, key], symbol, 256, WEIGHT)


@given(STEPS, LEARN)
def test_a_fork_can_be_forked_and_can_unlearn(steps: list[Step], lesson: Learn) -> None:
    table, alike = run(steps, 1 << 18), run(steps, 1 << 18)
    table.learn(lesson.contexts, lesson.cells)
    kept = run(steps, 1 << 18)
    kept.learn(lesson.contexts, lesson.cells)
    twin = table.fork().fork()
    twin.unlearn(lesson.contexts, lesson.cells)
    for key in range(13):
        assert [twin.weight(key, symbol) for symbol in range(13)] == [
            alike.weight(key, symbol) for symbol in range(13)
        ]
    assert table == kept


def no_floats(value: Any) -> bool:
    if isinstance(value, dict):
        return all(no_floats(part) for item in value.items() for part in item)
    if isinstance(value, list | tuple):
        return all(map(no_floats, value))
    return not isinstance(value, float)


@given(STEPS, st.integers(8, 60))
def test_a_table_holds_integers_only_and_comes_back_as_it_was(steps: list[Step], capacity: int) -> None:
    table = run(steps, capacity)
    assert no_floats(msgspec.to_builtins(table))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(table), type=Table) == table
