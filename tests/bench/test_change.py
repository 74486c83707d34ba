from __future__ import annotations

import csv
import gzip
import json
import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.bench.small_homes import write_home

from homeward.bench.change import markdown, run, table
from homeward.bench.goals import value_at_most
from homeward.bench.homes import Household, load
from homeward.bench.new_clock import MOVES_BY, can_move, days_to_quiet, moved_home, moved_plan
from homeward.bench.new_context import windows_to_quiet
from homeward.bench.sequences.windows import COLUMNS

OLD = (("bedroom", "on"), ("kettle", "on"), ("door", "open"), ("lamp", "off"))
NEW = (("sofa", "on"), ("television", "on"), ("lamp", "on"), ("fan", "on"))
CHANGE = date(2024, 2, 5)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Household:
    return load("house", write_home(tmp_path_factory.mktemp("home"), "house", days=70))


def write_set(folder: Path, name: str) -> None:
    """Mornings are the old context, evenings the new one; an attack is an evening in which a lock opens at night."""
    chance = random.Random(name)
    rows: list[list[object]] = []

    def window(sequence: str, split: str, attack: bool = False) -> None:
        acts, hour = (NEW, 6) if split == "test" else (OLD, 2)
        day = chance.randrange(7)
        for position in range(10):
            device, action = chance.choice(acts)
            strange = attack and position in {4, 5}
            step = [0, "lock", "unlock"] if strange else [hour, device, action]
            label = ["1", "lock", "DM"] if attack else ["0", "", ""]
            rows.append([sequence, position, day, *step, *label, split])

    for number in range(60):
        window(f"train-{number}", "train")
    for number in range(25):
        window(f"validation-{number}", "validation")
    for number in range(140):
        window(f"test-{number}", "test")
        window(f"attack-{number}", "test", attack=True)
    with gzip.open(folder / f"{name}.sequences.csv.gz", "wt", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(COLUMNS)
        lines.writerows(rows)


def write_folder(folder: Path) -> Path:
    write_home(folder, "house", days=70)
    write_home(folder, "young", days=40, seed=2)
    write_set(folder, "smartgen-morning-evening")
    write_set(folder, "another")
    return folder


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run(write_folder(tmp_path_factory.mktemp("data")), households=0, workers=1)


def test_from_one_day_on_everything_happens_six_hours_later(home: Household) -> None:
    moved = moved_home(home, CHANGE)
    since = home.clock(CHANGE)
    for before, after, hour, day in zip(home.events, moved.events, moved.hours, moved.dates, strict=True):
        by = MOVES_BY if before.at >= since else timedelta(0)
        assert after.at == before.at + by
        assert (after.device, after.action, after.id) == (before.device, before.action, before.id)
        assert (hour, day) == (after.at.hour, after.at.date())
    assert moved.at == sorted(event.at for event in moved.events)
    assert moved.days == home.days


def test_a_moved_home_keeps_to_its_own_time_zone(tmp_path: Path) -> None:
    home = load("house", write_home(tmp_path, "house", days=70, timezone="Europe/Paris", clock="utc"))
    moved = moved_home(home, date(2024, 1, 31))
    assert moved.events[-1].at - home.events[-1].at == MOVES_BY
    assert (moved.hours[-1] - home.hours[-1]) % 24 == 6
    assert moved.hours[-1] == home.hour(moved.at[-1])


def test_the_new_night_is_when_the_home_now_sleeps(home: Household) -> None:
    moved, plan = moved_home(home, CHANGE), moved_plan(home, CHANGE, seed=5)
    assert {name: len(trials) for name, trials in plan.trials.items()} == {"before": 30, "after": 30}
    assert plan.reasons == {}
    for trial in plan.trials["before"]:
        assert 1 <= trial.starts.hour < 5
        assert trial.starts < home.clock(CHANGE)
    for trial in plan.trials["after"]:
        assert 7 <= trial.starts.hour < 11
        assert trial.starts.date() >= CHANGE
        assert trial.starts == trial.counts_from == trial.events[0].at == trial.events[0].happened
        assert trial.deadline == trial.events[-1].at + timedelta(minutes=10)
        place = moved.index(trial.starts)
        assert moved.index(trial.deadline - timedelta(minutes=10)) == place
        later = moved.at[place] if place < len(moved.at) else trial.starts + timedelta(days=1)
        assert later - moved.at[place - 1] >= timedelta(minutes=30)


def test_a_home_must_have_an_entrance_and_sixty_days(home: Household, tmp_path: Path) -> None:
    assert can_move(home)
    assert not can_move(load("young", write_home(tmp_path, "young", days=59)))
    path = write_home(tmp_path, "open", days=60)
    (tmp_path / "open.devices.csv").write_text("device,type,room,role\n", "utf-8")
    assert not can_move(load("open", path))


@pytest.mark.parametrize(
    ("alarms", "days", "quiet"),
    [
        ([], 14, 0),
        ([], 13, None),
        ([0, 1, 2, 3], 30, 0),
        ([0, 0, 0, 0, 0], 30, 1),
        ([0, 1, 2, 3, 4], 30, 1),
        ([0, 0, 0, 3, 4, 9, 20], 30, 1),
        ([3] * 9, 30, 4),
        (list(range(30)), 30, None),
        ([16] * 5, 30, 0),
    ],
)
def test_quiet_is_a_fortnight_within_twice_the_budget(alarms: list[int], days: int, quiet: int | None) -> None:
    assert days_to_quiet(alarms, days) == quiet


def test_windows_to_quiet_looks_a_hundred_windows_ahead() -> None:
    loud, still = [True] * 30, [False] * 120
    assert windows_to_quiet([*loud, *still], 0.04) == 27
    assert windows_to_quiet(still, 0.04) == 0
    assert windows_to_quiet([*still[:99]], 0.04) is None
    assert windows_to_quiet([*loud, *still, *loud], 0.04) == 27
    assert windows_to_quiet([number % 20 == 0 for number in range(300)], 0.04) is None


def test_the_result_has_the_agreed_shape(result: dict[str, Any]) -> None:
    assert set(result) == {"sets", "homes", "pooled", "targets", "reasons", "seed"}
    assert set(result["sets"]) == {"smartgen-morning-evening"}
    assert set(result["homes"]) == {"house"}  # the other is too young
    house = result["homes"]["house"]
    assert {"days_to_quiet", "alarms_in_change", "night_entry_after"} <= set(house)
    assert result["pooled"]["simulated"] is None
    for figures in (house, result["pooled"]["real"]):
        for name in ("night_entry_before", "night_entry_after"):
            assert 0 <= figures[f"{name}_low"] <= figures[name] <= figures[f"{name}_high"] <= 1
            assert figures[f"{name}_trials"] >= 30


def test_targets_are_judged_on_the_pool_and_on_each_home(result: dict[str, Any]) -> None:
    goals, house = result["targets"]["homes"]["house"], result["homes"]["house"]
    assert goals["days_to_quiet"]["met"] is (house["days_to_quiet"] <= 5)
    assert goals["alarms_in_change"]["met"] is (house["alarms_in_change"] <= 3)
    assert goals["night_entry_after"]["met"] is (house["night_entry_after_high"] >= 0.95)
    assert result["targets"]["real"] == goals  # it is the only one
    assert result["targets"]["simulated"] is None
    assert "at most 5" in table(result)


def test_a_home_that_is_never_quiet_again_misses() -> None:
    assert value_at_most(None, 5)["met"] is False
    assert value_at_most(5, 5)["met"] is True


def test_a_regular_home_is_guarded_before_the_change_and_quiet_after_it(result: dict[str, Any]) -> None:
    house = result["homes"]["house"]
    assert house["night_entry_before"] > 0.5
    assert house["days_to_quiet"] is not None
    assert house["alarms_per_week_after"] <= 7


def test_a_new_context_alarms_less_and_less_and_an_attack_in_it_is_caught(result: dict[str, Any]) -> None:
    figures = result["sets"]["smartgen-morning-evening"]
    assert [rate["windows"] for rate in figures["rates"]] == [100, 40]
    first, last = figures["rates"]
    fixed = figures["rates_without_learning"]
    assert fixed[0]["rate"] == fixed[1]["rate"] == 1  # nothing of the new context was ever seen
    assert last["rate"] < first["rate"] < 1
    assert figures["attacks_before"]["rate"] == 1
    assert figures["attacks_after"]["rate"] > 0.9


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_processes(
    tmp_path: Path, result: dict[str, Any]
) -> None:
    steps: list[tuple[int, int]] = []
    again = run(
        write_folder(tmp_path),
        households=0,
        workers=2,
        progress=lambda done, total, what: steps.append((done, total)),
    )
    assert json.dumps(again) == json.dumps(result)
    assert steps == [(1, 2), (2, 2)]


def test_another_seed_gives_other_trials(home: Household) -> None:
    starts = [[t.starts for t in moved_plan(home, CHANGE, seed=seed).trials["after"]] for seed in (5, 6)]
    assert starts[0] != starts[1]


def test_the_tables_show_sets_and_homes(result: dict[str, Any]) -> None:
    shown = table(result)
    for word in ("smartgen-morning-evening", "house", "all real"):
        assert word in shown
    page = markdown(result, command="homeward bench change --data DIR")
    assert page.count("| ---") >= 2
    assert "`homeward bench change --data DIR --seed 1000`" in page


def test_a_folder_with_nothing_to_measure_says_so(tmp_path: Path) -> None:
    empty = run(tmp_path, households=0)
    assert (empty["sets"], empty["homes"]) == ({}, {})
    assert empty["reasons"]["sets"]
    assert "No figure for sets" in table(empty)
