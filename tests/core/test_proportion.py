"""An answer in proportion: who is acted upon, among which rungs a policy chooses, and what is withdrawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import START

from homeward.core.decision.guardrails import Situation, refusal
from homeward.core.decision.ladder import ACTS, HEIGHT, LADDER, Rung
from homeward.core.decision.off_policy import read
from homeward.core.decision.policy import Choice, Evidence, Ladder, earned
from homeward.core.decision.proportion import Decision, Deed, Proportion, rung_of
from homeward.core.decision.reward import Verdict
from homeward.core.effects import Apply, Effect, Record, Revert
from homeward.core.incident import Incident
from homeward.core.lease import LeaseBook, LeaseState
from homeward.core.settings import Device, Listener, Response, Settings

DEVICES = {
    device.name: device
    for device in (
        Device(name="siren", type="siren", role="actuator"),
        Device(name="lamp", type="light", role="actuator"),
        Device(name="plug", type="plug", role="actuator"),
        Device(name="lock", type="lock", role="entrance"),
        Device(name="broker", type="broker"),
        Device(name="camera", type="camera", role="presence"),
    )
}
HOWL = Response(name="howl", device="siren", command="on", when=("odd",), restore="off")
LIGHT = replace(HOWL, name="light", device="lamp")
LOCK = Response(name="lock up", device="lock", command="lock", when=("odd",), minutes=None)
OFF = Response(name="off", device="plug", command="off", when=("plug",), minutes=None)
RESTRICT = Response(name="narrow", device="*", command="restrict", when=("odd",), minutes=60, restore="release")
QUARANTINE = replace(RESTRICT, name="cut", command="quarantine")
BROKEN = Evidence(above=0, rule=True, guarded=False)
CAMERA = Deed("camera", "flow")


class Chooses:
    """A policy that always wants one rung, and tells what it was asked."""

    def __init__(self, rung: Rung | None = None) -> None:
        self.rung, self.options, self.draws = rung, tuple[Rung, ...](), list[float]()

    def choose(self, evidence: Evidence, options: Sequence[Rung], draw: float) -> Choice:
        self.options = tuple(options)
        self.draws.append(draw)
        if self.rung in options and self.rung is not None:
            return Choice(rung=self.rung, propensity=1.0, options=self.options)
        return Ladder().choose(evidence, options, draw)

    def learn(self, evidence: Evidence, choice: Choice, verdict: Verdict) -> None:
        """Nothing."""


class Place:
    def __init__(
        self, *responses: Response, wants: Rung | None = None, verifiers: tuple[str, ...] = (), second: bool = False
    ) -> None:
        self.leases = LeaseBook(LeaseState())
        self.policy = Chooses(wants)
        listeners = (Listener(name="bob", channel="his", second=True),) if second else ()
        self.settings = Settings(responses=responses, verifiers=verifiers, listeners=listeners)
        self.devices = dict(DEVICES)
        self.proportion = Proportion(
            self.settings, self.devices, self.leases, self.policy, lambda device: (f"tcp 443 of-{device}",)
        )

    def decide(self, evidence: Evidence = BROKEN, deed: Deed = CAMERA, *called: str, concerned: str = "") -> Decision:
        self.incident = Incident(id="i1", kind="rule", opened=START, updated=START, device=deed.device, events=1)
        self.incident.concerned = concerned
        return self.proportion.decide(self.incident, deed, evidence, called or ("odd",), START)

    def carry_out(self, decision: Decision) -> list[Effect]:
        return self.proportion.carry_out(self.incident, decision, START)


def acts(effects: list[Effect]) -> list[tuple[str, str]]:
    return [(one.action.device, one.action.command) for one in effects if isinstance(one, Apply)]


def taken(decision: Decision) -> list[str]:
    return [response.name for response in decision.responses]


@pytest.mark.parametrize(
    ("response", "rung"),
    [
        (HOWL, "command"), (LOCK, "undo"), (OFF, "undo"), (RESTRICT, "restrict"), (QUARANTINE, "quarantine"),
        (replace(HOWL, command="off", restore="on"), "command"), (replace(LOCK, command="arm"), "undo"),
    ],
)  # fmt: skip
def test_each_response_has_its_rung(response: Response, rung: Rung) -> None:
    assert rung_of(response) == rung


def test_all_up_to_the_chosen_rung_is_done_and_nothing_above() -> None:
    place = Place(HOWL, LOCK, RESTRICT, QUARANTINE, wants="command")
    decision = place.decide()
    assert taken(decision) == ["howl", "lock up"]
    assert acts(place.carry_out(decision)) == [("siren", "on"), ("lock", "lock")]
    assert place.incident.rung == "command"


def test_who_is_cut_off_is_not_restricted_too() -> None:
    decision = Place(RESTRICT, QUARANTINE).decide()
    assert taken(decision) == ["cut"]


def test_a_claim_is_about_whom_it_concerns_and_a_restriction_says_what_is_left() -> None:
    place = Place(RESTRICT)
    (apply,) = [one for one in place.carry_out(place.decide()) if isinstance(one, Apply)]
    assert (apply.action.device, apply.action.allow) == ("camera", ("tcp 443 of-camera",))
    place = Place(QUARANTINE)
    (apply,) = [one for one in place.carry_out(place.decide(concerned="mallory")) if isinstance(one, Apply)]
    assert (apply.action.device, apply.action.allow) == ("mallory", ())


def test_only_a_claim_can_be_about_whom_it_concerns() -> None:
    assert taken(Place(replace(HOWL, device="*")).decide()) == []


def test_the_broker_itself_is_never_cut_off() -> None:
    decision = Place(QUARANTINE).decide(BROKEN, Deed("broker", "client_connected"))
    assert taken(decision) == []
    assert [record.kind for record in decision.refused] == ["refused"]


@pytest.mark.parametrize(
    ("deed", "done"), [(Deed("plug", "on"), ["off"]), (Deed("plug", "reading"), []), (CAMERA, [])]
)
def test_off_takes_back_what_the_same_device_did_and_nothing_else(deed: Deed, done: list[str]) -> None:
    assert taken(Place(OFF).decide(BROKEN, deed, "plug")) == done


def test_what_is_not_earned_is_no_option_and_not_worth_a_line() -> None:
    place = Place(HOWL, QUARANTINE)
    decision = place.decide(Evidence(above=6 << 8, rule=False, guarded=False))
    assert place.policy.options == ("record", "notify", "ask", "command")
    assert decision.refused == ()


@pytest.mark.parametrize(
    ("deed", "verifiers", "second", "has", "has_not"),
    [
        (Deed("lock", "unlocked", "ada"), ("ada",), False, {"step_up"}, {"escalate"}),
        (Deed("lock", "unlocked", "bob"), ("ada",), True, {"escalate"}, {"step_up"}),
        (Deed("lock", "unlocked"), ("ada",), False, set(), {"step_up", "escalate"}),
    ],
)
def test_a_rung_is_an_option_where_there_is_what_it_needs(
    deed: Deed, verifiers: tuple[str, ...], second: bool, has: set[Rung], has_not: set[Rung]
) -> None:
    place = Place(verifiers=verifiers, second=second)
    place.decide(BROKEN, deed)
    assert has <= set(place.policy.options)
    assert has_not.isdisjoint(place.policy.options)


def test_the_last_place_is_given_once() -> None:
    """Two responses, and room for one act."""
    place = Place(HOWL, LIGHT)
    for number in range(2):
        place.leases.take(replace(HOWL, device=f"other {number}"), "i0", number, START)
    effects = place.carry_out(place.decide())
    assert acts(effects) == [("siren", "on")]
    (refused,) = [one for one in effects if isinstance(one, Record) and one.kind == "refused"]
    assert refused.detail == "on lamp: at most 3 acts at once"


def test_the_choice_is_put_on_record_so_that_it_can_be_read() -> None:
    place = Place(HOWL)
    decision = place.decide()
    (record,) = [one for one in place.carry_out(decision) if isinstance(one, Record)]
    assert (record.kind, read(record.detail)) == ("choice", (decision.evidence, decision.choice))


def test_chance_is_the_same_for_the_same_decision_and_another_for_the_next() -> None:
    one, other = Place(HOWL), Place(HOWL)
    one.decide()
    other.decide()
    assert one.policy.draws == other.policy.draws
    assert 0 <= one.policy.draws[0] < 1
    one.incident.events = 2
    one.proportion.decide(one.incident, CAMERA, BROKEN, ("odd",), START)
    assert len(set(one.policy.draws)) == 2


@pytest.mark.parametrize("type_", ["medical", "smoke", "lock", "phone", "router"])
def test_an_act_on_what_the_owner_now_says_is_untouchable_is_withdrawn(type_: str) -> None:
    place = Place(LIGHT, QUARANTINE, HOWL)
    place.carry_out(place.decide())
    assert place.proportion.withdraw(START) == []
    for name in ("lamp", "camera"):
        place.devices[name] = replace(place.devices[name], type=type_)
    effects = place.proportion.withdraw(START + timedelta(seconds=1))
    assert [(one.action.device, one.action.restore) for one in effects if isinstance(one, Revert)] == [
        ("lamp", "off"), ("camera", "release"),
    ]  # fmt: skip
    assert place.proportion.withdraw(START + timedelta(seconds=2)) == [], "once"


evidence = st.builds(Evidence, above=st.integers(-5_000, 10_000), rule=st.booleans(), guarded=st.booleans())
some = st.lists(st.sampled_from([HOWL, LIGHT, LOCK, OFF, RESTRICT, QUARANTINE]), unique=True, max_size=6)


@given(evidence, some, st.sampled_from([None, *(step.rung for step in LADDER)]))
def test_a_policy_chooses_only_among_what_is_earned_and_nothing_is_done_above_it(
    evidence: Evidence, responses: list[Response], wants: Rung | None
) -> None:
    place = Place(*responses, wants=wants, verifiers=("ada",), second=True)
    decision = place.decide(evidence, Deed("plug", "on", "ada"), "odd", "plug")
    assert place.policy.options
    assert all(earned(rung, evidence) for rung in place.policy.options)
    assert all(refusal(Situation(rung=rung, evidence=evidence)) is None for rung in place.policy.options)
    possible = {rung_of(one) for one in responses}
    assert {rung for rung in place.policy.options if rung in ACTS} <= possible
    for response in decision.responses:
        assert HEIGHT[rung_of(response)] <= HEIGHT[decision.choice.rung]
        assert earned(rung_of(response), evidence)
