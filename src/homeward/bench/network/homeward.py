"""The guard itself, on flows: its network habits as they run in a home, with nothing added."""

from __future__ import annotations

from typing import Final

from homeward.bench.network.judge import Verdict
from homeward.bench.network.peers import ALARMS_A_DAY
from homeward.core.behaviour.profile import HALF_LIFE
from homeward.core.behaviour.traffic import Reading, Traffic
from homeward.core.flow import Flow

INCIDENT: Final = "unanswered"


class Homeward:
    """One place with all its devices, at the budget that the others have. What it finds unusual, or holds back, by
    its own word teaches nothing: nobody answers here."""

    def __init__(self) -> None:
        self._traffic = Traffic()

    def teach(self, device: str, flow: Flow, at_ms: int) -> None:
        self._traffic.learn(device, flow, self._look(device, flow, at_ms).seen)

    def judge(self, device: str, flow: Flow, at_ms: int) -> Verdict:
        reading = self._look(device, flow, at_ms)
        if reading.unusual or reading.held:
            self._traffic.hold(device, flow, reading.seen, INCIDENT if reading.unusual else "")
        else:
            self._traffic.learn(device, flow, reading.seen)
        return Verdict(reading.score, reading.unusual)

    def _look(self, device: str, flow: Flow, at_ms: int) -> Reading:
        self._traffic.pass_time(at_ms, 7 * ALARMS_A_DAY, HALF_LIFE)
        reading = self._traffic.assess(device, flow, at_ms)
        self._traffic.note(device, flow, reading)
        return reading
