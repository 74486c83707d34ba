"""What may be done at all: the table of guardrails, row by row."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from tests.strategies import START, devices, responses

from homeward.core.decision.guardrails import GUARDRAILS, Situation, refusal
from homeward.core.decision.policy import EARNED_ABOVE, Evidence, Ladder
from homeward.core.effects import Action
from homeward.core.lease import Lease
from homeward.core.settings import Device, Response
from homeward.core.vocabulary import LIFE_SAFETY_TYPES, REFUSED

SIREN = Device(name="siren", type="siren", role="actuator")
LOCK = Device(name="lock", type="lock", role="entrance")
HOWL = Response(name="howl", device="siren", command="on", when=(), restore="off")
LOCK_UP = Response(name="lock up", device="lock", command="lock", when=(), minutes=None)


def why_not(response: Response, target: Device, acting: tuple[Lease, ...] = (), opened: int = 0) -> str | None:
    rail = refusal(Situation(response=response, target=target, acting=acting, opened_last_hour=opened))
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
        (Evidence(above=EARNED_ABOVE, rule=False, guarded=False), "command"),
        (Evidence(above=1, rule=False, guarded=True), "command"),
        (Evidence(above=0, rule=True, guarded=False), "command"),
    ],
)
def test_the_ladder_goes_no_higher_than_the_evidence(evidence: Evidence, rung: str) -> None:
    choice = Ladder().choose(evidence, [HOWL])
    assert choice.rung == rung
    assert bool(choice.responses) is (rung == "command")
    assert Ladder().choose(evidence, []).rung in {"record", "notify"}
