"""Profile: what is usual here. Quiet where nothing changes, awake where something does, and hard to teach a lie."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scenarios.story import HOME, Story, alarms

from homeward.core.behaviour.observation import Observation
from homeward.core.behaviour.past import DAY
from homeward.core.behaviour.profile import (
    HELD_LIMIT,
    MINUTE,
    NEWCOMER,
    NEWCOMERS_LIMIT,
    Profile,
    ProfileState,
)
from homeward.core.behaviour.table import WEIGHT
from homeward.core.event import Event
from homeward.core.inputs import Change
from homeward.core.settings import Device

DEVICES = (
    Device(name="door", type="contact.door", role="entrance"),
    Device(name="motion", type="motion", role="motion"),
    Device(name="lock", type="lock"),
    Device(name="panel", type="alarm"),
    Device(name="pills", type="medical"),
)
NOON = 20_000 * DAY + 12 * 60 * MINUTE


def profile(budget: float = 1.0) -> Profile:
    return Profile(ProfileState(), DEVICES, budget)


def see(guard: Profile, device: str = "motion", action: str = "on", at: int = NOON) -> Observation:
    guard.pass_time(at)
    return guard.observe(device, action, at, at)


def most(rate: float) -> int:
    """As many as a Poisson process of this mean shows in 999 of 1,000 cases."""
    count, term = 0, math.exp(-rate)
    total = term
    while total < 0.999:
        count += 1
        term *= rate / count
        total += term
    return count


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_home_in_which_nothing_changes_alarms_within_its_budget_and_a_night_entry_is_found(seed: int) -> None:
    story = Story(seed=seed)
    weeks = 8
    story.ordinary_days(28)
    said = story.ordinary_days(7 * weeks)
    assert len(alarms(said)) <= most(weeks * HOME.budget)
    assert "front door" in {alarm.device for alarm in alarms(story.intruder())}


def test_a_smaller_budget_never_means_more_alarms() -> None:
    taught, heard = Story(), []
    taught.ordinary_days(28)
    for budget in (0.25, 1.0, 7.0):
        story = taught.twin()
        story.settles(home=replace(HOME, budget=budget))
        heard.append(len(alarms(story.ordinary_days(28))))
    assert heard == sorted(heard)
    assert heard[0] < heard[-1]


MOMENTS = st.lists(
    st.tuples(
        st.sampled_from(["door", "motion", "lock", "ghost"]), st.sampled_from(["on", "off"]), st.integers(1, 10**7)
    ),
    min_size=1,
    max_size=30,
)


@given(MOMENTS)
def test_what_is_learned_later_counts_in_the_same_contexts_as_if_learned_at_once(
    moments: list[tuple[str, str, int]],
) -> None:
    at_once, later = profile(), profile()
    seen, at = [], NOON
    for device, action, pause in moments:
        at += pause
        at_once.learn(see(at_once, device, action, at))
        seen.append(see(later, device, action, at))
    for observation in seen:
        later.learn(observation)
    assert {key: row.cells for key, row in later.state.table.rows.items()} == {
        key: row.cells for key, row in at_once.state.table.rows.items()
    }


@given(MOMENTS)
def test_to_observe_and_to_assess_counts_nothing(moments: list[tuple[str, str, int]]) -> None:
    guard, at = profile(), NOON
    for device, action, pause in moments:
        at += pause
        guard.assess(see(guard, device, action, at))
    assert guard.state.table.size == 0


def test_what_has_been_learned_is_less_strange() -> None:
    guard = profile()
    seen = see(guard)
    before = guard.assess(seen).bits
    for _ in range(20):
        guard.learn(seen)
    after = guard.assess(seen).bits
    assert all(now < then for now, then in zip(after, before, strict=True) if then)
    assert sum(after) < sum(before) / 4


def test_at_most_1024_observations_are_held_and_the_oldest_are_dropped() -> None:
    guard, dropped = profile(), []
    for number in range(HELD_LIMIT + 10):
        dropped += guard.hold(see(guard, "door", f"state {number}", NOON + number), 0, "i1", 0)
    assert len(guard.state.held) == HELD_LIMIT
    assert [item.action for item in dropped] == [f"state {number}" for number in range(10)]


def test_nothing_is_held_longer_than_thirty_days() -> None:
    guard = profile()
    guard.hold(see(guard, "door"), 0, "i1", 0)
    assert guard.held_until() == NOON + 30 * DAY
    assert guard.drop_old(NOON + 30 * DAY - 1) == []
    assert [item.device for item in guard.drop_old(NOON + 30 * DAY)] == ["door"]
    guard.hold(see(guard, "door", "on", NOON + 31 * DAY), 0, "i2", 31)
    assert [item.device for item in guard.hold(see(guard, "lock", "on", NOON + 62 * DAY), 0, "i3", 62)] == ["door"]


def come_back(device: str, days: list[int]) -> Profile:
    guard = profile()
    for day in days:
        guard.hold(see(guard, device, "on", NOON + day * DAY), 0, f"i{day}", day)
    return guard


@pytest.mark.parametrize("device", ["door", "lock", "panel", "pills"])
def test_a_guarded_device_is_released_by_an_answer_only_and_one_is_enough(device: str) -> None:
    guard = come_back(device, list(range(20)))
    assert len(guard.state.held) == 20
    assert guard.state.table.size == 0
    assert guard.release("i0") == 20
    assert guard.state.held == []
    assert guard.state.table.size > 0


@pytest.mark.parametrize(
    ("days", "held"), [([0, 1], 2), ([0, 0, 0, 1, 1], 5), ([0, 1, 2], 0), ([0, 9, 20], 0), ([0, 15, 31], 2)]
)
def test_what_is_harmless_is_learned_once_it_came_back_on_three_separate_days(days: list[int], held: int) -> None:
    guard = come_back("motion", days)
    assert len(guard.state.held) == held
    assert (guard.state.table.size > 0) is (held == 0)


def test_that_was_me_releases_the_incident_and_the_same_kind_and_nothing_else() -> None:
    guard = profile()
    guard.hold(see(guard, "door", "open", NOON), 1, "i1", 0)
    guard.hold(see(guard, "lock", "on", NOON + 1), 2, "i1", 0)
    guard.hold(see(guard, "door", "open", NOON + 2), 1, "i2", 0)
    guard.hold(see(guard, "door", "closed", NOON + 3), 1, "i2", 0)
    guard.hold(see(guard, "door", "open", NOON + 4), 3, "i3", 0)
    assert guard.release("i1") == 3
    assert [(item.observation.action, item.incident, item.habit) for item in guard.state.held] == [
        ("closed", "i2", 1),
        ("open", "i3", 3),
    ]


def test_not_me_discards_what_was_held_of_the_incident_and_learns_nothing() -> None:
    guard = profile()
    guard.hold(see(guard, "door", "open", NOON), 1, "i1", 0)
    guard.hold(see(guard, "door", "open", NOON + 1), 1, "i2", 0)
    assert guard.discard("i1") == 1
    assert [item.incident for item in guard.state.held] == ["i2"]
    assert guard.state.table.size == 0


def test_what_is_held_is_no_context_for_what_follows() -> None:
    guard = profile()
    see(guard, "motion", "on", NOON)
    decoy = see(guard, "motion", "off", NOON + 1_000)
    guard.hold(decoy, 0, "i1", 0)
    follows = see(guard, "door", "on", NOON + 2_000)
    assert follows.previous == "motion on"


def test_claims_on_both_sides_of_midnight_do_not_make_more_days_than_there_are() -> None:
    """The budget runs on the guard's own days: more days would mean more alarms that are allowed."""
    story = Story()
    story.history(weeks=1)
    before = story.engine.state.profile.evidence.visits.days
    story.at("00:05")
    for number in range(100):
        story.now += timedelta(milliseconds=10)
        yesterday = number // 10 % 2
        happened = story.now - timedelta(minutes=8 * yesterday)
        story.give(Event(id="", source="mqtt", at=story.now, happened=happened, device="hall motion", action="on"))
    assert story.engine.state.profile.evidence.visits.days == before + WEIGHT


