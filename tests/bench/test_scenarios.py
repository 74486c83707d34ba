"""What BENCH says an injection is, held for every seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.bench.small_homes import write_folder

from homeward.bench.homes import Household, load
from homeward.bench.past import ENDS, Past
from homeward.bench.presence import INDOORS, Absence, absences
from homeward.bench.scenarios import SCENARIOS, Plan, Trial, plan
from homeward.core.event import Event
from homeward.core.settings import Device
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


@pytest.fixture(scope="module")
def lively(first: Household) -> Household:
    """The first home with a window in the kitchen, a radio that is heard every half-hour from six to midnight, and
    a lamp that somebody switches by the app."""
    added = [
        Event(
            id=f"{day}-{half}", source="file", at=first.clock(day, half / 2) + timedelta(seconds=number),
            device="radio", action="reading", value=float(half),
        )
        for number, day in enumerate(first.days)
        for half in range(12, 48)
    ]  # fmt: skip
    lamp = {"on": "person:ann", "off": "person:bob"}
    named = [replace(e, actor=lamp[e.action], origin="app") if e.device == "lamp" else e for e in first.events]
    window = [
        Event(
            id=f"window-{action}", source="file", at=first.clock(first.days[0], hour), device="window", action=action
        )
        for hour, action in ((6.6, "open"), (6.65, "closed"))
    ]
    return of(
        first,
        sorted([*named, *added, *window], key=lambda event: event.at),
        Device(name="radio", type="sensor.temperature", role="other", room="kitchen"),
        Device(name="window", type="contact.window", role="use", room="cellar"),
    )


def of(home: Household, events: list[Event], *more: Device) -> Household:
    """The same home with these events, and with more devices."""
    return Household(
        name=home.name, real=home.real, timezone=home.timezone, rows=len(events), events=events, days=home.days,
        devices=home.devices | {device.name: device for device in more}, at=[event.at for event in events],
        hours=[home.hour(event.at) for event in events], dates=[event.at.date() for event in events], bin=None,
    )  # fmt: skip


def absence_of(home: Household, trial: Trial) -> Absence:
    """The absence that a whole trial lies in."""
    (absence,) = (a for a in absences(home) if a.told <= trial.starts and trial.deadline <= a.until)
    return absence


def walk_of(home: Household, events: Sequence[Event]) -> None:
    """Asserts that events show somebody who walks through three to six rooms within one pause."""
    rooms = {home.devices[event.device].room for event in events if home.devices[event.device].role in INDOORS}
    assert 3 <= len(rooms) <= 6
    assert home.index(events[0].at) == home.index(events[-1].at)
    after = home.index(events[0].at)
    assert home.at[after] - home.at[after - 1] >= timedelta(minutes=30)


def planned(first: Household, second: Household, seed: int) -> Plan:
    return plan(first, [first, second], seed=seed)


def entry_of(home: Household, trial: Trial) -> None:
    """Asserts that the counted part of a trial is an entry within one pause."""
    events = [event for event in trial.events if event.at >= trial.counts_from]
    begin, end = events[0], events[-1]
    assert home.devices[begin.device].role == "entrance"
    assert (begin.action, end.device) == ("open", begin.device)
    walk_of(home, events)
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
    assert set(made.trials) | {"sabotage", "stranger"} == set(SCENARIOS)


def test_a_longer_recording_gets_three_a_week_and_a_quick_look_as_few_as_wanted(
    first: Household, second: Household
) -> None:
    few = plan(first, [first, second], seed=1000, trials_per_week=0, least=4)
    assert {len(trials) for trials in few.trials.values()} == {4}
    more = plan(first, [first, second], seed=1000, trials_per_week=35)
    assert {len(trials) for trials in more.trials.values()} == {35}


def test_where_most_days_have_no_room_the_others_take_their_trials(first: Household) -> None:
    """Residents who are away in the last week only can be found away in that week only, thirty times."""
    last = first.clock(first.days[-7])
    stays = of(first, [event for event in first.events if event.device != "door" or event.at >= last])
    trials = plan(stays, [], seed=1000).trials["away_entry"]
    assert len(trials) == 30
    assert len({trial.number for trial in trials}) == 30
    assert {trial.starts.date() for trial in trials} <= set(first.days[-7:])


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_who_enters_by_day_finds_everybody_away_and_nobody_comes(
    first: Household, second: Household, seed: int
) -> None:
    made = planned(first, second, seed)
    for scenario in ("away_entry", "away_entry_by_door"):
        for trial in made.trials[scenario]:
            absence_of(first, trial)
            walk_of(first, trial.events)
            assert {first.hour(event.at) for event in trial.events} <= set(range(8, 20))
            assert trial.deadline == trial.events[-1].at + timedelta(minutes=10)
            used = {first.devices[event.device].role for event in trial.events}
            assert ("entrance" in used) == (scenario == "away_entry_by_door")
    for trial in made.trials["away_entry_by_door"]:
        entry_of(first, trial)


@pytest.mark.parametrize("seed", [1000, 1001, 12])
def test_a_window_may_open_first_and_nothing_that_measures_the_house_ends_a_pause(
    lively: Household, seed: int
) -> None:
    by_window = 0
    for trial in plan(lively, [], seed=seed).trials["away_entry"]:
        absence_of(lively, trial)
        window = [event.action for event in trial.events if event.device == "window"]
        if window == ["open"]:  # nobody closes it; as a room on the way it is closed again
            by_window += 1
            assert trial.events[0].device == "window"
            rooms = {lively.devices[event.device].room for event in trial.events[1:]}
            assert 3 <= len(rooms) <= 6
    assert 5 <= by_window <= 25


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_a_homecoming_repeats_an_earlier_one_of_that_hour(first: Household, second: Household, seed: int) -> None:
    for trial in planned(first, second, seed).trials["homecoming"]:
        absence_of(first, trial)
        hour = first.hour(trial.starts)
        earlier = [
            index
            for absence in absences(first)
            if (index := absence.ended_by) is not None
            and first.at[index] < trial.starts
            and first.hours[index] == hour
        ]
        again = [(e.at - trial.starts, e.device, e.action) for e in trial.events]
        lived = [
            [
                (e.at - first.at[index], e.device, e.action)
                for e in first.events[index : first.index(first.at[index] + timedelta(minutes=10))]
            ]
            for index in earlier
        ]
        assert again in lived
        assert again[0][1:] == ("door", "open")


def test_who_comes_home_and_is_not_seen_indoors_is_no_homecoming(first: Household) -> None:
    quick = of(first, [event for event in first.events if event.device == "door" or event.at.hour < 17])
    made = plan(quick, [], seed=1000)
    assert absences(quick)
    assert made.reasons["homecoming"] == "nobody was ever seen coming home after being told away"


def test_a_state_that_a_device_is_in_already_is_not_repeated(first: Household) -> None:
    """The hall's sensor stuck at *on* since the last morning cannot show the homecoming, and others do."""
    day = first.days[-1]
    stuck = [e for e in first.events if not (e.device == "hall" and e.action == "off" and e.at > first.clock(day))]
    trials = plan(of(first, stuck), [], seed=1000).trials["homecoming"]
    late = [trial for trial in trials if trial.starts > first.clock(day)]
    for trial in trials:
        hall = [e.action for e in trial.events if e.device == "hall"]
        assert hall == ([] if trial in late else ["on", "off"][: len(hall)])


