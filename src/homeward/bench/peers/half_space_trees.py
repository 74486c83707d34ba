"""Half-space trees (Tan, Ting and Liu, IJCAI 2011), by River."""

from __future__ import annotations

from copy import deepcopy

from river.anomaly import HalfSpaceTrees as RiversHalfSpaceTrees

from homeward.bench.peers.features import Row


class HalfSpaceTrees:
    """River's ``anomaly.HalfSpaceTrees`` as it comes: 10 trees of height 8, windows of 250 rows, values in [0, 1]."""

    def __init__(self, seed: int) -> None:
        self._trees = RiversHalfSpaceTrees(seed=seed)

    def score(self, row: Row) -> float:
        return float(self._trees.score_one(dict(enumerate(row))))

    def score_and_learn(self, row: Row) -> float:
        named = dict(enumerate(row))
        score = float(self._trees.score_one(named))
        self._trees.learn_one(named)
        return score

    def learn(self, row: Row, weight: int) -> None:
        named = dict(enumerate(row))
        for _ in range(weight):
            self._trees.learn_one(named)

    def midnight(self) -> None:
        """Nothing: it learns as it goes."""

    def copy(self) -> HalfSpaceTrees:
        return deepcopy(self)
