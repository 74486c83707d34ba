"""Whatever comes in, in whatever order: no act that the guardrails forbid, and no act without an end.

The settings are hostile (responses to anything with anything), and so are events, flows, answers, commands, clocks
and responders. Nothing of the guard is asked what it thinks: only what it would have done is looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from itertools import islice
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.engines import restarted
from tests.core.hostile_homes import (
    CLOUD,
    DEVICES,
    NEVER_TOUCHED,
    NEWEST,
    OPENS,
    Step,
    event,
    homes,
    said_rule,
    steps,
)
from tests.scenarios.story import HOME as STORY_HOME
from tests.scenarios.story import Story
from tests.strategies import START

from homeward.core.decision.credit import PENDING_LIMIT
from homeward.core.decision.ladder import HEIGHT, STEPS, Rung
from homeward.core.decision.off_policy import read, read_cost
from homeward.core.decision.policy import Evidence
from homeward.core.effects import Action, Apply, Effect, Notify, Record, Revert
from homeward.core.engine import Engine
from homeward.core.flow import flow_attributes
from homeward.core.incident import INCIDENT_LIMIT
from homeward.core.inputs import Change, Feedback, Input, Outcome, Tick
from homeward.core.lease import LEASE_LIMIT
from homeward.core.messages import WAITING_LIMIT
from homeward.core.settings import Device, Listener, Response, Settings
from homeward.core.standing import RULES_LIMIT, StandingRule
from homeward.core.step_up import PEOPLE_LIMIT

DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
WAYS_IN: Final = {
    "lock", "alarm", "garage_door", "phone", "wearable", "person", "residents", "router", "hub", "network", "broker"
}  # fmt: skip
CUTS_OFF: Final = {"restrict", "quarantine"}
TELLS: Final = {"notify", "ask", "escalate"}


@cache
def known() -> Engine:
    """An engine that has lived in the home, and has seen the camera's flows."""
    story = Story(home=replace(STORY_HOME, devices=DEVICES))
    story.history(weeks=3)
    for number in range(300):
        story.now += timedelta(minutes=10)
        flow = flow_attributes(CLOUD._replace(received=4_000 + number % 7 * 50))
        story.give(replace(event("camera", "flow", **flow), at=story.now))
    story.at("03:00")
    return story.engine


