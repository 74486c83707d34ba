"""`homeward bench sequences`: the published test of user behaviour, on windows of actions.

A method learns from ``split=train``, its threshold is the 98th percentile (not interpolated) of ``split=validation``,
and ``split=test`` is judged by category of attack against the normal test windows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any, Final

from homeward.bench.catalogue import SEED
from homeward.bench.report import NONE, bullets, figure, markdown_table, measured, share, text_table
from homeward.bench.sequences import peers
from homeward.bench.sequences.homeward import Homeward
from homeward.bench.sequences.judge import PERCENTILE, false_alarms, figures, percentile
from homeward.bench.sequences.windows import SPLITS, Window, find_sets, load

CATEGORIES: Final = ("SD", "MD", "DM", "DD")
"""In this order; what else a set calls its attacks comes after them."""

METHODS: Final[Mapping[str, Callable[[Sequence[Window], int], peers.Scores]]] = {
    "homeward": lambda train, seed: partial(_each, Homeward(train, seed).score),
    "never_seen": lambda train, _: peers.never_seen(train),
    "markov": lambda train, _: peers.markov(train),
    "isolation_forest": peers.isolation_forest,
    "lof": lambda train, _: peers.lof(train),
    "ocsvm": lambda train, _: peers.ocsvm(train),
}

PUBLISHED: Final = (
    "For comparison, published and not run here: SmartGuard (KDD 2024), a Transformer, on its testbed AN, best "
    "of its parameter study: F1 SD 0.9967, MD 0.9882, DM 0.9941, DD 0.9961."
)


def _each(score: Callable[[Window], float], windows: Sequence[Window]) -> list[float]:
    return [score(window) for window in windows]


def run(
    data: Path,
    *,
    seed: int = SEED,
    methods: Sequence[str] = tuple(METHODS),
    progress: Callable[[int, int, str], None] | None = None,
    workers: int | None = None,  # noqa: ARG001  # every set is measured alone, so that its time is its own
    clock: Callable[[], float] = process_time,
) -> dict[str, Any]:
    """Every method (or only those named) on every set of a folder.

    A pure function of the data and the other arguments, but for ``train_s``: seconds by ``clock``, the
    processor's unless told otherwise, because other programs disturb that one less.

    Raises:
        FileError: a set cannot be read.
    """
    sets = find_sets(data)
    steps = len(sets) * len(methods)
    found: dict[str, Any] = {}
    reasons: dict[str, dict[str, str]] = {}
    no_library = peers.missing_library() if any(method in peers.OF_LIBRARY for method in methods) else ""
    for number, (name, path) in enumerate(sets.items()):
        windows = load(path)
        lacking = _lacking(windows)
        of_set: dict[str, Any] = {}
        for step, method in enumerate(methods, 1):
            reason = lacking or (no_library if method in peers.OF_LIBRARY else "")
            if reason:
                reasons.setdefault(name, {})[method] = reason
            else:
                of_set[method] = _measure(method, windows, seed, clock)
            if progress is not None:
                progress(number * len(methods) + step, steps, f"{name}: {method}")
        found[name] = {"methods": of_set}
    return {"sets": found, "reasons": reasons, "seed": seed}


def _lacking(windows: Sequence[Window]) -> str:
    """Why a set cannot be measured; empty where it can."""
    normal = {window.split for window in windows if not window.category}
    missing = [split for split in SPLITS if split not in normal]
    if missing:
        return f"the set has no normal windows in split {', '.join(missing)}"
    return "" if any(window.category for window in windows) else "the set has no attacks"


def _measure(method: str, windows: Sequence[Window], seed: int, clock: Callable[[], float]) -> dict[str, Any]:
    train, validation, test = ([window for window in windows if window.split == split] for split in SPLITS)
    began = clock()
    scores = METHODS[method](train, seed)
    seconds = clock() - began
    # "Never seen" is a rule and has no threshold to set: whatever it finds it flags.
    threshold = 0.0 if method == "never_seen" else percentile(scores(validation), PERCENTILE)
    by_category: dict[str, list[float]] = {}
    for window, score in zip(test, scores(test), strict=True):
        by_category.setdefault(window.category, []).append(score)
    normal = by_category.pop("")
    found: dict[str, Any] = {"train_s": round(seconds, 3), **false_alarms(normal, threshold)}
    for category in _ordered(by_category):
        found[category] = figures(by_category[category], normal, threshold)
    return found


def _ordered(categories: Iterable[str]) -> list[str]:
    first = [name for name in CATEGORIES if name in categories]
    return [*first, *sorted(set(categories) - set(CATEGORIES))]


def table(result: Mapping[str, Any]) -> str:
    """Every method on every set, for the terminal."""
    return f"{text_table(*_table(result))}\n{bullets(_notes(result))}"


def markdown(result: Mapping[str, Any], *, command: str | None = None) -> str:
    """The same in Markdown. ``command`` adds when, where and by which command the figures were measured."""
    line = [measured(f"{command} --seed {result['seed']}")] if command else []
    return f"{markdown_table(*_table(result))}\n{bullets([*_notes(result), *line])}"


def mean_auc(method: Mapping[str, Any]) -> float:
    """The mean area under the curve over the categories of one method on one set."""
    areas = [found["auc"] for found in method.values() if isinstance(found, Mapping)]
    return float(sum(areas) / len(areas))


def _table(result: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    methods = [method for found in result["sets"].values() for method in found["methods"].values()]
    shown = _ordered({name for method in methods for name, found in method.items() if isinstance(found, Mapping)})
    head = ["set", "method", "train s", "flagged though usual", "mean AUC"]
    rows = [
        [
            name,
            method,
            figure(found["train_s"]),
            share({"rate": found["fpr"], "low": found["fpr_low"], "high": found["fpr_high"]}),
            figure(mean_auc(found), 4),
            *(_cell(found.get(category)) for category in shown),
        ]
        for name, measured_set in result["sets"].items()
        for method, found in measured_set["methods"].items()
    ]
    return [*head, *(f"{category}: AUC, recall, F1" for category in shown)], rows


def _cell(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return NONE
    area = f"{found['auc']:.4f} ({found['auc_low']:.4f}-{found['auc_high']:.4f})"
    return f"{area} {found['recall']:.3f} {found['f1']:.3f}"


def _notes(result: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "AUC: the area under the ROC curve with its 95 % interval (DeLong; no width where nothing overlaps). Recall "
        f"and F1: those at the threshold, the {PERCENTILE}th percentile of the normal validation windows. “Flagged "
        "though usual”: the share of normal test windows, with its 95 % interval (Wilson)."
    )
    yield (
        "The detectors of scikit-learn, at its defaults, see how often each activity (a device and what it did) "
        "occurs in a window, and which three-hour bins and weekdays do. Training: seconds of the processor."
    )
    yield PUBLISHED
    for name, reasons in result["reasons"].items():
        methods: dict[str, list[str]] = {}
        for method, reason in reasons.items():
            methods.setdefault(reason, []).append(method)
        for reason, without in methods.items():
            yield f"{name}: no figure for {', '.join(without)}: {reason}."
