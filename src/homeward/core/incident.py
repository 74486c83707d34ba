"""Incidents: what belongs together is told once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from homeward.core.effects import IncidentKind
from homeward.core.inputs import Answer

Rung = Literal["record", "notify", "command"]
"""The ladder, from the least intrusive: an entry on the page, an alarm, an alarm with an act."""


@dataclass(slots=True, kw_only=True)
class Incident:
    """What the owner sees as one thing.

    It closes 30 minutes after its last unusual event and at the latest six hours after its first. ``device``,
    ``action``, ``habit``, ``bits``, ``p_value`` and ``reason`` describe its strangest event; for blindness
    ``device`` is the subject that failed. ``events`` counts the unusual events that joined, ``alarms`` the
    interruptions it caused, ``guarded`` names the guarded devices among their causes (each interrupts once), and
    ``leases`` the actions it led to. ``score`` (Q8 bits) is the strangest event's.
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
    events: int = 0
    alarms: int = 0
    answer: Answer | None = None
    answered_by: str = ""
    guarded: list[str] = field(default_factory=list)
    leases: list[str] = field(default_factory=list)


INCIDENT_LIMIT: Final = 256
QUIET: Final = timedelta(minutes=30)
LONGEST: Final = timedelta(hours=6)


def closes_at(incident: Incident) -> datetime | None:
    """When an open incident closes by itself; blindness closes only when sight comes back."""
    if incident.closed is not None or incident.kind == "blind":
        return None
    return min(incident.updated + QUIET, incident.opened + LONGEST)


def find_open(
    incidents: dict[str, Incident], kind: IncidentKind, habit: str = "", device: str = ""
) -> Incident | None:
    """The newest open incident of a kind (and habit, and device, where given)."""
    for incident in reversed(incidents.values()):
        wanted = incident.closed is None and incident.kind == kind
        if wanted and habit in {"", incident.habit} and device in {"", incident.device}:
            return incident
    return None


def make_room(incidents: dict[str, Incident], busy: Collection[str]) -> None:
    """Drop the oldest closed incidents above the limit, but none that is ``busy`` (has an open lease)."""
    if len(incidents) <= INCIDENT_LIMIT:
        return
    spare = [name for name, incident in incidents.items() if incident.closed is not None and name not in busy]
    for name in spare[: len(incidents) - INCIDENT_LIMIT]:
        del incidents[name]
