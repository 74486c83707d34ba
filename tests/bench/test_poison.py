from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.bench.small_homes import write_home

from homeward.bench.always_learn import AlwaysLearn
from homeward.bench.asides import Asides
from homeward.bench.homes import Household, load
from homeward.bench.methods import Homeward, Interruption, Method
from homeward.bench.poison import markdown, run, table
from homeward.bench.presence import RESIDENTS
from homeward.bench.teaching import LESSONS, Scheme, lived, schemes, teach
from homeward.core.event import Event
from homeward.sources.files import LastStates

SEED = 5
ACTED = "poison-"


class Scripted:
    """A method for which an activity of the night is news until it has seen it; ``learns`` says whether it then is
    no news any more."""

    def __init__(self, *, learns: bool) -> None:
        self.learns = learns
        self.known: set[tuple[str, str]] = set()
        self.answered: list[str] = []

    def event(self, event: Event) -> Sequence[Interruption]:
        kind = (event.device, event.action)
        if not 1 <= event.at.hour < 5 or event.device == RESIDENTS.name or kind in self.known:
            return ()
        if self.learns:
            self.known.add(kind)
        return [Interruption(event.at, event.id, event.device)]

    def answer(self, at: datetime, incident: str) -> Sequence[Interruption]:
        self.answered.append(incident)
        return ()

    def wait(self, until: datetime) -> Sequence[Interruption]:
        return ()

    def ready_after_days(self) -> float | None:
        return 0.0

    def copy(self) -> Scripted:
        twin = Scripted(learns=self.learns)
        twin.known = set(self.known)
        return twin


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Household:
    return load("house", write_home(tmp_path_factory.mktemp("home"), "house", days=52))


@pytest.fixture(scope="module")
def planned(home: Household) -> list[Scheme]:
    found, reason = schemes(home, seed=SEED, most=4, by_door=True)
    assert reason == ""
    return found


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("homes")
    write_home(folder, "house", days=52)
    write_home(folder, "young", days=30, seed=2)
    return run(folder, households=0, trials=2, workers=1)


def kinds(events: Sequence[Event]) -> list[tuple[str, str]]:
    return [(event.device, event.action) for event in events]


