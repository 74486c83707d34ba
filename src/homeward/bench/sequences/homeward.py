"""The method `homeward`: the guard's kernel and habits on windows, each habit weighed by what it can tell here."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

from homeward.bench.sequences.discriminant import WHOLE, Moments, weights
from homeward.bench.sequences.habits import HABITS, Reader, learn, surprises
from homeward.bench.sequences.windows import HOUR_BINS, WEEKDAYS, Action, Window, newly_shown
from homeward.core.behaviour.table import Table

STRANGEST: Final = 2
"""A window's score is the sum of so many of its strangest actions: one alone may be chance."""


class Homeward:
    """What is usual in the training windows, and how much each habit counts.

    An action is learned once, however many windows show it. How much a habit counts is learned on the way, as a
    guard could: before a window is learned, one of its actions, drawn at random, is scored, and in its place two
    strangers: any known activity at that moment, and one at any moment of the week.
    """

    def __init__(self, train: Sequence[Window], seed: int) -> None:
        self._table = Table()
        self._reader = Reader()
        random = Random(f"sequences-{seed}")  # noqa: S311  # no secret, only a draw
        known = sorted({(action.device, action.action) for window in train for action in window.actions})
        usual, foreign = Moments(len(HABITS)), Moments(len(HABITS))
        for window, shown in zip(train, newly_shown(train), strict=True):
            actions = list(window.actions)
            place = random.randrange(len(actions))
            usual.add(self._bits(actions, place))
            moment = actions[place][:2]
            for weekday, hour_bin in (moment, (random.randrange(WEEKDAYS), random.randrange(HOUR_BINS))):
                actions[place] = Action(weekday, hour_bin, *random.choice(known))
                foreign.add(self._bits(actions, place))
            for place in shown:
                learn(self._table, self._reader.ask(window.actions, place))
        self.weights = weights(usual, foreign)

    def _bits(self, actions: Sequence[Action], place: int) -> list[int]:
        return surprises(self._table, self._reader.ask(actions, place))

    def score(self, window: Window) -> float:
        """How strange a window is: the weighted bits of its strangest actions."""
        strange = sorted(
            sum(weight * bits for weight, bits in zip(self.weights, self._bits(window.actions, place), strict=True))
            for place in range(len(window.actions))
        )
        return sum(strange[-STRANGEST:]) / (WHOLE << 8)
