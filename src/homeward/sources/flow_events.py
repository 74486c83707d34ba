"""From the lines of a log to events: what the sources that read flows from files have in common.

An event's delivery says how far the log was read (`Bookmarks`). That is exact because of how windows follow each
other: nothing is held when one begins, the same lines make the same windows again, and what a later window tells is
never on disk before the whole of an earlier one.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import UTC, datetime
from math import inf
from typing import Final

from homeward.core.event import Event
from homeward.core.inputs import Health
from homeward.sources.flows import WINDOW, Kind, Merger, Sighting
from homeward.sources.log_files import Bookmarks, Follower, LogError, Mark
from homeward.sources.neighbourhood import Neighbourhood

POLL: Final = 0.5
"""How long to wait for more of a log, in seconds."""

MISSING: Final = 600.0
"""How long a log may be missing before the guard calls itself blind, in seconds: Zeek makes one when it has something
to write, and after a rotation that may take a while."""


class FlowEvents:
    """Follows one log, and tells the sightings in it as events.

    ``sightings`` decodes a line; it never raises. ``beforehand`` reads what must be known first (names), and says
    whether there was anything.
    """

    def __init__(
        self,
        follower: Follower,
        sightings: Callable[[bytes], Sequence[Sighting]],
        neighbourhood: Neighbourhood,
        *,
        name: str,
        place: str,
        absent: str,
        refused: Counter[str],
        pending: Iterable[str] = (),
        beforehand: Callable[[], bool] = bool,
    ) -> None:
        self.merger = Merger()
        self._absent, self._counts = absent, refused
        self._follower, self._sightings, self._neighbourhood = follower, sightings, neighbourhood
        self._beforehand = beforehand
        self._name, self._place = name, place
        self._bookmarks = Bookmarks(pending)
        self.merger.minute = self._bookmarks.minute
        self._resume = self._bookmarks.begin
        self._window = self._read = Mark("", 0)
        self._opened = 0.0
        self._ready: deque[Event] = deque()
        self._session = secrets.token_hex(6)
        self._count = 0

    @property
    def refused(self) -> Counter[str]:
        """How many lines, ends of flows, devices or names could not be used, by reason."""
        return self._counts + self._neighbourhood.refused + self.merger.refused

    async def events(self) -> AsyncIterator[Event | Health]:
        """Say that the log can be read, then its events as it grows, until cancelled.

        Raises:
            LogError: it cannot be read, or is not there yet; once it is, it is read from its beginning.
        """
        if self._follower.is_missing and not self._follower.is_open:
            self._follower.read_whole()
            raise LogError(f"{self._follower.path}: is not there; {self._absent}")
        detail = self._begin()
        for _ in iter(self._beforehand, False):
            await asyncio.sleep(0)
        if detail:
            yield self._health(detail, up=False)
        yield self._health("")
        missing_since, told_missing = inf, False
        while True:
            busy = self._step()
            while self._ready:
                yield self._ready.popleft()
            if busy:
                await asyncio.sleep(0)
                continue
            now = time.monotonic()
            missing_since = min(missing_since, now) if self._follower.is_missing else inf
            if (now - missing_since > MISSING) != told_missing:
                told_missing = not told_missing
                detail = f"{self._follower.path}: is missing" if told_missing else ""
                yield self._health(detail, up=not told_missing)
            await asyncio.sleep(POLL)

    def committed(self, deliveries: Sequence[str]) -> Sequence[str]:
        """See `Source`."""
        return self._bookmarks.committed(deliveries)

    def _begin(self) -> str:
        """Go on where an earlier process stopped; what to say where that is gone."""
        mark = self._resume
        if mark is None:
            if not self._follower.is_open:
                self._follower.open()
            return ""
        found = self._follower.resume(mark)
        self._resume = None
        if found:
            return ""
        self._bookmarks.resumed()
        return f"{self._follower.path}: was rotated away while the guard was not running; its end is not seen"

    def _step(self) -> bool:
        """Read some lines of each log; whether there were any, or anything to tell."""
        busy = self._beforehand()
        lines = self._follower.read()
        if lines:
            self._read = Mark(self._follower.file, self._follower.start)
            for offset, line in lines:
                behind = Mark(self._follower.file, offset)
                found = self._sightings(line)
                if found:
                    self._take(found, behind)
                self._read = behind
        elif not busy and not self.merger.is_empty and time.monotonic() - self._opened >= WINDOW:
            self._close()
        self._announce()
        return busy or bool(lines)

    def _take(self, sightings: Sequence[Sighting], behind: Mark) -> None:
        self._announce()
        for sighting in sightings:
            # A time that is still to come must not hold the window's end back for as long.
            happened = sighting.happened if sighting.happened < time.time() + WINDOW else 0.0
            if self.merger.is_over(happened):
                self._close()
            if self.merger.is_empty:
                self.merger.open(happened)
                self._window, self._opened = self._read, time.monotonic()
            placed = self.merger.place(sighting)
            if placed is None:
                continue
            kind, first = placed
            if self._bookmarks.resuming and self._bookmarks.told(_digest(kind), behind):
                continue
            if first:
                self._tell(kind, sighting, behind)
            else:
                self.merger.hold(kind, sighting)

    def _close(self) -> None:
        for kind, sighting in self.merger.close():
            self._tell(kind, sighting, self._read)
        self._bookmarks.resumed()

    def _tell(self, kind: Kind, sighting: Sighting, mark: Mark) -> None:
        delivery = self._bookmarks.name(self._window, self.merger.minute, _digest(kind), mark)
        happened = datetime.fromtimestamp(sighting.happened, UTC)
        self._event(sighting.device, sighting.action, sighting.attributes | {"delivery": delivery}, happened)

    def _announce(self) -> None:
        for device, attributes in self._neighbourhood.news():
            self._event(device, "announced", attributes)

    def _event(self, device: str, action: str, attributes: dict[str, str], happened: datetime | None = None) -> None:
        self._count += 1
        self._ready.append(
            Event(
                id=f"{self._session}-{self._count}",
                source=self._name,
                at=datetime.now(UTC),
                happened=happened,
                place=self._place,
                device=device,
                action=action,
                attributes=attributes,
            )
        )

    def _health(self, detail: str, *, up: bool = True) -> Health:
        return Health(at=datetime.now(UTC), subject=f"source:{self._name}", up=up, detail=detail)


def _digest(kind: Kind) -> str:
    return hashlib.blake2b(repr(kind).encode("utf-8", "replace"), digest_size=8).hexdigest()
