"""The habits that can be read off a window: what next, when, in company, how soon before and after, how long.

Each predicts one thing about an action from contexts, coarse to fine, like those of the guard. A window is over when
it is judged, so that an action's company is everything else in it, before and after.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from homeward.bench.sequences.windows import HOUR_BINS, WEEKDAYS, Action
from homeward.core.behaviour.habits import KEY_BITS, name_key
from homeward.core.behaviour.table import LOG2, WEIGHT, Table, log2

WHAT_NEXT, WHEN, IN_COMPANY, HOW_SOON, HOW_SOON_AFTER, HOW_LONG = range(6)
HABITS: Final = ("what next", "when", "in company", "how soon", "how soon after", "how long")

WEEK: Final = WEEKDAYS * HOUR_BINS
PAUSES: Final = (WEEK - 1).bit_length() + 1
"""Buckets of a pause: none, then octaves of three hours, up to a week."""

EVENT: Final = WEIGHT // 4
"""What one action weighs. Nothing fades here, and the kernel's table of logarithms limits ``a``."""

PARENT: Final = 16 * EVENT
"""``a`` of the kernel: a coarser context counts as much as so many actions. Windows of different people are pooled
here, and every context has seen few of them."""

SATURDAY: Final = 5

_ROOTS: Final = (-1, LOG2[HOUR_BINS], -1, LOG2[PAUSES], LOG2[PAUSES], LOG2[PAUSES + 1])
"""Surprise under the coarsest parent; -1 stands for an open alphabet."""

_BASES: Final = tuple(tuple(name_key("window", habit, str(level)) for level in range(4)) for habit in HABITS)
_MASK: Final = (1 << KEY_BITS) - 1
_DAY_KINDS: Final = (name_key("day", "work"), name_key("day", "weekend"))


class Asked(NamedTuple):
    """One habit's question about one action: its symbol, and contexts from coarse to fine.

    ``any_of`` are finer contexts that stand beside each other: their probabilities are averaged, because any one of
    them may explain the action, whatever their order.
    """

    symbol: int
    contexts: tuple[int, ...]
    any_of: tuple[int, ...] = ()


class Reader:
    """Turns actions into questions. Remembers the keys of names, which are pure."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, ...], int] = {}

    def activity(self, action: Action) -> int:
        """The key of a device and what it did."""
        return self._key("activity", action.device, action.action)

    def ask(self, actions: Sequence[Action], place: int) -> tuple[Asked | None, ...]:
        """What each habit asks about the action at a place in its window; ``None`` where it has nothing to ask."""
        action = actions[place]
        activity, device = self.activity(action), self._key("device", action.device)
        day_kind = _DAY_KINDS[action.weekday >= SATURDAY]
        flow, plain, company = _BASES[WHAT_NEXT], _BASES[WHEN], _BASES[IN_COMPANY]
        before = actions[place - 1] if place else None
        after = actions[place + 1] if place + 1 < len(actions) else None
        others = (*actions[:place], *actions[place + 1 :])
        when = (plain[0], plain[1] ^ device, plain[2] ^ activity, plain[3] ^ activity ^ day_kind)
        return (
            Asked(activity, (flow[0], flow[1] ^ (self.activity(before) if before else 0))),
            Asked(action.hour_bin, when),
            Asked(activity, company[:1], tuple(company[1] ^ self.activity(other) for other in others)),
            before and self._near(HOW_SOON, activity, before, pause(before, action)),
            after and self._near(HOW_SOON_AFTER, activity, after, pause(action, after)),
            self._how_long(actions, place, activity),
        )

    def _near(self, habit: int, activity: int, neighbour: Action, symbol: int) -> Asked:
        bases = _BASES[habit]
        pair = bases[2] ^ activity ^ _turned(self.activity(neighbour))
        return Asked(symbol, (bases[0], bases[1] ^ activity, pair))

    def _how_long(self, actions: Sequence[Action], place: int, activity: int) -> Asked:
        """The time since this device last spoke within the window, given its state then; a symbol of its own if
        it has not."""
        action, symbol, state = actions[place], PAUSES, 0
        for last in reversed(actions[:place]):
            if last.device == action.device:
                symbol, state = pause(last, action), self.activity(last)
                break
        bases = _BASES[HOW_LONG]
        return Asked(symbol, (bases[0], bases[1] ^ activity, bases[2] ^ activity ^ _turned(state)))

    def _key(self, *words: str) -> int:
        key = self._names.get(words)
        if key is None:
            key = self._names[words] = name_key(*words)
        return key


def pause(before: Action, after: Action) -> int:
    """The bucket of the time from one action to another, taken to be within a week."""
    steps = (after.weekday - before.weekday) * HOUR_BINS + after.hour_bin - before.hour_bin
    return (steps % WEEK).bit_length()


def learn(table: Table, asked: Sequence[Asked | None]) -> None:
    """Count an action in the contexts of all its habits."""
    for question in asked:
        if question is not None:
            contexts = (*question.contexts, *dict.fromkeys(question.any_of))
            table.learn(contexts, ((question.symbol, EVENT),))


def surprises(table: Table, asked: Sequence[Asked | None]) -> list[int]:
    """The bits of every habit (Q8), 0 where it had nothing to ask."""
    return [_surprise(table, question, root) for question, root in zip(asked, _ROOTS, strict=True)]


def _surprise(table: Table, question: Asked | None, root: int) -> int:
    if question is None:
        return 0
    symbol, contexts, any_of = question
    if root < 0:
        root = log2(table.width(contexts[0]) + 1)
    bits = table.surprise(contexts, symbol, root, PARENT)
    if not any_of:
        return bits
    return table.averaged(any_of, symbol, bits, PARENT)


def _turned(key: int) -> int:
    """A rotation, which tells (a, b) from (b, a)."""
    return (key << 7 & _MASK) | (key >> (KEY_BITS - 7))
