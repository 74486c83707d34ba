"""A detector from a library made into a peer: rows of features in, the detector's own score out."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Protocol, Self
from zoneinfo import ZoneInfo

from homeward.bench.homes import Household
from homeward.bench.peers.features import Features, Row
from homeward.core.event import Event

SHARED_FOR = timedelta(hours=1)
"""So long a copy does with what the original's detector knows."""


class Detector(Protocol):
    """A detector of a library, at that library's defaults."""

    def score(self, row: Row) -> float:
        """How strange the row is (higher is stranger); nothing is learned."""

    def score_and_learn(self, row: Row) -> float:
        """The same, told before the row is learned; then it is learned, once."""

    def learn(self, row: Row, weight: int) -> None:
        """Learn a row, so many times."""

    def midnight(self) -> None:
        """A new day begins."""

    def copy(self) -> Self:
        """A copy for a trial: it goes its own way, as far as its kind learns in a trial at all."""


class Featured:
    """A detector that looks at a home.

    A copy, on which a trial runs, counts on its own from the start (its features tell the trial's own events), but
    shares the original's detector for its first hour, so that copying costs next to nothing: a trial of minutes
    would hardly change a detector. If the trial lasts longer, as a day of another home does, the copy then takes a
    detector of its own, learns what it has seen so far, and goes on learning.
    """

    def __init__(self, home: Household, detector: Detector) -> None:
        self._detector = detector
        self._features = Features(home.timezone)
        self._zone = None if home.timezone == "UTC" else ZoneInfo(home.timezone)
        self._today: date | None = None
        self._shared_since: datetime | None = None  # the first event of a copy
        self._to_learn: list[tuple[Row, int]] | None = None  # what a copy has seen while it shares the detector

    def look(self, event: Event) -> tuple[float, Row]:
        row = self._features.row(event)
        if self._to_learn is not None:
            self._shared_since = self._shared_since or event.at
            if event.at - self._shared_since <= SHARED_FOR:
                self._to_learn.append((row, 1))
                return self._detector.score(row), row
            self._part(self._to_learn)
        today = event.at.date() if self._zone is None else event.at.astimezone(self._zone).date()
        if today != self._today:
            self._today = today
            self._detector.midnight()
        return self._detector.score_and_learn(row), row

    def confirm(self, seen: Row, weight: int) -> None:
        if self._to_learn is None:
            self._detector.learn(seen, weight)
        else:
            self._to_learn.append((seen, weight))

    def copy(self) -> Featured:
        twin = object.__new__(Featured)
        twin.__dict__.update(self.__dict__)
        twin._features = self._features.copy()
        twin._to_learn = list(self._to_learn or ())
        return twin

    def _part(self, to_learn: list[tuple[Row, int]]) -> None:
        self._detector = self._detector.copy()
        for row, weight in to_learn:
            self._detector.learn(row, weight)
        self._to_learn = self._shared_since = None
