"""LODA, the lightweight online detector of anomalies (Pevný, Machine Learning 102, 2016), by PySAD."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
from pysad.models import loda

from homeward.bench.peers.features import Row


class Loda:
    """PySAD's ``models.LODA`` as it comes: 100 sparse random projections, histograms of 10 bins."""

    def __init__(self, seed: int) -> None:
        self._histograms = loda.LODA(random_state=seed)

    def score(self, row: Row) -> float:
        return float(self._histograms.score_partial(np.array(row)))

    def score_and_learn(self, row: Row) -> float:
        return float(self._histograms.fit_score_partial(np.array(row)))

    def learn(self, row: Row, weight: int) -> None:
        one = np.array(row)
        for _ in range(weight):
            self._histograms.fit_partial(one)

    def midnight(self) -> None:
        """Nothing: it learns as it goes."""

    def copy(self) -> Loda:
        return deepcopy(self)
