"""The whole product in one function: `Engine.handle` turns an input into effects."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy, deepcopy
from datetime import datetime
from typing import Final

from homeward.core import explanation, rules
from homeward.core.behaviour.assessment import Assessment
from homeward.core.behaviour.explanation import explain
from homeward.core.behaviour.habits import HABITS
from homeward.core.behaviour.past import DAY
from homeward.core.behaviour.profile import HALF_LIFE, Observation, Profile
from homeward.core.behaviour.reason import reason, silent_reason
from homeward.core.behaviour.silence import Quiet
from homeward.core.blindness import note_health
from homeward.core.decision.policy import Evidence
from homeward.core.decision.proportion import Proportion
from homeward.core.effects import Effect, IncidentKind, Record
from homeward.core.event import Event, is_name
from homeward.core.incident import Incident, IncidentBook
from homeward.core.inputs import Change, Feedback, Forgotten, Health, Input, Outcome, Tick
from homeward.core.lease import DETAIL_LIMIT, Lease, LeaseBook
from homeward.core.local_time import LAST_MS, LocalClock, milliseconds, moment
from homeward.core.readiness import Readiness, readiness
from homeward.core.settings import Device, Settings
from homeward.core.state import EngineState as EngineState  # what an engine is made of
from homeward.core.vocabulary import DIAGNOSTIC, is_guarded

VISITS_SHARE: Final = 0.4
SILENCE_SHARE: Final = 0.08
"""The budget's shares for unusual visits and for devices that fall silent. The rest is for what is not calibrated:
the built-in rules, and what an incident says a second time when it reaches a guarded device."""

YOUNG_MS: Final = 14 * DAY
YOUNG_LIMIT: Final = 1_024


class Engine:
    """Deterministic: the same inputs give the same effects. ``handle`` never raises."""

    def __init__(self, state: EngineState | None = None) -> None:
        self.state = EngineState() if state is None else state
        self._incidents = IncidentBook(self.state.incidents)
        self._adopt(self.state.settings)
        self._deadline = self._find_deadline()

    @property
    def settings(self) -> Settings:
        return self.state.settings

    @property
    def incidents(self) -> Mapping[str, Incident]:
        return self.state.incidents.incidents

    @property
    def leases(self) -> Mapping[str, Lease]:
        return self.state.leases.leases

    @property
    def counters(self) -> Mapping[str, int]:
        return self.state.counters

    @property
    def young(self) -> Mapping[str, int]:
        """What was learned in the first 14 days (device and action) and how often; empty once confirmed."""
        return self.state.profile.young

    @property
    def armed(self) -> bool:
        """Whether the rule *entrance while armed* watches."""
        return self.state.rules.armed

    @property
    def now(self) -> datetime | None:
        """The largest ``at`` seen."""
        return moment(self.state.at) if self.state.at else None

    def fork(self) -> Engine:
        """An engine that goes on from here for a what-if; this one must not move on while the fork is in use.

        What was learned is shared until the fork looks at it, so that a fork costs little however old the home is.
        """
        twin = copy(self.state)
        twin.profile, twin.incidents, twin.leases = twin.profile.fork(), twin.incidents.fork(), deepcopy(twin.leases)
        twin.silence, twin.gathering = twin.silence.fork(), copy(twin.gathering)
        twin.rules, twin.counters = deepcopy(twin.rules), dict(twin.counters)
        return Engine(twin)

    def readiness(self) -> Readiness:
        """Whether the guard can keep the budget yet, in words that can be shown."""
        return readiness(self._profile.days_to_go(), self.state.profile.ready_at, self.settings.budget)

    def next_deadline(self) -> datetime | None:
        """When something happens although nothing comes in."""
        visit = self.state.profile.visit_ends
        if visit is None:
            return self._deadline
        ends = moment(visit)
        return ends if self._deadline is None else min(ends, self._deadline)

    def handle(self, item: Input) -> list[Effect]:
        """Run every deadline up to ``item.at``, then take the input in. Effects come in the order of their time."""
        state = self.state
        at = max(min(milliseconds(item.at), LAST_MS), state.at)
        effects: list[Effect] = []
        visit = state.profile.visit_ends
        if self._deadline is not None or (visit is not None and visit <= at):
            self._run_deadlines(moment(at), effects)
        state.at = at
        if type(item) is Event:
            entered = state.rules.entered
            if not self._event(item, at, effects) and state.rules.entered is entered:
                return effects
        elif isinstance(item, Change):
            effects += self._change(item)
        elif isinstance(item, Feedback):
            effects += self._feedback(item)
        elif isinstance(item, Outcome):
            effects += self._leases.outcome(item, moment(at))
        elif isinstance(item, Health):
            effects += self._health(item)
        elif isinstance(item, Forgotten | Tick):
            return effects
        self._deadline = self._find_deadline()
        return effects

    # Events

    def _event(self, event: Event, at: int, effects: list[Effect]) -> bool:
        """Take an event in; whether it touched an incident (most do not)."""
        state, profile = self.state, self._profile
        if not (is_name(event.device) and is_name(event.action)):
            self._count("refused_name")
            return False
        if event.device in state.leases.words and self._leases.note(event, moment(at)):
            self._count("echo")
            return False
        if event.action in DIAGNOSTIC:
            self._count("diagnostic")
            return False
        device = self._devices.get(event.device) or Device(name=event.device)
        if device.type == "residents":
            profile.note_presence(device, event.action, at)
            return False
        local = self._local(event, at)
        profile.pass_time(at)
        seen = profile.observe(
            event.device, event.action, at, local,
            person=_name(event.actor), origin=_name(event.origin), value=event.value,
        )  # fmt: skip
        if not state.backfill and profile.is_newcomer(seen):
            return self._newcomer(event, device, seen, at, effects)
        assessed = profile.assess(seen)
        state.gathering.note(seen, assessed.standing, state.profile.evidence)
        profile.note_visit(seen, assessed, self._day())
        profile.note_presence(device, event.action, at)
        self._hear(event, at, effects)
        broken = rules.judge(state.rules, event, device, at)
        if state.backfill:
            profile.learn(seen)
            return False
        if broken is not None:
            self._rule(broken, device, seen, effects)
        elif assessed.unusual:
            self._unusual(device, seen, assessed, effects)
        elif assessed.threshold is None:
            profile.learn(seen)
            self._note_young(event, at)
            return False
        elif assessed.notable is not None and assessed.score > assessed.notable:
            self._put_on_record(seen, assessed, effects)
        else:
            if assessed.held:
                profile.pass_over(seen)
            else:
                profile.learn(seen)
            return False
        return True

    def _newcomer(self, event: Event, device: Device, seen: Observation, at: int, effects: list[Effect]) -> bool:
        """A device that was told as new here becomes known; only the built-in rules watch it."""
        self._profile.note_presence(device, event.action, at)
        self._hear(event, at, effects)
        broken = rules.judge(self.state.rules, event, device, at)
        if broken is not None:
            self._rule(broken, device, seen, effects)
            return True
        self._profile.learn(seen)
        return False

    def _local(self, event: Event, at: int) -> int:
        """Local time (ms) for habits: the source's claim where plausible, the guard's clock otherwise."""
        wall = at + self.state.offset
        if event.happened is not None:
            claimed = self._clock.believed(event.happened, wall)
            if claimed is None:
                self._count("bad_clock")
            else:
                wall = claimed
        return self._clock.local(wall)

    def _day(self) -> int:
        """The number of the day: it begins at the zone's midnight, but no claim and no jump of a clock moves it."""
        return (self.state.at + self._clock.offset) // DAY

    def _note_young(self, event: Event, at: int) -> None:
        profile = self.state.profile
        if profile.first_at is None or at - profile.first_at > YOUNG_MS:
            return
        name = f"{event.device} {event.action}"
        if name in profile.young or len(profile.young) < YOUNG_LIMIT:
            profile.young[name] = profile.young.get(name, 0) + 1

    def _unusual(self, device: Device, seen: Observation, assessed: Assessment, effects: list[Effect]) -> None:
        """An event above the owner's threshold: tell it once, hold it back, and answer in proportion."""
        now = moment(self.state.at)
        incident = self._unusual_incident(seen, now)
        if incident.answer is not None and self._incidents.is_news(incident, seen.device if seen.guarded else ""):
            incident.closed = now  # what interrupts now needs an answer of its own
            incident = self._open("unusual", now, seen.device, seen.action)
        self._describe(incident, seen, assessed)
        news = self._incidents.join(incident, now, seen.device if seen.guarded else "")
        effects += self._hold(seen, assessed.habit, incident)
        if news:
            effects.append(self._incidents.alarm(incident, seen.device, now))
            above = assessed.score - (assessed.threshold or 0)
            evidence = Evidence(above=above, rule=False, guarded=seen.guarded)
            effects += self._proportion.answer(incident, evidence, _words(device), now)

    def _rule(self, broken: tuple[str, str], device: Device, seen: Observation, effects: list[Effect]) -> None:
        """An event that breaks a built-in rule: watched from the first minute, marked as a rule."""
        incident = self._tell_rule(broken, device, seen.action, effects)
        effects += self._hold(seen, 0, incident)

    def _tell_rule(self, broken: tuple[str, str], device: Device, action: str, effects: list[Effect]) -> Incident:
        now = moment(self.state.at)
        name, why = broken
        incident = self._incidents.find_open("rule", name, device.name)
        if incident is None:
            incident = self._open("rule", now, device.name, action)
            incident.habit, incident.reason, incident.explanation = name, why, explanation.of_rule(name, why)
        if self._incidents.join(incident, now):
            effects.append(self._incidents.alarm(incident, device.name, now))
            evidence = Evidence(above=0, rule=True, guarded=is_guarded(device.type, device.role))
            effects += self._proportion.answer(incident, evidence, {*_words(device), f"rule:{name}"}, now)
        return incident

    def _enter(self, effects: list[Effect]) -> None:
        """An entrance opened while the alarm was armed, and nobody has disarmed it in time."""
        state = self.state.rules
        due = rules.entry_due(state)
        if due is not None and due <= self.state.at and state.entered is not None:
            _, name, action = state.entered
            state.entered = None
            if self.state.backfill:
                return
            broken = (rules.ARMED, f"{name} {action} while the alarm is armed, and nobody disarmed it")
            self._tell_rule(broken, self._devices.get(name) or Device(name=name), action, effects)

    def _hear(self, event: Event, at: int, effects: list[Effect]) -> None:
        """A device spoke; others of its source may have been silent for too long."""
        silence, profile = self.state.silence, self.state.profile
        if profile.active_days != silence.days:
            silence.pass_day(profile.active_days, at // HALF_LIFE, self.settings.budget * SILENCE_SHARE)
        local = at + self.state.offset + self._clock.offset
        away = profile.presence.residents not in {"", "home"}
        for quiet in silence.hear(profile.table, event.device, event.source, at, local, away=away):
            if not self.state.backfill:
                self._silent(quiet, effects)

    def _silent(self, quiet: Quiet, effects: list[Effect]) -> None:
        """A silence to be told: devices that fall silent together are told once."""
        now = moment(self.state.at)
        incident = self._incidents.find_open("silent") or self._open("silent", now, quiet.device)
        if quiet.excess >= incident.score:
            incident.score, incident.device = quiet.excess, quiet.device
            incident.habit, incident.reason = "silence", silent_reason(quiet, self.state.at)
            incident.explanation = explanation.of_silence(incident.reason)
        if self._incidents.join(incident, now):
            effects.append(self._incidents.alarm(incident, quiet.device, now))
            evidence = Evidence(above=0, rule=True, guarded=False)
            effects += self._proportion.answer(incident, evidence, {"rule:silent"}, now)
            self._deadline = self._find_deadline()

    def _put_on_record(self, seen: Observation, assessed: Assessment, effects: list[Effect]) -> None:
        """An event that is remarkable but below the owner's threshold: an entry on the page, and no more.

        A guarded device's is not learned either: what just escapes an alarm tonight must not be usual tomorrow.
        """
        now = moment(self.state.at)
        incident = self._unusual_incident(seen, now)
        self._describe(incident, seen, assessed)
        self._incidents.join(incident, now)
        if assessed.held:
            effects += self._hold(seen, assessed.habit, incident, asked=False)
        else:
            self._profile.learn(seen)

    def _unusual_incident(self, seen: Observation, now: datetime) -> Incident:
        return self._incidents.find_open("unusual") or self._open("unusual", now, seen.device, seen.action)

    def _open(self, kind: IncidentKind, now: datetime, device: str, action: str = "") -> Incident:
        incident = self._incidents.open(kind, now, device, self._leases.incidents())
        incident.action = action
        return incident

    def _describe(self, incident: Incident, seen: Observation, assessed: Assessment) -> None:
        """The strangest event is what the incident is about."""
        if assessed.score <= incident.score:
            return
        habit = assessed.habit
        incident.score = assessed.score
        incident.device, incident.action = seen.device, seen.action
        incident.habit = HABITS[habit].name
        incident.bits = assessed.bits[habit] / 256
        state = self.state
        incident.p_value = state.profile.evidence.visits.p_value(assessed.score)
        incident.reason = reason(state.profile.table, seen, habit)
        incident.explanation = explain(state.profile, seen, assessed, state.gathering, state.settings.budget)

    def _hold(self, seen: Observation, habit: int, incident: Incident, *, asked: bool = True) -> list[Effect]:
        self._count("held")
        return self._dropped(self._profile.hold(seen, habit, incident.id, self._day(), asked=asked))

    def _dropped(self, dropped: list[Observation]) -> list[Effect]:
        if not dropped:
            return []
        self._count("held_dropped", len(dropped))
        what = f"{dropped[0].device} {dropped[0].action}"
        more = f" ({len(dropped) - 1} others too)" if len(dropped) > 1 else ""
        why = f"held back too long, or too much is held back; not learned{more}"
        return [self._record("held_dropped", what, why)]

    # Everything else that comes in

    def _feedback(self, item: Feedback) -> list[Effect]:
        incident = self.incidents.get(item.incident)
        if incident is None or incident.kind == "blind" or incident.answer is not None:
            why = "no such incident" if incident is None else "cannot be answered, or was answered before"
            return [self._record("refused", item.incident, why)]
        incident.answer, incident.answered_by = item.answer, f"{item.person} by {item.channel}"[:DETAIL_LIMIT]
        if item.answer == "no":
            discarded = self._profile.discard(incident.id)
            return [self._record("answered", incident.id, f"not me: {discarded} observations discarded")]
        if incident.kind == "silent":
            self.state.silence.accept(incident.device)
        if incident.habit == rules.ARMED and milliseconds(incident.opened) >= self.state.rules.armed_at:
            rules.disarm(self.state.rules)  # the panel's word was lost: one alarm an arming is enough
        if incident.kind == "unusual":
            self._profile.confirm_alarms(incident.alarms)
        released = self._profile.release(incident.id, item.person)
        effects: list[Effect] = [
            self._record("answered", incident.id, f"that was me: {released} observations learned")
        ]
        for lease in self._leases.open():
            if lease.action.incident == incident.id:
                effects += self._leases.take_back(lease, moment(self.state.at), "the owner said: that was me")
        return effects

    def _change(self, item: Change) -> list[Effect]:
        state = self.state
        state.version = item.version
        if item.settings is not None:
            state.settings = item.settings
            self._adopt(item.settings)
            self._leases.adopt(item.settings.responses)
            self._profile.calibrate()
        match item.command:
            case "stand_down" | "undo":
                return self._take_back(item)
            case "arm" | "disarm":
                rules.disarm(state.rules)
                if item.command == "arm":
                    rules.arm(state.rules, state.at)
            case "backfill_begin" | "backfill_end":
                state.backfill = item.command == "backfill_begin"
            case "confirm_young":
                state.profile.young = {}
        return []

    def _take_back(self, item: Change) -> list[Effect]:
        now = moment(self.state.at)
        everything = item.command == "stand_down"
        chosen = [lease for lease in self._leases.open() if everything or lease.action.id == item.target]
        if not chosen and not everything:
            return [self._record("refused", item.target, "no such open lease")]
        why = f"{item.person} took it back"
        return [effect for lease in chosen for effect in self._leases.take_back(lease, now, why)]

    def _health(self, item: Health) -> list[Effect]:
        now = moment(self.state.at)
        if item.offset_ms is not None:
            self.state.offset = max(-LAST_MS, min(item.offset_ms, LAST_MS))
        return note_health(item, now, self._incidents, self._leases)

    # Time

    def _run_deadlines(self, at: datetime, effects: list[Effect]) -> None:
        """Every deadline up to a moment, in order, each stamped with its own time."""
        while (due := self.next_deadline()) is not None and due <= at:
            self.state.at = max(self.state.at, milliseconds(due))
            self._profile.pass_time(self.state.at)
            effects += self._dropped(self._profile.drop_old(self.state.at))
            self._incidents.close_due(due)
            effects += self._leases.run_due(due)
            self._enter(effects)
            self._deadline = self._find_deadline()

    def _find_deadline(self) -> datetime | None:
        held, entry = self._profile.held_until(), rules.entry_due(self.state.rules)
        moments = (
            None if entry is None else moment(entry),
            self._leases.next_deadline(),
            self._incidents.next_deadline(),
            None if held is None else moment(held),
        )
        return min((one for one in moments if one is not None), default=None)

    def _adopt(self, settings: Settings) -> None:
        self._devices = {device.name: device for device in settings.devices}
        self._clock = LocalClock(settings.timezone, settings.happened_delay_minutes)
        people = {person.name: person.budget * VISITS_SHARE for person in settings.people}
        self._profile = Profile(self.state.profile, settings.devices, settings.budget * VISITS_SHARE, people)
        self._leases = LeaseBook(self.state.leases)
        self._proportion = Proportion(settings.responses, self._devices, self._leases)

    def _record(self, kind: str, subject: str, detail: str) -> Record:
        return Record(at=moment(self.state.at), kind=kind, subject=subject, detail=detail)

    def _count(self, name: str, times: int = 1) -> None:
        self.state.counters[name] = self.state.counters.get(name, 0) + times


def _name(name: str | None) -> str:
    """An actor or origin as a symbol; what names nothing is unknown."""
    return name if name is not None and is_name(name) else ""


def _words(device: Device) -> set[str]:
    return {device.name, device.type, device.role}
