"""What an owner's answer does: "that was me" teaches and takes back, "not me" makes forget, and act.

An answer is evidence, not truth. What somebody says who has to step up and has not, and more agreement within an
hour than people give, teaches nothing and moves no threshold: a doubtful "that was me" counts as no answer at all,
and can be given again. A doubtful "not me" is heard all the same: it may come from whose name it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from homeward.core import rules
from homeward.core.behaviour.profile import Profile
from homeward.core.decision.credit import Pending
from homeward.core.decision.off_policy import written_cost
from homeward.core.decision.policy import Policy
from homeward.core.decision.reward import Verdict, cost
from homeward.core.effects import Effect, Record
from homeward.core.incident import Incident
from homeward.core.inputs import Feedback
from homeward.core.lease import DETAIL_LIMIT, LeaseBook
from homeward.core.local_time import milliseconds, moment
from homeward.core.settings import Device
from homeward.core.state import EngineState
from homeward.core.telling import Telling

AGREED_LIMIT: Final = 6
"""So often somebody may say "that was me" within an hour; what is more teaches nothing."""

AGREED_MS: Final = 3_600_000


class Answering:
    """Takes answers in, and gives the policy credit for what it chose."""

    def __init__(
        self,
        state: EngineState,
        profile: Profile,
        leases: LeaseBook,
        telling: Telling,
        policy: Policy,
        devices: Mapping[str, Device],
    ) -> None:
        self._state = state
        self._profile = profile
        self._leases = leases
        self._telling = telling
        self._policy = policy
        self._devices = devices

    def answer(self, item: Feedback) -> list[Effect]:
        """Take an answer in; each incident is answered once."""
        now = moment(self._state.at)
        incident = self._state.incidents.incidents.get(item.incident)
        if incident is None or incident.kind == "blind" or incident.answer is not None:
            why = "no such incident" if incident is None else "cannot be answered, or was answered before"
            return [Record(at=now, kind="refused", subject=item.incident, detail=why)]
        doubt = self._doubt(item)
        if doubt and item.answer == "yes":  # what is held stays held, what was done stays until its end
            detail = f"that was me, but {doubt}: nothing is learned from it"
            return [Record(at=now, kind="refused", subject=incident.id, detail=detail)]
        incident.answer, incident.answered_by = item.answer, f"{item.person} by {item.channel}"[:DETAIL_LIMIT]
        incident.escalates = None
        told = self._telling.messages.told(incident)
        effects = self._no(incident, now) if item.answer == "no" else self._yes(item, incident, now)
        effects += self._end_messages(incident, now)
        effects += self._credit(incident.id, Verdict(answer=item.answer, too_much=item.too_much), doubt, now)
        words = "that was me" if item.answer == "yes" else "not me"
        return effects + self._telling.messages.follow_up(incident, told, f"{item.person} said: {words}", now)

    def silence(self, at: datetime) -> list[Effect]:
        """Nobody answered in time: that too says something about the choice."""
        effects: list[Effect] = []
        for name, pending, verdict in self._state.credit.silent(at):
            self._policy.learn(pending.evidence, pending.choice, verdict)
            effects += _rewarded(name, pending, verdict, at)
        return effects

    def _no(self, incident: Incident, now: datetime) -> list[Effect]:
        state = self._state
        discarded = self._profile.discard(incident.id) + state.traffic.discard(incident.id)
        if incident.kind == "new":
            state.arrivals.admit(incident.device, "refuse", state.at)
        detail = f"not me: {discarded} observations discarded"
        effects: list[Effect] = [Record(at=now, kind="answered", subject=incident.id, detail=detail)]
        if incident.closed is None:
            device = self._devices.get(incident.device) or Device(name=incident.device)
            effects += self._telling.confirmed(incident, device, now)
        return effects

    def _yes(self, item: Feedback, incident: Incident, now: datetime) -> list[Effect]:
        state = self._state
        state.agreed.append(state.at)
        if incident.kind == "silent":
            state.silence.accept(incident.device)
        if incident.habit == rules.ARMED and milliseconds(incident.opened) >= state.rules.armed_at:
            rules.disarm(state.rules)  # the panel's word was lost: one alarm an arming is enough
        if incident.kind == "unusual":
            self._profile.confirm_alarms(incident.alarms)
        released = self._profile.release(incident.id, item.person) + state.traffic.release(incident.id)
        detail = f"that was me: {released} observations learned"
        effects: list[Effect] = [Record(at=now, kind="answered", subject=incident.id, detail=detail)]
        for lease in self._leases.acting():
            if lease.action.incident == incident.id:
                effects += self._leases.take_back(lease, now, "the owner said: that was me")
        return effects

    def _doubt(self, item: Feedback) -> str:
        """Why an answer is no evidence, in words; nothing where it is.

        To wait until a code is no longer asked for proves nothing.
        """
        state = self._state
        if state.step_up.suspected(item.person, state.at) or item.person in state.unproven():
            return f"{item.person} was asked for a code and has not given it"
        state.agreed = [at for at in state.agreed if state.at - at < AGREED_MS]
        if item.answer == "yes" and len(state.agreed) >= AGREED_LIMIT:
            return f"more than {AGREED_LIMIT} answers within an hour say so"
        return ""

    def _end_messages(self, incident: Incident, now: datetime) -> list[Effect]:
        """What still waits to be told is over."""
        waiting = [lease for lease in self._leases.open() if lease.action.incident == incident.id]
        acting = {lease.action.id for lease in self._leases.acting()}
        return [
            effect
            for lease in waiting
            if lease.action.id not in acting
            for effect in self._leases.take_back(lease, now, "it was answered")
        ]

    def _credit(self, incident: str, verdict: Verdict, doubt: str, now: datetime) -> list[Effect]:
        settled = self._state.credit.settle(incident, verdict)
        if settled is None or doubt:
            return []
        pending, verdict = settled
        self._policy.learn(pending.evidence, pending.choice, verdict)
        return _rewarded(incident, pending, verdict, now)


def _rewarded(incident: str, pending: Pending, verdict: Verdict, at: datetime) -> list[Effect]:
    known = cost(pending.choice.rung, verdict)
    return [] if known is None else [Record(at=at, kind="reward", subject=incident, detail=written_cost(known))]
