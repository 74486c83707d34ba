"""Moments as integers, and the clock on the owner's wall."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)
LAST_MS: Final = (datetime(9000, 1, 1, tzinfo=UTC) - EPOCH) // MILLISECOND
"""Past this the calendar ends too soon for deadlines: the guard's clock stands still."""

AHEAD_MS: Final = 5_000
"""How far a source's clock may run ahead of the guard's."""

_QUARTER: Final = 900_000
"""Milliseconds; every zone changes its offset on a quarter of an hour."""


def milliseconds(at: datetime) -> int:
    """Since 1970; a time without a zone is read as UTC."""
    try:
        return (at - EPOCH) // MILLISECOND
    except TypeError:
        return (at.replace(tzinfo=UTC) - EPOCH) // MILLISECOND


def moment(at: int) -> datetime:
    """The moment so many milliseconds after the beginning of 1970."""
    return EPOCH + timedelta(milliseconds=at)


class LocalClock:
    """The clock of a place. ``zone`` is IANA (UTC where unknown); a source may be late by ``delay_minutes``.

    ``offset`` is the zone's from UTC (ms) at the time last asked for.
    """

    def __init__(self, zone: str, delay_minutes: float) -> None:
        self._zone = _zone(zone)
        self._delay = int(min(delay_minutes, 1_440.0) * 60_000) if delay_minutes > 0 else 0  # NaN is no delay
        self._quarter = -1
        self.offset = 0

    def believed(self, happened: datetime, wall: int) -> int | None:
        """A source's claim (ms) if it is plausible at this time of the wall's clock."""
        claimed = milliseconds(happened)
        plausible = happened.tzinfo is not None and wall - self._delay <= claimed <= wall + AHEAD_MS
        return claimed if plausible else None

    def local(self, wall: int) -> int:
        """Local time (ms) of a moment (ms)."""
        quarter = wall // _QUARTER
        if quarter != self._quarter:
            try:
                offset = moment(quarter * _QUARTER).astimezone(self._zone).utcoffset() or timedelta(0)
            except (OverflowError, ValueError):
                offset = timedelta(0)
            self._quarter, self.offset = quarter, offset // MILLISECOND
        return wall + self.offset


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
