from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.bench.small_homes import write_folder, write_home

from homeward.bench.homes import load
from homeward.bench.methods import Homeward
from homeward.bench.neighbourhood import household
from homeward.bench.peers import DETECTORS
from homeward.bench.quiet import Tally, best_level, markdown, run, table
from homeward.bench.scenarios import SCENARIOS


@pytest.fixture(scope="module", autouse=True)
def detectors_missing() -> Iterator[None]:
    """Most of this is about no detector of a library, and each of them takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("homeward.bench.peers.libraries.find_spec", lambda module: None)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("homes"))


@pytest.fixture(scope="module")
def result(folder: Path) -> dict[str, Any]:
    return run(folder, households=0, workers=1)


@pytest.fixture
def short_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated households of eighteen days instead of half a year."""
    monkeypatch.setattr("homeward.bench.residences.household", partial(household, days=18))


def check_figures(figures: dict[str, Any]) -> None:
    assert {"alarms", "alarms_per_week", "worst_week", "scenarios"} <= set(figures)
    assert list(figures["scenarios"]) == list(SCENARIOS)
    for scenario in figures["scenarios"].values():
        if scenario is None:
            continue
        assert set(scenario) == {"trials", "detected", "rate", "low", "high", "median_delay_s"}
        assert 0 <= scenario["low"] <= scenario["rate"] <= scenario["high"] <= 1
        assert (scenario["median_delay_s"] is None) == (scenario["detected"] == 0)


def test_the_result_has_the_agreed_shape(result: dict[str, Any]) -> None:
    assert {"homes", "pooled", "peers", "reasons", "targets", "seed"} == set(result)
    assert set(result["homes"]) == {"first", "second"}  # the third is too young
    assert set(result["peers"]) == {"markov", "rules"}
    for homes in (result["homes"], *result["peers"].values()):
        assert set(homes) == {"first", "second"}
        for home in homes.values():
            assert set(home) == {"real", "active_days", "events", "weeks", "ready_after_days", "budgets"}
            assert (home["real"], home["active_days"], home["weeks"]) == (True, 21, 1)
            assert set(home["budgets"]) == {"0.25", "1", "7"}
            for figures in home["budgets"].values():
                check_figures(figures)
    assert set(result["pooled"]) == {"real", "simulated"}
    assert set(result["pooled"]["real"]) == {"0.25", "1", "7"}
    for budget, figures in result["pooled"]["real"].items():
        check_figures(figures)
        homes = [home["budgets"][budget] for home in result["homes"].values()]
        assert figures["weeks"] == 2
        assert figures["alarms"] == sum(home["alarms"] for home in homes)
        assert figures["scenarios"]["flood"]["trials"] == 60


def test_what_cannot_be_measured_is_null_with_its_reason(result: dict[str, Any]) -> None:
    for name, home in result["homes"].items():
        missing = result["reasons"]["homes"][name]
        assert "stranger" in missing
        for figures in home["budgets"].values():
            assert {scenario for scenario, rate in figures["scenarios"].items() if rate is None} == set(missing)
    assert result["pooled"]["simulated"] is None
    assert result["reasons"]["pooled"]["simulated"]
    assert "River is not installed" in result["reasons"]["peers"]["half_space_trees"]


def test_the_guard_catches_a_flood_and_a_night_entry_in_a_regular_home(result: dict[str, Any]) -> None:
    scenarios = result["pooled"]["real"]["7"]["scenarios"]
    assert scenarios["flood"]["rate"] == 1
    assert scenarios["night_entry"]["rate"] > 0.5


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_processes(folder: Path, result: dict[str, Any]) -> None:
    steps: list[tuple[int, int]] = []
    again = run(folder, households=0, workers=2, progress=lambda done, total, what: steps.append((done, total)))
    assert json.dumps(again) == json.dumps(result)
    assert steps == [(1, 2), (2, 2)]


def test_another_seed_gives_other_trials(folder: Path, result: dict[str, Any]) -> None:
    other = run(folder, seed=1001, homes=["first"], households=0, budgets=[1], workers=1)
    assert set(other["homes"]) == {"first"}
    assert list(other["pooled"]["real"]) == ["1"]
    assert other["homes"]["first"]["budgets"]["1"] != result["homes"]["first"]["budgets"]["1"]


def test_a_home_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(ValueError, match="no home young"):
        run(folder, homes=["young"], households=0)


def test_a_folder_without_homes_gives_an_empty_result(tmp_path: Path) -> None:
    result = run(tmp_path, households=0)
    assert result["homes"] == result["peers"] == {}
    assert result["pooled"] == {"real": None, "simulated": None}
    assert table(result)


