"""An answer in proportion: guardrails remove what must never happen, the policy chooses among the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple

from homeward.core.decision.guardrails import OF_THE_TARGET, Guardrail, Situation, refusal
from homeward.core.decision.ladder import ACTS, HEIGHT, LADDER, Rung
from homeward.core.decision.off_policy import written
from homeward.core.decision.policy import Choice, Evidence, Policy
from homeward.core.effects import Effect, Record
from homeward.core.incident import Incident
from homeward.core.lease import LeaseBook
from homeward.core.settings import CONCERNED, DRY_RUN, Device, Response, Settings
from homeward.core.vocabulary import CLAIMS, ONE_SHOT


class Deed(NamedTuple):
    """What interrupts: a device, what it did, and the person who did it (nothing where unknown).

    An incident tells of its strangest event, which may be another one. ``concerned`` is whom a claim is about where
    that is not the device: a user of the broker.
    """

    device: str
    action: str = ""
    person: str = ""
    concerned: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was chosen for an incident, and the responses that come with it."""

    deed: Deed
    evidence: Evidence
    choice: Choice
    responses: tuple[Response, ...]
    refused: tuple[Record, ...]


def rung_of(response: Response) -> Rung:
    """The rung on which a response is taken."""
    if response.command == "restrict":
        return "restrict"
    if response.command == "quarantine":
        return "quarantine"
    back = response.command in ONE_SHOT or (response.command == "off" and response.minutes is None)
    return "undo" if back else "command"