@dataclass
class Watch:
    """An engine, and everything that was asked of its responders."""

    engine: Engine
    now: datetime

    def __post_init__(self) -> None:
        self.asked: list[Apply | Revert] = []
        self.first: dict[str, datetime] = {}
        self.decided: dict[str, tuple[Evidence, Rung]] = {}
        self.commands: set[str] = set()

    def take(self, step: Step) -> None:
        if isinstance(step, bool):
            self.engine = restarted(self.engine)
        elif isinstance(step, timedelta):
            self.now += step
            self.give(Tick(at=self.now))
        elif isinstance(step, Settings):
            self.give(Change(at=self.now, version="0.1.0", settings=step))
        elif isinstance(step, tuple) and len(step) == 2 and isinstance(step[0], str):
            self.respond(step[0], step[1])
        else:
            for item in step:
                assert not isinstance(item, str | int)
                self.give(item)

    def give(self, item: Input) -> None:
        self.now += timedelta(seconds=1)
        if isinstance(item, Change) and item.rule is not None and item.rule.made_at:
            made = int(self.now.timestamp() * 1_000)
            until = None if item.rule.until is None else made + 3_600_000
            item = replace(item, rule=replace(item.rule, made_at=made, until=until))
        if isinstance(item, Change) and item.until is not None:
            item = replace(item, until=self.now + (item.until - START))
        if isinstance(item, Feedback) and item.incident in NEWEST:
            item = replace(item, incident=_newest(self.engine.incidents, item.incident))
        if isinstance(item, Change) and item.target in NEWEST:
            item = replace(item, target=_newest(self.first, item.target))
        self.check(self.engine.handle(replace(item, at=self.now)))
        self.is_bounded()

    def respond(self, how: str, which: int) -> None:
        """A responder answers one of the things that it was asked for, perhaps long ago."""
        if not self.asked:
            return
        effect = self.asked.pop(which % len(self.asked))
        for _ in range({"lost": 0, "twice": 2}.get(how, 1)):
            self.outcome(effect, ok=how != "failed")
        if how == "ok" and effect.action.command not in CUTS_OFF | TELLS:
            word = effect.action.command if isinstance(effect, Apply) else effect.action.restore
            if word is not None:
                self.give(event(effect.action.device, word))

    def outcome(self, effect: Apply | Revert, *, ok: bool) -> None:
        step = "apply" if isinstance(effect, Apply) else "revert"
        self.give(Outcome(at=START, action=effect.action.id, step=step, ok=ok, detail="" if ok else "no route"))  # type: ignore[arg-type]

    # What must hold

    def check(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Apply):
                self.commands.add(effect.action.command)
            match effect:
                case Record(kind="choice" | "earned", subject=subject, detail=detail):
                    decision = read(detail)
                    assert decision is not None, detail
                    self.decided[subject] = decision[0], decision[1].rung
                case Record(kind="reward", detail=detail):
                    assert read_cost(detail) is not None
                case Apply(action=action) if action.command in TELLS:
                    self.is_a_message(action)
                    self.asked.append(effect)
                case Apply(at=at, action=action):
                    self.may_be_done(action, at)
                    self.asked.append(effect)
                case Revert(action=action):
                    assert _plain(action.restore) not in OPENS
                    assert action.command not in TELLS
                    assert action.id in self.first
                    self.asked.append(effect)
                case Notify(reason=reason):
                    assert len(reason) <= 1_000
        del self.asked[:-64]

    def may_be_done(self, action: Action, at: datetime) -> None:
        configured = {device.name: device for device in self.engine.settings.devices}
        target = configured.get(action.device) or Device(name=action.device)
        known_as = self.engine.state.arrivals.devices(configured).get(action.device, target)
        assert target.type not in NEVER_TOUCHED
        assert _plain(action.command) not in OPENS
        assert _plain(action.restore) not in OPENS
        way_in = target.type in WAYS_IN or target.role == "entrance"
        if way_in:
            assert action.command in {"lock", "arm"}
            assert action.restore is None
        if action.id not in self.first:
            assert known_as.type not in NEVER_TOUCHED
            assert action.command not in CUTS_OFF or known_as.type not in WAYS_IN
            self.is_earned(action)
            self.first[action.id] = at
            assert sum(at - opened < HOUR for opened in self.first.values()) <= 6
        if action.ends is None:
            assert action.command in {"lock", "arm", "off"}
            assert action.restore is None
        else:
            assert timedelta(0) < action.ends - self.first[action.id] <= DAY
            assert action.ends > at, "nothing is done after its end"
        if action.command in CUTS_OFF:
            assert action.restore == "release"
            assert action.ends is not None
        acting = [one for one in self.engine.leases.values() if one.status != "ended"]
        assert sum(one.action.command not in TELLS for one in acting) <= 3

    def is_earned(self, action: Action) -> None:
        """The rung of the act is not above what was chosen, and the evidence is enough for it."""
        evidence, chosen = self.decided[action.incident]
        once = action.command in {"lock", "arm"} or (action.command == "off" and action.ends is None)
        rungs: dict[str, Rung] = {"restrict": "restrict", "quarantine": "quarantine"}
        step = STEPS[rungs.get(action.command, "undo" if once else "command")]
        assert HEIGHT[step.rung] <= HEIGHT[chosen]
        assert evidence.rule or evidence.above > 0
        assert evidence.rule or evidence.above >= step.earned or (evidence.guarded and step.guarded)

    def is_a_message(self, action: Action) -> None:
        assert (action.restore, action.ends, action.allow) == (None, None, ())
        assert 0 < len(action.text) <= 1_000

    def is_bounded(self) -> None:
        state = self.engine.state
        leases = state.leases.leases.values()
        open_incidents = sum(one.closed is None for one in state.incidents.incidents.values())
        assert len(state.incidents.incidents) <= INCIDENT_LIMIT + open_incidents
        assert len(leases) <= LEASE_LIMIT
        assert sum(one.status != "ended" and one.action.command in TELLS for one in leases) <= WAITING_LIMIT
        assert len(state.leases.opened) <= 6
        assert len(state.credit.pending) <= PENDING_LIMIT
        assert len(state.standing.rules) <= RULES_LIMIT
        assert len(state.agreed) <= 6
        assert len(state.step_up.until) <= PEOPLE_LIMIT
        assert len(state.step_up.since) <= PEOPLE_LIMIT
        assert len(state.leases.words) <= len(state.settings.responses) + len(self.first)

    def ends(self) -> None:
        """With a responder that works nothing is left to be done after some time, and nothing happens for ever."""
        for effect in self.asked:
            self.outcome(effect, ok=True)
        self.asked.clear()
        until = self.now + 8 * DAY
        for _ in range(2_000):
            due = self.engine.next_deadline()
            if due is None or due > until:
                break
            self.now = max(self.now, due)
            self.check(self.engine.handle(Tick(at=self.now)))
            for effect in [one for one in self.asked if one.action.id]:
                self.asked.remove(effect)
                self.outcome(effect, ok=True)
        self.give(Tick(at=until))
        assert [one for one in self.engine.leases.values() if one.status != "ended"] == []
        assert self.engine.state.step_up.until == {}


