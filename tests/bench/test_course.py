"""How a home is streamed: answers, trials beside it, and what counts as a detection."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.bench.small_homes import write_folder

from homeward.bench.course import follow
from homeward.bench.homes import Household, load
from homeward.bench.methods import Interruption
from homeward.bench.presence import Presence
from homeward.bench.scenarios import Plan, Trial, plan
from homeward.core.event import Event

NOTHING = Plan(trials={}, reasons={})


class Told:
    """A method that alarms about chosen devices, an incident each time, and writes down all it is told."""

    def __init__(self, *devices: str) -> None:
        self.devices = devices
        self.diary: list[tuple[str, datetime, str]] = []
        self.twins: list[Told] = []

    def event(self, event: Event) -> Sequence[Interruption]:
        self.diary.append(("event", event.at, event.id))
        return [Interruption(event.at, event.id, event.device)] if event.device in self.devices else []

    def answer(self, at: datetime, incident: str) -> Sequence[Interruption]:
        self.diary.append(("answer", at, incident))
        return ()

    def wait(self, until: datetime) -> Sequence[Interruption]:
        self.diary.append(("wait", until, ""))
        return ()

    def ready_after_days(self) -> float | None:
        return None

    def copy(self) -> Told:
        self.twins.append(Told(*self.devices))
        return self.twins[-1]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Household:
    folder = write_folder(tmp_path_factory.mktemp("homes"))
    return load("first", folder / "first.events.csv.gz")


def trial(home: Household, device: str, *, like: Event | None = None) -> Trial:
    """One event of a device on the last day but one, or the very moment and device of one of the home's own."""
    at = home.clock(home.days[-2], 12) if like is None else like.at
    event = Event(id="injected", source="file", at=at, device=device, action="on")
    return Trial(
        scenario="night_entry",
        number=0,
        starts=at - timedelta(seconds=1),
        counts_from=at,
        deadline=at + timedelta(minutes=10),
        events=(event,),
    )


def delays(method: Told, home: Household, one: Trial) -> list[float | None]:
    return follow(method, home, Plan(trials={one.scenario: [one]}, reasons={}), seed=1000).delays[one.scenario]


def test_what_the_injection_raises_is_a_detection(first: Household) -> None:
    assert delays(Told("stranger"), first, trial(first, "stranger")) == [0.0]
    assert delays(Told("somebody else"), first, trial(first, "stranger")) == [None]


def test_what_is_raised_without_the_injection_too_is_none(first: Household) -> None:
    own = next(event for event in first.events if event.device == "door" and event.at > first.clock(first.days[-2]))
    assert delays(Told("door"), first, trial(first, "hall", like=own)) == [None]


def test_an_interruption_before_the_moment_that_counts_is_none(first: Household) -> None:
    early = trial(first, "stranger")
    late = Trial(
        scenario=early.scenario,
        number=0,
        starts=early.starts,
        counts_from=early.counts_from + timedelta(minutes=1),
        deadline=early.deadline,
        events=early.events,
    )
    assert delays(Told("stranger"), first, late) == [None]


def test_trials_teach_the_original_nothing(first: Household) -> None:
    with_trials, without = Told("door"), Told("door")
    follow(with_trials, first, plan(first, [], seed=1000), seed=1000)
    follow(without, first, NOTHING, seed=1000)
    assert with_trials.diary == without.diary


def test_time_never_goes_back_and_every_event_arrives_once(first: Household) -> None:
    method = Told("door", "kitchen")
    follow(method, first, NOTHING, seed=1000)
    times = [at for _, at, _ in method.diary]
    assert times == sorted(times)
    arrived = [name for kind, _, name in method.diary if kind == "event"]
    assert arrived == [event.id for event in Presence(first).told(first.events)]
    assert [name for name in arrived if "residents" not in name] == [event.id for event in first.events]


def test_about_seven_of_ten_alarms_are_answered_eight_hours_later(first: Household) -> None:
    method = Told("door", "kitchen", "hall", "bedroom")
    course = follow(method, first, NOTHING, seed=1000)
    at = {alarm.incident: alarm.at for alarm in course.alarms}
    answers = [(when, incident) for kind, when, incident in method.diary if kind == "answer"]
    assert all(when == at[incident] + timedelta(hours=8) for when, incident in answers)
    assert 0.6 < len(answers) / len(course.alarms) < 0.8