class Proportion:
    """Decides what an alarm leads to, over the place's settings, devices and leases.

    ``allowed`` tells what a device may still do when it is restricted (`homeward.core.effects.Action.allow`).
    """

    def __init__(
        self,
        settings: Settings,
        devices: Mapping[str, Device],
        leases: LeaseBook,
        policy: Policy,
        allowed: Callable[[str], tuple[str, ...]],
    ) -> None:
        self._settings = settings
        self._devices = devices
        self._leases = leases
        self._policy = policy
        self._allowed = allowed

    def decide(
        self, incident: Incident, deed: Deed, evidence: Evidence, called: Collection[str], now: datetime
    ) -> Decision:
        """Choose a rung; ``called`` are the words (device, type, role, rule) that responses listen to."""
        judged = self._judged(incident, deed, evidence, called, now)
        responses = [response for response, rail in judged if rail is None]
        refused = [
            _refused(incident, response, rail, now)
            for response, rail in judged
            if rail is not None and rail.name != "earned"
        ]
        options = self._options(responses, deed, evidence)
        choice = self._policy.choose(evidence, options, self._draw(incident))
        taken = [one for one in responses if HEIGHT[rung_of(one)] <= HEIGHT[choice.rung]]
        cut_off = {one.device for one in taken if one.command == "quarantine"}
        taken = [one for one in taken if not (one.command == "restrict" and one.device in cut_off)]
        return Decision(deed=deed, evidence=evidence, choice=choice, responses=tuple(taken), refused=tuple(refused))

    def options(
        self, incident: Incident, deed: Deed, evidence: Evidence, called: Collection[str], now: datetime
    ) -> tuple[Rung, ...]:
        """The rungs among which `decide` would choose now."""
        judged = self._judged(incident, deed, evidence, called, now)
        return self._options([response for response, rail in judged if rail is None], deed, evidence)

    def carry_out(self, incident: Incident, decision: Decision, now: datetime, kind: str = "choice") -> list[Effect]:
        """Put the choice on record, as a record of this kind, and open its leases."""
        detail = written(decision.evidence, decision.choice)
        effects: list[Effect] = [*decision.refused, Record(at=now, kind=kind, subject=incident.id, detail=detail)]
        for response in decision.responses:
            rail = self._refusal(response, decision.evidence, decision.deed, now)  # again: places are few
            if rail is not None:
                effects.append(_refused(incident, response, rail, now))
                continue
            incident.climb(rung_of(response))
            allow = self._allowed(response.device) if response.command == "restrict" else ()
            lease, effect = self._leases.take(response, incident.id, len(incident.leases) + 1, now, allow)
            incident.leases.append(lease.action.id)
            effects.append(effect)
        if decision.choice.rung not in ACTS:
            incident.climb(decision.choice.rung)
        return effects

    def withdraw(self, now: datetime) -> list[Effect]:
        """Take back what is being done to devices that the owner now says are none to be acted upon."""
        effects: list[Effect] = []
        for lease in self._leases.acting():
            act = lease.action
            response = Response(name="", device=act.device, command=act.command, when=(), restore=act.restore)
            target = self.device(act.device)
            situation = Situation(rung=rung_of(response), evidence=None, response=response, target=target)
            rail = refusal(situation, OF_THE_TARGET)
            if rail is not None:
                effects += self._leases.take_back(lease, now, rail.why)
        return effects

    def device(self, name: str) -> Device:
        """The device of this name, as far as it is known."""
        return self._devices.get(name) or Device(name=name)

    def may_step_up(self, person: str) -> bool:
        """Whether a person has a one-time password."""
        return person in self._settings.verifiers

    def _judged(
        self, incident: Incident, deed: Deed, evidence: Evidence, called: Collection[str], now: datetime
    ) -> list[tuple[Response, Guardrail | None]]:
        """The responses that are called for, and the guardrail that forbids each, if one does."""
        responses = self._called(deed.concerned or incident.concerned or deed.device, called)
        return [(response, self._refusal(response, evidence, deed, now)) for response in responses]

    def _options(self, responses: Collection[Response], deed: Deed, evidence: Evidence) -> tuple[Rung, ...]:
        acts = {rung_of(response) for response in responses}
        return tuple(step.rung for step in LADDER if self._is_left(step.rung, acts, deed.person, evidence))

    def _called(self, concerned: str, called: Collection[str]) -> list[Response]:
        """The responses that listen to these words, each with the device that it is about.

        Only a claim can be about whom it concerns: another command is one of a certain device.
        """
        return [
            replace(response, device=concerned) if response.device == CONCERNED else response
            for response in self._settings.responses
            if not set(response.when).isdisjoint(called)
            and (response.device != CONCERNED or response.command in CLAIMS)
        ]

    def _is_left(self, rung: Rung, acts: Collection[Rung], person: str, evidence: Evidence) -> bool:
        """Whether a rung can be chosen: there is what it needs, and no guardrail forbids it."""
        if rung in ACTS:
            return rung in acts
        if rung == "step_up" and not self.may_step_up(person):
            return False
        if rung == "escalate" and not any(one.second for one in self._settings.listeners):
            return False
        return refusal(Situation(rung=rung, evidence=evidence)) is None

    def _refusal(self, response: Response, evidence: Evidence, deed: Deed, now: datetime) -> Guardrail | None:
        situation = Situation(
            rung=rung_of(response),
            evidence=evidence,
            response=response,
            target=self.device(response.device),
            after=deed.action if response.device == deed.device else "",
            acting=self._leases.acting(rehearsed=response.responder == DRY_RUN),
            opened_last_hour=self._leases.opened_last_hour(now),
        )
        return refusal(situation)

    def _draw(self, incident: Incident) -> float:
        """Chance for this choice: the same whenever the journal is folded again, and nobody's guess from outside."""
        said = f"{self._settings.seed} {incident.id} {incident.events}".encode()
        return int.from_bytes(hashlib.sha256(said).digest()[:7]) / _DRAWS


_DRAWS: Final = 1 << 56


def _refused(incident: Incident, response: Response, rail: Guardrail, now: datetime) -> Record:
    detail = f"{response.command} {response.device}: {rail.why}"
    return Record(at=now, kind="refused", subject=incident.id, detail=detail)
