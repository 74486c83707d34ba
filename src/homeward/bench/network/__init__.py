"""`homeward bench network`: does it notice when a device turns?

Of each device in a recorded network the first half of its benign flows teaches; then the other half and all
malicious flows are judged in the order of time, each before it is learned, and what is unusual is not learned.
Attacks are real malware on real devices, or real attackers of a computer that was open to the Internet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from time import process_time
from typing import Any, Final

from homeward.bench.catalogue import SEED
from homeward.bench.goals import GOALS_HEAD, goal_rows
from homeward.bench.network.captures import Capture, find_captures, load
from homeward.bench.network.course import Course, course
from homeward.bench.network.goals import targets, together
from homeward.bench.network.judge import Judged, Method, figures, follow
from homeward.bench.network.peers import Detectors, NeverSeen
from homeward.bench.peers.libraries import DETECTORS
from homeward.bench.rates import shown
from homeward.bench.report import NONE, bullets, figure, markdown_table, measured, text_table
from homeward.sources.flows import Merger, Sighting, merge

__all__ = ["METHODS", "markdown", "run", "table"]

METHODS: Final = ("homeward", *DETECTORS, "never_seen")
NEVER: Final = "never"
NOTHING: Final = "no flow is labelled as benign or malicious"


def run(
    data: Path,
    *,
    seed: int = SEED,
    methods: Sequence[str] = METHODS,
    progress: Callable[[int, int, str], None] | None = None,
    workers: int | None = None,  # noqa: ARG001  # a minute on one core
    clock: Callable[[], float] = process_time,
) -> dict[str, Any]:
    """Every method (or only those named; the first is the one the targets are of) on every capture of a folder.

    Beside ``captures`` there are ``together``, each method over all of them, ``targets``, and ``flows_per_s``: how
    many are decoded, scored, and both, by the first method, and how many the guard takes in as in a home, where the
    same within a minute is merged. A pure function of data and seed, but for the last:
    that is measured by ``clock``, the processor's unless told otherwise.

    Raises:
        FileError: a capture cannot be read.
    """
    missing = {name: DETECTORS[name].missing for name in methods if name in DETECTORS}
    without = {name: why for name, why in missing.items() if why}
    tried = [name for name in methods if name not in without]
    files = find_captures(data)
    found: dict[str, Any] = {}
    unlabelled: dict[str, str] = {}
    watch = _Watch(clock)
    for number, (name, paths) in enumerate(files.items()):
        capture = watch.decode(partial(load, paths))
        watch.live(capture)
        way = course(capture.seen)
        if not way.judged:
            unlabelled[name] = NOTHING
            continue
        found[name] = {**_about(capture, way), "methods": {}}
        for step, method in enumerate(tried, 1):
            random = Random(f"network {method} {name} {seed}")  # noqa: S311  # resampling, not secrets
            found[name]["methods"][method] = _measure(method, way, seed, random, watch if step == 1 else None)
            if progress is not None:
                progress(number * len(tried) + step, len(files) * len(tried), f"{name}: {method}")
    whole = together(found, tried)
    return {
        "captures": found,
        "together": whole,
        "targets": targets(found, whole),
        "flows_per_s": watch.rates(),
        "reasons": {"captures": unlabelled, "methods": without},
        "seed": seed,
    }


class _Watch:
    """How long decoding and scoring take, and of how much."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._decoded = self._scored = 0
        self._decoding = self._scoring = self._living = 0.0

    def decode(self, read: Callable[[], Capture]) -> Capture:
        began = self._clock()
        capture = read()
        self._decoding += self._clock() - began
        self._decoded += capture.connections
        return capture

    def score(self, judge: Callable[[], list[Judged]], flows: int) -> list[Judged]:
        began = self._clock()
        judged = judge()
        self._scoring += self._clock() - began
        self._scored += flows
        return judged

    def live(self, capture: Capture) -> None:
        """Let the guard hear the capture as it would in a home: what is the same within a minute is told as one."""
        from homeward.bench.network.homeward import Homeward

        began = self._clock()
        guard = Homeward()
        for one in merge((Sighting(each.device, each.flow, each.at_ms / 1000) for each in capture.seen), Merger()):
            guard.judge(one.device, one.flow, round(1000 * one.happened))
        self._living += self._clock() - began

    def rates(self) -> dict[str, int] | None:
        """Flows a second; ``None`` where no time has passed."""
        if not self._decoding > 0 or not self._scoring > 0:
            return None
        each = self._decoding / self._decoded, self._scoring / self._scored
        return {
            "decoded": round(1 / each[0]),
            "scored": round(1 / each[1]),
            "both": round(1 / sum(each)),
            "in_a_home": round(self._decoded / (self._decoding + self._living)),
        }


