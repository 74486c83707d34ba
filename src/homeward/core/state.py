"""Everything the engine knows, as plain values: saved, copied, replayed to."""

from __future__ import annotations

from dataclasses import dataclass, field

from homeward.core import rules
from homeward.core.arrival import Arrivals
from homeward.core.behaviour.explanation import Gathering
from homeward.core.behaviour.profile import ProfileState
from homeward.core.behaviour.silence import Silence
from homeward.core.behaviour.traffic import Traffic
from homeward.core.decision.credit import Credit
from homeward.core.incident import IncidentState
from homeward.core.lease import LeaseState
from homeward.core.settings import Settings
from homeward.core.twice import Twice


@dataclass(slots=True)
class EngineState:
    """Everything the engine knows, as plain values. ``at`` and ``offset`` are milliseconds."""

    settings: Settings = field(default_factory=Settings)
    version: str = ""
    at: int = 0
    offset: int = 0
    backfill: bool = False
    profile: ProfileState = field(default_factory=ProfileState)
    silence: Silence = field(default_factory=Silence)
    gathering: Gathering = field(default_factory=Gathering)
    traffic: Traffic = field(default_factory=Traffic)
    arrivals: Arrivals = field(default_factory=Arrivals)
    twice: Twice = field(default_factory=Twice)
    rules: rules.RulesState = field(default_factory=rules.RulesState)
    incidents: IncidentState = field(default_factory=IncidentState)
    leases: LeaseState = field(default_factory=LeaseState)
    credit: Credit = field(default_factory=Credit)
    agreed: list[int] = field(default_factory=list)
    """When (ms) somebody said "that was me" within the last hour."""
    counters: dict[str, int] = field(default_factory=dict)
