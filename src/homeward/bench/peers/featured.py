"""A detector from a library made into a peer: rows of features in, the detector's own score out."""

from __future__ import annotations

from datetime import date
from typing import Protocol
from zoneinfo import ZoneInfo

from homeward.bench.homes import Household
from homeward.bench.peers.features import Features, Row
from homeward.core.event import Event


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


class Featured:
    """A detector that looks at a home.

    A copy, on which a trial runs, shares what the detector has learned and learns nothing itself, so that
    copying costs next to nothing: one trial's few events would hardly change the detector, and what a trial needs to
    be told apart, the counts and pauses in its features, the copy does keep for itself.
    """

    def __init__(self, home: Household, detector: Detector) -> None:
        self._detector = detector
        self._features = Features(home.timezone)
        self._zone = None if home.timezone == "UTC" else ZoneInfo(home.timezone)
        self._today: date | None = None
        self._is_copy = False

    def look(self, event: Event) -> tuple[float, Row]:
        row = self._features.row(event)
        if self._is_copy:
            return self._detector.score(row), row
        today = event.at.date() if self._zone is None else event.at.astimezone(self._zone).date()
        if today != self._today:
            self._today = today
            self._detector.midnight()
        return self._detector.score_and_learn(row), row

    def confirm(self, seen: Row, weight: int) -> None:
        if not self._is_copy:
            self._detector.learn(seen, weight)

    def copy(self) -> Featured:
        twin = object.__new__(Featured)
        twin.__dict__.update(self.__dict__)
        twin._features = self._features.copy()
        twin._is_copy = True
        return twin
