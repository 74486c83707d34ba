"""Every method behind one face: events and answers in, interruptions of the owner out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol, Self

from homeward import __version__
from homeward.bench.homes import Household
from homeward.bench.presence import RESIDENTS, Presence
from homeward.core.effects import Effect, Notify
from homeward.core.engine import Engine
from homeward.core.event import Event
from homeward.core.inputs import Change, Feedback, Tick
from homeward.core.settings import Settings


class Interruption(NamedTuple):
    """The owner was interrupted: what a budget counts."""

    at: datetime
    incident: str
    device: str


class Method(Protocol):
    """A way to guard a home. Time never goes back."""

    def event(self, event: Event) -> Sequence[Interruption]: ...

    def answer(self, at: datetime, incident: str) -> Sequence[Interruption]:
        """The owner says "that was me"."""

    def wait(self, until: datetime) -> Sequence[Interruption]:
        """Time passes."""

    def ready_after_days(self) -> float | None:
        """How long after the first event the method could keep its budget, by its own word."""

    def copy(self) -> Self:
        """A copy of all state; nothing that it sees reaches the original."""


class Homeward:
    """The guard itself: the engine as it runs in a home, with nothing added."""

    def __init__(self, home: Household, budget: float) -> None:
        self._engine = Engine()
        self._first = home.at[0]
        told = [RESIDENTS] if Presence(home).possible else []
        settings = Settings(
            place=home.name,
            timezone=home.timezone,
            budget=budget,
            devices=tuple(sorted([*home.devices.values(), *told], key=lambda device: device.name)),
        )
        self._engine.handle(Change(at=self._first, version=__version__, settings=settings))

    def event(self, event: Event) -> Sequence[Interruption]:
        effects = self._engine.handle(event)
        return _interruptions(effects) if effects else ()

    def answer(self, at: datetime, incident: str) -> Sequence[Interruption]:
        return _interruptions(self._engine.handle(Feedback(at=at, incident=incident, answer="yes", channel="bench")))

    def wait(self, until: datetime) -> Sequence[Interruption]:
        return _interruptions(self._engine.handle(Tick(at=until)))

    def ready_after_days(self) -> float | None:
        since = self._engine.readiness().since
        return None if since is None else (since - self._first) / timedelta(days=1)

    def copy(self) -> Homeward:
        twin = object.__new__(Homeward)
        twin._engine, twin._first = self._engine.fork(), self._first
        return twin


def _interruptions(effects: Sequence[Effect]) -> list[Interruption]:
    return [
        Interruption(effect.at, effect.incident, effect.device)
        for effect in effects
        if isinstance(effect, Notify) and effect.interrupts
    ]
