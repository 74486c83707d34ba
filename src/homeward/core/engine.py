"""The whole product in one function: `Engine.handle` turns an input into effects."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Final

from homeward.core import rules
from homeward.core.answering import Answering
from homeward.core.arrival import ANNOUNCED
from homeward.core.behaviour.assessment import Assessment
from homeward.core.behaviour.explanation import explain
from homeward.core.behaviour.habits import HABITS
from homeward.core.behaviour.observation import named
from homeward.core.behaviour.past import DAY
from homeward.core.behaviour.profile import HALF_LIFE, Observation, Profile
from homeward.core.behaviour.reason import reason
from homeward.core.blindness import DEVICE, note_health
from homeward.core.circumstances import Circumstances
from homeward.core.commands import Commands
from homeward.core.decision.policy import Evidence
from homeward.core.decision.proportion import Deed, Proportion
from homeward.core.decision.trial import Learning
from homeward.core.effects import Effect, Record
from homeward.core.event import Event, is_name, symbol
from homeward.core.flow import FLOW
from homeward.core.incident import Incident, IncidentBook
from homeward.core.inputs import Change, Feedback, Forgotten, Health, Input, Outcome, Tick
from homeward.core.lease import Lease, LeaseBook
from homeward.core.local_time import LAST_MS, LocalClock, milliseconds, moment
from homeward.core.messages import Messages
from homeward.core.network import ALERT, NetworkWatch, allowed
from homeward.core.readiness import Readiness, note_young, readiness
from homeward.core.settings import Device, Settings
from homeward.core.state import EngineState as EngineState  # what an engine is made of
from homeward.core.telling import Telling, guards, words_of
from homeward.core.vocabulary import DIAGNOSTIC

VISITS_SHARE: Final = 0.4
SILENCE_SHARE: Final = 0.08
"""The budget's shares for unusual visits and for devices that fall silent. The rest is for what is not calibrated:
the built-in rules, and what an incident says a second time when it reaches a guarded device."""


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
        return Engine(self.state.fork())

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
            effects += self._feedback.answer(item)
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
        state = self.state
        if not (is_name(event.device) and is_name(event.action)):
            self._count("refused_name")
            return False
        if event.device in state.leases.words and self._leases.note(event, moment(at)):
            self._count("echo")
            return False
        if event.actor == "homeward":  # another source tells of our own act: no habit of anybody's
            self._count("own")
            return False
        if event.action in DIAGNOSTIC:
            self._count("diagnostic")
            return False
        device = self._devices.get(event.device) or Device(name=event.device)
        if device.type == "residents":
            self._profile.note_presence(device, event.action, at)
            return False
        if event.action in (FLOW, ALERT, ANNOUNCED):
            return self._network_event(event, device, at, effects)
        twin = state.twice.twin(event, at)
        if twin is not None:
            return self._told_twice(event, twin, device, effects)
        if device.type == "other" and event.device not in self._configured and state.arrivals.behave(event, at):
            self._adopt(state.settings)
            device = self._devices[event.device]
        profile = self._profile
        local = self._local(event, at)
        profile.pass_time(at)
        person = symbol(event.actor)
        doubtful = self._circumstances.doubtful(person, device, at)
        seen = profile.observe(
            event.device, event.action, at, local,
            person="" if doubtful else person, origin=symbol(event.origin), value=event.value,
        )  # fmt: skip
        state.twice.note(event, seen, at)
        state.arrivals.meet(event.device, at)
        if event.device in state.arrivals.refused:
            self._rule(("refused device", f"{event.device} {event.action}: you refused it"), device, seen, effects)
            return True
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
        owners = self._circumstances.owners_rule(device, event.action, person, at)
        if broken is None:
            broken = rules.of_the_owner(event, owners, doubtful=doubtful)
        if broken is not None:
            self._rule(broken, device, seen, effects, event.attributes.get("username", ""), doubtful)
        elif owners is not None and owners.verdict == "always_fine":
            profile.learn(seen)
            return False
        elif assessed.unusual and owners is not None:
            self._put_on_record(seen, assessed, effects)
        elif assessed.unusual:
            self._unusual(device, seen, assessed, effects)
        elif assessed.threshold is None:
            profile.learn(seen)
            note_young(state.profile.young, state.profile.first_at, event, at)
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
        """A device that was told as new here becomes known; only the rules watch it."""
        self._profile.note_presence(device, event.action, at)
        self._hear(event, at, effects)
        broken = rules.judge(self.state.rules, event, device, at)
        if broken is not None:
            self._rule(broken, device, seen, effects, event.attributes.get("username", ""))
        else:
            self._profile.learn(seen)
        return broken is not None

    def _network_event(self, event: Event, device: Device, at: int, effects: list[Effect]) -> bool:
        """A flow, an alert or an announcement: no habit of the home, but what the network's watch is for."""
        state, watch = self.state, self._network
        if event.action == ALERT:
            return not state.backfill and watch.alert(event, device, at, effects)
        if event.action == ANNOUNCED and watch.announced(event, at, effects):
            self._adopt(state.settings)
        if state.backfill or event.device in state.profile.last or event.device in self._configured:
            state.arrivals.meet(event.device, at)
        elif watch.meet(event, at, self._day(), effects):
            state.profile.newcomers[event.device] = at
        if event.action == FLOW:
            self._count(f"flow_{watch.flow(event, device, at, backfill=state.backfill, effects=effects)}")
        return bool(effects)

    def _told_twice(self, event: Event, twin: Observation, device: Device, effects: list[Effect]) -> bool:
        """Another source tells the same: no second event, but it may know who did it, or through what."""
        self._count("told_twice")
        said, at, live = symbol(event.actor), self.state.at, not self.state.backfill
        doubtful = self._circumstances.doubtful(said, device, at)
        counts, origin = "" if doubtful else said, twin.origin or symbol(event.origin)
        owners = self._circumstances.owners_rule(device, event.action, said, at)
        broken = rules.of_the_owner(event, owners, doubtful=doubtful)
        if broken is not None and live:
            self._telling.rule(broken, device, event.action, moment(at), effects, person=counts, doubtful=doubtful)
            return True
        if (twin.person or counts, origin) == (twin.person, twin.origin):
            return False
        names = named(twin, twin.person or counts, origin)
        assessed = self._profile.assess(names)
        if assessed.unusual and owners is None and live:
            self._unusual(device, names, assessed, effects)
            return True
        if not assessed.held or (owners is not None and owners.verdict == "always_fine"):
            self._profile.learn(names)
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

    def _unusual(self, device: Device, seen: Observation, assessed: Assessment, effects: list[Effect]) -> None:
        """An event above the owner's threshold: tell it once, hold it back, and answer in proportion."""
        now = moment(self.state.at)
        incident = self._unusual_incident(seen, now)
        if incident.answer is not None and self._incidents.is_news(incident, seen.device if seen.guarded else ""):
            incident.closed = now  # what interrupts now needs an answer of its own
            incident = self._telling.open("unusual", now, seen.device, seen.action)
        self._describe(incident, seen, assessed)
        news = self._incidents.join(incident, now, seen.device if seen.guarded else "")
        effects += self._hold(seen, assessed.habit, incident)
        tell = self._telling.interrupt if news else self._telling.go_on
        above = assessed.score - (assessed.threshold or 0)
        evidence = Evidence(above=above, rule=False, guarded=seen.guarded)
        effects += tell(incident, Deed(seen.device, seen.action, seen.person), evidence, words_of(device), now)

    def _rule(
        self, broken: tuple[str, str], device: Device, seen: Observation, effects: list[Effect],
        concerned: str = "", doubtful: str = "",
    ) -> None:  # fmt: skip
        """An event that breaks a built-in rule: watched from the first minute, marked as a rule."""
        incident = self._telling.rule(
            broken, device, seen.action, moment(self.state.at), effects,
            person=seen.person, concerned=concerned, doubtful=doubtful,
        )  # fmt: skip
        effects += self._hold(seen, 0, incident)

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
            device = self._devices.get(name) or Device(name=name)
            self._telling.rule(broken, device, action, moment(self.state.at), effects)

    def _hear(self, event: Event, at: int, effects: list[Effect]) -> None:
        """A device spoke; others of its source may have been silent for too long."""
        silence, profile = self.state.silence, self.state.profile
        if profile.active_days != silence.days:
            silence.pass_day(profile.active_days, at // HALF_LIFE, self.settings.budget * SILENCE_SHARE)
        local = at + self.state.offset + self._clock.offset
        away = profile.presence.residents not in {"", "home"}
        for quiet in silence.hear(profile.table, event.device, event.source, at, local, away=away):
            if not self.state.backfill:
                effects += self._telling.silence(quiet, moment(self.state.at))
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
            effects += self._hold(seen, assessed.habit, incident, asked=assessed.unusual)
        else:
            self._profile.learn(seen)

    def _unusual_incident(self, seen: Observation, now: datetime) -> Incident:
        return self._incidents.find_open("unusual") or self._telling.open("unusual", now, seen.device, seen.action)

    def _describe(self, incident: Incident, seen: Observation, assessed: Assessment) -> None:
        """The strangest event is what the incident is about."""
        if assessed.score <= incident.score:
            return
        habit = assessed.habit
        incident.score = assessed.score
        incident.device, incident.action = seen.device, seen.action
        incident.habit, incident.person = HABITS[habit].name, seen.person
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

    def _change(self, item: Change) -> list[Effect]:
        state = self.state
        state.version = item.version
        if item.settings is not None:
            state.settings = item.settings
            self._adopt(item.settings)
            self._leases.adopt(item.settings.responses)
            self._profile.calibrate()
            return self._telling.withdraw(moment(state.at)) + self._commands.carry_out(item)
        return self._commands.carry_out(item)

    def _health(self, item: Health) -> list[Effect]:
        now = moment(self.state.at)
        self.state.offset = max(
            -LAST_MS, min(self.state.offset if item.offset_ms is None else item.offset_ms, LAST_MS)
        )
        if item.subject.startswith(DEVICE):
            about = self._devices.get(item.subject.removeprefix(DEVICE))
            if about is None:  # what nobody announced or configured is nobody's eye
                return []
            self.state.silence.reach(about.name, up=item.up)
            return self._blind(item, now, quietly=not guards(about))
        return self._blind(item, now)

    def _blind(self, item: Health, now: datetime, *, quietly: bool = False) -> list[Effect]:
        """Take note of a failure, and tell of it where that interrupts."""
        effects = note_health(item, now, self._incidents, self._leases, quietly=quietly)
        return self._telling.blind(effects, now)

    def _run_deadlines(self, at: datetime, effects: list[Effect]) -> None:
        """Every deadline up to a moment, in order, each stamped with its own time."""
        while (due := self.next_deadline()) is not None and due <= at:
            self.state.at = max(self.state.at, milliseconds(due))
            self._profile.pass_time(self.state.at)
            effects += self._dropped(self._profile.drop_old(self.state.at))
            self._incidents.close_due(due)
            effects += self._leases.run_due(due)
            effects += self._telling.escalate_due(due)
            effects += self._feedback.silence(due)
            effects += self._commands.expire(due)
            self._enter(effects)
            self._deadline = self._find_deadline()

    def _find_deadline(self) -> datetime | None:
        held, entry = self._profile.held_until(), rules.entry_due(self.state.rules)
        moments = (
            None if entry is None else moment(entry),
            self._leases.next_deadline(),
            self._incidents.next_deadline(),
            self._telling.next_deadline(),
            self.state.credit.next_deadline(),
            self._commands.next_deadline(),
            None if held is None else moment(held),
        )
        return min((one for one in moments if one is not None), default=None)

    def _adopt(self, settings: Settings) -> None:
        self._configured = {device.name: device for device in settings.devices}
        self._devices = self.state.arrivals.devices(self._configured)
        self._clock = LocalClock(settings.timezone, settings.happened_delay_minutes)
        people = {person.name: person.budget * VISITS_SHARE for person in settings.people}
        devices, budget = tuple(self._devices.values()), settings.budget * VISITS_SHARE
        self._profile = Profile(self.state.profile, devices, budget, people)
        self._leases = LeaseBook(self.state.leases)
        state = self.state
        self._circumstances = circumstances = Circumstances(state, self._clock)
        policy = Learning(settings.policy, state.bandit)
        proportion = Proportion(settings, self._devices, self._leases, policy, partial(allowed, state.traffic))
        messages = Messages(settings.listeners, self._leases, circumstances.quiet_until)
        self._telling = Telling(
            self._incidents, self._leases, proportion, messages, state.credit, state.step_up, circumstances
        )
        self._commands = Commands(state, self._leases, self._devices)
        self._feedback = Answering(state, self._profile, self._leases, self._telling, policy, self._devices)
        self._network = NetworkWatch(state.traffic, state.arrivals, self._telling, settings.budget, circumstances)

    def _record(self, kind: str, subject: str, detail: str) -> Record:
        return Record(at=moment(self.state.at), kind=kind, subject=subject, detail=detail)

    def _count(self, name: str, times: int = 1) -> None:
        self.state.counters[name] = self.state.counters.get(name, 0) + times
