"""A method that is followed through a home, and beside it copies of it from chosen moments on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from homeward.bench.methods import Interruption, Method
from homeward.core.event import Event


class Asides:
    """The same method, told at each of some moments, in order, what it had become just before.

    ``aside`` is called with the number of the moment and a copy of the method's state; nothing that the copy sees
    reaches the method. A moment is reached when the next event, answer or pause lies at or after it.
    """

    def __init__(self, method: Method, moments: Sequence[datetime], aside: Callable[[int, Method], None]) -> None:
        self._method = method
        self._moments = moments
        self._aside = aside
        self._reached = 0

    def event(self, event: Event) -> Sequence[Interruption]:
        self._reach(event.at)
        return self._method.event(event)

    def answer(self, at: datetime, incident: str) -> Sequence[Interruption]:
        self._reach(at)
        return self._method.answer(at, incident)

    def wait(self, until: datetime) -> Sequence[Interruption]:
        self._reach(until)
        return self._method.wait(until)

    def ready_after_days(self) -> float | None:
        return self._method.ready_after_days()

    def copy(self) -> Asides:
        """A copy that goes its own way; no moment is reached in it."""
        return Asides(self._method.copy(), (), self._aside)

    def _reach(self, at: datetime) -> None:
        while self._reached < len(self._moments) and self._moments[self._reached] <= at:
            number = self._reached
            self._reached += 1
            self._aside(number, self._method.copy())
