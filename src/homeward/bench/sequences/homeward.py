"""The method `homeward`: the guard's kernel and habits on windows, each habit weighed by what it can tell here."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

from homeward.bench.sequences.discriminant import WHOLE, Moments, weights
from homeward.bench.sequences.habits import HABITS, Reader, learn, surprises, unlearn
from homeward.bench.sequences.windows import HOUR_BINS, WEEKDAYS, Action, Window, newly_shown, stretches
from homeward.core.behaviour.table import Table

STRANGEST: Final = 2
"""A window's score is the sum of so many of its strangest actions: one alone may be chance."""

CAPACITY: Final = 1 << 24
"""Cells of the table: nothing is evicted, so that what is taken out can be put back."""


class Homeward:
    """What is usual in the training windows, and how much each habit counts.

    An action is learned once, however many windows show it. How much a habit counts is learned from each training
    window beside its own twin in which one action, drawn at random, stands in another's place: both are scored with
    everything of the window's stretch of life taken out of the counts (leave one out), because what was learned is
    never strange, while all that is judged later is new.
    """

    def __init__(self, train: Sequence[Window], seed: int) -> None:
        self._table = Table(capacity=CAPACITY)
        self._reader = Reader()
        self._learned = [
            [self._reader.ask(window.actions, place) for place in places]
            for window, places in zip(train, newly_shown(train), strict=True)
        ]
        for window in self._learned:
            for asked in window:
                learn(self._table, asked)
        self.weights = self._weigh(train, Random(f"sequences-{seed}"))  # noqa: S311  # no secret, only a draw

    def _weigh(self, train: Sequence[Window], random: Random) -> tuple[int, ...]:
        known = sorted({(action.device, action.action) for window in train for action in window.actions})
        usual, foreign = Moments(len(HABITS)), Moments(len(HABITS))
        for stretch in stretches(train):
            own = [asked for window in stretch for asked in self._learned[window]]
            for asked in own:
                unlearn(self._table, asked)
            for window in stretch:
                actions = list(train[window].actions)
                place = random.randrange(len(actions))
                usual.add(self._bits(actions, place))
                stranger = random.choice(known)
                actions[place] = Action(random.randrange(WEEKDAYS), random.randrange(HOUR_BINS), *stranger)
                foreign.add(self._bits(actions, place))
            for asked in own:
                learn(self._table, asked)
        return weights(usual, foreign)

    def _bits(self, actions: Sequence[Action], place: int) -> list[int]:
        return surprises(self._table, self._reader.ask(actions, place))

    def score(self, window: Window) -> float:
        """How strange a window is: the weighted bits of its strangest actions."""
        strange = sorted(
            sum(weight * bits for weight, bits in zip(self.weights, self._bits(window.actions, place), strict=True))
            for place in range(len(window.actions))
        )
        return sum(strange[-STRANGEST:]) / (WHOLE << 8)