def _plain(word: str | None) -> str:
    return (word or "").strip().casefold()


def _newest(names: Collection[str], which: str) -> str:
    return next(islice(reversed([*names]), -int(which) - 1, None), "none")


def lived(place: Settings, story: Sequence[Step]) -> Watch:
    engine = known().fork()
    assert engine.now is not None
    watch = Watch(engine, engine.now)
    watch.take(place)
    for step in story:
        watch.take(step)
    watch.ends()
    return watch


@given(homes(), st.lists(steps, min_size=5, max_size=25))
@settings(max_examples=150)
def test_no_sequence_of_inputs_breaks_a_guardrail(place: Settings, story: list[Step]) -> None:
    lived(place, story)


def test_the_property_sees_every_kind_of_act() -> None:
    """Or it would prove nothing: a home in which each kind is called for by something that happens here."""
    acts = [
        ("front lock", "lock", None, ("front lock",), None),
        ("heater plug", "off", None, ("heater plug",), None),
        ("siren", "on", "off", ("rule:intrusion alert",), 10.0),
        ("*", "restrict", "release", ("camera",), 60.0),
        ("*", "quarantine", "release", ("rule:new client",), 60.0),
    ]
    place = Settings(
        timezone=STORY_HOME.timezone,
        devices=DEVICES,
        responses=tuple(
            Response(name="r", device=device, command=command, restore=restore, when=when, minutes=minutes)
            for device, command, restore, when, minutes in acts
        ),
        verifiers=("person:ada",),
        listeners=(
            Listener(name="household", channel="page"),
            Listener(name="person:bob", channel="ntfy", second=True),
        ),
    )
    rule = StandingRule(id="s1", verdict="never_fine", device="heater plug")
    watch = lived(
        place,
        [
            [event("front lock", "unlock", "person:ada")],
            [said_rule(rule), event("heater plug", "on")],
            timedelta(hours=2),
            [event("camera", "alert", severity="1", signature="a worm")],
            [replace(event("broker", "client_connected", username="mallory"), origin="client 1")],
        ],
    )
    assert watch.commands == {"ask", "escalate", "lock", "off", "on", "restrict", "quarantine"}