def _about(capture: Capture, way: Course) -> dict[str, Any]:
    malicious = sum(one.malicious for one in capture.seen)
    return {
        "benign_days": round(way.benign_days, 6),
        "connections": capture.connections,
        "devices": len({one.device for one in capture.seen}),
        "taught": len(way.steps) - len(way.judged),
        "benign": len(way.judged) - malicious,
        "malicious": malicious,
    }


def _measure(method: str, way: Course, seed: int, random: Random, watch: _Watch | None) -> dict[str, Any]:
    judge = partial(follow, _made(method, seed), way)
    judged = watch.score(judge, len(way.steps)) if watch else judge()
    benign = follow(_made(method, seed), way.without_attacks()) if way.attacked else judged
    return figures(judged, benign, way.benign_days, random)


def _made(method: str, seed: int) -> Method:
    """A new method that has seen nothing."""
    if method == "homeward":
        from homeward.bench.network.homeward import Homeward

        return Homeward()
    return NeverSeen() if method == "never_seen" else Detectors(partial(DETECTORS[method].make, seed))


def table(result: Mapping[str, Any]) -> str:
    """Every method on every capture, on all together, and the targets, for the terminal."""
    told = [text_table(head, rows) for head, rows in _tables(result)]
    return "\n".join([*told, bullets(_notes(result))])


def markdown(result: Mapping[str, Any], *, command: str | None = None) -> str:
    """The same in Markdown. ``command`` adds when, where and by which command the figures were measured."""
    told = [markdown_table(head, rows) for head, rows in _tables(result)]
    line = [measured(f"{command} --seed {result['seed']}")] if command else []
    return "\n".join([*told, bullets([*_notes(result), *line])])


HEAD: Final = (
    "capture", "method", "benign days", "false alarms", "a day", "flows caught", "first alarm after", "AUC",
)  # fmt: skip


def _tables(result: Mapping[str, Any]) -> Iterator[tuple[Sequence[str], list[list[str]]]]:
    rows = [
        [name, method, figure(capture["benign_days"]), *_cells(found, attacked=bool(capture["malicious"]))]
        for name, capture in result["captures"].items()
        for method, found in capture["methods"].items()
    ]
    yield HEAD, rows
    days = figure(sum(capture["benign_days"] for capture in result["captures"].values()))
    head = ("all captures", "benign days", "false alarms", "a day", "caught, mean", "first alarm, worst", "mean AUC")
    yield (
        head,
        [
            [
                method,
                days,
                str(found["benign_alarms"]),
                figure(found["benign_alarms_per_day"]),
                figure(found["flows_caught"]),
                _first(found, attacked=found["auc"] is not None),
                figure(found["auc"], 4),
            ]
            for method, found in result["together"].items()
        ],
    )
    if result["targets"] is not None:
        of, _, *others = GOALS_HEAD
        yield (of, *others), [[of, *others] for of, _, *others in goal_rows({"real": result["targets"]})]


def _cells(found: Mapping[str, Any], *, attacked: bool) -> list[str]:
    area = (
        f"{found['auc']:.4f} ({found['auc_low']:.4f}-{found['auc_high']:.4f})" if found["auc"] is not None else NONE
    )
    return [
        str(found["benign_alarms"]),
        figure(found["benign_alarms_per_day"]),
        shown(found, "flows_caught"),
        _first(found, attacked=attacked),
        area,
    ]


def _first(found: Mapping[str, Any], *, attacked: bool) -> str:
    after = found["first_alarm_after_flows"]
    return str(after) if after is not None else NEVER if attacked else NONE


def _notes(result: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "“Benign days”: the time in which benign flows are judged. “False alarms”: the incidents that they open "
        "where no attack is there to hide them. “Flows caught”: the share of malicious flows that are unusual, with "
        "its 95 % interval (Wilson). “First alarm after”: how many malicious flows had come when one of them first "
        "opened an incident. AUC comes with its 95 % interval (bootstrap over hours)."
    )
    yield (
        "River's half-space trees, scikit-learn's isolation forest and PySAD's LODA are at their defaults, one for "
        "each device, with a threshold set to one alarm a day on what teaches."
    )
    rates = result["flows_per_s"]
    if rates:
        yield (
            f"Speed: {rates['decoded']:,} flows a second decoded, {rates['scored']:,} scored and learned, "
            f"{rates['both']:,} both; {rates['in_a_home']:,} in a home, from the file to what is "
            "learned, where the same within a minute is merged. On one core, in Python."
        )
    for kind in ("captures", "methods"):
        for name, reason in result["reasons"][kind].items():
            yield f"No figure for {name}: {reason}."
