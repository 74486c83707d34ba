"""The guard as it would be if it learned whatever it sees."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from homeward.bench.homes import Household
from homeward.bench.methods import Homeward, Interruption
from homeward.core.event import Event


class AlwaysLearn:
    """The same guard, but each of its alarms is answered "that was me" at once, so that nothing stays held back."""

    def __init__(self, home: Household, budget: float) -> None:
        self._guard = Homeward(home, budget)

    def event(self, event: Event) -> Sequence[Interruption]:
        return self._confirmed(self._guard.event(event))

    def answer(self, at: datetime, incident: str) -> Sequence[Interruption]:  # noqa: ARG002  # answered long since
        return ()

    def wait(self, until: datetime) -> Sequence[Interruption]:
        return self._confirmed(self._guard.wait(until))

    def ready_after_days(self) -> float | None:
        return self._guard.ready_after_days()

    def copy(self) -> AlwaysLearn:
        twin = object.__new__(AlwaysLearn)
        twin._guard = self._guard.copy()
        return twin

    def _confirmed(self, told: Sequence[Interruption]) -> Sequence[Interruption]:
        for alarm in told:
            self._guard.answer(alarm.at, alarm.incident)
        return told
