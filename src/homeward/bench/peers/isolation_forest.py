"""An isolation forest (Liu, Ting and Zhou, ICDM 2008), by scikit-learn, refitted nightly."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import IsolationForest as Scikits

from homeward.bench.peers.features import Row

MOST_ROWS = 20_000
"""A forest is fitted on so many of the latest events; each tree draws only 256 of them."""


class IsolationForest:
    """scikit-learn's ``IsolationForest`` as it comes (100 trees of 256 rows), fitted anew each midnight on the
    events so far. What the owner confirmed stands there as often again as its weight says. Before the first
    midnight with events nothing is strange."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._rows = np.empty((0, 0), dtype=np.float32)
        self._today: list[Row] = []
        self._fitted: Forest | None = None

    def score(self, row: Row) -> float:
        return self._fitted.score(row) if self._fitted else 0.0

    def score_and_learn(self, row: Row) -> float:
        self._today.append(row)
        return self.score(row)

    def learn(self, row: Row, weight: int) -> None:
        self._today += [row] * weight

    def midnight(self) -> None:
        if self._today:
            today = np.array(self._today, dtype=np.float32)
            self._rows = np.concatenate([self._rows, today])[-MOST_ROWS:] if self._rows.size else today
            self._today = []
            self._fitted = Forest(Scikits(random_state=self._seed).fit(self._rows))

    def copy(self) -> IsolationForest:
        """A copy, made for a trial, keeps the forest it has: two forests fitted on nearly the same rows differ by
        chance, and a trial would seem to find what only that did."""
        twin = _Kept(self._seed)
        twin._fitted = self._fitted
        return twin


class _Kept(IsolationForest):
    def score_and_learn(self, row: Row) -> float:
        return self.score(row)

    def learn(self, row: Row, weight: int) -> None:
        pass

    def midnight(self) -> None:
        pass


class Forest:
    """The trees of a fitted forest in one table, walked all at once.

    It gives ``-score_samples`` of scikit-learn, whose own call takes milliseconds for a single row, most of it
    checks of its arguments.
    """

    def __init__(self, fitted: Any) -> None:
        trees = [estimator.tree_ for estimator in fitted.estimators_]
        sizes = [tree.node_count for tree in trees]
        self._roots = np.cumsum([0, *sizes[:-1]])
        base = np.repeat(self._roots, sizes)
        own = np.arange(sum(sizes))
        feature = np.concatenate([tree.feature for tree in trees])
        leaf = feature < 0
        children = np.empty(2 * len(own), dtype=np.intp)  # left and right of each node; a leaf leads to itself
        children[0::2] = np.where(leaf, own, base + np.concatenate([tree.children_left for tree in trees]))
        children[1::2] = np.where(leaf, own, base + np.concatenate([tree.children_right for tree in trees]))
        self._children = children
        self._feature = np.where(leaf, 0, feature)
        self._threshold = np.concatenate([tree.threshold for tree in trees])
        self._depth = max(tree.max_depth for tree in trees)
        rows = np.concatenate([tree.n_node_samples for tree in trees])
        self._length = self._depths() + average_path_length(rows)
        self._usual = len(trees) * average_path_length(np.array([fitted.max_samples_]))[0]

    def score(self, row: Row) -> float:
        """How soon the row is alone: towards 1 strange, 0.5 and less usual."""
        values = np.array(row, dtype=np.float32)
        node = self._roots
        for _ in range(self._depth):
            goes_right = values.take(self._feature.take(node)) > self._threshold.take(node)
            node = self._children.take(2 * node + goes_right)
        length = float(self._length.take(node).sum())
        return float(2.0 ** (-length / self._usual)) if self._usual else 0.5

    def _depths(self) -> npt.NDArray[np.float64]:
        depths = np.zeros(len(self._feature))
        level = self._roots
        for depth in range(1, self._depth + 1):
            below = self._children.reshape(-1, 2)[level]
            level = below[below[:, 0] != level].ravel()
            depths[level] = depth
        return depths


def average_path_length(rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The mean depth at which a row is found in a random binary tree of so many rows (Liu et al., equation 1)."""
    size = rows.astype(np.float64)
    many = np.maximum(size, 3.0) - 1.0
    return np.select(
        [size <= 1, size <= 2], [0.0, 1.0], 2.0 * (np.log(many) + np.euler_gamma) - 2.0 * many / (many + 1)
    )
