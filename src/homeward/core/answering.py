"""What an owner's answer does: "that was me" teaches and takes back, "not me" makes forget."""

from __future__ import annotations

from homeward.core import rules
from homeward.core.behaviour.profile import Profile
from homeward.core.effects import Effect, Record
from homeward.core.inputs import Feedback
from homeward.core.lease import DETAIL_LIMIT, LeaseBook
from homeward.core.local_time import milliseconds, moment
from homeward.core.state import EngineState


def answer(item: Feedback, state: EngineState, profile: Profile, leases: LeaseBook) -> list[Effect]:
    """Take an answer in; each incident is answered once."""
    now = moment(state.at)
    incident = state.incidents.incidents.get(item.incident)
    if incident is None or incident.kind == "blind" or incident.answer is not None:
        why = "no such incident" if incident is None else "cannot be answered, or was answered before"
        return [Record(at=now, kind="refused", subject=item.incident, detail=why)]
    incident.answer, incident.answered_by = item.answer, f"{item.person} by {item.channel}"[:DETAIL_LIMIT]
    if item.answer == "no":
        discarded = profile.discard(incident.id) + state.traffic.discard(incident.id)
        if incident.kind == "new":
            state.arrivals.admit(incident.device, "refuse", state.at)
        detail = f"not me: {discarded} observations discarded"
        return [Record(at=now, kind="answered", subject=incident.id, detail=detail)]
    if incident.kind == "silent":
        state.silence.accept(incident.device)
    if incident.habit == rules.ARMED and milliseconds(incident.opened) >= state.rules.armed_at:
        rules.disarm(state.rules)  # the panel's word was lost: one alarm an arming is enough
    if incident.kind == "unusual":
        profile.confirm_alarms(incident.alarms)
    released = profile.release(incident.id, item.person) + state.traffic.release(incident.id)
    detail = f"that was me: {released} observations learned"
    effects: list[Effect] = [Record(at=now, kind="answered", subject=incident.id, detail=detail)]
    for lease in leases.open():
        if lease.action.incident == incident.id:
            effects += leases.take_back(lease, now, "the owner said: that was me")
    return effects
