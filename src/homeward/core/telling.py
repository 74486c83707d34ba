"""Telling the owner: an incident is opened or joined, interrupts once, and is answered in proportion."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from homeward.core import explanation
from homeward.core.behaviour.reason import silent_reason
from homeward.core.behaviour.silence import Quiet
from homeward.core.decision.policy import Evidence
from homeward.core.decision.proportion import Proportion
from homeward.core.effects import Effect, IncidentKind
from homeward.core.incident import Incident, IncidentBook
from homeward.core.lease import LeaseBook
from homeward.core.local_time import milliseconds
from homeward.core.settings import Device
from homeward.core.vocabulary import is_guarded


class Telling:
    """What every kind of watch shares once it has something to say."""

    def __init__(self, incidents: IncidentBook, leases: LeaseBook, proportion: Proportion) -> None:
        self.incidents = incidents
        self._leases = leases
        self._proportion = proportion

    def open(self, kind: IncidentKind, now: datetime, device: str, action: str = "") -> Incident:
        """A new incident."""
        incident = self.incidents.open(kind, now, device, self._leases.incidents())
        incident.action = action
        return incident

    def interrupt(
        self, incident: Incident, device: str, evidence: Evidence, called: Collection[str], now: datetime
    ) -> list[Effect]:
        """Alarm the owner, and open the leases that the evidence earns. ``called`` are words of responses."""
        alarm = self.incidents.alarm(incident, device, now)
        return [alarm, *self._proportion.answer(incident, evidence, called, now)]

    def rule(
        self, broken: tuple[str, str], device: Device, action: str, now: datetime, effects: list[Effect]
    ) -> Incident:
        """A built-in rule is broken (its name, and why in words)."""
        name, why = broken
        incident = self.incidents.find_open("rule", name, device.name)
        if incident is None:
            incident = self.open("rule", now, device.name, action)
            incident.habit, incident.reason, incident.explanation = name, why, explanation.of_rule(name, why)
        if self.incidents.join(incident, now):
            evidence = Evidence(above=0, rule=True, guarded=guards(device))
            effects += self.interrupt(incident, device.name, evidence, {*words_of(device), f"rule:{name}"}, now)
        return incident

    def silence(self, quiet: Quiet, now: datetime) -> list[Effect]:
        """A silence to be told: devices that fall silent together are told once."""
        incident = self.incidents.find_open("silent") or self.open("silent", now, quiet.device)
        if quiet.excess >= incident.score:
            incident.score, incident.device = quiet.excess, quiet.device
            incident.habit, incident.reason = "silence", silent_reason(quiet, milliseconds(now))
            incident.explanation = explanation.of_silence(incident.reason)
        if not self.incidents.join(incident, now):
            return []
        evidence = Evidence(above=0, rule=True, guarded=False)
        return self.interrupt(incident, quiet.device, evidence, {"rule:silent"}, now)


def words_of(device: Device) -> set[str]:
    """The words by which responses may listen to a device."""
    return {device.name, device.type, device.role}


def guards(device: Device) -> bool:
    """Whether the device is a guarded one."""
    return is_guarded(device.type, device.role)
