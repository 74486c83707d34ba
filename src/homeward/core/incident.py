"""Incidents: what belongs together is told once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

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
    interruptions it caused, ``leases`` names the actions it led to.
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
    bits: float | None = None
    p_value: float | None = None
    reason: str = ""
    events: int = 0
    alarms: int = 0
    answer: Answer | None = None
    answered_by: str = ""
    leases: list[str] = field(default_factory=list)
