"""Everything the engine knows, as plain values: saved, copied, replayed to."""

from __future__ import annotations

from copy import copy, deepcopy
from dataclasses import dataclass, field

from homeward.core import rules
from homeward.core.arrival import Arrivals
from homeward.core.behaviour.explanation import Gathering
from homeward.core.behaviour.profile import ProfileState
from homeward.core.behaviour.silence import Silence
from homeward.core.behaviour.traffic import Traffic
from homeward.core.decision.bandit import BanditState
from homeward.core.decision.credit import Credit
from homeward.core.incident import IncidentState
from homeward.core.lease import LeaseState
from homeward.core.modes import Modes
from homeward.core.settings import Settings
from homeward.core.standing import Standing
from homeward.core.step_up import StepUp
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
    bandit: BanditState = field(default_factory=BanditState)
    credit: Credit = field(default_factory=Credit)
    standing: Standing = field(default_factory=Standing)
    modes: Modes = field(default_factory=Modes)
    step_up: StepUp = field(default_factory=StepUp)
    agreed: list[int] = field(default_factory=list)
    """When (ms) somebody said "that was me" within the last hour."""
    counters: dict[str, int] = field(default_factory=dict)

    def unproven(self) -> set[str]:
        """Who was asked for a code about an incident and has given none since, however long ago."""
        return {person for incident in self.incidents.incidents.values() for person in incident.unproven}

    def fork(self) -> EngineState:
        """A copy that can go on by itself; what was learned is shared until the copy looks at it."""
        twin = copy(self)
        twin.profile, twin.incidents, twin.leases = twin.profile.fork(), twin.incidents.fork(), deepcopy(twin.leases)
        twin.silence, twin.gathering = twin.silence.fork(), copy(twin.gathering)
        twin.rules, twin.counters = deepcopy(twin.rules), dict(twin.counters)
        twin.standing, twin.modes, twin.step_up = twin.standing.fork(), twin.modes.fork(), twin.step_up.fork()
        twin.bandit, twin.credit, twin.agreed = twin.bandit.fork(), twin.credit.fork(), twin.agreed.copy()
        twin.traffic, twin.arrivals, twin.twice = twin.traffic.fork(), twin.arrivals.fork(), twin.twice.fork()
        return twin
