"""The guard itself, on flows: its network habits as they run in a home, with nothing added."""

from __future__ import annotations

from homeward.bench.network.judge import Verdict
from homeward.core.behaviour.traffic import Traffic
from homeward.core.flow import Flow


class Homeward:
    """One place with all its devices. What is unusual by its own word teaches nothing: nobody answers here."""

    def __init__(self) -> None:
        self._traffic = Traffic()

    def teach(self, device: str, flow: Flow, at_ms: int) -> None:
        self._traffic.learn(device, flow, at_ms)

    def judge(self, device: str, flow: Flow, at_ms: int) -> Verdict:
        reading = self._traffic.assess(device, flow, at_ms)
        if not reading.unusual:
            self._traffic.learn(device, flow, at_ms)
        return Verdict(reading.score, reading.unusual)
