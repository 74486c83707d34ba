"""The home's time in a demonstration: fast while nothing is wrong, at the real pace when it matters."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from math import inf


class DemoClock:
    """A `homeward.clock.Clock` of which a second can be told to last longer or shorter. It begins standing still.

    At pace 1 leases, countdowns and answers are in real seconds. It never goes back.
    """

    def __init__(self, start: datetime, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._since = (start, seconds(), 0.0)
        self._until: datetime | None = None

    @property
    def pace(self) -> float:
        """Seconds at home in one real second."""
        return self._since[2]

    def go(self, pace: float, until: datetime | None = None) -> None:
        """Go on from here at another pace; zero stops. Time waits at ``until`` for the next word.

        Raises:
            ValueError: the pace is negative or not finite.
        """
        if not 0 <= pace < inf:
            raise ValueError(f"a pace of {pace}: time goes forwards, and not at once")
        self._since, self._until = (self.now(), self._seconds(), pace), until

    def now(self) -> datetime:
        began, real, pace = self._since
        now = began + timedelta(seconds=(self._seconds() - real) * pace)
        return now if self._until is None else max(began, min(now, self._until))

    def seconds_until(self, at: datetime) -> float:
        """Real seconds, at the present pace; infinitely many while the clock stands."""
        left = (at - self.now()).total_seconds()
        return left if left <= 0 else inf if self.pace == 0 else left / self.pace