def test_one_event_more_is_acted_out_every_second_night(planned: list[Scheme]) -> None:
    assert len(planned) == 4
    for scheme in planned:
        whole = kinds(scheme.entry.events)
        assert len(scheme.lessons) == LESSONS
        for night, lesson in enumerate(scheme.lessons):
            assert kinds(lesson) == whole[: night // 2 + 1]


def test_lessons_lie_in_pauses_of_thirty_nights_at_the_hour_of_the_entry(
    home: Household, planned: list[Scheme]
) -> None:
    for scheme in planned:
        nights = [lesson[0].at.date() for lesson in scheme.lessons]
        assert [b - a for a, b in pairwise([*nights, scheme.entry.starts.date()])] == [timedelta(days=1)] * LESSONS
        for lesson in scheme.lessons:
            assert lesson[0].at.time() == scheme.entry.starts.time()
            before = home.index(lesson[0].at)
            assert home.index(lesson[-1].at) == before
            assert home.at[before] - home.at[before - 1] >= timedelta(minutes=30)


def test_a_night_in_which_somebody_is_up_then_has_its_lesson_at_another_time(tmp_path: Path) -> None:
    home = load("house", write_home(tmp_path, "house", days=52))
    scheme = schemes(home, seed=SEED, most=1, by_door=True)[0][0]
    at = scheme.begins[3]
    assert at is not None
    steps = [(-9, "on"), (-8, "off"), (12, "on"), (13, "off")]  # no pause of half an hour is left around it
    woken = [
        Event(id=f"up {minutes}", source="file", at=at + timedelta(minutes=minutes), device="kitchen", action=action)
        for minutes, action in steps
    ]
    events = sorted([*home.events, *woken], key=lambda event: event.at)
    home.events[:] = events
    home.at[:] = [event.at for event in events]
    home.hours[:] = [event.at.hour for event in events]
    home.dates[:] = [event.at.date() for event in events]
    again = schemes(home, seed=SEED, most=1, by_door=True)[0][0]
    other = again.begins[3]
    assert again.entry == scheme.entry
    assert other is not None
    assert other != at
    assert other.date() == at.date()
    assert 1 <= other.hour < 5


def test_the_twin_leaves_the_entrance_alone(home: Household, planned: list[Scheme]) -> None:
    twins, _ = schemes(home, seed=SEED, most=4, by_door=False)
    for scheme, twin in zip(planned, twins, strict=True):
        walk = [kind for kind in kinds(scheme.entry.events) if kind[0] != "door"]
        assert kinds(twin.entry.events) == walk
        assert twin.starts > scheme.starts
        assert kinds(twin.lessons[-1]) == walk[: LESSONS // 2]
        assert twin.entry.counts_from == twin.entry.events[0].at


def test_what_is_acted_out_changes_what_the_home_tells(home: Household, planned: list[Scheme]) -> None:
    scheme = planned[0]
    first = scheme.lessons[0]  # the door opens, and stays open until the household comes
    stream = list(lived(home, scheme.starts, scheme.starts + timedelta(days=2), first))
    assert stream[0] == first[0]
    own = [event for event in stream if event.device == "door"]
    assert kinds(own[:3]) == [("door", "open"), ("door", "closed"), ("door", "open")]
    states = LastStates()
    assert all(states.changed(event) for event in stream)
    assert any(event.device == RESIDENTS.name for event in stream)


def test_who_learns_at_night_is_fooled_and_who_does_not_is_not(home: Household, planned: list[Scheme]) -> None:
    fooled = teach(Scripted(learns=True), home, planned, seed=SEED)
    alert = teach(Scripted(learns=False), home, planned, seed=SEED)
    assert [(one.caught, one.alarmed_during) for one in fooled] == [(False, True)] * 4
    assert [(one.caught, one.alarmed_during) for one in alert] == [(True, True)] * 4


def test_outcomes_come_in_the_order_of_the_schemes(home: Household, planned: list[Scheme]) -> None:
    class Late(Scripted):
        """Alarms at nothing but the last scheme's entry."""

        def event(self, event: Event) -> Sequence[Interruption]:
            late = event.at >= planned[-1].entry.starts and event.id.startswith(ACTED)
            return [Interruption(event.at, event.id, event.device)] if late else ()

        def copy(self) -> Late:
            return Late(learns=False)

    backwards = teach(Late(learns=False), home, planned[::-1], seed=SEED)
    assert [one.caught for one in backwards] == [True, False, False, False]
    assert not any(one.alarmed_during for one in backwards)


def test_an_aside_is_a_copy_of_the_moment_before(home: Household) -> None:
    seen: list[tuple[int, int]] = []
    method = Counting()
    moments = [home.at[3], home.at[5]]
    followed = Asides(
        method, moments, lambda number, copy: seen.append((number, copy.event(home.events[0])[0].at.day))
    )
    for event in home.events[:5]:
        followed.event(event)
    followed.answer(home.at[5], "any")
    assert seen == [(0, 3 + 1), (1, 5 + 1)]
    assert method.events == 5


class Counting(Scripted):
    """Tells how many events it has seen as the day of an interruption's time."""

    def __init__(self) -> None:
        super().__init__(learns=False)
        self.events = 0

    def event(self, event: Event) -> Sequence[Interruption]:
        self.events += 1
        return [Interruption(event.at.replace(day=self.events), "", "")]

    def copy(self) -> Counting:
        twin = Counting()
        twin.events = self.events
        return twin


def test_always_learning_leaves_no_alarm_unanswered(home: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    answered: list[tuple[datetime, str]] = []
    answer = Homeward.answer

    def note(guard: Homeward, at: datetime, incident: str) -> Sequence[Interruption]:
        answered.append((at, incident))
        return answer(guard, at, incident)

    monkeypatch.setattr(Homeward, "answer", note)
    method: Method = AlwaysLearn(home, 7)
    alarms = [alarm for event in home.events[:-3] for alarm in method.event(event)]
    assert alarms
    assert [(alarm.at, alarm.incident) for alarm in alarms] == answered
    assert not method.answer(home.at[-1], alarms[0].incident)
    assert len(answered) == len(alarms)
    twin = method.copy()
    assert [twin.event(event) for event in home.events[-3:]] == [method.event(event) for event in home.events[-3:]]


def test_the_result_has_the_agreed_shape(result: dict[str, Any]) -> None:
    assert set(result) == {"homes", "pooled", "targets", "reasons", "seed"}
    house = result["homes"]["house"]
    assert house["trials"] == 2
    for figures in (house, house["motion_only"], result["pooled"]["real"]):
        for name in ("guard", "always_learn", "alarmed_during"):
            assert 0 <= figures[f"{name}_low"] <= figures[name] <= figures[f"{name}_high"] <= 1
            assert figures[f"{name}_trials"] == 2
    assert result["pooled"]["simulated"] is None


def test_the_target_is_missed_only_where_the_whole_interval_is_below(result: dict[str, Any]) -> None:
    for figures, goal in (
        (result["pooled"]["real"], result["targets"]["real"]["guard"]),
        (result["homes"]["house"], result["targets"]["homes"]["house"]["guard"]),
    ):
        assert goal["met"] is (figures["guard_high"] >= 0.95)
        assert (goal["figure"], goal["at_least"]) == (figures["guard"], 0.95)
    assert result["targets"]["homes"]["young"]["guard"]["met"] is None
    assert result["targets"]["simulated"] is None


def test_a_home_too_young_for_thirty_lessons_says_so(result: dict[str, Any]) -> None:
    assert result["homes"]["young"]["guard"] is None
    assert "fewer than 31 active days" in result["reasons"]["young"]


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_processes(
    tmp_path: Path, result: dict[str, Any]
) -> None:
    write_home(tmp_path, "house", days=52)
    write_home(tmp_path, "young", days=30, seed=2)
    steps: list[tuple[int, int]] = []
    again = run(
        tmp_path, households=0, trials=2, workers=2, progress=lambda done, total, what: steps.append((done, total))
    )
    assert json.dumps(again) == json.dumps(result)
    assert steps == [(1, 2), (2, 2)]


def test_the_tables_name_every_home_that_was_measured(result: dict[str, Any]) -> None:
    assert "house" in table(result)
    assert "No figure for young" in table(result)
    page = markdown(result, command="homeward bench poison --data DIR")
    assert page.startswith("| home |")
    assert "`homeward bench poison --data DIR --seed 1000`" in page


def test_a_folder_without_homes_gives_an_empty_result(tmp_path: Path) -> None:
    empty = run(tmp_path, households=0)
    assert (empty["homes"], empty["pooled"]) == ({}, {"real": None, "simulated": None})
    assert table(empty)
