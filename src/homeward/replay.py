"""Replay: a recorded home streamed through the whole guard, journal included, as fast as it goes."""

from __future__ import annotations

import gc
import heapq
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from zoneinfo import ZoneInfo

from homeward import __version__
from homeward.core.effects import Notify
from homeward.core.event import Event
from homeward.core.inputs import Change, Input
from homeward.core.settings import Settings
from homeward.guard import BATCH, Guard
from homeward.journal import Journal
from homeward.sources.files import FileError, Home, LastStates, read_events, read_home

ACTIVE_EVENTS: Final = 10
"""A local day with at least so many rows is active."""

LEARNING_DAYS: Final = 14
"""Active days before the alarms of a summary are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a replay came to.

    ``events`` counts rows read, repeated states included. ``alarms``, ``weeks`` (of seven active days) and
    ``alarms_per_week`` count from the 15th active day on; the last is ``None`` where there is no such day.
    ``ready_after_days`` is the time from the first event until the guard first said it can keep the budget.
    """

    events: int
    alarms: int
    weeks: float
    alarms_per_week: float | None
    ready_after_days: float | None
    events_per_s: int

    def line(self) -> dict[str, Any]:
        """As a line of ``--json``."""
        return {
            "type": "summary",
            "events": self.events,
            "alarms": self.alarms,
            "weeks": self.weeks,
            "alarms_per_week": self.alarms_per_week,
            "ready_after_days": self.ready_after_days,
            "events_per_s": self.events_per_s,
        }


def alarm_line(alarm: Notify) -> dict[str, Any]:
    """An alarm as a line of ``--json``: ``at`` in UTC to the millisecond."""
    return {
        "type": "alarm",
        "at": alarm.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "incident": alarm.incident,
        "device": alarm.device,
        "habit": alarm.habit,
        "bits": alarm.bits,
        "p_value": alarm.p_value,
        "reason": alarm.reason,
    }


class _Days:
    """Rows by local day. Times do not go back."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._today: date | None = None
        self._rows_before = 0
        self.active: list[date] = []
        self.midnight = datetime.min.replace(tzinfo=UTC)
        """The end (UTC) of the local day that is counted."""

    def turn(self, rows: int, at: datetime | None) -> None:
        """A row of a later day came, after so many rows in all; without ``at`` the rows are over."""
        if self._today is not None and rows - self._rows_before >= ACTIVE_EVENTS:
            self.active.append(self._today)
        self._rows_before = rows
        if at is not None:
            self._today = at.astimezone(self._zone).date()
            midnight = datetime.combine(self._today + timedelta(days=1), clock_time(), self._zone)
            self.midnight = max(midnight.astimezone(UTC), at + timedelta.resolution)

    def date(self, at: datetime) -> date:
        return at.astimezone(self._zone).date()


def replay(
    files: Sequence[Path],
    *,
    budget: float = 1.0,
    state: Path | None = None,
    on_alarm: Callable[[Notify], object] = lambda _: None,
    on_rows: Callable[[int], object] = lambda _: None,
) -> Summary:
    """Stream the files of one home, in time order, through a new guard with a real journal.

    The journal lies in a temporary folder, or in ``state`` (new or empty) and is kept. Nobody answers. ``on_alarm``
    is called for each alarm, ``on_rows`` with the number of rows of each batch.

    Raises:
        FileError: a file cannot be read, the files are of different homes, or hold no event.
        JournalError: ``state`` cannot be used.
    """
    home = _one_home(files)
    settings = Settings(place=home.name, timezone=home.timezone, budget=budget, devices=home.devices)
    with _folder(state) as folder, _calm_collector():
        journal = Journal(folder)
        try:
            if journal.last_at is not None:
                raise FileError(f"{folder}: holds a journal already; name a new folder")
            return _Replay(Guard(journal), settings, on_alarm, on_rows).run(_in_order(files))
        finally:
            journal.close()


class _Replay:
    def __init__(
        self,
        guard: Guard,
        settings: Settings,
        on_alarm: Callable[[Notify], object],
        on_rows: Callable[[int], object],
    ) -> None:
        self._guard, self._settings = guard, settings
        self._on_alarm, self._on_rows = on_alarm, on_rows
        self._days = _Days(ZoneInfo(settings.timezone))
        self._alarms: list[date] = []
        self._ready: datetime | None = None

    def run(self, events: Iterator[Event]) -> Summary:
        began = time.perf_counter()
        days, changed = self._days, LastStates().changed
        first: datetime | None = None
        rows = reported = 0
        batch: list[Input] = []
        for event in events:
            if event.at >= days.midnight:
                days.turn(rows, event.at)
                if first is None:
                    first = event.at
                    batch.append(Change(at=first, version=__version__, settings=self._settings, channel="replay"))
            rows += 1
            if changed(event):
                batch.append(event)
                if len(batch) >= BATCH:
                    self._take(batch)
                    batch.clear()
                    self._on_rows(rows - reported)
                    reported = rows
        if first is None:
            raise FileError("there is no event in what was given; expected rows below the header")
        self._take(batch)
        self._on_rows(rows - reported)
        days.turn(rows, None)
        return self._summary(rows, first, time.perf_counter() - began)

    def _take(self, batch: Sequence[Input]) -> None:
        try:
            effects = self._guard.process(batch)
        except ValueError as error:  # a lone surrogate in JSON, say
            raise FileError(f"a row near {batch[-1].at}: {error}; leave it out") from None
        for effect in effects:
            if isinstance(effect, Notify) and effect.interrupts:
                self._alarms.append(self._days.date(effect.at))
                self._on_alarm(effect)
        if self._ready is None:
            self._ready = self._guard.engine.readiness().since

    def _summary(self, rows: int, first: datetime, seconds: float) -> Summary:
        judged = self._days.active[LEARNING_DAYS:]
        alarms = sum(day >= judged[0] for day in self._alarms) if judged else 0
        weeks = len(judged) / 7
        return Summary(
            events=rows,
            alarms=alarms,
            weeks=round(weeks, 3),
            alarms_per_week=round(alarms / weeks, 3) if judged else None,
            ready_after_days=None if self._ready is None else round((self._ready - first) / timedelta(days=1), 2),
            events_per_s=round(rows / max(seconds, 1e-6)),
        )


def _one_home(files: Sequence[Path]) -> Home:
    """The home that all the files belong to."""
    homes = [read_home(path) for path in files]
    first = homes[0]
    for path, home in zip(files, homes, strict=True):
        if (home.name, home.timezone) != (first.name, first.timezone):
            raise FileError(
                f"{path}: is of the home {home.name} ({home.timezone}), {files[0]} of {first.name} "
                f"({first.timezone}); replay one home at a time"
            )
    devices = {device.name: device for home in homes for device in home.devices}
    return Home(name=first.name, timezone=first.timezone, devices=tuple(devices.values()))


def _in_order(files: Sequence[Path]) -> Iterator[Event]:
    if len(files) == 1:
        return read_events(files[0])
    return heapq.merge(*map(read_events, files), key=lambda event: event.at)


@contextmanager
def _folder(state: Path | None) -> Iterator[Path]:
    if state is not None:
        yield state
        return
    with TemporaryDirectory(prefix="homeward-replay-") as folder:
        yield Path(folder)


@contextmanager
def _calm_collector() -> Iterator[None]:
    """What a guard keeps has no cycles and only grows: looking through it again and again finds nothing."""
    gc.collect()
    gc.freeze()
    before = gc.get_threshold()
    gc.set_threshold(100_000, 50, 1_000)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
