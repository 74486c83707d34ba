"""What the owner wants, beside answers: acts taken back, modes, rules of their own, devices let in, a code given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from homeward.core import rules
from homeward.core.effects import Effect, Record
from homeward.core.inputs import Change
from homeward.core.lease import LeaseBook
from homeward.core.local_time import milliseconds, moment
from homeward.core.modes import AWAY, HOME, MAINTENANCE
from homeward.core.settings import Device
from homeward.core.state import EngineState
from homeward.core.vocabulary import CLAIMS

_QUIETING: Final = frozenset({"mode", "disarm", "rule_add", "rule_remove", "approve", "confirm_young"})
"""What could make the guard less watchful."""


class Commands:
    """Carries commands out, and ends what has an end: modes, the owner's rules, demands to step up."""

    def __init__(self, state: EngineState, leases: LeaseBook, devices: Mapping[str, Device]) -> None:
        self._state = state
        self._leases = leases
        self._devices = devices

    def carry_out(self, item: Change) -> list[Effect]:
        """What a `Change` commands; settings are not looked at here."""
        state = self._state
        if item.command in _QUIETING and state.step_up.suspected(item.person, state.at):
            return [self._refused(item.person, "was asked for a code and has not given it")]
        match item.command:
            case "stand_down" | "undo":
                return self._take_back(item)
            case "arm" | "disarm":
                return self._enter_mode(AWAY if item.command == "arm" else HOME, item)
            case "mode":
                return self._enter_mode(item.target, item)
            case "backfill_begin" | "backfill_end":
                state.backfill = item.command == "backfill_begin"
            case "confirm_young":
                state.profile.young = {}
            case "approve" | "restrict" | "refuse":
                state.arrivals.admit(item.target, item.command, state.at)
                return self._let_in(item) if item.command == "approve" else []
            case "rule_add":
                return self._add_rule(item)
            case "rule_remove":
                gone = state.standing.remove(item.target)
                return [] if gone else [self._refused(item.target, "there is no such rule")]
            case "verified":
                state.step_up.verified(item.person, state.at)
                for incident in state.incidents.incidents.values():
                    incident.unproven = [one for one in incident.unproven if one != item.person]
                return [self._record("verified", item.person, f"gave a right code by {item.channel}")]
        return []

    def expire(self, at: datetime) -> list[Effect]:
        """End what has ended."""
        state, now = self._state, milliseconds(at)
        effects: list[Effect] = [
            Record(at=at, kind="rule_ended", subject=rule.id, detail=f"{rule.verdict} {rule.device}")
            for rule in state.standing.expire(now)
        ]
        effects += [
            Record(at=at, kind="not_verified", subject=person, detail="no code was given in time")
            for person in state.step_up.expire(now)
        ]
        while (mode := state.modes.expire(now)) is not None:
            if mode.name != MAINTENANCE:
                self._follow_mode()
            detail = f"ended; {state.modes.current.name} from now on"
            effects.append(Record(at=at, kind="mode_ended", subject=mode.name, detail=detail))
        return effects

    def next_deadline(self) -> datetime | None:
        """When something ends next."""
        state = self._state
        ends = (state.standing.next_deadline(), state.step_up.next_deadline(), state.modes.next_deadline())
        soonest = min((one for one in ends if one is not None), default=None)
        return None if soonest is None else moment(soonest)

    def _take_back(self, item: Change) -> list[Effect]:
        target, now = None if item.command == "stand_down" else item.target, moment(self._state.at)
        counts = not self._state.step_up.suspected(item.person, self._state.at)  # who is may stop us, not teach us
        for lease in self._leases.acting():
            if counts and target in {None, lease.action.id} and lease.status != "reverting":
                self._state.credit.undone(lease.action.incident)
        taken = self._leases.take_back_all(target, now, f"{item.person} took it back")
        return [self._refused(item.target, "no such open lease")] if taken is None else taken

    def _let_in(self, item: Change) -> list[Effect]:
        """What is held against a device ends when the owner approves it."""
        effects: list[Effect] = []
        for lease in self._leases.acting():
            if lease.action.device == item.target and lease.action.command in CLAIMS:
                effects += self._leases.take_back(lease, moment(self._state.at), f"{item.person} approved it")
        return effects

    def _enter_mode(self, name: str, item: Change) -> list[Effect]:
        state = self._state
        until = None if item.until is None else milliseconds(item.until)
        why = state.modes.enter(name, state.at, until, item.person)
        if why:
            return [self._refused(name, why)]
        self._follow_mode()
        return []

    def _follow_mode(self) -> None:
        """Arm or disarm as the mode says; maintenance changes nothing about it."""
        state = self._state
        if state.modes.current.name == MAINTENANCE:
            return
        rules.disarm(state.rules)
        if state.modes.arms:
            rules.arm(state.rules, state.at)

    def _add_rule(self, item: Change) -> list[Effect]:
        rule, standing = item.rule, self._state.standing
        if rule is None:
            return [self._refused("", "no rule was given")]
        if not rule.id:
            rule = replace(rule, id=standing.next_id())
        why = standing.add(rule, self._devices.get(rule.device) or Device(name=rule.device))
        return [self._refused(rule.device, why)] if why else []

    def _refused(self, subject: str, why: str) -> Record:
        return self._record("refused", subject, why)

    def _record(self, kind: str, subject: str, detail: str) -> Record:
        return Record(at=moment(self._state.at), kind=kind, subject=subject, detail=detail)
