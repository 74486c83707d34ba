"""The story that is told: whose moment comes next, and how fast time goes until then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from heapq import merge
from itertools import pairwise, takewhile
from typing import Final

from homeward.demo.clock import DemoClock
from homeward.demo.devices import LiveDevices
from homeward.demo.household import Moment, simulate
from homeward.demo.intruder import strange_nights

QUIET_SECONDS: Final = 2.0
"""So long (in real seconds) nothing may happen: quiet hours go by faster than busy ones."""

LINGER_SECONDS: Final = 0.25
"""What was said has to arrive before a quiet hour flies by."""

WATCH_SECONDS: Final = 40.0
"""So long at least time goes at its real pace once something strange has begun …"""

PATIENCE_SECONDS: Final = 240.0
"""… and at most, while the guard's acts are not yet taken back."""


class Story:
    """A home that lives on from ``start``, with strangers at night, told through its devices.

    Between moments ``rate`` seconds at home pass in a real second, or more when nothing happens for long. From the
    first strange moment of a night until the guard's acts are taken back, time goes at its real pace.
    """

    def __init__(
        self,
        clock: DemoClock,
        devices: LiveDevices,
        *,
        start: datetime,
        intruder: datetime,
        rate: float,
        seed: int,
    ) -> None:
        self._clock, self._devices, self._rate = clock, devices, rate
        self.seconds_until_intruder = _real_seconds(start, intruder, rate, seed)
        """Real seconds from the start until the stranger comes."""
        nights = strange_nights(intruder, seed)
        everything = merge(_usual(start, seed), _strange(nights), key=lambda one: one[0].at)
        self._moments = (one for one in everything if one[0].at > start)
        self._slow_since: float | None = None

    async def tell(self) -> None:
        """Let one moment after the other happen; goes on until it is cancelled."""
        for moment, begins in self._moments:
            await self._wait_until(moment.at)
            if begins:
                self._slow_since = time.monotonic()
            self._devices.tell(moment)

    async def _wait_until(self, at: datetime) -> None:
        """Let time pass until then, at a pace that is chosen anew whenever something happened."""
        commanded, lingers = self._devices.commanded, time.monotonic() + LINGER_SECONDS
        while (left := (at - self._clock.now()).total_seconds()) > 0:
            commanded.clear()
            slow, linger = self._slow_seconds(), lingers - time.monotonic()
            if slow > 0:
                pace, longest = 1.0, slow
            elif linger > 0:
                pace, longest = self._rate, linger
            else:
                pace, longest = max(self._rate, left / QUIET_SECONDS), QUIET_SECONDS
            self._clock.go(pace, at)
            with suppress(TimeoutError):
                async with asyncio.timeout(min(self._clock.seconds_until(at), longest)):
                    await commanded.wait()

    def _slow_seconds(self) -> float:
        """How long time still goes at its real pace, as things stand; not above zero when that is over."""
        if self._slow_since is None:
            return 0.0
        passed = time.monotonic() - self._slow_since
        left = (PATIENCE_SECONDS if self._devices.held else WATCH_SECONDS) - passed
        if left <= 0:
            self._slow_since = None
        return left


def _real_seconds(start: datetime, end: datetime, rate: float, seed: int) -> float:
    """How long it takes until then, quiet hours shortened."""
    usual = (moment.at for moment in simulate(start, None, seed) if moment.at > start)
    times = [start, *takewhile(lambda at: at < end, usual), end]
    longest = QUIET_SECONDS + LINGER_SECONDS
    return sum(min((b - a).total_seconds() / rate, longest) for a, b in pairwise(times))


def _usual(start: datetime, seed: int) -> Iterator[tuple[Moment, bool]]:
    return ((moment, False) for moment in simulate(start, None, seed))


def _strange(nights: Iterator[list[Moment]]) -> Iterator[tuple[Moment, bool]]:
    for night in nights:
        for number, moment in enumerate(night):
            yield moment, number == 0
