"""The whole product in one function: `Engine.handle` turns an input into effects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from homeward.core import lease as leases_
from homeward.core import rules
from homeward.core.behaviour.habits import HABITS
from homeward.core.behaviour.profile import DAY, Assessment, Observation, Profile, ProfileState
from homeward.core.behaviour.reason import reason
from homeward.core.decision.guardrails import Situation, refusal
from homeward.core.decision.policy import Evidence, Ladder
from homeward.core.effects import Action, Effect, IncidentKind, Notify, Record
from homeward.core.event import NAME_LIMIT, Event
from homeward.core.incident import Incident, closes_at, find_open, make_room
from homeward.core.inputs import Change, Feedback, Forgotten, Health, Input, Outcome, Tick
from homeward.core.lease import Lease, open_leases
from homeward.core.settings import Device, Response, Settings

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)
AHEAD_MS: Final = 5_000
"""How far a source's clock may run ahead of the guard's."""

ECHO: Final = timedelta(seconds=60)
HOUR_MS: Final = 3_600_000
YOUNG_MS: Final = 14 * DAY
YOUNG_LIMIT: Final = 1_024
FLAPPING: Final = timedelta(hours=1)
"""What fails again within an hour is the same incident: it does not interrupt again."""

SILENT_SUBJECTS: Final = frozenset({"guard", "clock"})
"""Blindness that is put on record without an interruption: it is over when it is told."""


@dataclass(slots=True)
class EngineState:
    """Everything the engine knows, as plain values. ``at`` and ``offset`` are milliseconds."""

    settings: Settings = field(default_factory=Settings)
    version: str = ""
    at: int = 0
    offset: int = 0
    backfill: bool = False
    profile: ProfileState = field(default_factory=ProfileState)
    rules: rules.RulesState = field(default_factory=rules.RulesState)
    incidents: dict[str, Incident] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)
    targets: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    """Last state of every device that a response acts upon, and when it was told."""
    expected: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    """The echo of our own act: which state the device will report, and until when that is ours."""
    opened: list[datetime] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    next_incident: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether the budget can be promised, since when, and how many days are to go (``None``: cannot say yet)."""

    ready: bool
    since: datetime | None
    days_to_go: int | None
    note: str


