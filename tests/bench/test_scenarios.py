"""What BENCH says an injection is, held for every seed."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.bench.small_homes import write_folder

from homeward.bench.homes import Household, load
from homeward.bench.past import ENDS, Past
from homeward.bench.scenarios import INDOORS, LATER, SCENARIOS, Plan, Trial, plan
from homeward.core.vocabulary import is_guarded

SEEDS = st.integers(1000, 1_000_000)
THREE_WEEKS = timedelta(days=21)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Household:
    folder = write_folder(tmp_path_factory.mktemp("homes"))
    return load("first", folder / "first.events.csv.gz")


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Household:
    folder = write_folder(tmp_path_factory.mktemp("homes"))
    return load("second", folder / "second.events.csv.gz")


def planned(first: Household, second: Household, seed: int) -> Plan:
    return plan(first, [first, second], seed=seed)


def entry_of(home: Household, trial: Trial) -> None:
    """Asserts that the counted part of a trial is an entry within one pause."""
    events = [event for event in trial.events if event.at >= trial.counts_from]
    begin, end = events[0], events[-1]
    assert home.devices[begin.device].role == "entrance"
    assert (begin.action, end.device) == ("open", begin.device)
    rooms = {home.devices[event.device].room for event in events if home.devices[event.device].role in INDOORS}
    assert 3 <= len(rooms) <= 6
    assert home.index(begin.at) == home.index(end.at)
    after = home.index(begin.at)
    assert home.at[after] - home.at[after - 1] >= timedelta(minutes=30)
    assert trial.deadline == end.at + timedelta(minutes=10)


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_every_trial_is_in_order_on_a_judged_day_and_keeps_to_known_devices(
    first: Household, second: Household, seed: int
) -> None:
    for scenario, trials in planned(first, second, seed).trials.items():
        assert [trial.starts for trial in trials] == sorted(trial.starts for trial in trials)
        for trial in trials:
            assert trial.scenario == scenario
            assert first.starts is not None
            assert first.starts <= trial.starts <= trial.counts_from <= trial.deadline
            assert all(a.at <= b.at for a, b in pairwise(trial.events))
            assert trial.starts <= trial.events[0].at
            assert trial.events[-1].at <= trial.deadline
            assert {event.device for event in trial.events} <= set(first.devices)
            assert len({event.id for event in trial.events}) == len(trial.events)


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_a_night_entry_lies_in_a_pause_between_one_and_five(first: Household, second: Household, seed: int) -> None:
    for trial in planned(first, second, seed).trials["night_entry"]:
        entry_of(first, trial)
        assert {first.hour(event.at) for event in trial.events} <= {1, 2, 3, 4}


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_an_odd_hour_entry_lies_in_the_two_hours_with_the_fewest_openings(
    first: Household, second: Household, seed: int
) -> None:
    for trial in planned(first, second, seed).trials["odd_hour_entry"]:
        entry_of(first, trial)
        hours = {first.hour(event.at) for event in trial.events}
        assert hours <= set(range(6, 24))
        opened = Counter(
            first.hours[i]
            for i, e in enumerate(first.events[: first.index(trial.starts)])
            if e.device == "door" == e.device
        )
        assert not hours & set(opened)  # this home has hours without any


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_a_decoy_comes_twenty_minutes_before_and_does_not_count(
    first: Household, second: Household, seed: int
) -> None:
    past = Past(first)
    for trial in planned(first, second, seed).trials["decoy"]:
        decoy = trial.events[0]
        device = first.devices[decoy.device]
        assert not is_guarded(device.type, device.role)
        assert decoy.action not in past.actions(decoy.device, first.index(decoy.at))
        assert trial.counts_from - decoy.at == timedelta(minutes=20)
        assert trial.starts == decoy.at
        entry_of(first, trial)


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_a_ghost_command_comes_at_an_hour_and_after_an_activity_it_never_had(
    first: Household, second: Household, seed: int
) -> None:
    for trial in planned(first, second, seed).trials["ghost_command"]:
        (ghost,) = trial.events
        before = first.events[: first.index(ghost.at)]
        activity = (ghost.device, ghost.action)
        assert first.devices[ghost.device].role in ("actuator", "entrance")
        assert first.hour(ghost.at) not in {first.hour(e.at) for e in before if (e.device, e.action) == activity}
        pairs = {((a.device, a.action), (b.device, b.action)) for a, b in pairwise(before)}
        assert ((before[-1].device, before[-1].action), activity) not in pairs
        assert [e.action for e in before if e.device == ghost.device][-1] != ghost.action


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_a_flood_changes_one_actuator_forty_times_within_a_minute(
    first: Household, second: Household, seed: int
) -> None:
    for trial in planned(first, second, seed).trials["flood"]:
        (device,) = {event.device for event in trial.events}
        assert first.devices[device].role == "actuator"
        assert len(trial.events) == 40
        assert trial.events[-1].at - trial.events[0].at <= timedelta(seconds=60)
        assert trial.deadline == trial.events[-1].at + timedelta(minutes=2)
        past = [e.action for e in first.events[: first.index(trial.starts)] if e.device == device]
        actions = [past[-1], *(event.action for event in trial.events)]
        assert all(a != b for a, b in pairwise(actions))


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_another_home_lasts_a_day_and_keeps_types_roles_and_times_of_day(
    first: Household, second: Household, seed: int
) -> None:
    times = {
        (e.at - first.clock(day), first.devices[e.device].type)
        for e, day in zip(second.events, second.dates, strict=True)
    }
    times = {
        (e.at - second.clock(day), second.devices[e.device].type)
        for e, day in zip(second.events, second.dates, strict=True)
    }
    for trial in planned(first, second, seed).trials["other_home"]:
        assert trial.replaces
        assert first.hour(trial.starts) == 0
        assert trial.deadline - trial.starts == timedelta(days=1)
        assert len(trial.events) >= 10
        assert {(e.at - trial.starts, first.devices[e.device].type) for e in trial.events} <= times


def test_a_seed_gives_the_same_plan_again_and_another_seed_another(first: Household, second: Household) -> None:
    assert planned(first, second, 1000) == planned(first, second, 1000)
    assert planned(first, second, 1000).trials != planned(first, second, 1001).trials


def test_there_are_thirty_trials_even_where_three_a_week_are_fewer(first: Household, second: Household) -> None:
    made = planned(first, second, 1000)
    assert {scenario: len(trials) for scenario, trials in made.trials.items()} == dict.fromkeys(made.trials, 30)
    assert set(made.trials) | set(LATER) == set(SCENARIOS)


def test_a_home_without_the_roles_says_so(first: Household) -> None:
    only = {name: device for name, device in first.devices.items() if device.role in ("motion", "use")}
    home = Household(
        **{slot: getattr(first, slot) for slot in Household.__slots__ if slot != "devices"}, devices=only
    )
    made = plan(home, [], seed=1000)
    assert made.trials == {}
    assert made.reasons["night_entry"] == made.reasons["decoy"] == "the home has no entrance"
    assert made.reasons["flood"] == "the home has no actuator"
    assert made.reasons["ghost_command"] == "the home has no actuator and no entrance"
    assert made.reasons["other_home"].startswith("no other home")
    assert "presence" in made.reasons["away_entry"]


def test_a_device_that_never_ended_what_it_showed_gets_no_end(first: Household) -> None:
    past = Past(first)
    index = len(first.events)
    assert past.shows("hall", index) == ("on", "off")
    assert past.shows("hall", 0) is None
    until_first_on = next(i for i, e in enumerate(first.events) if e.device == "bedroom") + 1
    assert past.shows("bedroom", until_first_on) == ("on", None)
    assert set(ENDS.values()) >= {"off", "closed"}