def test_counts_halve_every_eight_weeks() -> None:
    guard = profile()
    epoch = NOON // (56 * DAY)
    seen = see(guard, at=epoch * 56 * DAY)
    guard.learn(seen)
    key = seen.contexts[0][0]
    assert guard.state.table.weight(key, seen.symbols[0]) == WEIGHT
    guard.pass_time((epoch + 1) * 56 * DAY - 1)
    assert guard.state.table.weight(key, seen.symbols[0]) == WEIGHT
    guard.pass_time((epoch + 1) * 56 * DAY)
    assert guard.state.table.weight(key, seen.symbols[0]) == WEIGHT // 2


@pytest.mark.parametrize("seed", [1, 2])
def test_an_engine_read_back_from_its_state_goes_on_as_if_nothing_had_been(seed: int) -> None:
    one, other = Story(seed=seed), Story(seed=seed)
    for day in range(15):
        assert one.ordinary_days(1) == other.ordinary_days(1)
        if day % 3 == 2:  # in the middle of a visit
            assert one.sees("hall motion", "on") == other.sees("hall motion", "on")
        other = other.twin()
    assert one.intruder() == other.twin().intruder() != []
    assert one.ordinary_days(1) == other.ordinary_days(1)


def test_days_to_go_count_down_to_nothing() -> None:
    story, days = Story(), []
    for _ in range(12):
        story.ordinary_days(1)
        days.append(story.engine.readiness().days_to_go)
    assert None not in days
    assert days == sorted(days, key=lambda left: -(left or 0))
    assert days[-1] == 0


