"""Incidents: what belongs together is told once."""

from __future__ import annotations

from collections.abc import Collection
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from homeward.core.decision.ladder import HEIGHT, Rung
from homeward.core.effects import IncidentKind, Notify
from homeward.core.explanation import Explanation, of_blindness
from homeward.core.inputs import Answer

INCIDENT_LIMIT: Final = 256
GUARDED_LIMIT: Final = 64
UNPROVEN_LIMIT: Final = 64
QUIET: Final = timedelta(minutes=30)
LONGEST: Final = timedelta(hours=6)


@dataclass(slots=True, kw_only=True)
class Incident:
    """What the owner sees as one thing.

    It closes 30 minutes after its last unusual event and at the latest six hours after its first. ``device``,
    ``action``, ``habit``, ``bits``, ``p_value`` and ``reason`` describe its strangest event; for blindness
    ``device`` is the subject that failed. ``events`` counts the unusual events that joined, ``alarms`` the
    interruptions it caused, ``guarded`` names the guarded devices in it (the first of them interrupts), and
    ``leases`` the actions it led to, messages among them. ``score`` (Q8 bits) is the strangest event's, and so are
    ``explanation`` and ``person``, who acted (nothing where unknown). ``concerned`` is whom an answer is about where
    that is not the device: a client of the broker. ``unproven`` are those who were asked for a code about it, or
    acted in it while they were, and have given none since, however long ago. ``spared`` says that the policy chose
    to interrupt nobody, and ``escalates`` when a second listener is told if nobody answers.
    """

    id: str
    kind: IncidentKind
    opened: datetime
    updated: datetime
    closed: datetime | None = None
    rung: Rung = "record"
    device: str = ""
    action: str = ""
    habit: str = ""
    score: int = 0
    bits: float | None = None
    p_value: float | None = None
    reason: str = ""
    explanation: Explanation = field(default_factory=Explanation)
    events: int = 0
    alarms: int = 0
    answer: Answer | None = None
    answered_by: str = ""
    guarded: list[str] = field(default_factory=list)
    leases: list[str] = field(default_factory=list)
    person: str = ""
    concerned: str = ""
    spared: bool = False
    escalates: datetime | None = None
    unproven: list[str] = field(default_factory=list)

    def climb(self, rung: Rung) -> None:
        """It reached this rung; it never goes down again."""
        if HEIGHT[rung] > HEIGHT[self.rung]:
            self.rung = rung

    def doubt(self, person: str) -> None:
        """Somebody acted in this person's name, and may be somebody else."""
        if person and person not in self.unproven:
            self.unproven = [*self.unproven, person][-UNPROVEN_LIMIT:]

    def explained(self) -> Explanation:
        """Why it was told, at length. Blindness is explained as it stands now: its reason tells how it went on."""
        return of_blindness(self.reason) if self.kind == "blind" else self.explanation


@dataclass(slots=True)
class IncidentState:
    """Incidents by id, oldest first, and the number of the next one."""

    incidents: dict[str, Incident] = field(default_factory=dict)
    next_number: int = 1

    def fork(self) -> IncidentState:
        """A copy whose incidents can go on by themselves."""
        twins = {name: copy(incident) for name, incident in self.incidents.items()}
        for twin in twins.values():
            twin.leases = twin.leases.copy()  # also of a closed one: its answer is followed up
            if twin.closed is None:
                twin.guarded = twin.guarded.copy()
        return IncidentState(twins, self.next_number)


class IncidentBook:
    """The incidents of a place over an `IncidentState`. At most 256 are kept; an open one is never dropped."""

    def __init__(self, state: IncidentState) -> None:
        self.state = state

    def open(self, kind: IncidentKind, now: datetime, device: str, busy: Collection[str]) -> Incident:
        """A new incident; closed ones above the limit go, but none that is ``busy`` (has an open lease)."""
        state = self.state
        incident = Incident(id=f"i{state.next_number}", kind=kind, opened=now, updated=now, device=device)
        state.next_number += 1
        state.incidents[incident.id] = incident
        if len(state.incidents) > INCIDENT_LIMIT:
            spare = [name for name, one in state.incidents.items() if one.closed is not None and name not in busy]
            for name in spare[: len(state.incidents) - INCIDENT_LIMIT]:
                del state.incidents[name]
        return incident

    def find_open(self, kind: IncidentKind, habit: str = "", device: str = "") -> Incident | None:
        """The newest open incident of a kind (and habit, and device, where given)."""
        for incident in reversed(self.state.incidents.values()):
            wanted = incident.closed is None and incident.kind == kind
            if wanted and habit in {"", incident.habit} and device in {"", incident.device}:
                return incident
        return None

    def join(self, incident: Incident, now: datetime, guarded: str = "") -> bool:
        """Let an unusual event (of a guarded device, when named) join; whether it deserves an interruption.

        The first does, and so does later the first of a guarded device: a decoy must not buy silence for the front
        door. A door and its lock are not told twice.
        """
        news = self.is_news(incident, guarded)
        incident.events += 1
        incident.updated = now
        if guarded and guarded not in incident.guarded and len(incident.guarded) < GUARDED_LIMIT:
            incident.guarded.append(guarded)
        return news

    def is_news(self, incident: Incident, guarded: str = "") -> bool:
        """Whether an unusual event (of a guarded device, when named) would deserve an interruption."""
        fresh = bool(guarded) and (
            not incident.guarded if incident.answer is None else guarded not in incident.guarded
        )
        return fresh or (incident.alarms == 0 and not incident.spared)

    def alarm(self, incident: Incident, device: str, now: datetime) -> Notify:
        """Interrupt the owner."""
        incident.alarms += 1
        incident.climb("notify")
        return Notify(
            at=now,
            incident=incident.id,
            kind=incident.kind,
            device=device,
            habit=incident.habit,
            bits=None if incident.bits is None else round(incident.bits, 2),
            p_value=incident.p_value,
            reason=incident.reason,
            interrupts=True,
        )

    def close_due(self, at: datetime) -> None:
        """Close what nothing unusual joined any more."""
        for incident in self.state.incidents.values():
            closes = _closes_at(incident)
            if closes is not None and closes <= at:
                incident.closed = closes

    def next_deadline(self) -> datetime | None:
        """When the next incident closes by itself."""
        moments = map(_closes_at, self.state.incidents.values())
        return min((moment for moment in moments if moment is not None), default=None)


def _closes_at(incident: Incident) -> datetime | None:
    """Blindness closes only when sight comes back."""
    if incident.closed is not None or incident.kind == "blind":
        return None
    return min(incident.updated + QUIET, incident.opened + LONGEST)