@pytest.mark.usefixtures("short_lives")
def test_simulated_households_are_pooled_apart(tmp_path: Path) -> None:
    write_home(tmp_path, "house", days=16)
    result = run(tmp_path, households=2, workers=1)
    real, *simulated = result["homes"].values()
    assert [home["real"] for home in (real, *simulated)] == [True, False, False]
    assert "kind" not in real
    assert {home["kind"] for home in simulated} == {"family", "single"}
    for kind, homes in (("real", [real]), ("simulated", simulated)):
        for budget, figures in result["pooled"][kind].items():
            assert figures["alarms"] == sum(home["budgets"][budget]["alarms"] for home in homes)
            assert figures["weeks"] == pytest.approx(sum(home["weeks"] for home in homes), abs=1e-5)
    tried = result["pooled"]["simulated"]["1"]["scenarios"]
    assert tried["night_entry"]["trials"] == 60
    assert tried["other_home"]["trials"] == 60  # the next household's days
    assert result["pooled"]["real"]["1"]["scenarios"]["other_home"] is None  # no other recorded home
    assert set(result["pooled"]["simulated"]["7"]["scenarios"].values()) == {None}
    assert "one alarm a week" in result["reasons"]["budgets"]["simulated"]
    for homes in result["peers"].values():
        assert [list(home["budgets"]) for home in homes.values()] == [["0.25", "1", "7"], ["1"], ["1"]]
    assert set(result["targets"]["homes"]) == set(result["homes"])


@pytest.mark.usefixtures("short_lives")
def test_only_the_first_households_are_measured_wholly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeward.bench.quiet.WHOLLY", 1)
    result = run(tmp_path, households=2, budgets=[1, 7], workers=1)
    assert [list(home["budgets"]) for home in result["homes"].values()] == [["1", "7"], ["1"]]
    first, _ = (home["weeks"] for home in result["homes"].values())
    assert result["pooled"]["simulated"]["7"]["weeks"] == first
    assert "the first 1" in result["reasons"]["budgets"]["simulated"]


def test_detectors_from_libraries_see_the_same_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeward.bench.peers.libraries.find_spec", lambda module: module)
    write_home(tmp_path, "house", days=17)
    result = run(tmp_path, households=0, workers=1)
    for name in DETECTORS:
        home = result["peers"][name]["house"]
        assert list(home["budgets"]) == ["1"]
        check_figures(home["budgets"]["1"])
        assert home["budgets"]["1"]["scenarios"]["night_entry"]["trials"] == 30
        assert "one alarm a week" in result["reasons"]["peers"][name]
    assert any(result["peers"][name]["house"]["budgets"]["1"]["scenarios"]["flood"]["rate"] for name in DETECTORS)


def test_a_home_of_just_fourteen_active_days_has_no_figures_yet(tmp_path: Path) -> None:
    write_home(tmp_path, "house", days=14)
    figures = run(tmp_path, households=0, budgets=[1], workers=1)["homes"]["house"]["budgets"]["1"]
    assert (figures["alarms"], figures["alarms_per_week"]) == (0, None)
    assert set(figures["scenarios"].values()) == {None}


def test_the_table_tells_every_method_scenario_and_target(result: dict[str, Any]) -> None:
    for shown in (table(result), markdown(result)):
        for word in ("homeward", "markov", "rules", "night entry", "flood", "River is not installed", "missed"):
            assert word in shown
        assert "NaN" not in shown


def test_the_level_shown_is_the_best_that_keeps_the_budget() -> None:
    def tally(alarms: int, found: int) -> Tally:
        return Tally(weeks=4, alarms=alarms, delays={"flood": [1.0] * found + [None] * (10 - found)})

    levels = {"lax": tally(0, 2), "medium": tally(3, 6), "strict": tally(9, 9)}
    assert best_level(levels, 4) == "medium"
    assert best_level(levels, 40) == "strict"
    assert best_level({"medium": tally(7, 6), "strict": tally(9, 9)}, 4) == "medium"


def test_a_copy_of_the_guard_goes_on_alike_and_teaches_the_original_nothing(folder: Path) -> None:
    home = load("first", folder / "first.events.csv.gz")
    guard = Homeward(home, 7)
    half = len(home.events) // 2
    for event in home.events[:half]:
        guard.event(event)
    twin, other = guard.copy(), guard.copy()  # good until the guard itself goes on
    for _ in range(3):
        for event in home.events[half:]:
            other.event(event)
    told = [twin.event(event) for event in home.events[half:]]
    assert [guard.event(event) for event in home.events[half:]] == told
    assert any(told)


def test_a_recorded_home_is_measured_over_thirty_night_entries(data_folder: Path) -> None:
    result = run(data_folder, homes=["kasteren-a"], households=0, budgets=[1], workers=1)
    home = result["homes"]["kasteren-a"]
    assert (home["active_days"], home["real"]) == (24, True)
    assert home["budgets"]["1"]["scenarios"]["night_entry"]["trials"] == 30