def test_a_boundary_of_fading_does_not_take_back_a_promise() -> None:
    """Ready a few days before everything seen is halved: still ready after it."""
    begin = "2026-03-27"  # the boundary is on the 9th of April (UTC)
    story = Story(begin=begin)
    ready = []
    for _ in range(25):
        story.ordinary_days(1)
        ready.append(story.engine.readiness().ready)
    epochs = story.engine.state.profile.table.epoch
    assert epochs == (story.now.timestamp() * 1000) // (56 * DAY)
    assert ready.index(True) < 13
    assert all(ready[ready.index(True) :])


def test_random_homes_never_alarm_while_young() -> None:
    for seed in range(3):
        story = Story(seed=Random(seed).randrange(1000))
        story.give(Change(at=story.now, version="0.1.0"))
        assert alarms(story.ordinary_days(6)) == []


def test_across_visits_what_was_held_is_context_so_that_a_holiday_is_judged_once() -> None:
    guard = profile()
    see(guard, "motion", "on", NOON)
    back = see(guard, "door", "on", NOON + 8 * 86_400_000)
    guard.note_visit(back, guard.assess(back), 8)
    guard.hold(back, 0, "i1", 8)
    assert see(guard, "motion", "on", back.at + 1_000).previous == "door on"


# New devices


def ready() -> Profile:
    return Profile(ProfileState(threshold=1 << 40), DEVICES, 1.0)


def test_a_new_device_is_told_once_and_then_given_a_week() -> None:
    guard = ready()
    times = (0, 1, MINUTE, NEWCOMER - 1, NEWCOMER, NEWCOMER + 1)
    found = [guard.is_newcomer(see(guard, "motion", "on", NOON + after)) for after in times]
    assert found == [False, True, True, True, False, False]
    assert guard.state.newcomers == {}


@pytest.mark.parametrize("device", ["door", "lock", "panel", "pills"])
def test_a_new_guarded_device_is_given_no_time(device: str) -> None:
    guard = ready()
    assert not any(guard.is_newcomer(see(guard, device, "on", NOON + after)) for after in range(3))


def test_a_device_that_becomes_guarded_is_given_no_more_time() -> None:
    """It spoke before the owner said what it is."""
    guard = ready()
    guard.is_newcomer(see(guard, "gate", "open", NOON))
    assert guard.is_newcomer(see(guard, "gate", "open", NOON + 1))
    told = Profile(guard.state, (*DEVICES, Device(name="gate", type="contact.door", role="entrance")), 1.0)
    assert not told.is_newcomer(see(told, "gate", "open", NOON + 2))


def test_no_device_is_new_to_a_guard_that_is_not_ready() -> None:
    guard = profile()
    assert not any(guard.is_newcomer(see(guard, "motion", "on", NOON + after)) for after in range(3))
    guard.state.threshold = 0
    assert not guard.is_newcomer(see(guard, "motion", "on", NOON + 3)), "it has been heard before"


def test_not_me_ends_the_time_of_a_new_device_and_only_of_that_of_the_incident() -> None:
    guard = ready()
    for device in ("motion", "ghost"):
        seen = see(guard, device, "on", NOON)
        guard.is_newcomer(seen)
        guard.hold(seen, 0, f"i {device}", 0)
    guard.discard("i motion")
    assert not guard.is_newcomer(see(guard, "motion", "on", NOON + 1))
    assert guard.is_newcomer(see(guard, "ghost", "on", NOON + 1))


def test_that_was_me_leaves_a_new_device_its_time() -> None:
    guard = ready()
    seen = see(guard, "motion", "on", NOON)
    guard.is_newcomer(seen)
    guard.hold(seen, 0, "i1", 0)
    guard.release("i1")
    assert guard.is_newcomer(see(guard, "motion", "on", NOON + 1))


def test_no_more_than_256_devices_are_new_at_once_and_the_first_go() -> None:
    guard = ready()
    for number in range(NEWCOMERS_LIMIT + 5):
        guard.is_newcomer(see(guard, f"ghost {number}", "on", NOON + number))
    assert list(guard.state.newcomers) == [f"ghost {number}" for number in range(5, NEWCOMERS_LIMIT + 5)]
