"""Quiet hours: when only what cannot wait may interrupt. They follow the clock on the owner's wall, also when it is
changed to summer time and back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from homeward.core.behaviour.words import clock as in_words
from homeward.core.local_time import LocalClock

MINUTE: Final = 60_000
DAY_MINUTES: Final = 1_440

_QUARTER: Final = 15 * MINUTE
"""A zone changes its offset on a quarter of an hour only: see `LocalClock.local`."""

_SHAPE: Final = re.compile(r"\s*([0-9]{1,2}):([0-9]{2})\s*[-\u2013]\s*([0-9]{1,2}):([0-9]{2})\s*")


def minute_of(local: int) -> int:
    """The minute of the local day, of a local time (ms)."""
    return local // MINUTE % DAY_MINUTES


def spans(begin: int, end: int, minute: int) -> bool:
    """Whether hours from ``begin`` to before ``end`` (minutes of the day; over midnight if they begin later than they
    end) have this minute in them."""
    return begin <= minute < end if begin <= end else not end <= minute < begin


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From ``begin`` to before ``end``, minutes of the local day. They may last over midnight, not all day.

    ``ValueError`` says what to write instead.
    """

    begin: int
    end: int

    def __post_init__(self) -> None:
        if not (0 <= self.begin < DAY_MINUTES and 0 <= self.end < DAY_MINUTES):
            raise ValueError("quiet hours are minutes of the day, from 0 to 1439")
        if self.begin == self.end:
            raise ValueError('quiet hours must end at another time than they begin, for example "22:00-07:00"')

    @classmethod
    def parse(cls, text: str) -> QuietHours:
        """Read ``22:00-07:00``; ``24:00`` is midnight. ``ValueError`` says what to write instead."""
        shape = _SHAPE.fullmatch(text)
        hours = [] if shape is None else [int(digits) for digits in shape.groups()]
        minutes = [60 * hour + minute for hour, minute in zip(hours[::2], hours[1::2], strict=True) if minute < 60]
        if len(minutes) != 2 or max(minutes) > DAY_MINUTES:
            raise ValueError('quiet hours must look like "22:00-07:00"')
        return cls(*(each % DAY_MINUTES for each in minutes))

    def __str__(self) -> str:
        return f"{in_words(self.begin)}-{in_words(self.end)}"

    def contains(self, local: int) -> bool:
        """Whether this local time (ms) is a quiet one."""
        return spans(self.begin, self.end, minute_of(local))

    def ends_at(self, at: int, clock: LocalClock, offset: int = 0) -> int | None:
        """When on the guard's clock (ms) the quiet time ends in which ``at`` lies; ``None`` if it lies in none.

        From ``at`` until then every moment is quiet, and then it is not. So an end inside the hour that a change to
        summer time leaves out is the change itself, and one inside the hour that comes twice is its first coming.
        ``offset`` is how far (ms) the wall's clock is ahead of the guard's. At most some hundred steps; ``clock`` is
        left at ``at``.
        """
        now = wall = at + offset
        while self.contains(local := clock.local(wall)):
            wall = min(wall + self._left(local), (wall // _QUARTER + 1) * _QUARTER)
        clock.local(now)
        return None if wall == now else wall - offset

    def _left(self, local: int) -> int:
        """Milliseconds of local time to the next end."""
        day = DAY_MINUTES * MINUTE
        return day - (local - self.end * MINUTE) % day