@pytest.mark.parametrize("seed", [1000, 1001, 12])
def test_a_device_that_goes_silent_used_to_speak_often_and_would_have_spoken(lively: Household, seed: int) -> None:
    trials = plan(lively, [], seed=seed).trials["sabotage"]
    assert len(trials) == 30
    for trial in trials:
        assert (trial.events, trial.replaces, trial.silenced) == ((), False, "radio")
        assert trial.counts_from == trial.starts
        assert trial.deadline <= lively.at[-1]
        # 35 of 36 pauses last half an hour, one lasts the night, about six and a half: more than one in a hundred.
        assert trial.deadline - trial.starts == max(timedelta(hours=24), 3 * timedelta(hours=6.5, seconds=1))
        own = lively.events[lively.index(trial.starts) : lively.index(trial.deadline)]
        left = list(trial.stream(own))
        assert left == [event for event in own if event.device != "radio"] != own


def test_a_rare_long_pause_is_unusual_and_a_usual_one_puts_the_deadline_off(lively: Household) -> None:
    def waits(keeps: set[int]) -> set[timedelta]:
        days = {day for number, day in enumerate(lively.days) if number not in keeps}
        quiet = [e for e in lively.events if e.device != "radio" or e.at.date() not in days or e.at.hour < 16]
        return {t.deadline - t.starts for t in plan(of(lively, quiet), [], seed=1000).trials["sabotage"]}

    assert waits(set(range(21))) == {timedelta(hours=24)}
    assert all(wait > timedelta(hours=3 * 14) for wait in waits(set()))