def test_methods_that_alarm_at_one_moment_get_one_answer(first: Household) -> None:
    some, more = Told("door"), Told("door", "kitchen")
    follow(some, first, NOTHING, seed=1000)
    follow(more, first, NOTHING, seed=1000)
    answered = {entry for entry in some.diary if entry[0] == "answer"}
    doors = {event.id for event in first.events if event.device == "door"}
    assert answered == {entry for entry in more.diary if entry[0] == "answer" and entry[2] in doors}


def test_a_day_of_another_home_takes_the_place_of_our_own(first: Household, tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    second = load("second", folder / "second.events.csv.gz")
    made = plan(first, [second], seed=1000)
    one = made.trials["other_home"][0]
    method = Told()
    follow(method, first, Plan(trials={"other_home": [one]}, reasons={}), seed=1000)
    (injected,) = method.twins
    ids = [name for kind, _, name in injected.diary if kind == "event" and "residents" not in name]
    assert ids == [event.id for event in one.events]
    assert injected.diary[-1][:2] == ("wait", one.deadline)


def test_who_comes_in_by_the_door_is_told_home_and_who_does_not_is_not(first: Household) -> None:
    made = plan(first, [], seed=1000)
    for scenario, said in (("away_entry_by_door", ["home"]), ("away_entry", []), ("homecoming", ["home"])):
        method = Told()
        one = made.trials[scenario][0]
        follow(method, first, Plan(trials={scenario: [one]}, reasons={}), seed=1000)
        (copy,) = method.twins
        assert [name.split("-")[1] for _, _, name in copy.diary if "residents" in name] == said
        before = [name for _, at, name in method.diary if "residents" in name and at <= one.starts]
        assert before[-1].startswith("residents-away")


def test_a_silenced_door_tells_nobody_home(first: Household) -> None:
    starts = first.clock(first.days[-3], 12)
    silence = Trial(
        scenario="sabotage", number=0, starts=starts, counts_from=starts, deadline=starts + timedelta(days=1),
        events=(), silenced="door",
    )  # fmt: skip
    method = Told()
    follow(method, first, Plan(trials={"sabotage": [silence]}, reasons={}), seed=1000)
    (copy,) = method.twins
    own = [event for event in first.events if starts < event.at <= silence.deadline]
    assert [name for kind, _, name in copy.diary if kind == "event"] == [e.id for e in own if e.device != "door"]
    assert "door" in {event.device for event in own}


class Answered(Told):
    """Alarms about the door until it is answered for the first time; from then on about the kitchen."""

    def answer(self, at: datetime, incident: str) -> Sequence[Interruption]:
        self.devices = ("kitchen",)
        return super().answer(at, incident)

    def copy(self) -> Answered:
        twin = Answered(*self.devices)
        self.twins.append(twin)
        return twin


def test_an_answer_that_a_trial_cannot_know_does_not_reach_its_control(first: Household) -> None:
    """From its first answered alarm on the original alarms otherwise than a copy that gets no answer; a trial of a
    day that injects what nobody notices still raises only what the copy without it does."""
    opened = [event for event in first.events if event.device == "door" and event.action == "open"]
    follow(calm := Answered("door"), first, NOTHING, seed=1000)
    answered = next(at for kind, at, _ in calm.diary if kind == "answer") - timedelta(hours=8)
    assert answered in {event.at for event in opened}
    for hours in (1, 30, 60):
        starts = answered - timedelta(minutes=hours)
        event = Event(id="injected", source="file", at=starts + timedelta(seconds=1), device="nobody", action="on")
        day = Trial(
            scenario="sabotage", number=0, starts=starts, counts_from=starts, deadline=starts + timedelta(days=3),
            events=(event,),
        )  # fmt: skip
        method = Answered("door")
        assert delays(method, first, day) == [None]
        with_injection, without = method.twins
        raised = [entry for entry in with_injection.diary if entry[2] != "injected"]
        known = [entry for entry in method.diary if starts < entry[1] <= answered + timedelta(hours=8)]
        assert raised[-1] == without.diary[-1] == ("wait", day.deadline, "")
        assert raised == [entry for entry in known if entry[0] == "event"] + without.diary


def test_a_long_trial_without_a_new_answer_needs_no_run_beside_it(first: Household) -> None:
    starts = first.clock(first.days[-4], 12)
    event = Event(id="injected", source="file", at=starts, device="stranger", action="on")
    day = Trial(
        scenario="sabotage", number=0, starts=starts, counts_from=starts, deadline=starts + timedelta(days=2),
        events=(event,),
    )  # fmt: skip
    method = Told("stranger")
    assert delays(method, first, day) == [0.0]
    assert len(method.twins) == 1
