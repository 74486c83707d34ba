"""The same event, told by two sources: counted once."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from homeward.core.behaviour.observation import Observation
from homeward.core.event import Event

WINDOW_MS: Final = 5_000
"""Within so long two sources tell of one event."""
LIMIT: Final = 512


class Told(NamedTuple):
    """An event that was taken in, by whom it was told, and what was observed."""

    at: int
    source: str
    device: str
    action: str
    seen: Observation


@dataclass(slots=True)
class Twice:
    """What was told in the last five seconds (at most 512 events), and by which sources anything ever was."""

    recent: list[Told] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)

    def fork(self) -> Twice:
        """A copy that can go on by itself."""
        twin = copy(self)
        twin.recent, twin.sources = self.recent.copy(), self.sources.copy()
        return twin

    def twin(self, event: Event, at: int) -> Observation | None:
        """What another source told of the same device and action within five seconds, each told event once."""
        if len(self.sources) < 2 and (not self.sources or event.source in self.sources):
            return None
        for told in self.recent:
            same = told.device == event.device and told.action == event.action and told.source != event.source
            if same and at - told.at <= WINDOW_MS:
                self.recent.remove(told)
                return told.seen
        return None

    def note(self, event: Event, seen: Observation, at: int) -> None:
        """An event was taken in."""
        if event.source not in self.sources and len(self.sources) < LIMIT:
            self.sources.append(event.source)
        self.recent.append(Told(at, event.source, event.device, event.action, seen))
        while self.recent and (at - self.recent[0].at > WINDOW_MS or len(self.recent) > LIMIT):
            self.recent.pop(0)
