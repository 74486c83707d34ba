"""What is observed of a moment: its company, the kind of its device, and whether somebody stirs in an empty house."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.test_profile import DEVICES, NOON, profile, see

from homeward.core.behaviour.assessment import stir
from homeward.core.behaviour.habits import COMPANY, IN_COMPANY, WHO_IS_HOME, name_key
from homeward.core.behaviour.observation import Observation
from homeward.core.behaviour.past import DAY
from homeward.core.behaviour.presence import ENDED
from homeward.core.behaviour.profile import MINUTE, VISIT_PAUSE, Profile, ProfileState
from homeward.core.settings import Device
from homeward.core.vocabulary import COMMANDED, GUARDED, LIVED, MEASURED, kind_of

# In company


def keys(*activities: str) -> set[int]:
    return {name_key("activity", *activity.split()) for activity in activities}


def see_activity(guard: Profile, activity: str, at: int) -> Observation:
    device, action = activity.split()
    return see(guard, device, action, at)


def walk(guard: Profile, *activities: str, at: int = NOON, pause: int = MINUTE) -> list[Observation]:
    """Activities one after the other, each learned."""
    seen = []
    for number, activity in enumerate(activities):
        seen.append(see_activity(guard, activity, at + number * pause))
        guard.learn(seen[-1])
    return seen


def test_the_company_is_the_latest_four_different_activities_other_than_its_own() -> None:
    seen = walk(profile(), "a on", "b on", "c on", "b on", "d on", "e on", "f on", "d on", "d on")
    assert len(seen[-1].company) == COMPANY == 4
    assert set(seen[-1].company) == keys("f on", "e on", "b on", "c on")
    assert [set(one.company) for one in seen[:4]] == [
        set(), keys("a on"), keys("a on", "b on"), keys("a on", "c on"),
    ]  # fmt: skip


@pytest.mark.parametrize(("pause", "alone"), [(0, False), (VISIT_PAUSE, False), (VISIT_PAUSE + 1, True)])
def test_what_comes_after_half_an_hour_is_alone(pause: int, alone: bool) -> None:
    _, seen = walk(profile(), "motion on", "door open", pause=pause)
    assert set(seen.company) == (set() if alone else keys("motion on"))


def bits_in_company(taught: list[list[str]], *activities: str) -> int:
    """The surprise of the last of some activities, after days on which others were learned."""
    guard = profile()
    for day, learned in enumerate(taught):
        walk(guard, *learned, at=NOON + day * DAY)
    *before, last = activities
    at = NOON + len(taught) * DAY
    for number, activity in enumerate(before):
        see_activity(guard, activity, at + number * MINUTE)
    return guard.assess(see_activity(guard, last, at + len(before) * MINUTE)).bits[IN_COMPANY]


EVENINGS = [["hall on", "kitchen on", "lamp on"], ["bell on", "dog in"], ["lamp off", "stairs on"]] * 10


def test_the_order_of_what_came_before_makes_no_difference() -> None:
    one = bits_in_company(EVENINGS, "hall on", "kitchen on", "bell on", "lamp on")
    for before in (["bell on", "kitchen on", "hall on"], ["kitchen on", "hall on", "bell on"]):
        assert bits_in_company(EVENINGS, *before, "lamp on") == one


def test_any_one_of_the_company_explains_what_comes() -> None:
    explained = bits_in_company(EVENINGS, "hall on", "dog in", "stairs on", "lamp on")
    unexplained = bits_in_company(EVENINGS, "bell on", "dog in", "stairs on", "lamp on")
    assert bits_in_company(EVENINGS, "hall on", "lamp on") < explained < unexplained - 256


def test_what_is_held_is_no_company_for_what_follows_in_the_visit() -> None:
    guard = profile()
    (first,) = walk(guard, "motion on")
    guard.note_visit(first, guard.assess(first), 0)
    guard.hold(see(guard, "door", "open", NOON + MINUTE), 0, "i1", 0)
    assert set(see(guard, "lock", "on", NOON + 2 * MINUTE).company) == keys("motion on")


# Kinds of devices


@pytest.mark.parametrize(
    ("type_", "role", "kind"),
    [
        ("motion", "motion", LIVED), ("pressure.bed", "presence", LIVED), ("contact.fridge", "use", LIVED),
        ("contact.door", "entrance", GUARDED), ("lock", "actuator", GUARDED), ("siren", "actuator", GUARDED),
        ("smoke", "other", GUARDED), ("light", "actuator", COMMANDED), ("plug", "actuator", COMMANDED),
        ("meter.power", "meter", MEASURED), ("sensor.temperature", "other", MEASURED), ("other", "other", MEASURED),
    ],
)  # fmt: skip
def test_every_device_is_of_one_kind(type_: str, role: str, kind: int) -> None:
    assert kind_of(type_, role) == kind
    guard = Profile(ProfileState(), (Device(name="it", type=type_, role=role),), 1.0)
    seen = see(guard, "it")
    assert (seen.kind, seen.guarded) == (kind, kind == GUARDED)


# Who stirs while nobody is home

FAMILY = Device(name="family", type="residents")
HOUSE = (
    *DEVICES, Device(name="lamp", type="light", role="actuator"), Device(name="meter", type="meter", role="meter"),
)  # fmt: skip


def while_(presence: str, device: str = "motion", action: str = "on", bits: int = 9 << 8) -> int | None:
    """What an event says of somebody being there, so surprising while that is who is home ("": nobody knows)."""
    guard = Profile(ProfileState(), HOUSE, 1.0)
    if presence:
        guard.note_presence(FAMILY, presence, NOON)
    return stir(see(guard, device, action), bits)


def test_who_is_home_may_stir_and_so_may_who_is_not_known() -> None:
    assert while_("home") is None
    assert while_("") is None
    assert while_("away") is not None


@pytest.mark.parametrize("device", ["door", "lock", "panel", "pills", "lamp", "meter", "stranger"])
def test_what_is_guarded_commanded_or_measures_says_nothing_of_somebody_being_there(device: str) -> None:
    assert while_("away", device) == 0 < (while_("away") or 0)


@pytest.mark.parametrize("action", sorted(ENDED))
def test_what_ends_says_nothing_of_somebody_being_there(action: str) -> None:
    assert while_("away", action=action) == 0


@pytest.mark.parametrize("half", [0, 1, 64, 256, 512, 1024, 4096, 64 << 8])
def test_a_stir_is_the_log_ratio_of_its_chances_with_somebody_and_with_nobody_less_a_bit(half: int) -> None:
    nobody = 2 ** (-half / 256)
    exact = max(0.0, math.log2((1 - nobody) / nobody) - 1) if nobody < 1 else 0.0
    found = while_("away", bits=half)
    assert found is not None
    assert abs(found / 256 - exact) < 0.02


@given(st.integers(0, 64 << 8), st.integers(0, 64 << 8))
def test_the_more_surprising_a_stir_is_the_more_it_says(one: int, other: int) -> None:
    less, more = (while_("away", bits=bits) for bits in sorted((one, other)))
    assert 0 <= (less or 0) <= (more or 0)


def test_devices_that_stir_in_an_empty_house_add_up_and_a_door_and_an_ending_do_not() -> None:
    guard = Profile(ProfileState(), (*HOUSE, Device(name="stairs", type="motion", role="motion")), 1.0)
    at = NOON
    for presence in ("home", "away") * 20:  # both are usual; nothing ever stirs while away
        at += DAY
        guard.note_presence(FAMILY, presence, at)
        for device in ("motion", "stairs") if presence == "home" else ("meter",):
            seen = see(guard, device, at=at)
            guard.note_visit(seen, guard.assess(seen), 0)
            guard.learn(seen)
    at += DAY
    guard.note_presence(FAMILY, "away", at)
    absent = []
    for device, action in (
        ("door", "open"), ("motion", "on"), ("motion", "off"), ("motion", "on"), ("lamp", "on"), ("stairs", "on"),
    ):  # fmt: skip
        at += MINUTE
        seen = see(guard, device, action, at)
        assessed = guard.assess(seen)
        assert assessed.bits[WHO_IS_HOME] > 0
        guard.note_visit(seen, assessed, 0)
        absent.append(assessed.standing.absent)
    assert absent[0] == 0 < absent[1] == absent[2] == absent[3] == absent[4] < absent[5]
    guard.note_presence(FAMILY, "home", at)
    seen = see(guard, "motion", "on", at + 1)
    assert guard.assess(seen).standing.absent == 0, "somebody is home: it begins anew"
