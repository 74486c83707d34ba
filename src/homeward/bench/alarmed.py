"""A peer made into a guard: a budget, incidents and answers around a score."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Generic

from homeward.bench.homes import DAYS_A_WEEK, LEARNING_DAYS, Household
from homeward.bench.methods import Interruption
from homeward.bench.peers import Peer, Seen
from homeward.core.event import Event
from homeward.core.vocabulary import is_guarded

CLOSES_AFTER = timedelta(minutes=30)
"""An incident closes so long after its last unusual event; a visit ends after such a pause."""

CLOSES_AT_LATEST = timedelta(hours=6)

CONFIRMED_WEIGHT = 10
"""How often a peer counts again what the owner confirmed."""

MOST_HELD = 256
"""How many unusual events of one incident a peer keeps for the owner's answer."""


class Alarmed(Generic[Seen]):
    """A peer made into a guard, by rules that are the same for all.

    The peer learns every event after looking at it, and once more what the owner confirms. With a budget it is
    silent for the first fourteen active days; from then on its threshold, set anew after each visit, is the lowest
    that would have kept the budget on the stream so far (one alarm for each visit whose strangest event lies
    above). Without a budget what scores above 0.5 alarms. An incident interrupts when it opens, and again for each
    the first guarded device that it reaches, as the guard's do.
    """

    def __init__(self, home: Household, peer: Peer[Seen], budget: float | None) -> None:
        self._home = home
        self._peer = peer
        self._budget = budget
        self._threshold = 0.5 if budget is None else float("inf")
        self._guarded = frozenset(d.name for d in home.devices.values() if is_guarded(d.type, d.role))
        self._visits: list[float] = []
        self._visit_began = self._visit_last = home.at[0]
        self._visit_score = float("-inf")
        self._incident = ""
        self._opened = self._joined = home.at[0]
        self._reached: frozenset[str] = frozenset()
        self._held: dict[str, tuple[Seen, ...]] = {}

    def event(self, event: Event) -> Sequence[Interruption]:
        score, seen = self._peer.look(event)
        if self._budget is not None:
            self._visit(event.at, score)
        return self._unusual(event, seen) if score > self._threshold else ()

    def answer(self, at: datetime, incident: str) -> Sequence[Interruption]:  # noqa: ARG002  # learned whenever it comes
        for seen in self._held.pop(incident, ()):
            self._peer.confirm(seen, CONFIRMED_WEIGHT)
        return ()

    def wait(self, until: datetime) -> Sequence[Interruption]:  # noqa: ARG002  # no peer speaks without an event
        return ()

    def ready_after_days(self) -> float | None:
        if self._budget is None:
            return 0.0
        return (self._home.starts - self._home.at[0]) / timedelta(days=1) if self._home.starts else None

    def copy(self) -> Alarmed[Seen]:
        twin: Alarmed[Seen] = object.__new__(Alarmed)
        twin.__dict__.update(self.__dict__)
        twin._peer = self._peer.copy()
        twin._visits = self._visits.copy()
        twin._held = dict(self._held)
        return twin

    def _visit(self, at: datetime, score: float) -> None:
        if at - self._visit_last > CLOSES_AFTER or at - self._visit_began > CLOSES_AT_LATEST:
            insort(self._visits, self._visit_score)
            days = self._home.active_before(at)
            if days >= LEARNING_DAYS and self._budget is not None:
                allowed = int(self._budget * days / DAYS_A_WEEK)
                self._threshold = self._visits[-1 - allowed] if allowed < len(self._visits) else float("-inf")
            self._visit_began, self._visit_score = at, score
        self._visit_last = at
        self._visit_score = max(self._visit_score, score)

    def _unusual(self, event: Event, seen: Seen) -> Sequence[Interruption]:
        at = event.at
        is_open = self._incident and at - self._joined <= CLOSES_AFTER and at - self._opened <= CLOSES_AT_LATEST
        if not is_open:
            self._incident, self._opened, self._reached = at.isoformat(), at, frozenset()
            self._hold(self._incident)
        reaches = event.device in self._guarded and not self._reached
        if reaches:
            self._reached |= {event.device}
        self._joined = at
        held = self._held.get(self._incident)
        if held is not None and len(held) < MOST_HELD:
            self._held[self._incident] = (*held, seen)
        return () if is_open and not reaches else (Interruption(at, self._incident, event.device),)

    def _hold(self, incident: str) -> None:
        self._held[incident] = ()
        if len(self._held) > MOST_HELD:
            del self._held[next(iter(self._held))]