class Engine:
    """Deterministic: the same inputs give the same effects. ``handle`` never raises."""

    def __init__(self, state: EngineState | None = None) -> None:
        self.state = EngineState() if state is None else state
        self._policy = Ladder()
        self._block = -1
        self._block_offset = 0
        self._adopt(self.state.settings)
        self._deadline = self._find_deadline()

    # What the outside may read ------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        return self.state.settings

    @property
    def incidents(self) -> Mapping[str, Incident]:
        return self.state.incidents

    @property
    def leases(self) -> Mapping[str, Lease]:
        return self.state.leases

    @property
    def counters(self) -> Mapping[str, int]:
        return self.state.counters

    @property
    def young(self) -> Mapping[str, int]:
        """What was learned in the first 14 days (device and action) and how often; empty once confirmed."""
        return self.state.profile.young

    @property
    def now(self) -> datetime | None:
        """The largest ``at`` seen."""
        return _time(self.state.at) if self.state.at else None

    def readiness(self) -> Readiness:
        """Whether the guard can keep the budget yet, in words that can be shown."""
        profile = self.state.profile
        days = self._profile.days_to_go()
        if profile.threshold is not None and profile.ready_at is not None:
            note = f"watching, at most {_alarms(self.settings.budget)} a week"
            return Readiness(ready=True, since=_time(profile.ready_at), days_to_go=0, note=note)
        if days is None:
            return Readiness(ready=False, since=None, days_to_go=None, note="learning, nothing seen yet")
        note = f"learning, about {days} day{'' if days == 1 else 's'} to go"
        return Readiness(ready=False, since=None, days_to_go=days, note=note)

    def next_deadline(self) -> datetime | None:
        """When something happens although nothing comes in."""
        visit = self.state.profile.visit_ends
        if visit is None:
            return self._deadline
        ends = _time(visit)
        return ends if self._deadline is None else min(ends, self._deadline)

    # The one way in -----------------------------------------------------------------------------------------------

    def handle(self, item: Input) -> list[Effect]:
        """Run every deadline up to ``item.at``, then take the input in. Effects come in the order of their time."""
        state = self.state
        at = max((item.at - EPOCH) // MILLISECOND, state.at)
        effects: list[Effect] = []
        visit = state.profile.visit_ends
        if self._deadline is not None or (visit is not None and visit <= at):
            self._run_deadlines(_time(at), effects)
        state.at = at
        if type(item) is Event:
            self._event(item, at, effects)
            if not effects:
                return effects
        elif isinstance(item, Change):
            self._change(item, effects)
        elif isinstance(item, Feedback):
            self._feedback(item, effects)
        elif isinstance(item, Outcome):
            self._outcome(item, effects)
        elif isinstance(item, Health):
            self._health(item, effects)
        elif isinstance(item, Forgotten | Tick):
            return effects
        self._deadline = self._find_deadline()
        return effects

    # Events -------------------------------------------------------------------------------------------------------

    def _event(self, event: Event, at: int, effects: list[Effect]) -> None:
        state, profile = self.state, self._profile
        if len(event.device) > NAME_LIMIT or len(event.action) > NAME_LIMIT or not event.device or not event.action:
            self._count("refused_name")
            return
        if event.device in self._targets and self._is_echo(event, at):
            self._count("echo")
            return
        local = self._local(event, at)
        profile.pass_time(at)
        seen = profile.observe(event.device, event.action, at, local)
        assessed = profile.assess(seen)
        profile.note_visit(at, local, assessed.score)
        if state.backfill:
            profile.learn(seen)
            return
        device = self._devices.get(event.device) or Device(name=event.device)
        broken = rules.judge(state.rules, event, device, at)
        if broken is not None:
            self._rule(broken, event, device, seen, local, effects)
        elif assessed.unusual:
            self._unusual(event, device, seen, assessed, local, effects)
        else:
            profile.learn(seen)
            if assessed.threshold is None:
                self._note_young(event, at)
            elif assessed.score > (state.profile.notable or assessed.score):
                self._put_on_record(event, seen, assessed)

    def _local(self, event: Event, at: int) -> int:
        """Local time (ms) for habits: the source's claim where plausible, the guard's clock otherwise."""
        wall = at + self.state.offset
        if event.happened is not None:
            claimed = (event.happened - EPOCH) // MILLISECOND
            if wall - self._delay <= claimed <= wall + AHEAD_MS:
                wall = claimed
            else:
                self._count("bad_clock")
        block = wall // 900_000  # every zone changes its offset on a quarter of an hour
        if block != self._block:
            try:
                offset = _time(wall).astimezone(self._zone).utcoffset() or timedelta(0)
            except (OverflowError, ValueError):
                offset = timedelta(0)
            self._block, self._block_offset = block, offset // MILLISECOND
        return wall + self._block_offset

    def _is_echo(self, event: Event, at: int) -> bool:
        """Whether a target's event is the echo of our own act; takes note of the target's state."""
        state = self.state
        when = _time(at)
        if event.action != "reading":
            state.targets[event.device] = (event.action, when)
        expected = state.expected.get(event.device)
        if expected is None:
            return False
        action, until = expected
        if event.action != action or when > until or event.actor not in {None, "homeward"}:
            return False
        del state.expected[event.device]
        return True

    def _note_young(self, event: Event, at: int) -> None:
        profile = self.state.profile
        if profile.first_at is None or at - profile.first_at > YOUNG_MS:
            return
        name = f"{event.device} {event.action}"
        if name in profile.young or len(profile.young) < YOUNG_LIMIT:
            profile.young[name] = profile.young.get(name, 0) + 1

    # Incidents ----------------------------------------------------------------------------------------------------

    def _unusual(
        self,
        event: Event,
        device: Device,
        seen: Observation,
        assessed: Assessment,
        local: int,
        effects: list[Effect],
    ) -> None:
        """An event above the owner's threshold: tell it once, hold it back, and answer in proportion."""
        now = _time(self.state.at)
        incident = find_open(self.state.incidents, "unusual") or self._open("unusual", now, event)
        self._describe(incident, event, seen, assessed)
        incident.events += 1
        incident.updated = now
        news = incident.alarms == 0 or (seen.guarded and event.device not in incident.guarded)
        if seen.guarded and event.device not in incident.guarded and len(incident.guarded) < 64:
            incident.guarded.append(event.device)
        self._hold(seen, assessed.habit, incident, local, effects)
        if not news:
            return
        above = assessed.score - (assessed.threshold or 0)
        evidence = Evidence(above=above, rule=False, guarded=seen.guarded)
        self._alarm(incident, event.device, now, effects)
        self._answer_in_proportion(incident, evidence, device, "", effects)

    def _rule(
        self,
        broken: tuple[str, str],
        event: Event,
        device: Device,
        seen: Observation,
        local: int,
        effects: list[Effect],
    ) -> None:
        """An event that breaks a built-in rule: watched from the first minute, marked as a rule."""
        now = _time(self.state.at)
        name, why = broken
        incident = find_open(self.state.incidents, "rule", name, event.device)
        if incident is None:
            incident = self._open("rule", now, event)
            incident.habit, incident.reason = name, why
        incident.events += 1
        incident.updated = now
        self._hold(seen, 0, incident, local, effects)
        if incident.alarms:
            return
        self._alarm(incident, event.device, now, effects)
        evidence = Evidence(above=0, rule=True, guarded=seen.guarded)
        self._answer_in_proportion(incident, evidence, device, f"rule:{name}", effects)

    def _put_on_record(self, event: Event, seen: Observation, assessed: Assessment) -> None:
        """An event that is remarkable but below the owner's threshold: an entry on the page, and no more."""
        now = _time(self.state.at)
        incident = find_open(self.state.incidents, "unusual") or self._open("unusual", now, event)
        incident.events += 1
        incident.updated = now
        self._describe(incident, event, seen, assessed)
        self._deadline = self._find_deadline()

    def _open(self, kind: IncidentKind, now: datetime, event: Event) -> Incident:
        incident = self._new_incident(kind, now, event.device)
        incident.action = event.action
        return incident

    def _new_incident(self, kind: IncidentKind, now: datetime, device: str) -> Incident:
        state = self.state
        incident = Incident(id=f"i{state.next_incident}", kind=kind, opened=now, updated=now, device=device)
        state.next_incident += 1
        state.incidents[incident.id] = incident
        make_room(state.incidents, {lease.action.incident for lease in open_leases(state.leases)})
        return incident

    def _describe(self, incident: Incident, event: Event, seen: Observation, assessed: Assessment) -> None:
        """The strangest event is what the incident is about."""
        if assessed.score <= incident.score:
            return
        habit = assessed.habit
        incident.score = assessed.score
        incident.device, incident.action = event.device, event.action
        incident.habit = HABITS[habit].name
        incident.bits = assessed.bits[habit] / 256
        incident.p_value = self.state.profile.calibration.p_value(assessed.score)
        incident.reason = reason(self.state.profile.table, seen, habit)

    def _alarm(self, incident: Incident, device: str, now: datetime, effects: list[Effect]) -> None:
        incident.alarms += 1
        if incident.rung == "record":
            incident.rung = "notify"
        effects.append(
            Notify(
                at=now,
                incident=incident.id,
                kind=incident.kind,
                device=device,
                habit=incident.habit,
                bits=None if incident.bits is None else round(incident.bits, 2),
                p_value=incident.p_value,
                reason=incident.reason,
                interrupts=True,
            )
        )

    def _hold(self, seen: Observation, habit: int, incident: Incident, local: int, effects: list[Effect]) -> None:
        if incident.answer == "yes" and incident.closed is None and not seen.guarded:
            self._profile.learn(seen)  # the owner has just said so, and nothing here needs guarding
            return
        self._count("held")
        dropped = self._profile.hold(seen, habit, incident.id, local)
        if dropped:
            self._count("held_dropped", len(dropped))
            first = dropped[0]
            detail = f"{first.device} {first.action}: held back too long, or too much is held back; never learned"
            effects.append(Record(at=_time(self.state.at), kind="held_dropped", subject=first.device, detail=detail))

    # Answers in proportion ----------------------------------------------------------------------------------------

    def _answer_in_proportion(
        self, incident: Incident, evidence: Evidence, device: Device, rule: str, effects: list[Effect]
    ) -> None:
        now = _time(self.state.at)
        called = {device.name, device.type, device.role, rule} - {""}
        options = []
        for response in self.settings.responses:
            if called.isdisjoint(response.when):
                continue
            rail = refusal(self._situation(response, now))
            if rail is None:
                options.append(response)
            else:
                detail = f"{response.command} {response.device}: {rail.why}"
                effects.append(Record(at=now, kind="refused", subject=incident.id, detail=detail))
        choice = self._policy.choose(evidence, options)
        effects.append(
            Record(
                at=now, kind="choice", subject=incident.id, detail=f"{choice.rung}, propensity {choice.propensity}"
            )
        )
        for response in choice.responses:
            # Asked again: the response before this one may have taken the last place.
            if refusal(self._situation(response, now)) is None:
                incident.rung = "command"
                self._take(response, incident, now, effects)

    def _situation(self, response: Response, now: datetime) -> Situation:
        state = self.state
        state.opened = [at for at in state.opened if now - at < timedelta(hours=1)]
        return Situation(
            response=response,
            target=self._devices.get(response.device) or Device(name=response.device),
            acting=open_leases(state.leases),
            opened_last_hour=len(state.opened),
        )

    def _take(self, response: Response, incident: Incident, now: datetime, effects: list[Effect]) -> None:
        state = self.state
        ends = None if response.minutes is None else now + timedelta(minutes=response.minutes)
        earlier = state.targets.get(response.device, ("", now))[0]
        action = Action(
            id=f"{incident.id}-{len(incident.leases) + 1}",
            incident=incident.id,
            responder=response.responder,
            device=response.device,
            command=response.command,
            restore=None if earlier == response.command else response.restore,
            ends=ends,
        )
        lease = Lease(action=action, opened=now)
        state.leases[action.id] = lease
        incident.leases.append(action.id)
        state.opened.append(now)
        leases_.make_room(state.leases)
        self._apply(lease, now, effects)

    def _apply(self, lease: Lease, now: datetime, effects: list[Effect]) -> None:
        self.state.expected[lease.action.device] = (lease.action.command, now + ECHO)
        effects.append(leases_.apply(lease, now))

    def _revert(self, lease: Lease, now: datetime, why: str, effects: list[Effect]) -> None:
        action = lease.action
        told = self.state.targets.get(action.device)
        as_set = told is None or told[1] < lease.opened or told[0] == action.command
        effects.append(leases_.revert(lease, now, still_as_set=as_set, why=why))
        if lease.action.restore is not None:
            self.state.expected[action.device] = (lease.action.restore, now + ECHO)

    # Everything else that comes in --------------------------------------------------------------------------------

    def _outcome(self, item: Outcome, effects: list[Effect]) -> None:
        lease = self.state.leases.get(item.action)
        if lease is None:
            self._count("outcome_unknown")
            return
        before = lease.status
        leases_.settle(lease, _time(self.state.at), item.step, item.ok, item.detail)
        if lease.status == "ended" and before != "ended":
            effects.append(self._record("lease_ended", item.action, lease.outcome))

    def _feedback(self, item: Feedback, effects: list[Effect]) -> None:
        incident = self.state.incidents.get(item.incident)
        if incident is None or incident.kind == "blind" or incident.answer is not None:
            why = "no such incident" if incident is None else "cannot be answered, or was answered before"
            effects.append(self._record("refused", item.incident, why))
            return
        incident.answer, incident.answered_by = item.answer, f"{item.person} by {item.channel}"
        if item.answer == "no":
            discarded = self._profile.discard(incident.id)
            effects.append(self._record("answered", incident.id, f"not me: {discarded} observations discarded"))
            return
        released = self._profile.release(incident.id)
        effects.append(self._record("answered", incident.id, f"that was me: {released} observations learned"))
        now = _time(self.state.at)
        for lease in open_leases(self.state.leases):
            if lease.action.incident == incident.id and lease.status != "reverting":
                self._revert(lease, now, "the owner said: that was me", effects)

    def _change(self, item: Change, effects: list[Effect]) -> None:
        state, now = self.state, _time(self.state.at)
        state.version = item.version
        if item.settings is not None:
            state.settings = item.settings
            self._adopt(item.settings)
            self._profile.calibrate()
        if item.command in {"stand_down", "undo"}:
            chosen = [
                lease
                for lease in open_leases(state.leases)
                if item.command == "stand_down" or lease.action.id == item.target
            ]
            if not chosen and item.command == "undo":
                effects.append(self._record("refused", item.target, "no such open lease"))
            for lease in chosen:
                if lease.status != "reverting":
                    self._revert(lease, now, f"{item.person} took it back", effects)
        elif item.command in {"arm", "disarm"}:
            state.rules.armed = item.command == "arm"
        elif item.command in {"backfill_begin", "backfill_end"}:
            state.backfill = item.command == "backfill_begin"
        elif item.command == "confirm_young":
            state.profile.young = {}

    def _health(self, item: Health, effects: list[Effect]) -> None:
        state, now = self.state, _time(self.state.at)
        if item.offset_ms is not None:
            state.offset = item.offset_ms
        incident = find_open(state.incidents, "blind", device=item.subject)
        if item.up:
            if incident is not None:
                incident.closed = incident.updated = now
                incident.reason = f"{incident.reason}; it came back"
                effects.append(self._record("sees_again", item.subject, incident.reason))
            return
        if incident is None:
            incident = self._blind(item, now)
        incident.events += 1
        incident.updated = now
        incident.reason = f"blind: {item.subject}: {item.detail or 'failed'}"
        if item.subject in SILENT_SUBJECTS:
            effects.append(self._record("blind", item.subject, incident.reason))
        elif not incident.alarms:
            self._alarm(incident, item.subject, now, effects)

    def _blind(self, item: Health, now: datetime) -> Incident:
        """The incident of a failure: the one before, when that was within the hour."""
        for incident in reversed(self.state.incidents.values()):
            if incident.kind == "blind" and incident.device == item.subject:
                if incident.closed is not None and now - incident.closed <= FLAPPING:
                    incident.closed = None
                    return incident
                break
        incident = self._new_incident("blind", now, item.subject)
        incident.habit = "blind"
        return incident

    # Time ---------------------------------------------------------------------------------------------------------

    def _run_deadlines(self, at: datetime, effects: list[Effect]) -> None:
        """Every deadline up to a moment, in order, each stamped with its own time."""
        while (due := self.next_deadline()) is not None and due <= at:
            moment = (due - EPOCH) // MILLISECOND
            self.state.at = max(self.state.at, moment)
            self._profile.pass_time(moment)
            for incident in self.state.incidents.values():
                closes = closes_at(incident)
                if closes is not None and closes <= due:
                    incident.closed = closes
            for lease in open_leases(self.state.leases):
                wanted = leases_.deadline(lease)
                if wanted is not None and wanted <= due:
                    self._lease_due(lease, due, effects)
            self._deadline = self._find_deadline()

    def _lease_due(self, lease: Lease, now: datetime, effects: list[Effect]) -> None:
        ends = lease.action.ends
        if lease.status == "reverting" or (ends is not None and ends <= now):
            self._revert(lease, now, lease.outcome or "its time was over", effects)
        elif ends is None and lease.attempts >= leases_.ONE_SHOT_ATTEMPTS:
            lease.status, lease.next_attempt, lease.outcome = "ended", None, "failed: no answer from the responder"
            effects.append(self._record("lease_ended", lease.action.id, lease.outcome))
        else:
            self._apply(lease, now, effects)

    def _find_deadline(self) -> datetime | None:
        moments = [leases_.deadline(lease) for lease in self.state.leases.values() if lease.status != "ended"]
        moments += [closes_at(incident) for incident in self.state.incidents.values() if incident.closed is None]
        return min((moment for moment in moments if moment is not None), default=None)

    # Small things -------------------------------------------------------------------------------------------------

    def _adopt(self, settings: Settings) -> None:
        self._devices = {device.name: device for device in settings.devices}
        self._targets = frozenset(response.device for response in settings.responses)
        self._delay = int(settings.happened_delay_minutes * 60_000)
        self._zone: tzinfo
        try:
            self._zone = ZoneInfo(settings.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self._zone = UTC
        self._block = -1
        self._profile = Profile(self.state.profile, settings.devices, settings.budget)

    def _record(self, kind: str, subject: str, detail: str) -> Record:
        return Record(at=_time(self.state.at), kind=kind, subject=subject, detail=detail)

    def _count(self, name: str, times: int = 1) -> None:
        self.state.counters[name] = self.state.counters.get(name, 0) + times


def _time(milliseconds: int) -> datetime:
    return EPOCH + timedelta(milliseconds=milliseconds)


def _alarms(budget: float) -> str:
    return f"{budget:g} alarm{'' if budget == 1 else 's'}"
