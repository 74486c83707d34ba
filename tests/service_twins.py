"""In-memory ports for the service's tests: a source, a responder, and a clock that can run faster."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from homeward.core.effects import Action, Effect
from homeward.core.event import Event
from homeward.core.inputs import Health, Input
from homeward.core.settings import Device, Response, Settings
from homeward.journal import Journal
from homeward.service import Service

START = datetime(2025, 3, 3, 12, 0, tzinfo=UTC)

LAMP = Response(
    name="light the hall", device="lamp", command="on", when=("rule:new client",), minutes=10.0, restore="off",
    responder="lamps",
)  # fmt: skip

SETTINGS = Settings(
    place="home",
    devices=(
        Device(name="broker", type="broker"),
        Device(name="lamp", type="light", role="actuator"),
        Device(name="door", type="contact.door", role="entrance"),
    ),
    responses=(LAMP,),
)

BRIEFLY = replace(SETTINGS, responses=(replace(LAMP, minutes=0.03),))
"""The same home, where the lamp is lit for less than two seconds."""


def event(device: str = "door", action: str = "open", *, number: int = 0, **more: object) -> Event:
    return Event(id=str(number), source="twin", at=START, device=device, action=action, **more)  # type: ignore[arg-type]


def stranger(name: str = "mallory") -> Event:
    """A client that the broker never saw: breaks a rule at once, and calls for the lamp."""
    return event("broker", "client_connected", origin=name)


class Clock:
    """Runs ``rate`` times as fast as real time from ``start`` on."""

    def __init__(self, start: datetime = START, rate: float = 1.0) -> None:
        self._start, self._rate, self._began = start, rate, time.monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=(time.monotonic() - self._began) * self._rate)

    def seconds_until(self, at: datetime) -> float:
        return (at - self.now()).total_seconds() / self._rate


class TwinSource:
    """Yields what is put into it; fails when an exception is put; keeps the deliveries that were committed."""

    def __init__(self, name: str = "twin", on_committed: Callable[[Sequence[str]], object] = lambda _: None) -> None:
        self.name = name
        self.queue: asyncio.Queue[Event | Exception] = asyncio.Queue()
        self.done: list[str] = []
        self.starts = 0
        self._on_committed = on_committed

    async def events(self) -> AsyncIterator[Event | Health]:
        self.starts += 1
        yield Health(at=START, subject="whatever the source says", up=True)
        while True:
            item = await self.queue.get()
            if isinstance(item, Exception):
                raise item
            yield item

    def committed(self, deliveries: Sequence[str]) -> Sequence[str]:
        self._on_committed(deliveries)
        self.done.extend(deliveries)
        return deliveries


class TwinResponder:
    """Remembers what it was asked; ``failures`` is how often a step fails first; ``hang`` never answers."""

    def __init__(self, name: str = "lamps", *, failures: dict[str, int] | None = None, hang: bool = False) -> None:
        self.name = name
        self.asked: list[tuple[str, Action]] = []
        self.failures = failures or {}
        self._hang = hang

    async def apply(self, action: Action) -> None:
        await self._do("apply", action)

    async def revert(self, action: Action) -> None:
        await self._do("revert", action)

    async def _do(self, step: str, action: Action) -> None:
        self.asked.append((step, action))
        if self._hang:
            await asyncio.Event().wait()
        if self.failures.get(step, 0) > 0:
            self.failures[step] -= 1
            raise ConnectionError("the lamp does not answer")

    @property
    def steps(self) -> list[str]:
        return [step for step, _ in self.asked]


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[Service]:
    """The service, up while the block runs; stopped in good order after it."""
    task = asyncio.create_task(service.run())
    try:
        yield service
        assert not task.done() or task.exception() is None
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(met: Callable[[], bool | Awaitable[bool]], seconds: float = 10.0) -> None:
    """Wait for a condition; fail when it does not come."""
    async with asyncio.timeout(seconds):
        while True:
            got = met()
            if got if isinstance(got, bool) else await got:
                return
            await asyncio.sleep(0.005)


def entries(folder: Path) -> list[Input | Effect]:
    """Everything in the journal, as another process reads it."""
    with Journal(folder, read_only=True) as journal:
        return [entry for _, entry in journal.entries()]


def kinds(items: Sequence[object]) -> list[str]:
    return [type(item).__name__ for item in items]
