"""Telling the owner: an incident is opened or joined, interrupts once, and is answered in proportion."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Final

from homeward.core import explanation
from homeward.core.behaviour.reason import silent_reason
from homeward.core.behaviour.silence import Quiet
from homeward.core.circumstances import Circumstances
from homeward.core.decision.credit import Credit
from homeward.core.decision.ladder import ACTS, HEIGHT, STEPS
from homeward.core.decision.policy import Evidence
from homeward.core.decision.proportion import Decision, Deed, Proportion
from homeward.core.effects import Effect, IncidentKind, Notify, Record
from homeward.core.incident import Incident, IncidentBook
from homeward.core.lease import TIME_OVER, LeaseBook
from homeward.core.local_time import milliseconds
from homeward.core.messages import Messages
from homeward.core.rules import ARMED
from homeward.core.settings import Device, Response
from homeward.core.step_up import StepUp
from homeward.core.vocabulary import CLAIMS, is_guarded

STEP_UP_MINUTES: Final = int(STEPS["step_up"].minutes or 0)
_ANEW: Final = ACTS | {"step_up"}
"""Rungs that what goes on may reach later; telling is done once."""


class Telling:
    """What every kind of watch shares once it has something to say."""

    def __init__(
        self,
        incidents: IncidentBook,
        leases: LeaseBook,
        proportion: Proportion,
        messages: Messages,
        credit: Credit,
        step_up: StepUp,
        circumstances: Circumstances,
    ) -> None:
        self.incidents = incidents
        self._leases = leases
        self._proportion = proportion
        self.messages = messages
        self._credit = credit
        self._step_up = step_up
        self._circumstances = circumstances

    def open(self, kind: IncidentKind, now: datetime, device: str, action: str = "") -> Incident:
        """A new incident."""
        incident = self.incidents.open(kind, now, device, self._leases.incidents())
        incident.action = action
        return incident

    def interrupt(
        self, incident: Incident, deed: Deed, evidence: Evidence, called: Collection[str], now: datetime
    ) -> list[Effect]:
        """Decide in proportion: alarm the owner, or spare them, and open the leases that the evidence earns.

        ``called`` are words of responses.
        """
        evidence = self._right_now(incident, evidence, now)
        if self._mutes(incident, deed):
            incident.spared = True
            return [Record(at=now, kind="muted", subject=incident.id, detail="maintenance: nobody is told")]
        decision = self._proportion.decide(incident, deed, evidence, called, now)
        self._credit.chosen(incident.id, evidence, decision.choice, now)
        if decision.choice.rung == "record":
            incident.spared = True
            return self._proportion.carry_out(incident, decision, now)
        alarm = self.incidents.alarm(incident, deed.device, now)
        self._ask_for_a_code(incident, decision, now)
        done = self._proportion.carry_out(incident, decision, now)
        return [alarm, *done, *self.messages.tell(incident, decision.choice.rung, evidence, now, deed.person)]

    def go_on(
        self, incident: Incident, deed: Deed, evidence: Evidence, called: Collection[str], now: datetime
    ) -> list[Effect]:
        """What was told goes on: it interrupts nobody again, but what is now earned and was not before is decided.

        What could have been chosen when it was told is not asked again: the owner may have taken it back.
        """
        before = self._credit.options(incident.id)
        if before is None or incident.answer is not None or not incident.alarms or self._mutes(incident, deed):
            return []
        evidence = self._right_now(incident, evidence, now)
        options = self._proportion.options(incident, deed, evidence, called, now)
        if not any(rung in _ANEW and rung not in before for rung in options):
            return []
        decision = self._proportion.decide(incident, deed, evidence, called, now)
        decision = replace(decision, responses=self._not_done(incident, decision))
        self._credit.chosen(incident.id, evidence, decision.choice, now)
        self._ask_for_a_code(incident, decision, now)
        effects = self._proportion.carry_out(incident, decision, now)
        if decision.responses:
            text = f"More of it: {incident.reason}"
            effects += self.messages.follow_up(incident, self.messages.told(incident), text, now)
        return effects

    def holds(self, device: str) -> bool:
        """Whether the guard is doing something to the device."""
        return any(lease.action.device == device for lease in self._leases.acting())

    def confirmed(self, incident: Incident, device: Device, now: datetime) -> list[Effect]:
        """The owner said "not me" while it goes on: that is evidence, and earns what a broken rule earns."""
        rule = [f"rule:{incident.habit}"] if incident.kind in {"rule", "new"} else []
        decision = self._earned(incident, device, rule, now)
        self._ask_for_a_code(incident, decision, now)
        more = self._not_done(incident, decision)
        if not more:
            return list(decision.refused)
        return self._proportion.carry_out(incident, replace(decision, responses=more), now, "earned")

    def keep_out(self, incident: Incident, device: Device, now: datetime, broken: Collection[str]) -> list[Effect]:
        """What the owner does not want goes on, and nothing holds it: claims whose time was over are made again.

        What the owner took back is not.
        """
        kept = [self._leases.state.leases.get(name) for name in incident.leases]
        ended = [one for one in kept if one is not None and one.action.command in CLAIMS]
        if any(not one.outcome.startswith(TIME_OVER) for one in ended):
            return []
        decision = self._earned(incident, device, broken, now)
        claims = tuple(one for one in decision.responses if one.command in CLAIMS)
        return (
            self._proportion.carry_out(incident, replace(decision, responses=claims), now, "again") if claims else []
        )

    def _earned(self, incident: Incident, device: Device, rules: Collection[str], now: datetime) -> Decision:
        """What is decided where a rule is broken, or the owner has spoken."""
        evidence = Evidence(above=1, rule=True, guarded=guards(device), kind=incident.kind)
        deed = Deed(incident.device, incident.action, incident.person)
        return self._proportion.decide(incident, deed, evidence, {*words_of(device), *rules}, now)

    def _mutes(self, incident: Incident, deed: Deed) -> bool:
        """Whether the mode says that nothing is done and nobody is told."""
        return incident.habit != ARMED and self._circumstances.mutes(self._proportion.device(deed.device))

    def _right_now(self, incident: Incident, evidence: Evidence, now: datetime) -> Evidence:
        """The evidence, and what it is like at this moment."""
        away, night = self._circumstances(now)
        return replace(evidence, kind=incident.kind, away=away, night=night)

    def _not_done(self, incident: Incident, decision: Decision) -> tuple[Response, ...]:
        """What of a decision the incident has not led to before."""
        kept = (self._leases.state.leases.get(name) for name in incident.leases)
        done = {(lease.action.device, lease.action.command) for lease in kept if lease is not None}
        return tuple(one for one in decision.responses if (one.device, one.command) not in done)

    def _ask_for_a_code(self, incident: Incident, decision: Decision, now: datetime) -> None:
        """Where that was chosen, or more: who did it counts as themselves only after they have given their code."""
        if "step_up" in decision.choice.options and HEIGHT[decision.choice.rung] >= HEIGHT["step_up"]:
            self._step_up.demand(decision.deed.person, milliseconds(now), STEP_UP_MINUTES)
            incident.doubt(decision.deed.person)

    def withdraw(self, now: datetime) -> list[Effect]:
        """Take back what is being done to devices that the owner now says are none to be acted upon."""
        return self._proportion.withdraw(now)

    def blind(self, effects: list[Effect], now: datetime) -> list[Effect]:
        """What failed, where that interrupts, is told by messages as well."""
        evidence = Evidence(above=1, rule=False, guarded=False, kind="blind")
        for told in [effect for effect in effects if isinstance(effect, Notify)]:
            incident = self.incidents.state.incidents[told.incident]
            effects += self.messages.tell(incident, "notify", evidence, now)
        return effects

    def escalate_due(self, at: datetime) -> list[Effect]:
        """Tell somebody else of what nobody answered."""
        due = [one for one in self.incidents.state.incidents.values() if one.escalates and one.escalates <= at]
        return [effect for incident in due for effect in self.messages.escalate(incident, at)]

    def next_deadline(self) -> datetime | None:
        """When somebody else is told next."""
        return min((one.escalates for one in self.incidents.state.incidents.values() if one.escalates), default=None)

    def rule(
        self,
        broken: tuple[str, str],
        device: Device,
        action: str,
        now: datetime,
        effects: list[Effect],
        *,
        person: str = "",
        concerned: str = "",
        doubtful: str = "",
    ) -> Incident:
        """A rule is broken (its name, and why in words). ``concerned`` is whom an act is about: the broker's user.

        ``doubtful`` is who has to step up and has not, if it was done in their name.
        """
        name, why = broken
        incident = self.incidents.find_open("rule", name, device.name)
        if incident is None:
            incident = self.open("rule", now, device.name, action)
            incident.habit, incident.reason, incident.explanation = name, why, explanation.of_rule(name, why)
            incident.person, incident.concerned = person, concerned if device.type == "broker" else ""
        incident.doubt(doubtful)
        deed = Deed(device.name, action, person, concerned if device.type == "broker" else "")
        evidence = Evidence(above=0, rule=True, guarded=guards(device))
        called = {*words_of(device), f"rule:{name}"}
        if self.incidents.join(incident, now):
            effects += self.interrupt(incident, deed, evidence, called, now)
        elif deed.concerned and incident.alarms and incident.answer is None and not self._claimed(incident, deed):
            decision = self._proportion.decide(incident, deed, self._right_now(incident, evidence, now), called, now)
            claims = tuple(one for one in decision.responses if one.command in CLAIMS)
            if claims:  # a second stranger is told with the first, and held as well
                effects += self._proportion.carry_out(incident, replace(decision, responses=claims), now, "again")
        return incident

    def _claimed(self, incident: Incident, deed: Deed) -> bool:
        """Whether something was held against whom it concerns, because of the incident."""
        kept = (self._leases.state.leases.get(name) for name in incident.leases)
        return any(lease is not None and lease.action.device == deed.concerned for lease in kept)

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
        return self.interrupt(incident, Deed(quiet.device), evidence, {"rule:silent"}, now)


def words_of(device: Device) -> set[str]:
    """The words by which responses may listen to a device."""
    return {device.name, device.type, device.role}


def guards(device: Device) -> bool:
    """Whether the device is a guarded one."""
    return is_guarded(device.type, device.role)
