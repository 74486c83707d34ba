"""An answer in proportion: guardrails remove what must never happen, the policy chooses among the rest."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from homeward.core.decision.guardrails import Guardrail, Situation, refusal
from homeward.core.decision.policy import Evidence, Ladder
from homeward.core.effects import Effect, Record
from homeward.core.incident import Incident
from homeward.core.lease import LeaseBook
from homeward.core.settings import Device, Response


class Proportion:
    """Decides what an alarm leads to, over the place's responses, devices and leases."""

    def __init__(self, responses: Collection[Response], devices: Mapping[str, Device], leases: LeaseBook) -> None:
        self._responses = responses
        self._devices = devices
        self._leases = leases
        self._policy = Ladder()

    def answer(self, incident: Incident, evidence: Evidence, called: Collection[str], now: datetime) -> list[Effect]:
        """Choose and open leases; ``called`` are the words (device, type, role, rule) that responses listen to."""
        effects: list[Effect] = []
        options = []
        for response in self._responses:
            if not set(response.when).isdisjoint(called):
                rail = self._refusal(response, now)
                if rail is None:
                    options.append(response)
                else:
                    effects.append(_refused(incident, response, rail, now))
        choice = self._policy.choose(evidence, options)
        detail = f"{choice.rung}, propensity {choice.propensity}"
        effects.append(Record(at=now, kind="choice", subject=incident.id, detail=detail))
        for response in choice.responses:
            rail = self._refusal(response, now)  # asked again: the one before may have taken the last place
            if rail is not None:
                effects.append(_refused(incident, response, rail, now))
                continue
            incident.rung = "command"
            lease, effect = self._leases.take(response, incident.id, len(incident.leases) + 1, now)
            incident.leases.append(lease.action.id)
            effects.append(effect)
        return effects

    def _refusal(self, response: Response, now: datetime) -> Guardrail | None:
        situation = Situation(
            response=response,
            target=self._devices.get(response.device) or Device(name=response.device),
            acting=self._leases.open(),
            opened_last_hour=self._leases.opened_last_hour(now),
        )
        return refusal(situation)


def _refused(incident: Incident, response: Response, rail: Guardrail, now: datetime) -> Record:
    detail = f"{response.command} {response.device}: {rail.why}"
    return Record(at=now, kind="refused", subject=incident.id, detail=detail)
