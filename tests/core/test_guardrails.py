"""What may be done at all: the table of guardrails, row by row."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import get_args

import pytest
from hypothesis import given
from tests.strategies import START, devices, responses

from homeward.core.decision.guardrails import GUARDRAILS, Situation, refusal
from homeward.core.decision.ladder import LADDER, STEPS, Rung
from homeward.core.decision.policy import Evidence, Ladder, earned
from homeward.core.decision.proportion import rung_of
from homeward.core.effects import Action
from homeward.core.lease import Lease
from homeward.core.settings import Device, Response
from homeward.core.vocabulary import LIFE_SAFETY_TYPES, REFUSED

SIREN = Device(name="siren", type="siren", role="actuator")
LOCK = Device(name="lock", type="lock", role="entrance")
HOWL = Response(name="howl", device="siren", command="on", when=(), restore="off")
LOCK_UP = Response(name="lock up", device="lock", command="lock", when=(), minutes=None)


def why_not(response: Response, target: Device, acting: tuple[Lease, ...] = (), opened: int = 0) -> str | None:
    rung = rung_of(response)
    rail = refusal(
        Situation(rung=rung, evidence=None, response=response, target=target, acting=acting, opened_last_hour=opened)
    )
    return None if rail is None else rail.name


def lease(device: str) -> Lease:
    ends = START + timedelta(minutes=1)
    action = Action(id=device, incident="i1", responder="mqtt", device=device, command="on", restore="off", ends=ends)
    return Lease(action=action, opened=START)


def test_a_siren_for_ten_minutes_and_a_lock_that_is_locked_may_be() -> None:
    assert why_not(HOWL, SIREN) is None
    assert why_not(LOCK_UP, LOCK) is None


@pytest.mark.parametrize("type_", sorted(LIFE_SAFETY_TYPES))
def test_nothing_that_keeps_somebody_alive_is_ever_acted_upon(type_: str) -> None:
    assert why_not(HOWL, replace(SIREN, type=type_)) == "life safety"


@pytest.mark.parametrize("word", [*sorted(REFUSED), "UNLOCK", " Open ", "Toggle\n", "DisArm"])
def test_nothing_is_unlocked_opened_disarmed_or_toggled_neither_as_an_act_nor_as_its_way_back(word: str) -> None:
    assert why_not(replace(HOWL, command=word), SIREN) == "never a way in"
    assert why_not(replace(HOWL, restore=word), SIREN) == "never a way in"


@pytest.mark.parametrize("target", [LOCK, Device(name="lock", role="entrance"), Device(name="lock", type="lock")])
def test_a_door_or_a_lock_may_only_be_locked_and_stays_so(target: Device) -> None:
    assert why_not(LOCK_UP, target) is None
    assert why_not(replace(LOCK_UP, command="off", minutes=5, restore="on"), target) == "the owner's way in"
    assert why_not(replace(LOCK_UP, minutes=5, restore="off"), target) == "the owner's way in"


@pytest.mark.parametrize(
    ("response", "name"),
    [
        (replace(HOWL, restore=None), "reversible"),
        (replace(HOWL, minutes=None), "reversible"),
        (replace(HOWL, command="arm", minutes=None, restore="off"), "reversible"),
        (replace(HOWL, command="arm", minutes=None, restore=None), None),
        (replace(HOWL, minutes=0), "bounded"),
        (replace(HOWL, minutes=-1), "bounded"),
        (replace(HOWL, minutes=math.nan), "bounded"),
        (replace(HOWL, minutes=math.inf), "bounded"),
        (replace(HOWL, minutes=1440.1), "bounded"),
        (replace(HOWL, minutes=1440), None),
    ],
)
def test_an_act_has_an_end_and_a_way_back_or_ends_by_itself(response: Response, name: str | None) -> None:
    assert why_not(response, SIREN) == name


def test_acts_are_few() -> None:
    assert why_not(HOWL, SIREN, (lease("siren"),)) == "one claim on a device"
    assert why_not(HOWL, SIREN, (lease("a"), lease("b"))) is None
    assert why_not(HOWL, SIREN, (lease("a"), lease("b"), lease("c"))) == "few at once"
    assert why_not(HOWL, SIREN, opened=5) is None
    assert why_not(HOWL, SIREN, opened=6) == "few an hour"


def test_every_guardrail_says_why_in_words() -> None:
    assert all(rail.why.islower() and len(rail.why) > 10 for rail in GUARDRAILS)
    assert len({rail.name for rail in GUARDRAILS}) == len(GUARDRAILS)


@given(responses, devices)
def test_what_is_allowed_is_always_reversible_or_ends_by_itself(response: Response, target: Device) -> None:
    if why_not(response, target) is None:
        assert target.type not in LIFE_SAFETY_TYPES
        if response.minutes is None:
            assert response.command in {"lock", "arm"}
            assert response.restore is None
        else:
            assert 0 < response.minutes <= 1440
            assert response.restore is not None


@pytest.mark.parametrize(
    ("evidence", "rung"),
    [
        (Evidence(above=0, rule=False, guarded=True), "record"),
        (Evidence(above=1, rule=False, guarded=False), "notify"),
        (Evidence(above=2 << 8, rule=False, guarded=False), "ask"),
        (Evidence(above=4 << 8, rule=False, guarded=False), "undo"),
        (Evidence(above=6 << 8, rule=False, guarded=False), "restrict"),
        (Evidence(above=12 << 8, rule=False, guarded=False), "quarantine"),
        (Evidence(above=1, rule=False, guarded=True), "command"),
        (Evidence(above=0, rule=True, guarded=False), "quarantine"),
    ],
)
def test_the_ladder_goes_as_high_as_the_evidence_and_no_higher(evidence: Evidence, rung: Rung) -> None:
    left = [step.rung for step in LADDER if earned(step.rung, evidence)]
    choice = Ladder().choose(evidence, left, 0.5)
    assert (choice.rung, choice.propensity, choice.options) == (rung, 1.0, tuple(left))
    assert refusal(Situation(rung=rung, evidence=evidence)) is None
    higher = [step.rung for step in LADDER if not earned(step.rung, evidence)]
    assert all(refusal(Situation(rung=one, evidence=evidence)) for one in higher)


def test_what_is_guarded_or_breaks_a_rule_is_always_told() -> None:
    for evidence in (Evidence(above=1, rule=False, guarded=True), Evidence(above=0, rule=True, guarded=False)):
        rail = refusal(Situation(rung="record", evidence=evidence))
        assert rail is not None
        assert rail.name == "always told"
    assert refusal(Situation(rung="record", evidence=Evidence(above=1, rule=False, guarded=False))) is None


def test_the_ladder_climbs_in_intrusiveness_and_says_of_each_rung_how_it_is_taken_back() -> None:
    costs = [step.intrusiveness for step in LADDER]
    assert costs == sorted(costs)
    assert all(step.does and step.needs and step.taken_back for step in LADDER)
    assert set(STEPS) == set(get_args(Rung))
