"""The guard's own clock: it starts where the journal ended and only goes forwards."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol


class Clock(Protocol):
    """What the service reads its time from."""

    def now(self) -> datetime:
        """The guard's time: aware, UTC, never decreasing."""

    def seconds_until(self, at: datetime) -> float:
        """How many real seconds pass until then; not above zero when it is over."""


def _wall() -> datetime:
    return datetime.now(UTC)


def _boot_seconds() -> float:
    """Seconds that nobody can set and that go on while the machine sleeps, where the system has such a clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class GuardClock:
    """The wall clock at the start, or the journal's last time if that is later, plus what has passed since.

    A jump of the wall clock changes nothing here: it shows in ``offset``. Leases end by this clock.
    """

    def __init__(
        self,
        last_at: datetime | None = None,
        *,
        wall: Callable[[], datetime] = _wall,
        seconds: Callable[[], float] = _boot_seconds,
    ) -> None:
        self._wall, self._seconds = wall, seconds
        self._began = seconds()
        now = wall()
        begin = now if last_at is None else max(now, last_at)
        # Up to the next whole millisecond, in which the engine counts: cut down to that, it is not before last_at.
        self._base = begin + timedelta(microseconds=-begin.microsecond % 1000)

    def now(self) -> datetime:
        return self._base + timedelta(seconds=self._seconds() - self._began)

    def seconds_until(self, at: datetime) -> float:
        return (at - self.now()).total_seconds()

    def offset(self) -> timedelta:
        """How far the wall clock is ahead of this clock."""
        return self._wall() - self.now()


NOTABLE: Final = timedelta(seconds=5)
"""How far the wall clock has to move, against the guard's, to be news."""


class ClockWatch:
    """Notices when the wall clock moves away from the guard's, and when it has stood still again."""

    def __init__(self, clock: GuardClock) -> None:
        self._clock = clock
        self._told = clock.offset()
        self._calm = abs(self._told) <= NOTABLE

    def look(self) -> tuple[bool, str, int] | None:
        """News as (up, what happened, offset in ms), or ``None``. To be called every few seconds.

        Not up when the clock jumped since the last look; up again at the first look after which it has not.
        """
        offset = self._clock.offset()
        moved = offset - self._told
        milliseconds = offset // timedelta(milliseconds=1)
        if abs(moved) > NOTABLE:
            self._told, self._calm = offset, False
            way = "forwards" if moved > timedelta(0) else "back"
            words = f"the wall clock went {way} by {abs(moved).total_seconds():.0f} s"
            return False, f"{words}; leases run on by the guard's own clock", milliseconds
        if not self._calm:
            self._calm = True
            return True, "", milliseconds
        return None
