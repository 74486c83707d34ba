"""What others do with windows: a rule, a Markov chain, and three detectors of scikit-learn at its defaults."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from homeward.bench.sequences.windows import HOUR_BINS, WEEKDAYS, Window

Activity = tuple[str, str]
Scores = Callable[[Sequence[Window]], list[float]]
"""How strange each window is; higher is stranger."""


OF_LIBRARY: Final = ("isolation_forest", "lof", "ocsvm")


def missing_library() -> str:
    """Why the detectors of scikit-learn cannot be had here; empty if they can. Loads it, so that no method's time
    is that of loading."""
    try:
        import sklearn.ensemble
        import sklearn.neighbors
        import sklearn.svm  # noqa: F401
    except ImportError:
        return "scikit-learn is not installed (pip install 'homeward[bench]')"
    return ""


def never_seen(train: Sequence[Window]) -> Scores:
    """1 where a window holds a device and action that no training window holds, else 0."""
    known = {activity for window in train for activity in _activities(window)}
    return lambda windows: [float(any(activity not in known for activity in _activities(w))) for w in windows]


def markov(train: Sequence[Window]) -> Scores:
    """Mean surprise of an activity given the one before it, in bits, with one added to every count (Laplace)."""
    pairs: Counter[tuple[Activity | None, Activity]] = Counter()
    for window in train:
        activities = _activities(window)
        pairs.update(zip([None, *activities], activities, strict=False))
    totals: Counter[Activity | None] = Counter()
    for (previous, _), count in pairs.items():
        totals[previous] += count
    symbols = len({activity for _, activity in pairs}) + 1

    def score(window: Window) -> float:
        activities = _activities(window)
        steps = zip([None, *activities], activities, strict=False)
        return math.fsum(math.log2((totals[a] + symbols) / (pairs[a, b] + 1)) for a, b in steps) / len(activities)

    return lambda windows: [score(window) for window in windows]


def isolation_forest(train: Sequence[Window], seed: int) -> Scores:
    """Isolation forest (Liu 2008) of scikit-learn."""
    from sklearn.ensemble import IsolationForest

    return _detector(train, IsolationForest(random_state=seed))


def lof(train: Sequence[Window]) -> Scores:
    """Local outlier factor (Breunig 2000) of scikit-learn."""
    from sklearn.neighbors import LocalOutlierFactor

    return _detector(train, LocalOutlierFactor(novelty=True))  # novelty: judge windows it has not seen


def ocsvm(train: Sequence[Window]) -> Scores:
    """One-class support vector machine (Schölkopf 2001) of scikit-learn."""
    from sklearn.svm import OneClassSVM

    return _detector(train, OneClassSVM())


def _detector(train: Sequence[Window], model: Any) -> Scores:
    columns = {activity: 0 for window in train for activity in _activities(window)}
    places = {activity: place for place, activity in enumerate(sorted(columns))}
    model.fit([_features(window, places) for window in train])
    return lambda windows: [-float(score) for score in model.score_samples([_features(w, places) for w in windows])]


def _features(window: Window, places: dict[Activity, int]) -> list[float]:
    """How often each activity occurs (what training never saw shares one column), and whether each three-hour bin
    and weekday does.

    Bins and weekdays are not counted, in the peers' favour: a usual window keeps to one of each, so that their counts
    would be its largest features and drown the activities.
    """
    features = [0.0] * (len(places) + 1 + HOUR_BINS + WEEKDAYS)
    for weekday, hour_bin, device, action in window.actions:
        features[places.get((device, action), len(places))] += 1
        features[len(places) + 1 + hour_bin] = 1
        features[len(places) + 1 + HOUR_BINS + weekday] = 1
    return features


def _activities(window: Window) -> list[Activity]:
    return [(action.device, action.action) for action in window.actions]
