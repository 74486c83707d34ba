"""What others do with flows: detectors from libraries at their defaults, and a rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from homeward.bench.network.course import DAY_MS
from homeward.bench.network.features import Features
from homeward.bench.network.judge import Verdict, openings
from homeward.bench.peers.featured import Detector
from homeward.core.flow import Flow

ALARMS_A_DAY: Final = 1.0
"""The budget that a threshold is set to, for each device."""


class NeverSeen:
    """A rule: a peer and port that the device has not met before. It has no threshold to set; whatever it finds it
    flags, and, as with every method, what is flagged teaches nothing: an attacker who comes back is no acquaintance.
    """

    def __init__(self) -> None:
        self._met: set[tuple[str, str, int]] = set()

    def teach(self, device: str, flow: Flow, at_ms: int) -> None:  # noqa: ARG002  # a rule has no clock
        self._met.add((device, flow.peer, flow.port))

    def judge(self, device: str, flow: Flow, at_ms: int) -> Verdict:  # noqa: ARG002
        met = (device, flow.peer, flow.port) in self._met
        return Verdict(float(not met), not met)


class Detectors:
    """A detector of a library for each device, and a threshold for each, set on what teaches alone.

    Of the flows that teach, the first half is learned; the other half is scored, each flow before it is learned, and
    the threshold is the lowest at which these make no more alarms than the budget. What is judged is learned too
    unless it lies above the threshold, as the guard does; but a forest, which cannot learn on, stays as it was
    fitted on all that teaches.
    """

    def __init__(self, make: Callable[[], Detector]) -> None:
        self._make = make
        self._devices: dict[str, _Device] = {}

    def teach(self, device: str, flow: Flow, at_ms: int) -> None:
        self._of(device).teaching.append((flow, at_ms))

    def judge(self, device: str, flow: Flow, at_ms: int) -> Verdict:
        return self._of(device).judge(flow, at_ms)

    def _of(self, device: str) -> _Device:
        if device not in self._devices:
            self._devices[device] = _Device(self._make())
        return self._devices[device]


class _Device:
    """One device's detector."""

    def __init__(self, detector: Detector) -> None:
        self.teaching: list[tuple[Flow, int]] = []
        self._detector = detector
        self._features = Features()
        self._learned = 0
        self._threshold: float | None = None

    def judge(self, flow: Flow, at_ms: int) -> Verdict:
        if self._threshold is None:
            self._threshold = self._settle()
        row = self._features.row(flow, at_ms)
        score = self._score(row)
        unusual = score > self._threshold
        if not unusual:
            self._learn(flow, at_ms)
        return Verdict(score, unusual)

    def _settle(self) -> float:
        """Learn what teaches; the threshold."""
        half = len(self.teaching) // 2
        for flow, at_ms in self.teaching[:half]:
            self._learn(flow, at_ms)
        self._detector.midnight()
        scored = []
        for flow, at_ms in self.teaching[half:]:
            scored.append((at_ms, self._score(self._features.row(flow, at_ms))))
            self._learn(flow, at_ms)
        self._detector.midnight()
        return threshold(scored)

    def _score(self, row: Sequence[float]) -> float:
        return self._detector.score(tuple(row)) if self._learned else 0.0

    def _learn(self, flow: Flow, at_ms: int) -> None:
        self._detector.learn(self._features.row(flow, at_ms), 1)
        self._features.count(flow, at_ms)
        self._learned += 1


def threshold(scored: Sequence[tuple[int, float]]) -> float:
    """The lowest of the scores (each with its time, in order) above which there are no more alarms than a budget of
    one a day allows; infinite where there is none."""
    if not scored:
        return math.inf
    allowed = int(ALARMS_A_DAY * (scored[-1][0] - scored[0][0]) / DAY_MS)
    found = math.inf
    for limit in sorted({score for _, score in scored}, reverse=True):
        if sum(1 for _ in openings(at_ms for at_ms, score in scored if score > limit)) > allowed:
            break
        found = limit
    return found