def test_a_device_too_seldom_heard_cannot_go_silent(lively: Household) -> None:
    seldom = [e for e in lively.events if e.device != "radio" or e.at.hour < 15]
    made = plan(of(lively, seldom), [], seed=1000)
    assert made.reasons["sabotage"].startswith("no device had twenty events")


@pytest.mark.parametrize("seed", [1000, 1001, 12])
def test_a_stranger_does_what_is_usual_at_that_hour_under_a_name_never_seen(lively: Household, seed: int) -> None:
    unknown: Counter[str] = Counter()
    for trial in plan(lively, [], seed=seed).trials["stranger"]:
        (event,) = trial.events
        assert (event.device, lively.hour(event.at)) in {("lamp", 19), ("lamp", 22)}
        same = [e for e in lively.events if (e.device, e.action) == (event.device, event.action)]
        before = [e for e in same if e.at < event.at and lively.hour(e.at) == lively.hour(event.at)]
        assert len({e.at.date() for e in before}) >= 7
        assert {e.at - lively.clock(e.at.date()) for e in before} >= {event.at - lively.clock(event.at.date())}
        names = {(e.actor, e.origin) for e in same}
        assert (event.actor, event.origin) not in names
        assert {event.actor} <= {actor for actor, _ in names} or {event.origin} <= {origin for _, origin in names}
        unknown["actor" if event.origin == "app" else "origin"] += 1
        state = [e.action for e in lively.events if e.device == "lamp" and e.at <= event.at][-1]
        assert state != event.action
    assert min(unknown["actor"], unknown["origin"]) >= 3


def test_a_command_is_given_in_the_name_of_whoever_last_gave_it(lively: Household) -> None:
    made = plan(lively, [], seed=1000)
    for trial in (*made.trials["flood"], *made.trials["ghost_command"]):
        for event in trial.events:
            if event.device == "lamp":
                assert (event.actor, event.origin) == ({"on": "person:ann", "off": "person:bob"}[event.action], "app")


def test_no_stranger_where_nobody_has_a_name(first: Household) -> None:
    assert plan(first, [], seed=1000).reasons["stranger"] == "no event of the home names who did it or through what"


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
    for scenario in ("away_entry", "away_entry_by_door", "homecoming"):
        assert made.reasons[scenario] == "the home has no entrance, so nobody is ever told away"


def test_a_device_that_never_ended_what_it_showed_gets_no_end(first: Household) -> None:
    past = Past(first)
    index = len(first.events)
    assert past.shows("hall", index) == ("on", "off")
    assert past.shows("hall", 0) is None
    until_first_on = next(i for i, e in enumerate(first.events) if e.device == "bedroom") + 1
    assert past.shows("bedroom", until_first_on) == ("on", None)
    assert set(ENDS.values()) >= {"off", "closed"}
